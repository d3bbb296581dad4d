"""News of runs at Replicate over real HTTP: answers, lists and webhooks, the well-formed and the others."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import (
    BadInput,
    ProviderDown,
    ProviderRefused,
)
from chalicelib.domain.runs import CloudJobStatus
from chalicelib.providers.base import ProviderStatusUnknown
from chalicelib.providers.replicate import ReplicateTrainer
from tests.http.replicate_cases import (
    CANCEL,
    LIST,
    NOW,
    SHOW,
    TOKEN,
    prediction,
    run,
    trainer,
    vendor_fixture,  # noqa: F401
)
from tests.http.scripted_vendor import Answer, Vendor


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
def test_a_failed_reading_is_repeated_twice_and_then_told(vendor, answer):
    vendor.answers[SHOW] = answer
    with pytest.raises(ProviderDown):
        run(trainer(vendor, timeout_seconds=20).get_job_status("p1"))
    assert vendor.count("GET") == 3


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
    assert run(one.webhook_secrets()) == ["whsec_two", "whsec_one"], "news signed before the change is on its way"


def test_while_the_vendor_cannot_be_asked_its_news_is_believed_by_the_secret_it_told_last(vendor):
    now = [NOW]
    told = Answer(body={"key": "whsec_one"})
    vendor.answers["GET /v1/webhooks/default/secret"] = told
    one = ReplicateTrainer(TOKEN, vendor.url, timeout_seconds=1.2, clock=lambda: now[0])
    run(one.webhook_secrets())
    vendor.answers["GET /v1/webhooks/default/secret"] = Answer(503, {})
    now[0] += timedelta(minutes=6)
    assert run(one.webhook_secrets()) == ["whsec_one"]
    so_far = len(vendor.asked)
    assert run(one.webhook_secrets()) == ["whsec_one"] and len(vendor.asked) == so_far, "each webhook would wait for it"
    now[0] += timedelta(hours=1)
    with pytest.raises(ProviderDown):
        run(one.webhook_secrets())
    vendor.answers["GET /v1/webhooks/default/secret"] = Answer(body={"key": "whsec_two"})
    assert run(one.webhook_secrets()) == ["whsec_two"]


def test_configured_signing_secrets_are_not_asked_for(vendor):
    assert run(trainer(vendor, signing_secrets=["whsec_a", "", "whsec_b"]).webhook_secrets()) == [
        "whsec_a",
        "whsec_b",
    ]
    assert vendor.asked == []
