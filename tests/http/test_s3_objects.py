"""Single objects: what goes in comes out, under every key, and where a person finds it on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.s3 import StorageEndpoint, StorageInUse
from tests.http.s3_world import JOB, KEYS, PREFIX, World, code_of, now, serve


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(tmp_path_factory.mktemp("s3")) as served:
        yield served


@pytest.fixture(scope="module")
def s3(world: World) -> Any:
    return world.s3()


def read(s3: Any, key: str, **options: Any) -> bytes:
    return bytes(s3.get_object(Bucket="outputs", Key=key, **options)["Body"].read())


def test_an_object_is_a_plain_file_under_its_bucket_and_key(world: World, s3: Any) -> None:
    answer = s3.put_object(Bucket="outputs", Key="job/model.safetensors", Body=b"weights")
    assert (world.root / "outputs/job/model.safetensors").read_bytes() == b"weights"
    assert answer["ETag"] == f'"{hashlib.md5(b"weights", usedforsecurity=False).hexdigest()}"'


def test_headers_and_metadata_come_back(s3: Any) -> None:
    kept = {"ContentType": "image/png", "CacheControl": "no-cache", "ContentDisposition": "inline"}
    s3.put_object(Bucket="outputs", Key="meta", Body=b"x", Metadata={"step": "450"}, **kept)
    found = s3.head_object(Bucket="outputs", Key="meta")
    assert {name: found[name] for name in kept} == kept
    assert found["Metadata"] == {"step": "450"}


KEYS_OF_ALL_KINDS = [
    "a b+c&d=e'(1)~é.bin",
    "数据/模型 🎨.safetensors",
    "a%2Fb%20",
    "e\u0301 and é",
    "trailing/",
    "/leading",
    "double//slash",
    "new\nline",
    "tab\there",
    ".hidden",
    ".stcloud/records.sqlite3",
    "back\\slash",
    'con:*?"<>|',
    "long/" + "x" * 300,
    "y" * 1024,
    "a/" * 512,
]


@pytest.mark.parametrize("key", KEYS_OF_ALL_KINDS)
def test_every_key_that_s3_allows_works(world: World, s3: Any, key: str) -> None:
    s3.put_object(Bucket="outputs", Key=key, Body=key.encode())
    assert read(s3, key) == key.encode()
    assert key in [found["Key"] for found in s3.list_objects_v2(Bucket="outputs", Prefix=key)["Contents"]]
    s3.delete_object(Bucket="outputs", Key=key)
    with pytest.raises(ClientError) as error:
        read(s3, key)
    assert code_of(error) == (404, "NoSuchKey")
    assert "Contents" not in s3.list_objects_v2(Bucket="outputs", Prefix=key)


def test_a_key_of_more_than_1024_bytes_is_refused(s3: Any) -> None:
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="outputs", Key="é" * 513, Body=b"")
    assert code_of(error) == (400, "KeyTooLongError")


@pytest.mark.parametrize("order", [["x", "x/y", "x/y/z"], ["x/y/z", "x/y", "x"]])
def test_a_key_and_keys_below_it_live_together(s3: Any, order: list[str]) -> None:
    for round_number in (1, 2):
        for key in order:
            s3.put_object(Bucket="outputs", Key=key, Body=f"{key} {round_number}".encode())
        assert [read(s3, key) for key in order] == [f"{key} {round_number}".encode() for key in order]
    listed = [found["Key"] for found in s3.list_objects_v2(Bucket="outputs", Prefix="x")["Contents"]]
    assert listed == ["x", "x/y", "x/y/z"]
    for key in order:
        s3.delete_object(Bucket="outputs", Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket="outputs", Prefix="x")


def test_deleting_the_last_object_of_a_folder_removes_the_folder(world: World, s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="deep/er/file", Body=b"")
    s3.delete_object(Bucket="outputs", Key="deep/er/file")
    assert not (world.root / "outputs/deep").exists()
    assert s3.delete_object(Bucket="outputs", Key="deep/er/file")["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=-100", b"0123456789", "bytes 0-9/10"),
        ("bytes=5-2", b"0123456789", None),
        ("bytes=0-1,4-5", b"0123456789", None),
        ("lines=1-2", b"0123456789", None),
    ],
)
def test_ranges(s3: Any, header: str, expected: bytes, content_range: str | None) -> None:
    s3.put_object(Bucket="outputs", Key="digits", Body=b"0123456789")
    answer = s3.get_object(Bucket="outputs", Key="digits", Range=header)
    assert answer["Body"].read() == expected
    assert answer.get("ContentRange") == content_range
    assert answer["ContentLength"] == len(expected)
    assert ("ChecksumCRC32" in answer) is (content_range is None)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=-0", "bytes=11-20"])
def test_a_range_beyond_the_end_is_416(s3: Any, header: str) -> None:
    s3.put_object(Bucket="outputs", Key="digits", Body=b"0123456789")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket="outputs", Key="digits", Range=header)
    assert code_of(error) == (416, "InvalidRange")


def test_conditional_reads(s3: Any) -> None:
    etag = s3.put_object(Bucket="outputs", Key="cond", Body=b"x")["ETag"]
    hour = timedelta(hours=1)
    assert read(s3, "cond", IfMatch=etag) == read(s3, "cond", IfNoneMatch='"other"') == b"x"
    assert read(s3, "cond", IfModifiedSince=datetime.now(UTC) - hour) == b"x"
    for options, status in (
        ({"IfMatch": '"other"'}, 412),
        ({"IfNoneMatch": etag}, 304),
        ({"IfModifiedSince": datetime.now(UTC) + hour}, 304),
        ({"IfUnmodifiedSince": datetime.now(UTC) - hour}, 412),
    ):
        with pytest.raises(ClientError) as error:
            s3.get_object(Bucket="outputs", Key="cond", **options)
        assert code_of(error)[0] == status


def test_conditional_writes(s3: Any) -> None:
    etag = s3.put_object(Bucket="outputs", Key="once", Body=b"first", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="outputs", Key="once", Body=b"second", IfNoneMatch="*")
    assert code_of(error) == (412, "PreconditionFailed")
    s3.put_object(Bucket="outputs", Key="once", Body=b"third", IfMatch=etag)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="outputs", Key="once", Body=b"fourth", IfMatch=etag)
    assert code_of(error) == (412, "PreconditionFailed")
    assert read(s3, "once") == b"third"


def test_a_copy_keeps_or_replaces_the_metadata(s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="from é", Body=b"x", Metadata={"a": "1"}, ContentType="text/plain")
    source = {"Bucket": "outputs", "Key": "from é"}
    etag = s3.copy_object(Bucket="outputs", Key="to", CopySource=source)["CopyObjectResult"]["ETag"]
    copied = s3.head_object(Bucket="outputs", Key="to")
    assert (copied["ETag"], copied["Metadata"], copied["ContentType"]) == (etag, {"a": "1"}, "text/plain")
    s3.copy_object(Bucket="outputs", Key="to", CopySource=source, Metadata={"b": "2"}, MetadataDirective="REPLACE")
    assert s3.head_object(Bucket="outputs", Key="to")["Metadata"] == {"b": "2"}
    with pytest.raises(ClientError) as error:
        s3.copy_object(Bucket="outputs", Key="from é", CopySource=source)
    assert code_of(error) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda s3: s3.get_object(Bucket="nowhere", Key="k"), (404, "NoSuchBucket")),
        (lambda s3: s3.put_object(Bucket="nowhere", Key="k", Body=b"x"), (404, "NoSuchBucket")),
        (lambda s3: s3.get_object_lock_configuration(Bucket="outputs"), (404, "ObjectLockConfigurationNotFoundError")),
        (lambda s3: s3.get_bucket_policy(Bucket="outputs"), (404, "NoSuchBucketPolicy")),
        (lambda s3: s3.put_object_acl(Bucket="outputs", Key="acl", ACL="private"), (404, "NoSuchKey")),
        (
            lambda s3: s3.put_object(Bucket="outputs", Key="sse", Body=b"", ServerSideEncryption="AES256"),
            (501, "NotImplemented"),
        ),
        (lambda s3: s3.put_object(Bucket="outputs", Key="m", Metadata={"a": "x" * 2048}), (400, "MetadataTooLarge")),
    ],
)
def test_refusals_carry_the_code_that_clients_know(s3: Any, call: Any, expected: tuple[int, str]) -> None:
    with pytest.raises(ClientError) as error:
        call(s3)
    assert code_of(error) == expected


@pytest.mark.parametrize("name", ["192.168.5.123", "label.-dash", "dash-.label", "two..dots", "dash-", "a"])
def test_names_that_no_host_can_have_are_no_buckets(world: World, s3: Any, name: str) -> None:
    with pytest.raises(ClientError) as error:
        s3.create_bucket(Bucket=name)
    assert code_of(error) == (400, "InvalidBucketName")
    assert not (world.root / name).exists()


def test_a_bucket_is_deleted_only_when_nothing_at_all_is_in_it(world: World, s3: Any) -> None:
    s3.create_bucket(Bucket="passing")
    for key in ("a/b", "odd//key"):
        s3.put_object(Bucket="passing", Key=key, Body=b"x")
        with pytest.raises(ClientError) as error:
            s3.delete_bucket(Bucket="passing")
        assert code_of(error) == (409, "BucketNotEmpty")
        s3.delete_object(Bucket="passing", Key=key)
    link = world.root / "passing/link"
    link.symlink_to(world.root)
    with pytest.raises(ClientError):
        s3.delete_bucket(Bucket="passing")
    link.unlink()
    (world.root / "passing/empty").mkdir()
    s3.delete_bucket(Bucket="passing")
    assert not (world.root / "passing").exists()


def test_a_row_whose_file_a_kill_has_prevented_is_no_object(world: World, s3: Any) -> None:
    """Taking the file away is the state that a kill leaves between the row and the rename, or amid a deletion."""
    s3.create_bucket(Bucket="phantom")
    s3.put_object(Bucket="phantom", Key="odd//key", Body=b"x")
    for file in (world.root / ".stcloud/aside/phantom").iterdir():
        file.unlink()
    assert s3.list_objects_v2(Bucket="phantom", Delimiter="/").get("CommonPrefixes", []) == []
    s3.delete_bucket(Bucket="phantom")


def test_the_uploads_of_a_bucket_go_with_it(world: World, s3: Any) -> None:
    s3.create_bucket(Bucket="passing")
    named = {"Bucket": "passing", "Key": "k"}
    upload = named | {"UploadId": s3.create_multipart_upload(**named)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"x")
    s3.delete_bucket(Bucket="passing")
    s3.create_bucket(Bucket="passing")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="passing")
    assert not (world.root / ".stcloud/uploads" / upload["UploadId"]).exists()
    with pytest.raises(ClientError) as error:
        s3.upload_part(**upload, PartNumber=2, Body=b"x")
    assert code_of(error) == (404, "NoSuchUpload")
    s3.delete_bucket(Bucket="passing")


def test_a_subresource_is_never_taken_for_the_object(s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="acl", Body=b"object")
    with pytest.raises(ClientError):
        s3.put_object_retention(Bucket="outputs", Key="acl", Retention={"Mode": "GOVERNANCE"})
    s3.put_object_acl(Bucket="outputs", Key="acl", ACL="private")
    s3.put_object_tagging(Bucket="outputs", Key="acl", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert read(s3, "acl") == b"object"


def test_a_document_type_in_xml_is_refused(world: World) -> None:
    body = b'<!DOCTYPE d [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>'
    headers = world.signed("POST", f"{PREFIX}/outputs?delete", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    status, _headers, answer = world.send("POST", f"{PREFIX}/outputs?delete", headers, body)
    assert status == 400 and b"MalformedXML" in answer


@pytest.mark.parametrize(
    "inside",
    [b"<a/>" * 1_000_000, b"<Object " + b" ".join(b'a%d="1"' % n for n in range(200_000)) + b"/>"],
    ids=["elements", "attributes"],
)
def test_xml_with_more_in_it_than_any_client_has_to_say_is_refused_unread(world: World, inside: bytes) -> None:
    """A million elements in 4 MiB cost seconds and hundreds of megabytes, and nobody else was served meanwhile."""
    path = f"{PREFIX}/outputs?delete"
    headers = world.signed("POST", path, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, key=JOB)
    status, _headers, answer = world.send("POST", path, headers, b"<Delete>" + inside + b"</Delete>")
    assert status == 400 and b"has more in it" in answer


def test_the_longest_completion_that_a_client_can_send_is_read(world: World, s3: Any) -> None:
    named = {"Bucket": "outputs", "Key": "long"}
    upload = named | {"UploadId": s3.create_multipart_upload(**named, ChecksumAlgorithm="SHA256")["UploadId"]}
    part = {"ETag": '"' + "f" * 32 + '"', "ChecksumSHA256": "A" * 43 + "="}
    with pytest.raises(ClientError) as error:
        s3.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": [{"PartNumber": number + 1, **part} for number in range(10_000)]}
        )
    assert code_of(error) == (400, "InvalidPart")
    s3.abort_multipart_upload(**upload)


def test_bucket_names_with_and_without_a_trailing_slash_are_one(world: World) -> None:
    for path in (PREFIX, f"{PREFIX}/", f"{PREFIX}/outputs", f"{PREFIX}/outputs/", f"{PREFIX}/outputs?x-id=List"):
        assert world.send("GET", path, world.signed("GET", path))[0] == 200


def test_json_listings_for_clients_that_prefer_json(world: World, s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="jobs/7/json.txt", Body=b"12345")
    wish = {"accept": "application/json"}
    everything = json.loads(world.send("GET", PREFIX, world.signed("GET", PREFIX, wish))[2])
    assert [bucket["Name"] for bucket in everything["Buckets"]] == ["outputs"]
    assert everything["total_size"] == everything["Buckets"][0]["Size"] >= 5
    path = f"{PREFIX}/outputs"
    listing = json.loads(world.send("GET", path, world.signed("GET", path, wish, key=JOB))[2])
    assert listing["Name"] == "outputs"
    assert [(found["Key"], found["Size"]) for found in listing["Contents"]] == [("jobs/7/json.txt", 5)]


def test_a_file_put_there_by_hand_is_an_object(world: World, s3: Any) -> None:
    (world.root / "outputs/hand").mkdir()
    (world.root / "outputs/hand/picture.png").write_bytes(b"png")
    found = s3.head_object(Bucket="outputs", Key="hand/picture.png")
    assert (found["ContentType"], found["ContentLength"]) == ("image/png", 3)
    assert read(s3, "hand/picture.png") == b"png"


def test_a_file_changed_by_hand_is_not_described_as_the_old_one(world: World, s3: Any) -> None:
    old = s3.put_object(Bucket="outputs", Key="edited.txt", Body=b"before", Metadata={"step": "1"})["ETag"]
    (world.root / "outputs/edited.txt").write_bytes(b"after!")
    found = s3.get_object(Bucket="outputs", Key="edited.txt")
    assert found["ETag"] != old and found["Metadata"] == {} and found["Body"].read() == b"after!"


def test_objects_and_metadata_survive_a_restart(tmp_path: Path) -> None:
    with serve(tmp_path) as world:
        etag = world.s3().put_object(Bucket="outputs", Key="k", Body=b"x", Metadata={"a": "b"})["ETag"]
        world.s3().put_object(Bucket="outputs", Key="odd//key", Body=b"y")
    with serve(tmp_path) as world:
        found = world.s3().get_object(Bucket="outputs", Key="k")
        assert (found["ETag"], found["Metadata"], found["Body"].read()) == (etag, {"a": "b"}, b"x")
        assert read(world.s3(), "odd//key") == b"y"


def test_two_processes_cannot_serve_one_folder(world: World) -> None:
    with pytest.raises(StorageInUse):
        StorageEndpoint(world.root, KEYS.get, now)
