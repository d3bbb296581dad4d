"""The trainer's own events: read where it puts them, taken with the job's token only, and heard like any other news."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.actions.plan_job import Submission
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.jobs import Job
from chalicelib.domain.links import LinkMaker
from chalicelib.domain.signatures import BadSignature
from chalicelib.domain.trainer_events import read_event
from chalicelib.providers.registry import Registry
from chalicelib.services import OpenDoor, Services, assemble
from tests.unit.actions.vendor import PretendVendor
from tests.unit.actions.weights import weights
from tests.unit.actions.world import CONFIG, SETTINGS, World

HUB = [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}]
STEP = {"type": "training.status", "data": {"status": "running", "global_step": 3}, "progress": {"current": 3}}
DONE = {"type": "lifecycle.stage", "stage": {"key": "training_complete", "status": "completed"}}
ABORT = {"type": "lifecycle.stage", "stage": {"key": "training_abort", "status": "completed"}}
FAILED = {"type": "training.status", "status": "training_failed", "error": "CUDA out of memory hf_abcdefghijkl"}


class SilentVendor:
    """A place that runs trainers and tells nothing by itself."""

    def __init__(self, vendor: PretendVendor) -> None:
        self._vendor = vendor
        self.events_url: str | None = None
        self.on_start: Callable[[], object] = lambda: None

    def __dir__(self) -> list[str]:
        known = {*super().__dir__(), *dir(self._vendor)}
        return sorted(known - {"read_webhook", "webhook_secrets"})

    def __getattr__(self, name: str) -> Any:
        if name in ("read_webhook", "webhook_secrets"):
            raise AttributeError(name)
        return getattr(self._vendor, name)

    async def run_job(self, order: Any) -> Any:
        self.events_url = order.events_url
        started = await self._vendor.run_job(order)
        self.on_start()
        return started


class Stage:
    def __init__(self, path: Path, silent: bool = True) -> None:
        self.world = World(path)
        self.vendor = SilentVendor(self.world.vendor)
        told: Any = self.vendor if silent else self.world.vendor
        trainers = Registry({"replicate": lambda: told})
        self.services: Services = assemble(
            SETTINGS,
            self.world.table,
            self.world.objects,
            self.world.keys(self.world.table),
            OpenDoor(),
            self.world.clock,
            trainers=trainers,
            links=LinkMaker("https://cloud.example", b"s" * 32),
        )
        self.first, _ = self.services.submit(Submission(config=CONFIG, dataloader=HUB), LOCAL)

    @property
    def job(self) -> Job:
        return self.services.jobs.get("default", self.first.id)

    def tell(self, event: dict[str, Any], address: str | None = None) -> Any:
        job_id, token = (address or str(self.vendor.events_url)).rsplit("/", 2)[1:]
        return self.services.hear_trainer(job_id, token, event)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "table.db")


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (STEP, "running"),
        (DONE, "completed"),
        (ABORT, "cancelled"),
        (FAILED, "failed"),
        ({"type": "training.status", "data": {"status": "failed"}}, "failed"),
        ({"type": "training.status", "status": "interrupted"}, "cancelled"),
        ({"type": "error", "message": "boom", "traceback": "…"}, "failed"),
        ({"type": "notification", "severity": "critical", "title": "Fatal Error"}, "failed"),
        ({"type": "notification", "message": "Training job has started"}, "running"),
        ({"type": "training.checkpoint", "checkpoint": {"path": "x"}}, "running"),
        ({"type": "lifecycle.stage", "stage": {"key": "training_complete", "status": "running"}}, "running"),
        ({"type": "lifecycle.stage", "stage": {"key": "model_save", "status": "failed"}}, None),
        ({"type": "training.status", "status": "model_available"}, None),
        ({"type": "training.status", "data": "failed", "status": ["failed"]}, None),
        ({"type": "completed", "status": "completed"}, None),
        ({"status": "failed"}, None),
        ({}, None),
    ],
)
def test_a_status_is_read_where_the_trainer_puts_it(event: dict[str, Any], status: str | None) -> None:
    news = read_event(event)
    assert (news and news.status) == status


def test_events_take_a_job_from_its_start_to_its_model(stage: Stage) -> None:
    assert stage.tell(STEP).changed and stage.job.phase == "running"
    assert not stage.tell(STEP).changed
    stage.world.clock.forward(seconds=100)
    stage.world.objects.put("outputs", f"{stage.job.id}/x/model.safetensors", weights(b"model"))
    assert stage.tell(DONE).changed
    assert (stage.job.phase, stage.job.cost_micros, stage.job.cost_is_final) == ("completed", 97_500, True)
    assert stage.tell(FAILED).status == "ignored" and stage.job.phase == "completed"


def test_a_failure_has_its_reason_and_no_secret(stage: Stage) -> None:
    stage.tell(FAILED)
    assert (stage.job.phase, stage.job.reason) == ("failed", "out_of_memory")
    assert "CUDA out of memory" in str(stage.job.error) and "hf_abc" not in str(stage.job.error)


def test_only_the_token_of_the_job_opens_its_address(stage: Stage) -> None:
    other, _ = stage.services.submit(Submission(config=CONFIG, dataloader=HUB), LOCAL)
    theirs = str(stage.vendor.events_url)
    for address in (
        theirs.replace(other.id, stage.first.id),
        theirs[:-1] + ("A" if theirs[-1] != "A" else "B"),
        theirs.replace(other.id, "j-none"),
        theirs.rsplit("/", 1)[0] + "/é",
    ):
        with pytest.raises(BadSignature):
            stage.tell(DONE, address)
    assert stage.job.phase != "completed"


def test_at_a_provider_that_tells_itself_an_event_is_a_hint_only(tmp_path: Path) -> None:
    loud = Stage(tmp_path / "table.db", silent=False)
    quiet = Stage(tmp_path / "other.db")
    address = str(quiet.vendor.events_url).replace(quiet.first.id, loud.first.id)
    with pytest.raises(BadSignature):
        loud.tell(DONE, address)
    from chalicelib.actions.hear_trainer import event_address

    own = str(event_address(LinkMaker("https://cloud.example", b"s" * 32), loud.job))
    loud.tell(DONE, own)
    assert loud.job.phase == "starting", "the provider says that the run has not even begun"
    loud.world.vendor.go_on()
    loud.tell(ABORT, own)
    assert loud.job.phase == "running"


@pytest.mark.parametrize("event", [STEP, DONE, ABORT, FAILED])
def test_an_event_that_overtakes_the_answer_to_the_launch_never_costs_the_run_its_life(
    stage: Stage, event: dict[str, Any]
) -> None:
    heard: list[Any] = []
    stage.vendor.on_start = lambda: heard.append(stage.tell(event))
    second, _ = stage.services.submit(Submission(config=CONFIG, dataloader=HUB), LOCAL)
    stage.first = second
    run = stage.world.vendor.runs[-1]
    assert [one.status for one in heard] == ["ignored"]
    assert (stage.job.run_id, stage.job.phase, run.is_over) == (run.id, "starting", False)
    assert stage.tell(STEP).changed and stage.job.phase == "running"


def at_step(step: int, total: int = 20, loss: Any = 0.5) -> dict[str, Any]:
    metrics = {"loss": loss, "learning_rate": 1e-4}
    return {
        "type": "training.status",
        "data": {"status": "running", "global_step": step, "total_num_steps": total},
        "progress": {"label": "Training", "current": step, "total": total, "eta_seconds": 9, "metrics": metrics},
    }


def test_steps_and_losses_that_a_trainer_tells_are_its_progress_whatever_comes_twice_or_late(stage: Stage) -> None:
    for step in (1, 2, 2, 5, 3, 5):
        stage.tell(at_step(step, loss=1 / step))
    progress = stage.services.follow.progress(stage.job)
    assert progress and (progress.step, progress.total_steps, progress.percent, progress.loss) == (5, 20, 25, "0.2")
    points, total = stage.services.follow.points(stage.job)
    assert ([point.step for point in points], total) == ([1, 2, 5], 20)
    stage.tell({"type": "lifecycle.stage", "stage": {"key": "validation", "label": "Validation", "status": "running"}})
    told = stage.services.follow.progress(stage.job)
    assert told and (told.stage, told.step) == ("Validation", 5)


def test_a_long_run_is_not_written_down_step_by_step_and_its_last_step_is(stage: Stage) -> None:
    for step in range(1, 2001):
        stage.tell(at_step(step, total=100_000))
    points, _ = stage.services.follow.points(stage.job)
    assert [point.step for point in points][:3] == [1, 101, 201] and len(points) == 20
    stage.tell(at_step(100_000, total=100_000))
    progress = stage.services.follow.progress(stage.job)
    assert progress and progress.percent == 100


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), "0.5", None, True, [], 10**400])
def test_a_loss_that_is_no_number_is_no_point(stage: Stage, loss: Any) -> None:
    stage.tell(at_step(4, loss=loss))
    progress = stage.services.follow.progress(stage.job)
    assert progress and progress.step == 4 and progress.loss is None
    assert progress.diverged is (isinstance(loss, float))
