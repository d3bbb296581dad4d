"""What can go wrong between this machine and the server.

ClientError
├── ApiError            the server answered, and said no
├── Unreachable         no answer: nothing listens there, or the line broke
├── UsageError          the command or a file of the user's cannot be used
├── ConsentWithheld     nobody agreed to data leaving this machine
└── TransferFailed      bytes did not arrive, up or down, after several tries
    └── UploadGone      the store no longer takes parts of this upload
"""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """``str(error)`` says what happened and what to do next."""


class ApiError(ClientError):
    """A refusal by the server: HTTP ``status``, stable ``code``, ``detail`` for people, and the other ``fields``."""

    def __init__(self, status: int, code: str, detail: str, fields: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = fields or {}


class Unreachable(ClientError):
    """Whether the server acted on the request is not known, unless nothing was listening."""


class UsageError(ClientError):
    pass


class ConsentWithheld(ClientError):
    pass


class TransferFailed(ClientError):
    pass


class UploadGone(TransferFailed):
    """The store no longer takes parts: the upload was completed by somebody else, or discarded."""
