"""``stcloud submit``: look, ask, pack, send, start, and watch until the model is there.

Everything that can be refused is refused before the first byte of data leaves.
"""

from __future__ import annotations

import argparse
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Manifest
from chalicelib.domain.holdbacks import WORDS
from chalicelib.domain.money import display
from chalicelib.domain.scanning import scan
from client.api import CloudClient
from client.commands import download
from client.commands.jobs import cost_of, show_artifacts
from client.errors import ConsentWithheld, UsageError
from client.following import Watcher, follow
from client.screen import STATUS_COLOURS, Screen, duration, size
from client.shapes import Hardware, Job, Progress
from client.submission import read_submission
from client.uploading import upload

_ROWS_HELD_BACK = 200


def run(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    submission = read_submission(
        given.config,
        folder=given.data,
        dataloader_file=given.dataloader,
        lycoris_file=given.lycoris,
        name=given.name,
    )
    key = given.idempotency_key or uuid.uuid4().hex
    consent = cloud.consent()
    hardware = _hardware(cloud, given.hardware)
    if submission.sources and consent == "deny":
        raise ConsentWithheld(
            "Uploads are switched off on this server (data consent is 'deny'), and these datasets are on this machine. "
            "Nothing was sent. Change it with: stcloud consent ask"
        )
    told: dict[str, Any] = {"idempotency_key": key}
    if submission.sources:
        with screen.bar("reading the dataset", None) as advance:
            manifest = scan(submission.sources, lambda files, count: advance(count))
        archive = Archive(manifest)
        _show_manifest(screen, manifest, archive, given.verbose)
        _show_price(screen, hardware)
        agreed = _agreed(cloud, screen, consent, manifest, given.yes)
        told["manifest"] = manifest.summary()
        told["upload_id"] = _send(cloud, screen, manifest, archive, agreed)
    else:
        _show_price(screen, hardware)
    submitted = cloud.submit(submission.order(hardware["id"], told.get("upload_id")), key)
    job = submitted["job"]
    told |= {"job": job, "idempotent_hit": submitted["idempotent_hit"]}
    again = " (submitted before with the same key)" if submitted["idempotent_hit"] else ""
    screen.line(f"Job {job['job_id']} is {job['status']}{again}.", "bold")
    for warning in job["metadata"].get("warnings") or []:
        screen.warn(str(warning))
    watching = given.follow if given.follow is not None else screen.is_terminal or given.download is not None
    if not watching:
        screen.note(f"Watch it with: stcloud logs -f {job['job_id']}   or: stcloud show {job['job_id']}")
        if screen.as_json:
            screen.result(told)
        return 0
    return _see_through(cloud, screen, given, job, told)


def _hardware(cloud: CloudClient, wanted: str | None) -> Hardware:
    options = cloud.hardware()
    name = (wanted or options["default_hardware"]).lower()
    known = {option["id"]: option for option in options["hardware"]}
    found = known.get(name) or known.get(name.removeprefix("gpu-"))
    if found is None:
        raise UsageError(f"There is no hardware '{wanted}'. Choose one of: {', '.join(known)}.")
    return found


def _show_manifest(screen: Screen, manifest: Manifest, archive: Archive, verbose: bool) -> None:
    rows = [[one.id, str(one.file_count), size(one.total_bytes)] for one in manifest.datasets]
    rows += [[shared, "", f"the same folder as {owner}"] for shared, owner in manifest.shared.items()]
    screen.table(["DATASET", "FILES", "SIZE"], rows, aside=True)
    screen.note(f"{len(manifest.entries)} files go into one archive of {size(archive.size)}.")
    if manifest.held_back:
        screen.note(f"{len(manifest.held_back)} stay on this machine:")
        for reason, count in Counter(one.reason for one in manifest.held_back).most_common():
            screen.note(f"  {count:>6}  {WORDS[reason]}")
            for one in [one for one in manifest.held_back if verbose and one.reason is reason][:_ROWS_HELD_BACK]:
                screen.note(f"          {one.path}")
        if not verbose:
            screen.note("  (--verbose names each)")
    for warning in manifest.warnings:
        screen.warn(warning)


def _show_price(screen: Screen, hardware: Hardware) -> None:
    price = display(hardware["micros_per_second"] * 3600)
    screen.note(f"{hardware['name']} at {hardware['provider']}: {price} per hour (price of {hardware['as_of']}).")


def _agreed(cloud: CloudClient, screen: Screen, consent: str, manifest: Manifest, yes: bool) -> bool:
    """Whether this person, now, agreed to send this very manifest."""
    if yes:
        return True
    if consent == "allow":
        return False
    if not screen.can_ask:
        raise ConsentWithheld(
            "Nothing was sent: somebody has to agree first, and there is nobody to ask. Run it again with --yes, or "
            "let every upload go without a question: stcloud consent allow"
        )
    total = size(manifest.total_bytes)
    if not screen.ask(f"Send these {len(manifest.entries)} files ({total}) to {cloud.connection.base_url}?"):
        raise ConsentWithheld("Nothing was sent.")
    return True


def _send(cloud: CloudClient, screen: Screen, manifest: Manifest, archive: Archive, agreed: bool) -> str:
    try:
        with screen.bar("uploading", archive.size) as advance:
            sent = upload(cloud, manifest, archive, consented=agreed, on_sent=advance)
    except KeyboardInterrupt:
        screen.note("\nStopped. What has arrived is kept for a day: run the same command again to send the rest.")
        raise
    if sent.resumed_parts:
        screen.note(f"Resumed: {sent.resumed_parts} parts were there already, {sent.sent_parts} were sent now.")
    return sent.upload_id


def _see_through(cloud: CloudClient, screen: Screen, given: argparse.Namespace, job: Job, told: dict[str, Any]) -> int:
    job_id = job["job_id"]
    try:
        ended = _watch(cloud, screen, job)
    except KeyboardInterrupt:
        screen.note(f"\nThe job goes on. Watch it: stcloud logs -f {job_id}   Stop it: stcloud cancel {job_id}")
        raise
    artifacts = cloud.artifacts(job_id)["artifacts"]
    told |= {"job": ended, "artifacts": artifacts}
    took = duration(ended["duration_seconds"])
    screen.line(
        f"Job {job_id} {ended['status']} after {took}, cost {cost_of(ended)}.", STATUS_COLOURS.get(ended["status"], "")
    )
    completed = ended["status"] == "completed"
    if not completed:
        screen.note(ended["error_message"] or ended["reason"] or f"The log may say why: stcloud logs {job_id}", "red")
    if given.download is not None and artifacts:
        wanted = download.models_of(artifacts) or artifacts
        told["files"] = download.described(download.fetch(cloud, screen, ended, wanted, given.download))
    else:
        show_artifacts(screen, ended, artifacts)
    if screen.as_json:
        screen.result(told)
    return 0 if completed else 1


@dataclass(slots=True)
class _Scene:
    """What was last heard of a running job."""

    stage: str = ""
    words: str = ""
    percent: float | None = None
    told: str = ""


def _watch(cloud: CloudClient, screen: Screen, job: Job) -> Job:
    scene = _Scene(told=job["status"])
    with screen.training_bar() as show:

        def on_progress(news: Progress) -> None:
            scene.words, scene.percent = _words(news), news["progress"]
            scene.stage = news["stage"] or scene.stage

        def on_job(news: Job) -> None:
            if not screen.draws and news["status"] != scene.told:
                screen.note(f"Job {news['job_id']} is {news['status']}.")
            scene.told = news["status"]
            if news["status"] == "completed":
                scene.percent, scene.words = 100, ""
            title = scene.stage if news["status"] == "running" and scene.stage else news["phase"]
            cost = cost_of(news) if news["cost_micros"] is not None else ""
            show(title, scene.percent, "  ".join(filter(None, (scene.words, cost))))

        def on_log(text: str, offset: int) -> None:
            if screen.as_json:
                screen.note(text.rstrip("\n"))
            else:
                screen.text(text)

        return follow(cloud, job["job_id"], Watcher(on_job, on_progress, on_log, screen.warn))


def _words(news: Progress) -> str:
    words = []
    if news["step"] is not None:
        words.append(f"step {news['step']}" + (f"/{news['total_steps']}" if news["total_steps"] else ""))
    if news["loss"] is not None:
        words.append(f"loss {news['loss']:.4f}")
    if news["eta_seconds"] is not None:
        words.append(f"{duration(news['eta_seconds'])} left")
    return "  ".join(words)
