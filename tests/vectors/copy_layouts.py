"""How archives are made of earlier ones, as the command line lays them out, for the browser to be held to.

``python -m tests.vectors.copy_layouts`` writes ``copy_layouts.json``, which pytest and vitest both read. A list of
files is spelled out, or told as a series: ``count`` files of ``size`` bytes, every ``each``-th with other content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chalicelib.domain.copies import extent, lay_out
from chalicelib.domain.manifests import Listed

FILE = Path(__file__).with_name("copy_layouts.json")
MIB = 1 << 20

File = tuple[str, int, int, int]
"""Path, size, a number that stands for the content, and the length in the archive."""


def _stored(*files: tuple[str, int, int]) -> list[File]:
    return [(path, size, content, size) for path, size, content in files]


_NAMES = ("a-b.png", "a.png", "a/b.png", "z.png", "é.png", "ﬁ.png", "～.png", "😀.png")

CASES: dict[str, dict[str, Any]] = {
    "the same again": {"before": _stored(("a.png", 6 * MIB, 1), ("b.png", 1, 2)), "same": True},
    "too short": {"before": _stored(("a.png", 4 * MIB, 1)), "same": True},
    "one changed in the middle, one removed, one new": {
        "before": _stored(*((f"{n}.png", 6 * MIB, n) for n in range(6))),
        "after": _stored(*((f"{n}.png", 6 * MIB, 99 if n == 2 else n) for n in range(7) if n != 4)),
    },
    "order of names": {
        "before": _stored(*((name, 6 * MIB, n) for n, name in enumerate(_NAMES))),
        "after": _stored(*((name, 6 * MIB, n) for n, name in enumerate(_NAMES) if name != "é.png")),
    },
    "an archive that was copied before": {
        "before": _stored(*((f"{n}.png", 6 * MIB, n) for n in range(5))),
        "standing": [0, 1, 3, 4, 2],
        "after": _stored(*((f"{n}.png", 6 * MIB, n) for n in range(1, 5))),
    },
    "text that is packed in another way": {
        "before": [("a.png", 6 * MIB, 1, 6 * MIB), ("a.txt", 900, 2, 40), ("b.png", 6 * MIB, 3, 6 * MIB)],
        "after": _stored(("a.png", 6 * MIB, 1), ("a.txt", 900, 2), ("b.png", 6 * MIB, 3)),
    },
    "very large": {"before": _stored(("a.tar", 5 << 30, 1), ("b.tar", 600 * MIB, 2), ("c.tar", 7, 3)), "same": True},
    "ten of ten thousand": {"series": {"count": 10_000, "size": 300_000, "each": 1000}},
    "more runs than parts": {"series": {"count": 6000, "size": 3 * MIB, "each": 3}},
}


def made() -> dict[str, Any]:
    return {name: _told(case) for name, case in CASES.items()}


def _told(case: dict[str, Any]) -> dict[str, Any]:
    if "series" in case:
        count, size, each = (case["series"][name] for name in ("count", "size", "each"))
        before = _stored(*((f"{n:05}.jpg", size, n) for n in range(count)))
        after = _stored(*((f"{n:05}.jpg", size, -1 if n % each == 0 else n) for n in range(count)))
        shown: dict[str, Any] = {"series": case["series"]}
    else:
        before, after = case["before"], case["before"] if case.get("same") else case["after"]
        shown = {}
    listed = _listed(before, case.get("standing") or range(len(before)))
    wanted = _listed(after, range(len(after)))
    if not shown:
        shown = {"before": [_told_of(one) for one in listed], "after": [_told_of(one) for one in wanted]}
    layout = lay_out(listed, wanted)
    if layout is None:
        return {**shown, "layout": None}
    ranges, order = [list(one) for one in layout.ranges], list(layout.order)
    whole = {"ranges": ranges, "order": order, "copied_files": layout.copied_files}
    if "series" not in case:
        return {**shown, "layout": whole}
    digest = hashlib.sha256(json.dumps([ranges, order], separators=(",", ":")).encode()).hexdigest()
    return {**shown, "layout": {"copied_files": layout.copied_files, "ranges": len(ranges), "sha256": digest}}


def _told_of(one: Listed) -> list[Any]:
    return [one.path, one.size, one.sha256, one.offset, one.packed]


def _listed(files: Sequence[File], standing: Sequence[int]) -> list[Listed]:
    """In the order of their paths, with offsets as they come when they stand in the archive as ``standing`` says."""
    offsets, at = {}, 0
    for place in standing:
        path, size, _, packed = files[place]
        offsets[place] = at
        at += extent(path, size, packed)
    return [
        Listed(path, size, f"{content % (1 << 64):064x}", offsets[place], packed)
        for place, (path, size, content, packed) in enumerate(files)
    ]


if __name__ == "__main__":
    FILE.write_text(json.dumps(made(), indent=1) + "\n")
