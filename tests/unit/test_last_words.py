"""Why a run failed, in the words of real ones: ``tests/vectors/trainer/failures`` has their logs and errors.

All are runs of SimpleTuner's own Cog runner on a processor; only the error of memory was raised there by hand.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.domain.last_words import last_words
from chalicelib.domain.progress import why_failed
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus
from chalicelib.domain.sightings import hear

FAILURES = Path(__file__).parents[1] / "vectors" / "trainer" / "failures"
UNKNOWN = "Prediction failed for an unknown reason. It might have run out of memory? (exitcode 2)"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
RUNNING = Job(
    id="j-1",
    tenant="default",
    owner="local",
    provider="replicate",
    hardware="l40s",
    price_micros_per_second=1,
    launch_key="j-1",
    created_at=NOW,
    updated_at=NOW,
    phase=Phase.RUNNING,
    run_id="r1",
)

CASES = [
    ("unknown_option", "config_refused", "unrecognized arguments: --fo=x"),
    ("missing_option", "config_refused", "the following arguments are required: --optimizer"),
    ("unknown_family", "config_refused", "argument --model_family: invalid choice: 'nosuch' (choose from 'ace_step', "),
    ("archive", "dataset_missing", "Unsafe zip path detected: mydata/img03.txt"),
    ("empty_folder", "dataset_missing", "(id=squares) Dataset produced no usable samples."),
    (
        "missing_folder",
        "dataset_missing",
        "The following dataset directories do not exist:\n  - (id=squares) instance_data_dir: /nowhere",
    ),
    ("missing_caption", "captions_missing", "Caption file /src/nocap/img02.txt not found."),
    ("out_of_memory", "out_of_memory", "CUDA out of memory. Tried to allocate 2.00 GiB."),
    (
        "gated_model",
        "gated_model",
        ("someone/gated is not a local folder", "huggingface_hub.errors.GatedRepoError: 403"),
    ),
    ("all_rejected", "images_rejected", "No datasets are active at the start of training."),
]


def texts(name: str) -> tuple[str, str]:
    log = (FAILURES / f"{name}.txt").read_text(encoding="utf-8")
    return log, (FAILURES / f"{name}.error.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("error_is_lost", [False, True])
@pytest.mark.parametrize(("name", "cause", "words"), CASES)
def test_a_run_that_failed_says_why_with_the_vendors_error_and_without_it(
    name: str, cause: str, words: str | tuple[str, ...], error_is_lost: bool
) -> None:
    log, error = texts(name)
    error = UNKNOWN if error_is_lost else error
    seen = CloudJobInfo("r1", "replicate", CloudJobStatus.FAILED, "failed", error=error)
    job = hear(RUNNING, seen, NOW, log).job
    assert (job.phase, job.reason) == (Phase.FAILED, Reason(cause))
    assert str(job.error).removeprefix("ValueError: ").startswith(words)
    assert "Traceback" not in str(job.error)


def test_every_cause_is_a_reason_that_a_job_may_have() -> None:
    assert {cause for _, cause, _ in CASES} <= set(Reason)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "Training exited with code 143",
            "The trainer was stopped from outside (SIGTERM). Training exited with code 143",
        ),
        ("exit status -9", "The trainer was stopped from outside (SIGKILL). exit status -9"),
        ("exit code 1", "exit code 1"),
        ("The trainer failed.", "The trainer failed."),
        ("CUDA out of memory. Tried to allocate 2 GiB", "CUDA out of memory. Tried to allocate 2 GiB"),
        ("", None),
        (None, None),
    ],
)
def test_an_error_that_says_nothing_is_kept_where_the_log_says_nothing_either(
    error: str | None, words: str | None
) -> None:
    assert last_words("[COG] hello\n", error) == words


def test_pictures_that_were_rejected_do_not_explain_another_failure() -> None:
    log, _ = texts("all_rejected")
    log = log[: log.rindex("Rejected NSFW")] + "\ntorch.OutOfMemoryError: CUDA out of memory.\n"
    assert why_failed(log, None) == "out_of_memory"
    assert why_failed(log.replace("CUDA out of memory", "odd").replace("OutOfMemory", ""), None) is None


def test_words_that_come_after_a_failure_without_words_are_taken_and_no_failure_is_explained_twice() -> None:
    def failed(error: str) -> CloudJobInfo:
        return CloudJobInfo("r1", "replicate", CloudJobStatus.FAILED, "failed", error=error)

    job = hear(RUNNING, failed("The trainer failed."), NOW).job
    assert (job.reason, job.error) == ("trainer_failed", "The trainer failed.")
    change = hear(job, failed("CUDA out of memory"), NOW)
    assert (change.job.reason, change.job.error) == ("out_of_memory", "CUDA out of memory")
    assert change.promise == [] and [event.message for event in change.events] == ["Why it failed: CUDA out of memory"]
    for late in ("The trainer failed.", "something else"):
        assert hear(change.job, failed(late), NOW).job is change.job
    done = replace(job, phase=Phase.COMPLETED, reason=None, error=None)
    assert hear(done, failed("CUDA out of memory"), NOW).job is done


@given(st.text(), st.text() | st.none())
def test_no_text_is_too_odd(log: str, error: str | None) -> None:
    for text in (log, f"Traceback (most recent call last):\n{log}\nValueError: {log}"):
        assert len(last_words(text, error) or "") <= 2100
        why_failed(text, error)
