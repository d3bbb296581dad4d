"""A job from the browser: a folder is picked, looked at, agreed to, sent straight to the store, and trained with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from chalicelib.domain.datasets import Source
from chalicelib.domain.scanning import scan
from tests import web
from tests.browser.stage import Stage
from tests.browser.test_accessibility import AXE, VISITORS, overflow, violations
from tests.configs import TRAINABLE
from tests.hub import ANA, start_hub
from tests.journeys.conftest import World, started

pytestmark = pytest.mark.browser

CONFIG = {**TRAINABLE, "max_train_steps": 40, "checkpoint_step_interval": 20}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Small pictures, one of 20 MiB so that there are parts, and what has to stay."""
    folder = tmp_path / "imagens é日本"
    (folder / "sub").mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (64, 64), (40 * number, 80, 200)).save(folder / "sub" / f"plate {number}.png")
        (folder / "sub" / f"plate {number}.txt").write_text(f"a plain colour, number {number}")
    Image.effect_noise((4600, 4600), 90).save(folder / "large.bmp")
    (folder / ".hidden.png").write_bytes(b"x")
    (folder / "prod.env").write_bytes(b"SECRET=1")
    (folder / "leak.txt").write_text("use hf" + "_" + "abcdefghijklmnopqrstuvwx")
    return folder


def fill(page: Page, stage: Stage, data: Path, name: str) -> None:
    page.goto(f"{stage.address}#/new")
    page.get_by_label("Name of the job").fill(name)
    page.get_by_label("config.json", exact=True).fill(json.dumps(CONFIG))
    pick(page, data)


def pick(page: Page, data: Path) -> None:
    page.get_by_label("Choose a folder").set_input_files(str(data))
    expect(page.get_by_test_id("read")).to_contain_text("9 files")


def labelled(select: Locator) -> list[str]:
    found: list[str] = select.locator("option").evaluate_all("(all) => all.map((one) => one.value || 'auto')")
    return found


def sent_by(page: Page) -> list[str]:
    """What leaves as data, or announces it."""
    sent: list[str] = []
    announces = "/api/cloud/uploads"
    page.on("request", lambda one: sent.append(one.url) if one.method == "PUT" or announces in one.url else None)
    return sent


def slow(page: Page, kilobytes: int) -> None:
    """What the browser may send in a second; 0 for as fast as it can."""
    line = page.context.new_cdp_session(page)
    most = kilobytes * 1024 if kilobytes else -1
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": most},
    )


def test_a_folder_is_agreed_to_sent_and_trained_with(page: Page, fresh: Stage, data: Path) -> None:
    fill(page, fresh, data, "from the browser")
    expect(page.locator(".offer-range").first).to_be_visible()
    page.get_by_role("button", name="Review and send").click()
    dialog = page.get_by_role("dialog", name="May this data leave your machine?")
    expect(dialog.get_by_role("button", name="Keep it here")).to_be_focused()
    wanted = scan([Source("imagens-é日本", data)])
    expect(dialog).to_contain_text(wanted.root)
    for stays in (".hidden.png", "prod.env", "leak.txt"):
        expect(dialog).to_contain_text(stays)
    foreseen = dialog.get_by_test_id("foreseen")
    expect(foreseen).to_contain_text("each dataset by a link of its own")
    expect(foreseen).to_contain_text("pictures and captions, as a zip from this system's storage")
    expect(foreseen.get_by_role("list", name="To know before it is sent")).to_contain_text("classifiers agree on")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Review and send")).to_be_visible()
    page.get_by_role("button", name="Review and send").click()

    slow(page, 3000)
    dialog.get_by_role("button", name="Send it").click()
    transfer = page.get_by_test_id("transfer")
    expect(transfer).to_contain_text("per second")
    transfer.get_by_role("button", name="Pause").click()
    expect(transfer).to_contain_text("Paused")
    opened = fresh.world.get(f"/api/cloud/data-consent/earlier?root={wanted.root}&datasets=x")
    assert opened["agreed_at"] and opened["kept"] is None
    slow(page, 0)
    transfer.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/#/jobs/j-*")
    job_id = page.url.rpartition("/")[2]
    assert [one["job_id"] for one in fresh.world.get("/api/cloud/jobs")["jobs"]] == [job_id]
    job = fresh.world.until(job_id, "running", "completed")
    assert job["config_name"] == "from the browser"
    receipt = fresh.world.get(f"/api/cloud/jobs/{job_id}/data-receipt")
    assert receipt["manifest"]["root"] == wanted.root and receipt["manifest"]["verified"]


def test_a_reload_in_the_middle_sends_only_what_is_missing_and_makes_one_job(
    page: Page, fresh: Stage, data: Path
) -> None:
    fill(page, fresh, data, "interrupted")
    page.get_by_role("button", name="Review and send").click()
    slow(page, 8000)
    page.get_by_role("button", name="Send it").click()
    root = scan([Source("imagens-é日本", data)]).root
    expect(page.get_by_test_id("transfer")).to_be_visible()
    with page.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
        pass
    page.on("dialog", lambda leaving: leaving.accept())
    page.reload()
    slow(page, 0)
    expect(page.get_by_text("Choose the same folder again")).to_be_visible()
    expect(page.get_by_label("Name of the job")).to_have_value("interrupted")
    sent: list[int] = []
    page.on("request", lambda one: sent.append(1) if one.method == "PUT" and "partNumber" in one.url else None)
    pick(page, data)
    # The answer to the order is lost: after another reload the same key finds the job that it made.
    orders: list[str] = []

    def lose(route) -> None:  # type: ignore[no-untyped-def]
        orders.append(route.request.post_data)
        web.post(route.request.url, content=route.request.post_data, headers={"Content-Type": "application/json"})
        route.abort()

    page.route("**/api/cloud/jobs?provider=*", lose)
    page.get_by_role("button", name="Review and send").click()
    expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
    assert 0 < len(sent) < 3
    page.unroute("**/api/cloud/jobs?provider=*")
    page.reload()
    page.wait_for_url("**/#/jobs/j-*")
    jobs = fresh.world.get("/api/cloud/jobs")["jobs"]
    assert len(orders) == 1 and len(jobs) == 1 and page.url.endswith(jobs[0]["job_id"])
    assert root in fresh.world.get(f"/api/cloud/jobs/{jobs[0]['job_id']}/data-receipt")["manifest"]["root"]


def test_what_cannot_be_is_refused_before_anything_leaves(page: Page, fresh: Stage, data: Path) -> None:
    puts = sent_by(page)
    page.goto(f"{fresh.address}#/new")
    page.get_by_label("config.json", exact=True).fill('{"model_family": "flux",}')
    expect(page.get_by_text("JSON has no comma after the last entry").first).to_be_visible()
    page.get_by_role("button", name="Review and send").click()
    expect(page.get_by_role("alert").filter(has_text="config.json: JSON has no comma")).to_be_visible()
    page.get_by_label("config.json", exact=True).fill(json.dumps(CONFIG))
    page.get_by_label("Steps").fill("many")
    page.get_by_role("button", name="Review and send").click()
    expect(page.get_by_role("alert").filter(has_text="must be a whole number")).to_be_visible()
    page.get_by_label("Steps").fill("40")
    page.get_by_role("button", name="Review and send").click()
    expect(page.get_by_role("alert").filter(has_text="Choose the folder")).to_be_visible()
    pick(page, data)
    assert fresh.world.run("consent", "deny").returncode == 0
    page.get_by_role("button", name="Review and send").click()
    expect(page.get_by_role("alert").filter(has_text="Uploads are switched off")).to_be_visible()
    assert puts == [] and fresh.world.get("/api/cloud/jobs")["jobs"] == []


def test_what_the_server_would_refuse_is_told_before_anything_leaves(page: Page, fresh: Stage, data: Path) -> None:
    sent = sent_by(page)
    fill(page, fresh, data, "refused")
    page.get_by_label("config.json", exact=True).fill(json.dumps({**CONFIG, "max_train_stepz": 5}))
    send = page.get_by_role("button", name="Review and send")
    send.click()
    expect(page.get_by_role("alert").filter(has_text="Nothing was sent.")).to_contain_text("max_train_steps")
    expect(send).to_be_focused()
    page.get_by_label("config.json", exact=True).fill(json.dumps(CONFIG))
    way = page.get_by_label("How the data reaches the trainer")
    assert labelled(way) == fresh.world.get("/api/cloud/data-consent/setting")["deliveries"]
    way.select_option("hub")
    send.click()
    expect(page.get_by_role("alert").filter(has_text="Nothing was sent.")).to_contain_text("set HF_TOKEN")
    # Where nobody is asked, it is refused all the same.
    assert fresh.world.run("consent", "allow").returncode == 0
    send.click()
    expect(page.get_by_role("alert").filter(has_text="set HF_TOKEN")).to_be_visible()
    assert sent == [] and fresh.world.get("/api/cloud/jobs")["jobs"] == []
    way.select_option("")
    slow(page, 500)
    send.click()
    expect(page.get_by_test_id("transfer")).to_contain_text("each dataset by a link of its own")


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: npm ci in frontend/")
def test_a_copy_at_hugging_face_is_named_before_it_is_agreed_to(
    chromium: Browser, built_tab: Path, tmp_path: Path, data: Path
) -> None:
    with start_hub() as hub:
        world = World(tmp_path, more={"HF_TOKEN": ANA, "HF_ENDPOINT": hub.url, "STCLOUD_PUBLIC_URL": ""})
        with started(world):
            context = VISITORS[2].arrive(chromium)
            page = context.new_page()
            page.goto(f"{world.address}/#/new")
            page.get_by_label("config.json", exact=True).fill(json.dumps(CONFIG))
            page.get_by_label("Escolher uma pasta").set_input_files(str(data))
            expect(page.get_by_test_id("read")).to_be_visible()
            page.get_by_label("Como os dados chegam ao treinador").select_option("hub")
            page.get_by_role("button", name="Revisar e enviar").click()
            foreseen = page.get_by_role("dialog").get_by_test_id("foreseen")
            expect(foreseen).to_contain_text("Uma cópia privada de cada dataset vai para o Hugging Face")
            expect(foreseen).to_contain_text("é apagada de lá")
            wrongs = violations(page) + overflow(page)
            context.close()
    assert wrongs == []


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: npm ci in frontend/")
@pytest.mark.parametrize("visitor", [VISITORS[0], VISITORS[3]], ids=str)
def test_each_state_of_a_new_job_is_accessible_and_fits(
    chromium: Browser, fresh: Stage, data: Path, visitor: object
) -> None:
    context = visitor.arrive(chromium)  # type: ignore[attr-defined]
    page = context.new_page()
    found: dict[str, list[str]] = {}
    page.goto(f"{fresh.address}#/new")
    expect(page.locator(".offer").first).to_be_visible()
    page.get_by_text("Dataloader and LyCORIS").click()
    found["empty"] = violations(page) + overflow(page)
    page.get_by_label("Choose a folder").set_input_files(str(data))
    expect(page.get_by_test_id("read")).to_be_visible()
    page.get_by_role("button", name="Review and send").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    found["dialog"] = violations(page) + overflow(page)
    slow(page, 500)
    page.get_by_role("button", name="Send it").click()
    expect(page.get_by_test_id("transfer")).to_contain_text("per second")
    found["sending"] = violations(page) + overflow(page)
    page.get_by_role("button", name="Stop").click()
    context.close()
    assert {name: wrongs for name, wrongs in found.items() if wrongs} == {}
