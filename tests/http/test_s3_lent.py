"""A lent archive, through boto3: its files as objects of buckets, read-only, with room for caches beside them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.ports.storage import StorageKey
from tests.http.s3_world import JOB, ROOT, World, code_of, serve

ARCHIVE = "default/u-1/dataset.zip"
KEY = StorageKey("LENTKEY", "lent-secret", "", "", "j-1", archive=ARCHIVE, folders=("cats", "dogs"))
OTHER = StorageKey("OTHERKEY", "other-secret", "", "", "j-2", archive="default/u-2/dataset.zip", folders=("cats",))
TEXT = b"a caption " * 500
PICTURE = bytes(range(256)) * 5000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    keys = {key.access_key: key for key in (ROOT, JOB, KEY, OTHER)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as zipped:
        zipped.writestr("cats/deep/caf\u00e9 #1.png", PICTURE)
        zipped.writestr("cats/a.txt", TEXT, zipfile.ZIP_DEFLATED)
        zipped.writestr("cats-and-more/b.png", b"not lent")
        zipped.writestr("dogs/c.png", b"dog")
        zipped.writestr("cats/../up.png", b"climbs")
    with serve(tmp_path_factory.mktemp("lent"), keys) as world:
        world.s3().create_bucket(Bucket="datasets")
        for archive in (ARCHIVE, OTHER.archive):
            world.s3().put_object(Bucket="datasets", Key=archive, Body=packed.getvalue())
        yield world


def listed(s3: Any, bucket: str, **more: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1}, **more)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def test_each_folder_is_a_bucket_with_its_own_files_and_no_others(world: World) -> None:
    s3 = world.s3(KEY)
    assert listed(s3, "dataset-1") == ["a.txt", "deep/caf\u00e9 #1.png"]
    assert listed(s3, "dataset-1", Prefix="deep") == ["deep/caf\u00e9 #1.png"]
    assert listed(s3, "dataset-2") == ["c.png"]
    assert s3.head_bucket(Bucket="dataset-2")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_stored_and_deflated_files_come_out_as_they_went_in(world: World) -> None:
    s3 = world.s3(KEY)
    assert s3.get_object(Bucket="dataset-1", Key="deep/caf\u00e9 #1.png")["Body"].read() == PICTURE
    assert s3.get_object(Bucket="dataset-1", Key="a.txt")["Body"].read() == TEXT
    assert s3.head_object(Bucket="dataset-1", Key="a.txt")["ContentLength"] == len(TEXT)
    for key, whole in (("deep/caf\u00e9 #1.png", PICTURE), ("a.txt", TEXT)):
        assert s3.get_object(Bucket="dataset-1", Key=key, Range="bytes=7-99")["Body"].read() == whole[7:100]


def test_caches_are_kept_beside_the_files_and_stay_with_the_upload(world: World) -> None:
    s3 = world.s3(KEY)
    for key in ("aspect_ratio_bucket_indices_cats.json", "cache/vae/1/a.pt"):
        s3.put_object(Bucket="dataset-2", Key=key, Body=b"learnt")
        assert s3.get_object(Bucket="dataset-2", Key=key)["Body"].read() == b"learnt"
    assert listed(s3, "dataset-2") == ["aspect_ratio_bucket_indices_cats.json", "c.png", "cache/vae/1/a.pt"]
    assert all(key.startswith("default/u-1/") for key in listed(world.s3(), "datasets") if "u-2" not in key)
    assert listed(world.s3(OTHER), "dataset-1") == ["a.txt", "deep/caf\u00e9 #1.png"]
    for key in ("aspect_ratio_bucket_indices_cats.json", "cache/vae/1/a.pt"):
        s3.delete_object(Bucket="dataset-2", Key=key)
    assert listed(s3, "dataset-2") == ["c.png"]


@pytest.mark.parametrize(
    ("operation", "options", "code"),
    [
        ("put_object", {"Bucket": "dataset-1", "Key": "a.txt", "Body": b"x"}, "AccessDenied"),
        ("delete_object", {"Bucket": "dataset-1", "Key": "a.txt"}, "AccessDenied"),
        ("get_object", {"Bucket": "dataset-1", "Key": "none.png"}, "NoSuchKey"),
        ("get_object", {"Bucket": "dataset-1", "Key": "../up.png"}, "InvalidArgument"),
        ("get_object", {"Bucket": "dataset-3", "Key": "a.txt"}, "NoSuchBucket"),
        ("get_object", {"Bucket": "datasets", "Key": ARCHIVE}, "NoSuchBucket"),
        ("list_objects_v2", {"Bucket": "datasets"}, "NoSuchBucket"),
        ("list_objects_v2", {"Bucket": "outputs"}, "NoSuchBucket"),
        ("put_object", {"Bucket": "outputs", "Key": "jobs/7/x", "Body": b"x"}, "NoSuchBucket"),
        ("list_buckets", {}, "AccessDenied"),
        ("create_bucket", {"Bucket": "more"}, "AccessDenied"),
        ("create_multipart_upload", {"Bucket": "dataset-1", "Key": "x"}, "AccessDenied"),
        ("copy_object", {"Bucket": "dataset-1", "Key": "x", "CopySource": f"datasets/{ARCHIVE}"}, "AccessDenied"),
        (
            "delete_objects",
            {"Bucket": "dataset-1", "Delete": {"Objects": [{"Key": "a.txt"}]}},
            "AccessDenied",
        ),
    ],
)
def test_the_key_reaches_nothing_else(world: World, operation: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(world.s3(KEY), operation)(**options)
    assert code_of(refused)[1] == code


def test_no_other_key_sees_a_lent_bucket(world: World) -> None:
    with pytest.raises(ClientError) as refused:
        world.s3(JOB).get_object(Bucket="dataset-1", Key="a.txt")
    assert code_of(refused)[1] in ("AccessDenied", "NoSuchBucket")


def test_when_the_archive_is_gone_or_is_none_so_is_all_of_it(tmp_path: Path) -> None:
    keys = {key.access_key: key for key in (ROOT, KEY, OTHER)}
    with serve(tmp_path, keys) as world:
        world.s3().create_bucket(Bucket="datasets")
        world.s3().put_object(Bucket="datasets", Key=ARCHIVE, Body=b"PK this is no zip")
        for key, code in ((KEY, "InvalidRequest"), (OTHER, "AccessDenied")):
            with pytest.raises(ClientError) as refused:
                listed(world.s3(key), "dataset-1")
            assert code_of(refused)[1] == code
