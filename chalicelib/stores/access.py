"""Storage keys of jobs. The secret half is derived, never stored: who reads the table cannot write anyone's results."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.moments import from_text, to_text
from chalicelib.domain.ports.storage import StorageKey
from chalicelib.domain.runs import Delivery
from chalicelib.stores import keys
from chalicelib.stores.table import ConditionFailed, Exists, Table

AFTER_THE_END = timedelta(hours=1)
"""Uploads may still be under way when the provider reports the end; until then the key goes on working."""


class StorageKeyTable:
    def __init__(
        self,
        table: Table,
        master_secret: bytes,
        bucket: str,
        endpoint_url: str | None,
        region: str,
        now: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._master = master_secret
        self._bucket = bucket
        self._endpoint = endpoint_url
        self._region = region
        self._now = now

    def issue(self, tenant: str, job_id: str, reads: Sequence[str] = ()) -> Delivery:
        access_key = self._name(tenant, job_id)
        row = keys.access_key_row(access_key)
        told: dict[str, Any] = {"tenant": tenant, "job_id": job_id, "expires_at": None, "reads": list(reads)}
        self._table.put({"pk": row.pk, "sk": row.sk, **told})
        return Delivery(
            endpoint_url=self._endpoint,
            region=self._region,
            bucket=self._bucket,
            prefix=job_id,
            access_key=access_key,
            secret_key=self._secret(access_key),
        )

    @property
    def can_lend(self) -> bool:
        """Whether a trainer can reach the endpoint at all."""
        return self._endpoint is not None

    def lend(self, tenant: str, job_id: str, archive: str, folders: list[str]) -> Delivery:
        access_key = self._name(tenant, f"{job_id}/datasets")
        row = keys.access_key_row(access_key)
        told: dict[str, Any] = {
            "tenant": tenant,
            "job_id": job_id,
            "expires_at": None,
            "archive": archive,
            "folders": list(folders),
        }
        self._table.put({"pk": row.pk, "sk": row.sk, **told})
        return Delivery(self._endpoint, self._region, "", "", access_key, self._secret(access_key))

    def retire(self, tenant: str, job_id: str) -> None:
        # Nobody reads the data of a job that is over.
        self._table.delete(keys.access_key_row(self._name(tenant, f"{job_id}/datasets")))
        last = self._now() + AFTER_THE_END
        row = keys.access_key_row(self._name(tenant, job_id))
        try:
            self._table.update(row, set={"expires_at": to_text(last), "ttl": int(last.timestamp())}, if_=Exists())
        except ConditionFailed:
            return  # never issued, or expired already

    def find(self, access_key: str) -> StorageKey | None:
        """The key with the prefix that it reaches; None when it does not exist (any more)."""
        item = self._table.get(keys.access_key_row(access_key))
        if item is None:
            return None
        job_id = str(item["job_id"])
        lent: Any = item
        if "archive" in item:
            secret, folders = self._secret(access_key), tuple(lent["folders"])
            return StorageKey(access_key, secret, "", "", job_id, archive=lent["archive"], folders=folders)
        return StorageKey(
            access_key=access_key,
            secret_key=self._secret(access_key),
            bucket=self._bucket,
            prefix=f"{job_id}/",
            job_id=job_id,
            expires_at=from_text(str(item["expires_at"])) if item["expires_at"] else None,
            reads=tuple(lent.get("reads") or ()),
        )

    def root(self) -> StorageKey:
        """This system's own key. It reaches everything and is derived anew at each start, from the same secret."""
        access_key = self._name("", "root")
        return StorageKey(access_key=access_key, secret_key=self._secret(access_key))

    def _name(self, tenant: str, job_id: str) -> str:
        digest = hmac.new(self._master, f"name:{tenant}:{job_id}".encode(), hashlib.sha256).digest()
        return "STC" + base64.b32encode(digest).decode()[:17]

    def _secret(self, access_key: str) -> str:
        digest = hmac.new(self._master, f"secret:{access_key}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
