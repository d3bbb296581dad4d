"""Kinds of files, told by the end of the name: what is already compressed, and what is text.

The same rules decide on both sides of the wire, so changing them changes the layout of archives.
"""

from __future__ import annotations

import zlib
from enum import Enum

_IMAGES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".avif", ".jxl", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".exr"}
    | {".jfif", ".jp2", ".apng", ".tga", ".ppm"}
)
_MEDIA = _IMAGES | {
    *(".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".mpg", ".mpeg"),
    *(".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac"),
    *(".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"),
    *(".safetensors", ".npz", ".npy", ".parquet", ".arrow", ".pt", ".pth", ".bin", ".lmdb", ".h5"),
}
_TEXT = frozenset(
    {".txt", ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".caption", ".tags", ".tag", ".md", ".rst", ".log"}
    | {".yaml", ".yml", ".xml", ".toml", ".ini", ".cfg", ".srt", ".vtt", ".html", ".svg"}
)

DEFLATE_LIMIT = 8 << 20
"""Larger text is stored: to send one part again, everything before it in the file would be compressed again."""

INSPECT_LIMIT = 1 << 20
"""Files of unknown kind up to this size are read whole; larger ones, and large text, in blocks. All are searched."""

_WORTH_DEFLATING = 64


class Kind(Enum):
    MEDIA = 1
    """Compressed or binary by nature: never worth deflating, never searched for secrets."""

    TEXT = 2
    OTHER = 3


_KINDS = dict.fromkeys(_TEXT, Kind.TEXT) | dict.fromkeys(_MEDIA, Kind.MEDIA)


def kind_of(name: str) -> Kind:
    return _KINDS.get(_suffix(name), Kind.OTHER)


def is_image(name: str) -> bool:
    return _suffix(name) in _IMAGES


def deflated(content: bytes) -> bytes:
    """``content`` as a raw deflate stream, or itself when that is not shorter. The same bytes every time."""
    if len(content) < _WORTH_DEFLATING:
        return content
    # No larger a window than the content can use: at the usual 256 KiB the system hands out fresh memory for every
    # caption, which takes longer than the deflating.
    bits = min(15, max(9, (2 * len(content)).bit_length()))
    packer = zlib.compressobj(6, zlib.DEFLATED, -bits, max(1, bits - 7))
    packed = packer.compress(content) + packer.flush()
    return packed if len(packed) < len(content) else content


def _suffix(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") + 1 else ""
