"""Places of the users' own where models go: buckets, the Hub, and the vault that holds their keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from chalicelib.domain.destinations import BucketKeys, BucketPlace, Destination, Step
from chalicelib.domain.hub import HubFile, HubIdentity, HubUpload
from chalicelib.domain.ports.storage import StoredObject, UploadedPart


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

    def parts(self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str) -> list[UploadedPart]:
        """What the store has of an upload. Raises ``NotFound`` once that was completed, aborted or has expired."""
        ...

    def list(self, place: BucketPlace, keys: BucketKeys, prefix: str) -> list[StoredObject]: ...
    def read(self, place: BucketPlace, keys: BucketKeys, key: str, limit: int) -> bytes | None: ...
    def first(self, place: BucketPlace, keys: BucketKeys, key: str, length: int) -> bytes:
        """The beginning of an object, whatever it weighs."""
        ...

    def put(self, place: BucketPlace, keys: BucketKeys, key: str, body: bytes) -> None:
        """A small object. The store checks the bytes that it got against their MD5, here and in ``put_part``."""
        ...

    def start(self, place: BucketPlace, keys: BucketKeys, key: str) -> str:
        """A new multipart upload, by its id."""
        ...

    def put_part(
        self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str, number: int, body: bytes
    ) -> UploadedPart: ...
    def complete(
        self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str, parts: Iterable[UploadedPart]
    ) -> None:
        """Raises ``NotFound`` when the upload is gone."""
        ...

    def abort(self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str) -> None:
        """Throws the parts away; an upload that is gone already is no error."""
        ...


class Hub(Protocol):
    """The Hugging Face Hub, with this system's token. Raises ``DestinationRefused`` and ``DestinationDown``.

    A repository is called as its page is: ``ana/lora`` is one of a model, ``datasets/ana/cat`` one of a dataset.
    """

    @property
    def has_token(self) -> bool: ...
    def with_token(self, token: str) -> Hub:
        """The same Hub, asked with another token."""
        ...

    def identity(self) -> HubIdentity:
        """Remembered for some minutes: the Hub wants to be asked this rarely."""
        ...

    def may_write(self, repo: str) -> bool | None:
        """None when there is no such repository, or none that the token may see."""
        ...

    def create(self, repo: str, private: bool) -> str:
        """The repository's address. One that exists stays as it is."""
        ...

    def is_private(self, repo: str) -> bool | None:
        """None when there is no such repository, or none that the token may see."""
        ...

    def delete(self, repo: str) -> None:
        """With all that it holds; one that is gone already is no error."""
        ...

    def files(self, repo: str) -> list[HubFile]: ...
    def read(self, repo: str, path: str, limit: int) -> bytes | None: ...
    def first(self, repo: str, path: str, length: int) -> bytes:
        """The beginning of a file, whatever it weighs; nothing of one that is not there."""
        ...

    def commit(self, repo: str, files: dict[str, bytes], message: str) -> None:
        """One commit, or none when the repository holds just this."""
        ...

    @property
    def largest(self) -> int | None:
        """Bytes of the largest file that ``send`` has time for here; None for any."""
        ...

    def send(self, repo: str, file: HubUpload) -> None:
        """Hands a file's bytes over, for a commit to name; those that the Hub has already are not sent again."""
        ...

    def publish(self, repo: str, files: Sequence[HubUpload], message: str) -> None:
        """One commit of files that were sent, or none when the repository holds just this."""
        ...

    def page(self, repo: str) -> str: ...
