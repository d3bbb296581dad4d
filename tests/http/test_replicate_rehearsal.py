"""The Replicate provider against the emulator and its real little trainer: one run from order to bill."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from chalicelib.domain import progress, signatures
from chalicelib.domain.errors import BadCredentials, OutcomeUnknown, ProviderDown, ProviderRefused
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus, Delivery, LaunchOrder
from chalicelib.providers.replicate import ReplicateTrainer
from tests.emulator import (
    WEBHOOK_SECRET,
    Bucket,
    Emulator,
    archive,
    emulator_fixture,  # noqa: F401
    eventually,
    mark,
    receiver_fixture,  # noqa: F401
    start_bucket,
)

ENDED = (CloudJobStatus.COMPLETED, CloudJobStatus.FAILED, CloudJobStatus.CANCELLED)
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.fixture
def trainer(emulator: Emulator) -> ReplicateTrainer:
    return ReplicateTrainer(emulator.token, emulator.url)


@pytest.fixture
def bucket():
    with start_bucket() as bucket:
        bucket.objects["datasets/data.zip"] = archive()
        yield bucket


def order(bucket: Bucket, **changes: Any) -> LaunchOrder:
    key = changes.pop("launch_key", mark())
    config = {"--max_train_steps": 20, "--learning_rate": 0.01, "--output_dir": f"output/{key}"}
    return LaunchOrder(
        **{
            "launch_key": key,
            "config": config,
            "hardware": "l40s",
            "images_url": f"{bucket.url}/datasets/data.zip",
            "delivery": Delivery(bucket.url, "us-east-1", "outputs", "jobs/1/", "JOBKEY", "job-secret"),
            **changes,
        }
    )


def ended(trainer: ReplicateTrainer, run_id: str) -> CloudJobInfo:
    return eventually(lambda: (info := run(trainer.get_job_status(run_id))).status in ENDED and info, 60)


def test_an_order_becomes_a_delivered_model_with_a_log_a_curve_and_the_vendors_own_bill(emulator, trainer, bucket):
    asked = order(bucket)
    started = run(trainer.run_job(asked))
    assert started.status is CloudJobStatus.QUEUED
    assert run(trainer.find_run(asked.launch_key, AN_HOUR_AGO)).job_id == started.job_id

    info = ended(trainer, started.job_id)
    assert info.status is CloudJobStatus.COMPLETED, info.error or info.logs
    model = f"outputs/jobs/1/{asked.launch_key}/pytorch_lora_weights.safetensors"
    assert model in bucket.objects
    assert bucket.access_keys == {"JOBKEY"}
    assert info.output_url.startswith(bucket.url)

    line = next(line for line in emulator.emu("bill")["lines"] if line["id"] == started.job_id)
    exact = Decimal(line["usd"]) * 1_000_000
    assert (info.billed_micros, info.billing_is_final) == (int(exact.quantize(Decimal(1), ROUND_HALF_UP)), True)

    told = progress.read(run(trainer.get_job_logs(started.job_id)))
    assert (told.step, told.total_steps, told.percent) == (20, 20, 100)
    assert len(told.points) > 1
    assert Decimal(told.points[-1].loss) < Decimal(told.points[0].loss)

    asked_for = emulator.prediction(started.job_id)["input"]
    assert "job-secret" not in json.dumps(asked_for)


def test_news_comes_by_webhook_signed_with_the_secret_that_the_account_tells(trainer, bucket, receiver):
    key = mark()
    asked = order(bucket, launch_key=key, webhook_url=f"{receiver.url}/hook?launch={key}")
    started = run(trainer.run_job(asked))
    secrets = run(trainer.webhook_secrets())
    assert secrets == [WEBHOOK_SECRET]

    def last_news() -> CloudJobInfo | None:
        told = [trainer.read_webhook(one.json()) for one in receiver.under("/hook")]
        return next((news for news in told if news.status in ENDED), None)

    news = eventually(last_news, 60)
    assert (news.job_id, news.launch_key, news.status) == (started.job_id, key, CloudJobStatus.COMPLETED)
    for one in receiver.under("/hook"):
        assert signatures.verify(one.headers, one.body, secrets, int(time.time())).startswith("msg_")


def test_a_run_whose_answer_was_lost_is_found_by_its_key(emulator, trainer, bucket):
    for fault in ("drop_after_accept", "create_500_after"):
        asked = order(bucket)
        emulator.fault(fault, contains=asked.launch_key)
        with pytest.raises(OutcomeUnknown):
            run(trainer.run_job(asked))
        found = run(trainer.find_run(asked.launch_key, AN_HOUR_AGO))
        assert found.launch_key == asked.launch_key
        run(trainer.cancel_job(found.job_id))


def test_a_start_that_never_arrived_has_no_run(emulator, trainer, bucket):
    asked = order(bucket)
    emulator.fault("create_500_before", contains=asked.launch_key)
    with pytest.raises(OutcomeUnknown):
        run(trainer.run_job(asked))
    assert run(trainer.find_run(asked.launch_key, AN_HOUR_AGO)) is None


@pytest.mark.parametrize(("fault", "error"), [("throttle=60", ProviderDown), ("insufficient_credit", ProviderRefused)])
def test_a_refused_start_has_its_name(emulator, trainer, bucket, fault, error):
    asked = order(bucket)
    emulator.fault(fault, contains=asked.launch_key)
    with pytest.raises(error) as refusal:
        run(trainer.run_job(asked))
    assert type(refusal.value) is error


def test_cancelling_stops_a_run_and_does_no_harm_the_second_time(emulator, trainer, bucket):
    asked = order(bucket)
    emulator.fault("never_boots", contains=asked.launch_key)
    started = run(trainer.run_job(asked))
    for _ in range(2):
        run(trainer.cancel_job(started.job_id))
    assert ended(trainer, started.job_id).status is CloudJobStatus.CANCELLED


@pytest.mark.parametrize(
    ("fault", "cause"), [("oom_at_start", "out_of_memory"), ("unpacks_archives=no", "dataset_missing")]
)
def test_a_failed_run_is_free_and_its_log_tells_why(emulator, trainer, bucket, fault, cause):
    asked = order(bucket)
    emulator.fault(fault, contains=asked.launch_key)
    info = ended(trainer, run(trainer.run_job(asked)).job_id)
    assert (info.status, info.billed_micros) == (CloudJobStatus.FAILED, 0)
    assert progress.why_failed(info.logs or "", info.error) == cause


def test_a_run_of_another_account_is_unknown_and_a_wrong_token_is_refused(emulator, trainer, bucket):
    started = run(trainer.run_job(order(bucket)))
    with pytest.raises(ProviderRefused) as refusal:
        run(ReplicateTrainer("r8_somebody_else", emulator.url).get_job_status(started.job_id))
    assert refusal.value.fields["provider_status"] == 404
    with pytest.raises(BadCredentials):
        run(ReplicateTrainer("r8_nobody", emulator.url).validate_credentials())
    assert run(trainer.validate_credentials())["valid"]
    run(trainer.cancel_job(started.job_id))
    assert started.job_id in [info.job_id for info in run(trainer.list_jobs())]
