"""The vectors that the browser is held to are what the command line makes today."""

from __future__ import annotations

import json
from pathlib import Path

from tests.vectors import copy_layouts
from tests.vectors.browser_manifests import FILE, made


def test_the_browser_is_held_to_what_the_command_line_makes(tmp_path: Path) -> None:
    assert made(tmp_path) == json.loads(FILE.read_text()), "run: python -m tests.vectors.browser_manifests"


def test_the_browser_lays_archives_out_as_the_command_line_does() -> None:
    kept = json.loads(copy_layouts.FILE.read_text())
    assert json.loads(json.dumps(copy_layouts.made())) == kept, "run: python -m tests.vectors.copy_layouts"
