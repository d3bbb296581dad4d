"""What counts as a whole checkpoint, and what a run would lose by ending now."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.attempts import MANIFEST, Attempt, Start, checkpoint, folders, read, stored
from chalicelib.domain.going_on import left_to_train, stand
from chalicelib.domain.jobs import Job, Phase

FOLDER = "j-1/key/checkpoint-10"
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def manifest(*names: object) -> bytes:
    return json.dumps({"version": 1, "files": list(names)}).encode()


def test_a_checkpoint_is_whole_when_every_file_that_its_manifest_names_is_there() -> None:
    sizes = {f"{FOLDER}/a": 3, f"{FOLDER}/b/c": 4, f"{FOLDER}0/d": 9}
    whole = checkpoint(FOLDER, 10, manifest("a", "b/c"), sizes)
    assert whole.is_whole and (whole.files, whole.bytes) == (2, 7)
    assert checkpoint(FOLDER, 10, manifest("a", "d"), sizes).missing == ("d",)


@pytest.mark.parametrize(
    "told",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"files": "a"}',
        manifest(),
        manifest("../a"),
        manifest("/a"),
        manifest({"path": "a"}),
    ],
)
def test_a_manifest_that_the_trainer_would_refuse_makes_no_checkpoint(told: bytes | None) -> None:
    assert checkpoint(FOLDER, 10, told, {f"{FOLDER}/a": 3}).missing == (MANIFEST,)


def test_the_newest_folder_comes_first_and_what_a_policy_would_read_as_a_pattern_is_none() -> None:
    names = [f"j-1/key/checkpoint-{step}/{MANIFEST}" for step in (9, 100, 10)]
    names += [f"j-1/k*y/checkpoint-500/{MANIFEST}", f"j-1/key/checkpoint-x/{MANIFEST}", "j-1/key/checkpoint-700/a"]
    assert [step for step, _ in folders(names)] == [100, 10, 9]


@given(start=st.booleans(), flags=st.tuples(st.booleans(), st.booleans()), number=st.integers(1, 99))
def test_what_is_stored_of_an_attempt_reads_back(start: bool, flags: tuple[bool, bool], number: int) -> None:
    attempt = Attempt(Start("j-0", FOLDER, 10) if start else None, flags[0], number, number * 7, flags[1], "j-9")
    assert read(json.loads(json.dumps(stored(attempt)))) == attempt


def job(phase: Phase = Phase.RUNNING, began_at: int = 0) -> Job:
    start = Start("j-0", FOLDER, began_at) if began_at else None
    return Job(
        id="j-1", tenant="t", owner="o", provider="p", hardware="h", price_micros_per_second=1, launch_key="k",
        created_at=NOW, updated_at=NOW, phase=phase, attempt=Attempt(start),
    )  # fmt: skip


def test_what_was_trained_since_the_last_checkpoint_is_at_risk_at_what_a_step_cost() -> None:
    known = stand(job(), 25, 40, 20, 5_000)
    assert (known.saved, known.at_risk, known.at_risk_micros) == (20, 5, 1_000)
    resumed = stand(job(began_at=20), 25, 40, None, 5_000)
    assert (resumed.saved, resumed.at_risk, resumed.at_risk_micros) == (20, 5, 5_000), "20 of them were paid for before"


def test_nothing_is_at_risk_once_the_model_is_here_and_nobody_guesses_what_is_not_known() -> None:
    assert stand(job(Phase.COMPLETED), 25, 25, 20, 5_000).at_risk == 0
    unknown = stand(job(), None, None, None, None)
    assert (unknown.saved, unknown.at_risk, unknown.at_risk_micros) == (None, None, None)
    assert stand(job(began_at=20), 3, None, None, 9).at_risk == 0, (
        "a false point before the first step of a resumed run"
    )


def test_what_was_trained_before_is_not_estimated_again() -> None:
    assert left_to_train({"--max_train_steps": 30}, Attempt(Start("j", FOLDER, 10)))["--max_train_steps"] == 20
    assert left_to_train({"--max_train_steps": "30"}, Attempt())["--max_train_steps"] == 30
    assert left_to_train({"--num_train_epochs": 3}, Attempt()) == {"--num_train_epochs": 3}
