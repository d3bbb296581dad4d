"""Multipart uploads: parts in any order and at once, joined only when all of them are there."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.http.s3_world import World, code_of, now, serve

MIB = 1024 * 1024
FIVE = os.urandom(5 * MIB)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(tmp_path_factory.mktemp("s3")) as served:
        yield served


@pytest.fixture(scope="module")
def s3(world: World) -> Any:
    return world.s3()


def begin(s3: Any, key: str, **options: Any) -> dict[str, Any]:
    return {"Bucket": "outputs", "Key": key} | {
        "UploadId": s3.create_multipart_upload(Bucket="outputs", Key=key, **options)["UploadId"]
    }


def send(s3: Any, upload: dict[str, Any], number: int, body: bytes) -> dict[str, Any]:
    return {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}


def complete(s3: Any, upload: dict[str, Any], *parts: dict[str, Any], **options: Any) -> Any:
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": list(parts)}, **options)


def read(s3: Any, key: str) -> bytes:
    return bytes(s3.get_object(Bucket="outputs", Key=key)["Body"].read())


def test_ten_parts_at_once_in_any_order_become_one_object(world: World, s3: Any) -> None:
    upload = begin(s3, "ten", Metadata={"step": "9"}, ContentType="x/y")
    bodies = [FIVE[number:] + FIVE[:number] for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        parts = list(pool.map(lambda number: send(s3, upload, number + 1, bodies[number]), reversed(range(10))))
    assert not (world.root / "outputs/ten").exists()
    answer = complete(s3, upload, *reversed(parts))
    md5s = b"".join(hashlib.md5(body, usedforsecurity=False).digest() for body in bodies)
    assert answer["ETag"] == f'"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-10"'
    assert read(s3, "ten") == b"".join(bodies)
    head = s3.head_object(Bucket="outputs", Key="ten")
    assert (head["Metadata"], head["ContentType"]) == ({"step": "9"}, "x/y")
    assert not any((world.root / ".stcloud/uploads").iterdir())


@pytest.mark.parametrize("body", [b"", b"small"])
def test_one_part_may_be_small_or_empty(s3: Any, body: bytes) -> None:
    upload = begin(s3, "single")
    complete(s3, upload, send(s3, upload, 1, body))
    assert read(s3, "single") == body


def test_a_part_sent_again_replaces_the_first(s3: Any) -> None:
    upload = begin(s3, "again")
    first = send(s3, upload, 1, b"first")
    second = send(s3, upload, 1, b"second")
    with pytest.raises(ClientError) as error:
        complete(s3, upload, first)
    assert code_of(error) == (400, "InvalidPart")
    complete(s3, upload, second)
    assert read(s3, "again") == b"second"


def test_only_the_named_parts_are_joined(s3: Any) -> None:
    upload = begin(s3, "some")
    parts = [send(s3, upload, number, body) for number, body in ((2, FIVE), (5, b"skipped"), (9000, b"end"))]
    complete(s3, upload, parts[0], parts[2])
    assert read(s3, "some") == FIVE + b"end"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [([1, 2], "EntityTooSmall"), ([2, 1], "InvalidPartOrder"), ([1, 1], "InvalidPartOrder"), ([1, 3], "InvalidPart")],
)
def test_what_cannot_be_joined_is_named_and_the_upload_stays_open(s3: Any, wanted: list[int], code: str) -> None:
    upload = begin(s3, "refused")
    etags = {number: send(s3, upload, number, b"x")["ETag"] for number in (1, 2)}
    with pytest.raises(ClientError) as error:
        complete(s3, upload, *({"PartNumber": number, "ETag": etags.get(number, '"e"')} for number in wanted))
    assert code_of(error) == (400, code)
    assert len(s3.list_parts(**upload)["Parts"]) == 2
    s3.abort_multipart_upload(**upload)


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_numbers_go_from_1_to_10000(s3: Any, number: int) -> None:
    upload = begin(s3, "numbers")
    with pytest.raises(ClientError) as error:
        send(s3, upload, number, b"x")
    assert code_of(error) == (400, "InvalidArgument")


def test_completing_again_gives_the_same_answer(s3: Any) -> None:
    upload = begin(s3, "twice")
    part = send(s3, upload, 1, b"x")
    assert complete(s3, upload, part)["ETag"] == complete(s3, upload, part)["ETag"]
    s3.put_object(Bucket="outputs", Key="twice", Body=b"newer")
    with pytest.raises(ClientError) as error:
        complete(s3, upload, part)
    assert code_of(error) == (404, "NoSuchUpload")
    assert read(s3, "twice") == b"newer"


def test_completing_again_with_other_parts_is_not_called_a_success(s3: Any) -> None:
    upload = begin(s3, "twice, differently")
    parts = [send(s3, upload, number, FIVE) for number in (1, 2, 3)]
    made = complete(s3, upload, *parts[:2])["ETag"]
    for others in (parts, parts[:1], [parts[0], {"PartNumber": 2, "ETag": "no MD5"}]):
        with pytest.raises(ClientError) as error:
            complete(s3, upload, *others)
        assert code_of(error) == (404, "NoSuchUpload")
    assert complete(s3, upload, *parts[:2])["ETag"] == made


def test_four_completions_at_once_make_one_object(s3: Any) -> None:
    upload = begin(s3, "race")
    parts = [send(s3, upload, 1, FIVE), send(s3, upload, 2, b"end")]
    with ThreadPoolExecutor(4) as pool:
        etags = {answer["ETag"] for answer in pool.map(lambda _n: complete(s3, upload, *parts), range(4))}
    assert len(etags) == 1
    assert read(s3, "race") == FIVE + b"end"


def test_an_aborted_upload_is_gone_with_its_bytes(world: World, s3: Any) -> None:
    upload = begin(s3, "gone")
    part = send(s3, upload, 1, b"x")
    s3.abort_multipart_upload(**upload)
    for attempt in (
        lambda: send(s3, upload, 2, b"x"),
        lambda: complete(s3, upload, part),
        lambda: s3.list_parts(**upload),
        lambda: s3.abort_multipart_upload(**upload),
    ):
        with pytest.raises(ClientError) as error:
            attempt()
        assert code_of(error) == (404, "NoSuchUpload")
    assert not (world.root / ".stcloud/uploads" / upload["UploadId"]).exists()
    assert not (world.root / "outputs/gone").exists()


def test_an_upload_id_belongs_to_its_key(s3: Any) -> None:
    upload = begin(s3, "owner")
    with pytest.raises(ClientError) as error:
        send(s3, upload | {"Key": "other"}, 1, b"x")
    assert code_of(error) == (404, "NoSuchUpload")


def test_listing_parts_in_pages(s3: Any) -> None:
    upload = begin(s3, "parts")
    for number in (3, 1, 2):
        send(s3, upload, number, bytes(number))
    pages = list(s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 2}))
    assert [[(part["PartNumber"], part["Size"]) for part in one["Parts"]] for one in pages] == [
        [(1, 1), (2, 2)],
        [(3, 3)],
    ]
    s3.abort_multipart_upload(**upload)


def test_listing_uploads_with_prefix_delimiter_and_pages(s3: Any) -> None:
    uploads = [begin(s3, key) for key in ("up/a", "up/a", "up/b", "up/c/d", "up/é")]
    found = s3.list_multipart_uploads(Bucket="outputs", Prefix="up/", Delimiter="/")
    assert [one["Key"] for one in found["Uploads"]] == ["up/a", "up/a", "up/b", "up/é"]
    assert [one["Prefix"] for one in found["CommonPrefixes"]] == ["up/c/"]
    for size in (1, 2, 3):
        options = {"Bucket": "outputs", "Prefix": "up/", "PaginationConfig": {"PageSize": size}}
        pages = list(s3.get_paginator("list_multipart_uploads").paginate(**options))
        ids = [one["UploadId"] for page in pages for one in page.get("Uploads", [])]
        assert sorted(ids) == sorted(upload["UploadId"] for upload in uploads)
    for upload in uploads:
        s3.abort_multipart_upload(**upload)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("SHA256", "COMPOSITE"), ("SHA512", "COMPOSITE")],
)
def test_the_checksum_of_the_whole_is_known_and_verified_on_download(s3: Any, algorithm: str, kind: str) -> None:
    upload = begin(s3, "checked", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    parts = []
    for number, body in ((1, FIVE), (2, b"end")):
        answer = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        value = answer[f"Checksum{algorithm}"]
        parts.append({"PartNumber": number, "ETag": answer["ETag"], f"Checksum{algorithm}": value})
    made = complete(s3, upload, *parts)
    assert made["ChecksumType"] == kind
    whole = s3.put_object(Bucket="outputs", Key="plain", Body=FIVE + b"end", ChecksumAlgorithm=algorithm)
    full = made[f"Checksum{algorithm}"] == whole[f"Checksum{algorithm}"]
    assert full is (kind == "FULL_OBJECT")
    assert made[f"Checksum{algorithm}"].endswith("-2") is not full
    assert read(s3, "checked") == FIVE + b"end"


def test_the_checksum_that_a_client_states_for_the_whole_is_held_against_it(s3: Any) -> None:
    whole = s3.put_object(Bucket="outputs", Key="plain", Body=FIVE + b"end")["ChecksumCRC32"]
    for stated, fits in (("AAAAAA==", False), (whole, True)):
        upload = begin(s3, "stated", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        parts = [send(s3, upload, 1, FIVE), send(s3, upload, 2, b"end")]
        options = {"ChecksumCRC32": stated, "ChecksumType": "FULL_OBJECT"}
        if fits:
            assert complete(s3, upload, *parts, **options)["ChecksumCRC32"] == whole
            continue
        with pytest.raises(ClientError) as error:
            complete(s3, upload, *parts, **options)
        assert code_of(error) == (400, "BadDigest")


def test_a_part_whose_checksum_is_misquoted_is_refused(s3: Any) -> None:
    upload = begin(s3, "misquoted", ChecksumAlgorithm="CRC32")
    part = send(s3, upload, 1, b"x")
    with pytest.raises(ClientError) as error:
        complete(s3, upload, part | {"ChecksumCRC32": "AAAAAA=="})
    assert code_of(error) == (400, "InvalidPart")


def test_ranges_of_other_objects_can_be_parts(world: World, s3: Any) -> None:
    """As when packs that are here already are joined: nothing is read but what a checksum asks for."""
    packs = [os.urandom(5 * MIB + 7), os.urandom(5 * MIB)]
    etags = [s3.put_object(Bucket="outputs", Key=f"pack{n}", Body=pack)["ETag"] for n, pack in enumerate(packs)]
    for options in ({}, {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}):
        upload = begin(s3, "pieced", **options)

        def copy(number: int, pack: int, ends: str | None = None, upload: dict[str, Any] = upload) -> dict[str, Any]:
            source = {"Bucket": "outputs", "Key": f"pack{pack}"}
            ranged = {"CopySourceRange": f"bytes={ends}"} if ends else {}
            made = s3.upload_part_copy(**upload, PartNumber=number, CopySource=source, **ranged)["CopyPartResult"]
            return {"PartNumber": number, "ETag": made["ETag"]}

        parts = [copy(1, 0, f"3-{5 * MIB + 5}"), copy(2, 1), send(s3, upload, 3, FIVE), copy(4, 0, "0-0")]
        assert parts[1]["ETag"] == etags[1]
        made = complete(s3, upload, *parts)
        whole = packs[0][3:-1] + packs[1] + FIVE + packs[0][:1]
        assert read(s3, "pieced") == whole
        if options:
            crc = base64.b64encode(zlib.crc32(whole).to_bytes(4, "big")).decode()
            assert made["ChecksumCRC32"] == crc


@pytest.mark.parametrize("ends", ["bytes=5-10", "bytes=7-2", "bytes=3-", "bytes=-3", "0-2", "bytes=0-1,3-4"])
def test_a_range_that_is_copied_must_exist(world: World, s3: Any, ends: str) -> None:
    s3.put_object(Bucket="outputs", Key="source", Body=b"0123456789")
    upload = begin(s3, "ranged")
    source = {"Bucket": "outputs", "Key": "source"}
    with pytest.raises(ClientError) as error:
        s3.upload_part_copy(**upload, PartNumber=1, CopySource=source, CopySourceRange=ends)
    assert code_of(error) in ((400, "InvalidArgument"), (416, "InvalidRange"))


def test_completing_only_if_nothing_is_there(s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="taken", Body=b"old")
    upload = begin(s3, "taken")
    part = send(s3, upload, 1, b"new")
    with pytest.raises(ClientError) as error:
        complete(s3, upload, part, IfNoneMatch="*")
    assert code_of(error) == (412, "PreconditionFailed")
    assert read(s3, "taken") == b"old"


def test_uploads_survive_a_restart_and_are_given_up_after_a_week(tmp_path: Path) -> None:
    with serve(tmp_path) as world:
        upload = begin(world.s3(), "kept")
        part = send(world.s3(), upload, 1, b"x")
    with serve(tmp_path) as world:
        complete(world.s3(), upload, part)
        assert read(world.s3(), "kept") == b"x"
        old = begin(world.s3(), "old")
        send(world.s3(), old, 1, b"x")
    with serve(tmp_path, clock=lambda: now() + timedelta(days=8)):
        assert not any((tmp_path / ".stcloud/uploads").iterdir())


@pytest.mark.parametrize("attempt", range(3))  # a race: it does not show every time
def test_parts_sent_once_more_while_the_upload_is_completed_do_not_break_it(s3: Any, attempt: int) -> None:
    """As when two processes send the same data: each part may be replaced by itself at any moment."""
    key = f"again{attempt}"
    upload = begin(s3, key)
    parts = [send(s3, upload, number, FIVE) for number in range(1, 13)]

    def send_again(number: int) -> None:
        while True:
            try:
                send(s3, upload, number, FIVE)
            except ClientError as error:
                if error.response["Error"]["Code"] == "SlowDown":
                    continue
                assert error.response["Error"]["Code"] == "NoSuchUpload"
                return

    with ThreadPoolExecutor(3) as pool:
        again = [pool.submit(send_again, number) for number in (10, 11, 12)]
        try:
            complete(s3, upload, *parts)
        finally:
            with contextlib.suppress(ClientError):
                s3.abort_multipart_upload(**upload)
        for one in again:
            one.result()
    assert read(s3, key) == FIVE * 12
