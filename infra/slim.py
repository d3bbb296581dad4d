"""A deployment zip made small, quick to start and the same every time.

    chalice's zip ─▶ drop what Lambda never reads ─▶ compile for the target Python ─▶ sorted, undated zip

Lambda's code folder is read-only, so bytecode that is not shipped is compiled anew at each cold start: that is two
thirds of its time. The bytecode is unchecked: Python does not compare it with the source beside it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

AWS_SERVICES = frozenset({"dynamodb", "s3", "secretsmanager", "sts"})
"""Whose descriptions botocore keeps. It carries some four hundred."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_BOTOCORE_SERVICE = re.compile(r"botocore/data/([^/]+)/")
_NEVER_READ = re.compile(
    r"(^|/)__pycache__/"
    r"|\.pyc$"
    r"|^bin/"
    r"|^boto3/examples/"
    r"|(^|/)tests?/"
    r"|\.pyi$"
    r"|(^|/)py\.typed$"
    r"|\.dist-info/(RECORD|INSTALLER|REQUESTED|WHEEL|direct_url\.json|top_level\.txt)$"
    r"|\.dist-info/sboms/"
)


class Weight(NamedTuple):
    packed: int
    unpacked: int
    """Lambda's limits: 50 MB packed when sent directly, 250 MB unpacked."""
    contributors: list[tuple[str, int]]
    """Top folders with their packed bytes, heaviest first."""


def slim(source: Path, target: Path) -> Weight:
    """Writes ``target``; the same source gives the same bytes. Raises ``SyntaxError`` for a module of ours."""
    with zipfile.ZipFile(source) as given:
        files = {name: given.read(name) for name in wanted(given.namelist())}
    with tempfile.TemporaryDirectory() as folder:
        compiled = _compiled(source, Path(folder))
    files |= {name: code for name, code in compiled.items() if _source(name) in files}
    draft = target.with_suffix(".draft")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
            entry.create_system = 3
            out.writestr(entry, files[name])
    draft.replace(target)
    return weigh(target)


def wanted(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.endswith("/") and not _NEVER_READ.search(name) and _service_used(name)]


def weigh(path: Path) -> Weight:
    packed: Counter[str] = Counter()
    unpacked = 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            packed[entry.filename.partition("/")[0]] += entry.compress_size
            unpacked += entry.file_size
    return Weight(path.stat().st_size, unpacked, packed.most_common())


def _service_used(name: str) -> bool:
    service = _BOTOCORE_SERVICE.match(name)
    return service is None or service[1] in AWS_SERVICES


def _source(name: str) -> str:
    folder, _, file = name.rpartition("__pycache__/")
    return f"{folder}{file.partition('.')[0]}.py"


def _compiled(source: Path, folder: Path) -> dict[str, bytes]:
    made = folder / "bytecode.zip"
    command = [sys.executable, "-s", "-S", str(Path(__file__).with_name("bytecode.py")), str(source), str(made)]
    done = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True)
    if done.returncode:
        raise SyntaxError(done.stderr[-2000:])
    with zipfile.ZipFile(made) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
