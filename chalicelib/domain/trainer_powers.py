"""What a version of the trainer can do with data: read off its releases, and off runs of them.

    release   built        from the Hub   by address   from a bucket   an archive of pictures
    4.8.0     2026-08-21   yes            no           no (1)          no (2)
    4.9.0     2026-08-30   yes            yes          no (1)          no
    4.9.1     2026-09-01   yes            yes          yes (3)         no
    4.10.1    2026-10-18   yes            yes          yes             no

1  Its S3 backend is an abstract class: every run with one ends with a ``TypeError``.
2  The runner compares a relative folder with absolute paths and refuses each member ("Unsafe zip path detected").
3  With an empty ``aws_data_prefix`` alone: under another one it looks for its notes twice as deep, and stops at step 1.

Which release a vendor's image has, nobody says: the image is built of whatever was on upstream's main branch that day.
So a version counts as the newest release that was out before the image was built, unless a setting says better.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from chalicelib.domain.errors import BadInput

READ_AT = "2026-12-01"


@dataclass(frozen=True, slots=True)
class Powers:
    """``release`` is None for a trainer that is older than those that were looked at."""

    release: str | None
    addresses: bool = False
    buckets: bool = False
    archives: bool = False

    @property
    def name(self) -> str:
        return f"SimpleTuner {self.release}" if self.release else f"a SimpleTuner older than {OLDEST}"


OLDEST = "4.8.0"

_RELEASES = (
    (date(2026, 8, 21), Powers("4.8.0")),
    (date(2026, 8, 30), Powers("4.9.0", addresses=True)),
    (date(2026, 9, 1), Powers("4.9.1", addresses=True, buckets=True)),
    (date(2026, 10, 1), Powers("4.9.3", addresses=True, buckets=True)),
    (date(2026, 10, 18), Powers("4.10.1", addresses=True, buckets=True)),
)

NEWEST = _RELEASES[-1][1]

WORDS = ("addresses", "buckets", "archives")
"""What a setting may add to a version, or take from it with a minus before it."""


def built_on(day: date) -> Powers:
    """Those of an image that was built on that day."""
    known = [powers for released, powers in _RELEASES if released <= day]
    return known[-1] if known else Powers(None)


def of_release(version: str) -> Powers:
    """Those of a release; of one between two that are known, those of the earlier. Raises ``BadInput``."""
    wanted = _numbers(version)
    known = [powers for _, powers in _RELEASES if _numbers(str(powers.release)) <= wanted]
    return replace(known[-1], release=version) if known else Powers(None)


def corrected(powers: Powers, words: Iterable[str]) -> Powers:
    """The same with what an operator knows of the image: ``archives``, ``-addresses``. Raises ``BadInput``."""
    for word in words:
        plain, has = word.removeprefix("-"), not word.startswith("-")
        if plain == "addresses":
            powers = replace(powers, addresses=has)
        elif plain == "buckets":
            powers = replace(powers, buckets=has)
        elif plain == "archives":
            powers = replace(powers, archives=has)
        else:
            raise BadInput(
                f"A trainer's power is one of {', '.join(WORDS)}, with a '-' for what it lacks; not '{word}'."
            )
    return powers


def _numbers(version: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}", version):
        raise BadInput(f"A SimpleTuner version looks like {NEWEST.release}, not '{version[:40]}'.")
    numbers = list(map(int, version.split(".")))
    while numbers[-1] == 0 and len(numbers) > 1:
        numbers.pop()  # 4.9 is 4.9.0
    return tuple(numbers)
