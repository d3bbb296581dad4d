"""A deployment zip made small, quick to start and the same every time.

    chalice's zip ─▶ drop what Lambda never reads ─▶ compile for the target Python ─▶ sorted, undated zip

Lambda's code folder is read-only, so bytecode that is not shipped is compiled anew at each cold start: that is two
thirds of its time. The bytecode is unchecked: Python does not compare it with the source beside it.
"""

from __future__ import annotations

import importlib.util
import marshal
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

AWS_SERVICES = frozenset({"dynamodb", "s3", "secretsmanager", "sts"})
"""Whose descriptions botocore keeps. It carries some four hundred."""

CODE_FOLDER = "/var/task"
"""Where Lambda unpacks the zip: what a traceback shows."""

_UNCHECKED = importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little")
"""How bytecode begins that stands for a hash of its source (PEP 552), which nobody need check."""

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
    files |= dict(_compiled(files))
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


def _compiled(files: dict[str, bytes]) -> Iterable[tuple[str, bytes]]:
    for name in sorted(files):
        if not name.endswith(".py"):
            continue
        try:
            code = compile(files[name], f"{CODE_FOLDER}/{name}", "exec", dont_inherit=True, optimize=0)
        except SyntaxError:
            if name.startswith(("chalicelib/", "app.py")):
                raise
            continue  # a library's file for another Python, which nothing imports
        module = Path(name)
        cached = module.parent / "__pycache__" / f"{module.stem}.{sys.implementation.cache_tag}.pyc"
        digest = importlib.util.source_hash(files[name])
        yield str(cached), _UNCHECKED + digest + marshal.dumps(code)
