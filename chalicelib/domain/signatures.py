"""Webhook signatures of the Standard Webhooks kind (Svix, Replicate).

The sender signs ``{id}.{timestamp}.{raw body}`` with HMAC-SHA256. The secret is ``whsec_`` and base64 key bytes; the
signature header lists ``v1,<base64>`` entries, more than one while a secret is being rotated.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping

from chalicelib.domain.errors import CloudError

MIN_KEY_BYTES = 16
"""A shorter key could be guessed; the standard asks for 24 bytes or more."""

# A dot in the id would let one signed text be split into id and timestamp in two ways.
_ID = re.compile(r"[!-\-/-~]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,12}")


class BadSignature(CloudError):
    status, code, title = 401, "bad_signature", "The webhook's signature is not valid"


class UnknownSigner(BadSignature):
    """All is well but the secret. It may be a new one."""


def verify(headers: Mapping[str, str], body: bytes, secrets: Iterable[str], now: int, tolerance: int = 300) -> str:
    """The message id, for the caller to spend once; ``BadSignature`` for anything else, however malformed.

    ``secrets`` holds the present secret and, during a rotation, the last one. ``now`` is Unix seconds. Header names
    may come in any case. A resend carries the same id and a fresh timestamp.
    """
    received = {str(name).lower(): value for name, value in headers.items()}
    message_id = _header(received, "webhook-id", _ID)
    sent_at = _header(received, "webhook-timestamp", _SECONDS)
    if abs(now - int(sent_at)) > tolerance:
        raise BadSignature(f"The webhook was signed more than {tolerance} seconds away from this server's clock.")
    offered = _signatures(received.get("webhook-signature"))
    signed = f"{message_id}.{sent_at}.".encode("ascii") + body
    matched = False
    for secret in secrets:
        key = _key(secret)
        if key is None:
            continue
        wanted = hmac.new(key, signed, hashlib.sha256).digest()
        for signature in offered:
            matched |= hmac.compare_digest(wanted, signature)
    if not matched:
        raise UnknownSigner("No signature of the webhook was made with a secret that this server knows.")
    return message_id


def _header(received: Mapping[str, str], name: str, shape: re.Pattern[str]) -> str:
    value = received.get(name)
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise BadSignature(f"The webhook's '{name}' header is missing or malformed.")
    return value


def _signatures(header: object) -> list[bytes]:
    """The decoded ``v1`` entries; entries of other versions are not ours to judge."""
    if not isinstance(header, str):
        raise BadSignature("The webhook's 'webhook-signature' header is missing.")
    entries = (entry.partition(",") for entry in header.split(" "))
    decoded = (_base64(text) for version, _, text in entries if version == "v1")
    return [signature for signature in decoded if signature is not None]


def _key(secret: str) -> bytes | None:
    key = _base64(secret.strip().removeprefix("whsec_"))
    return key if key is not None and len(key) >= MIN_KEY_BYTES else None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
