"""What goes wrong around the store: no descriptors left, a full database, kills between two steps, hostile XML."""

from __future__ import annotations

import resource
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.s3.errors import told
from tests.http.s3_world import PREFIX, World, code_of, memory_peak, serve, serve_apart

UNSIGNED = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serve(tmp_path) as served:
        yield served


@pytest.mark.parametrize("operation", ["get_object", "put_object", "list_objects_v2"])
def test_without_file_descriptors_the_client_is_asked_to_come_again(world: World, operation: str) -> None:
    """Above all an object that is there must not be said to be gone."""
    s3 = world.s3()
    s3.put_object(Bucket="outputs", Key="model", Body=b"whole")
    asked = {"get_object": {"Key": "model"}, "put_object": {"Key": "model", "Body": b"new"}, "list_objects_v2": {}}
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The connection is open already; only the store itself needs one more descriptor.
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(ClientError) as error:
            getattr(s3, operation)(Bucket="outputs", **asked[operation])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert code_of(error) == (503, "SlowDown")
    assert s3.get_object(Bucket="outputs", Key="model")["Body"].read() == b"whole"
    assert not any((world.root / ".stcloud/drafts").iterdir())


@pytest.mark.parametrize("kept", ["the row", "the file"])
def test_a_kill_beside_the_rename_or_the_removal_of_an_object_aside_leaves_no_ghost(tmp_path: Path, kept: str) -> None:
    """A row without its file is what a kill leaves after the row of a PUT or after the file of a DELETE."""
    with serve(tmp_path) as world:
        world.s3().put_object(Bucket="outputs", Key="caches/", Body=b"")
        (file,) = (tmp_path / ".stcloud/aside/outputs").iterdir()
        if kept == "the row":
            file.unlink()
    with serve(tmp_path) as world:
        s3 = world.s3()
        found = s3.list_objects_v2(Bucket="outputs", Delimiter="/")
        if kept == "the file":
            assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["caches/"]
            s3.delete_object(Bucket="outputs", Key="caches/")
        else:
            assert "CommonPrefixes" not in found and found["KeyCount"] == 0
        s3.delete_bucket(Bucket="outputs")
        assert s3.list_buckets()["Buckets"] == []


def test_a_document_of_a_million_elements_is_refused_in_bounded_memory_while_others_are_served(tmp_path: Path) -> None:
    with serve_apart(tmp_path) as (world, process):
        s3 = world.s3()
        s3.put_object(Bucket="outputs", Key="model", Body=b"whole")
        before = memory_peak(process.pid)
        path = f"{PREFIX}/outputs?delete"
        body = b"<Delete>" + b"<a/>" * 1_000_000 + b"</Delete>"
        answers: list[Any] = []
        hostile = [
            threading.Thread(
                target=lambda: answers.append(world.send("POST", path, world.signed("POST", path, UNSIGNED), body))
            )
            for _ in range(4)
        ]
        for thread in hostile:
            thread.start()
        longest = 0.0
        while any(thread.is_alive() for thread in hostile):
            began = time.monotonic()
            s3.head_object(Bucket="outputs", Key="model")
            longest = max(longest, time.monotonic() - began)
        assert [(status, b"MalformedXML" in answer) for status, _headers, answer in answers] == [(400, True)] * 4
        assert memory_peak(process.pid) - before < 100 * 1024 * 1024
        assert longest < 2


def test_the_longest_documents_that_clients_send_are_read(world: World) -> None:
    s3 = world.s3()
    keys = [f"{number:04d}-{'&' * 200}" for number in range(1000)]
    s3.put_object(Bucket="outputs", Key=keys[0], Body=b"")
    answer = s3.delete_objects(Bucket="outputs", Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(answer["Deleted"]) == 1000
    upload = {
        "Bucket": "outputs",
        "Key": "k",
        "UploadId": s3.create_multipart_upload(Bucket="outputs", Key="k")["UploadId"],
    }
    parts = [
        {"PartNumber": n, "ETag": '"' + "0" * 32 + '"', "ChecksumSHA256": "A" * 43 + "="} for n in range(1, 10_001)
    ]
    with pytest.raises(ClientError) as error:
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert code_of(error) == (400, "InvalidPart")


@pytest.mark.parametrize("prefix", ["a/" * 3000, "a" * 3000, "/".join(["b" * 250] * 20), "../", "é" * 2000 + "/"])
def test_a_prefix_that_no_key_can_have_finds_nothing(world: World, prefix: str) -> None:
    assert world.s3().list_objects_v2(Bucket="outputs", Prefix=prefix)["KeyCount"] == 0
    assert "Uploads" not in world.s3().list_multipart_uploads(Bucket="outputs", Prefix=prefix)


def test_a_full_database_is_a_full_disk(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "small.sqlite3")
    connection.execute("PRAGMA max_page_count = 2")
    connection.execute("CREATE TABLE small (text TEXT)")
    with pytest.raises(sqlite3.OperationalError) as full:
        connection.execute("INSERT INTO small VALUES (?)", ("x" * 100_000,))
    assert (told(full.value).status, told(full.value).code) == (507, "InsufficientStorage")
    connection.close()


@pytest.mark.parametrize("name", ["192.168.5.123", "a.-b", "a-.b"])
def test_names_that_s3_gives_no_bucket_are_refused(world: World, name: str) -> None:
    with pytest.raises(ClientError) as error:
        world.s3().create_bucket(Bucket=name)
    assert code_of(error) == (400, "InvalidBucketName")
