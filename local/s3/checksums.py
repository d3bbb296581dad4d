"""The checksums that S3 clients send: which there are, running them, checking them, adding up those of parts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from local.s3.errors import S3Error

LENGTHS = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
POLYNOMIALS = {"crc32": 0xEDB88320, "crc32c": 0x82F63B78, "crc64nvme": 0x9A6C9329AC4BC9B5}
PREFIX = "x-amz-checksum-"
_NOT_VALUES = {PREFIX + "mode", PREFIX + "algorithm", PREFIX + "type"}
Bytes: TypeAlias = "bytes | bytearray | memoryview"


class Running(Protocol):
    def update(self, block: Bytes, /) -> None: ...
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Checksum:
    """``kind`` is FULL_OBJECT, or COMPOSITE: a checksum of the parts' checksums, with ``-N`` behind it."""

    algorithm: str
    value: str
    kind: str = "FULL_OBJECT"

    @property
    def element(self) -> str:
        return "Checksum" + self.algorithm.upper()

    @property
    def header(self) -> str:
        return PREFIX + self.algorithm


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, block: Bytes, /) -> None:
        self._value = zlib.crc32(block, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def begin(algorithm: str) -> Running:
    if algorithm == "crc32":
        return _Crc32()
    if algorithm in POLYNOMIALS:
        from local.s3.crc import Crc  # numpy costs a tenth of a second; most clients send crc32

        return Crc(8 * LENGTHS[algorithm], POLYNOMIALS[algorithm])
    return hashlib.new(algorithm, usedforsecurity=False)


def known(algorithm: str) -> str:
    """The algorithm's lower-case name, or ``InvalidRequest``."""
    name = algorithm.strip().lower()
    if name not in LENGTHS:
        raise S3Error("InvalidRequest", f"Checksum algorithms here are {', '.join(LENGTHS).upper()}.")
    return name


def stated(headers: Mapping[str, str], trailers: Mapping[str, str] | None = None) -> Checksum | None:
    """The one checksum that headers or trailers carry; two are one too many, even of one name."""
    pairs = [*headers.items(), *(trailers or {}).items()]
    found = [(name, value) for name, value in pairs if name.startswith(PREFIX) and name not in _NOT_VALUES]
    if len(found) > 1:
        raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header.")
    if not found:
        return None
    name, value = found[0]
    algorithm = known(name.removeprefix(PREFIX))
    if len(decoded(value) or b"") != LENGTHS[algorithm]:
        raise S3Error("InvalidRequest", f"Value for {name} header is invalid.")
    return Checksum(algorithm, value)


def decoded(value: str) -> bytes | None:
    """The bytes whose one base64 form ``value`` is; None when it is that of none."""
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if encoded(digest) == value else None


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


class Digests:
    """MD5, which the ETag needs, and whatever else the client wants verified, in one pass."""

    def __init__(self, algorithms: Sequence[str] = ()) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False)
        self._others = {name: begin(name) for name in set(algorithms)}

    def update(self, block: Bytes) -> None:
        self.md5.update(block)
        for running in self._others.values():
            running.update(block)

    def value(self, algorithm: str) -> Checksum:
        return Checksum(algorithm, encoded(self._others[algorithm].digest()))

    def check(self, expected: Checksum) -> None:
        if self.value(expected.algorithm).value != expected.value:
            name = expected.algorithm.upper()
            raise S3Error("BadDigest", f"The {name} you specified did not match the calculated checksum.")

    def check_md5(self, expected: str | None) -> None:
        if expected is None:
            return
        digest = decoded(expected)
        if digest is None or len(digest) != 16:
            raise S3Error("InvalidDigest")
        if digest != self.md5.digest():
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.")


def of_parts(algorithm: str, kind: str, parts: Sequence[tuple[str, int]]) -> Checksum:
    """The checksum of a whole object from its parts' (value, size), without reading a byte again."""
    digests = [base64.b64decode(value) for value, _size in parts]
    if kind == "COMPOSITE":
        outer = begin(algorithm)
        outer.update(b"".join(digests))
        return Checksum(algorithm, f"{encoded(outer.digest())}-{len(parts)}", kind)
    from local.s3.crc import join

    whole = 0
    for digest, (_value, size) in zip(digests, parts, strict=True):
        whole = join(whole, int.from_bytes(digest, "big"), size, POLYNOMIALS[algorithm])
    return Checksum(algorithm, encoded(whole.to_bytes(LENGTHS[algorithm], "big")), kind)
