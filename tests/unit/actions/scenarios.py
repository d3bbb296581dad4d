"""Stories of one job, told step by step; any process may die at any touch while they are told."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field

from chalicelib.actions.destinations import Naming
from chalicelib.actions.send_again import Wanted
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.destinations import State
from chalicelib.domain.errors import AlreadySending
from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.services import Services
from tests.unit.actions.touches import Died
from tests.unit.actions.vendor import PRICE, Run
from tests.unit.actions.weights import weights
from tests.unit.actions.world import Step, World, cancel, send_data, submit, sweep, tell


@dataclass(frozen=True)
class Scenario:
    """``runs`` are the numbers of runs that the vendor may have started in the end."""

    name: str
    steps: tuple[Step, ...]
    phase: Phase
    reason: Reason | None = None
    runs: frozenset[int] = field(default_factory=lambda: frozenset({1}))
    paid: bool | None = None
    """True: the run cost something. None: that depends on when it was stopped."""
    sent_again: bool = False
    """By us, after the trainer had not delivered."""


def play(world: World, scenario: Scenario) -> None:
    for step in scenario.steps:
        world.attempt(step)
    world.settle()


def _mood(**moods: object) -> Step:
    def step(world: World, _: Services) -> None:
        for name, value in moods.items():
            setattr(world.vendor.moods, name, value)

    return step


def _wanting(**wanted: object) -> Step:
    def step(world: World, _: Services) -> None:
        world.wanted = wanted

    return step


def _later(seconds: float) -> Step:
    def step(world: World, _: Services) -> None:
        world.clock.forward(seconds=seconds)
        world.vendor.go_on()

    return step


def _news_overtakes_the_answer(world: World, _: Services) -> None:
    """The webhook is heard by another process while the one that launched still waits for its answer."""

    def hear(run: Run) -> None:
        def process() -> None:
            with suppress(Died):
                world.hear(run)

        other = threading.Thread(target=process)
        other.start()
        other.join()

    world.vendor.moods.on_accept = hear


def to_every_place(world: World, _: Services) -> None:
    """Home, a bucket, and a repository that is not there yet."""
    services = world.process(careful=True)
    services.destinations.keep("mine", Naming("theirs", access_key="AKIAEXAMPLE", secret_key="very-secret"), LOCAL)
    world.config |= {"--push_to_hub": True, "--hub_model_id": "ana/lora"}
    world.destinations = ["store", "mine", "hub"]


def _hub(**moods: bool) -> Step:
    def step(world: World, _: Services) -> None:
        for name, value in moods.items():
            setattr(world.hub, name, value)

    return step


def _until_it_ended(world: World, _: Services) -> None:
    world.settle()


def _send_again(world: World, services: Services) -> None:
    assert world.job_id
    try:
        services.send_again(world.job_id, Wanted(), LOCAL)
    except AlreadySending:
        assert world.touches.died, "only who died while asking finds that it was asked already"


def _buckets(**moods: object) -> Step:
    def step(world: World, _: Services) -> None:
        for name, value in moods.items():
            setattr(world.buckets, name, value)

    return step


LARGE = weights(bytes(range(256)) * 4 * 1024 * 17)
"""Of three parts."""

_ALWAYS: tuple[Step, ...] = (send_data, submit)
FAILED_TO_DELIVER: tuple[Step, ...] = (
    to_every_place,
    _mood(delivers_to_hub=False, delivers_to_buckets=False, model=LARGE),
    *_ALWAYS,
    _until_it_ended,
)
_RUNNING: tuple[Step, ...] = (*_ALWAYS, _later(20), sweep)

SCENARIOS = (
    Scenario("delivered by polls", _ALWAYS, Phase.COMPLETED, paid=True),
    Scenario(
        "delivered by webhooks",
        (*_ALWAYS, tell, _later(20), tell, _later(300), tell),
        Phase.COMPLETED,
        paid=True,
    ),
    Scenario("the run fails", (_mood(plan="fails"), *_ALWAYS), Phase.FAILED, Reason.TRAINER_FAILED, paid=False),
    Scenario(
        "nothing is delivered",
        (_mood(plan="delivers nothing"), *_ALWAYS),
        Phase.FAILED,
        Reason.NOTHING_DELIVERED,
        paid=True,
    ),
    Scenario("delivered to every place", (to_every_place, *_ALWAYS), Phase.COMPLETED, paid=True),
    Scenario(
        "the Hub goes away while it runs",
        (to_every_place, *_ALWAYS, _hub(down=True), *(_later(20), sweep) * 4, _hub(down=False)),
        Phase.COMPLETED,
        paid=True,
    ),
    Scenario(
        "the push fails",
        (to_every_place, _mood(delivers_to_hub=False), *_ALWAYS),
        Phase.FAILED,
        Reason.DELIVERY_INCOMPLETE,
        paid=True,
    ),
    Scenario(
        "the Hub refuses before the run",
        (to_every_place, _hub(refuses=True), *_ALWAYS),
        Phase.FAILED,
        Reason.DESTINATION_FAILED,
        frozenset({0}),
        paid=False,
    ),
    Scenario(
        "the vendor refuses",
        (_mood(refuses=True), *_ALWAYS),
        Phase.FAILED,
        Reason.PROVIDER_REFUSED,
        frozenset({0}),
        paid=False,
    ),
    Scenario(
        "the vendor is down for a while",
        (_mood(down=True), *_ALWAYS, _later(5), sweep, _mood(down=False)),
        Phase.COMPLETED,
        paid=True,
    ),
    Scenario(
        "the vendor accepts and does not answer",
        (_mood(deaf=True), *_ALWAYS, _mood(deaf=False)),
        Phase.COMPLETED,
        paid=True,
    ),
    Scenario("the news overtakes the answer", (_news_overtakes_the_answer, *_ALWAYS), Phase.COMPLETED, paid=True),
    Scenario(
        "cancelled while the vendor is down",
        (_mood(down=True), *_ALWAYS, cancel, _mood(down=False)),
        Phase.CANCELLED,
        Reason.CANCELLED_BY_USER,
        frozenset({0}),
        paid=False,
    ),
    Scenario(
        "cancelled while running",
        (_mood(plan="runs on"), *_RUNNING, cancel),
        Phase.CANCELLED,
        Reason.CANCELLED_BY_USER,
        frozenset({0, 1}),
    ),
    Scenario(
        "cancelled while running, stops late",
        (_mood(plan="runs on", stops_late=True), *_RUNNING, cancel),
        Phase.CANCELLED,
        Reason.CANCELLED_BY_USER,
        frozenset({0, 1}),
    ),
    Scenario(
        "cancelled while nobody knows whether it runs",
        (_mood(plan="runs on", deaf=True), *_ALWAYS, _mood(deaf=False), cancel),
        Phase.CANCELLED,
        Reason.CANCELLED_BY_USER,
        frozenset({0, 1}),
    ),
    Scenario("read file by file", (_wanting(delivery=Mode.REMOTE), *_ALWAYS), Phase.COMPLETED, paid=True),
    Scenario("as an archive", (_wanting(delivery=Mode.ARCHIVE), *_ALWAYS), Phase.COMPLETED, paid=True),
    Scenario("by way of the Hub", (_wanting(delivery=Mode.HUB), *_ALWAYS), Phase.COMPLETED, paid=True),
    Scenario("hosted by the vendor", (_wanting(delivery=Mode.HOSTED), *_ALWAYS), Phase.COMPLETED, paid=True),
    Scenario(
        "hosted by the vendor, cancelled while nobody knows whether it runs",
        (_wanting(delivery=Mode.HOSTED), _mood(plan="runs on", deaf=True), *_ALWAYS, sweep, _mood(deaf=False), cancel),
        Phase.CANCELLED,
        Reason.CANCELLED_BY_USER,
        frozenset({0, 1}),
    ),
    Scenario(
        "sent again",
        (*FAILED_TO_DELIVER, _send_again),
        Phase.FAILED,
        Reason.DELIVERY_INCOMPLETE,
        paid=True,
        sent_again=True,
    ),
    Scenario(
        "sent again slowly to places that go away meanwhile",
        (
            *FAILED_TO_DELIVER,
            _buckets(seconds_a_part=11),
            _send_again,
            _hub(down=True),
            sweep,
            _buckets(down=True),
            *(_later(90), sweep) * 3,
            _buckets(down=False),
            _hub(down=False),
        ),
        Phase.FAILED,
        Reason.DELIVERY_INCOMPLETE,
        paid=True,
        sent_again=True,
    ),
    Scenario(
        "stopped before its ceiling",
        (_mood(plan="runs on"), _wanting(ceiling_micros=640 * PRICE), *_ALWAYS),
        Phase.CANCELLED,
        Reason.CEILING,
        paid=True,
    ),
    Scenario(
        "hangs and is stopped for that",
        (_mood(plan="runs on", stops_late=True), _wanting(stop_on_stall=("no_progress",)), *_ALWAYS),
        Phase.CANCELLED,
        Reason.STALLED,
        paid=True,
    ),
)


def check_outcome(world: World, job: Job, scenario: Scenario) -> None:
    assert (job.phase, job.reason) == (scenario.phase, scenario.reason), job
    assert len(world.vendor.runs) in scenario.runs, world.vendor.runs
    assert scenario.paid is None or (world.vendor.invoice() > 0) == scenario.paid
    if job.ceiling_micros:
        (run,) = world.vendor.runs
        assert run.asked_to_save == 1 or (run.asked_to_save == 0 and world.touches.died), run
        assert world.vendor.invoice() <= job.ceiling_micros, "the ceiling was broken"
    assert len(world.hub.made) <= 1, "one repository, whoever died"
    if job.phase is Phase.COMPLETED and world.destinations:
        assert {one.state for one in job.destinations} == {State.VERIFIED}, job.destinations
        assert len(world.hub.commits) == 1, "one model card, whoever died"
        assert b"How it was trained" in world.hub.repos["ana/lora"]["README.md"][0]
    if scenario.sent_again:
        _check_sent_again(world, job)
    if job.phase is Phase.COMPLETED:
        assert any(key.startswith(f"{job.id}/") for key in world.objects.buckets["outputs"])


def _check_sent_again(world: World, job: Job) -> None:
    assert {one.state for one in job.destinations} == {State.VERIFIED}, job.destinations
    assert job.error and "By now the model is at" in job.error and "Still not there" not in job.error
    [(key, body)] = world.buckets.held("theirs").items()
    assert key.startswith(job.id) and body == world.vendor.moods.model
    assert sorted(number for _, number in world.buckets.sent) == [1, 2, 3], "each part once, whoever died"
    assert world.hub.sent == ["pytorch_lora_weights.safetensors"], "each file once, whoever died"
    assert world.hub.repos["ana/lora"]["pytorch_lora_weights.safetensors"][0] == body
    assert world.hub.commits == ["Add the trained model", "Say how the model was trained"]
    told = [event.message for event in world.process(careful=True).jobs.events(job)]
    assert sum(message.startswith("The model was sent to ") for message in told) == 2, told
