"""Keys of a user's bucket inside a dataloader reach the trainer, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.actions.submit import Submission
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.dataset_keys import KEPT_KEYS, put_back, taken_out, vault_name
from chalicelib.domain.errors import InvalidConfig
from tests.configs import trainable
from tests.unit.actions.world import World

SECRET = "wJalr-not-a-real-key-7Q"
FAR: dict[str, Any] = {
    "id": "far",
    "type": "aws",
    "aws_bucket_name": "mine",
    "aws_region_name": "eu-west-1",
    "aws_endpoint_url": None,
    "aws_access_key_id": "AKIDOFMINE",
    "aws_secret_access_key": SECRET,
}


def order(*datasets: dict[str, Any], once: str | None = None) -> Submission:
    return Submission(config=trainable(max_train_steps=20), dataloader=list(datasets), once=once)


def test_the_trainer_gets_them_and_no_row_does(tmp_path: Path) -> None:
    world = World(tmp_path / "table.sqlite")
    services = world.process(careful=True)
    job, _ = services.submit(order(FAR), LOCAL)
    launched = world.vendor.runs[0].order
    assert launched is not None
    entry, *caches = launched.dataloader or []
    assert all(one["dataset_type"] == "text_embeds" for one in caches)
    assert (entry["aws_access_key_id"], entry["aws_secret_access_key"]) == ("AKIDOFMINE", SECRET)
    assert entry["aws_endpoint_url"] == "https://s3.eu-west-1.amazonaws.com" and KEPT_KEYS not in entry
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    kept, asked = services.jobs.order(job), services.jobs.asked(job)
    assert SECRET not in repr(job) + json.dumps([kept.dataloader, asked.dataloader])
    assert KEPT_KEYS not in json.dumps(asked.dataloader)


def test_they_are_gone_when_the_job_is_over(tmp_path: Path) -> None:
    world = World(tmp_path / "table.sqlite")
    job, _ = world.process(careful=True).submit(order(FAR), LOCAL)
    world.job_id = job.id
    assert world.vault.read(job.tenant, vault_name(job.id))
    world.settle()
    assert world.vault.read(job.tenant, vault_name(job.id)) is None


def test_a_second_submit_of_the_same_order_keeps_none(tmp_path: Path) -> None:
    world = World(tmp_path / "table.sqlite")
    services = world.process(careful=True)
    first, _ = services.submit(order(FAR, once="once"), LOCAL)
    again, fresh = services.submit(order(FAR, once="once"), LOCAL)
    assert (again.id, fresh) == (first.id, False)
    assert world.vault.seen() == {"AKIDOFMINE", SECRET}


def test_a_bucket_without_keys_is_refused_with_the_way_out(tmp_path: Path) -> None:
    bare = {name: value for name, value in FAR.items() if not name.endswith(("_id", "_key"))}
    with pytest.raises(InvalidConfig) as refusal:
        World(tmp_path / "table.sqlite").process(careful=True).submit(order(bare), LOCAL)
    assert "stored_bucket" in refusal.value.detail
    assert [one["option"] for one in refusal.value.fields["faults"]] == ["dataloader_config[0].aws_access_key_id"]


def test_keys_come_back_to_the_entry_they_were_in_whatever_the_order() -> None:
    other = {"id": "web", "type": "webshart", "webshart": {"source": "a", "hf_token": "hf_of_somebody"}}
    bare, kept = taken_out([FAR, {"id": "plain"}, other])
    assert SECRET not in json.dumps(bare) and "hf_of_somebody" not in json.dumps(bare)
    assert [put_back(entry, kept) for entry in reversed(bare)] == [other, {"id": "plain"}, FAR]


def test_an_entry_cannot_ask_for_the_keys_of_another() -> None:
    bare, kept = taken_out([FAR, {"id": "thief", "type": "aws", KEPT_KEYS: "0"}])
    assert put_back(bare[1], kept) == {"id": "thief", "type": "aws"}
