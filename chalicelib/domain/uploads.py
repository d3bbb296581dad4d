"""An upload session: one archive on its way from the machine that has the data to the object store.

open ─▶ complete ─▶ used (a job took it) ─▶ deleted (that job ended)
  │       │   ▲          └─▶ complete (kept for another run, as that job wished)
  │       └───┴───────▶ discarding ─▶ deleted (no job took it in time, or its owner gave it up)
  └─▶ discarding ─▶ aborted

Its parts are ``copies``, ranges of an earlier archive of the same owner that are taken over inside the store, and then
what is sent: parts of ``part_bytes`` each, the last one shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.copies import Range
from chalicelib.domain.errors import BadInput, TooLarge

MIB, GIB = 1 << 20, 1 << 30
MIN_PART = 8 * MIB
USUAL_PART = 32 * MIB
PARTS_WISHED = 500
MAX_PARTS = 10_000
MAX_ARCHIVE = 5 * 1024 * GIB
"""S3's own limit on an object, 5 TiB."""

LIFETIME = timedelta(hours=24)

LONGEST_LIFE = timedelta(days=20)
"""From when an archive was begun. Shorter than the bucket's own rule (infra/template.yaml), which is the last line."""


class UploadState(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    USED = "used"
    DISCARDING = "discarding"
    ABORTED = "aborted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """``multipart_id`` is the object store's name for the transfer; ``root`` is the manifest's hash.

    ``source_id`` is the upload that ``copies`` are ranges of. ``manifest_etag`` is None until a manifest was taken in;
    ``manifest_checked`` says that its files were compared with the root here. ``kept_for`` are jobs that ended and
    left the data for another run. ``image_count`` is None when the client did not count them.
    """

    id: str
    tenant: str
    owner: str
    state: UploadState
    root: str
    archive_bytes: int
    part_bytes: int
    file_count: int
    key: str
    multipart_id: str
    created_at: datetime
    expires_at: datetime
    job_id: str | None = None
    source_id: str | None = None
    copies: tuple[Range, ...] = ()
    manifest_etag: str | None = None
    manifest_checked: bool = False
    kept_for: tuple[str, ...] = ()
    image_count: int | None = None
    version: int = 1

    @property
    def folder(self) -> str:
        """The prefix of all that is in the store because of this upload, but its manifest."""
        return f"{self.key.rpartition('/')[0]}/"

    @property
    def caches(self) -> str:
        """The prefix of what a trainer keeps beside the data while it reads it file by file."""
        return f"{self.folder}caches/"

    def laid_out(self, digest: str) -> str:
        """The key of one of its datasets as a zip of its own. Among the caches, for it goes with the job."""
        return f"{self.caches}laid/{digest}.zip"

    @property
    def manifest_key(self) -> str:
        return f"manifests/{self.tenant}/{self.id}.ndjson.gz"

    @property
    def copied_bytes(self) -> int:
        return sum(length for _, length in self.copies)

    @property
    def part_count(self) -> int:
        return len(self.copies) - (-(self.archive_bytes - self.copied_bytes) // self.part_bytes)

    def size_of_part(self, number: int) -> int:
        """Bytes of part ``number`` (from 1): copies first; those that are sent are all alike but the last."""
        if number <= len(self.copies):
            return self.copies[number - 1][1]
        sent = (number - len(self.copies) - 1) * self.part_bytes
        return min(self.part_bytes, self.archive_bytes - self.copied_bytes - sent)


def part_bytes_for(sent_bytes: int, copies: int = 0) -> int:
    """8 MiB, for large archives more, up to 32 MiB so that little is lost with a part that breaks off; beyond that only
    as large as keeps them within 10 000 parts."""
    if sent_bytes <= 0:
        raise BadInput("archive_bytes must be a positive number of bytes: there is nothing to upload.")
    if sent_bytes > MAX_ARCHIVE:
        raise TooLarge("The archive is larger than 5 TiB, the most that one object can hold. Split the dataset.")
    wished = min(USUAL_PART, sent_bytes // PARTS_WISHED)
    needed = max(wished, -(-sent_bytes // (MAX_PARTS - copies)))
    return max(MIN_PART, -(-needed // MIB) * MIB)


class Consent(StrEnum):
    """What a person decided about data leaving the machine."""

    ASK = "ask"
    ALLOW = "allow"
    DENY = "deny"
