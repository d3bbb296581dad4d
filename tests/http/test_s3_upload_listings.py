"""Listings of open uploads: cut in one place, inside the reach of the key, and never more rows than a page needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.s3.records import Records
from tests.http.s3_world import JOB, World, serve


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serve(tmp_path) as served:
        yield served


def test_markers_do_not_show_the_uploads_of_another_job(world: World) -> None:
    for key in ("jobs/8/model", "jobs/8/model", "jobs/7/model"):
        world.s3().create_multipart_upload(Bucket="outputs", Key=key)
    asked = {"Bucket": "outputs", "Prefix": "jobs/7/"}
    assert seen(world.s3(JOB).list_multipart_uploads(**asked)) == ["jobs/7/model"]
    assert seen(world.s3(JOB).list_multipart_uploads(**asked, KeyMarker="jobs/8/model", UploadIdMarker="0")) == []


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_pages_with_a_delimiter_leave_no_upload_out(world: World, size: int) -> None:
    for key in ("m/a", "m/a", "m/a", "m/b/x", "m/b/y", "m/c", "m/c", "n"):
        world.s3().create_multipart_upload(Bucket="outputs", Key=key)
    options = {"Bucket": "outputs", "Prefix": "m/", "Delimiter": "/", "PaginationConfig": {"PageSize": size}}
    pages = list(world.s3().get_paginator("list_multipart_uploads").paginate(**options))
    assert sorted(name for one in pages for name in seen(one)) == ["m/a", "m/a", "m/a", "m/b/", "m/c", "m/c"]
    ids = [one["UploadId"] for page in pages for one in page.get("Uploads", [])]
    assert len(ids) == len(set(ids)) and all(len(seen(one)) <= size for one in pages)


def test_keys_are_read_as_they_are_asked_for_and_not_beyond_the_prefix(tmp_path: Path) -> None:
    records = Counting(tmp_path / "records.sqlite3")
    with records.transaction() as write:
        write.executemany(
            "INSERT INTO uploads VALUES (?, 'b', ?, 0, '{}', NULL, NULL, NULL)",
            [
                (f"{folder}{number:05d}", f"{folder}/{number:05d}".encode())
                for folder in "abc"
                for number in range(3000)
            ],
        )
    found = records.keys("uploads", "etag IS NULL", "b", b"b/", b"")
    assert next(found) == b"b/00000"
    assert records.rows <= 16
    assert list(found) == [f"b/{number:05d}".encode() for number in range(1, 3000)]
    assert (records.rows, records.most) == (3000, 1024)
    records.close()


class Counting(Records):
    """Counts the rows that come out of the database."""

    rows = most = 0

    def all(self, query: str, *values: object) -> list[Any]:
        found = super().all(query, *values)
        self.rows, self.most = self.rows + len(found), max(self.most, len(found))
        return found


def seen(page: dict[str, Any]) -> list[str]:
    prefixes = [one["Prefix"] for one in page.get("CommonPrefixes", [])]
    return sorted([one["Key"] for one in page.get("Uploads", [])] + prefixes)
