"""Datasets by way of the Hub: sent once, private, found again after any death, and gone when the job is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.actions.hub_datasets import HubDatasets, Turn
from chalicelib.actions.hubs import Hubs
from chalicelib.actions.removal import Removal
from chalicelib.domain.dataset_repositories import CARD, entry, repository
from chalicelib.domain.dataset_zips import DatasetZip
from chalicelib.domain.destinations import Arrival, Kind
from chalicelib.domain.errors import BadInput, CloudError, DestinationDown, DestinationRefused, NotFound
from chalicelib.domain.hub import HubIdentity
from chalicelib.domain.jobs import Phase
from chalicelib.domain.ports.jobs import Order, Stale
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.uploads import Upload
from chalicelib.services import Services
from chalicelib.stores.receipts import ReceiptTable
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.world import World, send_data, submit

CATS, DOGS = b"zip of cats" * 500_000, b"zip of dogs" * 90


class Shipping:
    """A job in a world, two of whose three datasets are sent through the Hub."""

    def __init__(self, world: World) -> None:
        self.world = world
        for name, body in (("cats", CATS), ("dogs", DOGS)):
            world.objects.put("datasets", f"laid/{name}.zip", body)
        self.zips = [
            DatasetZip("cats", "laid/cats.zip", len(CATS), "image"),
            DatasetZip("dogs", "laid/dogs.zip", len(DOGS), "image"),
        ]
        world.touches.deaths, deaths = set(), world.touches.deaths
        world.attempt(send_data)
        world.attempt(submit)
        key = "j-hub-1.x"
        first = replace(world.job(), id="j-hub", launch_key=key, run_id=None, held_micros=0, phase=Phase.LAUNCHING)
        self.order: list[dict[str, Any]] = [
            {"id": "cats", **entry(repository("ana", key, 0))},
            {"id": "theirs", "type": "huggingface", "dataset_name": "ana/precious"},
            {"id": "dogs", **entry(repository("ana", key, 1))},
        ]
        self.repos = ["datasets/ana/stcloud-j-hub-1-x-1", "datasets/ana/stcloud-j-hub-1-x-2"]
        world.hub.repos["datasets/ana/precious"] = {"all.zip": (b"theirs", world.clock())}
        services = world.process(careful=True)
        self.job, _ = services.jobs.create(first, Order({}, self.order), [], [], None, None)
        self.upload: Upload = services.uploads.get("default", str(self.job.upload_id))
        world.touches.seen.clear()
        world.touches.deaths = deaths
        self.beats = 0

    def send(self, is_over: bool = False) -> list[dict[str, Any]] | None:
        found: list[list[dict[str, Any]] | None] = []

        def step(_: World, services: Services) -> None:
            found.append(self._made(services).send(self.job, self.upload, self.zips, Turn(self._beat, lambda: is_over)))

        self.world.attempt(step)
        return found[-1]

    def remove(self) -> Receipt:
        found: list[Receipt] = []
        self.world.attempt(
            lambda _, services: found.append(self._made(services).remove(self.job, self.upload)),
        )
        return found[-1]

    def careful(self) -> HubDatasets:
        return self._made(self.world.process(careful=True), careful=True)

    def end(self) -> None:
        """By another process."""
        jobs = self.world.process(careful=True).jobs
        job = jobs.get("default", self.job.id)
        ended = replace(job, phase=Phase.CANCELLED, version=job.version + 1)
        jobs.save(job, ended, [])
        self.careful().remove(job, self.upload)

    def _made(self, services: Services, careful: bool = False) -> HubDatasets:
        _, _, objects, hub, _ = self.world.outside(careful)
        removal = Removal(services.jobs, objects, services.receipts, self.world.clock)
        return HubDatasets(services.jobs, objects, Hubs(hub, self.world.vault), removal)

    def _beat(self) -> None:
        self.beats += 1


def held(world: World, repo: str) -> dict[str, bytes]:
    return {path: body for path, (body, _) in world.hub.repos[repo].items()}


def check_sent(shipping: Shipping) -> None:
    hub = shipping.world.hub
    for repo, body in zip(shipping.repos, (CATS, DOGS), strict=True):
        there = held(shipping.world, repo)
        assert there["dataset.zip"] == body and set(there) == {"dataset.zip", CARD}
    assert not hub.public
    assert hub.made == shipping.repos, "each is made once"
    assert sorted(hub.sent) == ["dataset.zip", "dataset.zip"], "no zip is sent twice"
    assert len(hub.commits) == 2


def check_gone(shipping: Shipping, receipt: Receipt) -> None:
    hub = shipping.world.hub
    assert set(hub.repos) == {"datasets/ana/precious"}, "what is the user's own stays"
    assert sorted(hub.deleted) == shipping.repos
    lines = [(one.key, one.size) for one in receipt.objects if one.bucket == "huggingface"]
    there = [f"https://hub.example/{repo}" for repo in shipping.repos]
    assert [key for key, _ in lines] == there
    assert [size > len(body) for (_, size), body in zip(lines, (CATS, DOGS), strict=True)] == [True, True]
    assert receipt.is_complete
    assert ReceiptTable(shipping.world.table).get(shipping.upload) == receipt


def test_each_dataset_is_in_a_private_repository_while_its_job_lasts(new_world: NewWorld) -> None:
    shipping = Shipping(new_world())
    sent = shipping.send()
    assert sent == [entry("ana/stcloud-j-hub-1-x-1"), entry("ana/stcloud-j-hub-1-x-2")]
    check_sent(shipping)
    assert shipping.beats > 1, "others are kept away while a zip is sent"
    card = held(shipping.world, shipping.repos[0])[CARD].decode()
    assert "viewer: false" in card and "j-hub" in card and "path: dataset.zip" in card
    shipping.send()
    check_sent(shipping)
    check_gone(shipping, shipping.remove())
    check_gone(shipping, shipping.remove())


def all_of_it(new_world: NewWorld, *deaths: Death) -> list[Death]:
    world = new_world(deaths)
    shipping = Shipping(world)
    try:
        assert shipping.send() is not None
        check_sent(shipping)
        check_gone(shipping, shipping.remove())
        assert len(world.touches.died) == len(deaths)
    except Exception as error:
        raise AssertionError(f"died {world.touches.died}: {error!r}") from error
    finally:
        world.table.close()
    return world.touches.all_deaths()


def test_a_death_at_any_touch_doubles_nothing_and_leaves_nothing(new_world: NewWorld) -> None:
    deaths = all_of_it(new_world)
    assert len(deaths) >= 2 * (2 * 3 + 2 + 2)
    for death in deaths:
        all_of_it(new_world, death)


def test_a_slice_whose_time_is_over_has_read_or_sent_one_zip_and_the_next_goes_on(new_world: NewWorld) -> None:
    shipping = Shipping(new_world())
    whole = []
    while shipping.send(is_over=True) is None:
        whole.append([bool(shipping.world.hub.repos.get(repo)) for repo in shipping.repos])
    assert whole == [[False, False], [True, False], [True, False]], "read, sent, read; then sent"
    check_sent(shipping)


def test_a_zip_that_was_laid_out_anew_is_not_sent_under_the_hash_of_the_last(new_world: NewWorld) -> None:
    shipping = Shipping(new_world())
    assert shipping.send(is_over=True) is None
    another = CATS[::-1]
    shipping.world.objects.put("datasets", "laid/cats.zip", another)
    assert shipping.send() is not None
    assert held(shipping.world, shipping.repos[0])["dataset.zip"] == another


@pytest.mark.parametrize("moment", ["create", "send"])
def test_what_is_made_after_another_process_has_ended_the_job_is_deleted(new_world: NewWorld, moment: str) -> None:
    shipping = Shipping(new_world())
    hub = shipping.world.hub

    def another_process_ends_the_job(now: str) -> None:
        if now == moment:
            hub.meanwhile = lambda _: None
            shipping.end()

    hub.meanwhile = another_process_ends_the_job
    with pytest.raises(Stale):
        shipping.send()
    assert set(hub.repos) == {"datasets/ana/precious"}
    with pytest.raises(Stale):
        shipping.send()
    assert len(hub.made) == 1, "nothing is made for a job that has ended"


def test_no_data_goes_to_a_repository_that_others_can_see(new_world: NewWorld) -> None:
    shipping = Shipping(new_world())
    hub = shipping.world.hub
    hub.create(shipping.repos[0], private=False)
    with pytest.raises(DestinationRefused, match="not private"):
        shipping.send()
    assert not hub.sent and not hub.commits


def test_a_hub_that_keeps_what_was_deleted_is_asked_again_and_the_receipt_waits(new_world: NewWorld) -> None:
    shipping = Shipping(new_world())
    shipping.send()
    hub = shipping.world.hub
    hub.keeps = True
    with pytest.raises(DestinationDown, match="still shows"):
        shipping.remove()
    kept = ReceiptTable(shipping.world.table).get(shipping.upload)
    assert kept and [one.absent_at for one in kept.objects] == [None, None]
    hub.keeps = False
    check_gone(shipping, shipping.remove())


def test_what_a_token_may_no_longer_see_is_not_taken_for_gone(new_world: NewWorld) -> None:
    shipping = Shipping(new_world())
    shipping.send()
    shipping.world.hub.who = HubIdentity("bob", "write")
    with pytest.raises(DestinationRefused, match="cannot be seen") as refused:
        shipping.remove()
    assert f"https://hub.example/{shipping.repos[0]}" in refused.value.detail
    assert ReceiptTable(shipping.world.table).get(shipping.upload) is None


def test_the_copies_of_another_job_with_the_same_data_are_not_written_down_as_gone(new_world: NewWorld) -> None:
    shipping = Shipping(new_world())
    shipping.send()
    careful = shipping.careful()
    careful._removal.begin_elsewhere(shipping.upload, "huggingface", [("https://hub.example/another", 7)])
    receipt = shipping.remove()
    assert [one.key for one in receipt.objects if not one.absent_at] == ["https://hub.example/another"]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (HubIdentity("ana", "write", {"acme": "admin"}), "ana"),
        (HubIdentity("ana", "fineGrained", {"acme": "write"}, (("org", "acme", frozenset({"repo.write"})),)), "acme"),
        (HubIdentity("ana", "read"), None),
        (HubIdentity("ana", "fineGrained", {"acme": "write"}), None),
    ],
)
def test_whose_the_repositories_will_be_is_known_before_anything_is_sent(
    new_world: NewWorld, who: HubIdentity, expected: str | None
) -> None:
    shipping = Shipping(new_world())
    shipping.world.hub.who = who
    if expected:
        assert shipping.careful().namespace("default", "hub") == expected
        return
    with pytest.raises(BadInput, match=r"No private dataset repository can be made .* token"):
        shipping.careful().namespace("default", "hub")


def test_the_account_that_the_model_goes_to_also_has_the_data_because_the_trainer_has_its_token_alone(
    new_world: NewWorld,
) -> None:
    shipping = Shipping(new_world())
    shipping.world.vault.keep("default", "studio", {"token": "hf_studio"})
    to = Arrival(name="studio", kind=Kind.HUB, shown="studio", at={"repo": "ana/lora", "private": True})
    shipping.job = replace(shipping.job, destinations=(to,))
    shipping.send()
    assert set(shipping.world.hub.tokens) == {"hf_studio"}
    shipping.world.vault.drop("default", "studio")
    with pytest.raises(DestinationRefused, match="studio"):
        shipping.remove()


@pytest.mark.parametrize(
    ("change", "expected", "told"),
    [
        (lambda world: world.objects.delete("datasets", "laid/cats.zip"), NotFound, "deleted"),
        (lambda world: setattr(world.hub, "largest", 1000), DestinationRefused, "Split the dataset"),
        (lambda world: setattr(world.hub, "down", True), DestinationDown, "does not answer"),
        (lambda world: setattr(world.hub, "refuses", True), DestinationRefused, "may not"),
    ],
    ids=["gone", "too large", "down", "refused"],
)
def test_what_hinders_is_told(new_world: NewWorld, change: Any, expected: type[CloudError], told: str) -> None:
    shipping = Shipping(new_world())
    change(shipping.world)
    with pytest.raises(expected, match=told):
        shipping.careful().send(shipping.job, shipping.upload, shipping.zips, Turn(lambda: None, lambda: False))
    assert not shipping.world.hub.commits
