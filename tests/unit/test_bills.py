"""A receipt says where the money and the time went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.bills import as_text, measured, receipt
from chalicelib.domain.jobs import Event, EventKind, Job, Phase

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
FACTS = {
    "measured": {"steps": 100, "seconds": 350.0},
    "alternatives": [
        {"provider": "p", "hardware": name, "label": name, "seconds": 200, "micros": micros,
         "price_micros_per_second": 1, "as_of": "2026-10-07"}
        for name, micros in (("dear", 900_000), ("cheap", 100_000), ("cheaper", 50_000))
    ],
}  # fmt: skip


def job(**changes: object) -> Job:
    facts: dict[str, object] = {
        "id": "j-1", "tenant": "t", "owner": "o", "provider": "replicate", "hardware": "l40s",
        "price_micros_per_second": 1000, "launch_key": "k", "created_at": AT, "updated_at": AT,
        "completed_at": AT + timedelta(seconds=500), "phase": Phase.COMPLETED, "cost_micros": 400_000,
        "cost_is_final": True, "estimate_low_micros": 200_000, "estimate_high_micros": 800_000,
    }  # fmt: skip
    return Job(**(facts | changes))  # type: ignore[arg-type]


EVENTS = [
    Event(AT + timedelta(seconds=seconds), EventKind.MOVED, phase, "moved")
    for seconds, phase in [
        (10, Phase.LAUNCHING), (20, Phase.STARTING), (60, Phase.RUNNING), (460, Phase.DELIVERING),
        (500, Phase.COMPLETED),
    ]
]  # fmt: skip


def test_stages_add_up_to_the_whole_time_and_the_run_is_told_apart() -> None:
    paper = receipt(job(), EVENTS, FACTS)
    assert dict(paper.stages) == {"queue": 20, "start": 40, "prepare": 50, "train": 350, "deliver": 40}
    assert sum(seconds for _, seconds in paper.stages) == 500
    assert (paper.billed_seconds, paper.steps, paper.step_seconds) == (400, 100, 3.5)


def test_the_cost_is_set_beside_the_range_and_beside_what_would_have_been_cheaper() -> None:
    paper = receipt(job(), EVENTS, FACTS)
    assert (paper.against, paper.off_percent, paper.wasted_micros) == ("within", 0, 0)
    assert [one.hardware for one in paper.cheaper] == ["cheaper", "cheap"]
    assert "cheaper at p: about $0.05" in as_text(paper)
    assert receipt(job(cost_micros=900_000), [], None).against == "above"
    assert receipt(job(cost_micros=100_000), [], None).off_percent == -75
    unknown = receipt(job(cost_micros=None, cost_is_final=False), [], None)
    assert (unknown.against, unknown.off_percent, unknown.billed_seconds, unknown.complete) == (None, None, None, False)
    assert receipt(job(phase=Phase.FAILED), EVENTS, FACTS).wasted_micros == 400_000


@pytest.mark.parametrize(
    ("log", "found"),
    [
        (
            "Epoch 1/1, Steps:  50%|█ | 10/20 [00:30<00:30, 3s/it]\nSteps: 100%|██| 20/20 [01:10<00:00, 3.5s/it]",
            (20, 70),
        ),
        ("Steps: 100%|██| 20/20 [1:01:10<00:00, 3.5s/it]", (20, 3670)),
        ("Steps: 100%|██| 5/5 [00:00<00:00, 99it/s]", (5, 0.5)),
        ("Steps:   0%|  | 0/20 [00:00<?, ?it/s]", None),
        ("model.safetensors: 100%|██| 20/20 [01:10<00:00]", None),
        ("", None),
    ],
)
def test_the_last_bar_of_the_log_tells_the_pace(log: str, found: tuple[int, float] | None) -> None:
    told = measured(log)
    assert (told and (told.steps, told.seconds)) == found
