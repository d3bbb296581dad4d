"""Data from the browser again: what differs is shown, what the store has is copied there, and the rest is sent."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from chalicelib.domain.datasets import Source, with_archive_names
from chalicelib.domain.scanning import scan
from tests import web
from tests.browser.stage import Stage, drop
from tests.configs import TRAINABLE
from tests.journeys.photos import noise

pytestmark = pytest.mark.browser

CONFIG = {**TRAINABLE, "max_train_steps": 20, "checkpoint_step_interval": 10}
COUNT = 60


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """18 MB of pictures with captions: long enough runs to copy, in more than one part."""
    folder = tmp_path / "fotos é"
    folder.mkdir()
    for number in range(COUNT):
        noise(folder / f"{number:03}.png")
        (folder / f"{number:03}.txt").write_text(f"photo number {number}, and a caption that packs well " * 4)
    return folder


class Sent:
    """Bytes that the page has put into the store, part by part."""

    def __init__(self, page: Page) -> None:
        self._requests: list[Request] = []
        page.on("requestfinished", self._keep)

    def _keep(self, request: Request) -> None:
        if request.method == "PUT" and "/storage/" in request.url:
            self._requests.append(request)

    def taken(self) -> int:
        """Since it was asked last. Not counted as they come: a handler that asks the browser may be late."""
        found, self._requests = self._requests, []
        return sum(int(one.all_headers()["content-length"]) for one in found)


def order(page: Page, stage: Stage, folder: Path, keep: str = "7") -> None:
    page.goto("about:blank")
    page.goto(f"{stage.address}#/new")
    page.get_by_label("config.json", exact=True).fill(json.dumps(CONFIG))
    page.get_by_label("After the job, the data").select_option(keep)
    page.get_by_label("Choose a folder").set_input_files(str(folder))
    expect(page.get_by_test_id("read")).to_be_visible()
    page.get_by_role("button", name="Review and send").click()


def arrived(page: Page, stage: Stage) -> str:
    """The upload of the job on whose page the browser has come out, once that is over."""
    page.wait_for_url("**/#/jobs/j-*")
    job_id = page.url.rpartition("/")[2]
    assert stage.world.until(job_id, "completed", "failed")["status"] == "completed"
    deadline = time.monotonic() + 20
    # Its caches go first, and their receipt is begun while the archive still belongs to the job.
    while stage.world.get(f"/api/cloud/jobs/{job_id}/data-receipt")["state"] in ("in_use", "deleting"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return str(stage.world.get(f"/api/cloud/jobs/{job_id}/data-receipt")["upload_id"])


def content(stage: Stage, upload_id: str) -> dict[str, bytes]:
    (stored,) = (stage.world.folder / "outputs" / "datasets" / "data").rglob(f"{upload_id}/dataset.zip")
    with zipfile.ZipFile(stored) as opened:
        assert opened.testzip() is None
        return {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}


def change(folder: Path) -> None:
    noise(folder / "030.png")
    (folder / "001.txt").write_text("another caption")
    (folder / "002.png").unlink()
    noise(folder / "new.png")


@pytest.mark.parametrize("first", ["browser", "command line"])
def test_changed_data_is_shown_as_a_difference_and_sends_little_more_than_that(
    page: Page, fresh: Stage, photos: Path, tmp_path: Path, first: str
) -> None:
    sent = Sent(page)
    if first == "browser":
        order(page, fresh, photos)
        expect(page.get_by_test_id("changes")).to_have_count(0)
        page.get_by_role("button", name="Send it").click()
        arrived(page, fresh)
        assert sent.taken() > 17_000_000
        # The very same once more: nobody is asked, nothing is sent.
        order(page, fresh, photos)
        arrived(page, fresh)
        assert sent.taken() == 0
    else:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(CONFIG))
        told = fresh.world.run(
            *("submit", str(config), "--data", str(photos), "--yes", "--json", "--no-follow", "--keep-data", "7")
        )
        job_id = json.loads(told.stdout)["job"]["job_id"]
        page.goto(fresh.page_of(job_id))
        arrived(page, fresh)

    change(photos)
    order(page, fresh, photos)
    shown = page.get_by_test_id("changes")
    expect(shown).to_contain_text("1 file added")
    expect(shown).to_contain_text("2 files changed")
    expect(shown).to_contain_text("1 file removed")
    expect(shown.locator("[data-kind=added]")).to_contain_text("new.png")
    expect(shown.locator("[data-kind=removed]")).to_contain_text("002.png")
    expect(shown).to_contain_text(f"{2 * COUNT - 3} files are unchanged")
    page.get_by_role("button", name="Send it").click()
    upload_id = arrived(page, fresh)
    assert 600_000 < sent.taken() < 2_000_000
    assert content(fresh, upload_id) == {path.name: path.read_bytes() for path in photos.iterdir()}
    assert fresh.world.get(f"/api/cloud/uploads/{upload_id}/manifest")["verified"]


def test_data_that_is_deleted_while_it_is_copied_is_sent_whole(page: Page, fresh: Stage, photos: Path) -> None:
    order(page, fresh, photos)
    page.get_by_role("button", name="Send it").click()
    before = arrived(page, fresh)
    change(photos)
    sent = Sent(page)
    order(page, fresh, photos)
    expect(page.get_by_test_id("changes")).to_be_visible()

    def delete(route) -> None:  # type: ignore[no-untyped-def]
        web.delete(f"{fresh.world.address}/api/cloud/uploads/{before}").raise_for_status()
        route.continue_()

    page.route("**/copies", delete, times=1)
    page.get_by_role("button", name="Send it").click()
    upload_id = arrived(page, fresh)
    assert sent.taken() > 17_000_000
    assert content(fresh, upload_id) == {path.name: path.read_bytes() for path in photos.iterdir()}


def test_a_file_that_is_written_to_after_it_was_read_is_named_and_nothing_is_started(
    page: Page, fresh: Stage, photos: Path
) -> None:
    order(page, fresh, photos)
    expect(page.get_by_role("dialog")).to_be_visible()
    noise(photos / "031.png")
    page.get_by_role("button", name="Send it").click()
    refusal = page.get_by_role("alert").filter(has_text="031.png was changed while it was being sent")
    expect(refusal).to_be_visible()
    assert fresh.world.get("/api/cloud/jobs")["jobs"] == []
    datasets = fresh.world.folder / "outputs" / "datasets"
    assert not list(datasets.rglob("*.zip"))
    # The same folder, chosen again, is what it is now.
    page.get_by_label("Choose a folder").set_input_files(str(photos))
    expect(page.get_by_test_id("read")).to_be_visible()
    page.get_by_role("button", name="Review and send").click()
    page.get_by_role("button", name="Send it").click()
    assert content(fresh, arrived(page, fresh)) == {path.name: path.read_bytes() for path in photos.iterdir()}


def test_what_another_job_has_just_taken_is_copied_and_not_sent(page: Page, fresh: Stage, photos: Path) -> None:
    order(page, fresh, photos)
    page.get_by_role("button", name="Send it").click()
    kept = arrived(page, fresh)
    sent = Sent(page)

    def overtake(route) -> None:  # type: ignore[no-untyped-def]
        answer = route.fetch()
        order = {"config": {**CONFIG, "max_train_steps": 400}, "upload_id": kept, "keep_data_days": 7}
        web.post(f"{fresh.world.address}/api/cloud/jobs", json=order, timeout=60).raise_for_status()
        route.fulfill(response=answer)

    page.route("**/data-consent/earlier?*", overtake, times=1)
    order(page, fresh, photos)
    page.wait_for_url("**/#/jobs/j-*")
    assert 0 < sent.taken() < 100_000
    receipt = fresh.world.get(f"/api/cloud/jobs/{page.url.rpartition('/')[2]}/data-receipt")
    assert receipt["upload_id"] != kept
    assert content(fresh, receipt["upload_id"]) == {path.name: path.read_bytes() for path in photos.iterdir()}


def test_the_command_line_copies_what_a_browser_sent(page: Page, fresh: Stage, photos: Path, tmp_path: Path) -> None:
    order(page, fresh, photos)
    page.get_by_role("button", name="Send it").click()
    arrived(page, fresh)
    change(photos)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    told = fresh.world.run("submit", str(config), "--data", str(photos), "--yes", "--json", "--no-follow")
    transfer = json.loads(told.stdout)["transfer"]
    assert transfer["copied_bytes"] > 16_000_000 and transfer["sent_bytes"] < 2_000_000
    upload_id = json.loads(told.stdout)["upload_id"]
    assert content(fresh, upload_id) == {path.name: path.read_bytes() for path in photos.iterdir()}


def test_a_folder_that_is_dropped_is_read_with_all_that_is_below_it(page: Page, fresh: Stage, photos: Path) -> None:
    (photos / "sub" / "deep").mkdir(parents=True)
    noise(photos / "sub" / "deep" / "far.png")
    page.goto(f"{fresh.address}#/new")
    drop(page, photos)
    expect(page.get_by_test_id("read")).to_contain_text(f"{2 * COUNT + 1} files")
    page.get_by_role("button", name="Review and send").click()
    wanted = scan([Source(with_archive_names([Source(photos.name, photos)])[0].id, photos)])
    expect(page.get_by_role("dialog")).to_contain_text(wanted.root)
