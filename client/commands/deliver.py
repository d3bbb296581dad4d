"""``stcloud deliver``: the server sends a model on to where it did not arrive, or to a new place."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from client.api import CloudClient
from client.errors import ApiError, Unreachable
from client.screen import Screen
from client.words import counted, size

_PAUSE = 1.0
_PATIENCE = 300.0


def run(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job_id = cloud.find_job(given.job)["job_id"]
    try:
        places = cloud.deliver(job_id, given.to, given.repo, True if given.repo and not given.public else None)
    except ApiError as refusal:
        # Asked once more, by a second terminal or after the first was closed: what is under way is watched.
        if refusal.code != "already_sending":
            raise
        screen.note("It is on its way already.")
        places = arrivals(cloud, job_id)
    names = [one["name"] for one in places if one["state"] == "sending"]
    if not given.follow:
        return _told(screen, job_id, [one for one in places if one["name"] in names], f"stcloud show {job_id}")
    ended = watch(cloud, screen, job_id, names)
    return _told(screen, job_id, ended)


def look(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    """0 once the model is wherever it was promised to be."""
    job = cloud.look(cloud.find_job(given.job)["job_id"])
    places = list(job["metadata"].get("destinations") or [])
    if not places:
        screen.note("The job promised its model to no place that could be looked at.")
    return _told(screen, job["job_id"], places)


def arrivals(cloud: CloudClient, job_id: str) -> list[dict[str, Any]]:
    return list(cloud.job(job_id)["metadata"].get("destinations") or [])


def watch(
    cloud: CloudClient,
    screen: Screen,
    job_id: str,
    names: list[str],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[dict[str, Any]]:
    """The places once none of them is being sent to. It goes on at the server without us."""
    seen = [one for one in arrivals(cloud, job_id) if one["name"] in names]
    total = sum(one["sending"]["total_bytes"] for one in seen if one["sending"])
    heard_at, troubles = clock(), dict[str, str]()
    with screen.bar(f"sending to {', '.join(names)}", total) as advance:
        shown = 0
        while True:
            sent = sum(one["sending"]["sent_bytes"] for one in seen if one["sending"])
            advance(max(0, sent - shown))
            shown = max(shown, sent)
            for one in seen:
                if one["state"] == "sending" and one["error"] and troubles.get(one["name"]) != one["error"]:
                    troubles[one["name"]] = one["error"]
                    screen.warn(f"{one['name']}: {one['error']}")
            if all(one["state"] != "sending" for one in seen):
                return seen
            sleep(_PAUSE)
            try:
                seen = [one for one in arrivals(cloud, job_id) if one["name"] in names]
                heard_at = clock()
            except Unreachable:
                if clock() - heard_at > _PATIENCE:
                    raise


def _told(screen: Screen, job_id: str, places: list[dict[str, Any]], later: str | None = None) -> int:
    if screen.as_json:
        screen.result({"job_id": job_id, "destinations": places})
    for one in places:
        if one["verified"]:
            files = f"{counted(one['files'], 'file')}, {size(one['bytes'])}"
            screen.line(f"{one['place']} ({one['name']}): arrived and checked, {files}", "green")
        elif one["state"] == "sending":
            screen.line(f"{one['place']} ({one['name']}): on its way")
        else:
            missing = f"missing: {', '.join(one['missing'])}" if one["missing"] else one["state"]
            screen.line(f"{one['place']} ({one['name']}): {one['error'] or missing}", "red")
    if later:
        screen.note(f"The server sends it. See how far it is: {later}")
        return 0
    return 0 if all(one["verified"] for one in places) else 1
