"""One step of one Python library: ``python_clients.py LIBRARY put|list|get|delete FILE KEY``, as its users would do it.

Run by ``bench.s3_clients`` in an interpreter that has the library; it imports nothing of ours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

ENDPOINT, BUCKET, HOST = os.environ["ENDPOINT"], os.environ["BUCKET"], os.environ["HOST"]
KEY, SECRET = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
SECURE, CERTIFICATE = bool(os.environ["SECURE"]), os.environ.get("CERTIFICATE")


def boto3(step: str, file: str, key: str) -> None:
    import boto3 as library

    s3 = library.client("s3", endpoint_url=ENDPOINT)
    _boto(s3, step, file, key)


def publisher(step: str, file: str, key: str) -> None:
    """As the stock trainer's publisher makes its client: from a session, with nothing but keys, region and address."""
    import boto3 as library

    session = library.session.Session(
        aws_access_key_id=KEY, aws_secret_access_key=SECRET, aws_session_token=None, region_name="us-east-1"
    )
    _boto(session.client("s3", endpoint_url=ENDPOINT, use_ssl=True), step, file, key)


def _boto(s3: Any, step: str, file: str, key: str) -> None:
    if step == "put":
        s3.upload_file(file, BUCKET, key)
    elif step == "get":
        s3.download_file(BUCKET, key, file)
    elif step == "delete":
        s3.delete_object(Bucket=BUCKET, Key=key)
    else:
        print([item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=file)["Contents"]])


def s3fs(step: str, file: str, key: str) -> None:
    import s3fs as library

    files = library.S3FileSystem(endpoint_url=ENDPOINT, use_listings_cache=False)
    if step == "put":
        files.put(file, f"{BUCKET}/{key}")
    elif step == "get":
        files.get(f"{BUCKET}/{key}", file)
    elif step == "delete":
        files.rm(f"{BUCKET}/{key}")
    else:
        print(files.ls(f"{BUCKET}/{file}"))


def pyarrow(step: str, file: str, key: str) -> None:
    from pyarrow import fs

    certificate = {"tls_ca_file_path": CERTIFICATE} if CERTIFICATE else {}
    if certificate:
        fs.initialize_s3()
    files = fs.S3FileSystem(
        access_key=KEY, secret_key=SECRET, endpoint_override=ENDPOINT, region="us-east-1", **certificate
    )
    if step == "put":
        with files.open_output_stream(f"{BUCKET}/{key}") as stream:
            stream.write(Path(file).read_bytes())
    elif step == "get":
        with files.open_input_stream(f"{BUCKET}/{key}") as stream:
            Path(file).write_bytes(stream.read())
    elif step == "delete":
        files.delete_file(f"{BUCKET}/{key}")
    else:
        print([item.path for item in files.get_file_info(fs.FileSelector(f"{BUCKET}/{file.rstrip('/')}"))])


def obstore(step: str, file: str, key: str) -> None:
    import obstore as library
    from obstore.store import S3Store

    client: Any = {} if SECURE else {"allow_http": True}
    if SECURE:
        client["allow_invalid_certificates"] = True  # it has no way to be told of a certificate
    store = S3Store(
        BUCKET,
        endpoint=ENDPOINT,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        client_options=client,
    )
    if step == "put":
        library.put(store, key, Path(file))
    elif step == "get":
        Path(file).write_bytes(bytes(library.get(store, key).bytes()))
    elif step == "delete":
        library.delete(store, key)
    else:
        print([item["path"] for page in library.list(store, prefix=file) for item in page])


def minio(step: str, file: str, key: str) -> None:
    from minio import Minio

    client = Minio(HOST, access_key=KEY, secret_key=SECRET, secure=SECURE, region="us-east-1")
    if step == "put":
        client.fput_object(BUCKET, key, file)
    elif step == "get":
        client.fget_object(BUCKET, key, file)
    elif step == "delete":
        client.remove_object(BUCKET, key)
    else:
        print([item.object_name for item in client.list_objects(BUCKET, prefix=file, recursive=True)])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
