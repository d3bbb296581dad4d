"""Datasets by way of the Hugging Face Hub: each in a private repository of its own, for as long as its job lasts.

One repository each, because the trainer's library wants the same columns in all that a repository holds, no pictures
beside videos, and loads the whole of a repository for each dataset that is read from it.

A repository's name holds the launch key of its job, so whoever looks finds it again, and nothing else is taken for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.domain.hub import HubIdentity

ARCHIVE, CARD = "dataset.zip", "README.md"
SPLIT = "train"
_OURS = "stcloud-"


def repository(namespace: str, launch_key: str, number: int) -> str:
    """The name for the job's dataset of this number, from 0."""
    return f"{namespace}/{_prefix(launch_key)}{number + 1}"


def entry(repo: str) -> dict[str, Any]:
    """What a dataloader's entry says so that the trainer reads this repository; every version of it does.

    Left to itself the trainer unpacks the pictures below its output folder, whose files go wherever the model goes.
    """
    name = repo.rpartition("/")[2]
    return {
        "type": "huggingface",
        "dataset_name": repo,
        "split": SPLIT,
        "metadata_backend": "huggingface",
        "cache_dir": f"cache/datasets/{name}",
        "cache_dir_vae": f"cache/vae/{name}",
    }


def planned(dataloader: Iterable[Mapping[str, Any]] | None, launch_key: str) -> dict[str, str]:
    """The job's own repositories among those that its dataloader names, by the id of their dataset."""
    prefix = _prefix(launch_key)
    return {
        str(one.get("id")): str(one["dataset_name"])
        for one in dataloader or ()
        if one.get("type") == "huggingface" and _ours(str(one.get("dataset_name")), prefix)
    }


def renamed(
    dataloader: Iterable[Mapping[str, Any]] | None, launch_key: str, new_key: str
) -> list[dict[str, Any]] | None:
    """The dataloader for another job with the same data: its repositories are its own."""
    if dataloader is None:
        return None
    old, new = _prefix(launch_key), _prefix(new_key)
    ours = set(planned(dataloader, launch_key).values())
    return [
        {**one, "dataset_name": str(one["dataset_name"]).replace(f"/{old}", f"/{new}", 1)}
        if one.get("dataset_name") in ours
        else dict(one)
        for one in dataloader
    ]


def namespace_for(who: HubIdentity) -> str | None:
    """The user's own where the token may make repositories there, or else an organization's; None where nowhere."""
    return next((name for name in (who.name, *sorted(who.orgs)) if who.may_create(f"{name}/any") is None), None)


def card(job_id: str) -> bytes:
    """The file that tells the trainer's library what there is, and a person what this is. It asks for no viewer: that
    would make copies of the pictures."""
    return (
        "---\n"
        "viewer: false\n"
        "configs:\n"
        "- config_name: default\n"
        "  data_files:\n"
        f"  - split: {SPLIT}\n"
        f"    path: {ARCHIVE}\n"
        "---\n"
        f"A copy of a dataset, for one training run of SimpleTuner Cloud (job {job_id}). It is deleted with the end of "
        "that job.\n"
    ).encode()


def _prefix(launch_key: str) -> str:
    """The Hub takes no two hyphens in a row."""
    return f"{_OURS}{re.sub('[^A-Za-z0-9]+', '-', launch_key).strip('-')}-"


def _ours(repo: str, prefix: str) -> bool:
    name = repo.partition("/")[2]
    return name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
