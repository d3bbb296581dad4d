"""Objects in buckets through boto3, against the storage endpoint of local mode over real HTTP."""

from __future__ import annotations

import hashlib
import socket
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.domain.errors import BadInput, NotFound, UploadNotReady
from chalicelib.domain.ports.storage import Objects, UploadedPart
from chalicelib.storage.objects import S3Objects, StorageDown, StorageRefused, make_client
from tests import web
from tests.http.s3_world import JOB, ROOT, serve

MIB = 1 << 20
BUCKETS = {"datasets": "datasets", "outputs": "outputs"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("objects")) as world:
        world.s3().create_bucket(Bucket="datasets")
        yield world


@pytest.fixture
def objects(world) -> Objects:
    client = make_client(world.url, "us-east-1", ROOT.access_key, ROOT.secret_key)
    return S3Objects(lambda: client, lambda: client, BUCKETS)


@pytest.fixture
def key(request) -> str:
    """A key of this test's own."""
    return f"t/{hashlib.sha256(request.node.name.encode()).hexdigest()}/ünï côde.zip"


def put_part(objects: Objects, key: str, upload_id: str, number: int, content: bytes) -> UploadedPart:
    answer = web.put(objects.presign_part("datasets", key, upload_id, number, 60), content=content)
    assert answer.status_code == 200, answer.text
    return UploadedPart(number, len(content), answer.headers["etag"].strip('"'))


def uploaded(objects: Objects, key: str, content: bytes = b"abc") -> None:
    upload_id = objects.start_multipart("datasets", key, "application/zip")
    objects.complete_multipart("datasets", key, upload_id, [put_part(objects, key, upload_id, 1, content)])


def test_parts_that_were_sent_in_any_order_become_one_object(objects, key):
    upload_id = objects.start_multipart("datasets", key, "application/zip")
    second = put_part(objects, key, upload_id, 2, b"tail")
    first = put_part(objects, key, upload_id, 1, b"x" * (5 * MIB))
    assert objects.list_parts("datasets", key, upload_id) == [first, second]
    assert objects.head("datasets", key) is None
    objects.complete_multipart("datasets", key, upload_id, [second, first])
    found = objects.head("datasets", key)
    assert (found.key, found.size, found.etag[-2:]) == (key, 5 * MIB + 4, "-2")
    assert found.last_modified.tzinfo is not None


def test_an_object_is_made_of_ranges_of_another_and_of_what_was_sent(objects, key):
    content = hashlib.sha256(b"seed").digest() * (12 * MIB // 32)
    uploaded(objects, f"{key}/source", content)
    source = objects.head("datasets", f"{key}/source")
    upload_id = objects.start_multipart("datasets", key, "application/zip")
    for number, offset in ((1, 3), (2, 6 * MIB)):
        for _ in range(2):  # the second time it is the same part
            objects.copy_part("datasets", key, upload_id, number, source.key, source.etag, offset, 5 * MIB)
    with pytest.raises(NotFound):
        objects.copy_part("datasets", key, upload_id, 1, source.key, "0" * 32, 0, 5 * MIB)
    put_part(objects, key, upload_id, 3, b"the rest")
    objects.complete_multipart("datasets", key, upload_id, objects.list_parts("datasets", key, upload_id))
    expected = content[3 : 3 + 5 * MIB] + content[6 * MIB : 11 * MIB] + b"the rest"
    made = objects.head("datasets", key)
    assert b"".join(objects.open("datasets", key, made.etag)) == expected
    objects.delete("datasets", source.key)
    with pytest.raises(NotFound):
        objects.copy_part("datasets", key, upload_id, 1, source.key, source.etag, 0, 5 * MIB)


def test_ranges_are_read_and_parts_sent_from_memory(objects, key):
    content = hashlib.sha256(b"seed").digest() * (6 * MIB // 32)
    uploaded(objects, f"{key}/source", content)
    source = objects.head("datasets", f"{key}/source")
    assert objects.read_range("datasets", source.key, source.etag, 5, 3) == content[5:8]
    assert objects.read_range("datasets", source.key, source.etag, len(content) - 1, 1) == content[-1:]
    with pytest.raises(NotFound):
        objects.read_range("datasets", source.key, "0" * 32, 0, 1)
    upload_id = objects.start_multipart("datasets", key, "application/x-tar")
    objects.copy_part("datasets", key, upload_id, 2, source.key, source.etag, 0, 5 * MIB)
    for _ in range(2):
        objects.send_part("datasets", key, upload_id, 1, b"h" * (5 * MIB))
    objects.send_part("datasets", key, upload_id, 3, b"end")
    objects.complete_multipart("datasets", key, upload_id, objects.list_parts("datasets", key, upload_id))
    made = objects.head("datasets", key)
    assert b"".join(objects.open("datasets", key, made.etag)) == b"h" * (5 * MIB) + content[: 5 * MIB] + b"end"
    with pytest.raises(NotFound):
        objects.send_part("datasets", key, upload_id, 1, b"late")
    objects.delete("datasets", source.key)
    with pytest.raises(NotFound):
        objects.read_range("datasets", source.key, source.etag, 0, 1)


def test_the_hash_that_came_with_an_object_is_known_unread(objects, world, key):
    content, s3 = b"weights" * 1000, world.s3()
    digest = hashlib.sha256(content).hexdigest()
    s3.put_object(Bucket="datasets", Key=key, Body=content, ChecksumAlgorithm="SHA256")
    assert objects.known_sha256("datasets", key) == objects.sha256("datasets", key) == digest
    s3.put_object(Bucket="datasets", Key=key, Body=content, ChecksumAlgorithm="CRC32")
    assert objects.known_sha256("datasets", key) is None
    assert objects.sha256("datasets", key) == digest
    begun = s3.create_multipart_upload(Bucket="datasets", Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    sent = {"Bucket": "datasets", "Key": key, "UploadId": begun}
    part = s3.upload_part(**sent, PartNumber=1, Body=content, ChecksumAlgorithm="SHA256")
    made = {"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}
    s3.complete_multipart_upload(**sent, MultipartUpload={"Parts": [made]})
    assert objects.known_sha256("datasets", key) is None, "a hash of hashes is not that of the file"


def test_what_was_put_by_an_address_is_read_only_as_long_as_it_is_that(objects, key):
    address = objects.presign_put("datasets", key, 60)
    assert web.put(address, content=b"first").status_code == 200
    etag = objects.head("datasets", key).etag
    assert b"".join(objects.open("datasets", key, etag)) == b"first"
    assert web.put(address, content=b"second").status_code == 200
    with pytest.raises(NotFound):
        list(objects.open("datasets", key, etag))


def test_completing_twice_is_completing_once(objects, key):
    upload_id = objects.start_multipart("datasets", key, "application/zip")
    parts = [put_part(objects, key, upload_id, 1, b"abc")]
    for _ in range(2):
        objects.complete_multipart("datasets", key, upload_id, parts)
    assert objects.head("datasets", key).size == 3


def test_an_upload_that_is_gone_is_not_taken_for_another_object_of_that_name(objects, key):
    uploaded(objects, key, b"something else")
    upload_id = objects.start_multipart("datasets", key, "application/zip")
    parts = [put_part(objects, key, upload_id, 1, b"abc")]
    objects.abort_multipart("datasets", key, upload_id)
    with pytest.raises(NotFound):
        objects.complete_multipart("datasets", key, upload_id, parts)


def test_a_missing_or_different_part_is_not_ready(objects, key):
    upload_id = objects.start_multipart("datasets", key, "application/zip")
    part = put_part(objects, key, upload_id, 1, b"abc")
    for wrong in ([part, UploadedPart(2, 3, part.etag)], [UploadedPart(1, 3, "0" * 32)], []):
        with pytest.raises(UploadNotReady):
            objects.complete_multipart("datasets", key, upload_id, wrong)


def test_aborting_throws_the_parts_away_and_twice_is_no_error(objects, key):
    upload_id = objects.start_multipart("datasets", key, "application/zip")
    put_part(objects, key, upload_id, 1, b"abc")
    for _ in range(2):
        objects.abort_multipart("datasets", key, upload_id)
    with pytest.raises(NotFound):
        objects.list_parts("datasets", key, upload_id)


def test_lists_are_read_to_their_end_however_small_the_pages(world, key):
    client = make_client(world.url, "us-east-1", ROOT.access_key, ROOT.secret_key)
    small = {"ListObjectsV2": {"MaxKeys": 2}, "ListParts": {"MaxParts": 2}}
    for operation, limit in small.items():
        client.meta.events.register(
            f"before-parameter-build.s3.{operation}", lambda params, limit=limit, **_: params.update(limit)
        )
    objects = S3Objects(lambda: client, lambda: client, BUCKETS)
    for number in range(5):
        client.put_object(Bucket="outputs", Key=f"many/{number} +&ü", Body=b"x" * number)
    found = objects.list("outputs", "many/")
    assert [(item.key, item.size) for item in found] == [(f"many/{n} +&ü", n) for n in range(5)]
    assert objects.list("outputs", "none/") == []
    upload_id = objects.start_multipart("datasets", key, "application/zip")
    parts = [put_part(objects, key, upload_id, number, b"abc") for number in range(1, 6)]
    assert objects.list_parts("datasets", key, upload_id) == parts


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(objects, key):
    uploaded(objects, key)
    for _ in range(2):
        objects.delete("datasets", key)
    assert objects.head("datasets", key) is None


@pytest.mark.parametrize(
    "filename", ["model.safetensors", "ünï côde.zip", 'a"b;c.zip', "x\r\nSet-Cookie: a=b", "../../etc/passwd", ""]
)
def test_a_download_carries_its_own_name_and_nothing_else(objects, key, filename):
    uploaded(objects, key)
    answer = web.get(objects.presign_download("datasets", key, 60, filename))
    assert (answer.status_code, answer.content) == (200, b"abc")
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    assert "set-cookie" not in answer.headers
    assert "/" not in answer.headers["content-disposition"]


def test_addresses_are_signed_with_sigv4_for_as_long_as_asked(objects, key):
    query = parse_qs(urlsplit(objects.presign_for_provider("datasets", key, 900)).query)
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], ["900"])


@pytest.mark.parametrize("seconds", [0, -1, 7 * 86_400 + 1])
def test_an_address_that_sigv4_cannot_sign_is_bad_input(objects, key, seconds):
    with pytest.raises(BadInput):
        objects.presign_download("datasets", key, seconds, "x")


def test_providers_are_given_the_address_that_they_can_reach(world, key):
    public = make_client("https://tunnel.example/api/cloud/storage", "us-east-1", ROOT.access_key, ROOT.secret_key)
    own = make_client(world.url, "us-east-1", ROOT.access_key, ROOT.secret_key)
    objects = S3Objects(lambda: own, lambda: public, BUCKETS)
    objects.check_reach()
    assert objects.presign_for_provider("datasets", key, 60).startswith("https://tunnel.example/api/cloud/storage/")
    assert objects.presign_download("datasets", key, 60, "x").startswith(world.url)


def test_without_a_reachable_address_the_next_step_is_told(world, key):
    objects = S3Objects(lambda: make_client(world.url, "us-east-1", ROOT.access_key, ROOT.secret_key), None, BUCKETS)
    for ask in (objects.check_reach, lambda: objects.presign_for_provider("datasets", key, 60)):
        with pytest.raises(BadInput, match="STCLOUD_PUBLIC_URL"):
            ask()


OPERATIONS = {
    "start_multipart": lambda objects: objects.start_multipart("datasets", "k", "application/zip"),
    "list_parts": lambda objects: objects.list_parts("datasets", "k", "u"),
    "complete_multipart": lambda objects: objects.complete_multipart("datasets", "k", "u", [UploadedPart(1, 1, "e")]),
    "abort_multipart": lambda objects: objects.abort_multipart("datasets", "k", "u"),
    "send_part": lambda objects: objects.send_part("datasets", "k", "u", 1, b"x"),
    "read_range": lambda objects: objects.read_range("datasets", "k", "e", 0, 1),
    "head": lambda objects: objects.head("datasets", "k"),
    "list": lambda objects: objects.list("datasets", ""),
    "delete": lambda objects: objects.delete("datasets", "k"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_key_without_permission_is_refused_by_name_and_shows_no_secret(world, operation):
    objects = S3Objects(lambda: make_client(world.url, "us-east-1", JOB.access_key, JOB.secret_key), None, BUCKETS)
    with pytest.raises(StorageRefused) as refusal:
        OPERATIONS[operation](objects)
    assert JOB.secret_key not in repr(refusal.value)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_store_that_is_down_is_told_as_such(operation):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(StorageDown):
            OPERATIONS[operation](S3Objects(lambda: make_client(url, "us-east-1", "a", "b"), None, BUCKETS))


def test_a_full_disk_is_told_with_the_way_out(tmp_path):
    with serve(tmp_path) as world:
        source = world.s3().put_object(Bucket="outputs", Key="source", Body=bytes(6 * MIB))["ETag"].strip('"')
    with serve(tmp_path, reserve=1 << 60) as world:
        client = make_client(world.url, "us-east-1", ROOT.access_key, ROOT.secret_key)
        full = S3Objects(lambda: client, None, BUCKETS)
        upload_id = full.start_multipart("outputs", "k", "application/x-tar")
        with pytest.raises(StorageDown, match="Make room"):
            full.send_part("outputs", "k", upload_id, 1, bytes(5 * MIB))
        with pytest.raises(StorageDown, match="Make room"):
            full.copy_part("outputs", "k", upload_id, 2, "source", source, 1, 5 * MIB)


def test_a_bucket_that_is_not_configured_or_not_there_is_refused_by_name(objects, world):
    with pytest.raises(StorageRefused, match="datasets"):
        objects.list("elsewhere", "")
    client = make_client(world.url, "us-east-1", ROOT.access_key, ROOT.secret_key)
    with pytest.raises(StorageRefused):
        S3Objects(lambda: client, lambda: client, {"datasets": "never-made"}).list("datasets", "")


def test_in_the_cloud_addresses_name_the_buckets_own_region():
    objects = S3Objects(lambda: make_client(None, "eu-west-1", "a", "b"), None, BUCKETS)
    assert urlsplit(objects.presign_download("outputs", "k", 60, "k")).netloc == "outputs.s3.eu-west-1.amazonaws.com"


def test_a_piece_is_read_of_the_object_that_was_meant_and_of_no_other(objects: Objects, key: str) -> None:
    uploaded(objects, key, b"0123456789")
    [stored] = objects.list("datasets", key)
    assert objects.read_range("datasets", key, stored.etag, 3, 4) == b"3456"
    assert objects.read_range("datasets", key, stored.etag, 8, 100) == b"89"
    assert objects.read_range("datasets", key, stored.etag, 0, 0) == b""
    uploaded(objects, key, b"another")
    for gone in (key, f"{key}-not-there"):
        with pytest.raises(NotFound):
            objects.read_range("datasets", gone, stored.etag, 0, 4)
