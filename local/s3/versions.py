"""The rows that describe the versions of objects, and of how many parts each was made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from local.s3.checksums import Checksum
from local.s3.entry import pack, pack_checksum
from local.s3.records import Records, Row


@dataclass(frozen=True, slots=True)
class Piece:
    """A part that an object was joined from: ``start`` is where its bytes begin, ``checksum`` covers them alone."""

    number: int
    start: int
    size: int
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What is told of a file: named by its size and its modification time in nanoseconds."""

    bucket: str
    key: str
    size: int
    stamp: int
    etag: str
    headers: Mapping[str, str]
    checksum: Checksum | None = None
    pieces: Sequence[Piece] = ()


class Versions:
    def __init__(self, records: Records) -> None:
        self._records = records

    def find(self, bucket: str, key: str, size: int, stamp: int) -> Row | None:
        return self._records.one(
            "SELECT * FROM objects WHERE bucket = ? AND key = ? AND size = ? AND stamp = ?",
            bucket,
            key.encode(),
            size,
            stamp,
        )

    def pieces(self, bucket: str, key: str, size: int, stamp: int) -> list[Piece]:
        """The parts that this version was joined from; none for one that came in a single request."""
        row = self._records.one(
            "SELECT parts FROM layouts WHERE bucket = ? AND key = ? AND size = ? AND stamp = ?",
            bucket,
            key.encode(),
            size,
            stamp,
        )
        found: list[Piece] = []
        start = 0
        for number, length, checksum in json.loads(row["parts"]) if row else ():
            found.append(Piece(number, start, length, checksum))
            start += length
        return found

    def add(self, version: Version, kept: int, aside: bool) -> None:
        """Adds a version beside the one whose stamp in microseconds is ``kept``; rows of others are of no use."""
        bucket, key = version.bucket, version.key.encode()
        named = (bucket, key, version.size, version.stamp)
        values = (int(aside), version.etag, pack(version.headers), pack_checksum(version.checksum))
        with self._records.transaction() as write:
            for table in ("objects", "layouts"):
                write.execute(
                    f"DELETE FROM {table} WHERE bucket = ? AND key = ? AND stamp / 1000 <> ?",  # noqa: S608 - ours
                    (bucket, key, kept),
                )
            write.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*named, *values))
            if version.pieces:
                parts = json.dumps([[piece.number, piece.size, piece.checksum] for piece in version.pieces])
                write.execute("INSERT OR REPLACE INTO layouts VALUES (?, ?, ?, ?, ?)", (*named, parts))

    def forget(self, bucket: str, key: str) -> None:
        with self._records.transaction() as write:
            for table in ("objects", "layouts"):
                write.execute(
                    f"DELETE FROM {table} WHERE bucket = ? AND key = ?",  # noqa: S608 - ours
                    (bucket, key.encode()),
                )

    def forget_bucket(self, bucket: str) -> None:
        with self._records.transaction() as write:
            for table in ("objects", "layouts"):
                write.execute(f"DELETE FROM {table} WHERE bucket = ?", (bucket,))  # noqa: S608 - ours

    def aside(self, bucket: str, prefix: bytes, after: bytes) -> Iterator[bytes]:
        """Keys that live aside, in order."""
        return self._records.keys("objects", "aside = 1", bucket, prefix, after)
