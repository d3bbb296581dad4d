"""All files of a job with one button."""

from __future__ import annotations

import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests import web
from tests.browser.stage import Stage

pytestmark = pytest.mark.browser


def test_all_files_are_downloaded_as_one_archive(page: Page, cloud: Stage, tmp_path: Path) -> None:
    job_id = cloud.submit("everything", steps=40)
    cloud.world.until(job_id, "completed")
    page.goto(cloud.page_of(job_id))
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all").click()
    assert download.value.suggested_filename == f"{job_id}.tar"
    download.value.save_as(tmp_path / "all.tar")
    artifacts = cloud.world.get(f"/api/cloud/jobs/{job_id}/artifacts")["artifacts"]
    with tarfile.open(tmp_path / "all.tar") as tar:
        found = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    assert found == {f"{job_id}/{one['name']}": web.get(one["url"]).content for one in artifacts}
    files = page.get_by_role("region", name="Files")
    expect(files).to_contain_text(f"{job_id}.tar is on its way to your browser’s downloads.")
    expect(page.get_by_test_id("announcer")).to_contain_text(f"{job_id}.tar")
    expect(page.get_by_role("button", name="Download all")).to_be_enabled()


def test_how_far_an_archive_is_is_shown_and_it_can_be_stopped(page: Page, cloud: Stage) -> None:
    """No rehearsal leaves gigabytes, so the answers are those of a store that takes its time."""
    job_id = cloud.submit("large", steps=40)
    cloud.world.until(job_id, "completed")
    asked: list[str] = []

    def slowly(route: Route) -> None:
        asked.append(urlsplit(route.request.url).path)
        done = min(len(asked), 3) * (1 << 30)
        told = {"digest": "d", "filename": "x.tar", "done_bytes": done, "total_bytes": 8 << 30, "url": None}
        route.fulfill(json=told)

    page.route("**/artifacts.tar", slowly)
    page.goto(cloud.page_of(job_id))
    page.get_by_test_id("download-all").click()
    line = page.get_by_test_id("bundle")
    expect(line).to_contain_text("3.2 GB of 8.6 GB")
    expect(line.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "37")
    expect(page.get_by_test_id("download-all")).to_be_disabled()
    line.get_by_role("button", name="Stop").click()
    expect(line).to_have_count(0)
    expect(page.get_by_test_id("download-all")).to_be_enabled()
    count = len(asked)
    page.wait_for_timeout(2500)
    assert len(asked) <= count + 1, "an answer was under way at most"


def test_why_there_is_no_archive_is_told(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("refused", steps=40)
    cloud.world.until(job_id, "completed")
    detail = "One archive holds 20000 files and 5 TiB at most. Fetch these one by one."
    problem = {"status": 413, "error": "too_large", "detail": detail}
    page.route("**/artifacts.tar", lambda route: route.fulfill(status=413, json=problem))
    page.goto(cloud.page_of(job_id))
    page.get_by_test_id("download-all").click()
    expect(page.get_by_role("region", name="Files").get_by_role("alert")).to_have_text(detail)
