"""What a life cycle rule does in S3, the storage endpoint does when it is told to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from local.s3 import StorageEndpoint
from tests.http.s3_world import KEYS, now, serve

DAY = timedelta(days=1)


def test_what_is_old_below_a_prefix_goes_and_all_else_stays(tmp_path: Path) -> None:
    with serve(tmp_path) as world:
        s3 = world.s3()
        for key in ("bundles/j-1/a.tar", "bundles/j-2/b.tar", "j-1/model.safetensors", "bundles.txt"):
            s3.put_object(Bucket="outputs", Key=key, Body=b"x")
        for key in ("bundles/j-1/c.tar", "j-1/large.bin"):
            begun = s3.create_multipart_upload(Bucket="outputs", Key=key)
            s3.upload_part(Bucket="outputs", Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"x")
    soon = StorageEndpoint(tmp_path, KEYS.get, lambda: now() + DAY - timedelta(minutes=1))
    soon.expire("outputs", "bundles/", DAY)
    soon.close()
    with serve(tmp_path) as world:
        assert len(world.s3().list_objects_v2(Bucket="outputs")["Contents"]) == 4
    later = StorageEndpoint(tmp_path, KEYS.get, lambda: now() + DAY + timedelta(minutes=1))
    for _ in range(2):
        later.expire("outputs", "bundles/", DAY)
    later.close()
    with serve(tmp_path) as world:
        s3 = world.s3()
        kept = [item["Key"] for item in s3.list_objects_v2(Bucket="outputs")["Contents"]]
        assert kept == ["bundles.txt", "j-1/model.safetensors"]
        assert [one["Key"] for one in s3.list_multipart_uploads(Bucket="outputs")["Uploads"]] == ["j-1/large.bin"]
    assert not (tmp_path / "outputs" / "bundles").exists()
