"""What the server knows of data before it is sent: whether somebody agreed to it, what differs from what was sent last,
and what of that can be taken over without sending it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from chalicelib.domain.copies import Layout, lay_out
from chalicelib.domain.datasets import Manifest
from chalicelib.domain.manifests import BadManifest, Difference, Listed, difference, files_of, unzipped
from client.api import CloudClient
from client.errors import ApiError
from client.shapes import Kept, Latest
from client.transport import trusted

_NOT_THERE = (404, 405)
_MOST_NAMES = 200


@dataclass(frozen=True, slots=True)
class Earlier:
    """``kept`` is an upload of exactly this data that is there still, ``latest`` the last one of its datasets."""

    agreed_at: str | None = None
    kept: Kept | None = None
    latest: Latest | None = None


def ask(cloud: CloudClient, manifest: Manifest) -> Earlier:
    """A server that does not know the question knows nothing."""
    try:
        answer = cloud.earlier(manifest.root, [one.id for one in manifest.datasets])
    except ApiError as refusal:
        if refusal.status not in _NOT_THERE:
            raise
        return Earlier()
    return Earlier(answer["agreed_at"], answer["kept"], answer["latest"])


def compare(cloud: CloudClient, latest: Latest, manifest: Manifest) -> Difference | None:
    """From the latest upload to this manifest; None when the earlier manifest can no longer be read."""
    try:
        return difference(_files(cloud, latest), listed(manifest), _MOST_NAMES)
    except (httpx.HTTPError, BadManifest):
        return None


def layout(cloud: CloudClient, latest: Latest, manifest: Manifest) -> Layout | None:
    """How to build the archive from the latest one; None when that saves nothing, or cannot be known."""
    if not latest["copyable"]:
        return None
    try:
        return lay_out(_files(cloud, latest), listed(manifest))
    except (httpx.HTTPError, BadManifest):
        return None


def listed(manifest: Manifest) -> Iterator[Listed]:
    for entry in manifest.entries:
        yield Listed(entry.path, entry.size, entry.sha256.hex(), 0, entry.packed_size)


def _files(cloud: CloudClient, latest: Latest) -> Iterator[Listed]:
    """Straight from the store, so no API key goes along; links to this machine pass no proxy."""
    local = cloud.connection.is_loopback
    with (
        httpx.Client(timeout=60.0, verify=trusted(), trust_env=not local) as http,
        http.stream("GET", latest["manifest_url"] or "") as answer,
    ):
        answer.raise_for_status()
        yield from files_of(unzipped(answer.iter_raw(1 << 16)))
