"""The manifest of an upload on its way to the store, beside the archive."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator

import httpx

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Manifest
from chalicelib.domain.manifests import file_line, head_line, held_back_line, zipped
from client.api import CloudClient
from client.errors import TransferFailed
from client.transport import trusted

_TRIES = 4
_IN_MEMORY = 4 << 20


def send_manifest(cloud: CloudClient, upload_id: str, manifest: Manifest, archive: Archive) -> int:
    """The bytes that were sent; 0 when the server wants no manifest, or somebody has completed the upload meanwhile."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as packed:
        for chunk in zipped(lines(manifest, archive)):
            packed.write(chunk)
        length = packed.tell()
        local = cloud.connection.is_loopback
        with httpx.Client(timeout=60.0, verify=trusted(), trust_env=not local) as http:
            for attempt in range(1, _TRIES + 1):
                address = cloud.upload(upload_id).get("manifest_url")
                if not address:
                    return 0
                packed.seek(0)
                chunks = iter(lambda: packed.read(1 << 18), b"")
                try:
                    answer = http.put(address, content=chunks, headers={"Content-Length": str(length)})
                except httpx.TransportError as error:
                    cause = f"{type(error).__name__}: {error}"
                else:
                    if answer.is_success:
                        return length
                    cause = f"the store answered HTTP {answer.status_code}"
                time.sleep(0.5 * attempt if attempt < _TRIES else 0)
    raise TransferFailed(f"The list of files did not arrive ({cause}). Run the same command again.")


def lines(manifest: Manifest, archive: Archive) -> Iterator[bytes]:
    yield head_line(manifest.summary(), archive.size)
    for one in archive.listed():
        yield file_line(one)
    for stays in manifest.held_back:
        yield held_back_line(stays.path, stays.reason.value)
