"""Proof that data is gone: every object that was there, when the store took its deletion, and when it was looked for
once more and not found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Removed:
    """``bucket`` is a role (``datasets``), ``key`` the object's. Times are None until it has happened."""

    bucket: str
    key: str
    size: int
    deleted_at: datetime | None = None
    absent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """``begun_at``: when the objects were listed, before the first was deleted. ``caches`` of a trainer, deleted when
    their job ended, stand beside an archive that was kept longer."""

    upload_id: str
    begun_at: datetime
    objects: tuple[Removed, ...]

    @property
    def is_complete(self) -> bool:
        return bool(self.objects) and all(one.absent_at for one in self.objects)

    @property
    def total_bytes(self) -> int:
        return sum(one.size for one in self.objects)

    def with_found(self, found: Iterable[Removed]) -> Receipt:
        """Also lists what has turned up since; what was listed keeps the size that it had."""
        known = {(one.bucket, one.key): one for one in self.objects}
        for one in found:
            earlier = known.get((one.bucket, one.key))
            known[one.bucket, one.key] = replace(one, size=earlier.size) if earlier else one
        return replace(self, objects=tuple(known[place] for place in sorted(known)))

    def deleted(self, keys: Sequence[tuple[str, str]], at: datetime) -> Receipt:
        gone = set(keys)
        return replace(
            self,
            objects=tuple(
                replace(one, deleted_at=one.deleted_at or at) if (one.bucket, one.key) in gone else one
                for one in self.objects
            ),
        )

    def checked(self, at: datetime) -> Receipt:
        return replace(
            self,
            objects=tuple(
                replace(one, absent_at=one.absent_at or at) if one.deleted_at else one for one in self.objects
            ),
        )
