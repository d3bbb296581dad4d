"""What is to be told of a dataset's captions and pictures before it is sent, and what is refused: facts, not words.

The browser says the same of the same surveys (``frontend/src/upload/remarks.ts``), held together by vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import floor, sqrt
from typing import Any

from chalicelib.domain.captions import Strategy
from chalicelib.domain.surveys import SHOWN, Named, Survey


class Weight(StrEnum):
    NOTE = "note"
    WARNING = "warning"
    REFUSAL = "refusal"


class Sign(StrEnum):
    CAPTIONED = "captioned"
    BY_NAME = "by_name"
    """A plain folder without captions."""

    NO_TEXT = "no_text"
    """Images of a plain folder that have no caption where others have one: their names stand in."""

    NO_TEXT_FILE = "no_text_file"
    """The same under ``caption_strategy: textfile``, which the trainer ends on."""

    BLANK = "blank"
    BLANK_FILE = "blank_file"
    """Under ``textfile`` such an image is trained without a caption where the trainer reads file by file; where it
    reads a table it ends on it."""

    LINE_BREAKS = "line_breaks"
    """Under ``textfile`` the trainer ends on it."""

    NOT_UTF8 = "not_utf8"
    ALONE = "alone"
    UNREAD = "unread"
    UNUSED = "unused"
    """Captions that the dataset's strategy does not look at."""

    TOO_SMALL = "too_small"
    ALL_TOO_SMALL = "all_too_small"
    MEGAPIXELS = "megapixels"
    """A ``minimum_image_size`` in pixels where the trainer counts megapixels, and ends."""


_WEIGHTS = {
    Sign.CAPTIONED: Weight.NOTE,
    Sign.BY_NAME: Weight.NOTE,
    **dict.fromkeys(
        (Sign.NO_TEXT, Sign.BLANK, Sign.BLANK_FILE, Sign.ALONE, Sign.UNREAD, Sign.UNUSED, Sign.TOO_SMALL),
        Weight.WARNING,
    ),
}


@dataclass(frozen=True, slots=True)
class Remark:
    """``count`` of ``total``; ``names`` are the first of them, ``told`` is what is said beside them."""

    sign: Sign
    dataset: str
    count: int
    total: int
    names: tuple[str, ...] = ()
    told: str = ""

    @property
    def weight(self) -> Weight:
        return _WEIGHTS.get(self.sign, Weight.REFUSAL)


@dataclass(frozen=True, slots=True)
class Least:
    """What the trainer leaves out of a dataset: by the shorter edge, or by the area and, cropped square, the edge."""

    dataset: str
    told: str
    edge: float
    area: float

    def admits(self, width: int, height: int) -> bool:
        return min(width, height) >= self.edge and width * height >= self.area


def remarks(
    surveys: Iterable[Survey], dataloader: Sequence[Mapping[str, Any]] | None, config: Mapping[str, Any]
) -> list[Remark]:
    """``dataloader`` names the folders as the archive does (``instance_data_dir``); None for one plain folder."""
    found: dict[Remark, None] = {}
    known = {one.id: one for one in surveys}
    for entry, one in _uses(known, dataloader):
        for remark in (*_of_captions(one, _strategy(entry, config)), *_of_files(one)):
            found.setdefault(remark)
    return list(found)


def least_sizes(
    surveys: Iterable[Survey], dataloader: Sequence[Mapping[str, Any]] | None, config: Mapping[str, Any]
) -> tuple[list[Least], list[Remark]]:
    """The limits on sizes that datasets have, and what of them the trainer would not take."""
    limits: list[Least] = []
    wrong: list[Remark] = []
    for options, one in _uses({one.id: one for one in surveys}, dataloader):
        entry = options or {}
        minimum = _number(_option(entry, config, "minimum_image_size"))
        kind = _option(entry, config, "resolution_type") or "pixel_area"
        if minimum is None or minimum <= 0 or entry.get("dataset_type") == "audio":
            continue
        told = f"{minimum:g}"
        if kind == "pixel":
            limits.append(Least(one.id, told, minimum, 0))
            continue
        if kind == "area" and minimum > 5:
            wrong.append(Remark(Sign.MEGAPIXELS, one.id, one.images, one.images, told=told))
            continue
        pixels = minimum * minimum if kind == "pixel_area" else minimum * 1_000_000
        is_square = bool(entry.get("crop")) and entry.get("crop_aspect", "square") == "square"
        limits.append(Least(one.id, told, floor(sqrt(pixels)) if is_square else 0, pixels))
    return limits, wrong


def too_small(limit: Least, sizes: Iterable[tuple[str, int, int]], is_all: bool) -> Remark | None:
    """``sizes`` are names with width and height; ``is_all`` says that the dataset has no other image."""
    small, total = Named(), 0
    for name, width, height in sizes:
        total += 1
        if not limit.admits(width, height):
            small.add(name)
    if not small.count:
        return None
    sign = Sign.ALL_TOO_SMALL if is_all and small.count == total else Sign.TOO_SMALL
    return Remark(sign, limit.dataset, small.count, total, tuple(small.first), limit.told)


def _uses(
    known: Mapping[str, Survey], dataloader: Sequence[Mapping[str, Any]] | None
) -> list[tuple[Mapping[str, Any] | None, Survey]]:
    """Each dataset's options with what is in its folder; without options for a plain one."""
    if dataloader is None:
        return [(None, one) for one in known.values()]
    listed: list[tuple[Mapping[str, Any] | None, Survey]] = []
    for entry in dataloader:
        place = entry.get("instance_data_dir")
        off = entry.get("disabled") or entry.get("disable")
        if isinstance(place, str) and place in known and not off and entry.get("type") in (None, "", "local"):
            listed.append((entry, known[place]))
    return listed


def _strategy(entry: Mapping[str, Any] | None, config: Mapping[str, Any]) -> str | None:
    """None for a plain folder, whose strategy is found in it; ``-`` where no caption is looked for."""
    if entry is None:
        return None
    if entry.get("conditioning_type") == "mask" or _option(entry, config, "only_instance_prompt"):
        return "-"
    return str(_option(entry, config, "caption_strategy") or Strategy.FILENAME)


def _of_captions(one: Survey, strategy: str | None) -> list[Remark]:
    def remark(sign: Sign, named: Named) -> list[Remark]:
        return [Remark(sign, one.id, named.count, one.images, tuple(named.first))] if named.count else []

    captioned = Remark(Sign.CAPTIONED, one.id, one.captioned, one.images)
    if strategy is None and one.strategy is Strategy.FILENAME:
        return [Remark(Sign.BY_NAME, one.id, one.images, one.images, (one.example,))] if one.example else []
    if strategy is None:
        silent = Named(one.blank.count + one.line_breaks.count, (one.blank.first + one.line_breaks.first)[:SHOWN])
        told = [*remark(Sign.NO_TEXT, one.uncaptioned), *remark(Sign.BLANK, silent)]
        return [captioned, *remark(Sign.NOT_UTF8, one.not_utf8), *told]
    if strategy == Strategy.TEXTFILE:
        missing = one.uncaptioned if one.strategy is not Strategy.METADATA else Named(one.images, [one.example])
        ends = [*remark(Sign.NOT_UTF8, one.not_utf8), *remark(Sign.LINE_BREAKS, one.line_breaks)]
        return [captioned, *ends, *remark(Sign.NO_TEXT_FILE, missing), *remark(Sign.BLANK_FILE, one.blank)]
    if strategy == Strategy.FILENAME and one.captioned:
        return [Remark(Sign.UNUSED, one.id, one.captioned, one.images)]
    return []


def _of_files(one: Survey) -> list[Remark]:
    listed = ((Sign.ALONE, one.alone), (Sign.UNREAD, one.unread))
    return [Remark(sign, one.id, named.count, one.images, tuple(named.first)) for sign, named in listed if named.count]


def _option(entry: Mapping[str, Any], config: Mapping[str, Any], name: str) -> Any:
    value = entry.get(name)
    if value is None:
        value = config.get(f"--{name}")
    return config.get(name) if value is None else value


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
