"""A trainer's storage key on S3, on an engine that keeps to policies: it puts into one job's prefix, and no more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.domain.runs import Delivery
from chalicelib.storage.delivery import SessionKeys
from chalicelib.storage.errors import StorageDown, StorageRefused
from tests.engines import Engine
from tests.journeys.cloud import REGION, CloudWorld, start_aws, with_keys

pytestmark = pytest.mark.engine("ministack")


@pytest.fixture(scope="module")
def aws() -> Iterator[Engine]:
    engine = start_aws()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def world(aws: Engine, tmp_path_factory: pytest.TempPathFactory) -> CloudWorld:
    world = CloudWorld(tmp_path_factory.mktemp("world"), dynamo_url=aws.url, aws_url=aws.url)
    world.deploy()
    return world


def keys_of(world: CloudWorld, seconds: int = 3600, **changes: Any) -> SessionKeys:
    given: dict[str, Any] = {
        "sts": lambda: with_keys(world.aws_url, "sts", world.more),
        "role": world.more["STCLOUD_DELIVERY_ROLE"],
        "bucket": f"{world.name}-outputs",
        "endpoint_url": world.aws_url,
        "region": REGION,
        **changes,
    }
    return SessionKeys(seconds=seconds, **given)


class ScriptedSts:
    """Refuses in the words of its ``answer``, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, str] = (500, "")
        self.asked: dict[str, str] = {}
        self.url = ""


@pytest.fixture
def sts() -> Iterator[ScriptedSts]:
    scripted = ScriptedSts()

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["content-length"])).decode()
            scripted.asked = dict(parse_qsl(asked))
            status, code = scripted.answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(f"<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>".encode())

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    scripted.url = f"http://127.0.0.1:{server.server_port}"
    yield scripted
    server.shutdown()
    server.server_close()


def trainer_with(delivery: Delivery) -> Any:
    names = {"AWS_ACCESS_KEY_ID": delivery.access_key, "AWS_SECRET_ACCESS_KEY": delivery.secret_key}
    return with_keys(str(delivery.endpoint_url), "s3", names | {"AWS_SESSION_TOKEN": str(delivery.session_token)})


def refused(call: Any, **request: Any) -> bool:
    with pytest.raises(ClientError) as error:
        call(**request)
    return error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_key_puts_small_and_large_files_below_its_own_prefix(world: CloudWorld) -> None:
    delivery = keys_of(world).issue("default", "j-one")
    s3, place = trainer_with(delivery), {"Bucket": delivery.bucket, "Key": "j-one/j-one/a.safetensors"}
    s3.put_object(**place, Body=b"x")
    started = s3.create_multipart_upload(**place)["UploadId"]
    part = s3.upload_part(**place, UploadId=started, PartNumber=1, Body=b"y" * 100)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**place, UploadId=started, MultipartUpload=parts)
    assert world.s3.get_object(**place)["Body"].read() == b"y" * 100


def test_a_key_reaches_no_other_job_and_neither_reads_nor_lists_nor_deletes(world: CloudWorld) -> None:
    delivery = keys_of(world).issue("default", "j-two")
    s3, bucket = trainer_with(delivery), delivery.bucket
    s3.put_object(Bucket=bucket, Key="j-two/own", Body=b"x")
    for key in ("j-twofold/x", "j-2/x", "j-two", "x"):
        assert refused(s3.put_object, Bucket=bucket, Key=key, Body=b"x"), key
    assert refused(s3.put_object, Bucket=f"{world.name}-datasets", Key="j-two/x", Body=b"x")
    assert refused(s3.get_object, Bucket=bucket, Key="j-two/own")
    assert refused(s3.delete_object, Bucket=bucket, Key="j-two/own")
    assert refused(s3.list_objects_v2, Bucket=bucket)


def test_the_key_of_a_job_that_goes_on_reads_one_checkpoint_and_nothing_beside_it(world: CloudWorld) -> None:
    folder = "j-early/j-early-key/checkpoint-10"
    delivery = keys_of(world).issue("default", "j-late", (folder,))
    s3, bucket = trainer_with(delivery), delivery.bucket
    others = ("j-early/j-early-key/checkpoint-100/a", "j-early/j-early-key/a", "j-late/checkpoint-10/a")
    for key in (f"{folder}/a", *others):
        world.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert s3.get_object(Bucket=bucket, Key=f"{folder}/a")["Body"].read() == b"x"
    assert s3.head_object(Bucket=bucket, Key=f"{folder}/a")["ContentLength"] == 1
    s3.put_object(Bucket=bucket, Key="j-late/own", Body=b"x")
    for key in others:
        assert refused(s3.get_object, Bucket=bucket, Key=key), key
    assert refused(s3.put_object, Bucket=bucket, Key=f"{folder}/a", Body=b"x")
    assert refused(s3.delete_object, Bucket=bucket, Key=f"{folder}/a")
    assert refused(s3.list_objects_v2, Bucket=bucket, Prefix=f"{folder}/")


@pytest.mark.parametrize("folder", ["*", "j-early/*", "j-early/checkpoint-?", "j-early", "${aws:username}/x", "a//b"])
def test_a_folder_that_a_policy_would_read_as_a_pattern_gets_no_key(world: CloudWorld, folder: str) -> None:
    with pytest.raises(ValueError, match="policy"):
        keys_of(world).issue("default", "j-late", (folder,))


def test_a_key_without_its_session_token_is_worth_nothing(world: CloudWorld) -> None:
    delivery = keys_of(world).issue("default", "j-three")
    names = {"AWS_ACCESS_KEY_ID": delivery.access_key, "AWS_SECRET_ACCESS_KEY": delivery.secret_key}
    assert refused(with_keys(world.aws_url, "s3", names).put_object, Bucket=delivery.bucket, Key="j-three/x", Body=b"x")


def test_the_secret_halves_are_in_no_repr(world: CloudWorld) -> None:
    delivery = keys_of(world).issue("default", "j-four")
    assert delivery.secret_key not in repr(delivery) and str(delivery.session_token) not in repr(delivery)


@pytest.mark.parametrize("job_id", ["*", "j-?", "j/../k", "${aws:username}", "j", "j-" + "x" * 80, ""])
def test_a_job_id_that_a_policy_would_read_as_a_pattern_gets_no_key(world: CloudWorld, job_id: str) -> None:
    with pytest.raises(ValueError, match="policy"):
        keys_of(world).issue("default", job_id)


def test_a_role_that_may_not_be_assumed_is_told_by_its_code_alone(world: CloudWorld) -> None:
    with pytest.raises(StorageRefused) as refusal:
        keys_of(world, role="arn:aws:iam::000000000000:role/nobody").issue("default", "j-five")
    assert world.more["AWS_ACCESS_KEY_ID"] not in str(refusal.value)


def test_without_a_role_no_job_is_launched_and_health_says_so(world: CloudWorld) -> None:
    keys = keys_of(world, role=None)
    for ask in (keys.remark, lambda: keys.issue("default", "j-six")):
        with pytest.raises(StorageRefused, match="STCLOUD_DELIVERY_ROLE"):
            ask()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (400, "ValidationError", StorageRefused, "STCLOUD_DELIVERY_SECONDS"),
        (400, "Throttling", StorageDown, "Try again"),
        (500, "InternalFailure", StorageDown, "Try again"),
        (403, "AccessDenied", StorageRefused, "AccessDenied"),
    ],
)
def test_each_refusal_of_sts_says_what_to_do(
    world: CloudWorld, sts: ScriptedSts, status: int, code: str, kind: type[Exception], words: str
) -> None:
    """Amazon's limit of an hour for chained roles is none of the engine's, so a server of ours says it."""
    sts.answer = (status, code)
    once = Config(retries={"total_max_attempts": 1})
    keys = keys_of(world, 43_200, sts=lambda: with_keys(sts.url, "sts", world.more, once))
    with pytest.raises(kind, match=words):
        keys.issue("default", "j-seven")
    assert sts.asked["DurationSeconds"] == "43200"
    [statement] = json.loads(sts.asked["Policy"])["Statement"]
    assert statement["Resource"] == f"arn:aws:s3:::{world.name}-outputs/j-seven/*"


def test_an_sts_that_cannot_be_reached_is_asked_again_later(world: CloudWorld) -> None:
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    keys = keys_of(world, sts=lambda: with_keys("http://127.0.0.1:9", "sts", world.more, once))
    with pytest.raises(StorageDown):
        keys.issue("default", "j-eight")
