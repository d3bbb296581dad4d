"""Webhooks doubled, reordered and late, polls, cancels, outages and deaths in any order: the same truths at the end."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from chalicelib.domain.jobs import Phase, Reason
from chalicelib.domain.sightings import is_over
from tests.unit.actions import truths
from tests.unit.actions.conftest import MEMORY
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World, cancel, send_data, submit, sweep

PLANS = ["succeeds", "fails", "delivers nothing", "runs on"]


class OneJob(RuleBasedStateMachine):
    """Deaths are planned ahead by a number of touches, so that one strikes in the middle of whatever comes next."""

    @initialize(plan=st.sampled_from(PLANS), stops_late=st.booleans(), deaf=st.booleans(), death=st.integers(0, 60))
    def begin(self, plan: str, stops_late: bool, deaf: bool, death: int) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.world = World(Path(self.folder.name) / "table.db")
        self.letters: list[tuple[dict[str, str], bytes]] = []
        self.cancelled = False
        self.world.vendor.moods.stops_late = stops_late
        self.world.vendor.moods.plan = plan
        self.world.vendor.moods.deaf = deaf
        self.die_soon(death)
        self.world.attempt(send_data)
        self.world.attempt(submit)
        self.world.vendor.moods.deaf = False

    @rule(touches=st.integers(1, 30))
    def die_soon(self, touches: int) -> None:
        self.world.touches.deaths.add(Death(len(self.world.touches.seen) + touches, after=touches % 2 == 0))

    @rule(seconds=st.sampled_from([1, 20, 65, 200]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.forward(seconds=seconds)

    @rule()
    def the_run_goes_on(self) -> None:
        self.world.vendor.go_on()

    @rule(down=st.booleans())
    def the_vendor_goes_away_or_comes_back(self, down: bool) -> None:
        self.world.vendor.moods.down = down

    @rule()
    def somebody_sweeps(self) -> None:
        self.world.attempt(sweep)

    @rule()
    def somebody_cancels(self) -> None:
        if not is_over(self.world.job()):
            self.cancelled = True
            self.world.attempt(cancel)

    @precondition(lambda self: self.world.vendor.runs)
    @rule()
    def the_vendor_writes(self) -> None:
        self.letters += [self.world.vendor.letter(run) for run in self.world.vendor.runs]

    @precondition(lambda self: self.letters)
    @rule(which=st.integers(0, 1000))
    def a_letter_arrives(self, which: int) -> None:
        """Any that was written, whether or not it came before, until its signature is too old."""
        headers, body = self.letters[which % len(self.letters)]
        if int(self.world.clock().timestamp()) - int(headers["webhook-timestamp"]) <= 300:
            self.world.attempt(lambda _, services: services.hear_webhook("replicate", headers, body))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._end()
        finally:
            self.world.table.close()
            self.folder.cleanup()

    def _end(self) -> None:
        world = self.world
        world.vendor.moods.down = False
        if world.vendor.moods.plan == "runs on" and world.job().phase is not Phase.CANCELLING:
            world.vendor.moods.plan = "succeeds"
        world.settle()
        job = truths.check(world)
        assert len(world.vendor.runs) <= 1, world.vendor.runs
        if job.phase is Phase.COMPLETED:
            assert world.vendor.moods.plan == "succeeds"
        elif job.phase is Phase.CANCELLED:
            assert self.cancelled and job.reason is Reason.CANCELLED_BY_USER
        else:
            assert job.reason in (Reason.TRAINER_FAILED, Reason.NOTHING_DELIVERED), job
        truths.check_the_key_still_gives_the_job(world)


TestAnyOrder = OneJob.TestCase
TestAnyOrder.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
