"""Listings: in UTF-8 order, in pages, grouped by a delimiter, for both versions of ListObjects."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.s3.disk import Disk
from local.s3.listing import page
from tests.http.s3_world import World, code_of, now, serve

KEYS = ["a", "a-b", "a.b", "a/1", "a/2", "a//3", "a/b/4", "ab", "b/", "b/é", "b/z", "c/d/e/f", "数", "🎨", "\uffee"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(tmp_path_factory.mktemp("s3")) as served:
        for key in KEYS:
            served.s3().put_object(Bucket="outputs", Key=key, Body=key.encode())
        yield served


@pytest.fixture(scope="module")
def s3(world: World) -> Any:
    return world.s3()


def utf8(keys: list[str]) -> list[str]:
    return sorted(keys, key=lambda key: key.encode())


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pages_give_every_key_once_and_in_order(s3: Any, operation: str, size: int) -> None:
    pages = list(s3.get_paginator(operation).paginate(Bucket="outputs", PaginationConfig={"PageSize": size}))
    assert [found["Key"] for one in pages for found in one["Contents"]] == utf8(KEYS)
    assert [len(one["Contents"]) for one in pages][:-1] == [size] * (len(pages) - 1)
    assert [one["IsTruncated"] for one in pages] == [True] * (len(pages) - 1) + [False]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_delimiter_groups_keys(s3: Any, operation: str, size: int) -> None:
    options = {"Bucket": "outputs", "Delimiter": "/", "PaginationConfig": {"PageSize": size}}
    pages = list(s3.get_paginator(operation).paginate(**options))
    assert [found["Key"] for one in pages for found in one.get("Contents", [])] == utf8(
        [key for key in KEYS if "/" not in key]
    )
    assert [found["Prefix"] for one in pages for found in one.get("CommonPrefixes", [])] == ["a/", "b/", "c/"]


@pytest.mark.parametrize(
    ("prefix", "delimiter", "keys", "prefixes"),
    [
        ("a/", "/", ["a/1", "a/2"], ["a//", "a/b/"]),
        ("a", "/", ["a", "a-b", "a.b", "ab"], ["a/"]),
        ("b/", "/", ["b/", "b/z", "b/é"], []),
        ("c/d", "", ["c/d/e/f"], []),
        ("c/d", "/e", [], ["c/d/e"]),
        ("nothing", "", [], []),
        ("a/1/", "", [], []),
    ],
)
def test_a_prefix_narrows(s3: Any, prefix: str, delimiter: str, keys: list[str], prefixes: list[str]) -> None:
    found = s3.list_objects_v2(Bucket="outputs", Prefix=prefix, Delimiter=delimiter)
    assert [one["Key"] for one in found.get("Contents", [])] == keys
    assert [one["Prefix"] for one in found.get("CommonPrefixes", [])] == prefixes
    assert found["KeyCount"] == len(keys) + len(prefixes)


def test_start_after_and_no_keys_at_all(s3: Any) -> None:
    found = s3.list_objects_v2(Bucket="outputs", StartAfter="b/z")
    assert [one["Key"] for one in found["Contents"]] == utf8([key for key in KEYS if key.encode() > b"b/z"])
    nothing = s3.list_objects_v2(Bucket="outputs", MaxKeys=0)
    assert nothing["KeyCount"] == 0 and nothing["IsTruncated"] is False


def test_listed_facts_are_those_of_the_object(s3: Any) -> None:
    listed = s3.list_objects_v2(Bucket="outputs", Prefix="b/é", FetchOwner=True)["Contents"][0]
    head = s3.head_object(Bucket="outputs", Key="b/é")
    assert (listed["ETag"], listed["Size"]) == (head["ETag"], head["ContentLength"])
    assert listed["LastModified"].replace(microsecond=0) == head["LastModified"]
    assert listed["Owner"]["ID"]


def test_names_that_xml_would_break_are_written_as_references(world: World, s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="zz<&>\"'", Body=b"")
    path = "/api/cloud/storage/outputs?prefix=zz"
    body = world.send("GET", path, world.signed("GET", path))[2]
    assert b"<Key>zz&#x3c;&#x26;&#x3e;" in body
    s3.delete_object(Bucket="outputs", Key="zz<&>\"'")


@pytest.mark.parametrize("options", [{"MaxKeys": -1}, {"ContinuationToken": "not ours é"}, {"EncodingType": "base64"}])
def test_unusable_arguments_are_refused(s3: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        s3.list_objects_v2(Bucket="outputs", **options)
    assert code_of(error) == (400, "InvalidArgument")


SEGMENT = st.text(st.sampled_from("ab/.-é"), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(SEGMENT, max_size=8, unique=True),
    prefix=st.text(st.sampled_from("ab/"), max_size=2),
    delimiter=st.sampled_from(["", "/", "a"]),
    size=st.integers(1, 4),
)
def test_a_listing_is_what_the_definition_says(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], prefix: str, delimiter: str, size: int
) -> None:
    keys = [key for key in keys if not {".", ".."} & set(key.split("/"))]
    disk = Disk(tmp_path_factory.mktemp("listing"), now, 1000)
    disk.create_bucket("bucket")
    for key in keys:
        with disk.draft() as draft:
            disk.publish("bucket", key, draft, "etag", {})
    found: list[str] = []
    last, more = "", True
    while more:
        one = page(lambda after: disk.keys("bucket", prefix.encode(), after), prefix, delimiter, last, size)
        found += utf8(one.keys + one.prefixes)
        assert len(one.keys) + len(one.prefixes) == size or not one.truncated
        last, more = one.last, one.truncated
    disk.close()
    matching = [key for key in keys if key.startswith(prefix)]
    groups = {_group(key, prefix, delimiter) for key in matching}
    assert found == utf8(list(groups))


def _group(key: str, prefix: str, delimiter: str) -> str:
    rest = key[len(prefix) :]
    return prefix + rest.partition(delimiter)[0] + delimiter if delimiter and delimiter in rest else key


def test_a_folder_without_objects_is_no_common_prefix(world: World, s3: Any) -> None:
    Path(world.root / "outputs/empty/folder").mkdir(parents=True)
    found = s3.list_objects_v2(Bucket="outputs", Delimiter="/")
    assert "empty/" not in [one["Prefix"] for one in found["CommonPrefixes"]]


def test_folders_too_deep_for_any_key_do_not_stop_a_listing(world: World, s3: Any) -> None:
    """Somebody's copy of a tree may go deeper than keys can, and deeper than Python calls itself."""
    s3.put_object(Bucket="outputs", Key="deep/found", Body=b"x")
    folder = os.open(world.root / "outputs/deep", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=folder)
        below = os.open("a", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    try:
        assert keys_of(s3, "deep/") == ["deep/found"]
    finally:
        subprocess.run(["rm", "-rf", world.root / "outputs/deep/a"], check=True)


def test_the_deepest_key_is_listed_and_its_folders_go_with_it(world: World, s3: Any) -> None:
    deepest = "d/" * 511 + "ee"
    s3.put_object(Bucket="outputs", Key=deepest, Body=b"x")
    assert keys_of(s3, "d/") == [deepest]
    s3.delete_object(Bucket="outputs", Key=deepest)
    assert not (world.root / "outputs/d").exists()


def keys_of(s3: Any, prefix: str) -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket="outputs", Prefix=prefix)["Contents"]]


def test_the_count_of_keys_is_that_of_the_keys_shown(world: World, s3: Any) -> None:
    """While one of them is deleted, and it was only half seen."""
    stop = threading.Event()

    def come_and_go() -> None:
        file = world.root / "outputs/count/passing"
        while not stop.is_set():
            file.write_bytes(b"x")
            file.unlink()

    s3.put_object(Bucket="outputs", Key="count/stays", Body=b"x")
    threads = [threading.Thread(target=come_and_go) for _ in range(1)]
    for thread in threads:
        thread.start()
    try:
        answers = [s3.list_objects_v2(Bucket="outputs", Prefix="count/") for _ in range(150)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [answer["KeyCount"] for answer in answers] == [len(answer["Contents"]) for answer in answers]
