"""One archive on its way up: parts side by side, each made on demand, each tried again until it has arrived.

    open ─▶ (links for a few parts ─▶ PUT, PUT, PUT …) ─▶ complete

The server remembers which parts have arrived, so nothing is kept on this machine: opening the same data again, after a
``kill -9`` or a lost line, gives the same session, and only what is missing is sent.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from chalicelib.domain.archives import Archive
from chalicelib.domain.copies import Range
from chalicelib.domain.datasets import FileChanged, Manifest
from client.api import CloudClient
from client.errors import ApiError, ClientError, UploadGone
from client.manifest_files import send_manifest
from client.parts import THREADS, OnSent, Sending, span
from client.shapes import UploadSession

_PATIENCE = 20.0
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """``resumed_parts`` had arrived in an earlier attempt and were not sent again; ``sent_bytes`` crossed the line now,
    ``copied_bytes`` were taken over from an earlier upload inside the store."""

    upload_id: str
    sent_parts: int
    resumed_parts: int
    sent_bytes: int = 0
    copied_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CopyFrom:
    """The archive begins with these ranges of that upload's."""

    upload_id: str
    ranges: tuple[Range, ...]


class SourceGone(Exception):
    """The upload to copy from was deleted meanwhile; nothing of it is needed, only more has to be sent."""


class KeptTaken(Exception):
    """The upload that had it all was taken by another job meanwhile. It can be copied from."""


def upload(
    cloud: CloudClient,
    manifest: Manifest,
    archive: Archive,
    *,
    consented: bool,
    on_sent: OnSent | None = None,
    threads: int = THREADS,
    copy: CopyFrom | None = None,
    kept: bool = False,
) -> Uploaded:
    """Sends what is missing of ``archive`` and completes the upload. ``kept``: the store is said to have it all.

    Raises ``KeptTaken`` when that is no longer so, before anything is sent, ``SourceGone`` when the upload to ``copy``
    from was deleted, and ``FileChanged`` when a file is not what the manifest says; the session is discarded then,
    because what it holds can no longer be completed. Interrupted or failed in any other way, the session stays and can
    be resumed. Two that send the same data share one session; the slower one finds it complete and is done.
    """
    report = on_sent or (lambda _: None)
    session = _session(cloud, manifest, archive, consented, copy)
    if session["state"] in ("complete", "used"):
        report(archive.size)
        return Uploaded(session["upload_id"], 0, session["part_count"])
    if kept and not session["parts"]:
        cloud.abort_upload(session["upload_id"])
        raise KeptTaken
    copied_bytes = _copied(cloud, session)
    arrived = _arrived(session, archive)
    report(copied_bytes + sum(span(archive, session, number)[1] for number in arrived))
    first = session.get("copied_parts", 0) + 1
    missing = [number for number in range(first, session["part_count"] + 1) if number not in arrived]
    sending = Sending(cloud, archive, session, report)
    try:
        etags = arrived | sending.run(missing, threads)
        sent_bytes = sending.sent_bytes + send_manifest(cloud, session["upload_id"], manifest, archive)
        _complete(cloud, sending, session, etags)
    except FileChanged:
        with suppress(ClientError):  # the server discards it by itself after a day
            cloud.abort_upload(session["upload_id"])
        raise
    except (ApiError, UploadGone) as failure:
        if not (isinstance(failure, UploadGone) or failure.code in ("upload_not_ready", "not_found")):
            raise
        if _completed_elsewhere(cloud, session["upload_id"]):
            return Uploaded(session["upload_id"], 0, session["part_count"])
        if isinstance(failure, ApiError) and failure.code == "upload_not_ready":
            raise
        raise UploadGone(
            f"Another command has used the upload up ({failure}). Run the same command again."
        ) from failure
    return Uploaded(session["upload_id"], len(missing), len(arrived), sent_bytes, copied_bytes)


def _copied(cloud: CloudClient, session: UploadSession) -> int:
    """Has the server copy what is taken over; the bytes of that."""
    left = session.get("copied_parts", 0)
    while left:
        try:
            left = int(cloud.copy_parts(session["upload_id"])["left"])
        except ApiError as refusal:
            if not refusal.fields.get("copy_source_gone"):
                raise
            cloud.abort_upload(session["upload_id"])
            raise SourceGone from refusal
    return session.get("copied_bytes", 0)


def _completed_elsewhere(cloud: CloudClient, upload_id: str) -> bool:
    """Whether another process that sends the same data has completed the upload, or does so in the next seconds."""
    deadline = time.monotonic() + _PATIENCE
    try:
        while (state := cloud.upload(upload_id)["state"]) == "open" and time.monotonic() < deadline:
            time.sleep(0.5)
    except ApiError as refusal:
        if refusal.status != 404:
            raise
        return False  # its job is over already, and its data gone
    return state in ("complete", "used")


def _session(
    cloud: CloudClient, manifest: Manifest, archive: Archive, consented: bool, copy: CopyFrom | None
) -> UploadSession:
    root = manifest.root if consented else None
    session = _opened(cloud, manifest, archive, root, copy)
    if session["state"] == "open" and session["part_count"] != _parts_of(archive, session):
        # Left by another version of this program, whose archive of the same files has another length.
        cloud.abort_upload(session["upload_id"])
        session = _opened(cloud, manifest, archive, root, copy)
    return session


def _opened(
    cloud: CloudClient, manifest: Manifest, archive: Archive, root: str | None, copy: CopyFrom | None
) -> UploadSession:
    wanted = {"upload_id": copy.upload_id, "ranges": copy.ranges} if copy else None
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return cloud.open_upload(manifest.summary(), archive.size, root, wanted)
        except ApiError as refusal:
            if refusal.fields.get("copy_source_gone") or (copy and refusal.status == 404):
                raise SourceGone from refusal
            # Another process is completing the upload of the same data at this very moment.
            if refusal.code not in ("upload_not_ready", "conflict") or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def _parts_of(archive: Archive, session: UploadSession) -> int:
    sent = archive.size - session.get("copied_bytes", 0)
    return session.get("copied_parts", 0) - (-sent // session["part_bytes"])


def _arrived(session: UploadSession, archive: Archive) -> dict[int, str]:
    """Parts that need not be sent again, with their ETags.

    Deflated text may be spelled differently by another zlib, so a part that holds some must prove its MD5; a store
    whose ETag is no MD5 just gets such parts again.
    """
    arrived: dict[int, str] = {}
    for part in session["parts"]:
        number, etag = part["part_number"], part["etag"].strip('"')
        if number <= session.get("copied_parts", 0):
            continue
        offset, length = span(archive, session, number)
        if part["size"] != length:
            continue
        if archive.has_deflated(offset, length) and etag != _md5(archive.read(offset, length)):
            continue
        arrived[number] = etag
    return arrived


def _md5(chunks: Iterator[bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _complete(cloud: CloudClient, sending: Sending, session: UploadSession, etags: dict[int, str]) -> None:
    try:
        cloud.complete_upload(session["upload_id"], sorted(etags.items()))
    except ApiError as refusal:
        lost = refusal.fields.get("missing_parts")
        if refusal.code != "upload_not_ready" or not lost:
            raise
        _copied(cloud, session)
        again = sending.run([int(number) for number in lost if int(number) > session.get("copied_parts", 0)], THREADS)
        cloud.complete_upload(session["upload_id"], sorted((etags | again).items()))
