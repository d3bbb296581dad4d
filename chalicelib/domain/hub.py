"""What the Hugging Face Hub says of a token and of a repository, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BufferedIOBase
from typing import Any

_TRAINED = re.compile(r"\band ([0-9]{1,15}) steps\b")
_WRITES = ("admin", "write", "contributor")
_DATASETS = "datasets/"


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """``role`` is the token's: read, write or fineGrained. ``scoped`` are what a fine-grained token may do to whom:
    (kind of entity, its name, permissions)."""

    name: str
    role: str
    orgs: Mapping[str, str] = field(default_factory=dict, hash=False)
    scoped: tuple[tuple[str, str, frozenset[str]], ...] = ()
    token_name: str | None = None

    def may_create(self, repo: str) -> str | None:
        """Why a repository of this name cannot be made with the token; None when it can."""
        namespace = repo.partition("/")[0]
        own = namespace.lower() == self.name.lower()
        role = next((role for org, role in self.orgs.items() if org.lower() == namespace.lower()), None)
        if not own and role is None:
            return f"'{namespace}' is neither your user name ({self.name}) nor an organization that you belong to."
        if self.role == "read":
            return "the Hugging Face token may only read. Make one with the role 'write'."
        if self.role == "fineGrained":
            granted = [rights for kind, name, rights in self.scoped if name.lower() == namespace.lower()]
            if not any("repo.write" in rights for rights in granted):
                return (
                    f"the fine-grained Hugging Face token may not write to repositories of '{namespace}'. "
                    "Give it 'Write access to contents/settings of repos' there."
                )
        elif not own and role not in _WRITES:
            return f"your role in the organization '{namespace}' is '{role}', which may not make repositories."
        return None


@dataclass(frozen=True, slots=True)
class HubFile:
    """``sha256`` is known of large files only. ``changed_at`` is the moment of the last commit that touched it, and
    ``title`` what that commit is called."""

    path: str
    size: int
    sha256: str | None = None
    changed_at: datetime | None = None
    title: str = ""

    @property
    def step(self) -> int | None:
        """The step that the trainer pushed it at: its commits are called "Trained for 1 epochs and 20 steps."."""
        told = _TRAINED.search(self.title)
        return int(told[1]) if told else None


@dataclass(frozen=True, slots=True)
class HubUpload:
    """A file for a repository. ``head`` are its first 512 bytes, and ``opened`` gives all of it, to be read and sought
    in; each call gives another."""

    path: str
    size: int
    sha256: str
    head: bytes
    opened: Callable[[], BufferedIOBase]


def dataset_repo(name: str) -> str:
    """How a repository of a dataset is called here, where ``ana/lora`` is one of a model: as its page is."""
    return f"{_DATASETS}{name}"


def kind_and_name(repo: str) -> tuple[str, str]:
    """``model`` or ``dataset``, and the name that the Hub's API has for it."""
    return ("dataset", repo.removeprefix(_DATASETS)) if repo.startswith(_DATASETS) else ("model", repo)


def identity_of(answer: Mapping[str, Any]) -> HubIdentity:
    """From the answer to ``whoami-v2``; fields that are not there count as no rights."""
    token = (answer.get("auth") or {}).get("accessToken") or {}
    fine = token.get("fineGrained") or {}
    scoped = tuple(
        (
            str((one.get("entity") or {}).get("type", "")),
            str((one.get("entity") or {}).get("name", "")),
            frozenset(str(right) for right in one.get("permissions") or ()),
        )
        for one in fine.get("scoped") or ()
    )
    orgs = {str(org["name"]): str(org.get("roleInOrg") or "read") for org in answer.get("orgs") or () if "name" in org}
    return HubIdentity(
        name=str(answer.get("name", "")),
        role=str(token.get("role") or "read"),
        orgs=orgs,
        scoped=scoped,
        token_name=token.get("displayName"),
    )
