"""What jobs were asked for, as people read, compare and repeat it, and configs that live on the server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import web
from tests.configs import TRAINABLE
from tests.journeys.conftest import World, started

pytestmark = pytest.mark.journey

CONFIG = {**TRAINABLE, "max_train_steps": 4, "output_dir": "/home/me/out", "learning_rate": 1e-4, "lora_rank": 8}
DATALOADER = [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("configs"))
    folder = world.folder / "config"
    (folder / "flux").mkdir(parents=True)
    (folder / "flux" / "config.json").write_text(json.dumps(CONFIG))
    (folder / "flux" / "multidatabackend.json").write_text(json.dumps(DATALOADER))
    (world.folder / "elsewhere.txt").write_text("not a config")
    git(world.folder, "init", "--quiet", "--initial-branch", "trials")
    git(world.folder, "add", "config")
    commit(world.folder, "first")
    world.more["STCLOUD_CONFIG_DIR"] = str(folder)
    world.more |= {
        f"GIT_{who}_{what}": "me@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    with started(world):
        yield world


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> None:
    who = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
    git(folder, *who, "commit", "--quiet", "--message", message)


def submit(world: World, **body: Any) -> dict[str, Any]:
    answer = web.post(f"{world.address}/api/cloud/jobs/submit", json=body, timeout=60).json()
    assert answer["success"], answer
    return answer


def test_a_config_that_is_kept_on_the_server_is_trained_by_its_name(world: World) -> None:
    listed = world.get("/api/configs/")
    assert [one["name"] for one in listed["configs"]] == ["flux"] and listed["count"] == 1
    shown = world.get("/api/configs/flux")
    assert shown["config"]["dataloader_config"] == DATALOADER
    job_id = submit(world, config_name_to_load="flux")["job_id"]
    kept = world.get(f"/api/cloud/jobs/{job_id}/config")
    assert kept["config"]["--learning_rate"] == 1e-4 and kept["dataloader_config"] == DATALOADER
    assert "/home/me" not in json.dumps(kept)
    assert kept["ran_with"]["config"]["--output_dir"].startswith("output/")
    unknown = web.post(f"{world.address}/api/cloud/jobs", json={"config_name_to_load": "nobodys"}, timeout=30)
    assert unknown.status_code == 404 and "nobodys" in unknown.json()["detail"]


def test_the_check_before_a_submit_tells_what_the_commit_at_the_submit_then_does(world: World) -> None:
    config = world.folder / "config" / "flux" / "config.json"
    config.write_text(json.dumps(CONFIG | {"seed": 7}))
    (world.folder / "elsewhere.txt").write_text("changed, and nobody's business")
    before = world.get("/api/cloud/pre-submit-check?config_name=flux")
    assert (before["git_available"], before["repo_present"], before["is_dirty"]) == (True, True, True)
    assert (before["dirty_count"], before["current_branch"]) == (1, "trials")
    untouched = submit(world, config_name_to_load="flux")
    told = world.get(f"/api/cloud/jobs/{untouched['job_id']}")["job"]["metadata"]["snapshot"]
    assert (told["commit"], told["was_dirty"], told["committed"]) == (before["current_commit"], True, False)
    labelled = submit(world, config_name_to_load="flux", snapshot_name="Seven", snapshot_message="A luckier seed")
    told = world.get(f"/api/cloud/jobs/{labelled['job_id']}")["job"]["metadata"]["snapshot"]
    assert (told["name"], told["committed"], told["error"]) == ("Seven", True, None)
    assert git(world.folder, "log", "-1", "--format=%H %s %b") == f"{told['commit']} Seven A luckier seed"
    assert git(world.folder, "show", "--name-only", "--format=") == "config/flux/config.json"
    assert world.get("/api/cloud/pre-submit-check")["is_dirty"] is False


def test_a_job_is_repeated_with_changes_and_the_two_are_compared(world: World) -> None:
    first = submit(world, config=CONFIG, dataloader_config=DATALOADER)["job_id"]
    epochs = world.run("again", first, "--unset", "max_train_steps", "--set", "num_train_epochs=1", "--no-follow")
    assert epochs.returncode == 1 and "nobody knows how many images" in epochs.stderr
    done = world.run("--json", "again", first, "--set", "learning_rate=0.0002", "--unset", "lora_rank",
                     "--hardware", "h100", "--no-follow")  # fmt: skip
    assert done.returncode == 0, done.stderr
    second = json.loads(done.stdout)["job"]
    assert second["hardware_profile"] == "h100" and second["job_id"] != first
    told = world.run("config", second["job_id"], "--with", first).stdout
    assert "~ --learning_rate: 0.0001 → 0.0002" in told and "- --lora_rank: 8" in told
    same = submit(world, config=CONFIG, dataloader_config=DATALOADER)["job_id"]
    assert "asked for the same" in world.run("config", same, "--with", first).stdout
    key = {"Idempotency-Key": "one-retry"}
    twice = [web.post(f"{world.address}/api/cloud/jobs/{first}/retry", headers=key, timeout=30) for _ in range(2)]
    assert [answer.status_code for answer in twice] == [201, 200]
    assert len({answer.json()["job_id"] for answer in twice}) == 1


def test_a_job_whose_data_is_gone_is_repeated_with_the_data_sent_again(
    world: World, images: Path, config: Path
) -> None:
    done = world.run("--json", "submit", str(config), "--data", str(images), "--yes", "--snapshot", "from here")
    first = json.loads(done.stdout)["job"]
    assert first["metadata"]["snapshot"]["error"]  # the folder of this config is in no repository
    world.until(first["job_id"], "completed")
    gone = world.run("again", first["job_id"])
    assert gone.returncode == 1 and "--data DIR" in gone.stderr
    again = world.run("--json", "again", first["job_id"], "--data", str(images), "--yes", "--set", "seed=2", "--follow")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["job"]["status"] == "completed"


def test_configs_are_saved_from_files_and_never_written_over_by_chance(world: World, config: Path) -> None:
    assert world.run("configs", "save", "from file", str(config)).returncode == 0
    assert world.run("configs", "save", "from file", str(config)).returncode == 1
    assert world.run("configs", "save", "from file", str(config), "--replace").returncode == 0
    assert json.loads(world.run("configs", "show", "from file").stdout)["config"]["--seed"] == 1
    assert (world.folder / "config" / "from file" / "config.json").is_file()
    body = {"config": {**TRAINABLE, "--max_train_steps": 4, "--hf_token": "hf_" + "a" * 30}}
    saved = web.put(f"{world.address}/api/configs/open", json=body, timeout=30).json()
    assert "hf_token" in saved["warnings"][0] and "hf_aaa" not in json.dumps(world.get("/api/configs/open"))
    assert web.post(f"{world.address}/api/configs/open/validate", timeout=30).json()["valid"]
    assert web.put(f"{world.address}/api/configs/..%2Fup", json=body, timeout=30).status_code == 400
    assert world.run("configs", "delete", "from file").returncode == 0
    assert "from file" not in world.run("configs", "list").stdout
