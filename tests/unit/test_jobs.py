"""Where a job may go, and what old or impossible news does to it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product

import pytest

from chalicelib.domain.configs import normalise
from chalicelib.domain.dataset_delivery import plan_dataset
from chalicelib.domain.errors import BadInput, InvalidConfig
from chalicelib.domain.jobs import MOVES, TERMINAL, IllegalMove, Job, Phase, Reason
from chalicelib.domain.moments import from_text, to_text
from chalicelib.domain.money import as_decimal, micros_for
from chalicelib.domain.outbox import IntentKind
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus
from chalicelib.domain.sightings import hear

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ORDER = list(Phase)


def job(phase: Phase = Phase.RUNNING, **facts: object) -> Job:
    told: dict[str, object] = {
        "id": "j-1",
        "tenant": "default",
        "owner": "local",
        "provider": "replicate",
        "hardware": "l40s",
        "price_micros_per_second": 975,
        "launch_key": "j-1",
        "created_at": NOW,
        "updated_at": NOW,
        "phase": phase,
        "run_id": "r-1",
    }
    return Job(**{**told, **facts})  # type: ignore[arg-type]


def seen(status: CloudJobStatus, **facts: object) -> CloudJobInfo:
    told: dict[str, object] = {"job_id": "r-1", "provider": "replicate", "status": status, "vendor_status": "x"}
    return CloudJobInfo(**{**told, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(("start", "to"), list(product(Phase, Phase)))
def test_every_pair_of_phases_is_a_move_old_news_or_impossible(start: Phase, to: Phase) -> None:
    before = job(start)
    if to in MOVES[start]:
        after = before.advance(to, NOW)
        assert (after.phase, after.version) == (to, before.version + 1)
        assert (after.completed_at is not None) == (to in TERMINAL)
    elif start in TERMINAL or start is to or ORDER.index(to) < ORDER.index(start) or start is Phase.CANCELLING:
        assert before.advance(to, NOW) is before
    else:
        with pytest.raises(IllegalMove):
            before.advance(to, NOW)


def test_the_end_of_a_run_settles_its_cost_once_and_promises_what_follows() -> None:
    end = seen(CloudJobStatus.COMPLETED, billed_micros=2401, billing_is_final=True)
    change = hear(job(), end, NOW)
    assert (change.job.phase, change.job.cost_micros, change.job.cost_is_final) == (Phase.DELIVERING, 2401, True)
    assert {intent.kind for intent in change.promise} == {IntentKind.COLLECT, IntentKind.DELETE_DATA}
    assert hear(change.job, end, NOW).job is change.job


def test_late_news_never_wakes_a_job_that_has_ended() -> None:
    for phase in TERMINAL:
        ended = job(phase)
        assert all(hear(ended, seen(status), NOW).job is ended for status in CloudJobStatus if status in _HEARD)


_HEARD = {CloudJobStatus.QUEUED, CloudJobStatus.RUNNING, CloudJobStatus.COMPLETED, CloudJobStatus.FAILED}


def test_a_run_that_is_stopped_says_who_stopped_it() -> None:
    stopped = seen(CloudJobStatus.CANCELLED, billed_micros=5, billing_is_final=True)
    by_user = hear(job(Phase.CANCELLING, cancel_requested_at=NOW), stopped, NOW).job
    by_vendor = hear(job(), stopped, NOW).job
    assert (by_user.reason, by_vendor.reason) == (Reason.CANCELLED_BY_USER, Reason.CANCELLED_AT_PROVIDER)


def test_news_that_still_runs_does_not_undo_a_request_to_stop() -> None:
    asked = job(Phase.CANCELLING, cancel_requested_at=NOW, started_at=NOW)
    assert hear(asked, seen(CloudJobStatus.RUNNING, started_at=NOW), NOW).job is asked


def test_money_is_whole_micro_dollars_rounded_half_up() -> None:
    assert micros_for(as_decimal(2.462511), 975) == 2401
    assert micros_for(Decimal("0.0005"), 1000) == 1
    assert micros_for("3600", 12_200) == 43_920_000


def test_moments_sort_as_text_and_nanoseconds_are_read() -> None:
    assert to_text(from_text("2023-08-16T18:57:08.36078514Z")) == "2023-08-16T18:57:08.360785Z"
    assert to_text(NOW) < to_text(from_text("2026-11-24T00:00:00.000001Z"))


def test_options_get_their_dashes_and_places_of_the_submitter_stay_home() -> None:
    told = normalise({"seed": 1, "data_backend_config": "/home/me/x.json", "cache_dir": "/home/me/cache"})
    assert told.config == {"--seed": 1}
    assert "--cache_dir" in told.warnings[0]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"max_train_steps": -1},
        {"max_train_steps": "many"},
        {"pretrained_model_name_or_path": "/home/me/model"},
        {"seed": 1, "--seed": 2},
    ],
)
def test_what_could_only_fail_on_a_paid_gpu_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig):
        normalise(config)


@pytest.mark.parametrize(
    ("entries", "has_archive"),
    [
        ([], False),
        ([{"id": "a", "type": "local", "instance_data_dir": "x"}], False),
        ([{"id": "text", "type": "local", "dataset_type": "text_embeds"}], False),
    ],
)
def test_a_job_without_data_is_refused(entries: list[dict[str, object]], has_archive: bool) -> None:
    with pytest.raises(BadInput):
        plan_dataset(entries, has_archive)
