"""The transfers that the product is for: big files by unmodified clients, in little memory, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from local.s3 import StorageEndpoint
from tests.http.s3_world import JOB, KEYS, PREFIX, World, code_of, memory_peak, now, serve, serve_apart

MIB = 1024 * 1024


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "model.safetensors"
    path.write_bytes(os.urandom(10 * MIB) * 10)
    return path


def test_100_mib_up_and_down_with_plain_boto3_in_bounded_memory(tmp_path: Path, big: Path) -> None:
    with serve_apart(tmp_path / "store") as (world, process):
        s3 = world.s3(JOB)
        s3.list_objects_v2(Bucket="outputs", Prefix="jobs/7/")
        before = memory_peak(process.pid)
        s3.upload_file(str(big), "outputs", "jobs/7/model.safetensors")
        s3.download_file("outputs", "jobs/7/model.safetensors", str(tmp_path / "back"))
        with big.open("rb") as body:
            s3.put_object(Bucket="outputs", Key="jobs/7/single", Body=body)
        with (tmp_path / "single").open("wb") as file:
            shutil.copyfileobj(s3.get_object(Bucket="outputs", Key="jobs/7/single")["Body"], file, MIB)
        grown = memory_peak(process.pid) - before
    assert digest(tmp_path / "back") == digest(tmp_path / "single") == digest(big)
    assert digest(tmp_path / "store/outputs/jobs/7/model.safetensors") == digest(big)
    assert grown < 64 * MIB, f"{grown / MIB:.0f} MiB"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("openssl is needed to make a certificate for https")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    outputs = ["-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command.split(), *outputs], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    return both


@pytest.fixture
def https(tmp_path: Path, certificate: Path) -> Iterator[World]:
    with serve(tmp_path / "store", certificate=certificate) as world:
        yield world


def test_boto3_over_https_where_every_body_is_aws_chunked(https: World, tmp_path: Path) -> None:
    seen: list[str] = []
    s3 = https.s3(JOB)
    s3.meta.events.register("before-send.s3", lambda request, **_: seen.append(str(request.headers)))
    s3.put_object(Bucket="outputs", Key="jobs/7/small", Body=b"x" * 1000)
    source = tmp_path / "source"
    source.write_bytes(os.urandom(30 * MIB))
    s3.upload_file(str(source), "outputs", "jobs/7/big")
    s3.download_file("outputs", "jobs/7/big", str(tmp_path / "back"))
    assert (tmp_path / "store/outputs/jobs/7/small").stat().st_size == 1000
    assert digest(tmp_path / "back") == digest(source)
    assert sum("STREAMING-UNSIGNED-PAYLOAD-TRAILER" in headers for headers in seen) >= 5


def test_a_kill_during_a_put_leaves_the_old_object_whole_and_nothing_new(tmp_path: Path) -> None:
    old = os.urandom(MIB)
    with serve_apart(tmp_path) as (world, process):
        world.s3().put_object(Bucket="outputs", Key="model", Body=old, Metadata={"step": "1"})
        lines = [half_sent(world, key) for key in ("model", "fresh")]
        wait_for(lambda: sum(path.stat().st_size for path in (tmp_path / ".stcloud/drafts").iterdir()) > MIB)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for line in lines:
            line.close()
    assert not (tmp_path / "outputs/fresh").exists()
    with serve_apart(tmp_path) as (world, _process):
        s3 = world.s3()
        found = s3.get_object(Bucket="outputs", Key="model")
        assert (found["Body"].read(), found["Metadata"]) == (old, {"step": "1"})
        assert [one["Key"] for one in s3.list_objects_v2(Bucket="outputs")["Contents"]] == ["model"]
        assert not any((tmp_path / ".stcloud/drafts").iterdir())


def half_sent(world: World, key: str) -> socket.socket:
    path = f"{PREFIX}/outputs/{key}"
    headers = world.signed("PUT", path, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    parts = urlsplit(world.url)
    line = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)
    raw = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    start = f"PUT {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {8 * MIB}\r\n{raw}\r\n"
    line.sendall(start.encode() + bytes(4 * MIB))
    return line


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_kills_at_any_moment_leave_content_and_metadata_of_one_version(tmp_path: Path) -> None:
    """Writers replace one object as fast as they can; wherever the kill falls, what is left describes itself."""
    for round_number in range(3):
        with serve_apart(tmp_path) as (world, process):
            threads = [threading.Thread(target=replace_for_ever, args=(world, name)) for name in "ab"]
            for thread in threads:
                thread.start()
            wait_for((tmp_path / "outputs/model").exists)
            time.sleep(0.1 + 0.13 * round_number)
            process.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()
        with serve(tmp_path) as again:
            found = again.s3().get_object(Bucket="outputs", Key="model")
            body = found["Body"].read()
            assert found["ETag"] == f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
            assert found["Metadata"]["sha"] == hashlib.sha256(body).hexdigest()


def test_a_kill_between_record_and_rename_leaves_the_old_object_as_it_was(tmp_path: Path) -> None:
    """Putting the old file back, times included, is the very state in which such a kill leaves the disk."""
    file = tmp_path / "outputs/model"
    with serve(tmp_path) as world:
        world.s3().put_object(Bucket="outputs", Key="model", Body=b"old", Metadata={"step": "1"})
        shutil.copy2(file, tmp_path / "kept")
        world.s3().put_object(Bucket="outputs", Key="model", Body=b"new", Metadata={"step": "2"})
    (tmp_path / "kept").rename(file)
    with serve(tmp_path) as world:
        found = world.s3().get_object(Bucket="outputs", Key="model")
        assert (found["Body"].read(), found["Metadata"]) == (b"old", {"step": "1"})
        assert found["ETag"] == f'"{hashlib.md5(b"old", usedforsecurity=False).hexdigest()}"'


def replace_for_ever(world: World, name: str) -> None:
    s3 = world.s3()
    for count in range(10_000):
        body = f"{name}{count:05d}".encode() * 1000
        try:
            s3.put_object(Bucket="outputs", Key="model", Body=body, Metadata={"sha": hashlib.sha256(body).hexdigest()})
        except (BotoCoreError, ClientError):
            return


def test_a_client_that_leaves_halfway_leaves_nothing(tmp_path: Path) -> None:
    with serve(tmp_path) as world:
        half_sent(world, "left").close()
        wait_for(lambda: not any((tmp_path / ".stcloud/drafts").iterdir()))
        with pytest.raises(ClientError) as error:
            world.s3().get_object(Bucket="outputs", Key="left")
        assert code_of(error) == (404, "NoSuchKey")


def test_a_download_in_progress_is_whole_although_the_object_is_replaced(tmp_path: Path) -> None:
    with serve(tmp_path) as world:
        s3 = world.s3()
        old = os.urandom(24 * MIB)
        s3.put_object(Bucket="outputs", Key="model", Body=old)
        body = s3.get_object(Bucket="outputs", Key="model")["Body"]
        start = body.read(MIB)
        s3.put_object(Bucket="outputs", Key="model", Body=b"new")
        assert start + body.read() == old
        s3.delete_object(Bucket="outputs", Key="model")


def test_a_full_disk_is_a_507_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the end of the disk: the write fails halfway, as it would there."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with serve(tmp_path) as world:
        s3 = world.s3()
        s3.put_object(Bucket="outputs", Key="model", Body=b"old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (6 * MIB, limits[1]))
        try:
            with pytest.raises(ClientError) as error:
                s3.put_object(Bucket="outputs", Key="model", Body=bytes(8 * MIB))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
        assert code_of(error) == (507, "InsufficientStorage")
        assert s3.get_object(Bucket="outputs", Key="model")["Body"].read() == b"old"
        assert not any((tmp_path / ".stcloud/drafts").iterdir())


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux to take files from a running process")
def test_without_free_files_an_object_is_not_called_missing(tmp_path: Path) -> None:
    """A client that hears 404 may well put or delete something for it; 503 it tries again."""
    with serve_apart(tmp_path) as (world, process):
        s3 = world.s3()
        s3.put_object(Bucket="outputs", Key="model", Body=b"old")
        used = {int(link.name) for link in Path(f"/proc/{process.pid}/fd").iterdir()}
        limits = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        free = next(number for number in range(limits[1]) if number not in used)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (free, limits[1]))
        for attempt in (
            lambda: s3.get_object(Bucket="outputs", Key="model"),
            lambda: s3.put_object(Bucket="outputs", Key="model", Body=b"new"),
            lambda: s3.copy_object(Bucket="outputs", Key="other", CopySource="outputs/model"),
            lambda: s3.list_objects_v2(Bucket="outputs"),
        ):
            with pytest.raises(ClientError) as error:
                attempt()
            assert code_of(error) == (503, "SlowDown")
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, limits)
        assert s3.get_object(Bucket="outputs", Key="model")["Body"].read() == b"old"
        assert not any((tmp_path / ".stcloud/drafts").iterdir())


def test_a_body_that_cannot_fit_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with serve(tmp_path) as world:
        path = f"{PREFIX}/outputs/huge"
        free = shutil.disk_usage(tmp_path).free
        headers = world.signed("PUT", path, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        headers |= {"content-length": str(free * 2), "expect": "100-continue"}
        status, _headers, body = world.send("PUT", path, headers)
        assert status == 507 and b"InsufficientStorage" in body


def test_slow_key_lookups_do_not_stop_other_requests(tmp_path: Path) -> None:
    def slowly(name: str) -> Any:
        if name == JOB.access_key:
            time.sleep(2)
        return KEYS.get(name)

    class Slow(dict[str, Any]):
        get = staticmethod(slowly)  # type: ignore[assignment]

    with serve(tmp_path, Slow()) as world:
        waiting = threading.Thread(target=lambda: world.s3(JOB).head_bucket(Bucket="outputs"))
        waiting.start()
        start = time.monotonic()
        world.s3().head_bucket(Bucket="outputs")
        assert time.monotonic() - start < 1.5
        waiting.join()


def test_closing_lets_another_take_over(tmp_path: Path) -> None:
    for _ in range(2):
        endpoint = StorageEndpoint(tmp_path, KEYS.get, now)
        endpoint.ensure_bucket("outputs")
        endpoint.close()


def test_a_kill_amid_a_deletion_of_many_leaves_each_object_whole_or_gone(tmp_path: Path) -> None:
    keys = [f"many/{number:03}" if number % 3 else f"many//{number:03}" for number in range(150)]
    with serve_apart(tmp_path) as (world, process):
        s3 = world.s3()
        for key in keys:
            s3.put_object(Bucket="outputs", Key=key, Body=key.encode(), Metadata={"key": key})
        killer = threading.Timer(0.2, process.kill)
        killer.start()
        with contextlib.suppress(ClientError, BotoCoreError):
            s3.delete_objects(Bucket="outputs", Delete={"Objects": [{"Key": key} for key in keys]})
        killer.cancel()
        process.kill()
        process.wait()
    with serve_apart(tmp_path) as (world, process):
        s3 = world.s3()
        left = [found["Key"] for found in s3.list_objects_v2(Bucket="outputs").get("Contents", [])]
        for key in left:
            found = s3.get_object(Bucket="outputs", Key=key)
            assert (found["Body"].read().decode(), found["Metadata"]) == (key, {"key": key})
            s3.delete_object(Bucket="outputs", Key=key)
        s3.delete_bucket(Bucket="outputs")
