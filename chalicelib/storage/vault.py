"""Users' own keys in AWS Secrets Manager: one secret for each, below a prefix that the functions' roles are held to.

Read once in some minutes in each process: a run's log is cleaned of them as it grows, and each question costs money.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.storage.errors import StorageDown, StorageRefused

REMEMBERED_SECONDS = 300.0
_GONE = "ResourceNotFoundException"


class SecretsManagerVault:
    """Implements ``domain.ports.Vault``. Without a ``prefix`` nothing can be kept, and there is nothing to read."""

    def __init__(self, client: Callable[[], Any], prefix: str | None) -> None:
        self._make = client
        self._prefix = prefix
        self._held: dict[str, tuple[float, dict[str, str] | None]] = {}
        self._seen: frozenset[str] = frozenset()

    def keep(self, tenant: str, name: str, value: dict[str, str]) -> None:
        if self._prefix is None:
            raise StorageRefused("Keys cannot be kept here: set STCLOUD_VAULT to a prefix in AWS Secrets Manager.")
        secret_id, text = self._id(tenant, name), json.dumps(value)
        with _Named(name) as asked:
            try:
                self._make().put_secret_value(SecretId=secret_id, SecretString=text)
            except ClientError as failure:
                if _code(failure) != _GONE:
                    raise
                asked.doing = "make"
                self._make().create_secret(Name=secret_id, SecretString=text)
        self._remember(secret_id, value)

    def read(self, tenant: str, name: str) -> dict[str, str] | None:
        if self._prefix is None:
            return None
        secret_id = self._id(tenant, name)
        at, held = self._held.get(secret_id, (0.0, None))
        if secret_id in self._held and time.monotonic() - at < REMEMBERED_SECONDS:
            return held
        value: dict[str, str] | None = None
        with _Named(name):
            try:
                value = json.loads(self._make().get_secret_value(SecretId=secret_id)["SecretString"])
            except ClientError as failure:
                if _code(failure) != _GONE:
                    raise
        self._remember(secret_id, value)
        return value

    def drop(self, tenant: str, name: str) -> None:
        """At once, so that the keys are gone and the name can be used again."""
        if self._prefix is None:
            return
        secret_id = self._id(tenant, name)
        self._held.pop(secret_id, None)
        with _Named(name):
            try:
                self._make().delete_secret(SecretId=secret_id, ForceDeleteWithoutRecovery=True)
            except ClientError as failure:
                if _code(failure) != _GONE:
                    raise

    def seen(self) -> frozenset[str]:
        return self._seen

    def _id(self, tenant: str, name: str) -> str:
        return f"{self._prefix}/{tenant}/{name}"

    def _remember(self, secret_id: str, value: dict[str, str] | None) -> None:
        self._held[secret_id] = (time.monotonic(), value)
        self._seen |= frozenset((value or {}).values())


class _Named:
    """botocore's errors stop here: their texts may quote what was sent."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.doing = "use"

    def __enter__(self) -> _Named:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ClientError):
            code = _code(error)
            if code in ("ThrottlingException", "InternalServiceError", "InvalidRequestException"):
                # The last of them: a secret of this name is still being deleted.
                raise StorageDown(
                    f"AWS Secrets Manager cannot {self.doing} the keys of '{self._name}' at the moment ({code})."
                ) from error
            raise StorageRefused(
                f"AWS Secrets Manager refused to {self.doing} the keys of '{self._name}' ({code}).", storage_code=code
            ) from error
        if isinstance(error, BotoCoreError):
            raise StorageDown(f"AWS Secrets Manager could not be asked ({type(error).__name__}).") from error


def _code(failure: ClientError) -> str:
    return str(failure.response.get("Error", {}).get("Code", ""))
