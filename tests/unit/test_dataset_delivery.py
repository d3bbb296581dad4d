"""How datasets reach the trainer: by the first way that is open and loses nothing, told in a sentence, and without
anybody's paths."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.domain.dataset_delivery import DatasetPlan, Mode, Ways, pictures_in, plan_dataset
from chalicelib.domain.errors import BadInput
from chalicelib.domain.trainer_powers import Powers
from tests.unit.test_laid_out import PICTURE, archive, listed

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
PARQUET = PLAIN | {"caption_strategy": "parquet", "metadata_backend": "parquet", "parquet": {"path": "c.parquet"}}
ALL = Powers("4.10.1", addresses=True, buckets=True, archives=True)
NEW = Powers("4.10.1", addresses=True, buckets=True)
OLD = Powers("4.8.0")
OPEN = Ways(NEW, "acme", lends=True)
CLOSED = Ways(NEW, "acme", closed="the vendor cannot reach this system", lends=True)


def plan(*entries: dict[str, Any], wanted: Mode = Mode.AUTO, ways: Ways = OPEN) -> DatasetPlan:
    return plan_dataset(entries, True, wanted, ways)


def trained_on(made: DatasetPlan) -> list[dict[str, Any]]:
    assert made.dataloader is not None
    return [entry for entry in made.dataloader if entry.get("dataset_type") != "text_embeds"]


@pytest.mark.parametrize(
    ("ways", "mode"),
    [
        (OPEN, Mode.ADDRESS),
        (Ways(ALL, lends=True), Mode.ADDRESS),
        (Ways(NEW, has_links=False, lends=True), Mode.REMOTE),
        (Ways(NEW, has_links=False, hub_closed=None), Mode.HUB),
        (Ways(NEW, closed="no", lends=True, hub_closed=None), Mode.HUB),
        (Ways(OLD, lends=True, hub_closed=None), Mode.HUB),
        (Ways(Powers("x", archives=True)), Mode.ARCHIVE),
        (Ways(Powers("x", archives=True), closed="no", hosted_limit=10), Mode.HOSTED),
    ],
)
def test_data_goes_by_the_first_way_that_is_open(ways: Ways, mode: Mode) -> None:
    made = plan(PLAIN, ways=ways)
    assert made.mode is mode and made.why.endswith(".") and made.warnings == ()
    assert plan(PLAIN, wanted=mode, ways=ways).mode is mode


@pytest.mark.parametrize(
    "ways", [CLOSED, Ways(OLD), Ways(NEW, has_links=False), Ways(ALL, closed="no", hosted_limit=3)]
)
def test_data_that_no_way_can_bring_is_refused_with_every_reason_and_the_way_out(ways: Ways) -> None:
    with pytest.raises(BadInput, match="STCLOUD_PUBLIC_URL") as refused:
        plan_dataset([PLAIN], True, Mode.AUTO, ways, upload_bytes=4)
    assert all(f"{mode}:" in refused.value.detail for mode in Mode if mode is not Mode.AUTO)


@pytest.mark.parametrize(
    ("wanted", "ways", "told"),
    [
        (Mode.ARCHIVE, OPEN, "Unsafe zip path.*Use 'delivery': 'address' or 'remote'"),
        (Mode.HOSTED, OPEN, "Unsafe zip path"),
        (Mode.REMOTE, Ways(NEW), "no storage keys.*'address'"),
        (Mode.HUB, OPEN, "no Hugging Face token"),
        (Mode.ADDRESS, Ways(OLD, hub_closed=None), "4.8.0 reads no dataset by its address.*'hub'"),
    ],
)
def test_a_way_that_is_asked_for_and_closed_is_refused_with_those_that_are_open(
    wanted: Mode, ways: Ways, told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        plan(PLAIN, wanted=wanted, ways=ways)


@pytest.mark.parametrize(
    "setting",
    [
        {"caption_strategy": "instanceprompt", "instance_prompt": "/ a cat"},
        {"is_regularisation_data": True},
        {"repeats": 3},
        {"crop": False},
        {"crop_style": "random", "crop_aspect": "preserve"},
        {"minimum_image_size": 256},
        {"prepend_instance_prompt": True, "instance_prompt": "sks"},
    ],
)
@pytest.mark.parametrize("ways", [OPEN, Ways(NEW, has_links=False, lends=True), Ways(OLD, hub_closed=None)])
def test_what_a_dataloader_says_of_training_goes_along_by_every_way_but_an_archive(
    setting: dict[str, Any], ways: Ways
) -> None:
    [entry] = trained_on(plan(PLAIN | setting, ways=ways))
    assert setting.items() <= entry.items()
    lost = plan(PLAIN | setting, ways=Ways(Powers("x", archives=True)))
    assert lost.mode is Mode.ARCHIVE and lost.dataloader is None
    assert any(name in sentence for name in setting for sentence in lost.warnings)


def test_several_datasets_are_each_a_zip_or_a_bucket_of_their_own() -> None:
    entries = [PLAIN | {"id": "My Cats!"}, PLAIN | {"id": "two", "instance_data_dir": "shared"}, HUB]
    by_address = plan(*entries)
    assert [how.folder for _, how in by_address.datasets] == ["My-Cats", "shared"]
    assert [entry.get("data_files") for entry in trained_on(by_address)] == ["dataset-1", "dataset-2", None]
    remote = plan(*entries, wanted=Mode.REMOTE)
    assert remote.folders == ("My-Cats", "shared")
    assert [entry.get("aws_bucket_name") for entry in trained_on(remote)] == ["dataset-1", "dataset-2", None]
    assert all(entry.get("aws_data_prefix") in ("", None) for entry in trained_on(remote))
    with pytest.raises(BadInput, match="never both"):
        plan(*entries, wanted=Mode.ARCHIVE, ways=Ways(ALL))


def test_captions_in_a_table_choose_the_way_that_reads_it_or_are_refused() -> None:
    assert plan(PARQUET).mode is Mode.REMOTE
    with pytest.raises(BadInput, match="captions in a table"):
        plan(PARQUET, ways=Ways(NEW, hub_closed=None))


def test_what_conditions_other_pictures_is_laid_out_like_them() -> None:
    made = plan(PLAIN | {"conditioning_data": "edges"}, PLAIN | {"id": "edges", "dataset_type": "conditioning"})
    assert [(name, how.like) for name, how in made.datasets] == [("cats", None), ("edges", "cats")]


def test_videos_are_read_as_videos() -> None:
    video = PLAIN | {"dataset_type": "video", "video": {"num_frames": 17}}
    [entry] = trained_on(plan(video))
    assert entry["dataset_name"] == "videofolder" and entry["video"] == {"num_frames": 17}
    assert entry["huggingface"]["video_column"] == "video"


def test_every_cache_lies_outside_of_what_is_published() -> None:
    for ways in (OPEN, Ways(NEW, has_links=False, lends=True), Ways(OLD, hub_closed=None)):
        for entries in ([], [PLAIN], [PLAIN, HUB], [PLAIN, TEXTS]):
            made = plan(*entries, ways=ways)
            assert made.dataloader is not None
            texts = [entry for entry in made.dataloader if entry.get("dataset_type") == "text_embeds"]
            assert len(texts) == 1 and texts[0]["default"] is True
            caches = [v for one in made.dataloader for k, v in one.items() if k in ("cache_dir", "cache_dir_vae")]
            assert caches and all(str(place).startswith("cache/") for place in caches)
            assert all("cache_dir_vae" in entry for entry in trained_on(made))
    away = plan_dataset([HUB], False, ways=OPEN)
    assert away.dataloader and [one.get("dataset_type") for one in away.dataloader] == [None, "text_embeds"]


def test_no_path_of_the_submitter_leaves() -> None:
    places = {"mask_dir": "C:\\Users\\me", "x": ["~/secret"], "skip_file_discovery": "vae"}
    made = plan(PLAIN | places | {"repeats": 2}, TEXTS)
    told = json.dumps(made.dataloader)
    assert "home" not in told and "Users" not in told and "~" not in told and "skip" not in told
    assert all(any(name in warning for warning in made.warnings) for name in ("mask_dir", "x"))


def test_a_folder_with_captions_trains_on_them_and_is_told_where_they_are_lost() -> None:
    listing = listed(archive({"cats/a.png": PICTURE, "cats/a.txt": b"a cat", "dogs/b.png": PICTURE}))
    bare = {name: value for name, value in PLAIN.items() if name != "caption_strategy"}
    [(_, how)] = plan_dataset([bare], True, Mode.AUTO, OPEN, listing).datasets
    assert (how.captions, how.or_name) == ("textfile", True)
    [entry] = trained_on(plan_dataset([bare], True, Mode.REMOTE, OPEN, listing))
    assert entry["caption_strategy"] == "textfile"
    lost = plan_dataset([bare], True, Mode.AUTO, Ways(Powers("x", archives=True)), listing)
    assert "captions" in lost.warnings[0]
    assert pictures_in(listing, [bare]) == 1 and pictures_in(listing, []) == 2
    [(_, whole)] = plan_dataset([], True, Mode.AUTO, OPEN, listing).datasets
    assert (whole.folder, whole.captions) == ("", "textfile")


@pytest.mark.parametrize(
    ("entries", "has_upload", "ways", "told"),
    [
        ([PLAIN], False, OPEN, "were not uploaded"),
        ([], False, OPEN, "nothing to train on"),
        ([HUB | {"type": "aws"}], False, Ways(OLD), "cannot read"),
        ([HUB | {"type": "aws", "aws_data_prefix": "pictures/"}], False, OPEN, "aws_data_prefix"),
        ([HUB | {"data_files": "https://…"}], False, Ways(OLD), "data_files"),
        ([HUB | {"huggingface": {"data_files": "https://…"}}], False, Ways(OLD), "data_files"),
    ],
)
def test_what_the_trainer_could_only_fail_on_is_refused(
    entries: list[dict[str, Any]], has_upload: bool, ways: Ways, told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        plan_dataset(entries, has_upload, Mode.AUTO, ways)


def test_ways_of_delivery_make_no_sense_without_an_upload() -> None:
    with pytest.raises(BadInput, match="Leave 'delivery' out"):
        plan_dataset([HUB], False, Mode.ADDRESS, OPEN)


def test_what_belongs_to_videos_and_is_no_video_does_not_go_as_a_zip_of_pictures() -> None:
    video = PLAIN | {"dataset_type": "video", "conditioning_data": ["edges"]}
    assert plan(video, PLAIN | {"id": "edges", "dataset_type": "conditioning"}).mode is Mode.REMOTE
    files = listed(archive({"cats/a.png": PICTURE, "held/a.mp4": b"moving"}))
    held = PLAIN | {"id": "held", "instance_data_dir": "held", "dataset_type": "eval"}
    cats = PLAIN | {"instance_data_dir": "cats"}
    assert plan_dataset([cats, held], True, Mode.AUTO, OPEN, files).mode is Mode.REMOTE
    assert plan_dataset([cats, held | {"instance_data_dir": "cats"}], True, Mode.AUTO, OPEN, files).mode is Mode.ADDRESS


def test_two_datasets_that_would_have_one_name_are_refused() -> None:
    unnamed = {key: value for key, value in PLAIN.items() if key != "id"} | {"instance_data_dir": "cats"}
    with pytest.raises(BadInput, match="Two datasets are called 'cats'"):
        plan(unnamed, PLAIN | {"instance_data_dir": "dogs"})


def test_the_entry_of_the_texts_finds_a_name_among_any_others() -> None:
    taken = ("text-embeds", "stcloud-text-embeds", "stcloud-texts", "stcloud-stcloud-text-embeds")
    made = plan(*(PLAIN | {"id": name, "instance_data_dir": name} for name in taken))
    assert made.dataloader is not None and len({entry["id"] for entry in made.dataloader}) == 5


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_cache_that_an_entry_leaves_open_is_put_outside_of_what_is_published(nothing: str | None) -> None:
    made = plan_dataset([HUB | {"cache_dir": nothing, "cache_dir_vae": nothing}], False, ways=OPEN)
    [entry] = trained_on(made)
    assert entry["cache_dir"] == "cache/huggingface" and entry["cache_dir_vae"] == "cache/vae/away-1"


def test_a_cache_in_a_bucket_keeps_its_folder_there() -> None:
    texts = {"id": "t", "type": "aws", "dataset_type": "text_embeds", "aws_bucket_name": "b", "aws_data_prefix": "t"}
    made = plan_dataset([HUB, texts], False, ways=OPEN)
    assert made.dataloader and made.dataloader[1] == texts | {"default": True}
