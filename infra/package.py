"""The package: what Chalice makes of the app, merged with ``template.yaml``, and a slim zip beside it.

build/<stage>/sam.json         a SAM template; its functions' code is ./deployment.zip
build/<stage>/deployment.zip   one zip for all functions
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from infra.slim import Weight, slim

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = Path(__file__).with_name("template.yaml")
RUNTIMES = ((3, 11), (3, 12), (3, 13))
"""Those of Lambda's Pythons that the product runs on. The one that packages is the one that will run."""

_STAGE = re.compile(r"[a-z][a-z0-9-]{0,19}")
_SHIPPED = ("app.py", "chalicelib", "requirements.txt", ".chalice", "vendor")
_TO_FUNCTION = re.compile(r"\$\{APIHandler\.Arn\}")
_NAMED_FUNCTION = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-api"


class CannotPackage(Exception):
    """Says why, and what to do."""


class Package(NamedTuple):
    template: Path
    zip: Path
    weight: Weight


def package(stage: str, into: Path | None = None, root: Path = ROOT) -> Package:
    """Packages what ``root`` holds now. Fetches the libraries the first time, about a quarter of a minute."""
    if not _STAGE.fullmatch(stage):
        raise CannotPackage(f"'{stage}' is no stage: use up to 20 small letters, digits and dashes, a letter first.")
    if sys.version_info[:2] not in RUNTIMES:
        known = ", ".join(f"{major}.{minor}" for major, minor in RUNTIMES)
        raise CannotPackage(f"Package with a Python that Lambda runs ({known}), not {sys.version.split()[0]}.")
    build, work = into or root / "build" / stage, root / ".cache" / "package" / stage
    source, raw = work / "source", work / "raw"
    _stage_sources(root, source)
    _chalice(source, raw, stage)
    build.mkdir(parents=True, exist_ok=True)
    try:
        weight = slim(raw / "deployment.zip", build / "deployment.zip")
    except SyntaxError as broken:
        raise CannotPackage(f"A module of ours does not compile:\n{broken}") from broken
    template = untangle(_load(raw))
    (build / "sam.json").write_text(json.dumps(template, indent=1, sort_keys=True) + "\n")
    shutil.rmtree(raw)
    return Package(build / "sam.json", build / "deployment.zip", weight)


def untangle(template: dict[str, Any]) -> dict[str, Any]:
    """Makes the API name its function instead of referring to it, for the function's environment refers to the API."""
    api = template["Resources"]["RestAPI"]["Properties"]
    api["DefinitionBody"] = json.loads(_TO_FUNCTION.sub(_NAMED_FUNCTION, json.dumps(api["DefinitionBody"])))
    return template


def _stage_sources(root: Path, source: Path) -> None:
    """Copies what is shipped, so that nothing else is, and Chalice's cache of libraries stays out of the checkout."""
    source.mkdir(parents=True, exist_ok=True)
    for name in _SHIPPED:
        given, copy = root / name, source / name
        if given.is_dir():
            shutil.copytree(
                given, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "deployments", "deployed")
            )
            _drop_removed(given, copy)
        elif given.exists():
            shutil.copy2(given, copy)


def _drop_removed(given: Path, copy: Path) -> None:
    for file in sorted(copy.rglob("*"), reverse=True):
        relative = file.relative_to(copy)
        if relative.parts[0] != "deployments" and not (given / relative).exists():
            shutil.rmtree(file) if file.is_dir() else file.unlink()


def _chalice(source: Path, out: Path, stage: str) -> None:
    chalice = [sys.executable, "-c", "from chalice.cli import main; raise SystemExit(main())"]
    options = ["--stage", stage, "--merge-template", str(TEMPLATE)]
    command = [*chalice, "package", *options, str(out)]
    done = subprocess.run(command, cwd=source, env=_environment(), capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode:
        raise CannotPackage(f"chalice package failed:\n{said[-4000:]}")
    # Chalice only warns, and ships a zip that cannot be imported.
    if "Could not install dependencies" in said:
        raise CannotPackage(f"There are libraries without a wheel for Lambda:\n{said[-4000:]}")


def _environment() -> dict[str, str]:
    """Chalice imports the app: nothing of this machine's own settings may reach it, and no credentials are needed."""
    ours = re.compile(r"(AWS|STCLOUD|REPLICATE|HF)_")
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return kept | {"AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": "1"}


def _load(folder: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    [written] = folder.glob("sam.*")
    loaded: dict[str, Any] = yaml.safe_load(written.read_text())
    return loaded
