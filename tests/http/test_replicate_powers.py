"""What Replicate's trainer can do with data, told by when its versions were built."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.domain.errors import BadCredentials, InvalidConfig, ProviderDown, ProviderRefused
from chalicelib.providers.replicate import ReplicateTrainer
from tests.emulator import emulator_fixture  # noqa: F401
from tests.http.replicate_cases import (
    NOW,
    TOKEN,
    VERSIONS,
    run,
    trainer,
    vendor_fixture,  # noqa: F401
)
from tests.http.scripted_vendor import Answer

NEW, OLD = "b" * 64, "a" * 64
BUILT = [
    {"id": NEW, "created_at": "2026-10-20T08:00:00.123456Z", "cog_version": "0.16.0"},
    {"id": OLD, "created_at": "2026-08-25T23:59:59Z"},
]


def listing(*versions: object) -> Answer:
    return Answer(body={"next": None, "results": list(versions)})


def test_the_newest_version_counts_unless_another_is_named(vendor):
    vendor.answers[VERSIONS] = listing(*BUILT)
    one = trainer(vendor)
    assert run(one.powers(None, "l40s")).release == "4.10.1"
    assert run(one.powers(OLD, "l40s")).release == "4.8.0"
    assert run(one.powers(f"simpletuner/advanced-trainer-l40s:{OLD}", "l40s")).release == "4.8.0"


def test_the_list_is_asked_for_once_in_a_while_and_for_each_machine(vendor):
    now = [NOW]
    vendor.answers[VERSIONS] = listing(*BUILT)
    vendor.answers[VERSIONS.replace("l40s", "h100")] = listing(BUILT[1])
    one = ReplicateTrainer(TOKEN, vendor.url, timeout_seconds=5, clock=lambda: now[0])
    assert [run(one.powers(None, "l40s")).release for _ in range(3)] == ["4.10.1"] * 3
    assert run(one.powers(None, "h100")).release == "4.8.0"
    assert vendor.count("GET") == 2
    vendor.answers[VERSIONS] = listing({"id": "c" * 64, "created_at": "2026-08-30T00:00:00Z"})
    now[0] = NOW + timedelta(minutes=6)
    assert run(one.powers(None, "l40s")).release == "4.9.0"


def test_a_version_that_is_not_listed_or_none_at_all_is_told(vendor):
    vendor.answers[VERSIONS] = listing(*BUILT)
    with pytest.raises(InvalidConfig, match=r"does not know the version 'cccccccccccc…'.*Leave the version out"):
        run(trainer(vendor).powers("c" * 64, "l40s"))
    vendor.answers[VERSIONS] = listing()
    with pytest.raises(ProviderRefused, match="no version"):
        run(trainer(vendor).powers(None, "l40s"))
    with pytest.raises(InvalidConfig):
        run(trainer(vendor).powers("newest", "l40s"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401, {"detail": "no"}), BadCredentials),
        (Answer(503, {}), ProviderDown),
        (Answer(hang_up=True), ProviderDown),
        (Answer(body=["no list"]), ProviderDown),
    ],
)
def test_a_vendor_that_cannot_be_asked_is_told_as_such(vendor, answer, error):
    vendor.answers[VERSIONS] = answer
    with pytest.raises(error):
        run(trainer(vendor).powers(None, "l40s"))


def test_a_version_whose_day_is_not_told_is_not_taken_for_another(vendor):
    vendor.answers[VERSIONS] = listing({"id": "c" * 64, "created_at": "yesterday"}, *BUILT[1:])
    with pytest.raises(ProviderRefused, match="cccccccccccc"):
        run(trainer(vendor).powers(None, "l40s"))


def test_an_older_version_on_a_later_page_is_known_by_its_own_day(vendor):
    vendor.answers[VERSIONS] = Answer(body={"next": f"{vendor.url}/v1/more", "results": BUILT[:1]})
    vendor.answers[f"{VERSIONS}/{OLD}"] = Answer(body=BUILT[1])
    one = trainer(vendor)
    assert run(one.powers(OLD, "l40s")).release == "4.8.0"
    assert run(one.powers(None, "l40s")).release == "4.10.1"
    asked = vendor.count("GET")
    assert run(one.powers(OLD, "l40s")).release == "4.8.0" and vendor.count("GET") == asked


def test_the_emulators_versions_have_their_days(emulator):
    one = ReplicateTrainer(emulator.token, emulator.url)
    assert run(one.powers(None, "l40s")).release
    assert run(one.powers(emulator.version(), "l40s")) == run(one.powers(None, "l40s"))
