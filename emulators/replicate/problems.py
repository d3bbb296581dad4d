"""Refusals, worded and shaped as the real API words and shapes them (``application/problem+json``)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse


class Problem(Exception):
    """An answer that is not a success. ``fields`` are further members of the problem document."""

    def __init__(self, status: int, detail: str, title: str | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.body: dict[str, Any] = {"detail": detail, "status": status, **fields}
        if title is not None:
            self.body["title"] = title

    def response(self) -> JSONResponse:
        headers = {"retry-after": str(self.body["retry_after"])} if "retry_after" in self.body else None
        return JSONResponse(self.body, self.status, headers, media_type="application/problem+json")


def unauthenticated() -> Problem:
    return Problem(401, "You did not pass a valid authentication token", "Unauthenticated")


def not_found() -> Problem:
    return Problem(404, "The requested resource could not be found.")


def insufficient_credit() -> Problem:
    detail = (
        "You have insufficient credit to run this model. "
        "Go to https://replicate.com/account/billing#billing to purchase credit."
    )
    return Problem(402, detail, "Insufficient credit")


def invalid_version() -> Problem:
    detail = "The specified version does not exist (or perhaps you don't have permission to use it?)"
    return Problem(422, detail, "Invalid version or not permitted")


def invalid_input(faults: list[tuple[str, str, str]]) -> Problem:
    """``faults`` are (type, field, description) triples."""
    detail = "".join(f"- {field}: {description}\n" for _, field, description in faults)
    fields = [{"type": kind, "field": field, "description": description} for kind, field, description in faults]
    return Problem(422, detail, "Input validation failed", invalid_fields=fields)


def invalid_request(pointer: str, detail: str) -> Problem:
    return Problem(400, detail, "Validation failed", errors=[{"pointer": pointer, "detail": detail}])


def throttled(retry_after: int) -> Problem:
    detail = f"Request was throttled. Your rate limit resets in ~{max(retry_after, 1)}s."
    return Problem(429, detail, retry_after=retry_after)


def too_large() -> Problem:
    return Problem(413, "Files must be less than 100MB in size", "Request entity too large")


def internal() -> Problem:
    return Problem(500, "An unexpected error occurred on our side.", "Internal server error")
