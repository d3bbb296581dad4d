"""The repository that a folder of configs is in: its state, and a commit of that folder alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from chalicelib.domain.repositories import MOST_PATHS, Recorded, RepositoryState, recorded

_SECONDS = 20


class GitFailed(Exception):
    """git refused; the text is its own last line."""


class GitFolder:
    """``folder`` need not exist, and need not be in a repository. Nothing outside of it is ever added to a commit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def state(self) -> RepositoryState:
        if shutil.which("git") is None:
            return RepositoryState()
        try:
            self._git("rev-parse", "--is-inside-work-tree")
        except (GitFailed, OSError):
            return RepositoryState(git_available=True)
        changed = [line[3:] for line in self._git("status", "--porcelain=v1", "-z", "--", ".").split("\0") if line[3:]]
        state = RepositoryState(True, True, bool(changed), len(changed), changed[:MOST_PATHS])
        try:
            state = replace(
                state,
                current_commit=self._git("rev-parse", "HEAD").strip(),
                current_abbrev=self._git("rev-parse", "--short", "HEAD").strip(),
            )
        except GitFailed:
            return state  # a repository without a commit yet
        branch = self._git("rev-parse", "--abbrev-ref", "HEAD").strip()
        return replace(state, current_branch=None if branch == "HEAD" else branch)

    def snapshot(self, name: str | None, message: str | None) -> Recorded | None:
        """Commits what has changed in the folder, when somebody asks for that by a name or a message; otherwise tells
        the state as it is. Never raises: training does not wait for git."""
        try:
            before = self.state()
            if not (name or message) or not before.repo_present or not before.is_dirty:
                return recorded(before, name, message)
        except (GitFailed, OSError) as error:
            return Recorded(name=name, message=message, error=f"git could not be asked: {error}")
        try:
            self._git("add", "--all", "--", ".")
            title = name or "Config snapshot"
            words = ["--message", title, *(["--message", message] if message else [])]
            self._git("commit", "--quiet", "--no-verify", *words, "--", ".")
            after = self.state()
        except (GitFailed, OSError) as error:
            told = recorded(before, name, message) or Recorded()
            return replace(told, name=name, message=message, error=f"No snapshot was made: {error}")
        return Recorded(
            after.current_commit, after.current_abbrev, after.current_branch, True, True, name, message or title
        )

    def _git(self, *arguments: str) -> str:
        # A hook or an editor of the user's must not hold up a submit, and no prompt may wait for a person.
        environment = os.environ | {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C"}
        try:
            done = subprocess.run(  # noqa: S603
                ["git", "-C", str(self._folder), *arguments],  # noqa: S607
                capture_output=True,
                env=environment,
                timeout=_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise GitFailed(f"git {arguments[0]} took longer than {_SECONDS} seconds") from None
        if done.returncode:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise GitFailed(lines[-1] if lines else f"git {arguments[0]} failed")
        return done.stdout.decode("utf-8", "replace")
