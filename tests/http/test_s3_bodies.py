"""Request bodies in every framing that S3 clients use, whole and damaged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local.s3.checksums import begin, of_parts
from local.s3.chunked import ChunkDecoder
from local.s3.errors import S3Error
from local.s3.sigv4 import Seal, sign
from tests.http.s3_world import PREFIX, ROOT, World, code_of, serve

PATH = f"{PREFIX}/outputs/body"
DATA = bytes(range(256)) * 1000 + b"tail"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serve(tmp_path_factory.mktemp("s3")) as served:
        yield served


def stored(world: World, key: str = "body") -> bytes:
    return bytes(world.s3().get_object(Bucket="outputs", Key=key)["Body"].read())


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def bitwise(width: int, polynomial: int) -> Callable[[bytes], bytes]:
    """A CRC as its definition has it, one bit at a time, to hold the fast one against."""

    def digest(data: bytes) -> bytes:
        register = (1 << width) - 1
        for byte in data:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ (polynomial if register & 1 else 0)
        return (register ^ ((1 << width) - 1)).to_bytes(width // 8, "big")

    return digest


DIGESTS: dict[str, Callable[[bytes], bytes]] = {
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "crc32c": bitwise(32, 0x82F63B78),
    "crc64nvme": bitwise(64, 0x9A6C9329AC4BC9B5),
    "sha1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "sha512": lambda data: hashlib.sha512(data).digest(),
}


def chunks(data: bytes, trailer: str = "", size: int = 65536) -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n" + (f"{trailer}\r\n" if trailer else "").encode() + b"\r\n"


def send_chunked(world: World, body: bytes, trailer: str, length: int | None = len(DATA)) -> tuple[int, bytes]:
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "content-encoding": "gzip,aws-chunked",
        "x-amz-trailer": trailer,
    }
    if length is not None:
        headers["x-amz-decoded-content-length"] = str(length)
    status, _headers, answer = world.send("PUT", PATH, world.signed("PUT", PATH, headers), body)
    return status, answer


@pytest.mark.parametrize("name", DIGESTS)
def test_a_trailing_checksum_is_verified_and_kept(world: World, name: str) -> None:
    value = b64(DIGESTS[name](DATA))
    status, _body = send_chunked(world, chunks(DATA, f"x-amz-checksum-{name}:{value}"), f"x-amz-checksum-{name}")
    assert status == 200
    assert stored(world) == DATA
    head = world.s3().head_object(Bucket="outputs", Key="body", ChecksumMode="ENABLED")
    assert head[f"Checksum{name.upper()}"] == value
    assert head["ContentEncoding"] == "gzip"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("gzip", "gzip"),
        ("deflate, gzip", "deflate, gzip"),
        ("deflate,gzip", "deflate,gzip"),
        ("gzip, aws-chunked", "gzip"),
        ("AWS-Chunked,deflate,gzip", "deflate, gzip"),
        ("aws-chunked", None),
    ],
)
def test_a_content_encoding_is_kept_as_it_was_sent_but_for_that_of_the_transfer(
    world: World, sent: str, kept: str | None
) -> None:
    world.s3().put_object(Bucket="outputs", Key="body", Body=b"x", ContentEncoding=sent)
    assert world.s3().head_object(Bucket="outputs", Key="body").get("ContentEncoding") == kept


@pytest.mark.parametrize("name", DIGESTS)
def test_a_wrong_trailing_checksum_leaves_the_old_object(world: World, name: str) -> None:
    world.s3().put_object(Bucket="outputs", Key="body", Body=b"old")
    trailer = f"x-amz-checksum-{name}:{b64(DIGESTS[name](b'other'))}"
    status, body = send_chunked(world, chunks(DATA, trailer), f"x-amz-checksum-{name}")
    assert status == 400 and b"<Code>BadDigest</Code>" in body
    assert stored(world) == b"old"


@pytest.mark.parametrize(
    ("body", "trailer", "length", "code"),
    [
        (chunks(DATA)[:-9], "", len(DATA), "IncompleteBody"),
        (chunks(DATA), "", len(DATA) + 1, "IncompleteBody"),
        (chunks(DATA) + b"more", "", len(DATA), "IncompleteBody"),
        (chunks(DATA), "x-amz-checksum-crc32", len(DATA), "MalformedTrailerError"),
        (chunks(DATA, "x-amz-checksum-crc32:AAAAAA=="), "", len(DATA), "MalformedTrailerError"),
        (b"zz\r\n", "", 4, "InvalidRequest"),
        (b"4\r\nabcde\r\n0\r\n\r\n", "", 4, "InvalidRequest"),
        (b"f" * 100_000, "", 4, "InvalidRequest"),
    ],
    ids=["cut", "shorter", "longer", "no trailer", "unannounced", "no size", "long chunk", "endless line"],
)
def test_broken_framing_is_named_and_nothing_is_stored(
    world: World, body: bytes, trailer: str, length: int, code: str
) -> None:
    world.s3().delete_object(Bucket="outputs", Key="body")
    status, answer = send_chunked(world, body, trailer, length)
    assert status == 400 and f"<Code>{code}</Code>".encode() in answer
    with pytest.raises(ClientError):
        stored(world)


@pytest.mark.parametrize("ending", [b"\r\n", b""], ids=["as written down", "without the last line"])
@pytest.mark.parametrize("announced", [True, False], ids=["trailer", "no trailer"])
def test_a_chunked_body_may_end_without_the_empty_line(world: World, ending: bytes, announced: bool) -> None:
    """S3 takes it, and so there are clients that never noticed. All that the line says is known by then."""
    world.s3().delete_object(Bucket="outputs", Key="body")
    trailer = f"x-amz-checksum-crc32:{b64(DIGESTS['crc32'](DATA))}" if announced else ""
    body = chunks(DATA, trailer).removesuffix(b"\r\n") + ending
    assert send_chunked(world, body, "x-amz-checksum-crc32" if announced else "")[0] == 200
    assert stored(world) == DATA


def test_a_chunked_body_that_is_cut_in_its_trailer_is_not_taken(world: World) -> None:
    whole = chunks(DATA, f"x-amz-checksum-crc32:{b64(DIGESTS['crc32'](DATA))}")
    start = whole.index(b"\r\n0\r\n") + 2
    world.s3().delete_object(Bucket="outputs", Key="body")
    for end in range(start, len(whole) - 2):
        assert send_chunked(world, whole[:end], "x-amz-checksum-crc32")[0] == 400, whole[start:end]
    with pytest.raises(ClientError):
        stored(world)


@pytest.mark.parametrize("damage", [None, "data", "trailer"])
def test_a_signed_chunk_chain_with_a_signed_trailer(world: World, damage: str | None) -> None:
    world.s3().delete_object(Bucket="outputs", Key="body")
    trailer = f"x-amz-checksum-crc32:{b64(DIGESTS['crc32'](DATA))}"
    headers = world.signed(
        "PUT",
        PATH,
        {
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": str(len(DATA)),
            "x-amz-trailer": "x-amz-checksum-crc32",
        },
    )
    previous = headers["authorization"].partition("Signature=")[2]
    key = signing_key(headers["x-amz-date"])
    body = b""
    for piece in (DATA[:100_000], DATA[100_000:], b""):
        empty = hashlib.sha256().hexdigest()
        previous = chain(key, "PAYLOAD", headers["x-amz-date"], previous, empty, hashlib.sha256(piece).hexdigest())
        sent = piece[:-1] + b"!" if damage == "data" and piece else piece
        body += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + sent + (b"\r\n" if piece else b"")
    signed = "x-amz-checksum-crc32:AAAAAA==" if damage == "trailer" else trailer
    last = chain(key, "TRAILER", headers["x-amz-date"], previous, hashlib.sha256(f"{signed}\n".encode()).hexdigest())
    body += f"{trailer}\r\nx-amz-trailer-signature:{last}\r\n\r\n".encode()
    status, _headers, answer = world.send("PUT", PATH, headers, body)
    if damage:
        assert status == 403 and b"SignatureDoesNotMatch" in answer
        with pytest.raises(ClientError):
            stored(world)
    else:
        assert status == 200
        assert stored(world) == DATA


def signing_key(date: str) -> bytes:
    key = f"AWS4{ROOT.secret_key}".encode()
    for piece in (date[:8], "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, piece.encode(), hashlib.sha256).digest()
    return key


def chain(key: bytes, kind: str, date: str, *lines: str) -> str:
    assert datetime.strptime(date, "%Y%m%dT%H%M%SZ")
    text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", date, f"{date[:8]}/us-east-1/s3/aws4_request", *lines))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("value", ["y/Q5J===", "y/Q5Jh==", "y/Q5Jg", "y_Q5Jg==", " ", "AAAAAAA="])
def test_a_checksum_that_no_bytes_have_is_an_invalid_request(world: World, value: str) -> None:
    headers = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-checksum-crc32": value}
    status, _headers, answer = world.send("PUT", PATH, world.signed("PUT", PATH, headers), DATA)
    assert (status, b"<Code>InvalidRequest</Code>" in answer) == (400, True), answer


def test_spaces_around_a_chunk_signature_do_not_matter() -> None:
    """S3 passes over them."""
    seal = Seal("0" * 64, "20260101T000000Z", "20260101/us-east-1/s3/aws4_request", b"key")
    empty = hashlib.sha256().hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", seal.date, seal.scope, seal.signature, empty, empty))
    decoder = ChunkDecoder(seal, frozenset())
    assert not list(decoder.feed(f"0 ; chunk-signature = {sign(b'key', text)} \r\n\r\n".encode()))
    assert decoder.finish() == {}


def test_a_hash_may_be_written_in_capitals(world: World) -> None:
    for body, status in ((DATA, 200), (DATA[1:], 400)):
        mode = {"x-amz-content-sha256": hashlib.sha256(DATA).hexdigest().upper()}
        assert world.send("PUT", PATH, world.signed("PUT", PATH, mode), body)[0] == status
    assert stored(world) == DATA


def test_transfer_encoding_chunked_needs_no_content_length(world: World) -> None:
    framed = chunks(DATA)
    headers = world.signed("PUT", PATH, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert world.send("PUT", PATH, {**headers, "transfer-encoding": "chunked"}, framed)[0] == 200
    assert stored(world) == DATA


def test_a_body_of_unknown_length_is_refused(world: World) -> None:
    headers = world.signed("PUT", PATH, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    raw = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    parts = urlsplit(world.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(f"PUT {PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\n{raw}\r\n".encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 411")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b64(hashlib.md5(b"x", usedforsecurity=False).digest()), 200),
        (b64(hashlib.md5(b"y", usedforsecurity=False).digest()), (400, "BadDigest")),
        ("not base64", (400, "InvalidDigest")),
    ],
)
def test_content_md5_is_held_against_the_body(world: World, value: str, expected: object) -> None:
    try:
        answer = world.s3().put_object(Bucket="outputs", Key="md5", Body=b"x", ContentMD5=value)
        outcome: object = answer["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        outcome = (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
    assert outcome == expected


WRONG = b64(DIGESTS["crc32"](b"other"))


@pytest.mark.parametrize(
    ("mode", "headers", "code"),
    [
        ("UNSIGNED-PAYLOAD", {"x-amz-trailer": "x-amz-checksum-crc32"}, b"MalformedTrailerError"),
        (
            "UNSIGNED-PAYLOAD",
            {"x-amz-sdk-checksum-algorithm": "SHA256", "x-amz-checksum-crc32": WRONG},
            b"InvalidRequest",
        ),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", {"x-amz-checksum-crc32": WRONG}, b"InvalidRequest"),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", {"x-amz-checksum-sha1": "x"}, b"InvalidRequest"),
    ],
    ids=["a trailer that cannot come", "two algorithms", "header and trailer", "header and another trailer"],
)
def test_a_checksum_that_would_not_be_looked_at_is_refused(
    world: World, mode: str, headers: dict[str, str], code: bytes
) -> None:
    """Whoever sent it would believe that the bytes were verified by it."""
    framed = mode.startswith("STREAMING")
    trailer = f"x-amz-checksum-crc32:{b64(DIGESTS['crc32'](DATA))}"
    framing = {"x-amz-decoded-content-length": str(len(DATA)), "x-amz-trailer": "x-amz-checksum-crc32"}
    signed = world.signed("PUT", PATH, {"x-amz-content-sha256": mode, **(framing if framed else {}), **headers})
    world.s3().delete_object(Bucket="outputs", Key="body")
    status, _headers, answer = world.send("PUT", PATH, signed, chunks(DATA, trailer) if framed else DATA)
    assert (status, code in answer) == (400, True), answer
    with pytest.raises(ClientError):
        stored(world)


def test_a_wrong_checksum_header_is_a_bad_digest(world: World) -> None:
    with pytest.raises(ClientError) as error:
        world.s3().put_object(Bucket="outputs", Key="crc", Body=b"x", ChecksumCRC32="AAAAAA==")
    assert code_of(error) == (400, "BadDigest")


def test_an_object_beyond_the_limit_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serve(tmp_path_factory.mktemp("small"), max_object_bytes=1000) as world:
        world.s3().put_object(Bucket="outputs", Key="fits", Body=bytes(1000))
        with pytest.raises(ClientError) as error:
            world.s3().put_object(Bucket="outputs", Key="big", Body=bytes(1001))
        assert code_of(error) == (400, "EntityTooLarge")
        headers = world.signed("PUT", PATH, {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
        status, _headers, _body = world.send("PUT", PATH, {**headers, "transfer-encoding": "chunked"}, chunks(DATA))
        assert status == 400


@given(data=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3500), max_size=6), size=st.integers(1, 700))
def test_chunks_decode_the_same_however_the_network_cuts_them(data: bytes, cuts: list[int], size: int) -> None:
    framed = chunks(data, "x-amz-checksum-crc32:AAAAAA==", size)
    decoder = ChunkDecoder(None, frozenset({"x-amz-checksum-crc32"}))
    places = [0, *sorted(cut for cut in cuts if cut < len(framed)), len(framed)]
    pieces = [framed[start:end] for start, end in pairwise(places)]
    assert b"".join(piece for block in pieces for piece in decoder.feed(block)) == data
    assert decoder.finish() == {"x-amz-checksum-crc32": "AAAAAA=="}


@given(body=st.binary(max_size=400))
def test_junk_never_crashes_the_chunk_decoder(body: bytes) -> None:
    decoder = ChunkDecoder(None, frozenset())
    try:
        for _piece in decoder.feed(body):
            pass
        decoder.finish()
    except S3Error as error:
        assert error.status == 400


@pytest.mark.parametrize("name", ["crc32", "crc32c", "crc64nvme"])
def test_the_checksums_of_parts_add_up_to_that_of_the_whole(name: str) -> None:
    def value(data: bytes) -> str:
        running = begin(name)
        running.update(data)
        return b64(running.digest())

    parts = [DATA[:1], DATA[1:70_000], b"", DATA[70_000:]]
    assert value(DATA) == b64(DIGESTS[name](DATA))
    assert of_parts(name, "FULL_OBJECT", [(value(part), len(part)) for part in parts]).value == value(DATA)
