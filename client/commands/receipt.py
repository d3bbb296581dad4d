"""``stcloud receipt``: what left this machine for a job, and the proof that it is gone from where it went."""

from __future__ import annotations

import argparse

import httpx

from chalicelib.domain.manifests import unzipped
from client.api import CloudClient
from client.errors import TransferFailed
from client.screen import Screen
from client.shapes import DataReceipt
from client.transport import trusted
from client.words import local_time, size

_STATES = {
    "none": "no data was sent for this job",
    "in_use": "in the store, for this job",
    "kept": "kept in the store for another run",
    "deleting": "being deleted",
    "deleted": "deleted, and looked for in vain afterwards",
}


def show(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job_id = cloud.find_job(given.job)["job_id"]
    told = cloud.data_receipt(job_id)
    if given.delete and told["state"] == "kept" and told["upload_id"]:
        cloud.abort_upload(told["upload_id"])
        told = cloud.data_receipt(job_id)
    if screen.as_json:
        screen.result(told)
    else:
        _show(screen, told)
    if given.files:
        _list_files(cloud, screen, told)
    return 0


def _show(screen: Screen, told: DataReceipt) -> None:
    until = f" until {local_time(told['keep_until'])}" if told["keep_until"] else ""
    screen.line(f"data      {_STATES.get(told['state'], told['state'])}{until}")
    manifest, receipt = told["manifest"], told["receipt"]
    if manifest:
        proof = "checked against its root by the server" if manifest["verified"] else "not checked by the server"
        screen.line(f"sent      {manifest['file_count']} files, {size(manifest['archive_bytes'])}")
        screen.line(f"root      {manifest['root']}")
        screen.line(f"manifest  {proof}; every file: --files")
    if receipt:
        rows = [
            [one["bucket"], one["key"], size(one["size"]), _moment(one["deleted_at"]), _moment(one["absent_at"])]
            for one in receipt["objects"]
        ]
        screen.line("")
        screen.table(["BUCKET", "OBJECT", "SIZE", "DELETED", "FOUND ABSENT"], rows)
        if receipt["object_count"] > len(rows):
            screen.note(f"… and {receipt['object_count'] - len(rows)} more objects.")


def _list_files(cloud: CloudClient, screen: Screen, told: DataReceipt) -> None:
    address = (told["manifest"] or {}).get("url")
    if not address:
        screen.note("No list of files was kept for this job.")
        return
    local = cloud.connection.is_loopback
    try:
        with (
            httpx.Client(timeout=60.0, verify=trusted(), trust_env=not local) as http,
            http.stream("GET", address) as answer,
        ):
            answer.raise_for_status()
            for line in unzipped(answer.iter_raw(1 << 16)):
                if screen.as_json:
                    screen.result(line)
                elif "path" in line:
                    screen.line(f"{line['sha256']}  {line['size']:>12}  {line['path']}")
                elif "held_back" in line:
                    screen.line(f"{'stayed: ' + line['reason']:<64}  {'':>12}  {line['held_back']}")
    except httpx.HTTPError as error:
        raise TransferFailed(f"The list of files could not be fetched ({type(error).__name__}). Try again.") from error


def _moment(text: str | None) -> str:
    return local_time(text, seconds=True) if text else "-"
