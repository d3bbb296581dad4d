"""Commands about configs: what a job was asked for, how two jobs differ, the same again, and configs under a name."""

from __future__ import annotations

import argparse
import json
import uuid
from typing import Any

from client.api import CloudClient
from client.commands import submit
from client.errors import UsageError
from client.screen import Screen
from client.shapes import Job
from client.submission import read_documents, submission_of
from client.words import local_time

_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def show(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job = cloud.find_job(given.job)
    other = cloud.find_job(given.compare)["job_id"] if given.compare else None
    kept = cloud.job_config(job["job_id"], other)
    if screen.as_json:
        screen.result(kept)
    elif other is None:
        screen.text(json.dumps(_documents(kept), indent=2, ensure_ascii=False) + "\n")
    elif not kept["differences"]:
        screen.line(f"{job['job_id']} was asked for the same as {other}.")
    else:
        for one in kept["differences"]:
            mark, colour = _MARKS[one["kind"]]
            screen.line(f"{mark} {one['path']}: {_told(one)}", colour)
    return 0


def again(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    """With data of this machine it is a submit like any other; without, the server has all that it takes."""
    job = cloud.find_job(given.job)
    changes = dict(given.set or []) | dict.fromkeys(given.unset or [])
    given.hardware = given.hardware or job["hardware_profile"]
    given.provider = job["provider"]
    start = _start(cloud, screen, given, job)
    if given.data is None and given.dataloader is None:
        wanted = {"config": changes, "hardware_profile": given.hardware, "tracker_run_name": given.name}
        body = {name: value for name, value in wanted.items() if value} | submit.bounds(given)
        body |= {"resume": True, **start} if given.resume else {}
        placed = cloud.retry(job["job_id"], body, given.idempotency_key or uuid.uuid4().hex)
        return submit.report(cloud, screen, given, placed["job"], placed["idempotent_hit"])
    kept = cloud.job_config(job["job_id"])
    options = {f"--{name.removeprefix('--')}": value for name, value in kept["config"].items()}
    options |= {f"--{name.removeprefix('--')}": value for name, value in changes.items()}
    options = {name: value for name, value in options.items() if value is not None}
    name = given.name or job["config_name"] or "config"
    submission = submission_of(options, name, given.data, given.dataloader, kept["lycoris_config"], given.trigger)
    more = {"resume_job_id": job["job_id"], **start} if given.resume else {}
    return submit.send(cloud, screen, given, submission, more)


def _start(cloud: CloudClient, screen: Screen, given: argparse.Namespace, job: Job) -> dict[str, Any]:
    """The step to go on from, looked for before anything is read or sent; empty for a run from the beginning."""
    if not given.resume:
        if given.from_step is not None:
            raise UsageError("--from-step names the checkpoint to go on from: add --resume.")
        return {}
    whole = [one["step"] for one in cloud.checkpoints(job["job_id"])["checkpoints"] if one["complete"]]
    if not whole:
        raise UsageError(
            f"Job {job['job_id']} has no whole checkpoint here, so nothing can go on from it. Nothing was sent. "
            "Leave --resume out to train it from its beginning."
        )
    step = whole[0] if given.from_step is None else given.from_step
    if step not in whole:
        steps = ", ".join(map(str, whole))
        raise UsageError(f"Job {job['job_id']} has no whole checkpoint of step {step} here. There are: {steps}.")
    screen.note(f"It goes on from step {step} of job {job['job_id']}.")
    return {"from_step": step}


def list_configs(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    kept = cloud.configs()
    if screen.as_json:
        screen.result(kept)
    elif not kept["configs"]:
        screen.note("No configs are kept on this server. Keep one with: stcloud configs save NAME CONFIG")
    else:
        rows = [
            [one["name"], "active" if one["is_active"] else "", local_time(one["updated_at"]), one["fingerprint"][:12]]
            for one in kept["configs"]
        ]
        screen.table(["NAME", "", "CHANGED", "FINGERPRINT"], rows)
    return 0


def show_config(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    kept = cloud.config(given.name)
    if screen.as_json:
        screen.result(kept)
    else:
        kept["config"].pop("dataloader_config", None)
        screen.text(json.dumps(_documents(kept), indent=2, ensure_ascii=False) + "\n")
    return 0


def save(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    """Writes over a config of the same name only when told to."""
    documents = read_documents(given.config, given.dataloader, given.lycoris)
    saved = cloud.save_config(given.name, documents, replace=given.replace)
    for warning in saved["warnings"]:
        screen.warn(warning)
    if screen.as_json:
        screen.result(saved)
    else:
        screen.line(f"The config is kept as '{given.name}'.")
    return 0


def delete(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    done = cloud.delete_config(given.name)
    if screen.as_json:
        screen.result(done)
    else:
        screen.line(f"The config '{given.name}' is gone.")
    return 0


def assignment(text: str) -> tuple[str, Any]:
    """``name=value``, the value as JSON where it is some, otherwise as text."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip("- "):
        raise argparse.ArgumentTypeError(f"'{text}' is not OPTION=VALUE, such as learning_rate=1e-4")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _documents(kept: dict[str, Any]) -> dict[str, Any]:
    documents = {name: kept[name] for name in ("config", "dataloader_config", "lycoris_config")}
    return {name: value for name, value in documents.items() if value}


def _told(one: dict[str, Any]) -> str:
    before, after = json.dumps(one["before"], ensure_ascii=False), json.dumps(one["after"], ensure_ascii=False)
    return {"added": after, "removed": before}.get(one["kind"], f"{before} → {after}")
