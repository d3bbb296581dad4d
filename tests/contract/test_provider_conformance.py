"""What every provider must do, whoever wrote it. ``docs/adding-a-provider.md`` tells how to bring one in.

The vendor's side is a real one where that can be had: Replicate's emulator, the example's processes.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from chalicelib import settings
from chalicelib.domain.ceilings import bound
from chalicelib.domain.errors import (
    BadCredentials,
    BadInput,
    InvalidConfig,
    OutcomeUnknown,
    ProviderDown,
    ProviderRefused,
)
from chalicelib.domain.ports.trainers import Limits, Saves
from chalicelib.providers.base import (
    CloudJobInfo,
    CloudJobStatus,
    CloudTrainerService,
    Listens,
    ProviderStatusUnknown,
)
from chalicelib.services import providers
from tests.contract.conformance import HARNESSES, Harness
from tests.emulator import eventually

QUEUED, RUNNING = CloudJobStatus.QUEUED, CloudJobStatus.RUNNING
OVER = (CloudJobStatus.COMPLETED, CloudJobStatus.FAILED, CloudJobStatus.CANCELLED)
AGO = timedelta(hours=1)
FEW, MANY = 20, 100_000
STRANGE_IDS = ["", "../../etc/passwd", "a b", "é", "x" * 300, "r\n1", "r?x=1"]


@pytest.fixture(scope="module", params=sorted(HARNESSES))
def vendor(request: pytest.FixtureRequest) -> Iterator[Harness]:
    with HARNESSES[request.param]() as harness:
        yield harness


@pytest.fixture
def trainer(vendor: Harness) -> CloudTrainerService:
    return vendor.trainer()


@pytest.fixture
def trains(trainer: CloudTrainerService) -> CloudTrainerService:
    if not trainer.can_train:
        pytest.skip(f"{trainer.provider_name} only looks")
    return trainer


def run(asking: Any) -> Any:
    return asyncio.run(asking)


def key() -> str:
    return f"j-{uuid.uuid4().hex[:16]}"


def until(trainer: CloudTrainerService, run_id: str, *statuses: CloudJobStatus) -> CloudJobInfo:
    def look() -> CloudJobInfo | None:
        info: CloudJobInfo = run(trainer.get_job_status(run_id))
        assert info.status in statuses or info.status not in OVER, f"{info.status}: {info.error}"
        return info if info.status in statuses else None

    found: CloudJobInfo = eventually(look, 60)
    return found


def test_every_provider_that_we_have_has_a_harness() -> None:
    assert set(providers(settings.read({})).names()) <= set(HARNESSES)


def test_it_says_who_it_is_and_what_it_sells(vendor: Harness, trainer: CloudTrainerService) -> None:
    assert isinstance(trainer, CloudTrainerService)
    assert trainer.provider_name == vendor.name and vendor.name.isidentifier()
    assert trainer.display_name and trainer.description.endswith(".") and trainer.is_configured
    assert {type(trainer.supports_cost_tracking), type(trainer.supports_live_logs)} == {bool}
    offers = trainer.offers()
    assert len({offer.hardware for offer in offers}) == len(offers)
    for offer in offers:
        assert trainer.offer(offer.hardware) == offer and offer.provider == vendor.name
        assert type(offer.micros_per_second) is int and offer.micros_per_second > 0 and offer.gpu_count > 0
        datetime.fromisoformat(offer.as_of)


def test_a_machine_that_is_not_on_sale_is_refused_with_the_choices(trains: CloudTrainerService) -> None:
    assert trains.offer(None) in trains.offers()
    with pytest.raises(InvalidConfig) as refusal:
        trains.offer("abacus")
    assert all(offer.hardware in refusal.value.detail for offer in trains.offers())


def test_good_credentials_tell_whose_they_are(trainer: CloudTrainerService) -> None:
    told = run(trainer.validate_credentials())
    assert told["valid"] is True and isinstance(told["username"], str)


@pytest.mark.parametrize("credentials", ["bad", "expired"])
def test_credentials_that_are_not_accepted_have_a_name_and_a_next_step(vendor: Harness, credentials: str) -> None:
    trainer = vendor.trainer(credentials)
    asked = [trainer.validate_credentials(), trainer.list_jobs()]
    launch_key = key()
    if trainer.can_train:
        asked.append(trainer.run_job(vendor.order(launch_key, FEW)))
    for asking in asked:
        with pytest.raises(BadCredentials) as refusal:
            run(asking)
        assert len(refusal.value.detail) > 40
    assert vendor.runs_bearing(launch_key) == 0


def test_being_throttled_is_an_outage_that_says_when_to_come_back(vendor: Harness) -> None:
    with vendor.throttled() as trainer, pytest.raises(ProviderDown) as refusal:
        run(trainer.validate_credentials())
    assert refusal.value.fields["retry_after"] > 0


def test_nothing_waits_longer_than_the_time_limit(vendor: Harness) -> None:
    with vendor.silent() as trainer:
        asked = [trainer.validate_credentials(), trainer.list_jobs()]
        if trainer.can_train:
            asked += [trainer.get_job_status("r1"), trainer.cancel_job("r1"), trainer.find_run(key(), _ago())]
            asked += [trainer.run_job(vendor.order(key(), FEW))]
        for asking in asked:
            started = time.monotonic()
            with pytest.raises((ProviderDown, OutcomeUnknown)):
                run(asking)
            assert time.monotonic() - started < 20


def test_one_key_is_one_run_however_often_it_is_launched(vendor: Harness, trains: CloudTrainerService) -> None:
    order = vendor.order(key(), FEW)
    first, again = run(trains.run_job(order)), run(trains.run_job(order))
    restarted = run(vendor.trainer().run_job(order))
    assert first.job_id == again.job_id == restarted.job_id
    assert vendor.runs_bearing(order.launch_key) == 1
    assert (first.launch_key, first.provider) == (order.launch_key, vendor.name)
    assert first.created_at.tzinfo is not None and not first.billing_is_final
    until(trains, first.job_id, *OVER)
    assert run(trains.run_job(order)).job_id == first.job_id, "also once it is over"


def test_a_run_is_found_by_its_key_and_by_no_other(vendor: Harness, trains: CloudTrainerService) -> None:
    launch_key = key()
    assert run(trains.find_run(launch_key, _ago())) is None
    started = run(trains.run_job(vendor.order(launch_key, FEW)))
    found = run(trains.find_run(launch_key, _ago()))
    assert (found.job_id, found.launch_key) == (started.job_id, launch_key)
    for other in (launch_key[:-1], f"{launch_key}0", launch_key.upper(), key()):
        assert run(trains.find_run(other, _ago())) is None
    listed = {info.job_id: info.launch_key for info in run(trains.list_jobs())}
    assert listed[started.job_id] == launch_key


def test_the_list_is_newest_first_and_as_long_as_asked(vendor: Harness, trains: CloudTrainerService) -> None:
    ids = [run(trains.run_job(vendor.order(key(), FEW))).job_id for _ in range(3)]
    listed = run(trains.list_jobs(2))
    assert [info.job_id for info in listed] == [ids[2], ids[1]]


def test_an_order_under_an_unusable_key_is_refused_before_anything_starts(
    vendor: Harness, trains: CloudTrainerService
) -> None:
    before = len(run(trains.list_jobs()))
    for unusable in ("", "no spaces", "../up", "x" * 65):
        with pytest.raises(BadInput):
            run(trains.run_job(vendor.order(unusable, FEW)))
    assert len(run(trains.list_jobs())) == before


def test_a_run_only_moves_on_its_log_only_grows_and_its_cost_only_rises(
    vendor: Harness, trains: CloudTrainerService
) -> None:
    seen = [run(trains.run_job(vendor.order(key(), FEW)))]
    while seen[-1].status not in OVER:
        assert len(seen) < 600, "it never ends"
        time.sleep(0.1)
        seen.append(run(trains.get_job_status(seen[0].job_id)))
    ranks = [2 if info.status in OVER else (QUEUED, RUNNING).index(info.status) for info in seen]
    assert ranks == sorted(ranks)
    logs = [info.logs for info in seen if info.logs is not None]
    assert all(later.startswith(earlier) for earlier, later in pairwise(logs))
    costs = [info.billed_micros for info in seen[:-1] if info.billed_micros is not None]
    assert costs == sorted(costs)
    assert not any(info.billing_is_final for info in seen[:-1])
    end = seen[-1]
    assert (end.status, end.billing_is_final) == (CloudJobStatus.COMPLETED, True), end.error
    assert end.started_at and end.completed_at and end.created_at <= end.started_at <= end.completed_at
    assert trains.supports_cost_tracking == (end.billed_micros is not None)
    assert run(trains.get_job_logs(end.job_id)) == end.logs != ""
    time.sleep(0.3)
    later = run(trains.get_job_status(end.job_id))
    assert later == end, "a run that is over changes no more, and neither does its bill"


def test_a_run_stops_when_asked_and_asking_after_the_end_does_nothing(
    vendor: Harness, trains: CloudTrainerService
) -> None:
    started = run(trains.run_job(vendor.order(key(), MANY)))
    until(trains, started.job_id, RUNNING)
    run(trains.cancel_job(started.job_id))
    stopped = until(trains, started.job_id, CloudJobStatus.CANCELLED)
    assert stopped.billing_is_final
    assert run(trains.cancel_job(started.job_id)) == run(trains.get_job_status(started.job_id)) == stopped


def test_a_run_that_was_done_stays_done_when_it_is_cancelled(vendor: Harness, trains: CloudTrainerService) -> None:
    started = run(trains.run_job(vendor.order(key(), 2)))
    done = until(trains, started.job_id, CloudJobStatus.COMPLETED)
    assert run(trains.cancel_job(started.job_id)) == run(trains.get_job_status(started.job_id)) == done


def test_a_run_that_the_vendor_does_not_know_is_told_as_lost(trains: CloudTrainerService) -> None:
    for asking in (trains.get_job_status("r0000000"), trains.cancel_job("r0000000"), trains.get_job_logs("r0000000")):
        with pytest.raises(ProviderRefused) as refusal:
            run(asking)
        assert refusal.value.fields["provider_status"] == 404


@pytest.mark.parametrize("strange", STRANGE_IDS, ids=repr)
def test_a_strange_id_is_an_error_of_ours_and_reaches_nothing(trains: CloudTrainerService, strange: str) -> None:
    for asking in (trains.get_job_status(strange), trains.cancel_job(strange), trains.get_job_logs(strange)):
        with pytest.raises((BadInput, ProviderRefused)):
            run(asking)


def test_every_word_of_the_vendor_has_its_meaning(vendor: Harness, trains: CloudTrainerService) -> None:
    assert set(vendor.words.values()) >= {QUEUED, RUNNING, *OVER}
    for word, status in vendor.words.items():
        with vendor.saying(word) as (trainer, run_id):
            info = run(trainer.get_job_status(run_id))
        assert (info.status, info.vendor_status) == (status, word)


def test_an_unknown_word_is_an_error_and_in_the_log_and_never_a_status(
    vendor: Harness, trains: CloudTrainerService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with vendor.saying("levitating") as (trainer, run_id), pytest.raises(ProviderStatusUnknown):
        run(trainer.get_job_status(run_id))
    assert "provider_status_unknown" in caplog.text and "levitating" in caplog.text


def test_webhooks_of_another_shape_are_bad_input(trainer: CloudTrainerService) -> None:
    if not isinstance(trainer, Listens):
        pytest.skip(f"{trainer.provider_name} sends no webhooks")
    assert run(trainer.webhook_secrets())
    for body in ({}, {"id": 7}, {"status": "levitating"}, {"id": "../x", "status": "done"}):
        with pytest.raises(BadInput):
            trainer.read_webhook(body)


def _ago() -> datetime:
    return datetime.now(UTC) - AGO


def test_a_vendor_that_takes_a_deadline_keeps_it_alone_and_a_ceiling_with_it(
    vendor: Harness, trains: CloudTrainerService
) -> None:
    """Nobody asks it to stop. One that takes none says so to whoever relies on it."""
    offer = trains.offer(None)
    ceiling = 600 * offer.micros_per_second
    held = bound(ceiling, offer, None, isinstance(trains, Limits), timedelta(seconds=60))
    if not isinstance(trains, Limits):
        assert held.deadline is None and "holds only while" in held.warnings[0]
        return
    assert held.deadline and held.deadline.total_seconds() * offer.micros_per_second < ceiling
    deadline = timedelta(seconds=5)
    info = run(trains.run_job(replace(vendor.order(key(), MANY), deadline=deadline)))
    ended = until(trains, info.job_id, CloudJobStatus.CANCELLED)
    assert ended.ran_out_of_time and ended.billing_is_final and ended.billed_micros is not None
    assert ended.billed_micros <= (deadline.total_seconds() + 2) * offer.micros_per_second


def test_a_vendor_that_saves_on_request_has_weights_after_a_stop(vendor: Harness, trains: CloudTrainerService) -> None:
    if not isinstance(trains, Saves):
        pytest.skip(f"{trains.provider_name} saves nothing on request")
    info = run(trains.run_job(vendor.order(key(), MANY)))
    until(trains, info.job_id, RUNNING)
    for _ in range(2):
        run(trains.save_now(info.job_id))
    eventually(lambda: run(trains.get_job_status(info.job_id)).output_url, 30)
    assert run(trains.get_job_status(info.job_id)).status is RUNNING
    run(trains.cancel_job(info.job_id))
    assert until(trains, info.job_id, CloudJobStatus.CANCELLED).output_url
