"""The width and height of a picture, from its first bytes. No picture is decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Read = Callable[[int, int], bytes]
"""Bytes of a file from an offset, fewer at its end."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that begin a frame."""

_MOST_SEGMENTS = 500


def size_of(read: Read) -> tuple[int, int] | None:
    """None for a kind that is not known here, or a file that is cut off. Turned pictures are as they are stored."""
    head = read(0, 32)
    if head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) >= 24:
        return _positive(int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))
    if head[:6] in (b"GIF87a", b"GIF89a") and len(head) >= 10:
        return _positive(_little(head, 6, 2), _little(head, 8, 2))
    if head[:2] == b"BM" and len(head) >= 26:
        height = int.from_bytes(head[22:26], "little", signed=True)  # upside down when it is below zero
        return _positive(_little(head, 18, 4), abs(height))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    if head[:2] == b"\xff\xd8":
        return _jpeg(read)
    if head[:4] in (b"II*\0", b"MM\0*"):
        return _tiff(read, "little" if head[:1] == b"I" else "big")
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    if len(head) < 30:
        return None
    kind = head[12:16]
    if kind == b"VP8X":
        return _positive(1 + _little(head, 24, 3), 1 + _little(head, 27, 3))
    if kind == b"VP8L":
        bits = _little(head, 21, 4)
        return _positive(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        return _positive(_little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF)
    return None


def _jpeg(read: Read) -> tuple[int, int] | None:
    place = 2
    for _ in range(_MOST_SEGMENTS):
        segment = read(place, 9)
        if len(segment) < 9 or segment[0] != 0xFF:
            return None
        if segment[1] == 0xFF:  # padding
            place += 1
        elif segment[1] in _FRAMES:
            return _positive(int.from_bytes(segment[7:9]), int.from_bytes(segment[5:7]))
        else:
            place += 2 + int.from_bytes(segment[2:4])
    return None


def _tiff(read: Read, order: Literal["little", "big"]) -> tuple[int, int] | None:
    def number(content: bytes) -> int:
        return int.from_bytes(content, order)

    start = number(read(4, 4))
    found: dict[int, int] = {}
    for place in range(min(number(read(start, 2)), _MOST_SEGMENTS)):
        field = read(start + 2 + 12 * place, 12)
        if len(field) < 12:
            return None
        tag, kind = number(field[:2]), number(field[2:4])
        if tag in (256, 257) and kind in (3, 4):
            found[tag] = number(field[8:10] if kind == 3 else field[8:12])
    return _positive(found.get(256, 0), found.get(257, 0))


def _little(content: bytes, place: int, count: int) -> int:
    return int.from_bytes(content[place : place + count], "little")


def _positive(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width > 0 and height > 0 else None
