"""An account at the Hugging Face Hub with a token of its own: asked about, kept apart, used by jobs that name it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.hub import ANA, FINE, READER, start_hub
from tests.journeys.conftest import started
from tests.journeys.placing import place
from tests.journeys.test_delivery import Places, config
from tests.journeys.test_send_again import until_sent

pytestmark = pytest.mark.journey

FAR = [{"id": "far", "type": "huggingface", "dataset_name": "someone/pictures"}]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """The server's own token is ana's, who may not write to the organization acme; FINE may, and nothing else."""
    with start_hub() as hub:
        world = Places(tmp_path_factory.mktemp("accounts"), hub=hub)
        world.more = {"HF_TOKEN": ANA, "HF_ENDPOINT": hub.url}
        with started(world):
            yield world


def keep(places: Places, name: str, token: str | None) -> httpx.Response:
    return places.put(f"/api/cloud/destinations/{name}", {"kind": "hub", **({"token": token} if token else {})})


def submit(places: Places, repo: str, *destinations: str) -> httpx.Response:
    wanted = config(**{"--push_to_hub": True, "--hub_model_id": repo})
    return places.post(
        "/api/cloud/jobs", {"config": wanted, "dataloader_config": FAR, "destinations": list(destinations)}
    )


def train(places: Places, images: Path, repo: str, *destinations: str) -> str:
    wanted = config(**{"--push_to_hub": True, "--hub_model_id": repo})
    return str(place(places, images, config=wanted, destinations=list(destinations))["job_id"])


def test_a_job_that_names_an_account_pushes_with_its_token_and_with_no_other(places: Places, images: Path) -> None:
    kept = keep(places, "acme", FINE)
    assert kept.status_code == 200 and FINE not in kept.text, kept.text
    known = kept.json()["destination"]
    assert (known["kind"], known["account"], known["bucket"]) == ("hub", "ana", None)
    assert known["access_key_hint"] == f"…{FINE[-4:]}" and known["test_passed"]
    refused = submit(places, "acme/cats", "store", "hub")
    assert refused.status_code == 400 and "neither your user name" in refused.json()["detail"], "ana's own may not"
    job_id = train(places, images, "acme/cats", "store", "acme")
    job = places.until(job_id, "completed", "failed")
    assert job["status"] == "completed", (job["error_message"], places.get(f"/api/cloud/jobs/{job_id}/logs")["logs"])
    assert {name: (one["kind"], one["state"]) for name, one in places.arrivals(job).items()} == {
        "store": ("store", "verified"),
        "acme": ("hub", "verified"),
    }
    vault = places.folder / "state" / "vault" / "default" / "acme.json"
    assert stat.S_IMODE(vault.stat().st_mode) == 0o600 and FINE in vault.read_text()
    for path in ("/api/cloud/destinations", f"/api/cloud/jobs/{job_id}", f"/api/cloud/jobs/{job_id}/logs"):
        assert FINE not in json.dumps(places.get(path)), path
    for file in (places.folder / "state").glob("cloud.db*"):
        assert FINE.encode() not in file.read_bytes(), file
    assert FINE not in (places.folder / "server.log").read_text()


def test_a_model_is_sent_to_an_account_that_its_job_did_not_name(places: Places, images: Path) -> None:
    job_id = train(places, images, "ana/own", "store", "hub")
    assert places.until(job_id, "completed", "failed")["status"] == "completed"
    assert keep(places, "team", FINE).status_code == 200
    wanted: dict[str, Any] = {"destinations": ["team"], "hub_model_id": "acme/sent"}
    asked = places.post(f"/api/cloud/jobs/{job_id}/deliver", wanted)
    assert asked.status_code == 202, asked.text
    there = until_sent(places, job_id, "team")
    assert there["state"] == "verified" and "acme/sent" in there["place"], there


def test_a_token_is_asked_about_before_it_is_kept(places: Places) -> None:
    unknown = keep(places, "nobody", "hf_" + "x" * 20)
    assert unknown.status_code == 400 and unknown.json()["cause"] == "token", unknown.text
    assert "hf_xxx" not in unknown.text
    for token in (None, "hf_a b", "hf_é"):
        assert keep(places, "nobody", token).status_code == 400
    assert "nobody" not in {one["name"] for one in places.get("/api/cloud/destinations")["destinations"]}
    assert not (places.folder / "state" / "vault" / "default" / "nobody.json").exists()
    reading = keep(places, "reads", READER).json()["destination"]
    assert reading["test_passed"] is False and "may only read" in reading["test_detail"]
    told = places.post("/api/cloud/destinations/reads/test").json()
    assert [(step["name"], step["passed"]) for step in told["steps"]] == [("whoami", True), ("write", False)]
    assert submit(places, "ana/x", "store", "reads").status_code == 400


def test_one_name_is_one_kind_and_a_trainer_has_one_token(places: Places) -> None:
    assert keep(places, "acme", FINE).status_code == 200
    bucket = {"bucket": "some-bucket", "access_key_id": "a", "secret_access_key": "b"}
    assert places.put("/api/cloud/destinations/acme", bucket).status_code == 400
    assert keep(places, "s3", FINE).status_code == 400 and keep(places, "hub", FINE).status_code == 400
    two = submit(places, "acme/cats", "hub", "acme")
    assert two.status_code == 400 and "one token" in two.json()["detail"], two.text
    stored = [{"id": "far", "type": "aws", "stored_bucket": "acme"}]
    data = places.post("/api/cloud/jobs", {"config": config(), "dataloader_config": stored})
    assert data.status_code == 400 and "no stored bucket" in data.json()["detail"], data.text


def test_the_command_line_keeps_shows_and_forgets_an_account(places: Places) -> None:
    places.more |= {"STCLOUD_HUB_TOKEN": FINE}
    try:
        added = places.run("destinations", "add", "mine", "--hub")
    finally:
        del places.more["STCLOUD_HUB_TOKEN"]
    assert added.returncode == 0 and "the account ana" in added.stdout and FINE not in added.stdout + added.stderr, (
        added
    )
    listed = places.run("destinations", "list")
    assert "Hugging Face Hub" in listed.stdout and FINE[-4:] in listed.stdout, listed
    assert places.run("destinations", "test", "mine").returncode == 0
    assert places.run("destinations", "remove", "mine").returncode == 0
    assert not (places.folder / "state" / "vault" / "default" / "mine.json").exists()
    missing = places.run("destinations", "add", "mine", "--hub")
    assert missing.returncode == 2 and "STCLOUD_HUB_TOKEN" in missing.stderr, missing
