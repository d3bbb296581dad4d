"""Repositories of datasets at the Hub emulator: the official client, our own adapter and the library that the trainer
reads them with understand it, and private ones are shut to whoever has no business there."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # read when the client is first loaded
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from chalicelib.domain.dataset_repositories import ARCHIVE, CARD, card
from chalicelib.domain.errors import DestinationDown, DestinationRefused
from chalicelib.domain.hub import HubUpload
from emulators.replicate.real.home import Home
from tests import web
from tests.http.test_hub_emulator import official, ours
from tests.hub import ANA, MEMBER, READER, HubProcess, start_hub

LARGE = b"PK\3\4" + b"pictures" * 20_000
REAL = Home.chosen()


@pytest.fixture(scope="module")
def hub() -> Iterator[HubProcess]:
    with start_hub() as running:
        yield running


def upload(path: str, body: bytes) -> HubUpload:
    return HubUpload(path, len(body), hashlib.sha256(body).hexdigest(), body[:512], lambda: io.BytesIO(body))


def test_what_the_official_client_puts_into_a_dataset_it_finds_again_until_it_deletes_it(
    hub: HubProcess, tmp_path: Path
) -> None:
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.errors import RepositoryNotFoundError

    api, kind = official(hub), "dataset"
    assert str(api.create_repo("ana/cats", repo_type=kind, private=True)) == f"{hub.url}/datasets/ana/cats"
    assert str(api.create_repo("ana/cats", repo_type=kind, exist_ok=True)) == f"{hub.url}/datasets/ana/cats"
    files = [CommitOperationAdd("1/cats.zip", LARGE), CommitOperationAdd("README.md", b"---\nviewer: false\n---\nHi")]
    api.create_commit("ana/cats", files, commit_message="Add cats", repo_type=kind)
    assert set(api.list_repo_files("ana/cats", repo_type=kind)) == {".gitattributes", "1/cats.zip", "README.md"}
    info = api.dataset_info("ana/cats")
    assert info.private and {one.rfilename for one in info.siblings} >= {"1/cats.zip"}
    [zipped, folder] = api.get_paths_info("ana/cats", ["1/cats.zip", "1", "none"], repo_type=kind)
    assert (zipped.size, zipped.lfs.sha256, folder.path) == (len(LARGE), hashlib.sha256(LARGE).hexdigest(), "1")
    assert [one.name for one in api.list_repo_refs("ana/cats", repo_type=kind).branches] == ["main"]
    fetched = api.hf_hub_download("ana/cats", "1/cats.zip", repo_type=kind, cache_dir=str(tmp_path))
    assert Path(fetched).read_bytes() == LARGE
    api.delete_repo("ana/cats", repo_type=kind)
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("ana/cats")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("ana/cats", repo_type=kind)
    api.delete_repo("ana/cats", repo_type=kind, missing_ok=True)


def test_a_model_and_a_dataset_of_one_name_are_two_repositories(hub: HubProcess) -> None:
    adapter = ours(hub)
    adapter.create("ana/twin", private=False)
    adapter.create("datasets/ana/twin", private=True)
    assert (adapter.is_private("ana/twin"), adapter.is_private("datasets/ana/twin")) == (False, True)
    adapter.commit("datasets/ana/twin", {"only.txt": b"here"}, "Add")
    assert adapter.read("datasets/ana/twin", "only.txt", 100) == b"here"
    assert adapter.read("ana/twin", "only.txt", 100) is None
    adapter.delete("ana/twin")
    assert (adapter.is_private("ana/twin"), adapter.is_private("datasets/ana/twin")) == (None, True)


def test_what_we_send_to_a_dataset_is_sent_and_committed_once(hub: HubProcess) -> None:
    adapter, repo = ours(hub), "datasets/ana/sent"
    body = LARGE + b"sent once"
    files = [upload(ARCHIVE, body), upload(CARD, card("j-1"))]
    for _ in range(2):
        assert adapter.create(repo, private=True) == f"{hub.url}/datasets/ana/sent"
        adapter.send(repo, files[0])
        adapter.publish(repo, files, "Add a dataset")
    assert len([one for one in hub.asked(f"/{files[0].sha256}") if one["method"] == "PUT"]) == 1
    assert len(hub.asked("/datasets/ana/sent/commit/main")) == 1
    there = {file.path: file for file in adapter.files(repo)}
    assert there[ARCHIVE].sha256 == files[0].sha256 and there[ARCHIVE].size == len(body)
    for _ in range(2):
        adapter.delete(repo)
        assert adapter.is_private(repo) is None
    adapter.create(repo, private=True)
    assert [file.path for file in adapter.files(repo)] == [".gitattributes"]
    adapter.send(repo, files[0])
    assert len([one for one in hub.asked(f"/{files[0].sha256}") if one["method"] == "PUT"]) == 2, "nothing was left"


@pytest.mark.parametrize("token", [None, MEMBER, "hf_nobody"])
def test_a_private_dataset_is_shut_to_strangers(hub: HubProcess, token: str | None) -> None:
    owner, repo = ours(hub), "datasets/ana/shut"
    owner.create(repo, private=True)
    owner.send(repo, upload(ARCHIVE, LARGE))
    owner.publish(repo, [upload(ARCHIVE, LARGE)], "Add")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for path in (f"/api/{repo}", f"/api/{repo}/tree/main", f"/{repo}/resolve/main/{ARCHIVE}", f"/api/{repo}/refs"):
        assert web.get(f"{hub.url}{path}", headers=headers).status_code in (401, 404), path
    asked = {"name": "shut", "organization": "ana", "type": "dataset"}
    refused = web.request("DELETE", f"{hub.url}/api/repos/delete", json=asked, headers=headers)
    assert refused.status_code in (401, 404)
    assert owner.is_private(repo) is True


def test_the_address_of_a_large_file_is_signed_for_it_and_ends_with_its_repository(hub: HubProcess) -> None:
    owner, repo = ours(hub), "datasets/ana/signed"
    owner.create(repo, private=True)
    owner.send(repo, upload(ARCHIVE, LARGE))
    owner.publish(repo, [upload(ARCHIVE, LARGE)], "Add")
    headers = {"Authorization": f"Bearer {ANA}"}
    asked = f"{hub.url}/{repo}/resolve/main/{ARCHIVE}"
    leads = web.request("HEAD", asked, headers=headers).headers
    assert leads["x-linked-size"] == str(len(LARGE))
    address = leads["location"]
    assert web.get(address).content == LARGE
    assert web.get(address, headers={"Range": "bytes=4-11"}).content == b"pictures"
    assert web.get(address.partition("&signature")[0]).status_code == 403
    owner.delete(repo)
    assert web.get(address).status_code == 404


def test_refusals_about_datasets_are_told_apart(hub: HubProcess) -> None:
    reader, adapter = ours(hub, READER), ours(hub)
    with pytest.raises(DestinationRefused, match="rights to create a dataset"):
        reader.create("datasets/ana/denied", private=True)
    adapter.create("datasets/ana/denied", private=True)
    assert reader.is_private("datasets/ana/denied") is True
    with pytest.raises(DestinationRefused, match="Forbidden"):
        reader.delete("datasets/ana/denied")
    hub.fault("/repos/delete", 503, times=3)
    with pytest.raises(DestinationDown):
        adapter.delete("datasets/ana/denied")
    hub.fault("/repos/delete", 503, after=True)
    adapter.delete("datasets/ana/denied")
    assert adapter.is_private("datasets/ana/denied") is None
    hub.fault("/api/datasets/ana/denied", 403)
    with pytest.raises(DestinationRefused):
        adapter.is_private("datasets/ana/denied")


READS = """
import sys
from datasets import load_dataset, load_dataset_builder
load_dataset_builder(sys.argv[1], cache_dir="cache")
found = load_dataset(sys.argv[1], split="train", revision=None, cache_dir="cache", streaming=False)
print([(one["image"].size, one["text"]) for one in found])
"""


@pytest.mark.skipif(not REAL.has("venv"), reason="the real trainer's environment is not set up here")
def test_the_library_of_the_trainer_reads_pictures_and_captions_out_of_what_we_send(
    hub: HubProcess, tmp_path: Path
) -> None:
    adapter, repo = ours(hub), "datasets/ana/pictures"
    body = pictures()
    adapter.create(repo, private=True)
    adapter.send(repo, upload(ARCHIVE, body))
    adapter.publish(repo, [upload(ARCHIVE, body), upload(CARD, card("j-1"))], "Add a dataset")

    def read(token: str | None) -> subprocess.CompletedProcess[str]:
        place = tmp_path / str(token)
        place.mkdir()
        given = {"HF_ENDPOINT": hub.url, "HF_HOME": str(place / "home"), "PATH": os.environ["PATH"]}
        given |= {"HF_TOKEN": token} if token else {}
        command = [str(REAL.python), "-c", READS, "ana/pictures"]
        return subprocess.run(command, cwd=place, env=given, capture_output=True, text=True, timeout=300)

    done = read(ANA)
    assert "((8, 8), 'red'), ((8, 8), 'blue')" in done.stdout, done.stderr
    for stranger in (None, MEMBER):
        refused = read(stranger)
        assert refused.returncode and "doesn't exist" in refused.stderr, refused.stderr


def pictures() -> bytes:
    from PIL import Image

    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        told = []
        for name in ("red", "blue"):
            drawn = io.BytesIO()
            Image.new("RGB", (8, 8), name).save(drawn, "png")
            archive.writestr(f"deep/{name}.png", drawn.getvalue())
            told.append({"file_name": f"deep/{name}.png", "text": name})
        archive.writestr("metadata.jsonl", "".join(f"{json.dumps(one)}\n" for one in told))
    return body.getvalue()
