"""Standard Webhooks signatures, and the signed links of uploaded files."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass


@dataclass(slots=True)
class WebhookSecret:
    """The account's one secret, which may be changed while the server runs."""

    value: str

    def rotate(self) -> str:
        self.value = new_secret()
        return self.value


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def key_of(secret: str) -> bytes:
    """The bytes that sign. Raises ``ValueError`` for anything but ``whsec_<base64>``."""
    prefix, _, encoded = secret.partition("_")
    if prefix != "whsec" or not encoded:
        raise ValueError("a webhook secret looks like whsec_<base64>")
    return base64.b64decode(encoded, validate=True)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()


def message_id(*parts: str) -> str:
    """The same for every resend of the same news, even after a restart."""
    return "msg_" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:27]


def sign_link(secret: str, owner: str, file_id: str, expiry: int) -> str:
    digest = hmac.new(key_of(secret), f"{owner} {file_id} {expiry}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
