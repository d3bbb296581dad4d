"""A multipart upload and its parts, as rows and as their clients name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, pairwise

from local.s3 import checksums
from local.s3.checksums import Checksum
from local.s3.entry import unpack, unpack_checksum
from local.s3.errors import S3Error
from local.s3.records import Row
from local.s3.versions import Piece

SMALLEST_PART = 5 * 1024 * 1024
MOST_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Upload:
    """``etag`` is set once the upload has become an object."""

    id: str
    bucket: str
    key: str
    started: datetime
    headers: Mapping[str, str]
    algorithm: str | None
    kind: str | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """``file`` says where its bytes are: a name, ``name@start`` when it begins later in the file, and
    ``name@start@stamp`` when that file is an object's, which counts only as long as nobody changes it."""

    number: int
    size: int
    md5: str
    checksum: Checksum | None
    arrived: datetime
    file: str

    @property
    def name(self) -> str:
        return self.file.partition("@")[0]

    @property
    def start(self) -> int:
        return int(self.file.split("@")[1]) if "@" in self.file else 0

    @property
    def stamp(self) -> int | None:
        """The modification time in nanoseconds that the file must still have."""
        pieces = self.file.split("@")
        return int(pieces[2]) if len(pieces) > 2 else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part as the client's CompleteMultipartUpload names it."""

    number: int
    etag: str
    checksum: str | None = None


def chosen(present: Sequence[Part], wanted: Sequence[Wanted]) -> list[Part]:
    """The parts that a completion names; the S3 error that says which of them it cannot have meant."""
    by_number = {part.number: part for part in present}
    numbers = [want.number for want in wanted]
    if not wanted:
        raise S3Error("MalformedXML", "Name at least one part.")
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise S3Error("InvalidPartOrder")
    for want in wanted:
        part = by_number.get(want.number)
        known = part.checksum.value if part and part.checksum else None
        if part is None or part.md5 != want.etag or (want.checksum and known and want.checksum != known):
            raise S3Error("InvalidPart", PartNumber=str(want.number), ETag=want.etag)
    parts = [by_number[number] for number in numbers]
    for part in parts[:-1]:
        if part.size < SMALLEST_PART:
            raise S3Error("EntityTooSmall", PartNumber=str(part.number), ProposedSize=str(part.size))
    return parts


def pieces_of(parts: Sequence[Part]) -> list[Piece]:
    starts = accumulate((part.size for part in parts), initial=0)
    return [
        Piece(part.number, start, part.size, part.checksum.value if part.checksum else None)
        for part, start in zip(parts, starts, strict=False)
    ]


def whole_checksum(upload: Upload, parts: Sequence[Part]) -> Checksum | None:
    if upload.algorithm is None or upload.kind is None:
        return None
    found = [(part.checksum.value, part.size) for part in parts if part.checksum]
    if len(found) != len(parts) or any(p.checksum and p.checksum.algorithm != upload.algorithm for p in parts):
        return None
    return checksums.of_parts(upload.algorithm, upload.kind, found)


def upload_of(row: Row) -> Upload:
    return Upload(
        row["id"],
        row["bucket"],
        bytes(row["key"]).decode(),
        moment(row["started"]),
        unpack(row["headers"]),
        row["algorithm"],
        row["kind"],
        row["etag"],
    )


def part_of(row: Row) -> Part:
    checksum = unpack_checksum(row["checksum"])
    return Part(row["number"], row["size"], row["md5"], checksum, moment(row["arrived"]), row["file"])


def micros(at: datetime) -> int:
    return int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond


def moment(at: int) -> datetime:
    seconds, rest = divmod(at, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
