"""The aws-chunked body: sized chunks, each perhaps signed and chained to the one before, and trailers at the end.

    10000;chunk-signature=…\\r\\n <bytes> \\r\\n … 0;chunk-signature=…\\r\\n x-amz-checksum-crc32:…\\r\\n \\r\\n

Bytes are handed on before the signature of their chunk is checked, so a caller keeps them apart until ``finish``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator

from local.s3.errors import S3Error
from local.s3.sigv4 import EMPTY_SHA256, Seal, sign

_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,12}) *(?:; *chunk-signature *= *([0-9a-f]{64}) *)?")
_LONGEST_LINE = 16 * 1024
_MOST_TRAILERS = 16


class ChunkDecoder:
    """``seal`` is given when chunks are signed; ``trailers`` says which trailers the client announced."""

    def __init__(self, seal: Seal | None, trailers: frozenset[str]) -> None:
        self._seal = seal
        self._previous = seal.signature if seal else ""
        self._announced = trailers
        self._buffer = bytearray()
        self._state = self._size_line
        self._left = 0
        self._chunk_hash = hashlib.sha256()
        self._chunk_signature = ""
        self._ended = False
        self.trailers: dict[str, str] = {}

    def feed(self, block: bytes | bytearray | memoryview) -> Iterator[memoryview]:
        """The payload bytes in ``block``; S3 errors for broken framing or a broken chain."""
        view = memoryview(block)
        while len(view):
            if self._left:
                piece = view[: self._left]
                view = view[len(piece) :]
                self._left -= len(piece)
                if self._seal:
                    self._chunk_hash.update(piece)
                if not self._left:
                    self._state = self._after_chunk
                yield piece
                continue
            line, view = self._line(view)
            if line is not None:
                self._state(line)

    def finish(self) -> dict[str, str]:
        """The trailers, once the last chunk and every announced trailer have arrived."""
        if self._state == self._trailer and not self._buffer and not self._ended:
            # Some clients leave out the empty line at the end, which S3 does not miss either.
            self._end()
        if not self._ended:
            raise S3Error("IncompleteBody", "The aws-chunked body ends before its last chunk.")
        if self._announced != self.trailers.keys():
            raise S3Error("MalformedTrailerError")
        return self.trailers

    def _line(self, view: memoryview) -> tuple[bytes | None, memoryview]:
        if self._ended:
            raise S3Error("IncompleteBody", "There are bytes after the end of the aws-chunked body.")
        piece = bytes(view[:_LONGEST_LINE])
        end = piece.find(b"\n")
        self._buffer += piece if end < 0 else piece[: end + 1]
        if len(self._buffer) > _LONGEST_LINE:
            raise S3Error("InvalidRequest", "A line of the aws-chunked body is too long.")
        if end < 0:
            return None, view[len(piece) :]
        line = bytes(self._buffer).rstrip(b"\r\n")
        self._buffer.clear()
        return line, view[end + 1 :]

    def _size_line(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None or (self._seal is not None and match[2] is None):
            raise S3Error("InvalidRequest", "A chunk of the aws-chunked body has no valid size line.")
        self._left = int(match[1], 16)
        self._chunk_signature = (match[2] or b"").decode()
        self._chunk_hash = hashlib.sha256()
        if not self._left:
            self._check_chunk()
            self._state = self._trailer

    def _after_chunk(self, line: bytes) -> None:
        if line:
            raise S3Error("InvalidRequest", "A chunk is longer than its size line says.")
        self._check_chunk()
        self._state = self._size_line

    def _trailer(self, line: bytes) -> None:
        if not line:
            # Some clients put an empty line before x-amz-trailer-signature.
            if self._signed_trailers and "x-amz-trailer-signature" not in self.trailers:
                return
            self._end()
            return
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or len(self.trailers) == _MOST_TRAILERS:
            raise S3Error("MalformedTrailerError")
        self.trailers[name.strip().lower()] = value.strip()

    def _end(self) -> None:
        self._check_trailers()
        self._ended = True

    @property
    def _signed_trailers(self) -> bool:
        return self._seal is not None and bool(self._announced)

    def _check_chunk(self) -> None:
        if self._seal is None:
            return
        lines = ("AWS4-HMAC-SHA256-PAYLOAD", self._seal.date, self._seal.scope, self._previous, EMPTY_SHA256)
        self._expect(self._chunk_signature, "\n".join((*lines, self._chunk_hash.hexdigest())))

    def _check_trailers(self) -> None:
        if not self._signed_trailers or self._seal is None:
            return
        signature = self.trailers.pop("x-amz-trailer-signature", None)
        if signature is None:
            raise S3Error("IncompleteBody", "The aws-chunked body ends before the signature of its trailers.")
        text = "".join(f"{name}:{value}\n" for name, value in sorted(self.trailers.items()))
        digest = hashlib.sha256(text.encode()).hexdigest()
        lines = ("AWS4-HMAC-SHA256-TRAILER", self._seal.date, self._seal.scope, self._previous, digest)
        self._expect(signature, "\n".join(lines))

    def _expect(self, signature: str, text: str) -> None:
        seal = self._seal
        assert seal is not None  # noqa: S101 - both callers have just looked
        expected = sign(seal.signing_key, text)
        if not hmac.compare_digest(expected, signature if signature.isascii() else ""):
            raise S3Error("SignatureDoesNotMatch", "The signature of a chunk does not match.")
        self._previous = expected
