"""``stcloud download``: trained files from the object store to this disk."""

from __future__ import annotations

import argparse
import contextlib
import errno
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from client.api import CloudClient
from client.archives import Checked, Tar
from client.downloading import Downloaded, advice, download
from client.errors import TransferFailed, UsageError
from client.screen import Screen
from client.shapes import Archive, Artifact, Job
from client.words import counted, size


def run(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job = cloud.find_job(given.job)
    if given.tar is not None:
        return _tar(cloud, screen, job, given)
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


def _tar(cloud: CloudClient, screen: Screen, job: Job, given: argparse.Namespace) -> int:
    if given.to is not None:
        raise UsageError("--tar writes one file, --to a folder: give one of them.")
    to_stdout = given.tar == "-"
    if to_stdout and screen.as_json:
        raise UsageError("The standard output takes the archive or JSON, not both. Give --tar a file.")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("The archive is not for a terminal. Redirect it, pipe it to tar, or name a file.")
    tar, to = Tar(cloud, job["job_id"], only_model=not given.all), Path(given.tar)
    told = _put_together(screen, tar)
    if not to_stdout and to.exists():
        there = tar.check(told, to) if to.is_file() else None
        if there is None:
            raise UsageError(f"{to} is there already, and is not this archive. Name another file.")
        return _told_of(screen, job, to, there, fresh=False)
    try:
        with screen.bar(f"downloading {told['filename']}", told["total_bytes"]) as advance:
            if to_stdout:
                tar.to_stream(told, sys.stdout.buffer, advance)
                return 0
            checked = tar.to_file(told, to, advance)
    except BrokenPipeError:
        raise
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        way = advice(error) if full else " Name another file with --tar."
        raise TransferFailed(f"{given.tar} cannot be written: {error.strerror or error}.{way}") from error
    return _told_of(screen, job, to, checked, fresh=True)


def _put_together(screen: Screen, tar: Tar) -> Archive:
    """With a bar, once it is clear that it takes a while."""
    with contextlib.ExitStack() as stack:
        advance: Callable[[int], None] | None = None
        shown = 0

        def on_progress(done: int, total: int) -> None:
            nonlocal advance, shown
            if advance is None and done < total:
                advance = stack.enter_context(screen.bar("putting the archive together", total))
            if advance and done > shown:
                advance(done - shown)
                shown = done

        return tar.put_together(on_progress)


def _told_of(screen: Screen, job: Job, to: Path, checked: Checked, fresh: bool) -> int:
    told = f"{counted(checked.files, 'file')}, {checked.hashed} of them checked by hash"
    screen.line(f"{to}  {size(checked.size)}  {told}{'' if fresh else '  (was there already)'}", "green")
    if screen.as_json:
        described = {"path": str(to), "size": checked.size, "files": checked.files, "hashed": checked.hashed}
        screen.result({"job_id": job["job_id"], "tar": described | {"fresh": fresh}})
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
