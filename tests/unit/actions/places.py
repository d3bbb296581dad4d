"""A Hub and buckets in memory, for trainers to deliver to and for us to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.destinations import BucketKeys, BucketPlace, Step
from chalicelib.domain.errors import DestinationDown, DestinationRefused
from chalicelib.domain.hub import HubFile, HubIdentity, HubUpload
from chalicelib.domain.ports.storage import StoredObject, UploadedPart
from tests.unit.actions.bytes_in_memory import BytesInMemory, digest

HUB = ("create", "commit", "may_write", "identity", "send", "publish", "is_private", "delete")
BUCKETS = ("put", "start", "put_part", "complete", "abort")
VAULT = ("keep", "drop")


class PretendHub:
    """``made`` and ``commits`` tell how often something really happened."""

    has_token = True

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.repos: dict[str, dict[str, tuple[bytes, datetime]]] = {}
        self.titles: dict[str, str] = {}
        """Of the last commit that touched a file, by its path."""
        self.made: list[str] = []
        self.commits: list[str] = []
        self.held: dict[str, bytes] = {}
        self.sent: list[str] = []
        """Paths of files whose bytes were really sent."""
        self.largest: int | None = None
        self.tokens: list[str] = []
        """Those that it was asked with, beside the default."""
        self.down = False
        self.refuses = False
        self.public: set[str] = set()
        self.deleted: list[str] = []
        self.keeps = False
        """What is deleted there stays."""
        self.who = HubIdentity("ana", "write")
        self.meanwhile: Callable[[str], None] = lambda _: None
        """What happens elsewhere while something is made or sent."""

    def with_token(self, token: str) -> PretendHub:
        self.tokens.append(token)
        return self

    def identity(self) -> HubIdentity:
        self._answer()
        return self.who

    def may_write(self, repo: str) -> bool | None:
        self._answer()
        return True if repo in self.repos else None

    def create(self, repo: str, private: bool) -> str:
        self._answer()
        self.meanwhile("create")
        if self.refuses:
            raise DestinationRefused("You may not.", cause="denied")
        if repo not in self.repos:
            self.repos[repo] = {}
            self.made.append(repo)
            if not private:
                self.public.add(repo)
        return self.page(repo)

    def is_private(self, repo: str) -> bool | None:
        self._answer()
        return repo not in self.public if repo in self.repos else None

    def delete(self, repo: str) -> None:
        self._answer()
        if not self.keeps and self.repos.pop(repo, None) is not None:
            self.deleted.append(repo)

    def files(self, repo: str) -> list[HubFile]:
        self._answer()
        held = self.repos[repo].items()
        return [HubFile(path, len(body), digest(body), at, self.titles.get(path, "")) for path, (body, at) in held]

    def read(self, repo: str, path: str, limit: int) -> bytes | None:
        self._answer()
        return self.repos[repo].get(path, (None, None))[0]

    def first(self, repo: str, path: str, length: int) -> bytes:
        return (self.read(repo, path, 0) or b"")[:length]

    def commit(self, repo: str, files: dict[str, bytes], message: str) -> None:
        self._answer()
        changed = {path: body for path, body in files.items() if self.read(repo, path, 0) != body}
        if changed:
            self.repos[repo] |= {path: (body, self._clock()) for path, body in changed.items()}
            self.commits.append(message)

    def send(self, repo: str, file: HubUpload) -> None:
        self._answer()
        if file.sha256 not in self.held:
            with file.opened() as body:
                content = body.read()
            assert digest(content) == file.sha256 and content[:512] == file.head
            self.meanwhile("send")
            self.held[file.sha256] = content
            self.sent.append(file.path)

    def publish(self, repo: str, files: Sequence[HubUpload], message: str) -> None:
        self.commit(repo, {file.path: self.held.get(file.sha256) or file.opened().read() for file in files}, message)

    def page(self, repo: str) -> str:
        return f"https://hub.example/{repo}"

    def _answer(self) -> None:
        if self.down:
            raise DestinationDown("The Hub does not answer.", cause="network")


class Moving(Protocol):
    """A clock that can be moved on."""

    def __call__(self) -> datetime: ...
    def forward(self, **length: float) -> None: ...


class PretendBuckets:
    def __init__(self, clock: Moving) -> None:
        self._bytes = BytesInMemory(clock)
        self._clock = clock
        self.down = False
        self.refuses = False
        self.seconds_a_part = 0
        """How long each takes: the clock of the world moves on by it."""
        self.sent: list[tuple[str, int]] = []
        """Keys and parts whose bytes were really sent; 0 for a small file."""

    def deliver(self, bucket: str, key: str, body: bytes) -> None:
        """What the trainer does."""
        self._bytes.buckets.setdefault(bucket, {})[key] = body

    def open_uploads(self) -> int:
        return self._bytes.open_uploads()

    def held(self, bucket: str) -> dict[str, bytes]:
        return self._bytes.buckets.get(bucket, {})

    def put(self, place: BucketPlace, keys: BucketKeys, key: str, body: bytes) -> None:
        self._answer()
        self.deliver(place.bucket, key, body)
        self.sent.append((key, 0))

    def start(self, place: BucketPlace, keys: BucketKeys, key: str) -> str:
        self._answer()
        return self._bytes.start_multipart(place.bucket, key, "")

    def parts(self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str) -> list[UploadedPart]:
        self._answer()
        return self._bytes.list_parts(place.bucket, key, upload_id)

    def put_part(
        self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str, number: int, body: bytes
    ) -> UploadedPart:
        self._answer()
        if self.seconds_a_part:
            self._clock.forward(seconds=self.seconds_a_part)
        self._bytes.put_part(upload_id, number, body)
        self.sent.append((key, number))
        return self.parts(place, keys, key, upload_id)[-1]

    def complete(
        self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str, parts: Iterable[UploadedPart]
    ) -> None:
        self._answer()
        self.parts(place, keys, key, upload_id)
        self._bytes.buckets.setdefault(place.bucket, {})
        self._bytes.complete_multipart(place.bucket, key, upload_id, parts)

    def abort(self, place: BucketPlace, keys: BucketKeys, key: str, upload_id: str) -> None:
        self._answer()
        self._bytes.abort_multipart(place.bucket, key, upload_id)

    def _answer(self) -> None:
        if self.down:
            raise DestinationDown("The bucket does not answer.", cause="network")
        if self.refuses:
            raise DestinationRefused("The keys may not write.", cause="denied")

    def test(self, place: BucketPlace, keys: BucketKeys, probe: str) -> list[Step]:
        return [Step("write", True, "")]

    def list(self, place: BucketPlace, keys: BucketKeys, prefix: str) -> list[StoredObject]:
        self._answer()
        self._bytes.buckets.setdefault(place.bucket, {})
        return self._bytes.list(place.bucket, prefix)

    def read(self, place: BucketPlace, keys: BucketKeys, key: str, limit: int) -> bytes | None:
        return self._bytes.read(place.bucket, key, limit)

    def first(self, place: BucketPlace, keys: BucketKeys, key: str, length: int) -> bytes:
        self._answer()
        return self._bytes.buckets[place.bucket][key][:length]


class VaultInMemory:
    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[str, str]] = {}

    def keep(self, tenant: str, name: str, value: dict[str, str]) -> None:
        self._held[tenant, name] = dict(value)

    def read(self, tenant: str, name: str) -> dict[str, str] | None:
        return self._held.get((tenant, name))

    def drop(self, tenant: str, name: str) -> None:
        self._held.pop((tenant, name), None)

    def seen(self) -> frozenset[str]:
        return frozenset(value for held in self._held.values() for value in held.values())
