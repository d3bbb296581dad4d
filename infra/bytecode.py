"""Bytecode for a zip of sources: ``python infra/bytecode.py SOURCES.zip BYTECODE.zip``, in a process of its own.

What marshal writes depends on how often a string is referred to in the process at that moment. A process that does
nothing else, in a fixed order and with a fixed hash seed, writes the same bytes each time.
"""

from __future__ import annotations

import importlib.util
import marshal
import sys
import zipfile
from pathlib import PurePosixPath

CODE_FOLDER = "/var/task"
"""Where Lambda unpacks the zip: what a traceback shows."""

_UNCHECKED = importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little")
"""How bytecode begins that stands for a hash of its source (PEP 552), which nobody need check."""

_OURS = ("chalicelib/", "app.py")


def compile_zip(sources: str, target: str) -> None:
    """Raises ``SyntaxError`` for a module of ours; a library's file for another Python is passed over."""
    with zipfile.ZipFile(sources) as given, zipfile.ZipFile(target, "w") as out:
        for name in sorted(name for name in given.namelist() if name.endswith(".py")):
            source = given.read(name)
            try:
                code = compile(source, f"{CODE_FOLDER}/{name}", "exec", dont_inherit=True, optimize=0)
            except SyntaxError:
                if name.startswith(_OURS):
                    raise
                continue
            out.writestr(_cached(name), _UNCHECKED + importlib.util.source_hash(source) + marshal.dumps(code))


def _cached(name: str) -> str:
    module = PurePosixPath(name)
    return str(module.parent / "__pycache__" / f"{module.stem}.{sys.implementation.cache_tag}.pyc")


if __name__ == "__main__":
    compile_zip(*sys.argv[1:])
