"""A job's key reaches that job's prefix of one bucket, and nothing else, whichever way it asks."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.ports.storage import StorageKey
from tests.http.s3_world import JOB, KEYS, PREFIX, World, code_of, serve

OWN = StorageKey("OWNKEY5", "own-secret", bucket="outputs", prefix="jobs/5")
GOES_ON = StorageKey("GOESON", "go-secret", "outputs", "jobs/9/", "9", reads=("jobs/8/key/checkpoint-10", "jobs/6/"))
MINE, THEIRS = "jobs/7/model.bin", "jobs/8/model.bin"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(tmp_path_factory.mktemp("s3"), keys=KEYS | {OWN.access_key: OWN, GOES_ON.access_key: GOES_ON}) as served:
        s3 = served.s3()
        s3.create_bucket(Bucket="datasets")
        for bucket, key in (("outputs", THEIRS), ("outputs", "jobs/70/model.bin"), ("datasets", MINE)):
            s3.put_object(Bucket=bucket, Key=key, Body=b"theirs")
        yield served


def test_a_job_can_do_everything_inside_its_prefix(world: World) -> None:
    s3 = world.s3(JOB)
    s3.put_object(Bucket="outputs", Key=MINE, Body=b"mine")
    assert s3.get_object(Bucket="outputs", Key=MINE)["Body"].read() == b"mine"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="outputs", Prefix="jobs/7/")["Contents"]] == [MINE]
    s3.copy_object(Bucket="outputs", Key="jobs/7/copy", CopySource={"Bucket": "outputs", "Key": MINE})
    upload = s3.create_multipart_upload(Bucket="outputs", Key="jobs/7/multi")["UploadId"]
    part = s3.upload_part(Bucket="outputs", Key="jobs/7/multi", UploadId=upload, PartNumber=1, Body=b"part")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket="outputs", Key="jobs/7/multi", UploadId=upload, MultipartUpload=parts)
    s3.head_bucket(Bucket="outputs")
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["outputs"]
    s3.delete_object(Bucket="outputs", Key=MINE)


TRESPASSES: dict[str, Callable[[Any, str], object]] = {
    "get": lambda s3, key: s3.get_object(Bucket="outputs", Key=key),
    "head": lambda s3, key: s3.head_object(Bucket="outputs", Key=key),
    "put": lambda s3, key: s3.put_object(Bucket="outputs", Key=key, Body=b"x"),
    "delete": lambda s3, key: s3.delete_object(Bucket="outputs", Key=key),
    "copy from": lambda s3, key: s3.copy_object(
        Bucket="outputs", Key="jobs/7/stolen", CopySource={"Bucket": "outputs", "Key": key}
    ),
    "copy to": lambda s3, key: s3.copy_object(
        Bucket="outputs", Key=key, CopySource={"Bucket": "outputs", "Key": "jobs/7/model.bin"}
    ),
    "begin multipart": lambda s3, key: s3.create_multipart_upload(Bucket="outputs", Key=key),
    "send a part": lambda s3, key: s3.upload_part(Bucket="outputs", Key=key, UploadId="u", PartNumber=1, Body=b"x"),
    "complete multipart": lambda s3, key: s3.complete_multipart_upload(
        Bucket="outputs", Key=key, UploadId="u", MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "e"}]}
    ),
    "abort multipart": lambda s3, key: s3.abort_multipart_upload(Bucket="outputs", Key=key, UploadId="u"),
    "list parts": lambda s3, key: s3.list_parts(Bucket="outputs", Key=key, UploadId="u"),
    "list": lambda s3, key: s3.list_objects_v2(Bucket="outputs", Prefix=key),
    "list v1": lambda s3, key: s3.list_objects(Bucket="outputs", Prefix=key),
    "list uploads": lambda s3, key: s3.list_multipart_uploads(Bucket="outputs", Prefix=key),
}


@pytest.mark.parametrize("key", [THEIRS, "jobs/70/model.bin", "jobs/7", "model.bin"])
@pytest.mark.parametrize("trespass", TRESPASSES)
def test_outside_its_prefix_a_job_is_denied(world: World, trespass: str, key: str) -> None:
    with pytest.raises(ClientError) as error:
        TRESPASSES[trespass](world.s3(JOB), key)
    status, code = code_of(error)
    assert (status, code) == (403, "403" if trespass == "head" else "AccessDenied")


def test_deleting_many_at_once_does_not_reach_further(world: World) -> None:
    world.s3().put_object(Bucket="outputs", Key="jobs/7/old", Body=b"x")
    wanted = {"Objects": [{"Key": "jobs/7/old"}, {"Key": THEIRS}]}
    answer = world.s3(JOB).delete_objects(Bucket="outputs", Delete=wanted)
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["jobs/7/old"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [(THEIRS, "AccessDenied")]
    assert world.s3().get_object(Bucket="outputs", Key=THEIRS)["Body"].read() == b"theirs"


def test_a_key_that_goes_on_from_a_checkpoint_gets_its_files_by_name(world: World) -> None:
    weights = "jobs/8/key/checkpoint-10/pytorch_lora_weights.safetensors"
    world.s3().put_object(Bucket="outputs", Key=weights, Body=b"weights")
    s3 = world.s3(GOES_ON)
    assert s3.head_object(Bucket="outputs", Key=weights)["ContentLength"] == 7
    assert s3.get_object(Bucket="outputs", Key=weights)["Body"].read() == b"weights"
    link = world.presign("get_object", GOES_ON, Bucket="outputs", Key=weights)
    assert urllib.request.urlopen(link).read() == b"weights"


@pytest.mark.parametrize(
    "key",
    [
        "jobs/8/key/checkpoint-100/x",
        "jobs/8/key/checkpoint-1/x",
        "jobs/8/key/checkpoint-10",
        "jobs/8/key/x",
        "jobs/60/x",
    ],
)
@pytest.mark.parametrize("trespass", TRESPASSES)
def test_it_reaches_nothing_beside_that_checkpoint(world: World, trespass: str, key: str) -> None:
    with pytest.raises(ClientError) as error:
        TRESPASSES[trespass](world.s3(GOES_ON), key)
    assert code_of(error)[0] == 403


@pytest.mark.parametrize("trespass", [name for name in TRESPASSES if name not in ("get", "head")])
def test_in_that_checkpoint_it_neither_writes_nor_lists_nor_copies(world: World, trespass: str) -> None:
    key = "jobs/8/key/checkpoint-10/optimizer.bin"
    world.s3().put_object(Bucket="outputs", Key=key, Body=b"theirs")
    with pytest.raises(ClientError) as error:
        TRESPASSES[trespass](world.s3(GOES_ON), key)
    assert code_of(error)[0] == 403
    assert world.s3().get_object(Bucket="outputs", Key=key)["Body"].read() == b"theirs"


@pytest.mark.parametrize(
    "trespass",
    [
        lambda s3: s3.list_objects_v2(Bucket="outputs"),
        lambda s3: s3.get_object(Bucket="datasets", Key=MINE),
        lambda s3: s3.head_bucket(Bucket="datasets"),
        lambda s3: s3.get_bucket_location(Bucket="datasets"),
        lambda s3: s3.create_bucket(Bucket="mine"),
        lambda s3: s3.create_bucket(Bucket="outputs"),
        lambda s3: s3.delete_bucket(Bucket="outputs"),
    ],
    ids=["list all", "other bucket", "head bucket", "location", "create bucket", "create own bucket", "delete bucket"],
)
def test_buckets_are_not_a_jobs_business(world: World, trespass: Callable[[Any], object]) -> None:
    with pytest.raises(ClientError) as error:
        trespass(world.s3(JOB))
    assert code_of(error)[0] == 403


def test_json_tells_a_key_of_no_neighbour_whose_prefix_begins_alike(world: World) -> None:
    """The prefix of a key of one's own is written without a slash: ``jobs/7``, which ``jobs/70`` begins with too."""
    world.s3(OWN).put_object(Bucket="outputs", Key="jobs/5/x", Body=b"five!")
    world.s3().put_object(Bucket="outputs", Key="jobs/50/x", Body=b"a neighbour's")
    wish = {"accept": "application/json"}
    tally = json.loads(world.send("GET", PREFIX, world.signed("GET", PREFIX, wish, key=OWN))[2])
    assert (tally["total_size"], tally["Buckets"][0]["FileCount"]) == (5, 1)
    path = f"{PREFIX}/outputs"
    status, _headers, body = world.send("GET", path, world.signed("GET", path, wish, key=OWN))
    assert (status, [found["Key"] for found in json.loads(body)["Contents"]]) == (200, ["jobs/5/x"])


@pytest.mark.parametrize(
    "path", ["jobs/7/../8/model.bin", "jobs/7/%2e%2e/8/model.bin", "jobs/7/..%2F8/model.bin", "jobs/7/./../../x"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_dots_do_not_lead_out(world: World, method: str, path: str) -> None:
    full = f"{PREFIX}/outputs/{path}"
    headers = world.signed(method, full, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, key=JOB)
    status, _headers, body = world.send(method, full, headers, b"" if method == "GET" else b"x")
    assert status == 400 and b"InvalidArgument" in body
    assert world.s3().get_object(Bucket="outputs", Key=THEIRS)["Body"].read() == b"theirs"


@pytest.mark.parametrize("bucket", ["..", "%2e%2e", ".stcloud", "Outputs", "ab"])
def test_a_bucket_name_does_not_lead_out(world: World, bucket: str) -> None:
    full = f"{PREFIX}/{bucket}/records.sqlite3"
    status, _headers, body = world.send("GET", full, world.signed("GET", full))
    assert status in (400, 404) and b"<Code>" in body


def test_a_link_on_disk_does_not_lead_out(world: World) -> None:
    (world.root / "outside.txt").write_text("private")
    (world.root / "outputs" / "link.txt").symlink_to(world.root / "outside.txt")
    (world.root / "outputs" / "folder").symlink_to(world.root)
    for key in ("link.txt", "folder/outside.txt"):
        with pytest.raises(ClientError) as error:
            world.s3().get_object(Bucket="outputs", Key=key)
        assert code_of(error) == (404, "NoSuchKey")
    world.s3().put_object(Bucket="outputs", Key="folder/new.txt", Body=b"x")
    assert not (world.root / "new.txt").exists()
    assert world.s3().get_object(Bucket="outputs", Key="folder/new.txt")["Body"].read() == b"x"


def test_only_pages_of_this_server_may_call_it_from_a_browser(world: World) -> None:
    host = world.url.partition("//")[2].partition("/")[0]
    wish = {"access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
    own = world.send("OPTIONS", f"{PREFIX}/outputs/k", {"origin": f"http://{host}", **wish})
    assert own[0] == 204 and own[1]["access-control-allow-origin"] == f"http://{host}"
    other = world.send("OPTIONS", f"{PREFIX}/outputs/k", {"origin": "http://evil.example", **wish})
    assert other[0] == 403 and "access-control-allow-origin" not in other[1]
    assert world.send("OPTIONS", f"{PREFIX}/outputs/k")[0] == 400, "a page says where it is from"
    headers = world.signed("GET", f"{PREFIX}/outputs/{THEIRS}")
    foreign = world.send("GET", f"{PREFIX}/outputs/{THEIRS}", {**headers, "origin": "http://evil.example"})
    assert "access-control-allow-origin" not in foreign[1]
