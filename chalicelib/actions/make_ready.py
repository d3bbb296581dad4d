"""Getting a job's destinations ready right before its launch: the repository is there, and the trainer gets its keys.

All of it may be done again: a launch that dies is taken up by another process, which begins here.
"""

from __future__ import annotations

from typing import Any

from chalicelib.actions.hubs import Hubs, account_of
from chalicelib.actions.promise import STORED_BUCKET
from chalicelib.domain.dataset_keys import put_back, vault_name
from chalicelib.domain.destinations import HUB, Arrival, BucketKeys, Kind
from chalicelib.domain.errors import DestinationRefused
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.outside import Vault
from chalicelib.domain.runs import Delivery


class MakeReady:
    def __init__(self, vault: Vault, hubs: Hubs) -> None:
        self._vault = vault
        self._hubs = hubs

    def __call__(self, job: Job) -> tuple[Delivery, ...]:
        """The users' buckets with their keys. Raises ``DestinationRefused`` and ``DestinationDown``."""
        for arrival in job.destinations:
            if arrival.kind is Kind.HUB:
                hub = self._hubs.of(job.tenant, arrival.name)
                hub.create(str(arrival.at["repo"]), bool(arrival.at["private"]))
        return tuple(self._delivery(job, one) for one in job.destinations if one.kind is Kind.S3)

    def hub_token(self, job: Job) -> str | None:
        """That of the account which the job pushes to, None where it is the server's own."""
        account = account_of(job)
        return None if account == HUB else self._hubs.token(job.tenant, account)

    def goes_home(self, job: Job) -> bool:
        return not job.destinations or any(one.kind is Kind.STORE for one in job.destinations)

    def datasets(self, job: Job, dataloader: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        """The dataloader with the keys of stored buckets and those that the job keeps, which only the trainer sees."""
        if not dataloader:
            return dataloader
        own = self._own_keys(job)
        return [self._with_keys(job, put_back(entry, own)) for entry in dataloader]

    def _own_keys(self, job: Job) -> dict[str, str]:
        if vault_name(job.id) not in job.vault_names:
            return {}
        held = self._vault.read(job.tenant, vault_name(job.id))
        if held is None:
            raise DestinationRefused("The keys of this job's datasets are gone. Submit it again.", cause="no_keys")
        return held

    def _with_keys(self, job: Job, entry: dict[str, Any]) -> dict[str, Any]:
        name = entry.pop(STORED_BUCKET, None)
        if name is None:
            return entry
        keys = self._keys(job, str(name))
        return {**entry, "aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}

    def _delivery(self, job: Job, arrival: Arrival) -> Delivery:
        place, keys = arrival.place, self._keys(job, arrival.name)
        return Delivery(
            endpoint_url=place.endpoint_url,
            region=place.region,
            bucket=place.bucket,
            prefix=place.prefix,
            access_key=keys.access_key,
            secret_key=keys.secret_key,
        )

    def _keys(self, job: Job, name: str) -> BucketKeys:
        held = self._vault.read(job.tenant, name)
        if held is None:
            raise DestinationRefused(
                f"The keys of '{name}' were removed after this job was submitted. Give them again, and submit again.",
                cause="no_keys",
            )
        return BucketKeys(held["access_key"], held["secret_key"])
