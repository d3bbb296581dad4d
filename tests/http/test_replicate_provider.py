"""Starting runs at Replicate over real HTTP: what is sent, what each failure is called, what is on offer."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from chalicelib.domain.errors import (
    BadCredentials,
    BadInput,
    CloudError,
    InvalidConfig,
    OutcomeUnknown,
    ProviderDown,
    ProviderRefused,
)
from chalicelib.domain.runs import CloudJobStatus, Delivery
from chalicelib.providers.base import CloudTrainerService, Listens
from chalicelib.providers.registry import Registry
from chalicelib.providers.replicate import ReplicateTrainer
from tests.http.replicate_cases import (
    CREATE,
    ORDER,
    TOKEN,
    VERSIONS,
    prediction,
    run,
    trainer,
    vendor_fixture,  # noqa: F401
)
from tests.http.scripted_vendor import Answer


def test_a_run_is_started_on_the_newest_version_with_exactly_the_declared_inputs(vendor):
    info = run(trainer(vendor).run_job(ORDER))
    sent = vendor.asked[-1].body
    config = json.loads(sent["input"].pop("config_json"))
    assert config == {"--model_type": "lora", "--output_dir": "output/k-1"}
    assert sent == {
        "version": f"simpletuner/advanced-trainer-l40s:{'b' * 64}",
        "webhook": "https://cloud.example/api/webhooks/replicate?launch=k-1",
        "webhook_events_filter": ["start", "logs", "output", "completed"],
        "input": {
            "images": "https://store.example/data.zip?sig=1",
            "return_logs": True,
            "s3_bucket": "outputs",
            "s3_region": "us-east-1",
            "s3_endpoint_url": "https://store.example/s3",
            "s3_base_path": "jobs/j1",
            "s3_access_key": "AK",
            "s3_secret_key": "hidden-secret-key",
        },
    }
    assert (info.job_id, info.status, info.launch_key) == ("p1", CloudJobStatus.QUEUED, "k-1")
    assert vendor.asked[-1].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_dataloader_and_lycoris_travel_as_json_text_under_the_names_that_the_trainer_declares(vendor):
    order = replace(
        ORDER, images_url=None, dataloader=[{"id": "é", "type": "aws"}], lycoris={"algo": "lokr"},
        hub_model_id="me/x", hf_token="hf_secret_token", delivery=None, webhook_url=None,
    )  # fmt: skip
    run(trainer(vendor).run_job(order))
    sent = vendor.asked[-1].body
    assert json.loads(sent["input"]["dataloader_json"]) == [{"id": "é", "type": "aws"}]
    assert json.loads(sent["input"]["lycoris_config"]) == {"algo": "lokr"}
    assert (sent["input"]["hub_model_id"], sent["input"]["hf_token"]) == ("me/x", "hf_secret_token")
    assert not {"images", "lycoris_json", "webhook_config", "s3_bucket"} & set(sent["input"])
    assert "webhook" not in sent


def test_a_temporary_storage_key_travels_whole_in_the_config_since_no_input_takes_its_token(vendor):
    delivery = Delivery(None, "eu-west-1", "outputs", "j-1", "ASIAKEY", "hidden-secret-key", "hidden-session-token")
    run(trainer(vendor).run_job(replace(ORDER, delivery=delivery)))
    sent = vendor.asked[-1].body["input"]
    assert json.loads(sent["config_json"])["--publishing_config"] == [
        {
            "provider": "s3",
            "bucket": "outputs",
            "region": "eu-west-1",
            "base_path": "j-1",
            "access_key": "ASIAKEY",
            "secret_key": "hidden-secret-key",
            "session_token": "hidden-session-token",
        }
    ]
    assert not [name for name in sent if name.startswith("s3_")], "a bucket here would replace the publishing config"


def test_all_gpus_of_the_box_are_used(vendor):
    vendor.answers[VERSIONS.replace("l40s", "h100-x4")] = vendor.answers[VERSIONS]
    run(trainer(vendor).run_job(replace(ORDER, hardware="h100-x4")))
    assert json.loads(vendor.asked[-1].body["input"]["config_json"])["--num_processes"] == 4


@pytest.mark.parametrize(
    "change",
    [
        {"dataloader": [{"id": "x"}]},
        {"images_url": None},
        {"images_url": None, "dataloader": []},
        {"hub_model_id": "me/x"},
        {"config": {"--output_dir": "elsewhere"}, "webhook_url": None},
        {"webhook_url": "https://cloud.example/?launch=other"},
        {"launch_key": "no spaces"},
        {"hardware": "tpu"},
        {"config": {"x": float("nan")}},
    ],
)
def test_an_order_that_could_only_fail_on_a_paid_gpu_is_refused_before_anything_is_sent(vendor, change):
    with pytest.raises(InvalidConfig):
        run(trainer(vendor).run_job(replace(ORDER, **change)))
    assert vendor.asked == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500, {"detail": "oops"}), OutcomeUnknown),
        (Answer(502, b"<html>bad gateway</html>"), OutcomeUnknown),
        (Answer(503, b""), OutcomeUnknown),
        (Answer(201, b"<html>what</html>"), OutcomeUnknown),
        (Answer(201, {"no": "id"}), OutcomeUnknown),
        (Answer(201, prediction(status="levitating")), OutcomeUnknown),
        (Answer(hang_up=True), OutcomeUnknown),
        (Answer(302, {}, {"location": "http://127.0.0.1:9/"}), OutcomeUnknown),
        (Answer(429, {"detail": "Request was throttled.", "retry_after": 5}), ProviderDown),
        (Answer(401, {"title": "Unauthenticated", "detail": "no valid token"}), BadCredentials),
        (Answer(403, {"detail": "forbidden"}), BadCredentials),
        (Answer(400, {"detail": "bad"}), ProviderRefused),
        (Answer(402, {"title": "Insufficient credit", "detail": "You have no credit."}), ProviderRefused),
        (Answer(404, {"detail": "gone"}), ProviderRefused),
        (Answer(413, b"too big"), ProviderRefused),
        (Answer(422, {"title": "Input validation failed", "detail": "- input: x is required"}), ProviderRefused),
    ],
)
def test_each_failed_start_has_its_name_and_is_sent_once(vendor, answer, error):
    vendor.answers[CREATE] = answer
    with pytest.raises(CloudError) as refusal:
        run(trainer(vendor).run_job(ORDER))
    assert type(refusal.value) is error
    assert vendor.count("POST") == 1


def test_a_start_without_answer_is_unknown_within_the_time_limit(vendor):
    vendor.answers[CREATE] = Answer(201, prediction(), wait_seconds=2)
    with pytest.raises(OutcomeUnknown):
        run(trainer(vendor, timeout_seconds=0.6).run_job(ORDER))
    assert vendor.count("POST") == 1


def test_nothing_was_started_when_the_vendor_cannot_be_reached():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ProviderDown):
            run(ReplicateTrainer(TOKEN, url, timeout_seconds=5).run_job(ORDER))


def test_nothing_was_started_when_the_versions_cannot_be_read(vendor):
    vendor.answers[VERSIONS] = Answer(500, {})
    with pytest.raises(ProviderDown):
        run(trainer(vendor).run_job(ORDER))
    assert vendor.count("POST") == 0


def test_nothing_was_started_when_the_vendor_goes_away_before_the_start_is_sent(vendor):
    vendor.answers[VERSIONS] = replace(vendor.answers[VERSIONS], goes_away=True)
    with pytest.raises(ProviderDown):
        run(trainer(vendor).run_job(ORDER))
    assert {asked.method for asked in vendor.asked} == {"GET"}


def test_throttling_tells_when_to_ask_again(vendor):
    vendor.answers[CREATE] = Answer(429, {"detail": "slow down"}, {"retry-after": "17"})
    with pytest.raises(ProviderDown) as refusal:
        run(trainer(vendor).run_job(ORDER))
    assert refusal.value.fields["retry_after"] == 17


def test_the_vendors_reason_is_told_without_secrets(vendor):
    vendor.answers[CREATE] = Answer(422, {"detail": f"bad input hidden-secret-key for {TOKEN} and hf_abcdefghijklm"})
    with pytest.raises(ProviderRefused) as refusal:
        run(trainer(vendor).run_job(ORDER))
    assert "bad input" in refusal.value.detail
    for secret in ("hidden-secret-key", TOKEN, "hf_abcdefghijklm"):
        assert secret not in refusal.value.detail


@pytest.mark.parametrize("token", [None, "", "  ", "r8_é", "r8_a\nb", "r8 x"])
def test_without_a_usable_token_nothing_is_sent_and_the_next_step_is_told(vendor, token, monkeypatch):
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_from_the_environment_of_somebody")
    with pytest.raises(BadCredentials) as refusal:
        run(ReplicateTrainer(token, vendor.url).validate_credentials())
    assert vendor.asked == []
    assert "token" in refusal.value.detail


def test_a_good_token_tells_whose_it_is(vendor):
    vendor.answers["GET /v1/account"] = Answer(body={"type": "user", "username": "me", "name": None})
    assert run(trainer(vendor).validate_credentials()) == {"valid": True, "username": "me", "type": "user"}


def test_a_base_url_with_v1_is_understood(vendor):
    vendor.answers["GET /v1/account"] = Answer(body={"type": "user", "username": "me"})
    assert run(ReplicateTrainer(TOKEN, f"{vendor.url}/v1/").validate_credentials())["username"] == "me"


@pytest.mark.parametrize(
    ("name", "hardware"),
    [
        (None, "l40s"),
        ("", "l40s"),
        ("H100", "h100"),
        ("1xh100", "h100"),
        ("1x-h100", "h100"),
        ("h100-x1", "h100"),
        ("h100_x2", "h100-x2"),
        ("8xL40S", "l40s-x8"),
        ("gpu-l40s-2x", "l40s-x2"),
        ("simpletuner/advanced-trainer-h100-x4", "h100-x4"),
    ],
)
def test_hardware_goes_by_many_names(name, hardware):
    assert ReplicateTrainer(None).offer(name).hardware == hardware


def test_unknown_hardware_lists_the_choices():
    with pytest.raises(InvalidConfig, match="h100-x8"):
        ReplicateTrainer(None).offer("a100")


def test_prices_are_whole_micro_dollars_for_the_whole_box_and_can_be_replaced():
    prices = {o.hardware: o.micros_per_second for o in ReplicateTrainer(None, prices={"h100": 2000}).offers()}
    assert (prices["l40s"], prices["l40s-x8"], prices["h100"], prices["h100-x8"]) == (975, 7800, 2000, 12200)
    assert len(prices) == 8


def test_the_registry_builds_a_provider_when_first_asked_and_names_those_it_has():
    built = []
    registry = Registry({"replicate": lambda: built.append(1) or ReplicateTrainer(None)})
    assert built == []
    assert registry.get("replicate") is registry.get("replicate")
    assert built == [1]
    with pytest.raises(BadInput, match="replicate"):
        registry.get("nobody")
    with pytest.raises(BadInput, match="coming soon"):
        registry.get("simpletuner_io")


def test_replicate_keeps_the_contract():
    one = ReplicateTrainer(None)
    assert isinstance(one, CloudTrainerService)
    assert isinstance(one, Listens)
    assert (one.provider_name, one.supports_cost_tracking, one.supports_live_logs) == ("replicate", True, True)


def test_starting_up_does_not_load_the_vendors_library():
    code = (
        "import sys, chalicelib.providers.replicate as r; r.ReplicateTrainer('r8_x').offers(); "
        "sys.exit(any(m in sys.modules for m in ('replicate', 'httpx', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_token_is_in_no_repr():
    assert TOKEN not in repr(ReplicateTrainer(TOKEN)) + repr(ORDER)
    assert "hidden-secret-key" not in repr(ORDER)
