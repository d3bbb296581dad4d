"""A model goes to several places at once: home, a bucket of the user's at another cloud, and the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from PIL import Image

from tests import web
from tests.configs import TRAINABLE
from tests.engines import Engine
from tests.hub import ANA, HubProcess, start_hub
from tests.journeys.cloud import as_root
from tests.journeys.conftest import World

pytestmark = [pytest.mark.journey, pytest.mark.engine("ministack")]

WEIGHTS = "pytorch_lora_weights.safetensors"
REMOTE = [{"id": "far", "type": "aws", "stored_bucket": "data", "caption_strategy": "textfile"}]


@dataclass
class Keys:
    access: str
    secret: str


@dataclass
class Places(World):
    hub: HubProcess | None = None
    aws: str = ""
    bucket: str = ""
    data_keys: Keys = field(default_factory=lambda: Keys("", ""))

    def user(self, *actions: str) -> Keys:
        """An IAM user that may do these to the bucket and nothing else."""
        iam, name = as_root(self.aws, "iam"), f"user-{secrets.token_hex(4)}"
        iam.create_user(UserName=name)
        resources = [
            f"arn:aws:s3:::{self.bucket}",
            f"arn:aws:s3:::{self.bucket}*/*",
            f"arn:aws:s3:::{self.bucket}-data",
        ]
        allowed = {"Effect": "Allow", "Action": actions, "Resource": resources}
        document = {"Version": "2012-10-17", "Statement": [allowed]}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(key["AccessKeyId"], key["SecretAccessKey"])

    def s3(self) -> Any:
        return as_root(self.aws, "s3")

    def put(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return web.put(f"{self.address}{path}", json=body, timeout=60)

    def post(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return web.post(f"{self.address}{path}", json=body or {}, timeout=60)

    def __post_init__(self) -> None:
        self.vendor_words += ("--speed", "8", *(("--hub", self.hub.url) if self.hub else ()))

    def destination(self, name: str, keys: Keys, **more: Any) -> httpx.Response:
        body = {"bucket": self.bucket, "region": "us-east-1", "endpoint_url": self.aws, "path_prefix": "models/mine"}
        body |= {"access_key_id": keys.access, "secret_access_key": keys.secret}
        return self.put(f"/api/cloud/destinations/{name}", body | more)

    def arrivals(self, job: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in job["metadata"]["destinations"]}


ALL = ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:DeleteObject", "s3:AbortMultipartUpload")


@pytest.fixture(scope="module")
def places(aws: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    with start_hub() as hub:
        world = Places(tmp_path_factory.mktemp("places"), hub=hub, aws=aws.url, bucket=f"theirs-{secrets.token_hex(4)}")
        world.more = {"HF_TOKEN": ANA, "HF_ENDPOINT": hub.url}
        world.s3().create_bucket(Bucket=world.bucket)
        world.s3().create_bucket(Bucket=f"{world.bucket}-data")
        for number in range(4):
            picture = io.BytesIO()
            Image.new("RGB", (48, 48), (60 * number, 90, 200)).save(picture, "PNG")
            for name, body in ((f"{number}.png", picture.getvalue()), (f"{number}.txt", b"a colour")):
                world.s3().put_object(Bucket=f"{world.bucket}-data", Key=name, Body=body)
        try:
            world.start_vendor()
            world.start_server()
            world.data_keys = world.user(*ALL)
            assert world.destination("data", world.data_keys, bucket=f"{world.bucket}-data").status_code == 200
            yield world
        finally:
            world.stop()


def config(**more: Any) -> dict[str, Any]:
    return {**TRAINABLE, "--max_train_steps": 20, "--seed": 1, **more}


def submit(world: Places, **body: Any) -> httpx.Response:
    return world.post("/api/cloud/jobs", {"config": config(), "dataloader_config": REMOTE, **body})


def test_a_model_arrives_at_home_in_a_bucket_and_at_the_hub_and_each_is_checked(places: Places) -> None:
    keys = places.user(*ALL)
    kept = places.destination("theirs", keys)
    assert kept.status_code == 200 and keys.secret not in kept.text and keys.access not in kept.text
    tested = places.post("/api/cloud/destinations/theirs/test").json()
    assert tested["success"] and [step["name"] for step in tested["steps"]] == ["write", "list", "read", "delete"]
    wanted = config(**{"--push_to_hub": True, "--hub_model_id": "cats"})
    answer = submit(places, config=wanted, destinations=["store", "theirs"])
    assert answer.status_code == 201, answer.text
    made = answer.json()["job"]
    assert {one["state"] for one in made["metadata"]["destinations"]} == {"promised"}
    job_id = made["job_id"]
    job = places.until(job_id, "completed", "failed")
    assert job["status"] == "completed", (job["error_message"], places.get(f"/api/cloud/jobs/{job_id}/logs")["logs"])
    arrivals = places.arrivals(job)
    assert {name: one["state"] for name, one in arrivals.items()} == dict.fromkeys(
        ("store", "theirs", "hub"), "verified"
    )
    # The bucket has the very bytes that came home, below its prefix and the job's id.
    [theirs] = [
        item["Key"]
        for item in places.s3().list_objects_v2(Bucket=places.bucket, Prefix=f"models/mine/{job_id}/")["Contents"]
        if item["Key"].endswith(f"/checkpoint-20/{WEIGHTS}")
    ]
    body = places.s3().get_object(Bucket=places.bucket, Key=theirs)["Body"].read()
    digest = hashlib.sha256(body).hexdigest()
    [home] = [one for one in places.get(f"/api/cloud/jobs/{job_id}/artifacts")["artifacts"] if one["is_model"]]
    assert home["sha256"] == digest and arrivals["hub"]["sha256"] == {WEIGHTS: digest}
    # The repository is private, and its card says how the model was made.
    assert places.hub is not None
    asked = {"Authorization": f"Bearer {ANA}"}
    assert web.get(f"{places.hub.url}/api/models/ana/cats", headers=asked).json()["private"] is True
    deadline = time.monotonic() + 20
    while "How it was trained" not in (card := _card(places.hub, "ana/cats")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "How it was trained" in card and "assets/image_0_0.png" in card and "Trained." in card
    # The keys are in a file that only its owner reads, and nowhere else.
    [vault] = (places.folder / "state" / "vault").rglob("theirs.json")
    assert stat.S_IMODE(vault.stat().st_mode) == 0o600
    for path in ("/api/cloud/destinations", f"/api/cloud/jobs/{job_id}", f"/api/cloud/jobs/{job_id}/logs"):
        assert keys.secret not in json.dumps(places.get(path)), path
    for file in (places.folder / "state").glob("cloud.db*"):
        assert keys.secret.encode() not in file.read_bytes(), file
    assert keys.secret not in (places.folder / "server.log").read_text()
    shown = places.run("show", job_id)
    assert "ana/cats" in shown.stdout and "verified" in shown.stdout, shown.stdout


def test_what_does_not_arrive_is_said_and_what_arrived_is_kept(places: Places) -> None:
    """The trainer says that it pushed, and pushed nothing."""
    rule = {"match": {"next": 1}, "faults": ["no_hub_push"]}
    web.post(f"{places.vendor}/_emu/faults", json=rule).raise_for_status()
    wanted = config(**{"--push_to_hub": True, "--hub_model_id": "ana/never"})
    job_id = submit(places, config=wanted).json()["job"]["job_id"]
    job = places.until(job_id, "completed", "failed")
    assert (job["status"], job["reason"]) == ("failed", "delivery_incomplete"), job
    assert {name: one["state"] for name, one in places.arrivals(job).items()} == {"store": "verified", "hub": "missing"}
    assert "ana/never" in job["error_message"] and "no weights" in job["error_message"]
    assert "this system's storage" in job["error_message"]
    assert any(one["is_model"] for one in places.get(f"/api/cloud/jobs/{job_id}/artifacts")["artifacts"])


def test_a_push_that_cannot_work_is_refused_before_anything_is_paid(places: Places) -> None:
    before = len(places.predictions())
    for target, told in (("acme/lora", "neither your user name"), ("", "hub_model_id")):
        answer = submit(places, config=config(**{"--push_to_hub": True, "--hub_model_id": target}))
        assert answer.status_code == 400 and told in answer.json()["detail"], answer.text
    unknown = submit(places, destinations=["nowhere"])
    assert unknown.status_code == 400 and "stcloud destinations add" in unknown.json()["detail"]
    assert len(places.predictions()) == before


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"access_key_id": "AKIAUNKNOWN1234567890"}, "wrong_key"),
        ({"bucket": "not-there-at-all"}, "no_bucket"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "refused"),
        ({"endpoint_url": "http://no-such-host.invalid"}, "dns"),
        ({"endpoint_url": "https://127.0.0.1:{port}"}, "tls"),
    ],
)
def test_each_way_to_be_wrong_is_named(places: Places, change: dict[str, str], cause: str) -> None:
    keys = places.user(*ALL)
    body = {"bucket": places.bucket, "endpoint_url": places.aws, "region": "us-east-1"}
    body |= {"access_key_id": keys.access, "secret_access_key": keys.secret}
    body |= {name: value.replace("{port}", places.aws.rpartition(":")[2]) for name, value in change.items()}
    answer = places.post("/api/cloud/providers/replicate/test-s3", body)
    told = answer.json()
    assert answer.status_code == 200 and not told["success"], told
    assert told["cause"] == cause or (change.get("bucket") and told["cause"] == "denied"), told
    assert told["detail"] == told["error"] and keys.secret not in answer.text


@pytest.mark.parametrize("missing", ["s3:PutObject", "s3:ListBucket", "s3:GetObject", "s3:DeleteObject"])
def test_a_right_that_is_missing_is_named(places: Places, missing: str) -> None:
    keys = places.user(*(action for action in ALL if action != missing))
    assert places.destination("lame", keys).status_code == 200
    told = places.post("/api/cloud/destinations/lame/test").json()
    assert not told["success"] and told["cause"] == "denied" and missing in told["detail"], told
    refused = submit(places, destinations=["lame"])
    assert refused.status_code == 400 and "failed its last test" in refused.json()["detail"]


def test_simpletuners_own_dialog_tests_and_keeps_its_bucket(places: Places) -> None:
    keys = places.user(*ALL)
    body = {"bucket": places.bucket, "region": "us-east-1", "endpoint_url": places.aws, "use_path_style": True}
    body |= {"access_key_id": keys.access, "secret_access_key": keys.secret, "public_read": False}
    assert places.post("/api/cloud/providers/replicate/test-s3", body).json()["success"]
    kept = places.put("/api/cloud/providers/replicate/config", {"s3_delivery": {**body, "path_prefix": "st"}})
    assert kept.status_code == 200 and keys.secret not in kept.text, kept.text
    shown = places.get("/api/cloud/providers/replicate/config")["config"]["s3_delivery"]
    assert (shown["bucket"], shown["path_prefix"], shown["has_credentials"]) == (places.bucket, "st", True)
    again = {name: value for name, value in body.items() if "key" not in name}
    assert places.post("/api/cloud/providers/replicate/test-s3", again).json()["success"], "with the keys that are kept"
    assert places.post("/api/cloud/providers/nobody/test-s3", body).status_code == 404


def test_keys_come_and_go_by_the_command_line_without_being_shown(places: Places) -> None:
    keys = places.user(*ALL)
    places.more |= {"STCLOUD_S3_ACCESS_KEY_ID": keys.access, "STCLOUD_S3_SECRET_ACCESS_KEY": keys.secret}
    try:
        where = ["--bucket", places.bucket, "--endpoint", places.aws, "--prefix", "cli"]
        added = places.run("destinations", "add", "mine", *where, "--test")
        assert added.returncode == 0 and keys.secret not in added.stdout + added.stderr, added.stderr
    finally:
        del places.more["STCLOUD_S3_ACCESS_KEY_ID"], places.more["STCLOUD_S3_SECRET_ACCESS_KEY"]
    listed = places.run("destinations", "list")
    assert "mine" in listed.stdout and "works" in listed.stdout and keys.access[-4:] in listed.stdout
    assert places.run("destinations", "default", "store", "mine").returncode == 0
    assert places.get("/api/cloud/destinations")["default"] == ["store", "mine"]
    vault = places.folder / "state" / "vault" / "default" / "mine.json"
    assert keys.secret in vault.read_text()
    assert places.run("destinations", "remove", "mine").returncode == 0
    assert not vault.exists() and places.get("/api/cloud/destinations")["default"] == ["store"]
    assert places.run("destinations", "test", "mine").returncode == 1


def test_a_dataset_in_a_stored_bucket_is_read_with_its_keys_and_they_are_kept_nowhere(places: Places) -> None:
    job_id = submit(places).json()["job"]["job_id"]
    [run] = [one for one in places.predictions() if job_id in json.dumps(one["input"])]
    [sent, _] = json.loads(run["input"]["dataloader_json"])
    assert sent["aws_secret_access_key"] == places.data_keys.secret and "stored_bucket" not in sent
    job = places.until(job_id, "completed", "failed")
    assert job["status"] == "completed", job
    assert "Found 4 images" in places.get(f"/api/cloud/jobs/{job_id}/logs")["logs"]
    for file in (places.folder / "state").glob("cloud.db*"):
        assert places.data_keys.secret.encode() not in file.read_bytes(), file
    unknown = submit(places, dataloader_config=[{**REMOTE[0], "stored_bucket": "nobodys"}])
    assert unknown.status_code == 400 and "nobodys" in unknown.json()["detail"]


def test_the_self_test_says_who_can_reach_us_and_that_it_is_really_us(places: Places) -> None:
    told = places.get("/api/cloud/publishing/self-test")
    checks = {check["name"]: check for check in told["checks"]}
    assert checks["answers"]["passed"] and checks["storage"]["passed"], told
    assert not told["reachable"] and checks["address"]["cause"] == "private", "only this machine knows loopback"
    assert web.get(f"{places.address}/api/cloud/publishing/probe?nonce={'0' * 32}").status_code == 404
    status = places.get("/api/cloud/publishing-status")
    assert status["local_upload_configured"] and status["s3_configured"] and not status["push_to_hub"]
    details = places.get("/api/cloud/publishing/status")
    assert (details["hf_token_valid"], details["hf_username"], details["hf_may_write"]) == (True, "ana", True)


def _card(hub: HubProcess, repo: str) -> str:
    asked = {"Authorization": f"Bearer {ANA}"}
    return web.get(f"{hub.url}/{repo}/resolve/main/README.md", headers=asked).text
