"""Webhooks as they should be, and then everything that can go wrong, once each."""

from __future__ import annotations

import base64
import itertools
import json
import time
from typing import Any

import httpx
import pytest
import replicate
from replicate.webhook import InvalidSignatureError, WebhookSigningSecret

from emulators.replicate import faults, signing
from tests.emulator import (
    ROOT,
    WEBHOOK_SECRET,
    Emulator,
    Received,
    Receiver,
    archive,
    emulator_fixture,  # noqa: F401
    eventually,
    mark,
    receiver_fixture,  # noqa: F401
    start_emulator,
)

IMAGES = "data:application/zip;base64," + base64.b64encode(archive(2)).decode()
EVERYTHING = ["start", "output", "logs", "completed"]


def body_for(emulator: Emulator, name: str = "", **more: Any) -> dict[str, Any]:
    given = {"images": IMAGES, "config_json": "{}", "max_train_steps": 3, "mark": name}
    return {"version": emulator.version(), "input": given, **more}


def run(emulator: Emulator, *wanted: str, webhook: str | None = None, events: list[str] | None = None) -> str:
    """The id of a short training with these faults."""
    name = mark()
    if wanted:
        emulator.fault(*wanted, contains=name)
    hook = {"webhook": webhook, "webhook_events_filter": events or EVERYTHING} if webhook else {}
    with emulator.http() as http:
        return str(http.post("/v1/predictions", json=body_for(emulator, name, **hook)).json()["id"])


def validate(one: Received, tolerance: int | None = 300) -> None:
    replicate.webhooks.validate(
        headers=one.headers,
        body=one.body.decode(),
        secret=WebhookSigningSecret(key=WEBHOOK_SECRET),
        tolerance=tolerance,
    )


def terminal(received: list[Received]) -> list[Received]:
    return [one for one in received if one.json()["completed_at"]]


def test_the_published_vector_is_signed_as_published() -> None:
    signature = signing.sign(WEBHOOK_SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_webhooks_tell_start_logs_and_end_in_order_and_the_official_client_believes_them(
    emulator: Emulator, receiver: Receiver
) -> None:
    made = run(emulator, "step_seconds=0.7", webhook=f"{receiver.url}/hook?job=7")
    ended = emulator.wait(made)
    assert ended["status"] == "succeeded", ended["error"]
    eventually(lambda: terminal(receiver.received))
    for one in receiver.received:
        validate(one)
        assert one.path == "/hook?job=7"
        assert one.json()["id"] == made
    told = [one.json() for one in receiver.received]
    assert told[0]["status"] == "processing" and told[0]["logs"] == ""
    assert [one["status"] for one in told[1:-1]] == ["processing"] * (len(told) - 2)
    assert len(told) >= 4
    assert all(later["logs"].startswith(earlier["logs"]) for earlier, later in itertools.pairwise(told))
    assert told[-1] == {**ended, "urls": told[-1]["urls"]}
    times = [one.at for one in receiver.received[1:-1]]
    assert all(later - earlier > 0.4 for earlier, later in itertools.pairwise(times)), "logs at most twice a second"
    assert len({one.headers["webhook-id"] for one in receiver.received}) == len(told)


def test_only_the_asked_events_are_sent(emulator: Emulator, receiver: Receiver) -> None:
    made = run(emulator, webhook=f"{receiver.url}/end", events=["completed"])
    also = run(emulator, webhook=f"{receiver.url}/start", events=["start"])
    emulator.wait(made)
    emulator.wait(also)
    eventually(lambda: terminal(receiver.under("/end")))
    assert len(receiver.under("/end")) == 1
    assert [one.json()["status"] for one in receiver.under("/start")] == ["processing"]


def test_the_end_is_told_again_with_the_same_id_until_it_is_accepted(emulator: Emulator, receiver: Receiver) -> None:
    receiver.answers[:] = [500, 404, 503]
    made = run(emulator, webhook=receiver.url, events=["completed"])
    emulator.wait(made)
    eventually(lambda: len(receiver.received) == 4)
    time.sleep(0.5)
    assert len({one.headers["webhook-id"] for one in receiver.received}) == 1
    assert len(receiver.received) == 4
    for one in receiver.received:
        validate(one)


def test_a_redirect_loses_the_news(emulator: Emulator, receiver: Receiver) -> None:
    receiver.redirect_to, receiver.answers[:] = f"{receiver.url}/elsewhere", [301]
    emulator.wait(run(emulator, webhook=f"{receiver.url}/here", events=["completed"]))
    eventually(lambda: receiver.under("/here"))
    time.sleep(0.3)
    assert len(receiver.received) == 1


def test_cancel_is_told_as_an_end(emulator: Emulator, receiver: Receiver) -> None:
    made = run(emulator, "never_boots", webhook=receiver.url, events=["completed"])
    emulator.client().predictions.cancel(made)
    assert eventually(lambda: terminal(receiver.received))[0].json()["status"] == "canceled"


# Webhooks that go wrong


def test_duplicate_webhooks_come_twice_with_one_id(emulator: Emulator, receiver: Receiver) -> None:
    run(emulator, "duplicate_webhooks", webhook=receiver.url, events=["start", "completed"])
    eventually(lambda: len(receiver.received) == 4)
    ids = [one.headers["webhook-id"] for one in receiver.received]
    assert ids[0] == ids[1] != ids[2] == ids[3]


@pytest.mark.parametrize(
    ("lost", "statuses"), [("all", []), ("terminal", ["processing"]), ("intermediate", ["succeeded"])]
)
def test_lost_webhooks_never_come(emulator: Emulator, receiver: Receiver, lost: str, statuses: list[str]) -> None:
    emulator.wait(run(emulator, f"lose_webhooks={lost}", webhook=receiver.url, events=["start", "completed"]))
    time.sleep(0.3)
    assert [one.json()["status"] for one in receiver.received] == statuses


def test_reordered_webhooks_bring_the_start_after_the_end(emulator: Emulator, receiver: Receiver) -> None:
    emulator.wait(run(emulator, "reorder_webhooks", webhook=receiver.url))
    eventually(lambda: len(receiver.received) >= 3)
    statuses = [one.json()["status"] for one in receiver.received]
    assert statuses == ["succeeded", *["processing"] * (len(statuses) - 1)]


def test_a_bad_signature_is_bad_and_an_old_timestamp_is_old(emulator: Emulator, receiver: Receiver) -> None:
    run(emulator, "bad_signature", webhook=f"{receiver.url}/bad", events=["completed"])
    run(emulator, "old_timestamp=900", webhook=f"{receiver.url}/old", events=["completed"])
    run(emulator, "two_signatures", webhook=f"{receiver.url}/two", events=["completed"])
    bad, old, two = (eventually(lambda path=path: receiver.under(path))[0] for path in ("/bad", "/old", "/two"))
    with pytest.raises(InvalidSignatureError):
        validate(bad)
    validate(old, tolerance=None)
    assert 899 <= time.time() - int(old.headers["webhook-timestamp"]) <= 930
    validate(two)
    assert len(two.headers["webhook-signature"].split()) == 2


def test_delayed_webhooks_come_late(emulator: Emulator, receiver: Receiver) -> None:
    made = run(emulator, "delay_webhooks=1", webhook=receiver.url, events=["completed"])
    emulator.wait(made)
    ended = time.monotonic()
    assert eventually(lambda: receiver.received)[0].at - ended > 0.7


# Jobs that go wrong


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("fail_at_step=2", "at step 2"),
        ("oom_at_start", "CUDA out of memory"),
        ("unpacks_archives=no", "Unsafe zip path detected: pictures/0.png"),
        ("time_limit=0.1", "timed out"),
    ],
)
def test_a_job_can_be_made_to_fail(emulator: Emulator, fault: str, words: str) -> None:
    ended = emulator.wait(run(emulator, fault))
    assert (ended["status"], words in ended["error"], ended["output"]) == ("failed", True, None)


def test_a_job_can_hang_boot_slowly_or_never_boot(emulator: Emulator) -> None:
    hanging, booting, never = run(emulator, "hang"), run(emulator, "boot_seconds=1.5"), run(emulator, "never_boots")
    eventually(lambda: "Steps:   0%" in emulator.prediction(hanging)["logs"])
    assert emulator.prediction(booting)["status"] == "starting"
    booted = emulator.wait(booting)
    assert booted["metrics"]["total_time"] - booted["metrics"]["predict_time"] >= 1.5
    assert emulator.prediction(hanging)["status"] == "processing"
    assert emulator.prediction(never)["status"] == "starting"
    for stuck in (hanging, never):
        emulator.client().predictions.cancel(stuck)


def test_without_the_kindness_of_the_end_the_weights_stay_where_they_are(emulator: Emulator) -> None:
    name = mark()
    emulator.fault("publishes_at_end=no", contains=name)
    body = body_for(emulator, name)
    body["input"] |= {"s3_bucket": "b", "s3_endpoint_url": "http://127.0.0.1:9"}
    with emulator.http() as http:
        ended = emulator.wait(http.post("/v1/predictions", json=body).json()["id"])
    assert (ended["status"], ended["output"]) == ("succeeded", "http://127.0.0.1:9/b/simpletuner")
    assert "Published" not in ended["logs"] and "Publishing via" not in ended["logs"]


# Requests that go wrong


def test_a_creation_can_fail_before_anything_was_made(emulator: Emulator) -> None:
    name = mark()
    emulator.fault("create_500_before", contains=name)
    with emulator.http() as http:
        assert http.post("/v1/predictions", json=body_for(emulator, name)).status_code == 500
        assert emulator.emu("predictions", contains=name)["count"] == 0
        assert http.post("/v1/predictions", json=body_for(emulator, name)).status_code == 201


@pytest.mark.parametrize("fault", ["create_500_after", "drop_after_accept"])
def test_a_creation_can_look_failed_and_run_all_the_same(emulator: Emulator, fault: str) -> None:
    name = mark()
    emulator.fault(fault, contains=name)
    with emulator.http() as http:
        if fault == "create_500_after":
            assert http.post("/v1/predictions", json=body_for(emulator, name)).status_code == 500
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                http.post("/v1/predictions", json=body_for(emulator, name))
        made = emulator.emu("predictions", contains=name)["predictions"]
        assert len(made) == 1
        found = [one for one in http.get("/v1/predictions").json()["results"] if one["input"].get("mark") == name]
    assert [one["id"] for one in found] == [made[0]["id"]]
    assert emulator.wait(made[0]["id"])["status"] == "succeeded"


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("throttle=7", 429, "Request was throttled"),
        ("insufficient_credit", 402, "Insufficient credit"),
        ("html_502", 502, "<html>"),
        ("error_500", 500, "Internal server error"),
    ],
)
def test_one_answer_can_be_broken(emulator: Emulator, fault: str, status: int, words: str) -> None:
    emulator.fault(fault, request="GET /v1/models")
    with emulator.http() as http:
        broken, next_one = http.get("/v1/models"), http.get("/v1/models")
    assert (broken.status_code, words in broken.text, next_one.status_code) == (status, True, 200)
    if status == 429:
        assert (broken.json()["retry_after"], broken.headers["retry-after"]) == (7, "7")


def test_an_answer_can_be_slow(emulator: Emulator) -> None:
    emulator.fault("slow_answer=0.6", request="GET /v1/hardware")
    with emulator.http() as http:
        assert http.get("/v1/hardware").elapsed.total_seconds() > 0.6
        assert http.get("/v1/hardware").elapsed.total_seconds() < 0.6


def test_every_second_look_at_a_prediction_can_fail(emulator: Emulator) -> None:
    made = run(emulator, "error_500_gets=2", "never_boots")
    with emulator.http() as http:
        assert [http.get(f"/v1/predictions/{made}").status_code for _ in range(4)] == [200, 500, 200, 500]
        assert http.post(f"/v1/predictions/{made}/cancel").status_code == 200


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"faults": []},
        {"faults": ["no_such_fault"]},
        {"faults": ["fail_at_step=soon"]},
        {"faults": ["boot_seconds=-1"]},
        {"faults": ["lose_webhooks=some"]},
        {"faults": [{"name": "hang", "extra": 1}]},
        {"faults": ["hang"], "match": {"contains": "a", "next": 1}},
        {"faults": ["hang"], "match": {"contains": ""}},
        {"faults": ["hang"], "match": {"next": "1"}},
    ],
)
def test_a_fault_that_does_not_parse_is_refused_with_words(emulator: Emulator, document: Any) -> None:
    with emulator.http() as http:
        answer = http.post("/_emu/faults", json=document)
        assert answer.status_code == 400
        assert len(answer.json()["detail"]) > 10
        assert http.post("/_emu/faults", content=b"{").status_code == 400


def test_reset_forgets_and_every_fault_is_in_the_readme() -> None:
    readme = (ROOT / "emulators" / "README.md").read_text()
    assert [name for name in faults.KINDS if f"`{name}`" not in readme] == []
    with start_emulator("--fault", "never_boots", kind=False) as own, own.http() as http:
        made = run(own)
        own.fault("hang")
        assert own.emu("predictions") == {
            "count": 1,
            "by_status": {"starting": 1},
            "predictions": [
                {
                    "id": made,
                    "owner": "rehearsal",
                    "model": "simpletuner/advanced-trainer-l40s",
                    "status": "starting",
                    "faults": {"trainer": "4.10.1", "never_boots": True},
                }
            ],
        }
        assert http.post("/_emu/reset").status_code == 204
        assert (own.emu("predictions")["count"], own.emu("faults")["rules"], own.emu("requests")) == (
            0,
            [],
            {"requests": []},
        )
        assert json.loads(http.get("/v1/predictions").text)["results"] == []
