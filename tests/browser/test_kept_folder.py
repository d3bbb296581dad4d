"""A folder that was picked is found again after a reload, where the browser can keep its handle.

The browser's own dialog cannot be opened here, so the picker gives a folder of the origin's private file system: a real
handle, which the browser stores like any other. It is used on Windows only. A drop gives a handle to a real folder.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chalicelib.domain.datasets import Source
from chalicelib.domain.scanning import scan
from tests.browser.stage import Stage, drop
from tests.browser.test_accessibility import AXE, VISITORS, overflow, violations
from tests.browser.test_resubmit import Sent
from tests.browser.test_submit import CONFIG, slow
from tests.journeys.photos import noise

pytestmark = pytest.mark.browser

MIB = 1 << 20
GO_ON = "Go on with “pictures”"

# 40 MiB of noise that is the same each time, so that a test can make the same folder on the disk.
FOLDER = """
    const agent = navigator.userAgent.replace('Linux', 'Windows');
    Object.defineProperty(navigator, 'userAgent', { get: () => agent });
    window.showDirectoryPicker = async ({ id, mode }) => {
        if (!id || mode !== 'read') throw new TypeError('not asked for as agreed');
        const place = await navigator.storage.getDirectory();
        const folder = await place.getDirectoryHandle(window.named ?? 'pictures', { create: true });
        const write = async (below, name, content) => {
            const stream = await (await below.getFileHandle(name, { create: true })).createWritable();
            await stream.write(content);
            await stream.close();
        };
        const sub = await folder.getDirectoryHandle('sub', { create: true });
        for (const [name, mib] of [['large.bmp', 40], ['small.png', 1]]) {
            const content = new Uint32Array(mib * 262144);
            let now = 7;
            for (let at = 0; at < content.length; at += 1) {
                content[at] = now = (Math.imul(now, 1664525) + 1013904223) >>> 0;
            }
            await write(name === 'large.bmp' ? folder : sub, name, content);
        }
        await write(sub, 'small.txt', 'a plain colour');
        await write(folder, '.hidden.png', 'x');
        return folder;
    };
"""

ANSWERS = """
    FileSystemHandle.prototype.queryPermission = async () => '%s';
    FileSystemHandle.prototype.requestPermission = async () => {
        if (!navigator.userActivation.isActive) throw new DOMException('no click', 'SecurityError');
        return '%s';
    };
"""

KEPT = """() => new Promise((resolve, reject) => {
    const asked = indexedDB.open('stcloud');
    asked.onerror = reject;
    asked.onsuccess = () => {
        const names = [...asked.result.objectStoreNames];
        if (names.length === 0) return resolve([]);
        const all = asked.result.transaction('folders').objectStore('folders').getAll();
        all.onsuccess = () => { asked.result.close(); resolve(all.result.map(({ handle }) => handle.name)); };
    };
})"""


def same_on_disk(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    now, words = 7, bytearray()
    for _ in range(40 * MIB // 4):
        now = (now * 1664525 + 1013904223) & 0xFFFFFFFF
        words += now.to_bytes(4, "little")
    (folder / "large.bmp").write_bytes(words)
    (folder / "sub" / "small.png").write_bytes(words[:MIB])
    (folder / "sub" / "small.txt").write_text("a plain colour")
    (folder / ".hidden.png").write_text("x")
    return folder


def pick(page: Page, stage: Stage) -> None:
    page.goto(f"{stage.address}#/new")
    page.get_by_label("Name of the job").fill("kept")
    page.get_by_label("config.json", exact=True).fill(json.dumps(CONFIG))
    page.get_by_label("Choose a folder").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("read")).to_contain_text("3 files")


def begin(page: Page, stage: Stage) -> None:
    """An upload that some parts of have arrived, and that takes its time for the others."""
    pick(page, stage)
    page.get_by_role("button", name="Review and send").click()
    slow(page, 8000)
    page.get_by_role("button", name="Send it").click()
    with page.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
        pass


def interrupt(page: Page, stage: Stage, *, paused: bool) -> None:
    """Leaves a reloaded page, of whose upload some parts have arrived."""
    begin(page, stage)
    if paused:
        page.get_by_test_id("transfer").get_by_role("button", name="Pause").click()
        expect(page.get_by_test_id("transfer")).to_contain_text("Paused")
    page.on("dialog", lambda leaving: leaving.accept())
    page.reload()
    slow(page, 0)


def submitted(page: Page, stage: Stage) -> str:
    """The root of the only job there is."""
    page.wait_for_url("**/#/jobs/j-*")
    (job,) = stage.world.get("/api/cloud/jobs")["jobs"]
    assert page.url.endswith(job["job_id"])
    return str(stage.world.get(f"/api/cloud/jobs/{job['job_id']}/data-receipt")["manifest"]["root"])


def test_an_upload_goes_on_by_itself_after_a_reload(page: Page, fresh: Stage, tmp_path: Path) -> None:
    page.add_init_script(FOLDER)
    sent = Sent(page)
    interrupt(page, fresh, paused=False)
    root = submitted(page, fresh)
    assert root == scan([Source("pictures", same_on_disk(tmp_path / "pictures"))]).root
    # Before and after the reload together: no part arrived twice.
    assert 0 < sent.taken() < 42 * MIB
    assert page.evaluate(KEPT) == []


def test_a_paused_upload_is_read_again_and_sent_only_when_asked(page: Page, fresh: Stage) -> None:
    page.add_init_script(FOLDER)
    interrupt(page, fresh, paused=True)
    expect(page.get_by_test_id("kept")).to_contain_text("was paused")
    expect(page.get_by_test_id("read")).to_contain_text("3 files")
    assert fresh.world.get("/api/cloud/jobs")["jobs"] == [] and page.evaluate(KEPT) == ["pictures"]
    sent = Sent(page)
    page.get_by_role("button", name="Review and send").click()
    submitted(page, fresh)
    assert 0 < sent.taken() < 40 * MIB
    assert page.evaluate(KEPT) == []


def test_where_the_browser_wants_a_click_one_button_goes_on(page: Page, fresh: Stage, tmp_path: Path) -> None:
    page.add_init_script(FOLDER + ANSWERS % ("prompt", "granted"))
    interrupt(page, fresh, paused=True)
    button = page.get_by_role("button", name=GO_ON)
    expect(button).to_be_visible()
    expect(page.get_by_test_id("read")).to_have_count(0)
    sent = Sent(page)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Training data")).to_be_focused()
    root = submitted(page, fresh)
    assert root == scan([Source("pictures", same_on_disk(tmp_path / "pictures"))]).root
    assert 0 < sent.taken() < 40 * MIB
    assert page.evaluate(KEPT) == []


@pytest.mark.parametrize("asked", ["prompt", "denied"])
def test_a_folder_that_may_not_be_read_any_more_is_said_to_be_so_and_picked_anew(
    page: Page, fresh: Stage, asked: str
) -> None:
    page.add_init_script(FOLDER + ANSWERS % (asked, "denied"))
    interrupt(page, fresh, paused=True)
    if asked == "prompt":
        page.get_by_role("button", name=GO_ON).click()
    expect(page.get_by_role("alert").filter(has_text="does not let this page read “pictures”")).to_be_visible()
    expect(page.get_by_test_id("read")).to_have_count(0)
    page.get_by_text("Choose a folder", exact=True).click()
    expect(page.get_by_test_id("read")).to_contain_text("3 files")
    expect(page.get_by_role("alert").filter(has_text="does not let")).to_have_count(0)


def test_a_folder_that_is_gone_is_said_to_be_so(page: Page, fresh: Stage) -> None:
    page.add_init_script(FOLDER)
    pick(page, fresh)
    page.evaluate("navigator.storage.getDirectory().then((all) => all.removeEntry('pictures', { recursive: true }))")
    page.reload()
    expect(page.get_by_role("alert").filter(has_text="“pictures” is not where it was")).to_be_visible()


def test_data_or_a_job_that_changed_is_not_sent_by_itself(page: Page, fresh: Stage) -> None:
    page.add_init_script(FOLDER + ANSWERS % ("prompt", "granted"))
    interrupt(page, fresh, paused=False)
    expect(page.get_by_role("button", name=GO_ON)).to_be_visible()
    page.get_by_label("Steps").fill("60")
    sent = Sent(page)
    page.get_by_role("button", name=GO_ON).click()
    expect(page.get_by_test_id("kept")).to_contain_text("is not what it was when the upload began")
    assert sent.taken() == 0 and fresh.world.get("/api/cloud/jobs")["jobs"] == []


def test_a_tab_that_was_duplicated_does_not_send_a_second_time(page: Page, fresh: Stage) -> None:
    page.context.add_init_script(FOLDER)
    begin(page, fresh)
    with page.expect_popup() as opened:
        page.evaluate("() => { window.open(location.href); }")
    other = opened.value
    expect(other.get_by_test_id("kept")).to_contain_text("open in another tab", timeout=30_000)
    expect(other.get_by_role("button", name="Review and send")).to_be_enabled()
    slow(page, 0)
    submitted(page, fresh)


def test_a_handle_is_forgotten_with_another_folder_and_on_request(page: Page, fresh: Stage, tmp_path: Path) -> None:
    page.add_init_script(FOLDER + ANSWERS % ("prompt", "granted"))
    pick(page, fresh)
    assert page.evaluate(KEPT) == ["pictures"]
    other = tmp_path / "other"
    other.mkdir()
    noise(other / "a.png")
    page.get_by_label("Choose a folder").set_input_files(str(other))
    expect(page.get_by_test_id("read")).to_contain_text("1 file,")
    assert page.evaluate(KEPT) == []
    pick(page, fresh)
    page.reload()
    page.get_by_role("button", name="Forget it").click()
    expect(page.get_by_role("button", name=GO_ON)).to_have_count(0)
    assert page.evaluate(KEPT) == []
    page.reload()
    expect(page.get_by_text("or drop it here")).to_be_visible()
    expect(page.get_by_role("button", name=GO_ON)).to_have_count(0)


def test_one_button_goes_on_with_the_folders_of_all_datasets(page: Page, fresh: Stage) -> None:
    page.add_init_script(FOLDER + ANSWERS % ("prompt", "granted"))
    page.goto(f"{fresh.address}#/new")
    page.get_by_text("Dataloader and LyCORIS").click()
    listed = [{"id": "cats", "instance_data_dir": "/c"}, {"id": "dogs", "instance_data_dir": "/d"}]
    page.get_by_role("textbox", name="Dataloader (multidatabackend.json, optional)").fill(json.dumps(listed))
    for dataset in ("cats", "dogs"):
        page.evaluate("name => { window.named = name }", dataset)
        page.get_by_text(f"Choose the folder of “{dataset}”", exact=True).click()
        expect(page.locator(".drop").filter(has_text=f"“{dataset}”").locator(".muted")).to_have_text(dataset)
    expect(page.get_by_test_id("read")).to_contain_text("6 files")
    assert sorted(page.evaluate(KEPT)) == ["cats", "dogs"]
    page.reload()
    page.get_by_role("button", name="Go on with “cats, dogs”").click()
    expect(page.get_by_test_id("read")).to_contain_text("6 files")
    for dataset in ("cats", "dogs"):
        expect(page.locator(".drop").filter(has_text=f"“{dataset}”").locator(".muted")).to_have_text(dataset)


def test_another_tab_with_its_own_draft_sees_nothing_of_it(page: Page, fresh: Stage) -> None:
    page.add_init_script(FOLDER)
    pick(page, fresh)
    other = page.context.new_page()
    other.goto(f"{fresh.address}#/new")
    expect(other.get_by_text("or drop it here")).to_be_visible()
    expect(other.get_by_test_id("read")).to_have_count(0)
    assert other.evaluate(KEPT) == ["pictures"]


def test_a_dropped_folder_is_read_again_by_itself_unless_a_name_in_it_would_be_missed(
    page: Page, fresh: Stage, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    noise(folder / "a.png")
    noise(folder / "b.png")
    page.goto(f"{fresh.address}#/new")
    drop(page, folder)
    expect(page.get_by_test_id("read")).to_contain_text("2 files")
    page.reload()
    expect(page.get_by_test_id("read")).to_contain_text("2 files")
    noise(folder / "12:30.png")
    drop(page, folder)
    expect(page.get_by_test_id("read")).to_contain_text("3 files")
    assert page.evaluate(KEPT) == []
    (folder / "12:30.png").unlink()
    drop(page, folder)
    expect(page.get_by_test_id("read")).to_contain_text("2 files")
    shutil.move(folder, tmp_path / "elsewhere")
    page.reload()
    expect(page.get_by_role("alert").filter(has_text="“photos” is not where it was")).to_be_visible()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: npm ci in frontend/")
@pytest.mark.parametrize("visitor", [VISITORS[0], VISITORS[3]], ids=str)
def test_the_question_and_its_outcome_are_accessible_and_fit(chromium: Browser, fresh: Stage, visitor: object) -> None:
    context = visitor.arrive(chromium)  # type: ignore[attr-defined]
    page = context.new_page()
    page.add_init_script(FOLDER + ANSWERS % ("prompt", "denied"))
    pick(page, fresh)
    page.reload()
    expect(page.get_by_role("button", name=GO_ON)).to_be_visible()
    found = {"asked": violations(page) + overflow(page)}
    page.get_by_role("button", name=GO_ON).click()
    expect(page.get_by_role("alert").filter(has_text="does not let")).to_be_visible()
    found["denied"] = violations(page) + overflow(page)
    context.close()
    assert {name: wrongs for name, wrongs in found.items() if wrongs} == {}
