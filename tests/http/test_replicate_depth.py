"""Replicate's API at depth, over real HTTP: repetition, proxies, versions, deadlines, secrets, breakers."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import threading
import time
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from chalicelib.actions.plan_job import Submission
from chalicelib.actions.vouch import Vouch
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.errors import BadCredentials, CloudError, InvalidConfig, ProviderDown
from chalicelib.domain.jobs import Reason
from chalicelib.domain.sightings import hear
from chalicelib.domain.signatures import BadSignature
from chalicelib.providers.registry import Registry
from chalicelib.providers.replicate import ReplicateTrainer
from chalicelib.providers.road import Road
from chalicelib.stores.breakers import BreakerTable
from local.sqlite_table import SqliteTable
from tests.http.replicate_cases import (
    CANCEL,
    CREATE,
    LIST,
    NOW,
    ORDER,
    SHOW,
    TOKEN,
    VERSIONS,
    prediction,
    run,
    trainer,
    vendor_fixture,  # noqa: F401
)
from tests.http.scripted_vendor import Answer
from tests.unit.actions.world import CONFIG, World, send_data, submit

ACCOUNT = "GET /v1/account"
ME = Answer(body={"type": "user", "username": "me"})
SECRET = "GET /v1/webhooks/default/secret"
ONE, TWO = "whsec_" + "b25l" * 8, "whsec_" + "dHdv" * 8


# -- repetition


@pytest.mark.parametrize("passing", [Answer(500, {}), Answer(502, b"<html>"), Answer(hang_up=True), Answer(429, {})])
@pytest.mark.parametrize("line", [SHOW, CANCEL])
def test_what_does_no_harm_is_asked_again(vendor, passing, line):
    vendor.answers[line] = [passing, passing, Answer(body=prediction())]
    one = trainer(vendor, timeout_seconds=20)
    info = run(one.get_job_status("p1") if line == SHOW else one.cancel_job("p1"))
    assert info.job_id == "p1" and len(vendor.asked) == 3


@pytest.mark.parametrize("refusal", [Answer(401, {}), Answer(404, {}), Answer(422, {})])
def test_a_refusal_is_not_asked_for_twice(vendor, refusal):
    vendor.answers[SHOW] = refusal
    with pytest.raises(CloudError):
        run(trainer(vendor).get_job_status("p1"))
    assert len(vendor.asked) == 1


def test_the_vendor_says_how_long_to_wait(vendor):
    vendor.answers[SHOW] = [Answer(429, {}, {"retry-after": "2"}), Answer(body=prediction())]
    began = time.monotonic()
    run(trainer(vendor, timeout_seconds=20).get_job_status("p1"))
    assert time.monotonic() - began >= 2


def test_a_start_that_was_throttled_is_sent_again_and_no_other(vendor):
    vendor.answers[CREATE] = [Answer(429, {"retry_after": 1}), Answer(201, prediction(status="starting"))]
    assert run(trainer(vendor, timeout_seconds=20).run_job(ORDER)).job_id == "p1"
    assert vendor.count("POST") == 2


# -- the road


def test_all_that_is_said_goes_through_the_proxy_with_its_login(vendor):
    vendor.answers["GET http://replicate.example/v1/account"] = ME
    road = Road(proxy=vendor.url.replace("http://", "http://user:pass@"))
    assert run(ReplicateTrainer(TOKEN, "http://replicate.example", road=road).validate_credentials())["valid"]
    assert vendor.asked[0].headers["proxy-authorization"].startswith("Basic ")
    assert "pass" not in repr(road)


def test_a_proxy_that_opens_no_tunnel_leaves_nobody_in_doubt(vendor):
    road = Road(seconds=5, proxy=vendor.url)
    order = replace(ORDER, version="c" * 64)
    with pytest.raises(ProviderDown):
        run(ReplicateTrainer(TOKEN, "https://replicate.example", road=road).run_job(order))


@pytest.fixture
def secure(tmp_path: Path):
    """The address of a server whose certificate nobody knows, and the file that makes it known."""
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)

    class Speaker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(ME.body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Speaker)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", str(certificate)
    server.shutdown()
    server.server_close()


def test_certificates_of_ones_own_are_trusted_and_strange_ones_are_not(secure):
    url, certificate = secure
    with pytest.raises(ProviderDown):
        run(ReplicateTrainer(TOKEN, url, road=Road(seconds=5)).validate_credentials())
    assert run(ReplicateTrainer(TOKEN, url, road=Road(authorities=certificate)).validate_credentials())["valid"]


# -- versions and deadlines


def test_a_pinned_version_is_sent_without_asking_for_the_newest(vendor):
    run(trainer(vendor).run_job(replace(ORDER, version="c" * 64)))
    assert not [asked.path for asked in vendor.asked if "/versions" in asked.path]
    assert vendor.asked[-1].body["version"] == f"simpletuner/advanced-trainer-l40s:{'c' * 64}"


def test_launches_at_the_same_time_get_each_their_own_version(vendor):
    one = trainer(vendor)

    async def all_at_once() -> None:
        orders = [replace(ORDER, version=f"{number:064x}") for number in range(8)]
        await asyncio.gather(*(one.run_job(order) for order in [*orders, ORDER]))

    run(all_at_once())
    sent = sorted(asked.body["version"].rpartition(":")[2] for asked in vendor.asked if asked.method == "POST")
    assert sent == sorted([*(f"{number:064x}" for number in range(8)), "b" * 64])


@pytest.mark.parametrize("version", ["newest", "c" * 63, "C" * 64, f"simpletuner/advanced-trainer-h100:{'c' * 64}", ""])
def test_a_version_that_is_none_or_of_another_machine_is_refused(version):
    with pytest.raises(InvalidConfig):
        ReplicateTrainer(None).pinned(version, "l40s")


def test_a_deadline_travels_with_the_start_alone(vendor):
    run(trainer(vendor).run_job(replace(ORDER, deadline=timedelta(minutes=90))))
    told = [(asked.method, asked.headers["cancel-after"]) for asked in vendor.asked if "cancel-after" in asked.headers]
    assert told == [("POST", "5400s")]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "aborted", "completed_at": "2026-11-24T12:30:00Z", "started_at": None}, Reason.DEADLINE),
        (
            {"status": "canceled", "completed_at": "2026-11-24T12:30:01Z", "deadline": "2026-11-24T12:30:00Z"},
            Reason.DEADLINE,
        ),
        (
            {"status": "canceled", "completed_at": "2026-11-24T12:10:00Z", "deadline": "2026-11-24T12:30:00Z"},
            Reason.CANCELLED_AT_PROVIDER,
        ),
        ({"status": "failed", "completed_at": "2026-11-24T12:29:00Z", "error": "timed out"}, Reason.DEADLINE),
        ({"status": "failed", "completed_at": "2026-11-24T12:05:00Z", "error": "broke"}, Reason.TRAINER_FAILED),
    ],
)
def test_a_run_that_was_stopped_at_a_limit_says_so(vendor, changes, reason, tmp_path):
    world = World(tmp_path / "t.db")
    send_data(world, world.process())
    submit(world, world.process())
    info = trainer(vendor).read_webhook(prediction(**changes))
    assert hear(replace(world.job(), run_id="p1"), info, NOW).job.reason is reason


def test_a_job_that_may_outlast_the_limit_is_told_so_when_it_is_submitted(vendor, tmp_path):
    vendor.answers[CREATE] = Answer(201, prediction(status="starting", started_at=None, version="c" * 64))
    vendor.answers[f"{VERSIONS}/{'c' * 64}"] = Answer(body={"id": "c" * 64, "created_at": "2026-10-20T08:00:00Z"})
    world = World(tmp_path / "t.db")
    world.train_at(trainer(vendor))
    send_data(world, world.process())
    config = {**CONFIG, "--max_train_steps": 3000}
    asked = Submission(config=config, upload_id=world.upload_id, version="c" * 64, max_run_minutes=20)
    job, _ = world.process().submit(asked, LOCAL)
    assert any("20 minutes" in line and "0.4 s" in line for line in job.warnings)
    assert (job.model_version, job.max_run_minutes) == ("c" * 64, 20)
    sent = vendor.asked[-1]
    assert sent.headers["cancel-after"] == "1200s" and sent.body["version"].endswith("c" * 64)


# -- secrets of webhooks


def test_a_rotated_secret_is_asked_for_once_and_old_news_is_still_heard(vendor, tmp_path):
    world = World(tmp_path / "t.db")
    world.clock.now = NOW
    now = [NOW]
    vendor.answers[SECRET] = [Answer(body={"key": key}) for key in (ONE, TWO)]
    world.train_at(ReplicateTrainer(TOKEN, vendor.url, clock=lambda: now[0]))
    hear_webhook = world.process().hear_webhook

    def news(secret: str, message: str) -> str:
        body = json.dumps(prediction())
        headers = {"webhook-id": message, "webhook-timestamp": str(int(NOW.timestamp()))}
        signature = Webhook(secret).sign(message, NOW, body)
        return hear_webhook("replicate", {**headers, "webhook-signature": signature}, body.encode()).status

    assert news(ONE, "m1") == "ignored"
    now[0] += timedelta(minutes=1)
    assert news(TWO, "m2") == "ignored"
    assert news(ONE, "m3") == "ignored"
    for number in range(5):
        with pytest.raises(BadSignature):
            news("whsec_" + "eHl6" * 8, f"forged-{number}")
    assert len(vendor.asked) == 2, "forged news made us ask the vendor"


def test_news_without_a_signature_is_refused_before_the_vendor_is_asked_for_its_secret(vendor, tmp_path):
    world = World(tmp_path / "t.db")
    world.train_at(trainer(vendor))
    old = {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
    for headers in ({}, {"webhook-id": "m"}, old):
        with pytest.raises(BadSignature):
            world.process().hear_webhook("replicate", headers, b"{}")
    assert vendor.asked == []


# -- the breaker and the health page


def test_after_five_failures_nothing_is_sent_until_one_probe_has_worked(vendor, tmp_path):
    now = [NOW]
    breaker = BreakerTable(SqliteTable(tmp_path / "t.db", lambda: int(now[0].timestamp())), "replicate", lambda: now[0])
    one = trainer(vendor, timeout_seconds=1.2, breaker=breaker)
    vendor.answers[SHOW] = Answer(503, {})
    for _ in range(5):
        with pytest.raises(ProviderDown):
            run(one.get_job_status("p1"))
    so_far = len(vendor.asked)
    with pytest.raises(ProviderDown, match="left alone"):
        run(one.run_job(ORDER))
    assert len(vendor.asked) == so_far
    now[0] += timedelta(seconds=20)
    vendor.answers[SHOW] = Answer(404, {})
    with pytest.raises(CloudError, match="refused"):
        run(one.get_job_status("p1"))
    assert run(one.run_job(ORDER)).job_id == "p1", "a refusal is an answer too: the vendor works"


def test_throttling_and_refusals_are_no_outage(vendor, tmp_path):
    breaker = BreakerTable(SqliteTable(tmp_path / "t.db", lambda: 0), "replicate", lambda: NOW)
    one = trainer(vendor, timeout_seconds=1.2, breaker=breaker)
    for answer in (Answer(429, {}), Answer(401, {}), Answer(404, {})):
        vendor.answers[SHOW] = answer
        for _ in range(3):
            with pytest.raises(CloudError):
                run(one.get_job_status("p1"))
    assert breaker.remark() is None


def test_the_health_page_asks_whose_the_token_is_and_does_not_ask_again_at_once(vendor):
    vendor.answers[ACCOUNT] = ME
    vouch = Vouch(Registry({"replicate": lambda: trainer(vendor)}), "replicate", lambda: None)
    assert [vouch(), vouch(), vouch()] == [None, None, None]
    assert len(vendor.asked) == 1


def test_the_health_page_says_that_the_token_is_refused(vendor):
    vendor.answers[ACCOUNT] = Answer(401, {"detail": "no"})
    vouch = Vouch(Registry({"replicate": lambda: trainer(vendor)}), "replicate", lambda: None)
    for _ in range(2):
        with pytest.raises(BadCredentials):
            vouch()
    assert len(vendor.asked) == 1


# -- the survey


def test_a_survey_reads_every_page_and_tells_only_runs_that_bear_a_key(vendor):
    strange = prediction(id="p8", model="stability-ai/sdxl")
    keyless = prediction(id="p9", input={})
    onward = "http://elsewhere.example/v1/predictions?cursor=abc"
    vendor.answers[LIST] = Answer(body={"next": onward, "results": [prediction(), strange, keyless]})
    old = prediction(id="p3", created_at="2026-11-20T00:00:00Z")
    vendor.answers[f"{LIST}?cursor=abc"] = Answer(body={"next": "x?cursor=d", "results": [prediction(id="p2"), old]})
    survey = run(trainer(vendor).survey(NOW - timedelta(days=1)))
    assert [info.job_id for info in survey.runs] == ["p1", "p2"] and survey.complete
    assert vendor.answers[VERSIONS] and len(vendor.asked) == 2
