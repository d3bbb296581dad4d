"""How datasets reach the trainer: chosen by what would be lost, told in a sentence, and without anybody's paths."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.domain.dataset_delivery import Mode, plan_dataset
from chalicelib.domain.errors import BadInput

PLAIN: dict[str, Any] = {
    "id": "cats",
    "type": "local",
    "dataset_type": "image",
    "instance_data_dir": "/home/me/cats",
    "cache_dir_vae": "/home/me/cache",
    "caption_strategy": "filename",
    "crop": True,
    "resolution": 512,
}
TEXTS: dict[str, Any] = {
    "id": "texts",
    "type": "local",
    "dataset_type": "text_embeds",
    "default": True,
    "cache_dir": "/home/me/t",
}
HUB: dict[str, Any] = {"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}


@pytest.mark.parametrize("entries", [[], [PLAIN], [PLAIN, TEXTS], [PLAIN, HUB | {"disabled": True}]])
def test_one_plain_image_dataset_goes_as_an_archive(entries: list[dict[str, Any]]) -> None:
    plan = plan_dataset(entries, has_archive=True, can_lend=True)
    assert (plan.mode, plan.dataloader, plan.folders, plan.warnings) == (Mode.ARCHIVE, None, (), ())
    assert "archive" in plan.why


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([PLAIN | {"id": "dogs"}], "2 datasets"),
        ([HUB], "remote too"),
    ],
)
def test_several_datasets_are_read_one_by_one(more: list[dict[str, Any]], told: str) -> None:
    plan = plan_dataset([PLAIN, *more], has_archive=True, can_lend=True)
    assert plan.mode is Mode.REMOTE and told in plan.why


@pytest.mark.parametrize(
    "setting",
    [
        {"caption_strategy": "textfile"},
        {"caption_strategy": "instanceprompt", "instance_prompt": "/ a cat"},
        {"is_regularisation_data": True},
        {"conditioning_data": "edges"},
        {"repeats": 3},
        {"dataset_type": "video"},
        {"crop": False},
    ],
)
def test_what_an_archive_would_lose_makes_a_dataset_remote_or_is_told(setting: dict[str, Any]) -> None:
    plan = plan_dataset([PLAIN | setting], has_archive=True, can_lend=True)
    assert plan.mode is Mode.REMOTE and plan.dataloader
    assert setting.items() <= plan.dataloader[0].items()
    without = plan_dataset([PLAIN | setting], has_archive=True, can_lend=False)
    assert without.mode is Mode.ARCHIVE
    assert all(any(name in sentence for sentence in without.warnings) for name in setting)
    asked = plan_dataset([PLAIN | setting], True, Mode.ARCHIVE, can_lend=True)
    assert asked.mode is Mode.ARCHIVE and "asked" in asked.why and asked.warnings


def test_no_path_of_the_submitter_leaves() -> None:
    places = {"parquet": {"path": "/home/me/captions.parquet"}, "mask_dir": "C:\\Users\\me", "x": ["~/secret"]}
    plan = plan_dataset([PLAIN | places | {"repeats": 2}, TEXTS], has_archive=True, can_lend=True)
    told = json.dumps(plan.dataloader)
    assert "home" not in told and "Users" not in told and "~" not in told
    assert all(any(name in warning for warning in plan.warnings) for name in places)
    assert plan.dataloader and plan.dataloader[1]["default"] is True


def test_each_dataset_gets_the_folder_that_the_client_or_its_id_names() -> None:
    entries = [
        PLAIN | {"id": "My Cats!"},
        PLAIN | {"id": "two", "instance_data_dir": "shared"},
        PLAIN | {"id": "my cats"},
    ]
    plan = plan_dataset(entries, has_archive=True, can_lend=True)
    assert plan.folders == ("My-Cats", "shared", "my-cats-2")
    assert [entry["aws_bucket_name"] for entry in plan.dataloader or []] == ["dataset-1", "dataset-2", "dataset-3"]


def test_an_upload_without_a_dataloader_can_be_read_file_by_file_too() -> None:
    plan = plan_dataset([], True, Mode.REMOTE, can_lend=True)
    assert plan.folders == ("",) and plan.dataloader and plan.dataloader[0]["type"] == "aws"


@pytest.mark.parametrize(
    ("entries", "has_archive", "wanted", "can_lend"),
    [
        ([PLAIN], True, Mode.REMOTE, False),
        ([PLAIN, HUB], True, Mode.AUTO, False),
        ([PLAIN, HUB], True, Mode.ARCHIVE, True),
        ([HUB], False, Mode.ARCHIVE, True),
        ([PLAIN], False, Mode.REMOTE, True),
    ],
)
def test_what_cannot_be_delivered_is_refused(
    entries: list[dict[str, Any]], has_archive: bool, wanted: Mode, can_lend: bool
) -> None:
    with pytest.raises(BadInput):
        plan_dataset(entries, has_archive, wanted, can_lend)
