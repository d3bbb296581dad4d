"""The Hub emulator and the official client understand each other; so do the emulator and our own adapter."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # read when the client is first loaded
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from chalicelib.domain.errors import DestinationDown, DestinationRefused
from chalicelib.domain.hub import HubUpload
from chalicelib.providers.hugging_face_hub import HuggingFaceHub
from chalicelib.providers.road import Road
from tests.hub import ANA, FINE, MEMBER, READER, HubProcess, start_hub

WEIGHTS = b"weights" * 1000


@pytest.fixture(scope="module")
def hub() -> Iterator[HubProcess]:
    with start_hub() as running:
        yield running


def official(hub: HubProcess, token: str = ANA) -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub.url, token=token)


def ours(hub: HubProcess, token: str | None = ANA) -> HuggingFaceHub:
    return HuggingFaceHub(token, hub.url, Road(10.0, 2.0), sleep=lambda _: None)


def test_what_the_official_client_publishes_it_finds_again_and_so_do_we(hub: HubProcess, tmp_path: Any) -> None:
    from huggingface_hub import hf_hub_download

    api = official(hub)
    assert api.whoami()["auth"]["accessToken"]["role"] == "write"
    assert str(api.create_repo("ana/lora", private=True)) == f"{hub.url}/ana/lora"
    assert str(api.create_repo("ana/lora", exist_ok=True)) == f"{hub.url}/ana/lora"
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "deep" / "notes.txt").write_text("small")
    (folder / "README.md").write_text("---\ntags:\n- x\n---\nHello")
    api.upload_folder(repo_id="ana/lora", folder_path=str(folder))
    assert "deep/notes.txt" in api.list_repo_files("ana/lora")
    assert api.repo_info("ana/lora").private
    fetched = hf_hub_download(
        "ana/lora", "model.safetensors", endpoint=hub.url, token=ANA, cache_dir=str(tmp_path / "cache")
    )
    assert Path(fetched).read_bytes() == WEIGHTS
    files = {file.path: file for file in ours(hub).files("ana/lora")}
    assert files["model.safetensors"].sha256 and files["model.safetensors"].size == len(WEIGHTS)
    assert files["deep/notes.txt"].changed_at is not None
    assert ours(hub).read("ana/lora", "README.md", 1000) == b"---\ntags:\n- x\n---\nHello"
    assert ours(hub).read("ana/lora", "none.md", 1000) is None
    assert ours(hub).first("ana/lora", "model.safetensors", 5) == WEIGHTS[:5]
    assert ours(hub).first("ana/lora", "model.safetensors", 10**9) == WEIGHTS
    assert ours(hub).first("ana/lora", "none.md", 5) == b""


def test_a_trainers_commit_tells_at_which_step_it_pushed_the_weights(hub: HubProcess, tmp_path: Any) -> None:
    api = official(hub)
    api.create_repo("ana/steps")
    title = "Trained for 0 epochs and 20 steps.\nTrained with datasets ['cats-and 99 steps']"
    api.upload_file(repo_id="ana/steps", path_or_fileobj=WEIGHTS, path_in_repo="a.safetensors", commit_message=title)
    api.upload_file(repo_id="ana/steps", path_or_fileobj=b"x", path_in_repo="b.txt", commit_message="By hand")
    steps = {file.path: file.step for file in ours(hub).files("ana/steps")}
    assert (steps["a.safetensors"], steps["b.txt"]) == (20, None)


def test_what_we_commit_the_official_client_reads_and_the_same_again_makes_no_commit(hub: HubProcess) -> None:
    mine = ours(hub)
    assert mine.create("ana/card", private=True) == mine.create("ana/card", private=False) == f"{hub.url}/ana/card"
    files = {"README.md": b"---\ntags:\n- y\n---\n# Card", "samples/sample-1.png": b"\x89PNG\0" * 50}
    mine.commit("ana/card", files, "Say how")
    mine.commit("ana/card", files, "Say how")
    api = official(hub)
    commits = len([one for one in hub.asked("/ana/card/commit/") if one["method"] == "POST"])
    assert commits == 1
    listed = {item.path: item for item in api.list_repo_tree("ana/card", recursive=True, expand=True)}
    assert listed["samples/sample-1.png"].lfs is not None and listed["README.md"].last_commit.title == "Say how"


@pytest.mark.parametrize(
    ("token", "repo", "may", "why"),
    [
        (ANA, "ana/new", None, None),
        (ANA, "acme/new", None, "neither your user name"),
        (READER, "ana/new", None, "may only read"),
        (FINE, "acme/new", None, None),
        (FINE, "ana/new", None, "may not write"),
        (MEMBER, "acme/new", None, "role in the organization"),
    ],
)
def test_who_may_make_what_is_known_before_anything_is_paid(
    hub: HubProcess, token: str, repo: str, may: bool | None, why: str | None
) -> None:
    """And the Hub, asked to do it, says the same."""
    from huggingface_hub.errors import HfHubHTTPError

    mine = ours(hub, token)
    assert mine.may_write(repo) is may
    told = mine.identity().may_create(repo)
    assert (told is None) == (why is None) and (why is None or why in str(told))
    if told is None:
        official(hub, token).create_repo(repo)
        assert mine.may_write(repo) is True
        official(hub, token).delete_repo(repo)
    else:
        with pytest.raises(HfHubHTTPError):
            official(hub, token).create_repo(repo)
        with pytest.raises(DestinationRefused):
            mine.create(repo, private=True)


def test_refusals_are_told_apart(hub: HubProcess) -> None:
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    official(hub).create_repo("ana/refusing", private=True, exist_ok=True)
    assert ours(hub, READER).may_write("ana/refusing") is False
    assert ours(hub, MEMBER).may_write("ana/refusing") is None, "what one may not see is not there"
    with pytest.raises(RepositoryNotFoundError):
        official(hub, MEMBER).auth_check("ana/refusing")
    with pytest.raises(EntryNotFoundError):
        official(hub).hf_hub_download("ana/refusing", "none.bin")
    with pytest.raises(DestinationRefused, match="HF_TOKEN") as refusal:
        ours(hub, "hf_unknownUnknown").identity()
    assert "hf_unknown" not in refusal.value.detail
    with pytest.raises(DestinationRefused, match="secret"):
        ours(hub).commit("ana/refusing", {"README.md": f"my token: {ANA}".encode()}, "Oops")
    with pytest.raises(DestinationRefused, match="YAML"):
        ours(hub).commit("ana/refusing", {"README.md": b"---\na: [\n---\n"}, "Oops")


def test_a_busy_hub_is_asked_again_and_one_that_stays_busy_is_down(hub: HubProcess) -> None:
    hub.fault("/whoami-v2", 503)
    assert ours(hub).identity().name == "ana"
    hub.fault("/whoami-v2", 503, times=3)
    with pytest.raises(DestinationDown):
        ours(hub).identity()
    hub.fault("/whoami-v2", 429, retry_after=60)
    with pytest.raises(DestinationDown) as busy:
        ours(hub).identity()
    assert busy.value.fields["retry_after"] == 60


def test_who_somebody_is_is_asked_once(hub: HubProcess) -> None:
    mine, before = ours(hub), len(hub.asked("/whoami-v2"))
    assert mine.identity() == mine.identity()
    assert len(hub.asked("/whoami-v2")) == before + 1


def upload(path: str, body: bytes, read: list[int] | None = None) -> HubUpload:
    def opened() -> io.BufferedIOBase:
        if read is not None:
            read.append(len(body))
        return io.BytesIO(body)

    return HubUpload(path, len(body), hashlib.sha256(body).hexdigest(), body[:512], opened)


def test_a_model_is_sent_once_and_committed_once_by_the_official_client(hub: HubProcess) -> None:
    adapter = ours(hub)
    adapter.create("ana/sent", private=True)
    files = [upload("model.safetensors", b"sent once" * 1000), upload("notes.txt", b"small")]
    for _ in range(2):
        for file in files:
            adapter.send("ana/sent", file)
    assert len(hub.asked(f"/{files[0].sha256}")) == 1, "what the Hub has is not sent again"
    for _ in range(2):
        adapter.publish("ana/sent", files, "Add the trained model")
    [commit] = hub.asked("/ana/sent/commit/main")
    assert "hf_hub/" in commit["agent"]
    there = {file.path: file for file in adapter.files("ana/sent")}
    assert there["model.safetensors"].sha256 == files[0].sha256
    assert adapter.read("ana/sent", "notes.txt", 100) == b"small"


@pytest.mark.parametrize(
    ("path", "status", "kind", "told"),
    [
        ("/ana/faults.git/info/lfs/objects/batch", 403, DestinationRefused, "403"),
        ("/ana/faults/commit/main", 400, DestinationRefused, "400"),
        ("/ana/faults/preupload/main", 401, DestinationRefused, "token"),
    ],
)
def test_what_goes_wrong_while_sending_is_named(
    hub: HubProcess, path: str, status: int, kind: type[Exception], told: str
) -> None:
    adapter = ours(hub)
    adapter.create("ana/faults", private=True)
    file = upload("model.safetensors", f"{path}{status}".encode() * 100)
    hub.fault(path, status)
    with pytest.raises(kind, match=told) as refused:
        adapter.send("ana/faults", file)
        adapter.publish("ana/faults", [file], "Add")
    assert ANA not in str(refused.value)


def test_a_hub_that_is_not_there_may_be_asked_again_later() -> None:
    adapter = HuggingFaceHub(ANA, "http://127.0.0.1:9", Road(2.0, 1.0), sleep=lambda _: None)
    with pytest.raises(DestinationDown):
        adapter.send("ana/nowhere", upload("model.safetensors", WEIGHTS))
