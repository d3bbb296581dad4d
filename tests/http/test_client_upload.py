"""Uploads over real HTTP: everything arrives once, whatever breaks on the way."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import FileChanged, Manifest, Source
from chalicelib.domain.scanning import scan
from client import ApiError, CloudClient
from client.errors import TransferFailed
from client.uploading import Uploaded, upload
from tests.http.fake_cloud import FakeCloud, served

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    with served(FakeCloud()) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        (tmp_path / f"{number:02}.png").write_bytes(os.urandom(60_000))
        (tmp_path / f"{number:02}.txt").write_bytes(b"a caption of many words " * 20)
    return tmp_path


def sent(cloud: FakeCloud, folder: Path, manifest: Manifest | None = None, consented: bool = True) -> Uploaded:
    manifest = manifest or scan([Source("set", folder)])
    with CloudClient(cloud.url) as client:
        return upload(client, manifest, Archive(manifest), consented=consented)


def arrived(cloud: FakeCloud) -> dict[str, bytes]:
    session = list(cloud.sessions.values())[-1]
    assert session.state == "complete"
    with zipfile.ZipFile(io.BytesIO(session.content)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_archive_that_arrives_is_the_folder(cloud: FakeCloud, folder: Path) -> None:
    outcome = sent(cloud, folder)
    assert outcome.sent_parts == 12 and outcome.resumed_parts == 0
    assert arrived(cloud) == {f"set/{path.name}": path.read_bytes() for path in folder.iterdir()}


def test_parts_carry_their_length_and_no_api_key(cloud: FakeCloud, folder: Path) -> None:
    cloud.api_key = "key-of-the-api"
    manifest = scan([Source("set", folder)])
    with CloudClient(cloud.url, api_key="key-of-the-api") as client:
        upload(client, manifest, Archive(manifest), consented=True)
    puts = [headers for (method, _), headers in zip(cloud.journal, cloud.headers, strict=True) if method == "PUT"]
    assert len(puts) == 12
    assert all("content-length" in headers and "transfer-encoding" not in headers for headers in puts)
    assert not any("x-api-key" in headers or "authorization" in headers for headers in puts)


def test_the_second_time_nothing_is_sent(cloud: FakeCloud, folder: Path) -> None:
    first = sent(cloud, folder)
    before = cloud.calls("PUT", "/store")
    second = sent(cloud, folder)
    assert second.upload_id == first.upload_id
    assert cloud.calls("PUT", "/store") == before


def test_only_missing_parts_are_sent_when_a_session_is_open(cloud: FakeCloud, folder: Path) -> None:
    sent(cloud, folder)
    session = cloud.sessions["u-1"]
    session.state = "open"
    del session.parts[3], session.parts[7]
    cloud.journal.clear()
    outcome = sent(cloud, folder)
    assert (outcome.sent_parts, outcome.resumed_parts) == (2, 10)
    puts = sorted(path.rsplit("/", 1)[1] for method, path in cloud.journal if method == "PUT")
    assert puts == ["3", "7"]
    assert len(arrived(cloud)) == 24


def test_a_part_with_text_that_differs_in_the_store_is_sent_again(cloud: FakeCloud, folder: Path) -> None:
    sent(cloud, folder)
    session = cloud.sessions["u-1"]
    session.state = "open"
    session.parts[2] = bytes(len(session.parts[2]))
    assert sent(cloud, folder).sent_parts == 1
    assert len(arrived(cloud)) == 24


def test_a_part_is_tried_again_after_errors_of_the_store(cloud: FakeCloud, folder: Path) -> None:
    def fail_twice(request: Request, count: int) -> Response | None:
        return Response(status_code=503) if request.url.path.endswith("/5") and count <= 2 else None

    cloud.faults = fail_twice
    sent(cloud, folder)
    assert cloud.calls("PUT", "/store/part/u-1/5") == 3
    assert len(arrived(cloud)) == 24


def test_an_expired_link_is_replaced_by_a_new_one(cloud: FakeCloud, folder: Path) -> None:
    used: list[str] = []

    def expired(request: Request, count: int) -> Response | None:
        if not request.url.path.endswith("/4"):
            return None
        used.append(request.url.query)
        return Response(status_code=403) if count == 1 else None

    cloud.faults = expired
    sent(cloud, folder)
    assert len(set(used)) == 2
    assert len(arrived(cloud)) == 24


def test_links_that_grow_old_while_waiting_are_asked_for_again(cloud: FakeCloud, folder: Path) -> None:
    cloud.link_seconds = 0
    sent(cloud, folder)
    assert cloud.calls("POST", "/api/cloud/uploads/u-1/parts") == 12
    assert len(arrived(cloud)) == 24


def test_a_refusal_by_the_store_is_not_repeated(cloud: FakeCloud, folder: Path) -> None:
    cloud.faults = lambda request, count: Response(status_code=404)
    with pytest.raises(TransferFailed, match="HTTP 404"):
        sent(cloud, folder)
    assert cloud.calls("PUT", "/store") <= 4


@pytest.mark.parametrize(("consent", "status"), [("deny", 403), ("ask", 428)])
def test_no_byte_leaves_without_consent(cloud: FakeCloud, folder: Path, consent: str, status: int) -> None:
    cloud.consent = consent
    with pytest.raises(ApiError) as refusal:
        sent(cloud, folder, consented=False)
    assert refusal.value.status == status
    assert cloud.calls("PUT", "/store") == 0


def test_a_file_that_changes_while_it_is_sent_ends_the_upload(cloud: FakeCloud, folder: Path) -> None:
    manifest = scan([Source("set", folder)])
    (folder / "07.png").write_bytes(os.urandom(60_000))
    with pytest.raises(FileChanged, match=r"set/07\.png"):
        sent(cloud, folder, manifest)
    assert cloud.sessions["u-1"].state == "aborted"


def test_a_session_cut_for_another_archive_is_replaced(cloud: FakeCloud, folder: Path) -> None:
    sent(cloud, folder)
    session = cloud.sessions["u-1"]
    session.state = "open"
    original, session.answer = session.answer, lambda: original() | {"part_count": 99}  # type: ignore[method-assign]
    assert sent(cloud, folder).upload_id == "u-2"
    assert session.state == "aborted"


CHILD = """
import sys
from pathlib import Path
from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Source
from chalicelib.domain.scanning import scan
from client import CloudClient
from client.uploading import upload
manifest = scan([Source("set", Path(sys.argv[2]))])
with CloudClient(sys.argv[1]) as client:
    upload(client, manifest, Archive(manifest), consented=True)
"""


def child(cloud: FakeCloud, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, cloud.url, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_parts(cloud: FakeCloud, count: int) -> None:
    until = time.monotonic() + 20
    while not cloud.sessions or len(cloud.sessions["u-1"].parts) < count:
        assert time.monotonic() < until, "no part arrived"
        time.sleep(0.01)


def test_after_kill_9_only_what_had_not_arrived_is_sent(cloud: FakeCloud, folder: Path) -> None:
    cloud.part_delay = 0.1
    killed = child(cloud, folder)
    wait_for_parts(cloud, 3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    time.sleep(0.5)  # what was on its way when the sender died arrives or breaks off
    cloud.part_delay = 0.0
    had = len(cloud.sessions["u-1"].parts)
    cloud.journal.clear()
    outcome = sent(cloud, folder)
    assert outcome.upload_id == "u-1"
    assert 3 <= had < 12
    assert cloud.calls("PUT", "/store") == outcome.sent_parts == 12 - had
    assert len(arrived(cloud)) == 24


def test_ctrl_c_stops_at_once_and_leaves_the_session_open(cloud: FakeCloud, folder: Path) -> None:
    cloud.part_delay = 0.2
    interrupted = child(cloud, folder)
    wait_for_parts(cloud, 2)
    interrupted.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, errors = interrupted.communicate(timeout=20)
    assert time.monotonic() - begun < 5
    assert b"KeyboardInterrupt" in errors
    assert cloud.sessions["u-1"].state == "open"


def test_a_lost_server_is_waited_for_a_little(folder: Path) -> None:
    with served(FakeCloud()) as cloud:
        outcomes: list[Uploaded] = []
        broken = threading.Event()

        def drop_once(request: Request, count: int) -> Response | None:
            if request.url.path.endswith("/6") and not broken.is_set():
                broken.set()
                raise ConnectionError("dropped, as the test wants")
            return None

        cloud.faults = drop_once
        outcomes.append(sent(cloud, folder))
        assert broken.is_set() and outcomes[0].sent_parts == 12
        assert len(arrived(cloud)) == 24
