"""``stcloud download``: trained files from the object store to this disk."""

from __future__ import annotations

import argparse
from pathlib import Path, PurePosixPath

from client.api import CloudClient
from client.downloading import Downloaded, download
from client.errors import UsageError
from client.screen import Screen
from client.shapes import Artifact, Job
from client.words import counted, size


def run(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job = cloud.find_job(given.job)
    artifacts = cloud.artifacts(job["job_id"])["artifacts"]
    if not artifacts:
        wait = f" It is {job['status']}: wait for it with stcloud logs -f {job['job_id']}"
        if job["is_terminal"]:
            wait = f" It is {job['status']}. Its log may say why: stcloud logs {job['job_id']}"
        raise UsageError(f"Job {job['job_id']} has no files.{wait}")
    wanted = artifacts if given.all else models_of(artifacts)
    if not wanted:
        raise UsageError(
            f"Job {job['job_id']} has {counted(len(artifacts), 'file')} and no model among them. Use --all for them."
        )
    files = fetch(cloud, screen, job, wanted, given.to)
    if screen.as_json:
        screen.result({"job_id": job["job_id"], "files": described(files)})
    return 0


def models_of(artifacts: list[Artifact]) -> list[Artifact]:
    return [artifact for artifact in artifacts if artifact["is_model"]]


def fetch(cloud: CloudClient, screen: Screen, job: Job, wanted: list[Artifact], to: Path | None) -> list[Downloaded]:
    folder = Path(job["job_id"]) if to is None else to
    total = sum(artifact["size"] for artifact in wanted)
    what = PurePosixPath(wanted[0]["name"]).name if len(wanted) == 1 else f"{len(wanted)} files"
    with screen.bar(f"downloading {what}", total) as advance:
        files = download(cloud, job["job_id"], wanted, folder, lambda name, count: advance(count))
    for file in files:
        screen.line(f"{file.path}  {size(file.size)}{'' if file.fresh else '  (was there already)'}", "green")
    return files


def described(files: list[Downloaded]) -> list[dict[str, object]]:
    return [{"name": file.name, "path": str(file.path), "size": file.size, "fresh": file.fresh} for file in files]
