"""A job's files as one tar: made once, whoever asks, whoever dies, whatever changes under their hands."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random

import pytest

from chalicelib.actions.bundling import Bundle
from chalicelib.domain.callers import LOCAL
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.ports.storage import UploadedPart
from chalicelib.services import Services
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.scenarios import SCENARIOS, play
from tests.unit.actions.world import World

MIB = 1 << 20
NOW = timedelta(0)
FILES = {
    "model.safetensors": Random(1).randbytes(23 * MIB),
    "checkpoint-9/optimizer.bin": Random(2).randbytes(11 * MIB),
    "checkpoint-9/empty": b"",
    "checkpoint-9/pytorch_lora_weights.safetensors": Random(3).randbytes(6 * MIB),
    **{f"checkpoint-{number}/optimizer.bin": Random(number).randbytes(11 * MIB) for number in range(4, 7)},
    "ação/" + "longo-" * 40 + "/log.txt": b"line\n" * 100,
}


def with_files(world: World, files: dict[str, bytes] = FILES) -> World:
    play(world, SCENARIOS[0])
    assert world.job_id
    world.objects.buckets["outputs"] = {f"{world.job_id}/{name}": body for name, body in files.items()}
    world.touches.seen.clear()
    return world


def go_on(world: World, services: Services, only_model: bool = False) -> Bundle:
    return services.bundling.go_on(world.job(), only_model, NOW)


def finish(world: World, services: Services, only_model: bool = False) -> Bundle:
    while (bundle := go_on(world, services, only_model)).url is None:
        assert bundle.done_bytes < bundle.total_bytes
    return bundle


def bundled(world: World) -> dict[str, bytes]:
    return {key: body for key, body in world.objects.buckets["outputs"].items() if key.startswith("bundles/")}


def unpacked(world: World) -> dict[str, bytes]:
    [body] = bundled(world).values()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        files = {one.name: tar.extractfile(one) for one in tar.getmembers()}
        return {name.removeprefix(f"{world.job_id}/"): file.read() for name, file in files.items() if file}


def test_all_files_or_the_model_alone(new_world: NewWorld) -> None:
    world = with_files(new_world())
    services = world.process()
    whole = finish(world, services)
    assert whole.filename == f"{world.job_id}.tar" and whole.url
    assert unpacked(world) == FILES
    assert {one.path for one in whole.files} == {f"{world.job_id}/{name}" for name in FILES}
    world.objects.buckets["outputs"] = {
        key: body for key, body in world.objects.buckets["outputs"].items() if not key.startswith("bundles/")
    }
    assert finish(world, services, only_model=True).filename == f"{world.job_id}-model.tar"
    assert list(unpacked(world)) == ["model.safetensors"]


def test_asked_again_nothing_is_made_again(new_world: NewWorld) -> None:
    world = with_files(new_world())
    finish(world, world.process())
    world.touches.seen.clear()
    assert finish(world, world.process()).url
    assert not world.touches.all_deaths(), "what is there is only looked at"


def test_a_death_at_any_touch_costs_nothing_that_was_done(new_world: NewWorld) -> None:
    trial = with_files(new_world())
    finish(trial, trial.process())
    deaths = trial.touches.all_deaths()
    assert len(deaths) > 12
    for death in deaths:
        world = with_files(new_world())
        world.touches.deaths = {death}
        done: list[int] = []

        def ask(world: World, services: Services, done: list[int] = done) -> None:
            while (bundle := go_on(world, services)).url is None:
                done.append(bundle.done_bytes)

        world.attempt(ask)
        assert world.touches.died, death
        assert done == sorted(done), "never less than before"
        assert unpacked(world) == FILES
        # Between the beginning of an upload and the row that names it, an empty upload can be left behind.
        assert len(world.objects.open_parts) <= 1
        assert all(not parts for parts in world.objects.open_parts.values())
        world.table.close()


def test_two_who_ask_at_once_get_the_same_tar_from_one_upload(new_world: NewWorld) -> None:
    world = with_files(new_world())
    begun: list[str] = []
    start, gate = world.objects.start_multipart, threading.Barrier(2)

    def both_begin(bucket: str, key: str, content_type: str) -> str:
        own = start(bucket, key, content_type)
        begun.append(own)
        gate.wait(10)
        return own

    world.objects.start_multipart = both_begin  # type: ignore[method-assign]
    services = world.process(careful=True)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: finish(world, services), range(2))
    assert len(begun) == 2 and first.url == second.url
    assert unpacked(world) == FILES
    assert world.objects.open_parts == {}


def test_a_join_that_takes_long_is_waited_for_by_all_who_ask_and_made_once(new_world: NewWorld) -> None:
    world = with_files(new_world())
    may_end, joined = threading.Event(), []
    complete = world.objects.complete_multipart

    def slowly(bucket: str, key: str, upload_id: str, parts: Iterable[UploadedPart]) -> None:
        joined.append(upload_id)
        may_end.wait(60)
        complete(bucket, key, upload_id, parts)

    world.objects.complete_multipart = slowly  # type: ignore[method-assign]
    services = world.process(careful=True)
    told = [go_on(world, services) for _ in range(4)]
    assert told[-1].url is None and told[-1].done_bytes == told[-1].total_bytes
    may_end.set()
    assert finish_joining(world, services).url
    assert len(joined) == 1 and unpacked(world) == FILES


def finish_joining(world: World, services: Services) -> Bundle:
    for _ in range(100):
        if (bundle := go_on(world, services)).url:
            return bundle
    raise AssertionError("never joined")


def test_an_upload_that_the_store_gave_up_is_begun_anew(new_world: NewWorld) -> None:
    files = {f"{number}.bin": Random(number).randbytes(12 * MIB) for number in range(9)}
    world = with_files(new_world(), files)
    services = world.process()
    assert go_on(world, services).url is None
    [upload_id] = world.objects.open_parts
    world.objects.abort_multipart("outputs", "", upload_id)
    finish(world, services)
    assert unpacked(world) == files


@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_a_file_that_goes_away_in_the_middle_is_named_and_the_next_answer_is_without_it(
    new_world: NewWorld, change: str
) -> None:
    world = with_files(new_world())
    key = f"{world.job_id}/checkpoint-9/optimizer.bin"
    listed = world.objects.list

    def then_it_changes(bucket: str, prefix: str) -> object:
        found = listed(bucket, prefix)
        if change == "deleted":
            world.objects.delete("outputs", key)
        else:
            world.objects.put("outputs", key, b"another")
        return found

    world.objects.list = then_it_changes  # type: ignore[assignment,method-assign]
    with pytest.raises(Conflict, match=f"optimizer.bin' was {change}"):
        world.process(careful=True).bundling.go_on(world.job(), False, timedelta(seconds=12))
    assert world.objects.open_parts == {}
    world.objects.list = listed  # type: ignore[method-assign]
    finish(world, world.process(careful=True))
    found = unpacked(world)
    assert found.get("checkpoint-9/optimizer.bin") == (None if change == "deleted" else b"another")
    assert found["model.safetensors"] == FILES["model.safetensors"]


def test_without_files_or_without_a_model_it_is_said_so(new_world: NewWorld) -> None:
    world = with_files(new_world(), {"notes.txt": b"x"})
    with pytest.raises(NotFound, match="1 files and no model"):
        go_on(world, world.process(), only_model=True)
    world.objects.buckets["outputs"].clear()
    with pytest.raises(NotFound, match="no files in our store"):
        go_on(world, world.process())


def test_a_job_that_is_deleted_leaves_no_row_of_its_bundles(new_world: NewWorld) -> None:
    world = with_files(new_world())
    services = world.process()
    go_on(world, services)
    services.steer.delete(str(world.job_id), LOCAL)
    assert not world.table.query(f"T#default#JOB#{world.job_id}").items
