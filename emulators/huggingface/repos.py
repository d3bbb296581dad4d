"""Repositories, their commits, and the large files beside them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


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
    commits: list[Commit] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def has(self, revision: str) -> bool:
        return revision in ("main", self.head.oid)

    def described(self) -> dict[str, Any]:
        return {
            "_id": hashlib.sha256(self.id.encode()).hexdigest()[:24],
            "id": self.id,
            "modelId": self.id,
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
    """All repositories, and the large files of all of them by their hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.repos: dict[str, Repo] = {}

    def make(self, namespace: str, name: str, private: bool) -> Repo:
        repo = Repo(namespace, name, private, [self.commit("initial commit")])
        attributes = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n"
        repo.files[".gitattributes"] = Entry(".gitattributes", attributes, len(attributes), repo.head)
        self.repos[repo.id.lower()] = repo
        return repo

    def commit(self, title: str) -> Commit:
        return Commit(secrets.token_hex(20), title, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"))

    def path(self, oid: str) -> Path:
        return self._folder / oid

    def has_large(self, oid: str, size: int) -> bool:
        path = self.path(oid)
        return path.is_file() and path.stat().st_size == size


def git_oid(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


def pointer(oid: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()
