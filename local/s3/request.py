"""One HTTP request as S3 sees it: bucket, key, query and headers, with the path kept as it came over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from local.s3.errors import S3Error


@dataclass(frozen=True, slots=True)
class Request:
    """``raw_path`` is what the client signed; ``query`` is decoded, in order. Repeated headers are joined by commas."""

    method: str
    scheme: str
    raw_path: str
    bucket: str
    key: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]

    def argument(self, name: str) -> str | None:
        return next((value for key, value in self.query if key == name), None)

    def number(self, name: str, default: int, least: int = 0, most: int = 2**31 - 1) -> int:
        """A whole number from the query; ``InvalidArgument`` when it is none or out of bounds."""
        return whole_number(self.argument(name), name, default, least, most)

    @property
    def has_body(self) -> bool:
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"

    @property
    def expects_continue(self) -> bool:
        return self.headers.get("expect", "").lower() == "100-continue"

    @property
    def body_length(self) -> int | None:
        """The size of the object in the body, without aws-chunked framing; None when the client does not say."""
        text = self.headers.get("x-amz-decoded-content-length", self.headers.get("content-length"))
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise S3Error("InvalidArgument", "The content length must be a whole number.")
        return int(text)


def read_request(scope: Mapping[str, Any], prefix: str) -> Request:
    """The request that ``scope`` carries; ``InvalidURI`` when its path or query cannot be decoded."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    raw_path = raw.decode("latin-1")
    rest = raw_path[len(prefix) :] if raw_path.startswith(prefix) else ""
    bucket, _, key = rest.lstrip("/").partition("/") if not rest.startswith("//") else ("", "", rest)
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        lower, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        headers[lower] = f"{headers[lower]},{text}" if lower in headers else text
    return Request(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        raw_path=raw_path,
        bucket=decode(bucket),
        key=decode(key),
        query=tuple(_query(scope.get("query_string", b"").decode("latin-1"))),
        headers=headers,
    )


def whole_number(text: str | None, name: str, default: int, least: int = 0, most: int = 2**31 - 1) -> int:
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise S3Error("InvalidArgument", f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def decode(text: str) -> str:
    """Percent-decoding as S3 does it: a plus sign is a plus sign, and the bytes are UTF-8."""
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode("utf-8")
    except UnicodeError:
        raise S3Error("InvalidURI", "The request is not UTF-8 once percent-decoded.") from None


def encode(text: str, safe: str = "") -> str:
    return quote(text, safe=safe + "-_.~")


def _query(text: str) -> list[tuple[str, str]]:
    pairs = []
    for piece in text.split("&"):
        name, _, value = piece.partition("=")
        if piece:
            pairs.append((decode(name), decode(value)))
    return pairs
