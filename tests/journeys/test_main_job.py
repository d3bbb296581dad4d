"""The main job as a user runs it: from a folder of images to a model file, and through crashes and bad webhooks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import httpx
import pytest
from safetensors.numpy import load_file
from standardwebhooks import Webhook

from tests import web
from tests.configs import TRAINABLE, trainable_text
from tests.journeys.conftest import SECRET, World, started

pytestmark = pytest.mark.journey

REMOTE = {
    "config": {**TRAINABLE, "--max_train_steps": 20},
    "dataloader_config": [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}],
}
TOLD = ("/config", "/events", "/logs")


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests that start nothing."""
    with started(World(tmp_path_factory.mktemp("refusing"))) as world:
        yield world


def _submit(world: World, config: Path, images: Path, *more: str) -> str:
    told = world.run("submit", str(config), "--data", str(images), "--yes", "--json", "--no-follow", *more)
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    return str(answer.get("job_id") or answer["job"]["job_id"])


def test_a_folder_of_images_becomes_a_model_and_the_data_is_gone(world: World, config: Path, images: Path) -> None:
    job_id = _submit(world, config, images)
    job = world.until(job_id, "completed", "failed")
    assert job["status"] == "completed", job
    assert job["cost_is_final"] and job["cost_micros"] > 0
    invoice = Decimal(web.get(f"{world.vendor}/_emu/bill").json()["total_usd"]) * 1_000_000
    assert job["cost_micros"] == invoice.quantize(Decimal(1), ROUND_HALF_UP)
    target = world.folder / "model"
    fetched = world.run("download", job_id, "--to", str(target))
    assert fetched.returncode == 0, fetched.stderr
    weights = load_file(next(target.rglob("pytorch_lora_weights.safetensors")))
    assert any("lora_A" in name for name in weights)
    deadline = time.monotonic() + 10
    while "data_deleted" not in (kinds := _kinds(world, job_id)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert kinds[0] == "submitted" and {"run_recorded", "settled", "artifacts_collected", "data_deleted"} <= set(kinds)
    assert not list((world.folder / "outputs" / "datasets").rglob("*.zip"))
    log = world.get(f"/api/cloud/jobs/{job_id}/logs")
    assert log["complete"] and "Steps: 100%" in log["logs"]
    assert world.get(f"/api/cloud/jobs/{job_id}/logs?offset={log['next_offset']}")["logs"] == ""
    assert len(world.get(f"/api/cloud/jobs/{job_id}/metrics")["points"]) > 5


def test_a_trainer_that_publishes_after_validations_only_still_delivers_its_last_weights(
    world: World, config: Path, images: Path
) -> None:
    config.write_text(trainable_text(max_train_steps=50, checkpoint_step_interval=20))
    job_id = _submit(world, config, images)
    job = world.until(job_id, "completed", "failed")
    assert job["status"] == "completed", job
    assert any("--checkpoint_step_interval" in warning for warning in job["metadata"]["warnings"])
    models = [file for file in world.get(f"/api/cloud/jobs/{job_id}/artifacts")["artifacts"] if file["is_model"]]
    assert [file["name"] for file in models] == ["checkpoint-50/pytorch_lora_weights.safetensors"]


def test_the_vendor_gets_an_address_of_ours_that_leads_to_the_data_until_it_is_deleted(
    world: World, config: Path, images: Path
) -> None:
    config.write_text(config.read_text().replace("60", "400"))
    job_id = _submit(world, config, images)
    run = world.get(f"/api/cloud/jobs/{job_id}")["job"]["metadata"]["prediction_id"]
    told = web.get(f"{world.vendor}/v1/predictions/{run}", headers={"Authorization": f"Bearer {world.token}"}).json()
    assert "images" not in told["input"]
    entry = next(one for one in json.loads(told["input"]["dataloader_json"]) if one["type"] == "huggingface")
    address = entry["data_files"]
    # The trainer tells by the end of an address that it is a zip.
    assert address.startswith(f"{world.address}/api/cloud/data/") and address.endswith(".zip")
    assert web.get(address).status_code == 302
    assert web.get(address, follow_redirects=True).content[:4] == b"PK\x03\x04"
    token = address.split("/")[-2]
    for forged in (token[:-1] + ("A" if token[-1] != "A" else "B"), token.replace("default", "others"), "x"):
        refused = web.get(address.replace(token, forged))
        assert (refused.status_code, refused.json()["error"]) == (401, "bad_link")
    assert world.run("cancel", job_id).returncode == 0
    world.until(job_id, "cancelled")
    deadline = time.monotonic() + 20
    while web.get(address).status_code == 302 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert web.get(address).status_code == 404


def test_asked_again_after_its_upload_was_taken_a_key_still_gives_its_job(
    world: World, config: Path, images: Path
) -> None:
    first = _submit(world, config, images, "--idempotency-key", "again")
    assert _submit(world, config, images, "--idempotency-key", "again") == first
    assert len(world.predictions()) == 1


def test_a_job_survives_kill_9_of_the_server(world: World, config: Path, images: Path) -> None:
    config.write_text(config.read_text().replace("60", "700").replace("30", "350"))
    job_id = _submit(world, config, images)
    # In the middle of training: the box has its data, which it can fetch from nowhere while we are dead.
    deadline = time.monotonic() + 60
    while "Steps:" not in world.get(f"/api/cloud/jobs/{job_id}/logs")["logs"] and time.monotonic() < deadline:
        time.sleep(0.1)
    world.kill_server()
    world.start_server()
    job = world.until(job_id, "completed", "failed")
    # What the trainer could not publish while we were dead it publishes with its last round.
    assert job["status"] == "completed", job
    assert len(world.predictions()) == 1


def test_two_submits_with_one_key_are_one_job_and_one_run(world: World) -> None:
    def send(_: int) -> httpx.Response:
        headers = {"Idempotency-Key": "once"}
        return web.post(f"{world.address}/api/cloud/jobs", json=REMOTE, headers=headers, timeout=60)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["job"]["job_id"] for answer in answers}) == 1
    assert len(world.predictions()) == 1


def test_a_key_whose_job_was_deleted_launches_nothing_and_says_so(world: World) -> None:
    headers = {"Idempotency-Key": "spent"}
    jobs = f"{world.address}/api/cloud/jobs"
    job_id = web.post(jobs, json=REMOTE, headers=headers, timeout=60).json()["job"]["job_id"]
    web.post(f"{jobs}/{job_id}/cancel", timeout=60)
    world.until(job_id, "cancelled", "failed", "completed")
    deadline = time.monotonic() + 20
    while web.delete(f"{jobs}/{job_id}").status_code == 409 and time.monotonic() < deadline:
        time.sleep(0.2)
    again = web.post(jobs, json=REMOTE, headers=headers, timeout=60)
    assert (again.status_code, again.json()["error"]) == (409, "idempotency_key_reused")
    assert "deleted" in again.json()["detail"] and len(world.predictions()) == 1


def test_cancel_stops_the_run_and_is_refused_once_it_is_over(world: World, config: Path, images: Path) -> None:
    job_id = _submit(world, config, images)
    world.until(job_id, "running")
    assert world.run("cancel", job_id).returncode == 0
    job = world.until(job_id, "cancelled")
    assert job["reason"] == "cancelled_by_user"
    assert world.predictions()[0]["status"] == "canceled"
    again = web.post(f"{world.address}/api/cloud/jobs/{job_id}/cancel")
    assert again.status_code == 409 and again.json()["error"] == "invalid_job_state"


def test_webhooks_count_only_when_signed_fresh_and_new(world: World, config: Path, images: Path) -> None:
    job_id = _submit(world, config, images)
    job = world.until(job_id, "completed")
    body = json.dumps({**world.predictions()[0], "status": "processing"})
    url = f"{world.address}/api/webhooks/replicate"

    def headers(at: float, secret: str = SECRET, name: str = "msg_1") -> dict[str, str]:
        from datetime import UTC, datetime

        signature = Webhook(secret).sign(name, datetime.fromtimestamp(at, UTC), body)
        return {"webhook-id": name, "webhook-timestamp": str(int(at)), "webhook-signature": signature}

    now = time.time()
    assert web.post(url, content=body).status_code == 401
    assert web.post(url, content=body, headers=headers(now, "whsec_" + "QUJD" * 8)).status_code == 401
    assert web.post(url, content=body, headers=headers(now - 3600)).status_code == 401
    assert web.post(url, content=body, headers=headers(now)).json()["status"] == "received"
    assert web.post(url, content=body, headers=headers(now)).json()["status"] == "duplicate"
    body = json.dumps({**world.predictions()[0], "status": "teleported"})
    assert web.post(url, content=body, headers=headers(now, name="msg_2")).json()["status"] == "ignored"
    assert world.get(f"/api/cloud/jobs/{job_id}")["job"] == job


def test_a_key_of_a_dataset_goes_to_the_trainer_and_any_other_secret_nowhere(world: World) -> None:
    left_out, of_the_dataset = "hf_" + "p" * 34, "hf_" + "q" * 34
    order = {**REMOTE, "lycoris_config": {"algo": "lokr", "token": left_out}}
    order["dataloader_config"] = [{**REMOTE["dataloader_config"][0], "hf_token": of_the_dataset}]  # type: ignore[index]
    answer = web.post(f"{world.address}/api/cloud/jobs", json=order, timeout=60)
    assert answer.status_code == 201, answer.text
    assert "lycoris_config.token" in answer.text and "dataloader_config[0]" not in answer.text
    job = answer.json()["job"]
    run = job["metadata"]["prediction_id"]
    told = web.get(f"{world.vendor}/v1/predictions/{run}", headers={"Authorization": f"Bearer {world.token}"})
    [entry, _] = json.loads(told.json()["input"]["dataloader_json"])
    assert entry["hf_token"] == of_the_dataset and left_out not in told.text
    world.until(job["job_id"], "failed", "completed")
    shown = [answer.text, world.run("show", job["job_id"]).stdout, (world.folder / "server.log").read_text()]
    shown += [json.dumps(world.get(f"/api/cloud/jobs/{job['job_id']}{path}")) for path in ("", *TOLD)]
    rows = b"".join(file.read_bytes() for file in (world.folder / "state").glob("cloud.db*"))
    for secret in (left_out, of_the_dataset):
        assert not [one for one in shown if secret in one] and secret.encode() not in rows
    deadline = time.monotonic() + 20
    while list((vault := world.folder / "state" / "vault").rglob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not list(vault.rglob("*.json")), "the key has outlived its job"


def test_consent_denied_means_that_no_upload_can_happen(world: World, config: Path, images: Path) -> None:
    setting = f"{world.address}/api/cloud/data-consent/setting"
    assert web.put(setting, json={"consent": "deny"}).json() == {"success": True, "consent": "deny"}
    told = world.run("submit", str(config), "--data", str(images), "--yes", "--no-follow")
    assert told.returncode != 0
    wanted = {"manifest": {"root": "a" * 64, "file_count": 1}, "archive_bytes": 10, "consent": {"root": "a" * 64}}
    refused = web.post(f"{world.address}/api/cloud/uploads", json=wanted)
    assert (refused.status_code, refused.json()["error"]) == (403, "consent_denied")
    assert world.predictions() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b"[]", 422),
        (b"{}", 400),
        (b'{"config": {}}', 400),
        (b'{"config": {"a": 1}}', 400),
        (b'{"config": {"max_train_steps": -3}, "dataloader_config": [{"type": "huggingface"}]}', 400),
        (b'{"config": %s, "upload_id": "u-none"}' % trainable_text(max_train_steps=4).encode(), 404),
        (b'{"config": {"a": 1}, "hardware_profile": "abacus"}', 400),
    ],
)
def test_bad_input_gets_a_clear_error_and_starts_nothing(refusing: World, body: bytes, status: int) -> None:
    url = f"{refusing.address}/api/cloud/jobs"
    answer = web.post(url, content=body, headers={"Content-Type": "application/json"}, timeout=30)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert refusing.get("/api/cloud/jobs")["total"] == 0


def test_a_method_or_a_content_type_that_is_not_taken_is_refused_in_the_same_shape(refusing: World) -> None:
    url = f"{refusing.address}/api/cloud/jobs"
    for answer, status in (
        (web.patch(url), 405),
        (web.post(url, content=b"{}", headers={"Content-Type": "text/plain"}), 415),
        (web.get(url, params={"job_type": "other"}), 400),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.json()["detail"]
    assert web.get(url, params={"job_type": "local"}).json()["jobs"] == []


def test_other_hosts_and_other_sites_are_refused(refusing: World) -> None:
    world, url = refusing, f"{refusing.address}/api/cloud/jobs"
    for host in ("evil.example", "[", "127.0.0.1.evil.example", ""):
        answer = web.get(url, headers={"Host": host})
        assert answer.status_code in (400, 421), host
    assert web.get(url, headers={"Host": "evil.example"}).json()["error"] == "wrong_host"
    for origin in ("http://[", "null", "https://evil.example", f"{world.address}.evil.example"):
        assert web.post(url, json=REMOTE, headers={"Origin": origin}).status_code == 403, origin
    assert web.get(f"{world.address}/%00").status_code == 404
    assert web.post(url, json=REMOTE, headers={"Origin": "https://evil.example"}).status_code == 403


def test_through_a_tunnel_without_a_token_only_vendors_are_served(tmp_path: Path) -> None:
    world = World(tmp_path, more={"STCLOUD_PUBLIC_URL": "https://tunnel.example"})
    outside = {"Host": "tunnel.example"}
    try:
        world.start_server()
        for path, status in {
            "/": 403,
            "/api/cloud/jobs": 403,
            "/api/auth/api-keys": 403,
            "/api/cloud/data/x/dataset.zip": 401,
            "/api/cloud/health": 200,
            "/api/cloud/storage/outputs/x": 403,
        }.items():
            assert web.get(world.address + path, headers=outside).status_code == status, path
        assert web.post(f"{world.address}/api/webhooks/replicate", headers=outside, json={}).status_code == 401
    finally:
        world.stop()


def _kinds(world: World, job_id: str) -> list[str]:
    return [event["kind"] for event in world.get(f"/api/cloud/jobs/{job_id}/events")["events"]]
