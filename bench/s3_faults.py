"""Kills the storage endpoint in the middle of transfers: ``python -m bench.s3_faults [--rounds N]``.

Each round starts a server of its own, begins one kind of transfer, kills the process after a random moment, starts it
again and looks: an object is wholly the old one or wholly the new one, an upload can be gone on with, and nothing is
left of what was under way. Prints what it saw; ends with 1 at the first thing that should not be.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.http.s3_world import World, serve_apart

MIB = 1024 * 1024
OLD, NEW = os.urandom(MIB) * 24, os.urandom(MIB) * 32
PART = 8 * MIB


def put(s3: Any) -> None:
    s3.put_object(Bucket="outputs", Key="target", Body=NEW)


def multipart(s3: Any) -> None:
    _upload(s3, [1, 2, 3, 4])


def multipart_out_of_place(s3: Any) -> None:
    """The first part comes twice, so that the parts have to be copied together."""
    _upload(s3, [1, 1, 2, 3, 4])


def copy(s3: Any) -> None:
    s3.copy_object(Bucket="outputs", Key="target", CopySource="outputs/source")


def copied_parts(s3: Any) -> None:
    upload = {"Bucket": "outputs", "Key": "target"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    parts = []
    for number, ends in ((1, f"0-{12 * MIB - 1}"), (2, f"{12 * MIB}-{len(NEW) - 1}")):
        made = s3.upload_part_copy(
            **upload, PartNumber=number, CopySource="outputs/source", CopySourceRange=f"bytes={ends}"
        )
        parts.append({"PartNumber": number, "ETag": made["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def _upload(s3: Any, numbers: list[int]) -> None:
    upload = {"Bucket": "outputs", "Key": "target"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    etags = {}
    for number in numbers:
        body = NEW[(number - 1) * PART : number * PART]
        etags[number] = s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=20)
    rounds = options.parse_args().rounds
    for work in (put, multipart, multipart_out_of_place, copy, copied_parts):
        seen: Counter[str] = Counter()
        with tempfile.TemporaryDirectory(prefix="s3-faults-") as name:
            span = _undisturbed(Path(name) / "first", work)
            for number in range(rounds):
                seen[_round(Path(name) / str(number), work, random.uniform(0, span))] += 1
        print(f"{work.__name__:24} {dict(seen)}", flush=True)
        if set(seen) - {"old", "new"}:
            return 1
    return 0


def _prepare(world: World) -> None:
    for key, body in (("target", OLD), ("source", NEW)):
        world.s3().put_object(Bucket="outputs", Key=key, Body=body, Metadata={"size": str(len(body))})


def _undisturbed(folder: Path, work: Callable[[Any], None]) -> float:
    with serve_apart(folder) as (world, _process):
        _prepare(world)
        start = time.monotonic()
        work(world.s3())
        return time.monotonic() - start


def _round(folder: Path, work: Callable[[Any], None], moment: float) -> str:
    with serve_apart(folder) as (world, process):
        _prepare(world)
        killer = threading.Timer(moment, process.kill)
        killer.start()
        with contextlib.suppress(ClientError, BotoCoreError):
            work(world.s3())
        killer.cancel()
        process.kill()
        process.wait()
    with serve_apart(folder) as (world, _process):
        s3 = world.s3()
        found = s3.get_object(Bucket="outputs", Key="target")
        body = found["Body"].read()
        state = "old" if body == OLD else "new" if body == NEW else f"torn: {len(body)} bytes"
        if "size" in found["Metadata"] and found["Metadata"]["size"] != str(len(body)):
            state = "metadata of another version"
        if any((folder / ".stcloud/drafts").iterdir()):
            state = "drafts were left"
        for upload in s3.list_multipart_uploads(Bucket="outputs").get("Uploads", []):
            named = {"Bucket": "outputs", "Key": "target", "UploadId": upload["UploadId"]}
            listed = s3.list_parts(**named).get("Parts", [])
            parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in listed]
            if len(parts) >= 2 and work not in (copied_parts,):
                s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
                joined = s3.get_object(Bucket="outputs", Key="target")["Body"].read()
                if joined != NEW[: len(joined)] or len(joined) % PART:
                    return "joined wrongly after the restart"
            else:
                s3.abort_multipart_upload(**named)
        if any((folder / ".stcloud/uploads").iterdir()):
            state = "parts were left"
        return state


if __name__ == "__main__":
    sys.exit(main())
