"""``stcloud`` as a person or a script runs it: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from client.command_line import main
from tests.http.fake_cloud import FakeCloud

ROOT = Path(__file__).parents[2]
OK, FAILED, USAGE, UNREACHABLE, NO_CONSENT, INTERRUPTED = 0, 1, 2, 3, 4, 130


def environment(cloud: FakeCloud | None, **more: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("STCLOUD", "SIMPLETUNER"))}
    env |= {"PYTHONPATH": str(ROOT), "STCLOUD_URL": cloud.url if cloud else "http://127.0.0.1:9"}
    env |= {"XDG_STATE_HOME": os.environ["STATE_OF_THESE_TESTS"]}
    return env | more


def process(cloud: FakeCloud | None, *args: object, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "client", *map(str, args)]
    return subprocess.run(
        command, cwd=cwd, env=environment(cloud, **more), capture_output=True, text=True, stdin=subprocess.DEVNULL,
        timeout=60, check=False,
    )  # fmt: skip


def stcloud(cloud: FakeCloud | None, *args: object, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    """The same as ``process`` without the second that a fresh interpreter takes."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        for name in set(os.environ) - set(environment(cloud)):
            patch.delenv(name)
        for name, value in environment(cloud, **more).items():
            patch.setenv(name, value)
        patch.chdir(cwd)
        try:
            exit_code = main([str(arg) for arg in args])
        except SystemExit as ended:
            exit_code = int(str(ended.code))
    return subprocess.CompletedProcess(args, exit_code, stdout.getvalue(), stderr.getvalue())


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on stdout."""
    assert "Traceback" not in done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    return json.loads(done.stdout)
