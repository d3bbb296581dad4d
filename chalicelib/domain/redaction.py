"""Keeping secrets out of logs, errors, rows and answers.

Two doors: ``redact`` cleans text that somebody else wrote; ``strip_secrets`` takes secrets out of a config before it
is stored or sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from chalicelib.domain.errors import InvalidConfig

REDACTED = "[redacted]"

_MIN_EXACT = 4
"""A shorter value is more likely a word of the text than a secret, and cutting it out would ruin the text."""

_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hf_[A-Za-z0-9]{8,}"
    r"|r8_[A-Za-z0-9]{8,}"
    r"|whsec_[A-Za-z0-9+/=]{8,}"
    r"|gh[opsur]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}"
    r"|sk-[A-Za-z0-9_-]{16,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|xox[abprs]-[A-Za-z0-9-]{8,}"
    r"|AIza[A-Za-z0-9_-]{30,}"
    r"|st_[A-Za-z0-9]{32}(?![A-Za-z0-9])"
    r")"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.S
)
_BEARER = re.compile(r"(?i)(?<![A-Za-z0-9])(bearer|basic)( +)[A-Za-z0-9._~+/=-]{8,}")
_URL_LOGIN = re.compile(r"(?<=://)[^/\s:@?#]{1,200}:[^/\s@?#]{1,400}(?=@)")
_SIGNED_QUERY = re.compile(
    r"(?i)(?<![A-Za-z0-9-])((?:x-amz-signature|x-amz-security-token|signature|sig)=)[^&\s\"'<>]+"
)
_DATA_LINK = re.compile(r"(?<=/api/cloud/data/)[A-Za-z0-9._-]{40,}")
_ASSIGNED = re.compile(
    r"(?i)(?<![A-Za-z0-9_.-])"
    r"([A-Za-z0-9_.-]{0,60}?(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key(?:[_-]?id)?"
    r"|secret[_-]?key|private[_-]?key|account[_-]?key))"
    r"(\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?)"
    r"([^\s\"',;&}\\]+)"
)

_SECRET_WORDS = (
    "secret", "password", "passwd", "passphrase", "api_key", "apikey", "access_key", "accesskey", "private_key",
    "account_key", "credential", "connection_string", "authorization",
)  # fmt: skip
_MAX_DEPTH = 64
_NOT_SECRET = frozenset({"pad_token", "bos_token", "eos_token", "unk_token", "mask_token", "placeholder_token"})


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without the given values, in plain, URL and JSON spelling, and without what looks like a secret.

    Cleaning clean text changes nothing. Patterns cannot know every secret: pass the values that are known.
    """
    for secret in sorted({value for value in secrets if len(value) >= _MIN_EXACT}, key=len, reverse=True):
        for spelling in {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}:
            text = text.replace(spelling, REDACTED)
    text = _PRIVATE_KEY.sub(REDACTED, text)
    text = _TOKENS.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1\2{REDACTED}", text)
    text = _URL_LOGIN.sub(REDACTED, text)
    text = _SIGNED_QUERY.sub(rf"\1{REDACTED}", text)
    text = _DATA_LINK.sub(REDACTED, text)
    return _ASSIGNED.sub(rf"\1\2{REDACTED}", text)


def strip_secrets(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A copy of ``config`` without its secrets, and where they were (``--publishing_config[0].secret_key``).

    Looks into nested objects, lists and JSON text, and at values that look like a token whatever they are called.
    Empty values and switches (``use_auth_token: true``) stay. Raises ``InvalidConfig`` for absurdly deep nesting.
    """
    removed: list[str] = []
    return _strip_object(config, "", removed, 0), removed


def _strip_object(config: dict[str, Any], path: str, removed: list[str], depth: int) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in config.items():
        here = f"{path}.{name}" if path else str(name)
        if _is_secret(str(name), value):
            removed.append(here)
        else:
            kept[name] = _strip(value, here, removed, depth + 1)
    return kept


def _strip(value: Any, path: str, removed: list[str], depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise InvalidConfig(f"The config is nested more than {_MAX_DEPTH} levels deep, which no trainer option needs.")
    if isinstance(value, dict):
        return _strip_object(value, path, removed, depth)
    if isinstance(value, list):
        return [
            _strip(item, f"{path}[{place}]", removed, depth + 1)
            for place, item in enumerate(value)
            if not _drop_token(item, f"{path}[{place}]", removed)
        ]
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return _strip_json(value, path, removed, depth)
    return value


def _strip_json(text: str, path: str, removed: list[str], depth: int) -> str:
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return redact(text)
    before = len(removed)
    stripped = _strip(inner, path, removed, depth + 1)
    return json.dumps(stripped) if len(removed) > before else text


def _drop_token(value: Any, path: str, removed: list[str]) -> bool:
    found = isinstance(value, str) and _TOKENS.fullmatch(value.strip()) is not None
    if found:
        removed.append(path)
    return found


def _is_secret(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool) or value in ("", [], {}):
        return False
    if isinstance(value, str) and _TOKENS.fullmatch(value.strip()):
        return True
    word = name.lstrip("-").lower().replace("-", "_")
    if word in _NOT_SECRET:
        return False
    return (
        word == "token"
        or word.endswith(("_token", "authtoken", "accesstoken"))
        or any(w in word for w in _SECRET_WORDS)
    )
