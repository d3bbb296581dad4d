"""The wire: what the official client and plain HTTP see of the emulator."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import socket
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from replicate.exceptions import ReplicateError

from tests.emulator import (
    MODEL,
    OTHER_TOKEN,
    ROOT,
    TOKEN,
    Emulator,
    archive,
    emulator_fixture,  # noqa: F401
    mark,
    start_emulator,
)

STUCK = {"config_json": "{}"}


def create(emulator: Emulator, body: dict[str, Any], **headers: str) -> httpx.Response:
    with emulator.http() as http:
        return http.post("/v1/predictions", json=body, headers=headers)


def never_started(emulator: Emulator, token: str = TOKEN, **input_: Any) -> Any:
    name = mark()
    emulator.fault("never_boots", contains=name)
    return emulator.client(token).predictions.create(
        version=emulator.version(), input={**STUCK, **input_, "mark": name}
    )


def test_the_official_client_sees_an_account_hardware_and_a_webhook_secret(emulator: Emulator) -> None:
    client = emulator.client()
    assert client.accounts.current().username == "rehearsal"
    assert {"gpu-l40s", "gpu-h100", "gpu-h100-8x", "cpu"} <= {one.sku for one in client.hardware.list()}
    assert client.webhooks.default.secret().key == emulator.webhook_secret


@pytest.mark.parametrize("size", ["", "-x2", "-x4", "-x8"])
@pytest.mark.parametrize("card", ["h100", "l40s"])
def test_every_trainer_has_versions_newest_first_with_the_predictors_inputs(
    emulator: Emulator, card: str, size: str
) -> None:
    model = emulator.client().models.get(f"simpletuner/advanced-trainer-{card}{size}")
    versions = model.versions.list().results
    assert len(versions) >= 2
    assert versions[0].id == model.latest_version.id == model.versions.get(versions[0].id).id
    assert versions[0].created_at > versions[1].created_at
    assert all(re.fullmatch("[0-9a-f]{64}", version.id) for version in versions)
    inputs = versions[0].openapi_schema["components"]["schemas"]["Input"]["properties"]
    assert {"images", "config_json", "dataloader_json", "s3_bucket", "lycoris_config", "return_logs"} <= set(inputs)
    assert inputs["hf_token"]["x-cog-secret"] is True


def test_a_file_goes_up_comes_back_and_is_deleted(emulator: Emulator) -> None:
    client, content = emulator.client(), b"some bytes" * 1000
    upload = io.BytesIO(content)
    file = client.files.create(upload, filename="a.zip", metadata={"job": "7"})
    assert (file.name, file.size, file.metadata) == ("a.zip", 10_000, {"job": "7"})
    assert file.etag == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert file.checksums["sha256"] == hashlib.sha256(content).hexdigest()
    assert datetime.fromisoformat(file.expires_at or "") - datetime.fromisoformat(file.created_at) == timedelta(
        hours=24
    )
    assert client.files.get(file.id).id == file.id
    assert file.id in [one.id for one in client.files.list()]
    assert client.files.delete(file.id)
    with pytest.raises(ReplicateError) as refused:
        client.files.get(file.id)
    assert refused.value.status == 404


def test_a_signed_link_downloads_without_a_token_until_it_expires(tmp_path: Any) -> None:
    with start_emulator(state=tmp_path) as own:
        file = own.client().files.create(io.BytesIO(b"content"), filename="a.txt")
        secret = (
            sqlite3.connect(tmp_path / "replicate.sqlite")
            .execute("SELECT value FROM settings WHERE name = 'files_secret'")
            .fetchone()[0]
        )

        def link(expiry: int) -> dict[str, str]:
            key = base64.b64decode(secret.partition("_")[2])
            digest = hmac.new(key, f"rehearsal {file.id} {expiry}".encode(), hashlib.sha256).digest()
            return {"owner": "rehearsal", "expiry": str(expiry), "signature": base64.b64encode(digest).decode()}

        with own.http(token=None) as http:
            path = f"/v1/files/{file.id}/download"
            assert http.get(path, params=link(4_000_000_000)).content == b"content"
            assert http.get(path, params=link(1_000_000_000)).status_code == 404
            assert http.get(path, params={**link(4_000_000_000), "signature": "AAAA"}).status_code == 404


def test_the_archive_must_be_in_the_part_named_content(emulator: Emulator) -> None:
    with emulator.http() as http:
        answer = http.post("/v1/files", files={"file": ("a.zip", b"PK")})
    assert answer.status_code == 422
    assert "content is required" in answer.json()["detail"]


def test_a_file_over_100_mb_is_refused_before_it_is_sent(emulator: Emulator) -> None:
    parts = urlsplit(emulator.url)
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 104857600\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(4096).partition(b"\r\n")[0]


def test_a_created_prediction_reads_like_a_real_one(emulator: Emulator) -> None:
    answer = create(
        emulator, {"version": emulator.version(), "input": {}, "webhook": "https://example.test/hook?job=7"}
    )
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["location"] == f"{emulator.url}/v1/predictions/{body['id']}"
    assert re.fullmatch("[0-9a-z]{26}", body["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", body["created_at"])
    assert (body["status"], body["logs"], body["output"], body["error"]) == ("starting", "", None, None)
    assert (body["model"], body["data_removed"], body["source"]) == (MODEL, False, "api")
    assert body["webhook"] == "https://example.test/hook?job=7"
    assert body["urls"]["get"] == f"{emulator.url}/v1/predictions/{body['id']}"
    for name in ("ratelimit-remaining", "ratelimit-reset", "via", "server", "cf-ray"):
        assert name in answer.headers


def test_a_model_can_be_run_by_its_name_and_by_its_bare_version(emulator: Emulator) -> None:
    client, version = emulator.client(), emulator.version()
    by_name = client.models.predictions.create(model=MODEL, input={})
    by_hash = client.predictions.create(version=version.partition(":")[2], input={})
    assert by_name.version == by_hash.version == version.partition(":")[2]


def test_unknown_inputs_are_echoed_and_secret_ones_are_shown_to_nobody(emulator: Emulator) -> None:
    secrets = {"hf_token": "hf_verysecret", "s3_secret_key": "verysecret", "s3_access_key": "AKIAVERYSECRET"}
    config = json.dumps({"publishing_config": [{"secret_key": "verysecret"}]})
    made = never_started(emulator, **secrets, unheard_of=[1, 2], config_json=config)
    for seen in (made, emulator.client().predictions.get(made.id)):
        assert {seen.input[name] for name in secrets} == {"[REDACTED]"}
        assert seen.input["unheard_of"] == [1, 2]
    journal = json.dumps([one for one in emulator.emu("requests")["requests"] if made.input["mark"] in json.dumps(one)])
    assert journal != "[]"
    assert not [value for value in [*secrets.values(), TOKEN] if value in journal]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"version": "0" * 64}, 422, "Invalid version or not permitted"),
        ({"version": f"simpletuner/other:{'0' * 64}"}, 422, "Invalid version or not permitted"),
        ({"version": None}, 422, "version is required"),
        ({"input": None}, 422, "input is required"),
        ({"input": {"config_json": {"a": 1}}}, 422, "Invalid type. Expected: string, given: object"),
        ({"input": {"max_train_steps": "ten"}}, 422, "Invalid type. Expected: integer"),
        ({"hardware": "gpu-h100"}, 422, "additional_property_not_allowed"),
        ({"webhook": "ftp://example.test"}, 422, "webhook must be a valid URL"),
        ({"webhook": "http://["}, 422, "webhook must be a valid URL"),
        ({"webhook_events_filter": ["finished"]}, 422, "start, output, logs, completed"),
    ],
)
def test_a_bad_creation_is_refused_with_a_reason(
    emulator: Emulator, change: dict[str, Any], status: int, words: str
) -> None:
    body = {"version": emulator.version(), "input": {}, **change}
    answer = create(emulator, {name: value for name, value in body.items() if value is not None})
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text


@pytest.mark.parametrize("header", [{"prefer": "wait=61"}, {"prefer": "wait=0"}, {"prefer": "fast"}])
@pytest.mark.parametrize("deadline", [{}, {"cancel-after": "4s"}, {"cancel-after": "soon"}, {"cancel-after": ""}])
def test_prefer_and_cancel_after_follow_their_grammar(
    emulator: Emulator, header: dict[str, str], deadline: dict[str, str]
) -> None:
    body = {"version": emulator.version(), "input": {}}
    assert create(emulator, body, **header).status_code == 400
    assert not deadline or create(emulator, body, **deadline).status_code == 400


def test_the_body_must_be_json(emulator: Emulator) -> None:
    with emulator.http() as http:
        assert http.post("/v1/predictions", content=b"{").status_code == 400
        assert http.post("/v1/predictions", content=b"[]").status_code == 422


def test_a_webhook_must_be_https_unless_the_emulator_was_told_otherwise(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "emulators.replicate", "--port", "0", "--state", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        strict = Emulator(process.stdout.readline().split()[-1], process)
        answer = create(strict, {"version": strict.version(), "input": {}, "webhook": "http://127.0.0.1:1/"})
        process.terminate()
    assert (answer.status_code, "HTTPS" in answer.text) == (422, True)


@pytest.mark.parametrize("token", [None, "r8_wrong"])
def test_without_the_right_token_there_is_nothing_to_see(emulator: Emulator, token: str | None) -> None:
    with emulator.http(token) as http:
        answer = http.get("/v1/account")
    assert answer.status_code == 401
    assert answer.json() == {
        "title": "Unauthenticated",
        "detail": "You did not pass a valid authentication token",
        "status": 401,
    }


def test_another_accounts_things_do_not_exist(emulator: Emulator) -> None:
    made, file = never_started(emulator), emulator.client().files.create(io.BytesIO(b"x"), filename="x")
    with emulator.http(OTHER_TOKEN) as http:
        answers = [
            http.get(f"/v1/predictions/{made.id}"),
            http.post(f"/v1/predictions/{made.id}/cancel"),
            http.get(f"/v1/files/{file.id}"),
            http.delete(f"/v1/files/{file.id}"),
        ]
        listed = {one["id"] for one in http.get("/v1/predictions").json()["results"]}
    assert [answer.status_code for answer in answers] == [404] * 4
    assert made.id not in listed
    assert emulator.prediction(made.id)["status"] == "starting"


def test_what_is_not_there_is_a_problem_document(emulator: Emulator) -> None:
    with emulator.http() as http:
        for path in ("/v1/predictions/nope", "/v1/nothing", "/v1/models/a/b", "/v1/models/a/b/versions"):
            answer = http.get(path)
            assert answer.json() == {"detail": "The requested resource could not be found.", "status": 404}


def test_both_spellings_of_the_address_are_served(emulator: Emulator) -> None:
    with emulator.http() as http:
        assert http.get("/v1/v1/account").json() == http.get("/v1/account").json()


def test_lists_come_in_pages_of_a_hundred_newest_first_and_can_be_cut_by_time(emulator: Emulator) -> None:
    name, version = mark(), emulator.version()
    emulator.fault("never_boots", contains=name, times=101)
    with emulator.http(OTHER_TOKEN) as http:
        body = {"version": version, "input": {"mark": name}}
        made = [http.post("/v1/predictions", json=body).json() for _ in range(101)]
        newest_first = [one["id"] for one in reversed(made)]
        client = emulator.client(OTHER_TOKEN)
        first = client.predictions.list()
        assert first.next is not None and first.next.startswith(f"{emulator.url}/v1/predictions?cursor=")
        second = client.predictions.list(first.next)
        assert [one.id for one in [*first.results, *second.results]][:101] == newest_first
        assert len(first.results) == 100
        since = {"created_after": made[98]["created_at"].replace("514Z", "Z")}
        assert [one["id"] for one in http.get("/v1/predictions", params=since).json()["results"]] == newest_first[:2]
        until = {"created_before": made[1]["created_at"].replace("514Z", "Z")}
        assert http.get("/v1/predictions", params=until).json()["results"][0]["id"] == made[0]["id"]
        assert http.get("/v1/predictions", params={"created_after": "yesterday"}).status_code == 400
        assert http.get("/v1/predictions", params={"cursor": "bm90aGluZw=="}).status_code == 400


def test_cancel_before_the_start_answers_at_once_and_twice_the_same(emulator: Emulator) -> None:
    made = never_started(emulator)
    made.cancel()
    assert made.status == "canceled"
    assert made.metrics is not None and made.metrics["predict_time"] == 3e-06
    again = emulator.client().predictions.cancel(made.id)
    assert (again.status, again.completed_at) == ("canceled", made.completed_at)


def test_prefer_wait_answers_with_the_end_when_it_comes_in_time(emulator: Emulator) -> None:
    answer = create(emulator, {"version": emulator.version(), "input": {}}, prefer="wait=20")
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.json()["status"] == "failed"
    assert "No training config found" in answer.json()["error"]


def test_a_deadline_aborts_what_has_not_started_and_cancels_what_runs(emulator: Emulator) -> None:
    name = mark()
    body = {"version": emulator.version(), "input": {**STUCK, "images": "data:,", "mark": name}}
    emulator.fault("never_boots", contains=name)
    waiting = create(emulator, body, **{"cancel-after": "5"}).json()
    emulator.fault("hang", contains=name)
    packed = "data:application/zip;base64," + base64.b64encode(archive(1)).decode()
    running = create(emulator, {**body, "input": {**body["input"], "images": packed}}, **{"cancel-after": "5s"}).json()
    assert datetime.fromisoformat(waiting["deadline"]) > datetime.fromisoformat(waiting["created_at"])
    assert emulator.wait(waiting["id"])["status"] == "aborted"
    ended = emulator.wait(running["id"])
    assert (ended["status"], ended["started_at"] is not None) == ("canceled", True)
    lines = {line["id"]: line["usd"] for line in emulator.emu("bill")["lines"]}
    assert float(lines[waiting["id"]]) == 0
    assert float(lines[running["id"]]) == pytest.approx(ended["metrics"]["predict_time"] * 0.000975)


def test_an_hour_passes_at_once_for_deadlines_and_the_cap_on_a_run() -> None:
    with start_emulator() as emulator:
        packed = "data:application/zip;base64," + base64.b64encode(archive(1)).decode()
        body = {"version": emulator.version(), "input": {**STUCK, "images": packed}}
        emulator.fault("never_boots")
        waiting = create(emulator, body, **{"cancel-after": "30m"}).json()
        emulator.fault("hang", times=2)
        bounded = create(emulator, body, **{"cancel-after": "10m"}).json()
        free = create(emulator, body).json()
        for one in (bounded, free):
            emulator.wait(one["id"], "processing")
        with emulator.http() as http:
            assert http.post("/_emu/forward", json={"seconds": -1}).status_code == 400
            assert http.post("/_emu/forward", json={"seconds": 3600}).json()["seconds_ahead"] == 3600
        ended = [emulator.prediction(one["id"]) for one in (waiting, bounded, free)]
        assert [one["status"] for one in ended] == ["aborted", "canceled", "failed"]
        assert 590 < ended[1]["metrics"]["predict_time"] <= 601
        assert ended[2]["metrics"]["predict_time"] == pytest.approx(1800, abs=1)


def test_it_refuses_to_listen_beyond_this_machine() -> None:
    command = [sys.executable, "-m", "emulators.replicate", "--host", "0.0.0.0", "--port", "0"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert refused.returncode == 2
    assert "--expose" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_too_many_requests_in_a_minute_are_throttled(tmp_path: Any) -> None:
    with start_emulator(state=tmp_path) as own, own.http() as http:
        body = {"version": "0" * 64, "input": {}}
        answers = (http.post("/v1/predictions", json=body) for _ in range(3000))
        before, answer = 0, next(answers)
        # The allowance grows again while a slow machine is still using it up.
        while answer.status_code == 422:
            before, answer = before + 1, next(answers)
        assert answer.status_code == 429 and before >= 600
        assert answer.json()["retry_after"] == int(answer.headers["retry-after"]) == 1
        assert http.get("/v1/account").status_code == 200
