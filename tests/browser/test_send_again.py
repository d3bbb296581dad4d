"""Sending a model on from the delivery card, to an S3 endpoint that first knows other keys."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from chalicelib import settings
from local.composition import compose
from tests import web
from tests.browser.stage import Stage
from tests.browser.test_accessibility import violations

pytestmark = pytest.mark.browser


def name_bucket(cloud: Stage, secret: str | None = None) -> None:
    keys = compose(settings.read(cloud.world.environment())).keys.root()
    body = {"bucket": "outputs", "path_prefix": "theirs", "endpoint_url": f"{cloud.world.address}/api/cloud/storage"}
    body |= {"access_key_id": keys.access_key, "secret_access_key": secret or keys.secret_key}
    web.put(f"{cloud.world.address}/api/cloud/destinations/theirs", json=body).raise_for_status()


def test_a_model_is_sent_elsewhere_fails_there_and_is_sent_again(page: Page, cloud: Stage) -> None:
    job_id = cloud.submit("sent on")
    cloud.world.until(job_id, "completed")
    name_bucket(cloud, secret="not-the-secret")
    page.goto(cloud.page_of(job_id))
    delivery = page.get_by_role("region", name="Delivery")
    delivery.get_by_label("Send to another place").select_option("theirs")
    delivery.get_by_role("button", name="Send", exact=True).click()
    theirs = delivery.get_by_role("listitem").filter(has_text="theirs")
    expect(theirs).to_contain_text("could not be sent", timeout=15_000)
    expect(theirs).to_contain_text("secret access key")
    assert violations(page) == []
    delivery.get_by_role("button", name="Look again").click()
    expect(page.get_by_test_id("announcer")).to_have_text("The places were looked at again.")
    name_bucket(cloud)
    theirs.get_by_role("button", name="Send again to theirs").click()
    expect(page.get_by_test_id("announcer")).to_have_text("The model is being sent to theirs.")
    expect(theirs).to_contain_text("arrived, checked", timeout=45_000)
    expect(theirs.get_by_role("button")).to_have_count(0)
    expect(page.get_by_test_id("status")).to_have_text("Completed")
    assert cloud.job(job_id)["metadata"]["destinations"][1]["verified"]
    delivery.get_by_label("Send to another place").select_option("hub")
    delivery.get_by_label("Repository, such as your-name/your-model").fill("ana/cats")
    delivery.get_by_role("button", name="Send", exact=True).click()
    expect(delivery.get_by_role("alert").last).to_contain_text("no Hugging Face token is set")
