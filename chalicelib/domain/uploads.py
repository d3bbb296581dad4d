"""An upload session: one archive on its way from the machine that has the data to the object store.

open ─▶ complete ─▶ used (a job took it) ─▶ deleted (that job ended)
  │         └─────────▶ discarding ─▶ deleted (no job took it in time, or its owner gave it up)
  └─▶ discarding ─▶ aborted
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.errors import BadInput, TooLarge

MIB, GIB = 1 << 20, 1 << 30
MIN_PART = 8 * MIB
MAX_PARTS = 10_000
MAX_ARCHIVE = 5 * 1024 * GIB
"""S3's own limit on an object, 5 TiB."""

LIFETIME = timedelta(hours=24)


class UploadState(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    USED = "used"
    DISCARDING = "discarding"
    ABORTED = "aborted"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """``multipart_id`` is the object store's name for the transfer; ``root`` is the manifest's hash."""

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
    version: int = 1

    @property
    def caches(self) -> str:
        """The prefix of what a trainer keeps beside the data while it reads it file by file."""
        return f"{self.key.rpartition('/')[0]}/caches/"

    @property
    def part_count(self) -> int:
        return -(-self.archive_bytes // self.part_bytes)

    def size_of_part(self, number: int) -> int:
        """Bytes of part ``number`` (from 1): all alike but the last."""
        return min(self.part_bytes, self.archive_bytes - (number - 1) * self.part_bytes)


def part_bytes_for(archive_bytes: int) -> int:
    """A part size that keeps any archive within 10 000 parts, in whole MiB and never below 8 MiB."""
    if archive_bytes <= 0:
        raise BadInput("archive_bytes must be a positive number of bytes: there is nothing to upload.")
    if archive_bytes > MAX_ARCHIVE:
        raise TooLarge("The archive is larger than 5 TiB, the most that one object can hold. Split the dataset.")
    needed = -(-archive_bytes // MAX_PARTS)
    return max(MIN_PART, -(-needed // MIB) * MIB)


class Consent(StrEnum):
    """What a person decided about data leaving the machine."""

    ASK = "ask"
    ALLOW = "allow"
    DENY = "deny"
