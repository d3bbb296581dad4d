"""Repositories of models and of datasets, their commits, and the large files beside them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MODEL, DATASET = "model", "dataset"


@dataclass(frozen=True, slots=True)
class Commit:
    oid: str
    title: str
    at: str

    def described(self) -> dict[str, str]:
        return {"id": self.oid, "title": self.title, "date": self.at}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file. ``large`` is the SHA-256 of one that is kept apart; then ``body`` is the pointer to it."""

    path: str
    body: bytes
    size: int
    commit: Commit
    large: str | None = None

    @property
    def oid(self) -> str:
        return git_oid(self.body)

    def described(self, expand: bool) -> dict[str, Any]:
        told: dict[str, Any] = {"type": "file", "oid": self.oid, "size": self.size, "path": self.path}
        if self.large:
            told["lfs"] = {"oid": self.large, "size": self.size, "pointerSize": len(self.body)}
        if expand:
            told["lastCommit"] = self.commit.described()
        return told


@dataclass(slots=True)
class Repo:
    namespace: str
    name: str
    private: bool
    kind: str = MODEL
    commits: list[Commit] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)
    shelf: str = field(default_factory=lambda: secrets.token_hex(8))
    """Where its large files are kept, which are its own: another one of the same name has none of them."""

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        return path_of(self.kind, self.id)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def has(self, revision: str) -> bool:
        return revision in ("main", self.head.oid)

    def described(self) -> dict[str, Any]:
        named = {"modelId": self.id} if self.kind == MODEL else {"description": ""}
        return named | {
            "_id": hashlib.sha256(self.path.encode()).hexdigest()[:24],
            "id": self.id,
            "author": self.namespace,
            "sha": self.head.oid,
            "private": self.private,
            "disabled": False,
            "gated": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "createdAt": self.commits[0].at,
            "lastModified": self.head.at,
            "siblings": [{"rfilename": path} for path in sorted(self.files)],
        }


class Shelf:
    """All repositories, each with the large files that were sent for it, by their hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = secrets.token_bytes(32)
        self._repos: dict[str, Repo] = {}

    def find(self, kind: str, name: str) -> Repo | None:
        return self._repos.get(path_of(kind, name).lower())

    def make(self, kind: str, namespace: str, name: str, private: bool) -> Repo:
        repo = Repo(namespace, name, private, kind, [self.commit("initial commit")])
        attributes = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n"
        repo.files[".gitattributes"] = Entry(".gitattributes", attributes, len(attributes), repo.head)
        self._repos[repo.path.lower()] = repo
        (self._folder / repo.shelf).mkdir()
        return repo

    def drop(self, repo: Repo) -> None:
        """With its large files: an address that was signed for one of them leads nowhere any more."""
        del self._repos[repo.path.lower()]
        shutil.rmtree(self._folder / repo.shelf)

    def commit(self, title: str) -> Commit:
        return Commit(secrets.token_hex(20), title, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"))

    def path(self, shelf: str, oid: str) -> Path:
        return self._folder / shelf / oid

    def has_large(self, repo: Repo, oid: str, size: int) -> bool:
        path = self.path(repo.shelf, oid)
        return path.is_file() and path.stat().st_size == size

    def signed(self, action: str, shelf: str, oid: str, size: int) -> str:
        """The address at the store of large files for one action with one of them: whoever has it needs no token."""
        return f"/_large/{shelf}/{oid}?size={size}&signature={self.signature(action, shelf, oid, size)}"

    def signature(self, action: str, shelf: str, oid: str, size: int) -> str:
        return hmac.digest(self._key, f"{action}:{shelf}:{oid}:{size}".encode(), "sha256").hex()


def path_of(kind: str, name: str) -> str:
    """What follows the Hub's address on the repository's page, and stands before ``.git``."""
    return name if kind == MODEL else f"{kind}s/{name}"


def git_oid(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


def pointer(oid: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()
