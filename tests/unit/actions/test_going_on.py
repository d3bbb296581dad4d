"""A vendor's cap is a pause: the next attempt begins by itself, once, where the last whole checkpoint is."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from chalicelib.actions.plan_job import Submission
from chalicelib.domain.budgets import EVERYWHERE, Action, Limit, Period
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.errors import CostLimitExceeded, InvalidJobState
from chalicelib.domain.jobs import EventKind, Job, Phase, Reason
from chalicelib.domain.ledger import NOTHING, standing
from chalicelib.domain.outbox import IntentKind
from chalicelib.domain.uploads import UploadState
from chalicelib.stores.ledger import LedgerTable
from chalicelib.stores.uploads import UploadTable
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.vendor import PRICE, Run
from tests.unit.actions.world import World, send_data, submit, sweep

FULL = {
    "--model_family": "sdxl",
    "--model_type": "lora",
    "--pretrained_model_name_or_path": "somebody/sdxl",
    "--optimizer": "adamw_bf16",
    "--max_train_steps": 20,
}
"""What the trainer takes without a word."""

HUB_DATA = {
    "id": "hub",
    "type": "huggingface",
    "dataset_name": "somebody/cats",
    "metadata_backend": "huggingface",
    "caption_strategy": "huggingface",
    "huggingface": {"caption_column": "text"},
}


def capped(new_world: NewWorld, deaths: tuple[Death, ...] = (), **wanted: Any) -> World:
    """A world whose vendor stops every run after eight of twenty steps; the job goes on after that."""
    world = new_world(deaths)
    world.vendor.moods.plan = "hits the cap"
    world.config = dict(FULL)
    world.wanted = {"goes_on": True, **wanted}
    return world


def begin(world: World) -> None:
    for step in (send_data, submit):
        world.attempt(step)


def row(world: World) -> list[Job]:
    """The job and its next attempts."""
    jobs, found = world.process(careful=True).jobs, [world.job()]
    while found[-1].attempt.next_id:
        found.append(jobs.get("default", found[-1].attempt.next_id))
    return found


def told(world: World, job: Job) -> list[str]:
    return [event.message for event in world.process(careful=True).jobs.events(job)]


def left(world: World) -> list[str]:
    """A limit is watched for as long as it is there."""
    return [one for one in world.left() if not one.startswith("limit ")]


def rest(world: World, rounds: int = 60) -> None:
    for _ in range(rounds):
        if not world.vendor.working() and not left(world):
            return
        world.clock.forward(seconds=90)
        world.vendor.go_on()
        world.attempt(sweep)
    raise AssertionError(f"never at rest: {left(world)}, {world.vendor.working()}")


def until_it_is_over(world: World) -> None:
    """To the moment when the cap has ended the run, and nobody has looked since."""
    while not world.vendor.runs or world.vendor.runs[-1].started_at is None:
        world.clock.forward(seconds=20)
        world.vendor.go_on()
        world.attempt(sweep)
    world.clock.forward(seconds=90)
    world.vendor.go_on()
    assert not world.vendor.working()


def hear_of_the_end(world: World) -> None:
    """While it cannot be seen how far the run came."""
    world.objects.lists_nothing = True
    world.attempt(sweep)
    world.clock.forward(seconds=600)
    world.attempt(sweep)
    world.objects.lists_nothing = False


def check_a_whole_row(world: World, begun: tuple[int, ...] = (0, 8, 16)) -> None:
    """Twenty steps at eight a run are three attempts, whoever died while they were made."""
    jobs = row(world)
    assert tuple(job.attempt.began_at for job in jobs) == begun
    assert [job.attempt.number for job in jobs] == list(range(1, len(begun) + 1))
    before = [None, *(job.id for job in jobs[:-1])]
    assert [job.attempt.start and job.attempt.start.job_id for job in jobs] == before
    ends = [(Phase.CANCELLED, Reason.DEADLINE)] * (len(begun) - 1)
    assert [(job.phase, job.reason) for job in jobs] == [*ends, (Phase.COMPLETED, None)]
    assert not any(job.attempt.deciding for job in jobs)
    assert len(world.vendor.runs) == len(begun), "an attempt was made twice"
    assert [run.key for run in world.vendor.runs] == [job.launch_key for job in jobs]
    services = world.process(careful=True)
    assert services.jobs.newest("default", "local", None, None, 10, 0).total == len(begun)
    check_the_money_of(world, jobs)
    check_the_data_of(world, jobs)
    assert not left(world)


def check_the_money_of(world: World, jobs: list[Job]) -> None:
    assert sum(job.cost_micros or 0 for job in jobs) == world.vendor.invoice() > 0
    assert [job.attempt.earlier_micros for job in jobs] == [
        sum(before.cost_micros or 0 for before in jobs[:place]) for place in range(len(jobs))
    ]
    assert all(job.held_micros == 0 and job.cost_is_final for job in jobs)
    ledger = LedgerTable(world.table, UTC)
    since, until = jobs[0].created_at - timedelta(days=40), world.clock() + timedelta(days=40)
    rolled = sum((found for *_, found in ledger.days("default", since, until)), NOTHING)
    assert rolled == sum((standing(job) for job in jobs), NOTHING)
    entries = list(ledger.entries("default", since, until))
    assert sum(entry.held_micros for entry in entries) == 0
    for scope in (jobs[0].provider, EVERYWHERE):
        usage = ledger.usage(Limit("default", scope, 1, Period.MONTHLY, Action.WARN), jobs[0].created_at)
        assert (usage.spent_micros, usage.held_micros) == (world.vendor.invoice(), 0)


def check_the_data_of(world: World, jobs: list[Job]) -> None:
    assert not world.objects.buckets["datasets"]
    upload = UploadTable(world.table).get("default", str(jobs[0].upload_id))
    assert upload.state is UploadState.DELETED and upload.job_id == jobs[-1].id
    assert world.objects.deletions.count(upload.key) == 1
    for job in jobs:
        kinds = [event.kind for event in world.process(careful=True).jobs.events(job)]
        assert kinds.count(EventKind.DATA_DELETED) == 1, (job.id, kinds)
    for run in world.vendor.runs:
        key = world.keys(world.table).find(run.access_key)
        assert key is None or key.expires_at is not None, "a trainer's key works for ever"


def test_a_job_that_hits_the_cap_goes_on_until_its_last_step(new_world: NewWorld) -> None:
    world = capped(new_world)
    reads: list[tuple[str, ...]] = []

    def note(run: Run) -> None:
        key = world.keys(world.table).find(run.access_key)
        assert key
        reads.append(key.reads)

    world.vendor.moods.on_accept = note
    begin(world)
    rest(world)
    check_a_whole_row(world)
    first, second, _ = row(world)
    folders = [f"{job.id}/{job.launch_key}/checkpoint-{step}" for job, step in ((first, 8), (second, 16))]
    assert reads == [(), (folders[0],), (folders[1],)], "each key reads one checkpoint of one job"
    addresses = [run.order.config.get("--resume_from_checkpoint") for run in world.vendor.runs if run.order]
    assert addresses == [None, *(f"s3://outputs/{folder}" for folder in folders)]
    assert f"It goes on from step 8 as job {second.id}." in told(world, first)


def test_a_death_at_any_touch_makes_no_attempt_twice_and_loses_none(new_world: NewWorld) -> None:
    def tell_of(*deaths: Death) -> list[Death]:
        world = capped(new_world, deaths)
        world.vendor.moods.steps_a_run = 12
        try:
            begin(world)
            rest(world)
            check_a_whole_row(world, (0, 12))
            assert len(world.touches.died) == len(deaths)
        except Exception as error:
            raise AssertionError(f"died {world.touches.died}: {error}") from error
        finally:
            world.table.close()
        return world.touches.all_deaths()

    deaths = tell_of()
    assert len(deaths) > 40
    for death in deaths:
        tell_of(death)


def test_without_the_wish_the_cap_is_an_end(new_world: NewWorld) -> None:
    world = capped(new_world, goes_on=None)
    begin(world)
    rest(world)
    [job] = row(world)
    assert (job.phase, job.reason, len(world.vendor.runs)) == (Phase.CANCELLED, Reason.DEADLINE, 1)


def test_a_run_that_gains_no_step_is_not_tried_again(new_world: NewWorld) -> None:
    world = capped(new_world)
    begin(world)
    until_it_is_over(world)
    world.vendor.moods.steps_a_run = 0
    rest(world)
    first, second = row(world)
    assert len(world.vendor.runs) == 2 and second.attempt.next_id is None
    no_gain = "It does not go on: no step was gained since the checkpoint of step 8 that it began with."
    assert no_gain in told(world, second)
    assert not world.objects.buckets["datasets"] and not left(world)
    check_the_money_of(world, [first, second])


def test_a_checkpoint_that_did_not_arrive_whole_is_nothing_to_go_on_from(new_world: NewWorld) -> None:
    world = capped(new_world)
    world.vendor.moods.half_a_checkpoint = True
    begin(world)
    rest(world)
    [job] = row(world)
    assert "It does not go on: no whole checkpoint of it has arrived here." in told(world, job)
    assert len(world.vendor.runs) == 1 and not world.objects.buckets["datasets"]


def test_the_ceiling_is_for_all_attempts_together(new_world: NewWorld) -> None:
    ceiling = 700 * PRICE
    world = capped(new_world, ceiling_micros=ceiling)
    world.vendor.moods.steps_a_run = 1
    begin(world)
    rest(world, rounds=200)
    jobs = row(world)
    assert 1 < len(jobs) < 20 and world.vendor.invoice() <= ceiling
    spent = 0
    for job in jobs:
        assert job.ceiling_micros == ceiling - spent
        spent += job.cost_micros or 0
    assert any(message.startswith("It does not go on: A ceiling of") for message in told(world, jobs[-1]))
    check_the_money_of(world, jobs)


def test_nobody_takes_the_money_of_the_next_attempt_meanwhile(new_world: NewWorld) -> None:
    """A limit that has room for this job alone, and another job that is submitted between two attempts."""
    ceiling = 3000 * PRICE
    world = capped(new_world, ceiling_micros=ceiling)
    services = world.process(careful=True)
    services.budgeting.change(
        "default", EVERYWHERE, amount_micros=ceiling, enabled=True, period=Period.MONTHLY, action=Action.BLOCK
    )
    begin(world)
    until_it_is_over(world)
    hear_of_the_end(world)
    job = world.job()
    assert job.attempt.deciding and job.held_micros == ceiling - (job.cost_micros or 0)
    other = Submission(config=dict(world.config), ceiling_micros=ceiling // 2, dataloader=[dict(HUB_DATA)])
    with pytest.raises(CostLimitExceeded):
        services.submit(other, LOCAL)
    rest(world)
    check_a_whole_row(world)


def test_a_limit_that_was_lowered_meanwhile_ends_the_row(new_world: NewWorld) -> None:
    world = capped(new_world, ceiling_micros=3000 * PRICE)
    begin(world)
    until_it_is_over(world)
    world.process(careful=True).budgeting.change(
        "default", EVERYWHERE, amount_micros=1000 * PRICE, enabled=True, period=Period.MONTHLY, action=Action.BLOCK
    )
    rest(world)
    [job] = row(world)
    assert len(world.vendor.runs) == 1 and job.held_micros == 0
    assert any(message.startswith("It does not go on: ") for message in told(world, job))
    assert not world.objects.buckets["datasets"] and not left(world)


def test_who_cancels_between_two_attempts_ends_the_row(new_world: NewWorld) -> None:
    world = capped(new_world)
    begin(world)
    until_it_is_over(world)
    hear_of_the_end(world)
    with pytest.raises(InvalidJobState, match="goes on"):
        world.process(careful=True).steer.delete(str(world.job_id), LOCAL)
    world.attempt(lambda world, services: services.steer.cancel(str(world.job_id), LOCAL))
    rest(world)
    [job] = row(world)
    assert len(world.vendor.runs) == 1 and "It does not go on: it was asked not to." in told(world, job)
    assert not world.objects.buckets["datasets"] and job.held_micros == 0


def test_a_store_that_is_down_is_waited_for_and_not_for_ever(new_world: NewWorld) -> None:
    world = capped(new_world)
    begin(world)
    until_it_is_over(world)
    hear_of_the_end(world)
    assert world.job().attempt.deciding
    rest(world)
    check_a_whole_row(world)


def test_after_an_hour_without_a_store_the_job_stays_at_its_end(new_world: NewWorld) -> None:
    world = capped(new_world)
    begin(world)
    until_it_is_over(world)
    hear_of_the_end(world)
    world.objects.lists_nothing = True
    world.clock.forward(minutes=61)
    world.attempt(sweep)
    world.objects.lists_nothing = False
    rest(world)
    [job] = row(world)
    assert not job.attempt.deciding and len(world.vendor.runs) == 1
    assert "It does not go on: The store cannot be reached. It was tried for an hour." in told(world, job)
    assert not world.objects.buckets["datasets"]


def test_the_promise_of_deciding_is_kept_with_the_end_of_the_run(new_world: NewWorld) -> None:
    world = capped(new_world)
    begin(world)
    until_it_is_over(world)
    hear_of_the_end(world)
    kinds = {item.intent for item in world.outbox.due(world.clock() + timedelta(days=1), 10)}
    assert IntentKind.GO_ON in kinds and IntentKind.DELETE_DATA not in kinds
    assert world.objects.buckets["datasets"], "the next attempt wants the data"


def test_keys_inside_a_dataloader_go_along_to_the_next_attempt_and_end_with_the_last(new_world: NewWorld) -> None:
    planted = "hf_" + "k" * 30
    world = capped(new_world, dataloader=[HUB_DATA | {"hf_token": planted}])
    world.attempt(submit)
    world.settle()
    attempts = row(world)
    assert len(attempts) > 1 and attempts[-1].phase is Phase.COMPLETED, attempts
    orders = [run.order for run in world.vendor.runs]
    assert [one["hf_token"] for order in orders if order for one in order.dataloader or () if "hf_token" in one] == [
        planted
    ] * len(attempts)
    assert not world.vault.seen(), "a key outlives the jobs that it was for"


def test_no_run_is_paid_for_whose_weights_are_there_already(new_world: NewWorld) -> None:
    """With gradient accumulation one step more is trained, so that the last that is wanted is sent."""
    world = capped(new_world)
    world.config = FULL | {"--gradient_accumulation_steps": 4}
    world.vendor.moods.steps_a_run = 20
    begin(world)
    rest(world)
    (job,) = row(world)
    assert len(world.vendor.runs) == 1 and job.last_step == 20
    assert any(
        "nothing is left to train: its checkpoint is that of the last step, 20" in one for one in told(world, job)
    )
