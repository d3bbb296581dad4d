"""What a version of the trainer can do with data, by its release or by the day on which its image was built."""

from __future__ import annotations

from datetime import date

import pytest

from chalicelib.domain.errors import BadInput
from chalicelib.domain.trainer_powers import NEWEST, OLDEST, Powers, built_on, corrected, of_release


@pytest.mark.parametrize(
    ("day", "release"),
    [
        (date(2026, 8, 20), None),
        (date(2026, 8, 21), "4.8.0"),
        (date(2026, 8, 29), "4.8.0"),
        (date(2026, 8, 30), "4.9.0"),
        (date(2026, 9, 1), "4.9.1"),
        (date(2026, 10, 17), "4.9.3"),
        (date(2026, 10, 18), "4.10.1"),
        (date(2030, 1, 1), "4.10.1"),
    ],
)
def test_an_image_has_the_newest_release_that_was_out_when_it_was_built(day: date, release: str | None) -> None:
    assert built_on(day).release == release


@pytest.mark.parametrize(
    ("version", "addresses", "buckets"),
    [
        ("4.7.9", False, False),
        ("4.8.0", False, False),
        ("4.8.9", False, False),
        ("4.9", True, False),
        ("4.9.0", True, False),
        ("4.9.1", True, True),
        ("4.10.0", True, True),
        ("4.10.1", True, True),
        ("5.0", True, True),
        ("4.10.1.1", True, True),
    ],
)
def test_a_release_can_do_what_the_known_one_before_it_can(version: str, addresses: bool, buckets: bool) -> None:
    powers = of_release(version)
    assert (powers.addresses, powers.buckets, powers.archives) == (addresses, buckets, False)
    assert powers.release == (None if version == "4.7.9" else version)


def test_no_release_unpacks_an_archive() -> None:
    assert not any(built_on(date(2026, month, 28)).archives for month in range(8, 13))


@pytest.mark.parametrize("version", ["", "4", "newest", "4.10.x", "v4.10.1", "4.10.1-rc1", "4." + "9" * 5, "4.10.1\n"])
def test_what_is_no_version_is_refused_with_one_that_is(version: str) -> None:
    with pytest.raises(BadInput, match=r"looks like 4\.10\.1"):
        of_release(version)


def test_an_operator_adds_powers_and_takes_them_away() -> None:
    assert corrected(NEWEST, []) == NEWEST
    assert corrected(NEWEST, ["archives", "-addresses", "-buckets"]) == Powers(NEWEST.release, archives=True)
    assert corrected(Powers("4.8.0"), ["addresses", "buckets"]) == Powers("4.8.0", addresses=True, buckets=True)
    with pytest.raises(BadInput, match=r"addresses, buckets, archives.*not '-zips'"):
        corrected(NEWEST, ["-zips"])


def test_a_trainer_is_told_by_its_release_or_by_being_too_old() -> None:
    assert NEWEST.name == "SimpleTuner 4.10.1"
    assert Powers(None).name == f"a SimpleTuner older than {OLDEST}"
