"""Which ways there are for a job's data: told by the version of the trainer, by this system's reach and by the Hub."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chalicelib.actions.hand_over import HandOver
from chalicelib.actions.hub_datasets import HubDatasets
from chalicelib.actions.hubs import Hubs
from chalicelib.actions.removal import Removal
from chalicelib.actions.ways import FindWays
from chalicelib.domain.dataset_delivery import Mode, Ways
from chalicelib.domain.errors import BadCredentials, BadInput, CloudError, InvalidConfig, ProviderDown, ProviderRefused
from chalicelib.domain.hub import HubIdentity
from chalicelib.domain.jobs import Phase
from chalicelib.domain.links import LinkMaker
from chalicelib.domain.trainer_powers import NEWEST, Powers
from tests.unit.actions.bytes_in_memory import BytesInMemory
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.vendor import PretendVendor
from tests.unit.actions.world import World, send_data, submit

OLD = Powers("4.8.0")
ONLY_NAMED = {"provider_name": "worker", "display_name": "worker"}


class Telling(PretendVendor):
    """Tells ``known`` of its trainer, or fails with it."""

    def __init__(self, world: World, known: Powers | CloudError) -> None:
        super().__init__(world.clock, world.objects, world.hub, world.buckets)
        self.known = known
        self.asked: list[tuple[str | None, str]] = []

    async def powers(self, version: str | None, hardware: str) -> Powers:
        self.asked.append((version, hardware))
        if isinstance(self.known, CloudError):
            raise self.known
        return self.known


class Unreachable(BytesInMemory):
    def check_reach(self) -> None:
        raise BadInput("The provider cannot reach 127.0.0.1. Set STCLOUD_PUBLIC_URL.")


class Finding:
    def __init__(self, world: World, known: Powers | CloudError = NEWEST) -> None:
        self.world = world
        self.trainer = Telling(world, known)
        self.objects: BytesInMemory = world.objects
        self.links: LinkMaker | None = LinkMaker("https://cloud.example", b"l" * 32)
        self.lends = True

    def __call__(
        self,
        wanted: Mode = Mode.AUTO,
        release: str | None = None,
        powers: Sequence[str] = (),
        version: str | None = None,
        trainer: object = None,
    ) -> Ways:
        services = self.world.process(careful=True)
        removal = Removal(services.jobs, self.objects, services.receipts, self.world.clock)
        hub = HubDatasets(services.jobs, self.objects, Hubs(self.world.hub, self.world.vault), removal)
        hand_over = HandOver(services.uploads, self.objects, self.links, self.world.clock)
        found = FindWays(self.objects, hand_over, hub, self.lends, release, powers)
        return found("default", trainer or self.trainer, version, "l40s", wanted, "hub", "j-1-a.b")  # type: ignore[arg-type]


def test_the_vendor_is_asked_what_the_version_that_will_run_can_do(new_world: NewWorld) -> None:
    finding = Finding(new_world(), OLD)
    ways = finding(version="f" * 64)
    assert ways.powers == OLD and not ways.assumed
    assert finding.trainer.asked == [("f" * 64, "l40s")]


def test_an_operator_who_knows_better_is_believed_and_the_vendor_not_asked(new_world: NewWorld) -> None:
    finding = Finding(new_world(), ProviderDown("down"))
    ways = finding(release="4.9.0", powers=("archives", "-addresses"))
    assert ways.powers == Powers("4.9.0", addresses=False, buckets=False, archives=True)
    assert not ways.assumed and not finding.trainer.asked


def test_what_an_operator_says_of_an_image_is_added_to_what_the_vendor_tells(new_world: NewWorld) -> None:
    assert Finding(new_world(), OLD)(powers=("archives",)).powers == Powers("4.8.0", archives=True)


@pytest.mark.parametrize("error", [ProviderDown("down"), ProviderRefused("not listed"), BadCredentials("whose?")])
def test_a_vendor_that_does_not_tell_is_taken_to_have_the_newest(
    new_world: NewWorld, error: CloudError, caplog: pytest.LogCaptureFixture
) -> None:
    ways = Finding(new_world(), error)()
    assert ways.powers == NEWEST and ways.assumed
    assert [record.why for record in caplog.records if "version" in record.message] == [error.code]  # type: ignore[attr-defined]


def test_a_version_that_is_none_is_refused(new_world: NewWorld) -> None:
    with pytest.raises(InvalidConfig, match="64 hexadecimal"):
        Finding(new_world(), InvalidConfig("A model version is 64 hexadecimal digits."))()


def test_a_provider_that_tells_nothing_of_its_trainer_has_the_newest(new_world: NewWorld) -> None:
    trainer = type("Quiet", (), ONLY_NAMED)()
    ways = Finding(new_world())(trainer=trainer)
    assert ways.powers == NEWEST and not ways.assumed and ways.hosted_limit is None and ways.provider == "worker"


def test_how_far_this_system_reaches_is_told_with_the_reason(new_world: NewWorld) -> None:
    finding = Finding(new_world())
    assert finding().closed is None and finding().has_links and finding().lends
    finding.objects, finding.links, finding.lends = Unreachable(finding.world.clock), None, False
    ways = finding()
    assert ways.closed == (
        "the vendor cannot reach this system (The provider cannot reach 127.0.0.1. Set STCLOUD_PUBLIC_URL)"
    )
    assert not ways.has_links and not ways.lends


def test_the_hub_is_asked_only_where_it_is_wanted_or_nothing_shorter_is_open(new_world: NewWorld) -> None:
    finding = Finding(new_world())
    finding.world.hub.down = True
    assert finding().hub_closed == "the dataset goes a shorter way"
    assert finding(Mode.REMOTE).hub_closed == "the dataset goes a shorter way"
    assert "Hub" in str(finding(Mode.HUB).hub_closed)
    finding.world.hub.down = False
    assert finding(Mode.HUB).hub_closed is None
    finding.trainer.known = OLD
    assert finding().hub_closed is None


def test_repositories_are_named_after_the_launch_and_whose_they_may_be(new_world: NewWorld) -> None:
    finding = Finding(new_world())
    repo = finding(Mode.HUB).repo
    assert [repo(0), repo(1)] == ["ana/stcloud-j-1-a-b-1", "ana/stcloud-j-1-a-b-2"]
    finding.world.hub.who = HubIdentity("ana", "read")
    assert "No private dataset repository can be made" in str(finding(Mode.HUB).hub_closed)


def test_a_job_whose_trainer_is_only_assumed_is_warned_of_that_and_starts(new_world: NewWorld) -> None:
    world = new_world()
    world.train_at(Telling(world, ProviderDown("down")))
    world.attempt(send_data)
    world.attempt(submit)
    job = world.job()
    assert job.phase is not Phase.FAILED and job.delivery == Mode.ADDRESS
    [told] = [one for one in job.warnings if "STCLOUD_TRAINER_VERSION" in one]
    assert "SimpleTuner 4.10.1 is assumed" in told


def test_an_old_trainer_gets_its_data_by_way_of_the_hub(new_world: NewWorld) -> None:
    world = new_world()
    world.train_at(Telling(world, OLD))
    world.attempt(send_data)
    world.attempt(submit)
    job = world.job()
    assert job.delivery == Mode.HUB
    assert "SimpleTuner 4.8.0 reads no dataset" in str(job.delivery_why)
