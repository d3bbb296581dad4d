"""Data first, then the order: one job, however often this is interrupted and run again."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Manifest
from client.api import CloudClient
from client.errors import ApiError, ClientError, TransferFailed, UploadGone
from client.screen import Screen
from client.sending import send
from client.shapes import Submitted
from client.unfinished import Note, Sent
from client.uploading import Uploaded
from client.words import counted, size, took

_ORDER_IS_NEW_AFTER = ("not_found", "idempotency_key_reused")
_TRIES = 5


class _Taken(Exception):
    """Somebody else sent the same data at the same time, and their job has it now."""


@dataclass(frozen=True, slots=True)
class Packed:
    manifest: Manifest
    archive: Archive
    agreed: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """``transfer`` is what crossed the line for it; None when nothing had to be asked of the store."""

    submitted: Submitted
    sent: Sent
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    uploaded: Uploaded
    seconds: float

    def told(self) -> dict[str, Any]:
        parts = asdict(self.uploaded)
        return {name: parts[name] for name in parts if name != "upload_id"} | {"seconds": round(self.seconds, 3)}


@dataclass(frozen=True, slots=True)
class Placing:
    cloud: CloudClient
    screen: Screen
    provider: str
    key: str | None
    order: dict[str, Any]
    packed: Packed | None
    note: Note

    def __call__(self) -> Placed:
        earlier = self.note.recall()
        if earlier is not None:
            try:
                return self._ask(earlier)
            except _Taken:
                pass
            except ApiError as refusal:
                if refusal.code not in _ORDER_IS_NEW_AFTER:
                    raise
        key = self.key or uuid.uuid4().hex
        for _ in range(_TRIES):
            with suppress(_Taken):
                transfer = self._send()
                placed = self._ask(Sent(key, transfer.uploaded.upload_id if transfer else None))
                return replace(placed, transfer=transfer)
        raise TransferFailed("Other commands keep taking the data for their jobs. Run the same command again.")

    def _ask(self, sent: Sent) -> Placed:
        self.note.keep(sent)
        body = self.order | ({"upload_id": sent.upload_id} if sent.upload_id else {})
        try:
            submitted = self.cloud.submit(body, sent.key, self.provider)
        except ApiError as refusal:
            if refusal.status < 500:
                self.note.forget()
            if refusal.code == "upload_not_ready":
                raise _Taken from refusal
            raise
        self.note.forget()
        taken = submitted["job"]["metadata"].get("upload_id")
        if sent.upload_id and submitted["idempotent_hit"] and taken != sent.upload_id:
            with suppress(ClientError):  # nobody needs this copy; the server discards it by itself after a day
                self.cloud.abort_upload(sent.upload_id)
        return Placed(submitted, sent)

    def _send(self) -> Transfer | None:
        if self.packed is None:
            return None
        archive, screen = self.packed.archive, self.screen
        begun = time.monotonic()
        try:
            with screen.bar("uploading", archive.size) as advance:
                sent = send(self.cloud, self.packed.manifest, consented=self.packed.agreed, on_sent=advance)
        except UploadGone as gone:
            raise _Taken from gone
        except KeyboardInterrupt:
            screen.note("\nStopped. What has arrived is kept for a day: run the same command again to send the rest.")
            raise
        transfer = Transfer(sent, time.monotonic() - begun)
        if sent.resumed_parts and sent.sent_parts:
            there = counted(sent.resumed_parts, "part was", "parts were")
            now = counted(sent.sent_parts, "was", "were")
            screen.note(f"Resumed: {there} there already, {now} sent now.")
        much, whole = size(sent.sent_bytes), size(archive.size)
        if not sent.sent_bytes:
            screen.note(f"Nothing had to be sent: the archive of {whole} was all there already.")
        else:
            spent = took(transfer.seconds)
            screen.note(f"Sent {much}, manifest included, in {spent} for an archive of {whole}{_spared(sent)}.")
        return transfer


def _spared(sent: Uploaded) -> str:
    if sent.copied_bytes:
        return f"; {size(sent.copied_bytes)} were taken over from the upload before"
    return ""
