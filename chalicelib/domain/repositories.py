"""The git repository that configs may live in, and what of it is written on a job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

MOST_PATHS = 50


@dataclass(frozen=True, slots=True)
class RepositoryState:
    """The field names are those of SimpleTuner's ``pre-submit-check``. Only the config folder counts as dirty."""

    git_available: bool = False
    repo_present: bool = False
    is_dirty: bool = False
    dirty_count: int = 0
    dirty_paths: list[str] = field(default_factory=list)
    current_commit: str | None = None
    current_abbrev: str | None = None
    current_branch: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a job tells of the repository at its submit. ``error``: why the commit that was asked for was not made."""

    commit: str | None = None
    abbrev: str | None = None
    branch: str | None = None
    was_dirty: bool = False
    committed: bool = False
    name: str | None = None
    message: str | None = None
    error: str | None = None

    def told(self) -> dict[str, Any]:
        return asdict(self)


def recorded(state: RepositoryState, name: str | None = None, message: str | None = None) -> Recorded | None:
    """The state as it is, without a commit; None where there is no repository and nobody asked for one."""
    if state.repo_present:
        return Recorded(state.current_commit, state.current_abbrev, state.current_branch, state.is_dirty, False, name)
    if name or message:
        missing = "git is not installed" if not state.git_available else "the configs are in no git repository"
        return Recorded(name=name, message=message, error=f"No snapshot was made: {missing} where the configs are.")
    return None


class NoRepository:
    """Where the configs are rows of a table, there is nothing to commit."""

    def state(self) -> RepositoryState:
        return RepositoryState()

    def snapshot(self, name: str | None, message: str | None) -> Recorded | None:
        return recorded(self.state(), name, message)
