"""The Cloud tab as a deployment publishes it: from the site bucket, through the CDN, with the API behind one origin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect
from safetensors.numpy import load_file

from tests.browser.conftest import CHROMIUM, PATIENCE, QUIET
from tests.browser.edge import edge
from tests.browser.stage import Stage, paint
from tests.journeys.cloud import REGION, start_aws
from tests.journeys.deployed import DeployedWorld, packaged, point_site_at_emulator

pytestmark = [pytest.mark.browser, pytest.mark.engine("ministack"), pytest.mark.timeout(600)]


@pytest.fixture
def deployed(built_tab: Path, tmp_path: Path) -> Iterator[DeployedWorld]:
    with ExitStack() as closing:
        aws = start_aws()
        closing.callback(aws.stop)
        world = DeployedWorld(tmp_path, aws_url=aws.url)
        closing.callback(world.stop)
        world.start_vendor()
        world.deploy()
        point_site_at_emulator(world)
        yield world


@pytest.fixture
def visitor(deployed: DeployedWorld, chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """In a browser of their own that knows where the CDN is. Its console tells of keys that are not good, at most."""
    with edge(deployed.aws_url, deployed.known["SiteDomain"], tmp_path) as cdn:
        browser = chromium.browser_type.launch(executable_path=str(CHROMIUM), args=[*QUIET, *cdn.arguments])
        context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", color_scheme="light")
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: said.append(message.text))
        yield page
        browser.close()
    assert [line for line in said if "status of 401" not in line] == []


def test_a_visitor_of_the_site_follows_a_job_to_its_model(
    visitor: Page, deployed: DeployedWorld, tmp_path: Path
) -> None:
    page, stage, site = visitor, Stage(deployed, paint(tmp_path)), deployed.known["SiteUrl"]
    answer = page.goto(site)
    assert answer is not None
    assert security(answer) == promised()
    assert page.evaluate("isSecureContext")
    assert not runs_what_was_injected(page.context.new_page(), site)

    page.get_by_label("API key").fill("st_wrong")
    with page.expect_response(lambda heard: "/api/cloud/jobs?" in heard.url) as refused:
        page.keyboard.press("Enter")
    assert refused.value.status == 401 and refused.value.request.headers["x-api-key"] == "st_wrong"
    assert refused.value.header_value("x-content-type-options") == "nosniff"
    expect(page.get_by_role("alert")).to_have_text("The key was not accepted. Check it and try again.")
    job_id = stage.submit("botanical plates", "step_seconds=0.4", steps=40)
    page.get_by_label("API key").fill(deployed.key)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="botanical plates").click()
    assert page.url == f"{site}/#/jobs/{job_id}"
    assert deployed.key not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
    expect(page.get_by_test_id("status")).to_have_text("Running")
    deployed.until_ticking(job_id, "completed", "failed")
    expect(page.get_by_test_id("status")).to_have_text("Completed")
    expect(page.get_by_test_id("cost")).to_contain_text("final")
    expect(page.get_by_test_id("proof")).to_contain_text("was deleted on")
    with page.expect_download() as download:
        page.get_by_test_id("download-model").click()
    assert download.value.url.startswith(f"{deployed.aws_url}/{deployed.known['OutputBucketName']}/{job_id}/")
    assert download.value.suggested_filename == "pytorch_lora_weights.safetensors"
    download.value.save_as(tmp_path / "model.safetensors")
    assert any("lora_A" in name for name in load_file(tmp_path / "model.safetensors"))

    page.get_by_role("button", name="Settings").click()
    page.get_by_text("Dark").click()
    page.get_by_text("Português").click()
    expect(page.get_by_test_id("status")).to_have_text("Concluído")
    page.reload()
    expect(page.get_by_test_id("status")).to_have_text("Concluído")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.set_viewport_size({"width": 390, "height": 844})
    # Waits, because charts follow the new width only with the next frame.
    expect(page.locator("html")).to_have_js_property("scrollWidth", 390)


def security(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.all_headers().items() if name in promised()}


def promised() -> dict[str, str]:
    """What the packaged template has the CDN say with each page, in HTTP's own words."""
    resources = json.loads((packaged() / "sam.json").read_text())["Resources"]
    promise = resources["SiteHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    allowed = promise["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"]
    return {
        "content-security-policy": allowed.replace("${AWS::Region}", REGION).replace(
            "${AWS::URLSuffix}", "amazonaws.com"
        ),
        "strict-transport-security": f"max-age={promise['StrictTransportSecurity']['AccessControlMaxAgeSec']}",
        "referrer-policy": promise["ReferrerPolicy"]["ReferrerPolicy"],
        "x-content-type-options": "nosniff",
        "x-frame-options": promise["FrameOptions"]["FrameOption"],
    }


def runs_what_was_injected(page: Page, site: str) -> bool:
    page.goto(site)
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.documentElement.dataset.broken = 'yes'";
            document.body.append(script);
        }"""
    )
    broken = bool(page.evaluate("document.documentElement.dataset.broken === 'yes'"))
    page.close()
    return broken
