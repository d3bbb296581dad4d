"""Sending to a bucket of somebody's over real HTTP: our own endpoint, and another S3."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.domain.destinations import BucketKeys, BucketPlace
from chalicelib.domain.errors import DestinationDown, DestinationRefused, NotFound
from chalicelib.domain.ports.outside import Buckets
from chalicelib.storage.buckets import UserBuckets
from tests.engines import start
from tests.http.s3_world import ROOT, serve

MIB = 1024 * 1024
KEY = "models/ünï côde/a b.safetensors"


class Place:
    def __init__(self, url: str, keys: BucketKeys) -> None:
        self.place = BucketPlace(f"theirs-{secrets.token_hex(4)}", "us-east-1", url)
        self.keys = keys
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
        )
        self.s3.create_bucket(Bucket=self.place.bucket)

    def body(self) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.place.bucket, Key=KEY)["Body"].read())


@pytest.fixture(scope="module", params=["local", pytest.param("ministack", marks=pytest.mark.engine("ministack"))])
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if request.param == "local":
        with serve(Path(tmp_path_factory.mktemp("s3"))) as world:
            yield Place(world.url, BucketKeys(ROOT.access_key, ROOT.secret_key))
        return
    engine = start("ministack")
    try:
        yield Place(engine.url, BucketKeys("testing", "testing"))
    finally:
        engine.stop()


@pytest.fixture
def buckets() -> Buckets:
    return UserBuckets(True, lambda: datetime.now(UTC))


def test_a_small_file_arrives_in_one_piece(there: Place, buckets: Buckets) -> None:
    buckets.put(there.place, there.keys, KEY, b"small")
    assert there.body() == b"small"
    [listed] = buckets.list(there.place, there.keys, "models/")
    assert (listed.key, listed.etag) == (KEY, hashlib.md5(b"small", usedforsecurity=False).hexdigest())


def test_parts_are_remembered_by_the_store_and_make_one_file(there: Place, buckets: Buckets) -> None:
    first, last = secrets.token_bytes(5 * MIB), b"end"
    upload_id = buckets.start(there.place, there.keys, KEY)
    sent = buckets.put_part(there.place, there.keys, KEY, upload_id, 1, first)
    # Another process, which knows nothing but the upload's id.
    other = UserBuckets(True, lambda: datetime.now(UTC))
    [known] = other.parts(there.place, there.keys, KEY, upload_id)
    assert known == sent and known.size == 5 * MIB
    ended = other.put_part(there.place, there.keys, KEY, upload_id, 2, last)
    other.complete(there.place, there.keys, KEY, upload_id, [ended, known])
    assert there.body() == first + last
    [listed] = buckets.list(there.place, there.keys, "models/")
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in (first, last))
    assert listed.etag == f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-2", "as boto3 would have made it"
    with pytest.raises(NotFound):
        buckets.parts(there.place, there.keys, KEY, upload_id)
    with pytest.raises(NotFound):
        buckets.put_part(there.place, there.keys, KEY, upload_id, 3, last)


def test_an_upload_is_thrown_away_once_and_again(there: Place, buckets: Buckets) -> None:
    upload_id = buckets.start(there.place, there.keys, KEY)
    buckets.put_part(there.place, there.keys, KEY, upload_id, 1, b"part")
    for _ in range(2):
        buckets.abort(there.place, there.keys, KEY, upload_id)
    with pytest.raises(NotFound):
        buckets.parts(there.place, there.keys, KEY, upload_id)


def test_two_places_at_once_each_get_their_own(there: Place, buckets: Buckets) -> None:
    other = Place(str(there.place.endpoint_url), there.keys)
    for number in range(4):
        for one in (there, other):
            buckets.put(one.place, one.keys, KEY, f"{one.place.bucket} {number}".encode())
    assert there.body() == f"{there.place.bucket} 3".encode() and other.body() == f"{other.place.bucket} 3".encode()


def test_who_refuses_and_who_is_not_there_are_told_apart(there: Place, buckets: Buckets) -> None:
    nowhere = BucketPlace("not-there-at-all", "us-east-1", there.place.endpoint_url)
    with pytest.raises(DestinationRefused):
        buckets.put(nowhere, there.keys, KEY, b"x")
    silent = BucketPlace("theirs", "us-east-1", "http://127.0.0.1:9")
    with pytest.raises(DestinationDown):
        buckets.start(silent, there.keys, KEY)


def test_the_beginning_of_a_large_object_is_read_alone(there: Place, buckets: Buckets) -> None:
    there.s3.put_object(Bucket=there.place.bucket, Key=KEY, Body=b"header" + bytes(MIB))
    assert buckets.first(there.place, there.keys, KEY, 6) == b"header"
    assert len(buckets.first(there.place, there.keys, KEY, 2 * MIB)) == MIB + 6
