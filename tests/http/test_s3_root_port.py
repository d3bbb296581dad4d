"""``python -m local`` with a port for clients that take no path, keys of one's own, and limits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib import settings
from chalicelib.settings import BadSetting
from tests import web
from tests.emulator import eventually
from tests.http.s3_world import code_of
from tests.http.test_start_up import environment
from tests.journeys.conftest import REPO, free_port

SECRET = "a-secret-of-my-own"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    own = {
        "STCLOUD_S3_PORT": str(free_port()),
        "STCLOUD_S3_KEYS": f"mine:{SECRET} narrow:{SECRET}:outputs/jobs/7",
        "STCLOUD_S3_LARGEST_GB": "1",
    }
    told = environment(tmp_path_factory.mktemp("local"), **own)
    process = subprocess.Popen([sys.executable, "-m", "local"], cwd=REPO, env=told, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: _answers(f"http://127.0.0.1:{told['STCLOUD_PORT']}/api/cloud/health"))
        yield told
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return web.get(url).status_code == 200
    except httpx.TransportError:
        return False


def client(address: str, key: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id=key,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def test_the_root_port_is_the_same_store_and_nothing_else(server: dict[str, str]) -> None:
    root = f"http://127.0.0.1:{server['STCLOUD_S3_PORT']}"
    beside = f"http://127.0.0.1:{server['STCLOUD_PORT']}/api/cloud/storage"
    client(root, "mine").put_object(Bucket="outputs", Key="jobs/7/a b+é", Body=b"bytes")
    assert client(beside, "mine").get_object(Bucket="outputs", Key="jobs/7/a b+é")["Body"].read() == b"bytes"
    named = {"Bucket": "outputs", "Key": "jobs/7/a b+é"}
    assert web.get(client(root, "mine").generate_presigned_url("get_object", Params=named)).content == b"bytes"
    for path in ("/api/cloud/jobs", "/api/cloud/health", "/"):
        answer = web.get(root + path)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/xml"), path
    assert web.get(root, headers={"Host": "evil.example"}).status_code == 421


def test_a_key_of_ones_own_reaches_as_far_as_it_says(server: dict[str, str]) -> None:
    narrow = client(f"http://127.0.0.1:{server['STCLOUD_S3_PORT']}", "narrow")
    narrow.put_object(Bucket="outputs", Key="jobs/7/x", Body=b"x")
    with pytest.raises(ClientError) as error:
        narrow.put_object(Bucket="outputs", Key="jobs/70/x", Body=b"x")
    assert code_of(error) == (403, "AccessDenied")


@pytest.mark.parametrize("keys", ["mine", "mine:short", "mi ne:a-secret-of-my-own", f"mine:{SECRET}:UPPER"])
def test_keys_that_are_none_are_refused_and_not_shown(keys: str) -> None:
    with pytest.raises(BadSetting, match="STCLOUD_S3_KEYS") as refusal:
        settings.read({"STCLOUD_S3_KEYS": keys})
    assert "secret-of" not in str(refusal.value)
    read = settings.read({"STCLOUD_S3_KEYS": f"mine:{SECRET}"})
    assert SECRET in read.secrets and SECRET not in repr(read) and SECRET not in repr(read.manual_keys)
