"""Places of the users' own where models go: buckets, the Hub, and the vault that holds their keys."""

from __future__ import annotations

from typing import Protocol

from chalicelib.domain.destinations import BucketKeys, BucketPlace, Destination, Step
from chalicelib.domain.hub import HubFile, HubIdentity
from chalicelib.domain.ports.storage import StoredObject


class Vault(Protocol):
    """Keys that users hand over. What is read never goes into a row, an answer or a log."""

    def keep(self, tenant: str, name: str, value: dict[str, str]) -> None:
        """In place of what was there."""
        ...

    def read(self, tenant: str, name: str) -> dict[str, str] | None: ...
    def drop(self, tenant: str, name: str) -> None:
        """For good; what is gone already is no error."""
        ...

    def seen(self) -> frozenset[str]:
        """Every secret value that passed through here in this process, for whoever cleans its log."""
        ...


class Destinations(Protocol):
    """Buckets that a tenant has named, and where its models go when a job does not say."""

    def get(self, tenant: str, name: str) -> Destination | None: ...
    def all(self, tenant: str) -> list[Destination]: ...
    def put(self, destination: Destination, before: Destination | None) -> None:
        """Raises ``Stale`` when another one is there than ``before``."""
        ...

    def delete(self, tenant: str, name: str) -> bool:
        """False when there was none."""
        ...

    def default(self, tenant: str) -> list[str] | None: ...
    def set_default(self, tenant: str, names: list[str]) -> None: ...


class Buckets(Protocol):
    """Buckets that are not ours. Raises ``DestinationRefused`` and ``DestinationDown``."""

    def test(self, place: BucketPlace, keys: BucketKeys, probe: str) -> list[Step]:
        """Writes an object as the trainer would, lists it, reads it back and deletes it; stops at what fails."""
        ...

    def list(self, place: BucketPlace, keys: BucketKeys, prefix: str) -> list[StoredObject]: ...
    def read(self, place: BucketPlace, keys: BucketKeys, key: str, limit: int) -> bytes | None: ...


class Hub(Protocol):
    """The Hugging Face Hub, with this system's token. Raises ``DestinationRefused`` and ``DestinationDown``."""

    @property
    def has_token(self) -> bool: ...
    def identity(self) -> HubIdentity:
        """Remembered for some minutes: the Hub wants to be asked this rarely."""
        ...

    def may_write(self, repo: str) -> bool | None:
        """None when there is no such repository, or none that the token may see."""
        ...

    def create(self, repo: str, private: bool) -> str:
        """The repository's address. One that exists stays as it is."""
        ...

    def files(self, repo: str) -> list[HubFile]: ...
    def read(self, repo: str, path: str, limit: int) -> bytes | None: ...
    def commit(self, repo: str, files: dict[str, bytes], message: str) -> None:
        """One commit, or none when the repository holds just this."""
        ...

    def page(self, repo: str) -> str: ...
