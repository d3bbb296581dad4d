"""What S3 clients ask for beside bytes: parts, attributes, conditions, tags, access lists, versions; and room."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.s3 import errors
from local.s3.disk import Disk
from local.s3.multipart import Uploads
from tests.http.s3_world import World, code_of, now, serve
from tests.http.test_s3_multipart import FIVE, begin, complete, send

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(tmp_path_factory.mktemp("s3")) as served:
        yield served


@pytest.fixture(scope="module")
def s3(world: World) -> Any:
    return world.s3()


def refused(call: Any, **options: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as error:
        call(Bucket="outputs", **options)
    return code_of(error)


def test_an_object_is_read_and_described_part_by_part(s3: Any) -> None:
    upload = begin(s3, "parted", ChecksumAlgorithm="SHA256")
    parts = [send(s3, upload, number, body) for number, body in ((1, FIVE), (2, FIVE + b"more"), (3, b"end"))]
    complete(s3, upload, *parts)
    for number, body in ((1, FIVE), (2, FIVE + b"more"), (3, b"end")):
        part = s3.get_object(Bucket="outputs", Key="parted", PartNumber=number, ChecksumMode="ENABLED")
        assert (part["PartsCount"], part["Body"].read()) == (3, body)
        assert s3.head_object(Bucket="outputs", Key="parted", PartNumber=number)["ContentLength"] == len(body)
    assert refused(s3.get_object, Key="parted", PartNumber=4) == (416, "InvalidPartNumber")
    s3.put_object(Bucket="outputs", Key="sent whole", Body=b"x")
    assert s3.get_object(Bucket="outputs", Key="sent whole", PartNumber=1)["Body"].read() == b"x"

    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    told = s3.get_object_attributes(
        Bucket="outputs", Key="parted", ObjectAttributes=every, MaxParts=1, PartNumberMarker=1
    )
    assert told["ObjectSize"] == 2 * len(FIVE) + 7 and told["Checksum"]["ChecksumType"] == "COMPOSITE"
    shown = told["ObjectParts"]
    assert (shown["TotalPartsCount"], shown["IsTruncated"], shown["NextPartNumberMarker"]) == (3, True, 2)
    assert [(part["PartNumber"], part["Size"]) for part in shown["Parts"]] == [(2, len(FIVE) + 4)]
    assert shown["Parts"][0]["ChecksumSHA256"]


def test_parts_are_asked_for_by_their_place_in_the_object(s3: Any) -> None:
    """A client counts from 1 to PartsCount, whatever numbers the parts were sent under."""
    upload = begin(s3, "sparse")
    complete(s3, upload, send(s3, upload, 7, FIVE), send(s3, upload, 9000, b"end"))
    for place, body in ((1, FIVE), (2, b"end")):
        part = s3.get_object(Bucket="outputs", Key="sparse", PartNumber=place)
        assert (part["PartsCount"], part["Body"].read()) == (2, body)
    assert refused(s3.get_object, Key="sparse", PartNumber=3) == (416, "InvalidPartNumber")
    assert refused(s3.get_object, Key="sparse", PartNumber=10_001) == (400, "InvalidArgument")
    assert refused(s3.get_object, Key="sparse", PartNumber=0, Range="bytes=0-1") == (400, "InvalidRequest")


def test_parts_that_arrive_in_their_places_become_the_object_without_a_copy(world: World, s3: Any) -> None:
    """The file that the parts were written to is the object: nothing is moved, whatever its size."""
    upload = begin(s3, "in place")
    parts = [send(s3, upload, number, body) for number, body in ((3, b"end"), (2, FIVE), (1, FIVE))]
    folder = world.root / ".stcloud/uploads" / upload["UploadId"]
    assert [file.name for file in folder.iterdir() if file.name != "whole"] != []  # the end came before the measure
    s3.abort_multipart_upload(**upload)
    upload = begin(s3, "in place")
    parts = [send(s3, upload, number, body) for number, body in ((2, FIVE), (1, FIVE), (3, b"end"))]
    folder = world.root / ".stcloud/uploads" / upload["UploadId"]
    (whole,) = folder.iterdir()
    inode = whole.stat().st_ino
    complete(s3, upload, *sorted(parts, key=lambda part: part["PartNumber"]))
    made = world.root / "outputs/in place"
    assert made.stat().st_ino == inode and made.read_bytes() == FIVE + FIVE + b"end"


def test_a_part_in_its_place_does_not_write_over_its_neighbour(world: World, s3: Any) -> None:
    upload = begin(s3, "neighbours")
    second = send(s3, upload, 2, FIVE)
    path = f"/api/cloud/storage/outputs/neighbours?partNumber=1&uploadId={upload['UploadId']}"
    headers = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-decoded-content-length": "5242880"}
    framed = b"500001\r\n" + FIVE + b"!\r\n0\r\n\r\n"
    status, _headers, body = world.send("PUT", path, world.signed("PUT", path, headers), framed)
    assert (status, b"IncompleteBody" in body) == (400, True)
    first = send(s3, upload, 1, FIVE)
    complete(s3, upload, first, second)
    assert s3.get_object(Bucket="outputs", Key="neighbours")["Body"].read() == FIVE + FIVE


def test_an_upload_whose_object_was_made_before_a_crash_is_complete_when_asked_again(tmp_path: Path) -> None:
    """The crash comes between the rename that makes the object and the row that tells of it."""
    with serve(tmp_path) as world:
        upload = begin(world.s3(), "crashed")
        parts = [send(world.s3(), upload, number, body) for number, body in ((1, FIVE), (2, b"end"))]
        backup = tmp_path / "before.sqlite3"
        records = tmp_path / ".stcloud/records.sqlite3"
        with sqlite3.connect(records) as source, sqlite3.connect(backup) as target:
            source.backup(target)
        etag = complete(world.s3(), upload, *parts)["ETag"]
    with sqlite3.connect(records) as target, sqlite3.connect(backup) as source:
        rows = source.execute("SELECT * FROM parts").fetchall()
        target.execute("UPDATE uploads SET etag = NULL")
        target.executemany("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    with serve(tmp_path) as world:
        assert complete(world.s3(), upload, *parts)["ETag"] == etag
        assert world.s3().get_object(Bucket="outputs", Key="crashed")["Body"].read() == FIVE + b"end"


def test_a_source_changed_by_hand_after_it_was_lent_to_a_part_is_not_joined(world: World, s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="lent", Body=FIVE + b"more")
    upload = begin(s3, "borrower")
    first = send(s3, upload, 1, FIVE)
    source = {"Bucket": "outputs", "Key": "lent"}
    made = s3.upload_part_copy(**upload, PartNumber=2, CopySource=source)["CopyPartResult"]
    with (world.root / "outputs/lent").open("r+b") as file:
        file.write(b"changed")
    os.utime(world.root / "outputs/lent")
    parts = [first, {"PartNumber": 2, "ETag": made["ETag"]}]
    with pytest.raises(ClientError) as error:
        complete(s3, upload, *parts)
    assert code_of(error) == (400, "InvalidPart")


def test_writes_and_deletions_that_depend_on_what_is_there(s3: Any) -> None:
    named = {"Key": "conditional"}
    etag = s3.put_object(Bucket="outputs", **named, Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, **named, IfNoneMatch=etag) == (412, "PreconditionFailed")
    s3.put_object(Bucket="outputs", **named, Body=b"1", IfNoneMatch='"other"')
    assert refused(s3.delete_object, **named, IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(s3.delete_object, **named, IfMatchSize=7) == (412, "PreconditionFailed")
    long_ago = datetime(2015, 1, 1, tzinfo=UTC)
    assert refused(s3.delete_object, **named, IfMatchLastModifiedTime=long_ago) == (412, "PreconditionFailed")
    for other in ({"ETag": "other"}, {"Size": 7}, {"LastModifiedTime": long_ago}):
        answer = s3.delete_objects(Bucket="outputs", Delete={"Objects": [{**named, **other}]})
        assert [error["Code"] for error in answer["Errors"]] == ["PreconditionFailed"]
    modified = s3.head_object(Bucket="outputs", **named)["LastModified"]
    exact = {**named, "ETag": etag, "Size": 1, "LastModifiedTime": modified}
    assert "Errors" not in s3.delete_objects(Bucket="outputs", Delete={"Objects": [exact]})
    assert refused(s3.put_object, **named, IfMatch=etag) == (404, "NoSuchKey")
    s3.delete_object(Bucket="outputs", **named, IfMatch=etag)


def test_tags_stay_with_the_object_and_its_copies(s3: Any) -> None:
    tags = [{"Key": "step", "Value": "30"}, {"Key": "ä b&c", "Value": "="}]
    s3.put_object(Bucket="outputs", Key="tagged", Body=b"x", Metadata={"a": "b"}, Tagging="step=1")
    s3.put_object_tagging(Bucket="outputs", Key="tagged", Tagging={"TagSet": tags})
    s3.copy_object(Bucket="outputs", Key="copied", CopySource="outputs/tagged")
    for key in ("tagged", "copied"):
        assert s3.get_object_tagging(Bucket="outputs", Key=key)["TagSet"] == tags
        head = s3.head_object(Bucket="outputs", Key=key)
        assert (head["TagCount"], head["Metadata"]) == (2, {"a": "b"})
        assert "x-amz-tagging" not in head["ResponseMetadata"]["HTTPHeaders"]
    many = {"TagSet": [{"Key": str(number), "Value": ""} for number in range(11)]}
    assert refused(s3.put_object_tagging, Key="tagged", Tagging=many)[0] == 400
    s3.delete_object_tagging(Bucket="outputs", Key="tagged")
    assert s3.get_object_tagging(Bucket="outputs", Key="tagged")["TagSet"] == []


def test_a_tag_may_come_without_a_value(s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="tagged bare", Body=b"x", Tagging="step=1&draft&empty=")
    pairs = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket="outputs", Key="tagged bare")["TagSet"]}
    assert pairs == {"step": "1", "draft": "", "empty": ""}
    for tags in ("=1", "%ff=1", "a=1&a=2"):
        assert refused(s3.put_object, Key="tagged wrongly", Body=b"x", Tagging=tags)[0] == 400


def test_everything_is_private_and_the_only_version_of_itself(s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="one/only", Body=b"x", ACL="bucket-owner-full-control")
    (grant,) = s3.get_object_acl(Bucket="outputs", Key="one/only")["Grants"]
    assert (grant["Permission"], grant["Grantee"]["Type"]) == ("FULL_CONTROL", "CanonicalUser")
    s3.put_object_acl(Bucket="outputs", Key="one/only", ACL="private")
    assert refused(s3.put_object_acl, Key="one/only", ACL="public-read") == (501, "NotImplemented")
    (version,) = s3.list_object_versions(Bucket="outputs", Prefix="one/")["Versions"]
    assert (version["Key"], version["VersionId"], version["IsLatest"]) == ("one/only", "null", True)
    assert refused(s3.get_object, Key="one/only", VersionId="v7") == (404, "NoSuchVersion")
    s3.delete_object(Bucket="outputs", Key="one/only", VersionId="null")
    assert refused(s3.head_object, Key="one/only")[0] == 404
    assert "Status" not in s3.get_bucket_versioning(Bucket="outputs")


def test_what_the_disk_has_no_room_for_is_refused_whole(tmp_path: Path) -> None:
    """A small disk of its own: bodies of known and of unknown length, parts and joins stop at its end."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("mounting takes root")
    try:
        with serve(disk, reserve=4 * MIB, max_object_bytes=64 * MIB) as world:
            s3 = world.s3()
            s3.put_object(Bucket="outputs", Key="old", Body=bytes(6 * MIB))
            assert refused(s3.put_object, Key="old", Body=bytes(65 * MIB)) == (400, "EntityTooLarge")
            assert refused(s3.put_object, Key="old", Body=bytes(16 * MIB)) == (507, "InsufficientStorage")
            upload = begin(s3, "new")
            first = send(s3, upload, 1, FIVE)
            with pytest.raises(ClientError) as error:
                send(s3, upload, 2, FIVE + FIVE)
            assert code_of(error) == (507, "InsufficientStorage")
            copied = s3.upload_part_copy(**upload, PartNumber=2, CopySource="outputs/old")["CopyPartResult"]["ETag"]
            with pytest.raises(ClientError) as error:
                complete(s3, upload, first, {"PartNumber": 2, "ETag": copied})
            assert code_of(error) == (507, "InsufficientStorage")
            complete(s3, upload, first)
            assert s3.head_object(Bucket="outputs", Key="old")["ContentLength"] == 6 * MIB
            assert not any((disk / ".stcloud/drafts").iterdir()) and not any((disk / ".stcloud/uploads").iterdir())
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_disk_without_room_for_the_rows_is_full_too() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE rows (text TEXT)")
        database.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as error:
            database.execute("INSERT INTO rows VALUES (?)", ("x" * 100_000,))
        assert errors.told(error.value).code == "InsufficientStorage"
        with pytest.raises(sqlite3.OperationalError) as error:
            database.execute("SELECT * FROM others")
        assert errors.told(error.value).code == "InternalError"


def test_an_upload_without_a_row_leaves_no_folder(tmp_path: Path) -> None:
    disk = Disk(tmp_path, now, MIB)
    disk.create_bucket("outputs")
    uploads = Uploads(tmp_path, disk, now)
    disk.close()
    with pytest.raises(sqlite3.ProgrammingError):
        uploads.create("outputs", "key", {}, None, None)
    assert not any((tmp_path / ".stcloud/uploads").iterdir())


def test_metadata_with_control_characters_is_refused(s3: Any) -> None:
    assert refused(s3.put_object, Key="control", Body=b"x", Metadata={"a": "\x04b"}) == (400, "InvalidArgument")
