"""What each dataset of a scan comes to: its size, its images and captions. One with nothing to train on is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from chalicelib.domain.captions import Role, Trouble, role_of
from chalicelib.domain.datasets import DatasetSize, EmptyDataset, Entry, HeldBack, Source, UnreadableDataset
from chalicelib.domain.kinds import Kind, kind_of
from chalicelib.domain.surveys import Named, Survey, survey
from chalicelib.domain.walking import Findings, cause_of, printable


def counted(
    sources: list[Source], entries: Sequence[Entry], findings: Findings
) -> tuple[tuple[DatasetSize, ...], tuple[Survey, ...]]:
    places: dict[str, range] = {}
    totals: dict[str, int] = {}
    owner, begun, total = "", 0, 0
    for number, entry in enumerate(entries):  # in the order of their paths, so those of a dataset are side by side
        if entry.source.id != owner:
            places[owner], totals[owner] = range(begun, number), total
            owner, begun, total = entry.source.id, number, 0
        total += entry.size
    places[owner], totals[owner] = range(begun, len(entries)), total
    sizes, surveys = [], []
    for source in sources:
        place = places.get(source.id, range(0))
        found = _survey(source, entries, place, findings.troubles)
        if not found.images and not any(map(_is_pack, map(entries.__getitem__, place))):
            raise _nothing_in(source, len(place), found.unread, findings.held_back)
        surveys.append(found)
        sizes.append(DatasetSize(source.id, len(place), totals.get(source.id, 0), found.images, found.captioned))
    return tuple(sizes), tuple(surveys)


def _survey(source: Source, entries: Sequence[Entry], place: range, troubles: dict[str, Trouble]) -> Survey:
    start = len(source.id) + 1
    own = {path[start:]: trouble for path, trouble in troubles.items() if path.startswith(f"{source.id}/")}

    def names() -> Iterable[tuple[str, int]]:
        return ((one.name, one.size) for one in map(entries.__getitem__, place))

    def content(name: str) -> bytes:
        disk_path = next(one.disk_path for one in map(entries.__getitem__, place) if one.name == name)
        try:
            return Path(disk_path).read_bytes()
        except OSError as error:
            raise UnreadableDataset(
                f"{printable(disk_path)}: {cause_of(error)}.", paths=[printable(disk_path)]
            ) from error

    return survey(source.id, names, own, content)


def _is_pack(entry: Entry) -> bool:
    """What may be a dataset of its own kind without a single picture beside it, such as shards of tensors."""
    return entry.size > 0 and kind_of(entry.name) is Kind.MEDIA and role_of(entry.name) is Role.OTHER


def _nothing_in(source: Source, count: int, unread: Named, held_back: list[HeldBack]) -> EmptyDataset:
    if unread.count:
        more = ", …" if unread.count > 3 else ""
        return EmptyDataset(
            f"Dataset '{source.id}' has nothing to train on: {source.folder} holds {unread.count} pictures, of kinds "
            f"that the trainer does not read ({', '.join(map(printable, unread.first[:3]))}{more}). "
            "Convert them to JPEG or PNG; a phone can be set to take JPEG at once ('most compatible')."
        )
    stay = sum(1 for one in held_back if one.path.startswith(f"{source.id}/"))
    what = f"{count} text, empty or other files" if count else "no files"
    return EmptyDataset(
        f"Dataset '{source.id}' has nothing to train on: {source.folder} holds {what} that may be sent"
        + (f", and {stay} that are held back." if stay else ".")
        + " Put images, videos or audio in it."
    )
