"""The Replicate provider over real HTTP: what it sends, what it makes of answers, what it makes of failures."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import (
    BadCredentials,
    BadInput,
    CloudError,
    InvalidConfig,
    OutcomeUnknown,
    ProviderDown,
    ProviderRefused,
)
from chalicelib.domain.runs import CloudJobStatus, Delivery, LaunchOrder
from chalicelib.providers.base import CloudTrainerService, ProviderStatusUnknown, SpeaksWebhooks
from chalicelib.providers.registry import Registry
from chalicelib.providers.replicate import ReplicateTrainer
from tests.http.scripted_vendor import Answer, Vendor, serving

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
TOKEN = "r8_0123456789abcdefghijklmnop"
VERSIONS = "GET /v1/models/simpletuner/advanced-trainer-l40s/versions"
CREATE, LIST = "POST /v1/predictions", "GET /v1/predictions"
SHOW, CANCEL = "GET /v1/predictions/p1", "POST /v1/predictions/p1/cancel"

ORDER = LaunchOrder(
    launch_key="k-1",
    config={"--model_type": "lora", "--output_dir": "output/k-1"},
    hardware="l40s",
    images_url="https://store.example/data.zip?sig=1",
    delivery=Delivery("https://store.example/s3", "us-east-1", "outputs", "jobs/j1/", "AK", "hidden-secret-key"),
    webhook_url="https://cloud.example/api/webhooks/replicate?launch=k-1",
)


def prediction(**changes: Any) -> dict[str, Any]:
    return {
        "id": "p1",
        "model": "simpletuner/advanced-trainer-l40s",
        "version": "f" * 64,
        "status": "processing",
        "input": {"config_json": '{"--output_dir": "output/k-1"}'},
        "output": None,
        "logs": "hello\n",
        "error": None,
        "data_removed": False,
        "metrics": {},
        "created_at": "2026-11-24T11:58:00.123456789Z",
        "started_at": "2026-11-24T11:59:00Z",
        "completed_at": None,
        "urls": {"get": "https://x/y", "cancel": "https://x/z", "web": "https://replicate.com/p/p1"},
    } | changes


@pytest.fixture
def vendor():
    with serving() as vendor:
        vendor.answers[VERSIONS] = Answer(
            body={"next": None, "results": [{"id": "b" * 64, "cog_version": None}, {"id": "a" * 64}]}
        )
        vendor.answers[CREATE] = Answer(201, prediction(status="starting", started_at=None, logs=""))
        yield vendor


def trainer(vendor: Vendor, **options: Any) -> ReplicateTrainer:
    return ReplicateTrainer(TOKEN, vendor.url, clock=lambda: NOW, **{"timeout_seconds": 5, **options})


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


# --- starting a run ---------------------------------------------------------------------------------------------------


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
    assert [asked.method for asked in vendor.asked] == ["GET"]


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


# --- tokens -----------------------------------------------------------------------------------------------------------


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


# --- reading runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("starting", CloudJobStatus.QUEUED),
        ("processing", CloudJobStatus.RUNNING),
        ("succeeded", CloudJobStatus.COMPLETED),
        ("failed", CloudJobStatus.FAILED),
        ("canceled", CloudJobStatus.CANCELLED),
        ("aborted", CloudJobStatus.CANCELLED),
    ],
)
def test_every_word_of_the_vendor_has_its_status(vendor, word, status):
    vendor.answers[SHOW] = Answer(body=prediction(status=word))
    info = run(trainer(vendor).get_job_status("p1"))
    assert (info.status, info.vendor_status) == (status, word)


def test_an_unknown_word_is_logged_and_changes_nothing(vendor, caplog):
    vendor.answers[SHOW] = Answer(body=prediction(status="levitating"))
    with pytest.raises(ProviderStatusUnknown) as refusal:
        run(trainer(vendor).get_job_status("p1"))
    assert refusal.value.fields["run_id"] == "p1"
    assert "provider_status_unknown" in caplog.text


@pytest.mark.parametrize(
    ("changes", "billed"),
    [
        ({}, (58_500, False)),
        ({"status": "starting", "started_at": None}, (0, False)),
        ({"started_at": "2026-11-24T12:00:09Z"}, (0, False)),
        ({"status": "succeeded", "metrics": {"predict_time": 10.5}}, (10_238, True)),
        ({"status": "succeeded", "metrics": {}, "completed_at": "2026-11-24T11:59:02Z"}, (1_950, True)),
        ({"status": "succeeded", "metrics": {"predict_time": float("nan")}}, (None, False)),
        ({"status": "failed", "metrics": {"predict_time": 10.5}}, (0, True)),
        ({"status": "aborted"}, (0, True)),
        ({"status": "canceled", "metrics": {"predict_time": 3e-06}}, (0, True)),
        ({"status": "canceled", "metrics": {"predict_time": 100}}, (97_500, True)),
        ({"status": "canceled", "started_at": None, "metrics": None}, (0, True)),
        ({"status": "succeeded", "model": "someone/else", "metrics": {"predict_time": 1}}, (None, False)),
        ({"model": "simpletuner/advanced-trainer-h100-x8"}, (732_000, False)),
    ],
)
def test_the_bill_follows_the_vendors_rules(vendor, changes, billed):
    vendor.answers[SHOW] = Answer(body=prediction(**changes))
    info = run(trainer(vendor).get_job_status("p1"))
    assert (info.billed_micros, info.billing_is_final) == billed


def test_a_run_is_read_with_its_times_links_and_cleaned_error(vendor):
    vendor.answers[SHOW] = Answer(
        body=prediction(
            status="failed", error="cannot read hf_abcdefghijklmnop", output="Training complete. Output: /x"
        )
    )
    info = run(trainer(vendor).get_job_status("p1"))
    assert info.created_at == datetime(2026, 11, 24, 11, 58, 0, 123456, tzinfo=UTC)
    assert info.links == {"web": "https://replicate.com/p/p1"}
    assert info.error == "cannot read [redacted]"
    assert info.output_url is None
    assert info.launch_key == "k-1"


@pytest.mark.parametrize(
    ("output", "url"),
    [
        ("https://huggingface.co/me/x", "https://huggingface.co/me/x"),
        (["https://replicate.delivery/a", "https://replicate.delivery/b"], "https://replicate.delivery/a"),
        ("s3://bucket/path", None),
        ("javascript:alert(1)", None),
        ("https://", None),
        ({"version": "x"}, None),
    ],
)
def test_only_web_addresses_become_links(vendor, output, url):
    vendor.answers[SHOW] = Answer(body=prediction(status="succeeded", output=output))
    assert run(trainer(vendor).get_job_status("p1")).output_url == url


def test_logs_are_the_whole_text_and_empty_after_the_vendor_removed_them(vendor):
    vendor.answers[SHOW] = [
        Answer(body=prediction(logs="a\nb\n")),
        Answer(body=prediction(status="succeeded", logs=None, input={}, data_removed=True)),
    ]
    assert run(trainer(vendor).get_job_logs("p1")) == "a\nb\n"
    assert run(trainer(vendor).get_job_logs("p1")) == ""


def test_text_that_cannot_be_stored_is_mended_without_changing_its_length(vendor):
    vendor.answers[SHOW] = Answer(body=prediction(status="failed", logs="a\ud800b\n", error="x\udfff"))
    info = run(trainer(vendor).get_job_status("p1"))
    assert (info.logs, info.error) == ("a?b\n", "x?")


@pytest.mark.parametrize("answer", [Answer(500, {}), Answer(502, b"<html>"), Answer(hang_up=True), Answer(429, {})])
def test_a_failed_reading_is_safe_to_repeat_and_is_not_repeated_here(vendor, answer):
    vendor.answers[SHOW] = answer
    with pytest.raises(ProviderDown):
        run(trainer(vendor).get_job_status("p1"))
    assert vendor.count("GET") == 1


@pytest.mark.parametrize("body", [[], {}, {"id": 7, "status": "failed"}, {"id": "p1"}, "text", None])
def test_an_answer_that_is_no_prediction_is_no_news(vendor, body):
    vendor.answers[SHOW] = Answer(body=body)
    with pytest.raises(ProviderDown):
        run(trainer(vendor).get_job_status("p1"))


def test_a_run_that_the_vendor_does_not_know_is_told_apart(vendor):
    with pytest.raises(ProviderRefused) as refusal:
        run(trainer(vendor).get_job_status("p1"))
    assert refusal.value.fields["provider_status"] == 404


@pytest.mark.parametrize("job_id", ["", "../account", "p1?x=1", "p 1", "x" * 65])
def test_a_run_id_cannot_lead_elsewhere(vendor, job_id):
    for ask in (trainer(vendor).get_job_status, trainer(vendor).cancel_job):
        with pytest.raises(BadInput):
            run(ask(job_id))
    assert vendor.asked == []


def test_cancelling_tells_the_run_as_it_is_then(vendor):
    vendor.answers[CANCEL] = [Answer(body=prediction(status="canceled")), Answer(body=prediction(status="aborted"))]
    assert run(trainer(vendor).cancel_job("p1")).status is CloudJobStatus.CANCELLED
    assert run(trainer(vendor).cancel_job("p1")).vendor_status == "aborted"


def test_one_trainer_serves_one_event_loop_after_another(vendor):
    vendor.answers[SHOW] = Answer(body=prediction())
    one = trainer(vendor)
    assert [run(one.get_job_status("p1")).job_id for _ in range(3)] == ["p1"] * 3


# --- lists ------------------------------------------------------------------------------------------------------------


def paged(vendor: Vendor, *pages: list[dict[str, Any]]) -> None:
    for number, results in enumerate(pages):
        line = LIST if number == 0 else f"{LIST}?cursor=c{number}"
        onward = f"https://elsewhere.example/v1/predictions?cursor=c{number + 1}" if number + 1 < len(pages) else None
        vendor.answers[line] = Answer(body={"previous": None, "next": onward, "results": results})


def aged(minutes: int, **changes: Any) -> dict[str, Any]:
    return prediction(created_at=(NOW - timedelta(minutes=minutes)).isoformat(), **changes)


def test_a_lost_run_is_found_by_its_key_on_any_page(vendor):
    paged(vendor, [aged(1, id="new", input={})], [aged(2, id="mine"), aged(3, id="older")])
    found = run(trainer(vendor).find_run("k-1", NOW - timedelta(hours=1)))
    assert found.job_id == "mine"


@pytest.mark.parametrize(
    "bearing",
    [
        {"webhook": "https://x/y?a=1&launch=k-9", "input": {}},
        {"input": {"config_json": '{"--output_dir": "output/k-9"}'}},
    ],
)
def test_a_run_bears_its_key_in_the_webhook_or_in_the_config(vendor, bearing):
    paged(vendor, [aged(1, **bearing)])
    assert run(trainer(vendor).find_run("k-9", NOW - timedelta(hours=1))).launch_key == "k-9"


def test_looking_stops_where_the_launch_began(vendor):
    paged(vendor, [aged(1, id="a", input={}), aged(500, id="b", input={})], [aged(501)])
    assert run(trainer(vendor).find_run("k-1", NOW - timedelta(minutes=10))) is None
    assert len(vendor.asked) == 1


def test_a_list_that_cannot_be_read_to_its_end_is_not_a_no(vendor):
    paged(vendor, [aged(1, input={})], [])
    vendor.answers[f"{LIST}?cursor=c1"] = Answer(500, {})
    with pytest.raises(ProviderDown):
        run(trainer(vendor).find_run("k-1", NOW - timedelta(hours=1)))


def test_a_list_without_end_is_given_up_in_time(vendor):
    vendor.answers[LIST] = Answer(body={"next": f"{vendor.url}/v1/predictions?cursor=c", "results": []})
    vendor.answers[f"{LIST}?cursor=c"] = vendor.answers[LIST]
    with pytest.raises(ProviderDown):
        run(trainer(vendor, timeout_seconds=0.3).find_run("k-1", NOW - timedelta(hours=1)))


def test_listing_shows_only_our_trainers_runs_whatever_words_the_others_have(vendor):
    paged(
        vendor,
        [aged(1, id="a", status="aborted"), aged(2, id="b", model="x/y"), aged(3, id="c", status="levitating")],
        [aged(4, id="d"), aged(5, id="e")],
    )
    assert [info.job_id for info in run(trainer(vendor).list_jobs(limit=2))] == ["a", "d"]


# --- webhooks ---------------------------------------------------------------------------------------------------------


def test_a_webhook_is_read_as_an_answer_is(vendor):
    vendor.answers[SHOW] = Answer(body=prediction())
    assert trainer(vendor).read_webhook(prediction()) == run(trainer(vendor).get_job_status("p1"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(body=st.dictionaries(st.sampled_from([*prediction(), "webhook"]), json_values))
def test_junk_in_a_webhook_is_bad_input_and_never_a_crash(body):
    reader = ReplicateTrainer(TOKEN)
    for candidate in (body, prediction(**body)):
        with suppress(BadInput, ProviderStatusUnknown):
            assert reader.read_webhook(candidate).job_id


def test_the_signing_secret_is_asked_for_once_in_five_minutes(vendor):
    now = [NOW]
    vendor.answers["GET /v1/webhooks/default/secret"] = [
        Answer(body={"key": "whsec_one"}),
        Answer(body={"key": "whsec_two"}),
    ]
    one = ReplicateTrainer(TOKEN, vendor.url, clock=lambda: now[0])
    assert run(one.webhook_secrets()) == run(one.webhook_secrets()) == ["whsec_one"]
    now[0] += timedelta(minutes=6)
    assert run(one.webhook_secrets()) == ["whsec_two"]


def test_configured_signing_secrets_are_not_asked_for(vendor):
    assert run(trainer(vendor, signing_secrets=["whsec_a", "", "whsec_b"]).webhook_secrets()) == [
        "whsec_a",
        "whsec_b",
    ]
    assert vendor.asked == []


# --- offers and the registry ------------------------------------------------------------------------------------------


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
    assert isinstance(one, SpeaksWebhooks)
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
