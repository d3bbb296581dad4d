"""A model that the trainer did not deliver is sent from our store: to another S3 and to the Hub, over real HTTP."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import time
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from PIL import Image

from chalicelib import settings
from local.composition import compose
from tests import web
from tests.engines import Engine
from tests.hub import ANA, start_hub
from tests.journeys.test_delivery import ALL, WEIGHTS, Places, config, submit
from tests.unit.actions.weights import weights

pytestmark = [pytest.mark.journey, pytest.mark.engine("ministack")]

PART = 8 * 1024 * 1024
FOR_PARTS = (*ALL, "s3:ListMultipartUploadParts")


@pytest.fixture(scope="module")
def places(aws: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with start_hub() as hub:
        world = Places(tmp_path_factory.mktemp("again"), hub=hub, aws=aws.url, bucket=f"again-{secrets.token_hex(4)}")
        world.more = {"HF_TOKEN": ANA, "HF_ENDPOINT": hub.url}
        world.s3().create_bucket(Bucket=world.bucket)
        world.s3().create_bucket(Bucket=f"{world.bucket}-data")
        for number in range(4):  # as many as the trainer takes at a time
            world.s3().put_object(Bucket=f"{world.bucket}-data", Key=f"{number}.png", Body=_picture())
            world.s3().put_object(Bucket=f"{world.bucket}-data", Key=f"{number}.txt", Body=b"a colour")
        try:
            world.start_vendor()
            world.start_server()
            world.data_keys = world.user(*ALL)
            assert world.destination("data", world.data_keys, bucket=f"{world.bucket}-data").status_code == 200
            assert world.destination("theirs", world.user(*FOR_PARTS)).status_code == 200
            yield world
        finally:
            world.stop()


@pytest.fixture(scope="module")
def ended(places: Places) -> str:
    """A job that was to push to the Hub, where nothing arrived."""
    rule = {"match": {"next": 1}, "faults": ["no_hub_push"]}
    web.post(f"{places.vendor}/_emu/faults", json=rule).raise_for_status()
    wanted = config(**{"--push_to_hub": True, "--hub_model_id": "ana/late"})
    job_id = str(submit(places, config=wanted).json()["job"]["job_id"])
    assert places.until(job_id, "completed", "failed")["reason"] == "delivery_incomplete"
    return job_id


def deliver(places: Places, job_id: str, **body: Any) -> httpx.Response:
    return places.post(f"/api/cloud/jobs/{job_id}/deliver", body)


def until_sent(places: Places, job_id: str, name: str, seconds: float = 60) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        arrival = places.arrivals(places.get(f"/api/cloud/jobs/{job_id}")["job"])[name]
        if arrival["state"] != "sending":
            return arrival
        time.sleep(0.1)
    raise AssertionError(arrival)


def home(places: Places) -> Any:
    """Our own endpoint, by a key that its owner has."""
    keys = compose(settings.read(places.environment())).keys.root()
    return boto3.client(
        "s3",
        endpoint_url=f"{places.address}/api/cloud/storage",
        region_name="us-east-1",
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
    )


def make_large(places: Places, job_id: str, parts: int) -> bytes:
    """The job's model is one of this many parts from now on, as a trainer with a large model would have put it."""
    body = weights(os.urandom(PART * (parts - 1) + 5))
    found = places.get(f"/api/cloud/jobs/{job_id}/artifacts")["artifacts"]
    key = next(one["key"] for one in found if one["is_model"]).rpartition("/")[0]
    home(places).upload_fileobj(io.BytesIO(body), "outputs", f"{key}/transformer.safetensors")
    return body


def test_what_never_reached_the_hub_and_a_new_bucket_is_sent_there_and_checked(places: Places, ended: str) -> None:
    asked = deliver(places, ended)
    assert asked.status_code == 202, asked.text
    assert {one["name"]: one["state"] for one in asked.json()["destinations"]} == {
        "store": "verified",
        "hub": "sending",
    }
    there = until_sent(places, ended, "hub")
    assert there["state"] == "verified", there
    [model] = [one for one in places.get(f"/api/cloud/jobs/{ended}/artifacts")["artifacts"] if one["is_model"]]
    assert there["sha256"] == {WEIGHTS: model["sha256"]}
    asked = deliver(places, ended, destinations=["theirs"])
    assert asked.status_code == 202, asked.text
    arrival = until_sent(places, ended, "theirs")
    assert arrival["state"] == "verified" and arrival["sending"]["sent_bytes"] == arrival["bytes"], arrival
    listed = places.s3().list_objects_v2(Bucket=places.bucket, Prefix=f"models/mine/{ended}/")["Contents"]
    ours = {one["key"]: one["size"] for one in places.get(f"/api/cloud/jobs/{ended}/artifacts")["artifacts"]}
    assert {one["Key"].removeprefix("models/mine/"): one["Size"] for one in listed} == ours
    [key] = [one["Key"] for one in listed if one["Key"].endswith(f"/checkpoint-20/{WEIGHTS}")]
    body = places.s3().get_object(Bucket=places.bucket, Key=key)["Body"].read()
    assert hashlib.sha256(body).hexdigest() == model["sha256"] == arrival["sha256"][model["name"]]
    job = places.get(f"/api/cloud/jobs/{ended}")["job"]
    assert (job["status"], job["reason"]) == ("failed", "delivery_incomplete"), "it does not run backwards"
    assert "By now the model is at" in job["error_message"] and "ana/late" in job["error_message"]
    told = [event["message"] for event in places.get(f"/api/cloud/jobs/{ended}/events")["events"]]
    assert sum(message.startswith("The model was sent to ") for message in told) == 2, told
    # The commit was the official client's, and the card followed it.
    assert places.hub is not None
    pushed, card = places.hub.asked("/ana/late/commit/main")
    assert "hf_hub/" in pushed["agent"] and "hf_hub/" not in card["agent"], (pushed, card)
    page = web.get(f"{places.hub.url}/ana/late/resolve/main/README.md", headers={"Authorization": f"Bearer {ANA}"})
    assert "How it was trained" in page.text


@pytest.mark.timeout(240)  # a claim is free again a minute after its holder died
def test_a_server_that_is_killed_while_it_sends_goes_on_and_sends_no_part_twice(places: Places, ended: str) -> None:
    body = make_large(places, ended, 20)
    assert deliver(places, ended, destinations=["theirs"]).status_code == 202
    again = deliver(places, ended, destinations=["theirs"])
    assert (again.status_code, again.json()["error"]) == (409, "already_sending"), again.text
    refused = web.delete(f"{places.address}/api/cloud/jobs/{ended}")
    assert refused.status_code == 409 and "being sent" in refused.json()["detail"]
    end = time.monotonic() + 60
    while len(parts_there(places)) < 4 and time.monotonic() < end:
        time.sleep(0.02)
    places.kill_server()
    before = parts_there(places)
    assert 4 <= len(before) < 20, "it was to be killed in the middle"
    places.start_server()
    after = before
    while len(after) == len(before):
        time.sleep(0.02)
        after = parts_there(places)
    assert before.items() <= after.items(), "what was there has not been sent again"
    arrival = until_sent(places, ended, "theirs", seconds=90)
    assert arrival["state"] == "verified", arrival
    listed = places.s3().list_objects_v2(Bucket=places.bucket, Prefix=f"models/mine/{ended}/")["Contents"]
    [there] = [one for one in listed if one["Key"].endswith("/transformer.safetensors")]
    got = places.s3().get_object(Bucket=places.bucket, Key=there["Key"])["Body"].read()
    assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
    assert not places.s3().list_multipart_uploads(Bucket=places.bucket).get("Uploads"), "nothing is left half"


def parts_there(places: Places) -> dict[int, str]:
    """Numbers of parts of an upload that is under way, and when each arrived."""
    s3 = places.s3()
    for upload in s3.list_multipart_uploads(Bucket=places.bucket).get("Uploads", []):
        listed = s3.list_parts(Bucket=places.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        return {part["PartNumber"]: str(part["LastModified"]) for part in listed.get("Parts", [])}
    return {}


def test_each_way_to_ask_in_vain_says_what_to_do(places: Places, ended: str) -> None:
    for job_id, body, status, code, told in (
        ("j-nobody", {}, 404, "job_not_found", "stcloud list"),
        (ended, {"destinations": ["nowhere"]}, 400, "bad_input", "stcloud destinations add"),
        (ended, {"destinations": ["store"]}, 400, "bad_input", "sent from"),
        (ended, {"destinations": []}, 400, "bad_input", "at least one"),
        (ended, {"destinations": "theirs"}, 422, "malformed_body", ""),
        (ended, {"destinations": ["hub"], "hub_model_id": "acme/x"}, 400, "bad_input", "neither your user name"),
    ):
        answer = deliver(places, job_id, **body)
        assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
        assert told in answer.json()["detail"] and answer.headers["content-type"] == "application/problem+json"
    running = str(submit(places).json()["job"]["job_id"])
    early = deliver(places, running, destinations=["theirs"])
    assert (early.status_code, early.json()["error"]) == (409, "invalid_job_state"), early.text
    places.until(running, "completed", "failed")
    nothing = deliver(places, running)
    assert nothing.status_code == 400 and "everywhere" in nothing.json()["detail"], nothing.text
    empty = str(submit(places, destinations=["theirs"]).json()["job"]["job_id"])
    places.until(empty, "completed", "failed")
    assert places.destination("other", places.user(*FOR_PARTS), path_prefix="other").status_code == 200
    refused = deliver(places, empty, destinations=["other"])
    assert (refused.status_code, refused.json()["error"]) == (409, "nothing_to_send"), refused.text


def test_keys_that_may_not_write_are_named_and_the_job_stays(places: Places, ended: str) -> None:
    keys = places.user(*(action for action in ALL if action != "s3:PutObject"))
    assert places.destination("lame", keys, path_prefix="lame").status_code == 200
    assert deliver(places, ended, destinations=["lame"]).status_code == 202
    arrival = until_sent(places, ended, "lame")
    assert arrival["state"] == "failed" and "s3:PutObject" in arrival["error"], arrival
    assert keys.secret not in str(places.get(f"/api/cloud/jobs/{ended}"))
    assert keys.secret not in (places.folder / "server.log").read_text()


def test_the_command_line_sends_shows_how_far_it_is_and_says_where_it_is(places: Places) -> None:
    job_id = str(submit(places).json()["job"]["job_id"])
    places.until(job_id, "completed", "failed")
    make_large(places, job_id, 3)
    nowhere = places.run("deliver", job_id)
    assert nowhere.returncode == 1 and "everywhere" in nowhere.stderr, nowhere
    assert places.destination("mine", places.user(*FOR_PARTS), path_prefix="cli").status_code == 200
    sent = places.run("deliver", job_id, "--to", "mine", "--to", "hub", "--repo", "ana/by-hand")
    assert sent.returncode == 0, sent
    assert sent.stdout.count("arrived and checked") == 2 and "100% of " in sent.stderr, sent
    shown = places.run("show", job_id)
    assert "ana/by-hand: verified" in shown.stdout and "/cli/" in shown.stdout, shown.stdout
    job = places.get(f"/api/cloud/jobs/{job_id}")["job"]
    assert (job["status"], job["error_message"]) == ("completed", None)
    again = places.run("deliver", job_id, "--to", "mine", "--no-follow", "--json")
    assert again.returncode == 0 and '"sending"' in again.stdout, again
    assert until_sent(places, job_id, "mine")["state"] == "verified", "all was there, and nothing was sent"


def test_a_push_that_came_late_is_found_when_somebody_asks(places: Places) -> None:
    rule = {"match": {"next": 1}, "faults": ["no_hub_push"]}
    web.post(f"{places.vendor}/_emu/faults", json=rule).raise_for_status()
    wanted = config(**{"--push_to_hub": True, "--hub_model_id": "ana/later"})
    job_id = str(submit(places, config=wanted).json()["job"]["job_id"])
    early = web.post(f"{places.address}/api/cloud/jobs/{job_id}/look")
    assert (early.status_code, early.json()["error"]) == (409, "invalid_job_state"), early.text
    places.until(job_id, "completed", "failed")
    vain = places.run("look", job_id)
    assert vain.returncode == 1 and "no weights are in the repository" in vain.stdout, vain
    assert places.hub is not None
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # read when the client is first loaded, here or in another test
    from huggingface_hub import HfApi

    late = HfApi(endpoint=places.hub.url, token=ANA)
    late.upload_file(path_or_fileobj=io.BytesIO(weights(b"later" * 1000)), path_in_repo=WEIGHTS, repo_id="ana/later")
    found = places.run("look", job_id)
    assert found.returncode == 0 and found.stdout.count("arrived and checked") == 2, found
    job = places.get(f"/api/cloud/jobs/{job_id}")["job"]
    assert (job["status"], job["reason"]) == ("failed", "delivery_incomplete")
    assert "By now the model is at" in job["error_message"] and "Still not there" not in job["error_message"]


def _picture() -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (48, 48), (60, 90, 200)).save(body, "PNG")
    return body.getvalue()
