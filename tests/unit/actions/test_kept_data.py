"""Data that is kept for another run, copied from, and deleted in the end: proven, whatever line we die at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.actions.plan_job import Submission
from chalicelib.actions.upload import Wanted
from chalicelib.domain.callers import LOCAL, Caller
from chalicelib.domain.copies import SMALLEST
from chalicelib.domain.datasets import root_of
from chalicelib.domain.errors import BadInput, ConsentRequired, NotFound, UploadNotReady
from chalicelib.domain.jobs import EventKind, Job
from chalicelib.domain.manifests import Listed, file_line, head_line, zipped
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.uploads import UploadState
from chalicelib.services import Services
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.touches import Death
from tests.unit.actions.world import CONFIG, World, sweep
from tests.unit.test_laid_out import archive

_HEADER = 30 + len("set/a.png")
_FIRST = (bytes(range(256)) * 4096 * 5)[_HEADER:]
"""Fills the least range that is copied, with its header."""

BODY = archive({"set/a.png": _FIRST})
TAIL = archive({"set/a.png": _FIRST, "set/b.png": b"new"})[SMALLEST:]
"""What is sent when ``b`` was added: the file, and a directory of both."""

FILES = (Listed("set/a.png", 10, "ab" * 32, 0, 10),)
CHANGED = (*FILES, Listed("set/b.png", 3, "cd" * 32, 0, 3))
OTHER = Caller("default", "somebody else")


def root(files: tuple[Listed, ...]) -> str:
    return root_of((one.path, one.size, one.sha256) for one in files)


def put_manifest(world: World, upload_id: str, files: tuple[Listed, ...]) -> None:
    head = head_line({"root": root(files), "datasets": [{"id": "set"}]}, 0)
    body = b"".join(zipped([head, *map(file_line, files)]))
    world.objects.put("datasets", f"manifests/default/{upload_id}.ndjson.gz", body)


def send_first(world: World, services: Services) -> None:
    wanted = Wanted(root(FILES), len(FILES), len(BODY), root(FILES))
    upload = services.uploading.open(wanted, LOCAL).upload
    world.upload_id = upload.id
    if upload.state is UploadState.OPEN:
        world.objects.put_part(upload.multipart_id, 1, BODY)
        put_manifest(world, upload.id, FILES)
        services.uploading.complete(upload.id, {}, LOCAL)


def send_second(world: World, services: Services) -> None:
    """The first 5 MiB are taken over from the upload before."""
    known = services.manifests.known(root(CHANGED), ["set"], LOCAL)
    ready = services.uploads.of_root("default", "local", root(CHANGED))
    if ready and ready.state is UploadState.COMPLETE:
        world.upload_id = ready.id
        return
    assert (known.latest and known.copyable) or ready
    source = ready.source_id if ready else known.latest and known.latest.id
    wanted = Wanted(root(CHANGED), len(CHANGED), SMALLEST + len(TAIL), root(CHANGED), source, ((0, SMALLEST),))
    upload = services.uploading.open(wanted, LOCAL).upload
    world.upload_id = upload.id
    if upload.state is UploadState.OPEN:
        while services.uploading.copy(upload.id, LOCAL).left:
            pass
        world.objects.put_part(upload.multipart_id, 2, TAIL)
        put_manifest(world, upload.id, CHANGED)
        services.uploading.complete(upload.id, {}, LOCAL)
        assert world.objects.buckets["datasets"][upload.key] == BODY[:SMALLEST] + TAIL


def order(world: World, services: Services, key: str, days: int | None) -> None:
    job, _ = services.submit(Submission(CONFIG, upload_id=world.upload_id, once=key, keep_data_days=days), LOCAL)
    world.job_id = job.id


def train(world: World) -> Job:
    for _ in range(40):
        job = world.job()
        if job.is_terminal and not world.table.query(f"T#default#JOB#{job.id}", begins_with="INTENT#").items:
            return job
        world.clock.forward(seconds=90)
        world.vendor.go_on()
        world.attempt(sweep)
    raise AssertionError("the job never comes to rest")


def play(world: World) -> tuple[Job, Job]:
    world.attempt(send_first)
    world.attempt(lambda world, services: order(world, services, "first", 7))
    first = train(world)
    world.attempt(send_second)
    world.attempt(lambda world, services: order(world, services, "second", None))
    second = train(world)
    return first, second


def kinds(world: World, job: Job) -> list[EventKind]:
    events = world.process(careful=True).jobs.events(world.process(careful=True).jobs.get("default", job.id))
    return [one.kind for one in events if one.kind in (EventKind.DATA_KEPT, EventKind.DATA_DELETED)]


def receipt(world: World, job: Job) -> Receipt:
    services = world.process(careful=True)
    found = services.receipts.get(services.uploads.get("default", str(job.upload_id)))
    assert found and found.is_complete
    return found


def keys(world: World) -> Iterator[str]:
    return (key for key in world.objects.buckets["datasets"] if not key.startswith("manifests/"))


def check_the_end(world: World) -> None:
    first, second = play(world)
    assert kinds(world, first) == [EventKind.DATA_KEPT] and kinds(world, second) == [EventKind.DATA_DELETED]
    assert list(keys(world)) == [f"data/default/{first.upload_id}/dataset.zip"]
    world.clock.forward(days=8)
    for _ in range(3):
        world.clock.forward(seconds=90)
        world.attempt(sweep)
    assert not list(keys(world)) and not world.left()
    assert kinds(world, first) == [EventKind.DATA_KEPT, EventKind.DATA_DELETED]
    for job, size in ((first, len(BODY)), (second, SMALLEST + len(TAIL))):
        laid, gone = sorted(receipt(world, job).objects, key=lambda one: one.key)
        assert laid.key.startswith(f"data/default/{job.upload_id}/caches/laid/") and laid.size > len(BODY)
        assert (gone.bucket, gone.key, gone.size) == ("datasets", f"data/default/{job.upload_id}/dataset.zip", size)
        for one in (laid, gone):
            assert one.deleted_at and one.absent_at and one.deleted_at <= one.absent_at
            assert world.objects.deletions.count(one.key) == 1
    services = world.process(careful=True)
    assert services.manifests.own(str(first.upload_id), LOCAL).manifest_checked


def test_a_death_at_any_touch_changes_nothing_of_what_is_kept_copied_deleted_and_proven(new_world: NewWorld) -> None:
    trial = new_world()
    check_the_end(trial)
    for death in trial.touches.all_deaths():
        world = new_world((death,))
        try:
            check_the_end(world)
        except Exception as error:
            raise AssertionError(f"died {world.touches.died}: {error}") from error
        finally:
            world.table.close()


def test_kept_data_is_taken_again_without_sending_and_both_jobs_hear_of_its_end(new_world: NewWorld) -> None:
    world = new_world()
    send_first(world, world.process())
    order(world, world.process(), "first", 7)
    first, sent = train(world), world.upload_id
    send_first(world, world.process())
    assert world.upload_id == sent
    order(world, world.process(), "second", None)
    second = train(world)
    assert kinds(world, first) == [EventKind.DATA_KEPT, EventKind.DATA_DELETED]
    assert kinds(world, second) == [EventKind.DATA_DELETED]
    assert receipt(world, first) == receipt(world, second) and not list(keys(world))


def test_caches_go_with_the_job_though_the_archive_stays_and_are_in_the_receipt(new_world: NewWorld) -> None:
    world = new_world()
    send_first(world, world.process())
    order(world, world.process(), "first", 3)
    folder = f"data/default/{world.upload_id}"
    for number in range(450):
        world.objects.put("datasets", f"{folder}/caches/vae/{number:03}", b"x" * number)
    job = train(world)
    assert list(keys(world)) == [f"{folder}/dataset.zip"]
    world.process().uploading.abort(str(job.upload_id), LOCAL)
    gone = receipt(world, job)
    (laid,) = [one.size for one in gone.objects if "/caches/laid/" in one.key]
    assert len(gone.objects) == 452 and gone.total_bytes == len(BODY) + laid + sum(range(450))


def test_data_is_never_kept_beyond_twenty_days_from_its_upload(new_world: NewWorld) -> None:
    world = new_world()
    send_first(world, world.process())
    begun = world.clock()
    for number in range(3):
        order(world, world.process(), f"order {number}", 14)
        train(world)
        world.clock.forward(days=9)
        try:
            send_first(world, world.process())
        except UploadNotReady:
            break
        if (upload := world.process(careful=True).uploads.get("default", str(world.upload_id))).created_at > begun:
            break  # the data of the first upload was no longer taken
        assert (upload.expires_at - begun).days <= 20
    else:
        raise AssertionError("kept for ever by using it again")


def test_a_root_that_was_agreed_to_needs_no_second_question_and_another_does(new_world: NewWorld) -> None:
    world = new_world()
    services = world.process()
    send_first(world, services)
    assert services.uploading.open(Wanted(root(FILES), 1, len(BODY), None), LOCAL)
    with pytest.raises(ConsentRequired):
        services.uploading.open(Wanted(root(CHANGED), 2, len(BODY), None), LOCAL)
    with pytest.raises(ConsentRequired):
        services.uploading.open(Wanted(root(FILES), 1, len(BODY), None), OTHER)


def test_nothing_is_known_to_or_copied_for_another_owner_or_tenant(new_world: NewWorld) -> None:
    world = new_world()
    services = world.process()
    send_first(world, services)
    wanted = Wanted(root(CHANGED), 2, SMALLEST + 1, root(CHANGED), world.upload_id, ((0, SMALLEST),))
    for stranger in (OTHER, Caller("another tenant", "local")):
        known = services.manifests.known(root(FILES), ["set"], stranger)
        assert (known.agreed_at, known.kept, known.latest) == (None, None, None)
        with pytest.raises(NotFound):
            services.uploading.open(wanted, stranger)
        with pytest.raises(NotFound):
            services.manifests.own(str(world.upload_id), stranger)


def test_a_source_that_is_deleted_before_or_while_it_is_copied_is_told_and_ranges_are_checked(
    new_world: NewWorld,
) -> None:
    world = new_world()
    services = world.process()
    send_first(world, services)
    first = str(world.upload_id)
    for ranges in (((0, 5),), ((2 << 20, SMALLEST),), ((0, SMALLEST), (0, SMALLEST))):
        with pytest.raises(BadInput):
            services.uploading.open(Wanted(root(CHANGED), 2, 20 << 20, root(CHANGED), first, ranges), LOCAL)
    wanted = Wanted(root(CHANGED), 2, SMALLEST + 1, root(CHANGED), first, ((0, SMALLEST),))
    second = services.uploading.open(wanted, LOCAL).upload
    with pytest.raises(BadInput, match="Parts 2 to 2"):
        services.uploading.part_links(second.id, [1], LOCAL)
    services.uploading.abort(first, LOCAL)
    with pytest.raises(UploadNotReady) as gone:
        services.uploading.copy(second.id, LOCAL)
    assert gone.value.fields["copy_source_gone"]
    services.uploading.abort(second.id, LOCAL)
    with pytest.raises(UploadNotReady) as gone:
        services.uploading.open(wanted, LOCAL)
    assert gone.value.fields["copy_source_gone"]


def test_a_manifest_of_other_files_is_refused_before_the_upload_is_complete(new_world: NewWorld) -> None:
    world = new_world()
    services = world.process()
    upload = services.uploading.open(Wanted(root(FILES), 1, 3, root(FILES)), LOCAL).upload
    world.objects.put_part(upload.multipart_id, 1, b"zip")
    put_manifest(world, upload.id, CHANGED)
    with pytest.raises(UploadNotReady, match="other data"):
        services.uploading.complete(upload.id, {}, LOCAL)
    head = head_line({"root": root(FILES), "datasets": []}, 0)
    body = b"".join(zipped([head, *map(file_line, CHANGED)]))
    world.objects.put("datasets", upload.manifest_key, body)
    with pytest.raises(UploadNotReady, match="does not list"):
        services.uploading.complete(upload.id, {}, LOCAL)
    put_manifest(world, upload.id, FILES)
    assert services.uploading.complete(upload.id, {}, LOCAL).manifest_checked


def test_what_no_job_used_leaves_no_manifest_behind(new_world: NewWorld) -> None:
    world = new_world()
    send_first(world, world.process())
    world.clock.forward(hours=25)
    sweep(world, world.process())
    assert not world.objects.buckets["datasets"] and not world.left()
    assert world.process().manifests.known(root(FILES), ["set"], LOCAL).latest is None


def test_deaths_are_offered_by_copies(new_world: NewWorld) -> None:
    """The harness knows the new effect; without that the test of deaths would be blind to it."""
    world = new_world((Death(10**9),))
    play(world)
    assert any(touch.startswith("bytes.copy_part") for touch in world.touches.seen)
