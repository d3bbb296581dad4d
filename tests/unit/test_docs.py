"""The documents say what the code does: routes, error codes, settings, commands and links."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from chalicelib.domain.errors import CloudError

REPO = Path(__file__).parent.parent.parent
API = (REPO / "docs" / "api.md").read_text()
SETTINGS = (REPO / "docs" / "settings.md").read_text()
DOCUMENTS = sorted(
    REPO / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=REPO, capture_output=True, text=True, check=True
    ).stdout.split()
)


def routes() -> Iterator[tuple[str, str]]:
    """Read from the source, because Chalice registers a blueprint only once a process."""
    prefixes = dict(
        re.findall(r'register_blueprint\((\w+)(?:, url_prefix="([^"]+)")?\)', (REPO / "app.py").read_text())
    )
    for file in sorted((REPO / "chalicelib" / "routes").glob("*.py")):
        found = re.findall(r'(\w+)\.route\("([^"]+)", methods=\[([^\]]+)\]', file.read_text())
        for blueprint, path, methods in found:
            for method in re.findall(r"[A-Z]+", methods):
                yield method, prefixes[blueprint] + path


def _errors(kind: type[CloudError]) -> Iterator[type[CloudError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _errors(below)


def test_every_address_is_documented_with_its_method() -> None:
    missing = [
        f"{method} {path}"
        for method, path in routes()
        if not re.search(rf"`{method}[^\n]*{re.escape(path)}[?`\s]|{re.escape(path)}`[^\n]*`{method}`", API)
    ]
    assert missing == []


def test_every_documented_address_exists() -> None:
    there = set(routes())
    for method, path in re.findall(r"`(GET|POST|PUT|DELETE|PATCH) (/[^\s?`]+)", API):
        assert (method, path) in there, f"docs/api.md names {method} {path}"


def test_every_error_code_is_documented_under_its_status() -> None:
    for module in ("chalicelib.stores.dynamodb", "chalicelib.storage.objects", "chalicelib.providers.replicate"):
        import_module(module)
    rows = re.findall(r"^\| ([0-9, ]+) \| (.+) \|$", API, re.M)
    listed = {int(status): codes for statuses, codes in rows for status in statuses.split(",")}
    missing = [
        f"{kind.status} {kind.code}" for kind in _errors(CloudError) if f"`{kind.code}`" not in listed[kind.status]
    ]
    assert missing == []


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    sources = ["chalicelib/settings.py", "client/settings.py", "app.py"]
    code = "".join((REPO / name).read_text() for name in sources)
    read = set(re.findall(r'"((?:STCLOUD|REPLICATE|AWS|HF)_[A-Z0-9_]+)"', code))
    told = set(re.findall(r"`((?:STCLOUD|REPLICATE|AWS|HF)_[A-Z0-9_]+)`", SETTINGS))
    assert read - told == set()
    assert told - read == set()


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.M))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:^|`)make ([a-z]+)", document.read_text(), re.M))
        assert named <= targets, document


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPO)))
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", document.read_text()):
        assert (document.parent / link).exists(), f"{document.name} links to {link}"
