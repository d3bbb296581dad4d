"""Data on its way up, sending as little as can be: nothing when the store has it all, else what differs."""

from __future__ import annotations

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Manifest
from client import earlier
from client.api import CloudClient
from client.parts import OnSent
from client.uploading import CopyFrom, KeptTaken, SourceGone, Uploaded, upload


def send(cloud: CloudClient, manifest: Manifest, *, consented: bool, on_sent: OnSent | None = None) -> Uploaded:
    """Raises what ``upload`` raises. An archive that cannot be copied from any more costs time, never the upload."""
    whole = Archive(manifest)
    known = earlier.ask(cloud, manifest)
    if known.kept:
        try:
            return upload(cloud, manifest, whole, consented=consented, on_sent=on_sent, kept=True)
        except KeptTaken:
            known = earlier.ask(cloud, manifest)
    if known.latest:
        plan = earlier.layout(cloud, known.latest, manifest)
        if plan is not None:
            copy = CopyFrom(known.latest["upload_id"], plan.ranges)
            try:
                return upload(cloud, manifest, Archive(manifest, plan), consented=consented, on_sent=on_sent, copy=copy)
            except SourceGone:
                pass
    return upload(cloud, manifest, whole, consented=consented, on_sent=on_sent)
