"""The main job on the cloud's own adapters: DynamoDB, S3, STS and Secrets Manager instead of SQLite and the disk."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from safetensors.numpy import load_file

from tests import web
from tests.configs import TRAINABLE
from tests.contract.faulty_proxy import FaultyProxy
from tests.engines import Engine, start
from tests.journeys.bundles import curl, odd_files, publish, read_by_gnu_tar, read_by_python
from tests.journeys.cloud import TOKEN, CloudWorld, as_root

pytestmark = [pytest.mark.journey, pytest.mark.engine("ministack"), pytest.mark.timeout(300)]

REMOTE = {
    "config": {**TRAINABLE, "--max_train_steps": 20},
    "dataloader_config": [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}],
}

MakeWorld = Callable[..., CloudWorld]


@pytest.fixture(scope="module")
def dynamo() -> Iterator[Engine]:
    engine = start("dynoxide")
    yield engine
    engine.stop()


@pytest.fixture
def make_world(tmp_path: Path, aws: Engine, dynamo: Engine) -> Iterator[MakeWorld]:
    made: list[CloudWorld] = []

    def make(dynamo_url: str = dynamo.url, **options: object) -> CloudWorld:
        world = CloudWorld(tmp_path, dynamo_url=dynamo_url, aws_url=aws.url, **options)  # type: ignore[arg-type]
        made.append(world)
        world.deploy()
        world.start_vendor()
        world.start_server()
        return world

    yield make
    for world in made:
        world.stop()


@pytest.mark.parametrize("engine", ["dynoxide", "ministack"])
def test_a_folder_of_images_becomes_a_model_and_the_data_is_gone(
    make_world: MakeWorld, aws: Engine, dynamo: Engine, engine: str, config: Path, images: Path
) -> None:
    world = make_world(aws.url if engine == "ministack" else dynamo.url)
    job_id = _submit(world, config, images)
    job = world.until(job_id, "completed", "failed")
    assert job["status"] == "completed", job
    assert job["cost_is_final"] and job["cost_micros"] > 0
    told = world.run("download", job_id, "--to", str(world.folder / "model"))
    assert told.returncode == 0, told.stderr
    weights = load_file(next((world.folder / "model").rglob("pytorch_lora_weights.safetensors")))
    assert any("lora_A" in name for name in weights)
    world.tick()
    assert "data_deleted" in _kinds(world, job_id)
    # What is left is a list of names and hashes, as a receipt.
    manifest = world.get(f"/api/cloud/jobs/{job_id}/data-receipt")["manifest"]
    assert world.keys("datasets") == [f"manifests/default/{manifest['upload_id']}.ndjson.gz"] and manifest["verified"]
    assert world.keys("outputs") and all(key.startswith(f"{job_id}/") for key in world.keys("outputs"))
    log = world.get(f"/api/cloud/jobs/{job_id}/logs")
    assert log["complete"] and "Steps: 100%" in log["logs"]


def test_without_webhooks_the_schedule_alone_brings_a_job_to_its_end(
    make_world: MakeWorld, config: Path, images: Path
) -> None:
    world = make_world()
    web.post(f"{world.vendor}/_emu/faults", json={"match": {"next": 1}, "faults": ["lose_webhooks"]}).raise_for_status()
    job_id = _submit(world, config, images)
    job = world.until_ticking(job_id, "completed", "failed")
    assert job["status"] == "completed", job
    assert "data_deleted" in _kinds(world, job_id)
    assert world.tick() == {"done": 0, "failed": 0}


def test_a_tick_sends_a_model_on_with_the_rights_that_it_has(
    make_world: MakeWorld, aws: Engine, config: Path, images: Path
) -> None:
    world = make_world(aws.url)
    job_id = _submit(world, config, images)
    assert world.until(job_id, "completed", "failed")["status"] == "completed"
    s3 = as_root(aws.url, "s3")
    s3.create_bucket(Bucket="sent-on")
    iam = as_root(aws.url, "iam")
    iam.create_user(UserName="sent-on")
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::sent-on", "arn:aws:s3:::sent-on/*"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="sent-on", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="sent-on")["AccessKey"]
    body = {"bucket": "sent-on", "endpoint_url": aws.url, "access_key_id": key["AccessKeyId"]}
    body |= {"secret_access_key": key["SecretAccessKey"]}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    address = f"{world.address}/api/cloud"
    web.put(f"{address}/destinations/far", json=body, headers=headers).raise_for_status()
    asked = web.post(f"{address}/jobs/{job_id}/deliver", json={"destinations": ["far"]}, headers=headers, timeout=30)
    assert asked.status_code == 202, asked.text
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert world.tick()["failed"] == 0
        [far] = world.get(f"/api/cloud/jobs/{job_id}")["job"]["metadata"]["destinations"][1:]
        if far["state"] != "sending":
            break
    assert far["state"] == "verified", far
    there = {one["Key"] for one in s3.list_objects_v2(Bucket="sent-on")["Contents"]}
    assert there == set(world.keys("outputs"))


def test_without_the_token_nobody_comes_in_but_health_and_signed_news(make_world: MakeWorld) -> None:
    world = make_world()
    for path in ("/api/cloud/jobs", "/api/cloud/jobs/j-1", "/api/cloud/hardware-options", "/api/cloud/uploads/u-1"):
        for headers in ({}, {b"X-API-Key": b"wrong"}, {b"Authorization": "Bearer é".encode()}):
            answer = web.get(f"{world.address}{path}", headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (401, "unauthenticated"), path
    assert web.get(f"{world.address}/api/cloud/jobs", headers={"Authorization": f"Bearer {TOKEN}"}).is_success
    assert web.get(f"{world.address}/api/cloud/health/ready").json() == {"status": "ready"}
    assert web.post(f"{world.address}/api/webhooks/replicate", json={}).json()["error"] == "bad_signature"
    parts = {part["name"]: part for part in web.get(f"{world.address}/api/cloud/health").json()["components"]}
    assert all(part["status"] == "healthy" for part in parts.values()), parts
    assert "lasts 1 h" in parts["delivery"]["message"]


@pytest.mark.parametrize(
    ("fault", "of_a_write"),
    [("AccessDeniedException", "database_unavailable"), ("drop before", "outcome_unclear")],
)
def test_a_table_that_does_not_answer_is_a_503_that_says_when_to_come_back(
    make_world: MakeWorld, dynamo: Engine, fault: str, of_a_write: str
) -> None:
    proxy = FaultyProxy(dynamo.url)
    try:
        world = make_world(proxy.url)
        for method, code in (("GET", "database_unavailable"), ("POST", of_a_write)):
            # Of a submit only the write fails: had a read before it failed, it would be known that nothing was done.
            struck = {"GET": "", "POST": "TransactWriteItems"}[method]
            proxy.plan = functools.partial(_strike, fault, struck)
            answer = world.call(method, "/api/cloud/jobs", json=REMOTE if method == "POST" else None)
            assert answer.status_code == 503, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert (answer.json()["error"], answer.headers["retry-after"]) == (code, "5")
            assert world.name not in answer.text and "AccessDenied" not in answer.text, "the reason is for the log"
        proxy.plan = functools.partial(_strike, fault, "")
        assert world.call("GET", "/api/cloud/health/ready").status_code == 503
        assert world.call("GET", "/api/cloud/health").json()["status"] == "unhealthy"
        assert world.predictions() == []
        proxy.plan = lambda operation: None
        assert world.call("POST", "/api/cloud/jobs", json=REMOTE).status_code == 201
    finally:
        proxy.stop()
    assert "database_unavailable" in (world.folder / "server.log").read_text()


def _submit(world: CloudWorld, config: Path, images: Path) -> str:
    told = world.run("submit", str(config), "--data", str(images), "--yes", "--json", "--no-follow")
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    return str(answer.get("job_id") or answer["job"]["job_id"])


def _kinds(world: CloudWorld, job_id: str) -> list[str]:
    return [event["kind"] for event in world.get(f"/api/cloud/jobs/{job_id}/events")["events"]]


def test_the_output_store_can_be_looked_into_with_an_api_key(make_world: MakeWorld, config: Path, images: Path) -> None:
    world = make_world()
    job_id = _submit(world, config, images)
    assert world.until(job_id, "completed", "failed")["status"] == "completed"
    store = "/api/cloud/storage/outputs"

    def keys(**query: str) -> tuple[list[str], list[str], str | None]:
        answer = world.call("GET", store, params={"list-type": "2", **query})
        assert answer.status_code == 200, answer.text
        root = _parsed(answer.content)
        name = "{http://s3.amazonaws.com/doc/2006-03-01/}"
        files = [str(found.text) for found in root.findall(f"{name}Contents/{name}Key")]
        folders = [str(found.text) for found in root.findall(f"{name}CommonPrefixes/{name}Prefix")]
        return files, folders, root.findtext(f"{name}NextContinuationToken")

    every, _, more = keys(prefix=f"{job_id}/")
    assert more is None and every == sorted(world.keys("outputs"))
    paged: list[str] = []
    token: str | None = ""
    while token is not None:
        files, _, token = keys(prefix=f"{job_id}/", **{"max-keys": "3", "continuation-token": token})
        assert len(files) <= 3
        paged += files
    assert paged == every
    in_json = {"headers": {"Accept": "application/json"}, "params": {"prefix": f"{job_id}/"}}
    listed = world.call("GET", store, **in_json).json()
    assert [one["Key"] for one in listed["Contents"]] == every and listed["IsTruncated"] is False
    (told,) = world.call("GET", "/api/cloud/storage", **in_json).json()["Buckets"]
    assert (told["FileCount"], told["Size"]) == (len(every), sum(one["Size"] for one in listed["Contents"]))
    output = "/".join(every[0].split("/")[:2])
    files, folders, _ = keys(prefix=f"{output}/", delimiter="/")
    assert f"{output}/checkpoint-30/" in folders and all("checkpoint-30/" not in file for file in files)

    model = next(key for key in every if key == f"{output}/checkpoint-60/pytorch_lora_weights.safetensors")
    moved = world.call("GET", f"/api/cloud/storage/outputs/{model}")
    assert moved.status_code == 307
    assert (
        web.get(moved.headers["location"]).content
        == world.s3.get_object(Bucket=f"{world.name}-outputs", Key=model)["Body"].read()
    )
    looked = world.call("HEAD", f"/api/cloud/storage/outputs/{model}")
    assert looked.status_code == 200 and looked.headers["etag"] and int(looked.headers["x-object-size"]) > 0

    note = f"/api/cloud/storage/outputs/{job_id}/notes/read me é.txt"
    assert world.call("PUT", note, content=b"mine").status_code == 200
    assert web.get(world.call("GET", note).headers["location"]).content == b"mine"
    for method, path, status, code in [
        ("GET", f"{note}.not", 404, "NoSuchKey"),
        ("DELETE", note, 501, "NotImplemented"),
        ("GET", store, 400, "InvalidArgument"),
        ("GET", "/api/cloud/storage/datasets/x/y", 403, "AccessDenied"),
        ("GET", "/api/cloud/storage/outputs/j-of-others/y", 404, "NoSuchKey"),
        ("POST", f"{note}?uploads", 501, "NotImplemented"),
        ("PUT", f"{note}?partNumber=1&uploadId=u", 501, "NotImplemented"),
    ]:
        refused = world.call(method, path)
        assert (refused.status_code, refused.headers["content-type"]) == (status, "application/xml"), (method, path)
        assert _parsed(refused.content).findtext("Code") == code
    large = world.call("PUT", note, content=b"x" * (4 * 1024 * 1024 + 1))
    assert (large.status_code, _parsed(large.content).findtext("Code")) == (413, "EntityTooLarge")
    assert web.get(world.address + store).status_code == 403


def _parsed(answer: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(answer)  # noqa: S314 - our own answer


def _strike(fault: str, struck: str, operation: str) -> str | None:
    return fault if struck in ("", operation) else None


def test_a_users_keys_live_in_secrets_manager_and_leave_with_the_destination(
    make_world: MakeWorld, config: Path, images: Path
) -> None:
    world = make_world()
    bucket = f"{world.name}-theirs"
    world.s3.create_bucket(Bucket=bucket)
    reach = ["s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    arn = f"arn:aws:s3:::{bucket}"
    allowed = {"Effect": "Allow", "Action": reach, "Resource": [arn, f"{arn}/*"]}
    keys = world._user("owner", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    body = {"bucket": bucket, "endpoint_url": world.aws_url}
    body |= {"access_key_id": keys["AWS_ACCESS_KEY_ID"], "secret_access_key": keys["AWS_SECRET_ACCESS_KEY"]}
    assert world.call("PUT", "/api/cloud/destinations/theirs", json=body).status_code == 200
    held = as_root(world.aws_url, "secretsmanager")
    name = f"{world.name}/destinations/default/theirs"
    assert keys["AWS_SECRET_ACCESS_KEY"] in held.get_secret_value(SecretId=name)["SecretString"]
    tested = world.call("POST", "/api/cloud/destinations/theirs/test").json()
    assert tested["success"], tested
    sent = ["--data", str(images), "--yes", "--json", "--no-follow", "--to", "store", "--to", "theirs"]
    told = world.run("submit", str(config), *sent)
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    job = world.until_ticking(str(answer.get("job_id") or answer["job"]["job_id"]), "completed", "failed")
    assert job["status"] == "completed", job
    assert {one["name"]: one["state"] for one in job["metadata"]["destinations"]} == {
        "store": "verified",
        "theirs": "verified",
    }
    assert world.call("DELETE", "/api/cloud/destinations/theirs").status_code == 200
    with pytest.raises(held.exceptions.ResourceNotFoundException):
        held.get_secret_value(SecretId=name)
    assert keys["AWS_SECRET_ACCESS_KEY"] not in (world.folder / "server.log").read_text()


def test_all_files_of_a_job_come_in_one_archive(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world()
    job_id = world.call("POST", "/api/cloud/jobs", json=REMOTE).json()["job"]["job_id"]
    url, key = f"{world.address}/api/cloud/jobs/{job_id}/artifacts.tar", f"X-API-Key: {TOKEN}"
    assert world.call("GET", f"/api/cloud/jobs/{job_id}/artifacts.tar").json()["error"] == "not_found"
    files = odd_files()
    publish(world.s3, f"{world.name}-outputs", job_id, files)
    assert curl(url, tmp_path / "all.tar", "-H", key).startswith("200"), (tmp_path / "all.tar").read_bytes()[:500]
    assert read_by_python(tmp_path / "all.tar", job_id) == files
    assert read_by_gnu_tar(tmp_path / "all.tar", job_id, tmp_path / "out") == files
    made = [name for name in world.keys("outputs") if name.startswith("bundles/")]
    assert len(made) == 1
    assert curl(url, tmp_path / "again.tar", "-H", key).startswith("200")
    assert [name for name in world.keys("outputs") if name.startswith("bundles/")] == made
    told = world.call("GET", f"/api/cloud/jobs/{job_id}/artifacts.tar", headers={"Accept": "application/json"}).json()
    assert told["done_bytes"] == told["total_bytes"] == (tmp_path / "all.tar").stat().st_size
    assert {one["path"] for one in told["files"]} == {f"{job_id}/{name}" for name in files}
