"""The real trainer for the tests that need it, and the table of what became of it.

Where the environment cannot be had these tests are skipped, and the end of the run says so in its own paragraph
(``tests/conftest.py``): nobody shall take such a run for one that the trainer has judged.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulators.replicate.real.home import VERSIONS
from tests.conftest import NO_TRAINER
from tests.engines import Engine
from tests.hub import ANA, start_hub
from tests.journeys.conftest import REPO, aws, images, started  # noqa: F401 - fixtures
from tests.real import results
from tests.real.world import RealWorld

_UNAVAILABLE = 3
_CELL = "real trainer"


def need(version: str) -> None:
    """Waits for the set-up that ``make`` has begun, or does it."""
    command = [sys.executable, "-m", "emulators.replicate.real", "--version", version]
    told = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if told.returncode == _UNAVAILABLE:
        pytest.skip(f"{NO_TRAINER} {told.stderr.strip()}")
    assert told.returncode == 0, told.stderr


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    need(request.param)
    return str(request.param)


@pytest.fixture(scope="module")
def world(version: str, tmp_path_factory: pytest.TempPathFactory, aws: Engine) -> Iterator[RealWorld]:  # noqa: F811
    """Server, vendor, Hub and somebody's bucket; the vendor's newest version is ``version``."""
    with start_hub() as hub:
        made = RealWorld(tmp_path_factory.mktemp("real"), hub=hub, aws=aws.url, bucket="theirs", version=version)
        made.more = {"HF_TOKEN": ANA, "HF_ENDPOINT": hub.url}
        made.s3().create_bucket(Bucket=made.bucket)
        with started(made):
            yield made


@pytest.fixture
def row(version: str, record_property: Callable[[str, object], None]) -> Callable[[str], Callable[[str], None]]:
    """``tell = row("data by address")``, and at the end ``tell("20 steps")``: one cell of docs/trainers.md."""

    def begin(name: str) -> Callable[[str], None]:
        assert name in results.ROWS
        # Until there is something to tell, the journey has failed.
        record_property(_CELL, [version, name, results.FAILED])
        return lambda result: record_property(_CELL, [version, name, result])

    return begin


@pytest.fixture
def captions(images: Path) -> list[str]:  # noqa: F811
    return sorted(path.read_text() for path in images.glob("*.txt"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", action="store_true", help="write docs/trainers.md anew from this run")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--results", False):
        return
    reports = [one for some in terminalreporter.stats.values() for one in some if isinstance(one, pytest.TestReport)]
    cells: list[results.Cell] = []
    for report in reports:
        told = [value for name, value in report.user_properties if name == _CELL]
        cells += {(version, row): (version, row, result) for version, row, result in told}.values()
    if cells:
        results.write(results.PAGE, cells, datetime.now(UTC).date())
        terminalreporter.line(f"Written: {results.PAGE}")
