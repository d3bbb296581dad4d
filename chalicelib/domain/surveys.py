"""What of a dataset the trainer reads, and how much of that has a caption: counted before anything is sent.

A survey knows names and the troubles that were found in texts; what follows from them, with the dataset's own options,
is for ``remarks.py`` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.domain.captions import (
    AS_SPELLED,
    Role,
    Strategy,
    Trouble,
    captions_in_metadata,
    is_metadata,
    role_of,
    stem_of,
)

SHOWN = 10
_NOT_CAPTIONS = frozenset({"readme", "license", "licence", "credits", "notes", "changelog"})


@dataclass(slots=True)
class Named:
    """How many files, and the first of them by name."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(name)


@dataclass(slots=True)
class Survey:
    """``images`` are all files that the trainer takes for one: pictures, videos and sounds. ``captioned`` are those of
    them with a caption that can be read and says something. ``alone`` are texts and rows that caption nothing.
    ``example`` is the first image, for whoever shows what a name would say."""

    id: str
    strategy: Strategy = Strategy.FILENAME
    images: int = 0
    captioned: int = 0
    example: str = ""
    uncaptioned: Named = field(default_factory=Named)
    blank: Named = field(default_factory=Named)
    line_breaks: Named = field(default_factory=Named)
    not_utf8: Named = field(default_factory=Named)
    alone: Named = field(default_factory=Named)
    unread: Named = field(default_factory=Named)


Names = Callable[[], Iterable[tuple[str, int]]]
"""Every path below a dataset's folder with its size, in order, as often as it is called."""


def survey(dataset: str, names: Names, troubles: Mapping[str, Trouble], read: Callable[[str], bytes]) -> Survey:
    """``troubles`` are those of caption files; ``read`` is asked for the content of ``metadata.jsonl`` and the like.

    Texts are kept while they are matched, images are not: there may be a million. Raises ``BadCaptions`` for a list of
    captions that is none, where the dataset has no other captions.
    """
    found = Survey(dataset)
    texts, lists = _texts(found, names)
    matched = _match_texts(found, names, texts, troubles)
    if found.strategy is Strategy.FILENAME and lists:
        _match_rows(found, names, lists, read)
    for text in texts.values():
        if text not in matched and _name_in(text) not in _NOT_CAPTIONS:
            found.alone.add(text)
    return found


def _texts(found: Survey, names: Names) -> tuple[dict[str, str], list[str]]:
    """The text of each stem, ``.txt`` rather than ``.caption``, and the lists of captions."""
    texts: dict[str, str] = {}
    lists: list[str] = []
    for name, _ in names():
        stem, _, ending = name.rpartition(".")
        role = AS_SPELLED.get(ending) or role_of(name)
        if role is Role.PICTURE:
            continue
        if role is Role.CAPTION:
            if stem not in texts or name[-4:].lower() == ".txt":
                texts[stem] = name
        elif role is Role.UNREAD:
            found.unread.add(name)
        elif role is Role.OTHER and is_metadata(name):
            lists.append(name)
    return texts, lists


def _match_texts(found: Survey, names: Names, texts: Mapping[str, str], troubles: Mapping[str, Trouble]) -> set[str]:
    matched: set[str] = set()
    for name, size in names():
        stem, _, ending = name.rpartition(".")
        role = AS_SPELLED.get(ending) or role_of(name)
        if role is Role.CAPTION or size == 0 or (role is not Role.PICTURE and role is not Role.MOVING):
            continue
        found.images += 1
        if not found.example:
            found.example = name
        text = texts.get(stem)
        if text is None:
            found.uncaptioned.add(name)
            continue
        matched.add(text)
        trouble = troubles.get(text) if troubles else None
        if trouble is Trouble.BLANK:
            found.blank.add(text)
        elif trouble is Trouble.LINE_BREAKS:
            found.line_breaks.add(text)
        elif trouble is Trouble.NOT_UTF8:
            found.not_utf8.add(text)
        else:
            found.captioned += 1
    found.strategy = Strategy.TEXTFILE if matched else Strategy.FILENAME
    return matched


def _match_rows(found: Survey, names: Names, lists: list[str], read: Callable[[str], bytes]) -> None:
    rows: dict[str, list[str]] = {}
    for one in lists:
        rows |= captions_in_metadata(one, read(one))
    found.strategy, found.uncaptioned = Strategy.METADATA, Named()
    for name, size in names():
        if size == 0 or role_of(name) not in (Role.PICTURE, Role.MOVING):
            continue
        if rows.pop(name, None):
            found.captioned += 1
        else:
            found.uncaptioned.add(name)
    for name in rows:
        found.alone.add(name)


def _name_in(path: str) -> str:
    return stem_of(path[path.rfind("/") + 1 :]).lower()
