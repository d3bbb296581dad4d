"""``stcloud submit``: look, ask, pack, send, start, and watch until the model is there.

Everything that can be refused is refused before the first byte of data leaves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from chalicelib.domain.archives import Archive
from chalicelib.domain.configs import fingerprint
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.datasets import Manifest
from chalicelib.domain.money import display
from chalicelib.domain.scanning import scan
from client import remarks
from client.api import CloudClient
from client.commands import download
from client.commands.estimate import asked, show_expected
from client.commands.jobs import cost_of, show_artifacts
from client.commands.packing import agreed, show_difference, show_manifest
from client.commands.placing import Packed, Placed, Placing
from client.commands.watching import watch
from client.earlier import ask
from client.errors import ApiError, ConsentWithheld, UsageError
from client.git import GitFolder
from client.known_hashes import Learning, known_hashes
from client.screen import STATUS_COLOURS, Screen
from client.settings import state_folder
from client.shapes import Hardware, Job
from client.submission import Submission, read_submission
from client.unfinished import note_of
from client.words import counted, duration, took

_DELETION_SECONDS = 8.0


def run(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    submission = read_submission(
        given.config,
        folder=given.data,
        dataloader_file=given.dataloader,
        lycoris_file=given.lycoris,
        name=given.name,
        trigger=given.trigger,
    )
    if given.git:
        found = GitFolder(given.config.resolve().parent).snapshot(given.snapshot, None)
        if found and found.error:
            screen.warn(found.error)
        submission = replace(submission, snapshot=found.told() if found else None)
    return send(cloud, screen, given, submission)


def send(
    cloud: CloudClient,
    screen: Screen,
    given: argparse.Namespace,
    submission: Submission,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    """From here on it does not matter where the config came from. ``more`` are further fields of the order."""
    delivery = Mode(given.delivery)
    consent = cloud.consent()
    hardware = _hardware(cloud, given.provider, given.hardware)
    _check_provider(cloud, screen, given.provider)
    if submission.sources and consent == "deny":
        raise ConsentWithheld(
            "Uploads are switched off on this server (data consent is 'deny'), and these datasets are on this machine. "
            "Nothing was sent. Change it with: stcloud consent ask"
        )
    for warning in submission.warnings:
        screen.warn(warning)
    bound = bounds(given) | ({"destinations": given.to} if given.to else {}) | dict(more)

    foreseen = list(submission.warnings)

    def check(shared: Mapping[str, str], data: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return cloud.check(submission.order(hardware["id"], shared, delivery) | bound, data, given.provider)

    def foresee(manifest: Manifest | None) -> None:
        shared, data = (manifest.shared, told_of(manifest)) if manifest else ({}, None)
        foreseen.extend(_show_foreseen(screen, check(shared, data), foreseen))

    if submission.sources:
        check({}, {})  # before the data is read, which may take long; once more with what it holds
    packed = _pack(cloud, screen, given, submission, consent, hardware, foresee)
    order = submission.order(hardware["id"], packed.manifest.shared if packed else {}, delivery) | bound
    if given.keep_data and packed:
        order |= {"keep_data_days": given.keep_data}
    root = packed.manifest.root if packed else None
    told = fingerprint(cloud.connection.base_url, given.provider, given.idempotency_key, order, root)
    with note_of(told, state_folder() / "orders") as note:
        placed = Placing(cloud, screen, given.provider, given.idempotency_key, order, packed, note)()
    return _report(cloud, screen, given, tuple(foreseen), packed, placed)


def told_of(manifest: Manifest) -> dict[str, int]:
    return {
        "image_count": manifest.image_count,
        "file_count": len(manifest.entries),
        "total_bytes": manifest.total_bytes,
    }


def _show_foreseen(screen: Screen, foreseen: dict[str, Any] | None, known: Sequence[str]) -> list[str]:
    """Tells how the data will reach the trainer and what to know of the job; the sentences that were told."""
    if foreseen is None:
        return []
    why = str(foreseen["delivery"]["why"])
    screen.note(why)
    new = [str(warning) for warning in foreseen["warnings"] if warning not in known]
    for warning in (*new, *foreseen["cost_limit_warnings"]):
        screen.warn(warning)
    return [why, *new]


def bounds(given: argparse.Namespace) -> dict[str, Any]:
    """What the job is held to, as fields of a request; only what was given."""
    found: dict[str, Any] = {}
    if given.max_cost is not None:
        found["max_cost_usd"] = float(given.max_cost)
    if given.version is not None:
        found["version"] = given.version
    if given.max_run_minutes is not None:
        found["max_run_minutes"] = given.max_run_minutes
    if given.stop_on_stall is not None:
        found["stop_on_stall"] = ["no_machine", "no_progress"] if given.stop_on_stall else []
    if given.continue_after_cap is not None:
        found["continue_after_cap"] = given.continue_after_cap
    return found


def _hardware(cloud: CloudClient, provider: str, wanted: str | None) -> Hardware:
    options = cloud.hardware(provider)
    name = (wanted or options["default_hardware"]).lower()
    known = {option["id"]: option for option in options["hardware"]}
    found = known.get(name) or known.get(name.removeprefix("gpu-"))
    if found is None:
        raise UsageError(f"There is no hardware '{wanted}'. Choose one of: {', '.join(known)}.")
    return found


def _check_provider(cloud: CloudClient, screen: Screen, provider: str) -> None:
    """Refuses now what could only fail after the upload. A server that does not tell how it is stops nobody."""
    try:
        parts = cloud.health().get("components") or []
    except ApiError:
        return
    for part in parts:
        remark = part.get("message")
        if part.get("name") == provider and part.get("status") == "unhealthy":
            raise ApiError(503, "provider_unavailable", f"{provider} cannot be used now. {remark} Nothing was sent.")
        if part.get("name") == provider and remark:
            screen.warn(f"{provider}: {remark}")


def _pack(
    cloud: CloudClient,
    screen: Screen,
    given: argparse.Namespace,
    submission: Submission,
    consent: str,
    hardware: Hardware,
    foresee: Callable[[Manifest | None], None],
) -> Packed | None:
    manifest = archive = known = None
    if submission.sources:
        begun = time.monotonic()
        with screen.bar("reading the dataset", None) as advance, known_hashes(state_folder()) as memory:
            manifest = scan(
                submission.sources,
                lambda files, count: advance(count),
                memory=Learning(memory) if given.rehash else memory,
            )
        read_seconds = time.monotonic() - begun
        archive = Archive(manifest)
        show_manifest(screen, manifest, archive, given.verbose)
        remarks.tell(screen, manifest, submission.in_archive(manifest.shared), submission.config)
        known_files = f"; {counted(memory.recalled, 'file')} unchanged since read before" if memory.recalled else ""
        screen.note(f"Read in {took(read_seconds)}{known_files}.")
        known = ask(cloud, manifest)
        show_difference(screen, cloud, known, manifest, given.verbose)
    price = display(hardware["micros_per_second"] * 3600)
    screen.note(f"{hardware['name']} at {hardware['provider']}: {price} per hour (price of {hardware['as_of']}).")
    show_expected(cloud, screen, asked(submission, manifest, given.provider, hardware["id"]), hardware["id"])
    foresee(manifest)
    if manifest is None or archive is None or known is None:
        return None
    return Packed(manifest, archive, agreed(cloud, screen, consent, manifest, given.yes, known))


def _report(
    cloud: CloudClient,
    screen: Screen,
    given: argparse.Namespace,
    foreseen: tuple[str, ...],
    packed: Packed | None,
    placed: Placed,
) -> int:
    job, again = placed.submitted["job"], placed.submitted["idempotent_hit"]
    told: dict[str, Any] = {"idempotency_key": placed.sent.key}
    if packed:
        told |= {
            "manifest": packed.manifest.summary(),
            "upload_id": job["metadata"].get("upload_id") or placed.sent.upload_id,
            "transfer": placed.transfer.told() if placed.transfer else None,
        }
    return report(cloud, screen, given, job, again, foreseen, told)


def report(
    cloud: CloudClient,
    screen: Screen,
    given: argparse.Namespace,
    job: Job,
    again: bool,
    known: tuple[str, ...] = (),
    told: dict[str, Any] | None = None,
) -> int:
    """Tells what became of an order, and watches it when that is wanted. ``known`` warnings are not told twice."""
    told = (told or {}) | {"job": job, "idempotent_hit": again}
    words = " (submitted before with the same key)" if again else ""
    screen.line(f"Job {job['job_id']} is {job['status']}{words}.", "bold")
    delivery = job["metadata"].get("delivery")
    if delivery and delivery["why"] not in known:
        screen.note(str(delivery["why"]))
    for warning in job["metadata"].get("warnings") or []:
        if warning not in known:
            screen.warn(str(warning))
    follows = given.follow if given.follow is not None else screen.is_terminal or given.download is not None
    if follows:
        return _see_through(cloud, screen, given, job, told)
    failed = job["status"] in ("failed", "cancelled")
    if failed:
        _show_why(screen, job)
    else:
        screen.note(f"Watch it with: stcloud logs -f {job['job_id']}   or: stcloud show {job['job_id']}")
    if screen.as_json:
        screen.result(told)
    return 1 if failed else 0


def _see_through(cloud: CloudClient, screen: Screen, given: argparse.Namespace, job: Job, told: dict[str, Any]) -> int:
    job_id = job["job_id"]
    try:
        ended = watch(cloud, screen, job)
    except KeyboardInterrupt:
        screen.note(f"\nThe job goes on. Watch it: stcloud logs -f {job_id}   Stop it: stcloud cancel {job_id}")
        raise
    job_id = ended["job_id"]
    artifacts = cloud.artifacts(job_id)["artifacts"]
    told |= {"job": ended, "artifacts": artifacts}
    ran = duration(ended["duration_seconds"])
    screen.line(
        f"Job {job_id} {ended['status']} after {ran}, cost {cost_of(ended)}.", STATUS_COLOURS.get(ended["status"], "")
    )
    completed = ended["status"] == "completed"
    if not completed:
        _show_why(screen, ended)
    if given.download is not None and artifacts:
        wanted = download.models_of(artifacts) or artifacts
        told["files"] = download.described(download.fetch(cloud, screen, ended, wanted, given.download))
    else:
        show_artifacts(screen, ended, artifacts)
    if ended["metadata"].get("upload_id"):
        _show_deletion(cloud, screen, job_id)
    if screen.as_json:
        screen.result(told)
    return 0 if completed else 1


def _show_why(screen: Screen, job: Job) -> None:
    screen.note(job["error_message"] or job["reason"] or f"The log may say why: stcloud logs {job['job_id']}", "red")


def _show_deletion(cloud: CloudClient, screen: Screen, job_id: str) -> None:
    kept: list[dict[str, Any]] = []
    deadline = time.monotonic() + _DELETION_SECONDS
    while not kept and time.monotonic() < deadline:
        kept = [event for event in cloud.events(job_id)["events"] if event["kind"] in ("data_deleted", "data_kept")]
        if not kept:
            time.sleep(0.5)
    if kept:
        screen.note(str(kept[-1].get("message") or "The uploaded data was deleted."))
    else:
        screen.note(f"The uploaded data is being deleted; the proof will be in: stcloud show {job_id}")
