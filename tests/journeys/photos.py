"""Pictures of nothing, large enough to fill parts, which no packer makes smaller."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

_SIDE = 320


def noise(path: Path) -> None:
    """300 KB."""
    Image.frombytes("RGB", (_SIDE, _SIDE), os.urandom(_SIDE * _SIDE * 3)).save(path, compress_level=0)
