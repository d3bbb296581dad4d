"""Who may speak to the storage endpoint at all: Signature Version 4, in headers and in presigned URLs."""

from __future__ import annotations

import hashlib
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.domain.ports.storage import StorageKey
from local.s3.errors import S3Error
from local.s3.request import Request
from local.s3.sigv4 import claim, verify
from tests.http.s3_world import JOB, KEYS, LATE, PREFIX, ROOT, World, code_of, now, serve

OBJECT = f"{PREFIX}/outputs/k"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(tmp_path_factory.mktemp("s3")) as served:
        served.s3().put_object(Bucket="outputs", Key="k", Body=b"hello")
        yield served


def fetch(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (StorageKey(ROOT.access_key, "guess"), (403, "SignatureDoesNotMatch")),
        (StorageKey("NOBODY", "guess"), (403, "InvalidAccessKeyId")),
        (LATE, (403, "AccessDenied")),
    ],
    ids=["wrong secret", "unknown key", "expired key"],
)
def test_wrong_credentials_are_told_apart(world: World, key: StorageKey, expected: tuple[int, str]) -> None:
    with pytest.raises(ClientError) as error:
        world.s3(key).get_object(Bucket="outputs", Key="k")
    assert code_of(error) == expected


def test_an_unsigned_request_is_refused(world: World) -> None:
    status, _headers, body = world.send("GET", OBJECT)
    assert status == 403 and b"<Code>AccessDenied</Code>" in body


def test_signature_version_2_is_refused_with_the_way_out(world: World) -> None:
    status, body = fetch(world.s3().generate_presigned_url("get_object", Params={"Bucket": "outputs", "Key": "k"}))
    assert status == 400 and b"signature_version='s3v4'" in body


def test_a_presigned_get_works_in_a_browser_and_shows_the_file_inline(world: World) -> None:
    disposition = 'inline; filename="k.png"'
    url = world.presign("get_object", Bucket="outputs", Key="k", ResponseContentDisposition=disposition)
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"hello"
        assert answer.headers["content-disposition"] == disposition
        assert "sandbox" in answer.headers["content-security-policy"]


def test_a_presigned_put_stores_the_body_and_nothing_else(world: World) -> None:
    url = world.presign("put_object", Bucket="outputs", Key="put")
    assert fetch(url, "PUT", b"by link")[0] == 200
    assert fetch(url.replace("/put?", "/other?"), "PUT", b"by link")[0] == 403
    assert fetch(url, "GET")[0] == 403
    assert world.s3().get_object(Bucket="outputs", Key="put")["Body"].read() == b"by link"


def test_a_presigned_put_cannot_be_turned_into_a_copy(world: World) -> None:
    world.s3().put_object(Bucket="outputs", Key="jobs/8/secret", Body=b"not yours")
    url = world.presign("put_object", Bucket="outputs", Key="stolen")
    headers = {"x-amz-copy-source": "/outputs/jobs/8/secret"}
    status, _headers, body = world.send("PUT", url.partition(PREFIX)[1] + url.partition(PREFIX)[2], headers)
    assert status == 403 and b"x-amz-copy-source" in body


def test_a_javascript_presigned_url_with_the_checksum_of_nothing_still_works(world: World) -> None:
    client = world.s3(signature_version="s3v4")
    params = {"Bucket": "outputs", "Key": "js"}

    def add(request: object, **_kwargs: object) -> None:
        request.url += "?x-amz-checksum-crc32=AAAAAA%3D%3D&x-id=PutObject"  # type: ignore[attr-defined]

    client.meta.events.register("before-sign.s3.PutObject", add)
    assert fetch(client.generate_presigned_url("put_object", Params=params), "PUT", b"full")[0] == 200


@pytest.mark.parametrize(("late", "status"), [(59, 200), (61, 403)], ids=["in its last second", "one second too late"])
def test_a_presigned_url_lives_as_long_as_it_says(tmp_path: Path, late: int, status: int) -> None:
    moment = now()
    with serve(tmp_path, clock=lambda: moment) as world:
        world.s3().put_object(Bucket="outputs", Key="k", Body=b"hello")
        url = world.presign("get_object", seconds=60, Bucket="outputs", Key="k")
        signed_at = datetime.strptime(url.partition("X-Amz-Date=")[2][:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        moment = signed_at + timedelta(seconds=late)
        answer = fetch(url)
    assert answer[0] == status
    assert status == 200 or b"Request has expired" in answer[1]


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_clock_that_is_off_by_more_than_15_minutes_is_named(tmp_path: Path, minutes: int) -> None:
    with (
        serve(tmp_path, clock=lambda: now() + timedelta(minutes=minutes)) as world,
        pytest.raises(ClientError) as error,
    ):
        world.s3().list_buckets()
    assert code_of(error) == (403, "RequestTimeTooSkewed")


def test_a_tampered_body_is_refused_and_nothing_is_stored(world: World) -> None:
    digest = hashlib.sha256(b"what was signed").hexdigest()
    headers = world.signed("PUT", f"{PREFIX}/outputs/tampered", {"x-amz-content-sha256": digest})
    status, _headers, body = world.send("PUT", f"{PREFIX}/outputs/tampered", headers, b"what was sent..")
    assert status == 400 and b"XAmzContentSHA256Mismatch" in body
    with pytest.raises(ClientError):
        world.s3().head_object(Bucket="outputs", Key="tampered")


@pytest.mark.parametrize("header", ["x-amz-copy-source", "x-amz-meta-owner", "x-amz-acl"])
def test_an_unsigned_amz_header_is_refused(world: World, header: str) -> None:
    headers = world.signed("PUT", OBJECT, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    status, _headers, body = world.send("PUT", OBJECT, {**headers, header: "/outputs/k"}, b"x")
    assert status == 403 and header.encode() in body


def test_a_path_signed_encoded_and_sent_raw_verifies(world: World) -> None:
    world.s3().put_object(Bucket="outputs", Key="it's (1).bin", Body=b"x")
    encoded = quote("it's (1).bin")
    headers = world.signed("GET", f"{PREFIX}/outputs/{encoded}")
    assert world.send("GET", f"{PREFIX}/outputs/it's%20(1).bin", headers)[0] == 200


def test_a_path_signed_without_our_prefix_verifies(world: World) -> None:
    headers = world.signed("GET", "/outputs/k")
    assert world.send("GET", OBJECT, headers)[::2] == (200, b"hello")


def test_a_host_signed_with_our_prefix_behind_it_verifies(world: World) -> None:
    host = urlsplit(world.url).netloc
    headers = world.signed("GET", "/outputs/k", {"host": host + PREFIX})
    assert world.send("GET", OBJECT, {**headers, "host": host})[::2] == (200, b"hello")


def test_a_signature_for_another_method_path_or_query_does_not_verify(world: World) -> None:
    headers = world.signed("GET", OBJECT)
    assert world.send("DELETE", OBJECT, headers)[0] == 403
    assert world.send("GET", f"{PREFIX}/outputs/other", headers)[0] == 403
    assert world.send("GET", f"{OBJECT}?response-content-type=text/html", headers)[0] == 403


def test_authentication_comes_before_the_body_is_asked_for(world: World) -> None:
    parts = urlsplit(world.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(
            f"PUT {OBJECT} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 403")


def test_a_refused_upload_still_hears_why_when_it_did_not_wait(world: World) -> None:
    status, _headers, body = world.send("PUT", OBJECT, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, bytes(8 << 20))
    assert status == 403 and b"AccessDenied" in body


def test_the_published_signature_example_of_the_chunked_upload_verifies(tmp_path: Path) -> None:
    """The worked example of the S3 reference: 65 536 and 1 024 times ``a``, signed on 24 May 2013."""
    example_key = StorageKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    keys = {example_key.access_key: example_key, **KEYS}
    moment = datetime(2013, 5, 24, tzinfo=UTC)
    signed_names = (
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
        "x-amz-storage-class"
    )
    headers = {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
        "content-length": "66824",
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "authorization": f"AWS4-HMAC-SHA256 Credential={example_key.access_key}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={signed_names},Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    }
    body = (
        b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n%s\r\n"
        b"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n%s\r\n"
        b"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
    ) % (b"a" * 65536, b"a" * 1024)
    with serve(tmp_path, keys, lambda: moment, prefix="") as world:
        (tmp_path / "examplebucket").mkdir()
        bad = body.replace(b"a" * 1024, b"a" * 1023 + b"b")
        assert world.send("PUT", "/examplebucket/chunkObject.txt", headers, bad)[0] == 403
        assert not (tmp_path / "examplebucket/chunkObject.txt").exists()
        assert world.send("PUT", "/examplebucket/chunkObject.txt", headers, body)[0] == 200
        assert (tmp_path / "examplebucket/chunkObject.txt").read_bytes() == b"a" * 66560


JUNK = st.text(st.characters(max_codepoint=255), max_size=80)
CREDENTIAL = "JOBKEY7/20260101/us-east-1/s3/aws4_request"
AUTHORIZATION = st.one_of(
    JUNK,
    st.builds(
        "AWS4-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}".format,
        st.one_of(JUNK, st.just(CREDENTIAL)),
        st.one_of(JUNK, st.just("host;x-amz-date")),
        st.one_of(JUNK, st.just("0" * 64)),
    ),
)
DATE = st.one_of(JUNK, st.just("20260101T000000Z"), st.just("20269999T000000Z"))
QUERY_NAMES = st.sampled_from([f"X-Amz-{name}" for name in ("Algorithm", "Credential", "Date", "Expires", "Signature")])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    authorization=st.none() | AUTHORIZATION,
    date=st.none() | DATE,
    query=st.lists(st.tuples(QUERY_NAMES | JUNK, st.just("AWS4-HMAC-SHA256") | st.text(max_size=40)), max_size=8),
    payload=st.none() | JUNK,
    path=st.text(st.characters(max_codepoint=255), max_size=40),
)
@example(
    "AWS4-HMAC-SHA256 Credential=a/²²²²²²²²/b/s3/aws4_request,SignedHeaders=host,Signature=x", "²", [], None, "/%ff"
)
def test_no_request_crashes_the_verifier_or_gets_past_it(
    authorization: str | None, date: str | None, query: list[tuple[str, str]], payload: str | None, path: str
) -> None:
    headers = {"host": "h", "authorization": authorization, "x-amz-date": date, "x-amz-content-sha256": payload}
    given_headers = {name: value for name, value in headers.items() if value is not None}
    request = Request("GET", "http", path, "b", "k", tuple(query), given_headers)
    with pytest.raises(S3Error) as refusal:
        verify(request, claim(request, datetime(2026, 1, 1, tzinfo=UTC)), JOB.secret_key, PREFIX)
    assert 400 <= refusal.value.status < 500
