"""Who may import whom. Each room has one rule here; a room without a rule fails, so that adding one is a decision."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_ROOMS = {"node_modules", "vendor", "frontend", "docs", "__pycache__"}
"""Folders with no Python of ours in them; hidden folders are passed over too."""


@dataclass(frozen=True)
class Rule:
    """What a room may import beside the standard library and itself, by dotted beginning."""

    ours: tuple[str, ...] = ()
    libraries: tuple[str, ...] | None = ()
    """None: any library, because the room never runs in Lambda and picks its own."""

    def allows(self, name: str, room: str, rooms: set[str]) -> bool:
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or _below(name, room):
            return True
        if top in rooms:
            return any(_below(name, allowed) for allowed in self.ours)
        return self.libraries is None or any(_below(name, allowed) for allowed in self.libraries)


AWS = ("boto3", "botocore", "mypy_boto3_dynamodb", "mypy_boto3_s3", "mypy_boto3_secretsmanager")
DOMAIN = "chalicelib.domain"
ADAPTERS = ("chalicelib.stores", "chalicelib.storage", "chalicelib.providers", "chalicelib.observe")

RULES = {
    "chalicelib": Rule(),
    "chalicelib.domain": Rule(),
    "chalicelib.actions": Rule(ours=(DOMAIN,)),
    "chalicelib.stores": Rule(ours=(DOMAIN,), libraries=AWS),
    "chalicelib.storage": Rule(ours=(DOMAIN,), libraries=AWS),
    "chalicelib.providers": Rule(ours=(DOMAIN,), libraries=("replicate", "httpx", "huggingface_hub", "httpx2")),
    # Of the composition only the type, which says what a route can be handed.
    "chalicelib.routes": Rule(
        ours=(DOMAIN, "chalicelib.actions", "chalicelib.services.Services"), libraries=("chalice", "pydantic")
    ),
    "chalicelib.observe": Rule(ours=(DOMAIN,), libraries=("aws_lambda_powertools",)),
    "chalicelib.settings": Rule(ours=(DOMAIN,)),
    "chalicelib.services": Rule(ours=(DOMAIN, "chalicelib.settings", "chalicelib.actions", *ADAPTERS), libraries=AWS),
    "app": Rule(ours=("chalicelib",), libraries=("chalice",)),
    "local": Rule(ours=("chalicelib", "app", "client", "emulators"), libraries=None),
    "client": Rule(ours=(DOMAIN,), libraries=("httpx", "rich")),
    "worker": Rule(),
    "emulators": Rule(libraries=None),
    "infra": Rule(libraries=None),
    # Its scripts are also run by the Python of an installed trainer, which has nothing of ours.
    "tools": Rule(libraries=("simpletuner", "torch")),
    # What an engineer copies from may use what a provider may use.
    "examples": Rule(ours=(DOMAIN, "chalicelib.providers.base"), libraries=None),
    "bench": Rule(ours=("app", "chalicelib", "local", "client", "emulators", "worker", "tests"), libraries=None),
    "tests": Rule(
        ours=("app", "chalicelib", "local", "client", "emulators", "worker", "bench", "infra", "tools", "examples"),
        libraries=None,
    ),
}


def _below(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(beginning + ".")


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in NO_ROOMS and not name.startswith(".")]
        yield from (Path(folder) / name for name in names if name.endswith(".py"))


def _module(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    """The top folder or file; inside ``chalicelib`` one step deeper, for there every folder has a rule of its own."""
    parts = module.split(".")
    return ".".join(parts[: 2 if parts[0] == "chalicelib" else 1])


def _imports(source: str, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Every import, also the ones inside functions and behind ``TYPE_CHECKING``, as line and full dotted name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = module.split(".")
                kept = parents[: len(parents) - node.level + is_package]
                origin = ".".join([*kept, origin] if origin else kept)
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def breaches(root: Path) -> list[str]:
    modules = {file: _module(file, root) for file in sorted(_files(root))}
    rooms = {module.partition(".")[0] for module in modules.values()} | {room.partition(".")[0] for room in RULES}
    found = []
    for file, module in modules.items():
        place, room = file.relative_to(root).as_posix(), _room(module)
        rule = RULES.get(room)
        if rule is None:
            found.append(f"{place}: the room '{room}' has no rule in {Path(__file__).name}")
            continue
        for line, name in _imports(file.read_text("utf-8"), module, file.name == "__init__.py"):
            if not rule.allows(name, room, rooms):
                found.append(f"{place}:{line}: '{room}' may not import {name}")
    return found


def test_every_room_imports_only_what_its_rule_allows() -> None:
    found = breaches(ROOT)
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("chalicelib/domain/jobs.py", "import pydantic"),
        ("chalicelib/domain/jobs.py", "from chalicelib import actions"),
        ("chalicelib/actions/submit.py", "def late():\n    import boto3"),
        ("chalicelib/stores/jobs.py", "from ..storage import objects"),
        ("chalicelib/storage/objects.py", "import httpx"),
        ("chalicelib/providers/replicate.py", "import chalicelib.actions.submit"),
        ("chalicelib/routes/jobs.py", "from chalicelib.services import build"),
        ("chalicelib/services.py", "from chalicelib.routes import jobs"),
        ("client/api.py", "from chalicelib.stores import table"),
        ("worker/agent.py", "import chalicelib.domain.jobs"),
        ("emulators/replicate/app.py", "from chalicelib.domain import money"),
        ("app.py", "import local.services"),
        ("somewhere/new.py", "import os"),
        ("chalicelib/somewhere/new.py", "import os"),
        ("loose.py", "import os"),
    ],
)
def test_a_breach_is_seen(tmp_path: Path, place: str, source: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, "utf-8")
    assert len(breaches(tmp_path)) == 1


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("chalicelib/domain/jobs.py", "from .money import Micros\nimport json"),
        ("chalicelib/stores/__init__.py", "from .jobs import Jobs\nimport botocore.exceptions"),
        ("chalicelib/routes/jobs.py", "from chalicelib.services import Services\nfrom chalice.app import Blueprint"),
        ("client/api.py", "from chalicelib.domain import configs\nimport httpx"),
        ("tests/unit/test_x.py", "import local.s3"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, place: str, source: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, "utf-8")
    assert breaches(tmp_path) == []
