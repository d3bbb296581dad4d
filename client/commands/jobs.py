"""Commands about jobs that exist: list, show, logs, cancel, delete."""

from __future__ import annotations

import argparse

from chalicelib.domain.money import display
from client.api import CloudClient
from client.following import Watcher, follow, next_of
from client.outlook import hanging, heading, price_range
from client.screen import STATUS_COLOURS, Screen
from client.shapes import Artifact, Job, Steps
from client.words import duration, local_time, size


def list_jobs(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    page = cloud.jobs(status=given.status, provider=given.provider, limit=given.limit)
    if screen.as_json:
        screen.result(page)
        return 0
    if not page["jobs"] and (given.status or given.provider):
        screen.note("No such jobs. 'stcloud list' shows all of them.")
        return 0
    if not page["jobs"]:
        screen.note("No jobs yet. Start one with: stcloud submit CONFIG --data DIR")
        return 0
    rows = [
        [
            job["job_id"],
            job["status"],
            job["config_name"] or "-",
            _hardware(job),
            _cost_and_heading(job),
            local_time(job["created_at"]),
        ]
        for job in page["jobs"]
    ]
    screen.table(["JOB", "STATUS", "CONFIG", "HARDWARE", "COST", "CREATED"], rows)
    for job in page["jobs"]:
        if hangs := hanging(job):
            screen.warn(f"{job['job_id']}: {hangs}")
    if page["total"] > len(page["jobs"]):
        screen.note(f"{len(page['jobs'])} of {page['total']} jobs. Show more with --limit N.")
    return 0


def show(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job = cloud.find_job(given.job)
    timeline = cloud.events(job["job_id"])["events"]
    artifacts = cloud.artifacts(job["job_id"])["artifacts"]
    saved = cloud.checkpoints(job["job_id"])
    if screen.as_json:
        told = {"checkpoints": saved["checkpoints"], "steps": saved["steps"]}
        screen.result({"job": job, "events": timeline, "artifacts": artifacts, **told})
        return 0
    facts = [
        ("job", job["job_id"]),
        ("status", job["status"] + ("" if job["phase"] == job["status"] else f" ({job['phase']})")),
        ("config", job["config_name"] or "-"),
        ("hardware", f"{_hardware(job)} at {job['provider']}"),
        ("created", local_time(job["created_at"], seconds=True)),
        ("ran for", duration(job["duration_seconds"])),
        ("cost", cost_of(job)),
    ]
    facts += attempt_of(job)
    facts += [("steps", text) for text in [steps_of(saved["steps"])] if text]
    facts += [("heading", text) for text in [heading(job)] if text]
    facts += [(word, text) for word, text in (("reason", job["reason"]), ("error", job["error_message"])) if text]
    for word, text in facts:
        screen.line(f"{word:<10}{text}", STATUS_COLOURS.get(job["status"], "") if word == "status" else "")
    if hangs := hanging(job):
        screen.line(f"{'hangs':<10}{hangs}", "yellow")
    for warning in job["metadata"].get("warnings") or []:
        screen.warn(str(warning))
    _show_destinations(screen, job)
    screen.line("")
    for event in timeline:
        words = event.get("message") or " ".join(
            filter(None, (event["kind"], event.get("status"), event.get("reason")))
        )
        screen.line(f"  {local_time(event['at'], seconds=True)}  {words}")
    show_artifacts(screen, job, artifacts)
    return 0


def _show_destinations(screen: Screen, job: Job) -> None:
    for one in job["metadata"].get("destinations") or []:
        counted = f", {one['files']} files, {size(one['bytes'])}" if one["files"] else ""
        screen.line(f"{'goes to':<10}{one['place']}: {one['state']}{counted}")
        if one["missing"]:
            screen.warn(f"missing there: {', '.join(one['missing'])}")
        if one["error"]:
            screen.warn(str(one["error"]))


def logs(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job = cloud.find_job(given.job)
    job_id = job["job_id"]
    if not given.follow:
        text = cloud.logs(job_id)
        if screen.as_json:
            screen.result(text)
        else:
            screen.text(text["logs"])
            if not text["complete"]:
                screen.note(f"There is more to come. Follow it with: stcloud logs -f {job_id}")
        return 0

    def tell(text: str, offset: int) -> None:
        if screen.as_json:
            screen.result({"job_id": job_id, "offset": offset, "logs": text})
        else:
            screen.text(text)

    ended = follow(cloud, job_id, Watcher(log=tell, trouble=screen.warn))
    while following := next_of(ended):
        screen.note(f"Job {job_id} hit its provider's cap. It goes on as job {following}.")
        job_id = following
        ended = follow(cloud, job_id, Watcher(log=tell, trouble=screen.warn))
    screen.note(f"Job {job_id} is {ended['status']}.", STATUS_COLOURS.get(ended["status"], ""))
    return 0 if ended["status"] == "completed" else 1


def cancel(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job_id = cloud.find_job(given.job)["job_id"]
    outcome = cloud.cancel(job_id)
    if screen.as_json:
        screen.result(outcome)
    elif outcome.get("confirmed"):
        screen.line(f"Job {job_id} is cancelled.")
    else:
        screen.line(f"Job {job_id} is being stopped; the provider has not confirmed it yet.")
        screen.note(f"{outcome.get('detail') or ''} See whether it has stopped: stcloud show {job_id}".strip())
    return 0


def delete(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job_id = cloud.find_job(given.job)["job_id"]
    outcome = cloud.delete(job_id)
    if screen.as_json:
        screen.result(outcome)
    else:
        screen.line(f"Job {job_id}, its events and its log are deleted. Trained files stay where they are.")
    return 0


def show_artifacts(screen: Screen, job: Job, artifacts: list[Artifact]) -> None:
    if artifacts:
        screen.line("")
        rows = [[one["name"], size(one["size"]), "model" if one["is_model"] else ""] for one in artifacts]
        screen.table(["FILE", "SIZE", ""], rows)
        screen.note(f"Fetch the model with: stcloud download {job['job_id']}   (everything: --all)")
    elif job["status"] == "completed":
        screen.warn(f"The job left no files. Its log may say why: stcloud logs {job['job_id']}")


def cost_of(job: Job) -> str:
    if job["cost_micros"] is None:
        return "-"
    return display(job["cost_micros"]) + ("" if job["cost_is_final"] else " so far")


def attempt_of(job: Job) -> list[tuple[str, str]]:
    """Which attempt this is, where it began, and which one came after it."""
    known = job.get("attempt")
    if known is None:
        return []
    found = []
    if known["number"] > 1:
        before = display(known["earlier_cost_micros"])
        found.append(("attempt", f"{known['number']}; those before it cost {before}"))
    if begun := known["resumed_from"]:
        found.append(("began", f"at step {begun['step']} of job {begun['job_id']}"))
    if known["next_job_id"]:
        found.append(("went on", f"as job {known['next_job_id']}"))
    elif known["deciding"]:
        found.append(("goes on", "from its last checkpoint, if that arrived"))
    return found


def steps_of(known: Steps) -> str | None:
    """How far it is, and what would have to be trained again if it ended now."""
    if known["done"] is None:
        return None
    text = f"{known['done']}" + (f" of {known['total']}" if known["total"] else "")
    if known["saved"] is not None:
        text += f", {known['saved']} saved here"
    if known["at_risk"]:
        micros = known["at_risk_micros"]
        worth = "" if micros is None else f", worth {display(micros)}"
        text += f"; {known['at_risk']} not in any checkpoint here{worth}"
    return text


def _cost_and_heading(job: Job) -> str:
    known = job.get("projection")
    return f"{cost_of(job)}, ends at {price_range(known)}" if known else cost_of(job)


def _hardware(job: Job) -> str:
    return job["hardware_profile"] or job["hardware_type"] or "-"
