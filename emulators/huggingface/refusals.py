"""Refusals, worded and marked as the real Hub words and marks them: a body, and headers that its client reads."""

from __future__ import annotations

import secrets

from starlette.responses import JSONResponse


class Refusal(Exception):
    def __init__(self, status: int, error: str, code: str | None = None, **more: str) -> None:
        super().__init__(error)
        self.status, self.error, self.code, self.more = status, error, code, more

    def response(self) -> JSONResponse:
        headers = {"X-Error-Message": self.error, "X-Request-Id": f"Root=1-{secrets.token_hex(12)}"}
        if self.code:
            headers["X-Error-Code"] = self.code
        return JSONResponse({"error": self.error, **self.more}, self.status, headers)


def unknown_caller() -> Refusal:
    return Refusal(401, "Invalid username or password.")


def no_repository(known_caller: bool) -> Refusal:
    """The same for one that is not there and one that the caller may not see."""
    if known_caller:
        return Refusal(404, "Repository not found", "RepoNotFound")
    return Refusal(401, "Invalid username or password.", "RepoNotFound")


def no_revision(revision: str) -> Refusal:
    return Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def no_entry() -> Refusal:
    return Refusal(404, "Entry not found", "EntryNotFound")


def forbidden(what: str) -> Refusal:
    return Refusal(403, f"Forbidden: {what}")
