"""Laying the datasets of an upload out, each as a zip of its own, inside the store and before the launch.

    archive's directory ─▶ captions, some thousand at a time ─▶ metadata ─▶ ranges of the archive + metadata = zip

Each step leaves an object that says it is done, so a launch that dies, or has no time left, goes on where it stood. The
zips lie among the upload's caches: they go when the job ends, also when the data stays for another run.
"""

from __future__ import annotations

import json
import posixpath
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.actions.joining import Joining, Plan, SourceChanged
from chalicelib.domain import laid_out
from chalicelib.domain.captions import (
    BadCaptions,
    Strategy,
    caption_file_of,
    caption_from_name,
    captions_in_metadata,
    captions_of,
    is_metadata,
    text_of,
)
from chalicelib.domain.dataset_zips import DatasetZip
from chalicelib.domain.errors import NotFound, ProviderDown
from chalicelib.domain.jobs import Job
from chalicelib.domain.laid_out import Laid
from chalicelib.domain.listings import Listing, Member, content_of, list_archive, near_each_other
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.storage import Objects, StoredObject
from chalicelib.domain.uploads import Upload

DATASETS = "datasets"
WITHIN = timedelta(seconds=15)
"""A launch has a request's time, or a tick's; what takes longer goes on at the next one."""

AT_A_TIME = 2_000
"""Pictures whose captions are read before that is written down."""

_READS_AT_ONCE = 16
_MOST_ROWS_BYTES = 64 << 20
_MOST_TEXT = 1 << 20
_MOST_METADATA = 64 << 20


class NotLaidOut(ProviderDown):
    """There was no time to lay all of it out; asked again, it goes on."""

    title = "The data is still being laid out"


@dataclass(frozen=True, slots=True)
class LaidOut:
    """``columns`` of the metadata hold captions; ``digest`` names the zip among those of its upload."""

    zip: DatasetZip
    digest: str
    columns: tuple[str, ...]


class LayOut:
    def __init__(self, objects: Objects, joining: Joining, clock: Clock) -> None:
        self._objects = objects
        self._joining = joining
        self._clock = clock

    def listing(self, upload: Upload) -> Listing:
        """What is in the upload. Raises ``NotFound`` when its data is gone, ``BadArchive`` for what is no zip."""
        return self._listed(upload, self._stored(upload))

    def __call__(self, job: Job, upload: Upload, wanted: Sequence[tuple[str, Laid]]) -> list[LaidOut]:
        """A zip for each dataset (its id, and how), in their order.

        Raises ``NotLaidOut``, ``NotFound`` when the data is gone, ``BadCaptions``, and ``DatasetError`` for pictures
        that cannot be used.
        """
        until = self._clock() + WITHIN
        stored = self._stored(upload)
        listing = self._listed(upload, stored)
        return [self._one(job, upload, stored, listing, name, laid, until) for name, laid in wanted]

    def _one(
        self, job: Job, upload: Upload, stored: StoredObject, listing: Listing, name: str, laid: Laid, until: datetime
    ) -> LaidOut:
        media = laid_out.media_in(listing, laid)
        rows: list[dict[str, str]] = []
        for place in range(0, len(media), AT_A_TIME):
            if rows and self._clock() >= until:
                raise NotLaidOut(f"{place} of {len(media)} captions are read. It goes on by itself.")
            rows += self._rows(upload, stored, listing, laid, media[place : place + AT_A_TIME], place)
        columns = laid_out.columns_of(rows)
        told = laid_out.metadata(rows, columns)
        digest = laid_out.digest_of(stored.etag, laid, told)
        key = upload.laid_out(digest)
        parts = laid_out.parts_for(listing, laid, upload.key, stored.etag, told)
        plan = Plan(job, digest, DATASETS, key, "application/zip", parts)
        try:
            joined = self._joining.go_on(plan, until)
        except SourceChanged as changed:
            raise NotFound("The data of this job has been deleted.") from changed
        if not joined.is_whole:
            raise NotLaidOut(f"{joined.done_bytes} of {plan.total} bytes are laid out. It goes on by itself.")
        return LaidOut(DatasetZip(name, key, plan.total, laid.kind), digest, tuple(columns))

    def _rows(
        self, upload: Upload, stored: StoredObject, listing: Listing, laid: Laid, media: Sequence[Member], place: int
    ) -> list[dict[str, str]]:
        if laid.captions in ("instanceprompt", Strategy.FILENAME):
            return [laid_out.row_of(laid, one, [_name_of(one.path)]) for one in media]
        key = f"{upload.caches}laid/{laid_out.digest_of(stored.etag, laid, b'')}-{place}.json"
        known = self._objects.read(DATASETS, key, _MOST_ROWS_BYTES)
        if known is not None:
            return list(json.loads(known))
        captions = self._captions(upload, stored, listing, laid, media)
        rows = [laid_out.row_of(laid, one, captions[one.path]) for one in media]
        self._objects.put(DATASETS, key, json.dumps(rows, ensure_ascii=False).encode(), "application/json")
        return rows

    def _captions(
        self, upload: Upload, stored: StoredObject, listing: Listing, laid: Laid, media: Sequence[Member]
    ) -> dict[str, list[str]]:
        """Those of each picture. Raises ``BadCaptions`` for one that has none, naming it."""
        named = {one.path: one for one in listing.below(laid.folder)}
        if laid.captions == Strategy.METADATA:
            lists = [one for path, one in named.items() if is_metadata(path)]
            found: dict[str, list[str]] = {}
            for path, content in self._contents(upload, stored, lists).items():
                found |= captions_in_metadata(path, content)
        else:
            beside = {one.path: caption_file_of(one.path, named.keys()) for one in media}
            texts = self._contents(upload, stored, [named[name] for name in beside.values() if name])
            found = {
                picture: captions_of(_text(name, texts[name]), laid.split) for picture, name in beside.items() if name
            }
        return {one.path: _of(laid, one.path, found) for one in media}

    def _contents(self, upload: Upload, stored: StoredObject, members: Sequence[Member]) -> dict[str, bytes]:
        """Raises ``BadCaptions`` for a text that is too large to be one: it would fill the memory of a function."""
        for one in members:
            most = _MOST_METADATA if is_metadata(one.path) else _MOST_TEXT
            if max(one.info.file_size, one.info.compress_size) > most:
                raise BadCaptions(f"'{one.path}' is larger than {most >> 20} MiB, which is too much for captions.")

        def read(group: list[Member]) -> list[tuple[str, bytes]]:
            start, end = group[0].start, group[-1].end
            block = self._objects.read_range(DATASETS, upload.key, stored.etag, start, end - start)
            return [(one.path, content_of(one, block, start)) for one in group]

        groups = list(near_each_other(members))
        if len(groups) < 2:
            return {path: content for group in groups for path, content in read(group)}
        with ThreadPoolExecutor(min(_READS_AT_ONCE, len(groups)), "captions") as pool:
            return {path: content for found in pool.map(read, groups) for path, content in found}

    def _listed(self, upload: Upload, stored: StoredObject) -> Listing:
        def read(offset: int, length: int) -> bytes:
            return self._objects.read_range(DATASETS, upload.key, stored.etag, offset, length)

        return list_archive(read, stored.size)

    def _stored(self, upload: Upload) -> StoredObject:
        stored = self._objects.head(DATASETS, upload.key)
        if stored is None:
            raise NotFound("The data of this job has been deleted.")
        return stored


def _text(path: str, content: bytes) -> str:
    text = text_of(content)
    if text is None:
        raise BadCaptions(f"The caption '{path}' is not UTF-8, and the trainer reads no other. Save it as UTF-8.")
    return text


def _name_of(picture: str) -> str:
    """What its name says; a name that says nothing stands as it is, because the trainer ends on an empty caption."""
    return caption_from_name(picture) or posixpath.basename(picture)


def _of(laid: Laid, picture: str, found: Mapping[str, list[str]]) -> list[str]:
    # Metadata that was written on another machine may spell a name in another Unicode form.
    captions = found.get(picture) or found.get(unicodedata.normalize("NFC", picture))
    captions = captions or ([_name_of(picture)] if laid.or_name else [])
    if not captions:
        raise BadCaptions(
            f"'{picture}' has no caption, and the trainer stops at the first picture without one. Write one beside it, "
            "or take the picture out."
        )
    return captions
