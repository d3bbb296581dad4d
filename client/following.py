"""A job watched until it ends: its state, its progress and its log, each only when it is new."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from client.api import CloudClient
from client.errors import ApiError, Unreachable
from client.shapes import Job, Progress

_QUICK, _CALM = 1.0, 4.0
_LAST_WORDS_SECONDS = 15.0


@dataclass(slots=True)
class Watcher:
    """Who is told. ``log`` gets text with the offset where it begins, ``trouble`` what keeps us from hearing more."""

    job: Callable[[Job], None] = lambda job: None
    progress: Callable[[Progress], None] = lambda progress: None
    log: Callable[[str, int], None] = lambda text, offset: None
    trouble: Callable[[str], None] = lambda text: None


def follow(
    cloud: CloudClient,
    job_id: str,
    watcher: Watcher,
    *,
    patience: float = 300.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Job:
    """The job, once it has ended and its log is complete.

    A server that does not answer is asked again for ``patience`` seconds, then ``Unreachable`` is raised; the job goes
    on without us all the same.
    """
    offset, pause, lost_at, ended_at = 0, _QUICK, 0.0, 0.0
    while True:
        try:
            job = cloud.job(job_id)
            news = cloud.logs(job_id, offset)
            if job["status"] == "running":
                watcher.progress(cloud.progress(job_id))
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and error.status < 500:
                raise
            if not lost_at:
                lost_at = clock()
                watcher.trouble(f"{error} Trying again for a while; the job goes on.")
            if clock() - lost_at > patience:
                raise
            sleep(pause)
            continue
        lost_at = 0.0
        if news["logs"]:
            watcher.log(news["logs"], offset)
            offset = news["next_offset"]
        watcher.job(job)
        if job["is_terminal"] and not job.get("attempt", {}).get("deciding"):
            ended_at = ended_at or clock()
            if news["complete"] or clock() - ended_at > _LAST_WORDS_SECONDS:
                return job
        pause = _QUICK if news["logs"] else min(_CALM, pause * 1.25)
        sleep(pause)


def next_of(job: Job) -> str | None:
    """The job that went on where this one hit its provider's cap."""
    return job.get("attempt", {}).get("next_job_id")
