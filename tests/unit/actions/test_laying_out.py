"""Datasets laid out inside the store: every caption where it belongs, nothing read twice, and gone with the job."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from dataclasses import replace

import pytest

from chalicelib.actions.joining import Joining
from chalicelib.actions.lay_out import AT_A_TIME, DATASETS, LaidOut, LayOut, NotLaidOut
from chalicelib.domain.captions import BadCaptions, Strategy
from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.datasets import EmptyDataset
from chalicelib.domain.errors import NotFound
from chalicelib.domain.jobs import Job, Phase, Reason
from chalicelib.domain.laid_out import Laid
from chalicelib.domain.listings import BadArchive
from chalicelib.domain.uploads import Upload, UploadState
from chalicelib.stores.bundles import BundleTable
from tests.unit.actions import truths
from tests.unit.actions.bytes_in_memory import BytesInMemory
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.vendor import Clock
from tests.unit.actions.world import World, cancel, send_data, submit, sweep
from tests.unit.test_laid_out import PICTURE, archive

TEXTS = Laid("pets", Strategy.TEXTFILE)


class SlowStore(BytesInMemory):
    """Each note of what was done takes ``seconds``. ``ranges`` are those of the archive that were read."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.seconds = 0.0
        self.ranges: list[tuple[int, int]] = []

    def put(self, bucket: str, key: str, body: bytes, content_type: str = "") -> object:
        if key.endswith(".json"):
            self.clock.forward(seconds=self.seconds)
        return super().put(bucket, key, body, content_type)

    def read_range(self, bucket: str, key: str, etag: str, offset: int, length: int) -> bytes:
        self.ranges.append((offset, length))
        return super().read_range(bucket, key, etag, offset, length)


class Laying:
    """An upload with these files, and a job that took it."""

    def __init__(self, world: World, files: dict[str, bytes]) -> None:
        self.world = world
        self.store = SlowStore(world.clock)
        world.attempt(send_data)
        world.attempt(submit)
        self.job: Job = world.job()
        self.upload: Upload = world.process().uploads.get("default", str(world.upload_id))
        self.content = archive(files)
        self.store.put(DATASETS, self.upload.key, self.content)

    def __call__(self, *wanted: tuple[str, Laid]) -> list[LaidOut]:
        """In a process of its own."""
        numbers = itertools.count(1)
        bundles = BundleTable(self.world.table, self.world.clock)
        joining = Joining(self.store, bundles, self.world.clock, lambda: f"{next(numbers):x}")
        return LayOut(self.store, joining, self.world.clock)(self.job, self.upload, wanted)

    def captions(self, laid: Laid = TEXTS) -> list[dict[str, str]]:
        (made,) = self(("pets", laid))
        return self.rows(made)

    def rows(self, made: LaidOut) -> list[dict[str, str]]:
        files = self.unpacked(made)
        (name,) = [name for name in files if name.endswith("metadata.jsonl")]
        return [json.loads(line) for line in files[name].decode().splitlines()]

    def unpacked(self, made: LaidOut) -> dict[str, bytes]:
        body = self.store.buckets[DATASETS][made.zip.key]
        assert len(body) == made.zip.size
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            assert packed.testzip() is None
            return {name: packed.read(name) for name in packed.namelist()}


def many(count: int) -> dict[str, bytes]:
    files = {f"pets/{number:05}.png": b"%d" % number for number in range(count)}
    return files | {f"pets/{number:05}.txt": b"pet %d" % number for number in range(count)}


def test_each_dataset_gets_a_zip_of_its_own_among_the_caches_of_its_upload(new_world: NewWorld) -> None:
    files = {"pets/a.png": PICTURE, "pets/a.txt": b"a cat", "more/b.png": PICTURE[::-1], "more/b.txt": b"one\ntwo\n"}
    laying = Laying(new_world(), files)
    pets, more = laying(("first", TEXTS), ("second", Laid("more", Strategy.TEXTFILE)))
    assert (pets.zip.dataset_id, more.zip.dataset_id) == ("first", "second")
    assert laying.rows(pets) == [{"file_name": "a.png", "text": "a cat"}] and pets.columns == ("text",)
    assert laying.rows(more) == [{"file_name": "b.png", "text": "one", "text_2": "two"}]
    assert more.columns == ("text", "text_2")
    assert laying.unpacked(pets)["pets/a.png"] == PICTURE
    assert all(one.zip.key.startswith(laying.upload.caches) for one in (pets, more))
    assert laying.store.open_uploads() == 0


def test_what_had_no_time_left_goes_on_where_it_stood(new_world: NewWorld) -> None:
    count = 2 * AT_A_TIME + 10
    laying = Laying(new_world(), many(count))
    laying.store.seconds = 20
    told = []
    for _ in range(2):
        with pytest.raises(NotLaidOut) as late:
            laying(("pets", TEXTS))
        told.append(late.value.detail)
    assert told == [f"{AT_A_TIME * n} of {count} captions are read. It goes on by itself." for n in (1, 2)]
    rows = laying.captions()
    assert [row["text"] for row in rows] == [f"pet {number}" for number in range(count)]
    directory = len(laying.content) - (1 << 20)
    read = [(offset, length) for offset, length in laying.store.ranges if offset < directory]
    captions = [one for one in read if one[1] > 8]
    assert len(captions) == len(set(captions)), "a caption was read twice"


def test_what_is_laid_out_is_not_read_again(new_world: NewWorld) -> None:
    laying = Laying(new_world(), many(3))
    (first,) = laying(("pets", TEXTS))
    laying.store.ranges.clear()
    assert laying(("pets", TEXTS)) == [first]
    assert len(laying.store.ranges) == 1, "the directory alone"
    laying.store.delete(DATASETS, first.zip.key)
    assert laying(("pets", TEXTS)) == [first] and len(laying.rows(first)) == 3


def test_captions_of_data_that_was_replaced_are_read_anew(new_world: NewWorld) -> None:
    laying = Laying(new_world(), {"pets/a.png": PICTURE, "pets/a.txt": b"before"})
    (before,) = laying(("pets", TEXTS))
    laying.store.put(DATASETS, laying.upload.key, archive({"pets/a.png": PICTURE, "pets/a.txt": b"after"}))
    (after,) = laying(("pets", TEXTS))
    assert before.digest != after.digest
    assert laying.rows(after) == [{"file_name": "a.png", "text": "after"}]


@pytest.mark.parametrize("content", ["Käfig".encode("latin-1"), "a cat".encode("utf-16")])
def test_a_caption_that_is_no_utf_8_is_named(new_world: NewWorld, content: bytes) -> None:
    laying = Laying(new_world(), {"pets/a.png": PICTURE, "pets/a.txt": content})
    with pytest.raises(BadCaptions, match=r"'pets/a\.txt' is not UTF-8"):
        laying(("pets", TEXTS))


@pytest.mark.parametrize("text", [None, b"", b"\n \n"])
def test_a_picture_without_a_caption_is_named_or_captioned_by_its_name(new_world: NewWorld, text: bytes | None) -> None:
    files = {"pets/a.png": PICTURE, "pets/a.txt": b"a cat", "pets/red_fox.png": PICTURE}
    laying = Laying(new_world(), files | ({} if text is None else {"pets/red_fox.txt": text}))
    with pytest.raises(BadCaptions, match=r"'pets/red_fox\.png' has no caption"):
        laying(("pets", TEXTS))
    assert [row["text"] for row in laying.captions(replace(TEXTS, or_name=True))] == ["a cat", "red fox"]


def test_captions_come_from_lists_beside_the_pictures_in_every_folder(new_world: NewWorld) -> None:
    files = {
        "pets/metadata.jsonl": b'{"file_name": "a.png", "text": "a cat"}\n{"file_name": "b.png", "text": ["x", "y"]}\n',
        "pets/deep/metadata.csv": b"file_name,caption\nc.png,a deep one\n",
        **dict.fromkeys(("pets/a.png", "pets/b.png", "pets/deep/c.png"), PICTURE),
    }
    laying = Laying(new_world(), files)
    (made,) = laying(("pets", Laid("pets", Strategy.METADATA)))
    assert laying.rows(made) == [
        {"file_name": "a.png", "text": "a cat", "text_2": ""},
        {"file_name": "b.png", "text": "x", "text_2": "y"},
        {"file_name": "deep/c.png", "text": "a deep one", "text_2": ""},
    ]
    assert not [name for name in laying.unpacked(made) if name.endswith(".csv")], "the trainer would read that too"


def test_a_list_of_captions_that_is_none_is_named_with_its_line(new_world: NewWorld) -> None:
    laying = Laying(new_world(), {"pets/a.png": PICTURE, "pets/metadata.jsonl": b'{"file_name": "a.png"}\nnonsense'})
    with pytest.raises(BadCaptions, match=r"pets/metadata\.jsonl is not valid JSON in line 2"):
        laying(("pets", Laid("pets", Strategy.METADATA)))


def test_a_name_that_says_nothing_is_no_empty_caption(new_world: NewWorld) -> None:
    laying = Laying(new_world(), {"pets/_.png": b"1", "pets/fox.png": b"2"})
    for laid in (Laid("pets", Strategy.FILENAME), replace(TEXTS, or_name=True)):
        assert [row["text"] for row in laying.captions(laid)] == ["_.png", "fox"]


def test_a_list_finds_pictures_that_spell_their_names_in_another_unicode_form(new_world: NewWorld) -> None:
    row = json.dumps({"file_name": "\u00e9.png", "text": "a fox"}).encode()
    laying = Laying(new_world(), {"pets/e\u0301.png": b"1", "pets/metadata.jsonl": row})
    assert [one["text"] for one in laying.captions(Laid("pets", Strategy.METADATA, or_name=True))] == ["a fox"]


def test_a_text_that_is_too_large_for_a_caption_is_named_and_not_read(new_world: NewWorld) -> None:
    laying = Laying(new_world(), {"pets/a.png": b"1", "pets/a.txt": b"x" * ((1 << 20) + 1)})
    with pytest.raises(BadCaptions, match=r"'pets/a\.txt' is larger than 1 MiB"):
        laying.captions()


def test_names_are_captions_without_anything_being_read(new_world: NewWorld) -> None:
    laying = Laying(new_world(), {"pets/a_red_fox.png": PICTURE, "pets/a_red_fox.txt": b"unused"})
    for strategy in (Strategy.FILENAME, "instanceprompt"):
        assert laying.captions(Laid("pets", strategy)) == [{"file_name": "a_red_fox.png", "text": "a red fox"}]
    assert not [key for key in laying.store.buckets[DATASETS] if key.endswith(".json")]


def test_data_that_is_gone_or_none_is_told_as_such(new_world: NewWorld) -> None:
    laying = Laying(new_world(), {"other/a.png": PICTURE})
    with pytest.raises(EmptyDataset, match="'pets' holds no picture"):
        laying(("pets", TEXTS))
    laying.store.put(DATASETS, laying.upload.key, b"no zip at all" * 10)
    with pytest.raises(BadArchive):
        laying(("pets", TEXTS))
    laying.store.delete(DATASETS, laying.upload.key)
    with pytest.raises(NotFound, match="has been deleted"):
        laying(("pets", TEXTS))


# -- a job's datasets at its launch


def begun(world: World, **wanted: object) -> World:
    world.wanted = wanted
    world.attempt(send_data)
    world.attempt(submit)
    return world


def told_to_trainer(world: World) -> list[dict[str, object]]:
    (run,) = world.vendor.runs
    assert run.order and run.order.images_url is None
    return [one for one in run.order.dataloader or [] if one.get("dataset_type") != "text_embeds"]


def test_a_trainer_gets_the_address_of_the_zip_and_the_columns_of_its_captions(new_world: NewWorld) -> None:
    world = begun(new_world())
    (entry,) = told_to_trainer(world)
    assert str(entry["data_files"]).startswith("https://cloud.example/") and str(entry["data_files"]).endswith(".zip")
    assert entry["dataset_name"] == "imagefolder" and entry["caption_strategy"] == "huggingface"
    assert entry["huggingface"] == {"caption_column": "text", "image_column": "image"}
    token = str(entry["data_files"]).split("/")[-2]
    bucket, key = world.process().hand_over.follow(token).removeprefix("memory://").split("/", 1)
    with zipfile.ZipFile(io.BytesIO(world.objects.buckets[bucket][key])) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith("metadata.jsonl")]
        rows = [json.loads(line) for line in packed.read(name).splitlines()]
    assert [row["text"] for row in rows] == ["a sleeping cat", "dog"]


def test_a_dataset_with_a_number_for_an_id_has_its_own_address(new_world: NewWorld) -> None:
    world = begun(new_world(), dataloader=[{"id": 5, "type": "local", "instance_data_dir": "pets"}])
    (entry,) = told_to_trainer(world)
    assert entry["id"] == 5 and str(entry["data_files"]).startswith("https://cloud.example/")


def test_the_zips_go_with_the_jobs_end_though_the_data_stays(new_world: NewWorld) -> None:
    world = begun(new_world(), keep_data_days=3)
    laid = [key for key in world.objects.buckets[DATASETS] if "/caches/" in key]
    assert [key for key in laid if key.endswith(".zip")]
    for _ in range(4):
        world.clock.forward(seconds=90)
        world.vendor.go_on()
        world.attempt(sweep)
    assert world.job().phase is Phase.COMPLETED
    upload = world.process().uploads.get("default", str(world.upload_id))
    assert upload.state is UploadState.COMPLETE
    assert [key for key in world.objects.buckets[DATASETS] if not key.startswith("manifests/")] == [upload.key]
    assert set(laid) <= set(world.objects.deletions)


def by_hub(new_world: NewWorld, *deaths: Death) -> World:
    world = begun(new_world(deaths), delivery=Mode.HUB)
    world.settle()
    return world


def test_a_job_by_way_of_the_hub_sends_its_data_once_whoever_dies(new_world: NewWorld) -> None:
    trial = by_hub(new_world)
    deaths = [one for one in trial.touches.all_deaths() if trial.touches.seen[one.touch - 1].startswith("hub.")]
    assert len(deaths) >= 6
    for death in [None, *deaths]:
        world = by_hub(new_world, death) if death else trial
        job = truths.check(world)
        assert job.phase is Phase.COMPLETED, world.touches.died
        (entry,) = told_to_trainer(world)
        assert entry["dataset_name"] == f"ana/stcloud-{job.launch_key.replace('.', '-')}-1"
        assert "data_files" not in entry and entry["split"] == "train"
        assert world.hub.sent.count("dataset.zip") == 1, world.touches.died
        assert len(world.hub.made) == 1 and len(world.hub.deleted) >= 1


@pytest.mark.parametrize(
    ("files", "reason", "words"),
    [
        ({"cat.png": b"a cat", "cat.txt": b"\xff\xfe"}, Reason.CAPTIONS_MISSING, "'cat.txt' is not UTF-8"),
        ({"cat.txt": b"a cat"}, Reason.DATASET_MISSING, "holds no picture"),
        (None, Reason.DATASET_MISSING, "no zip archive"),
    ],
)
def test_a_job_whose_data_cannot_be_used_after_all_ends_before_a_run_begins(
    new_world: NewWorld, files: dict[str, bytes] | None, reason: Reason, words: str
) -> None:
    world = new_world()
    world.vendor.moods.down = True
    begun(world)
    upload = world.process().uploads.get("default", str(world.upload_id))
    world.objects.put(DATASETS, upload.key, archive(files) if files else b"damaged" * 9)
    world.vendor.moods.down = False
    world.settle()
    job = world.job()
    assert (job.phase, job.reason) == (Phase.FAILED, reason), job
    assert job.error and words in job.error and not world.vendor.runs


def test_a_job_that_is_cancelled_before_its_data_is_laid_out_leaves_none(new_world: NewWorld) -> None:
    world = new_world()
    world.vendor.moods.down = True
    begun(world)
    world.attempt(cancel)
    world.settle()
    assert world.job().phase is Phase.CANCELLED
    assert not world.objects.buckets[DATASETS] and not world.vendor.runs
