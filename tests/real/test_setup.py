"""The set-up of the real trainer: what was finished is kept, what was not is begun anew, what cannot be had is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emulators.replicate.real.home import VERSIONS, Home
from tests.journeys.conftest import REPO

pytestmark = [pytest.mark.release, pytest.mark.timeout(300)]

COMMAND = (sys.executable, "-m", "emulators.replicate.real", "--newest")
NO_REGISTRY = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "UV_OFFLINE": "1"}


def set_up(home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"REAL_TRAINER_HOME": str(home), **more}
    return subprocess.run(COMMAND, cwd=REPO, env=environment, capture_output=True, text=True, timeout=250, check=False)


def test_without_a_registry_it_says_so_and_ends_with_the_code_that_the_tests_skip_for(tmp_path: Path) -> None:
    told = set_up(tmp_path, **NO_REGISTRY)
    assert told.returncode == 3, told
    assert "2.3 GB" in told.stdout and "could not be fetched" in told.stderr
    assert not Home(tmp_path).has("venv")


def test_a_set_up_that_was_killed_is_begun_anew(tmp_path: Path) -> None:
    environment = os.environ | {"REAL_TRAINER_HOME": str(tmp_path)}
    process = subprocess.Popen(
        COMMAND, cwd=REPO, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    while "Fetching PyTorch" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    (tmp_path / "venv" / "left behind").touch()
    assert set_up(tmp_path, **NO_REGISTRY).returncode == 3
    assert not (tmp_path / "venv" / "left behind").exists()


def test_what_is_finished_is_recognised_at_once_and_made_anew_when_its_pins_change(tmp_path: Path) -> None:
    home, newest = Home(tmp_path), VERSIONS[0]
    for part in ("venv", "model", newest):
        assert not home.ready(newest)
        home.finish(part)
    began = time.monotonic()
    assert set_up(tmp_path, **NO_REGISTRY).returncode == 0
    assert time.monotonic() - began < 30
    (tmp_path / "ready" / newest).write_text("of other pins")
    told = set_up(tmp_path, **NO_REGISTRY)
    assert "Fetching SimpleTuner" in told.stdout and "Fetching PyTorch" not in told.stdout
    assert not home.has(newest)
