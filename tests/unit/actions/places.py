"""A Hub and buckets in memory, for trainers to deliver to and for us to look at."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from chalicelib.domain.destinations import BucketKeys, BucketPlace, Step
from chalicelib.domain.errors import DestinationDown, DestinationRefused
from chalicelib.domain.hub import HubFile, HubIdentity
from chalicelib.domain.ports.storage import StoredObject
from tests.unit.actions.bytes_in_memory import BytesInMemory

HUB = ("create", "commit", "may_write", "identity")
VAULT = ("keep", "drop")


class PretendHub:
    """``made`` and ``commits`` tell how often something really happened."""

    has_token = True

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.repos: dict[str, dict[str, tuple[bytes, datetime]]] = {}
        self.made: list[str] = []
        self.commits: list[str] = []
        self.down = False
        self.refuses = False

    def identity(self) -> HubIdentity:
        self._answer()
        return HubIdentity("ana", "write")

    def may_write(self, repo: str) -> bool | None:
        self._answer()
        return True if repo in self.repos else None

    def create(self, repo: str, private: bool) -> str:
        self._answer()
        if self.refuses:
            raise DestinationRefused("You may not.", cause="denied")
        if repo not in self.repos:
            self.repos[repo] = {}
            self.made.append(repo)
        return self.page(repo)

    def files(self, repo: str) -> list[HubFile]:
        self._answer()
        held = self.repos[repo].items()
        return [HubFile(path, len(body), hashlib.sha256(body).hexdigest(), at) for path, (body, at) in held]

    def read(self, repo: str, path: str, limit: int) -> bytes | None:
        self._answer()
        return self.repos[repo].get(path, (None, None))[0]

    def commit(self, repo: str, files: dict[str, bytes], message: str) -> None:
        self._answer()
        changed = {path: body for path, body in files.items() if self.read(repo, path, 0) != body}
        if changed:
            self.repos[repo] |= {path: (body, self._clock()) for path, body in changed.items()}
            self.commits.append(message)

    def page(self, repo: str) -> str:
        return f"https://hub.example/{repo}"

    def _answer(self) -> None:
        if self.down:
            raise DestinationDown("The Hub does not answer.", cause="network")


class PretendBuckets:
    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._bytes = BytesInMemory(clock)
        self.down = False

    def put(self, bucket: str, key: str, body: bytes) -> None:
        self._bytes.buckets.setdefault(bucket, {})[key] = body

    def test(self, place: BucketPlace, keys: BucketKeys, probe: str) -> list[Step]:
        return [Step("write", True, "")]

    def list(self, place: BucketPlace, keys: BucketKeys, prefix: str) -> list[StoredObject]:
        if self.down:
            raise DestinationDown("The bucket does not answer.", cause="network")
        self._bytes.buckets.setdefault(place.bucket, {})
        return self._bytes.list(place.bucket, prefix)

    def read(self, place: BucketPlace, keys: BucketKeys, key: str, limit: int) -> bytes | None:
        return self._bytes.read(place.bucket, key, limit)


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
