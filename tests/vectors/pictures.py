"""The first bytes of pictures of each kind, all 640 by 480."""

from __future__ import annotations

import struct
import zlib


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0))
FRAME = b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", 480, 640) + b"\x03" + bytes(9)
EXIF = b"\xff\xe1" + struct.pack(">H", 1000) + bytes(998)
PICTURES = {
    "png": PNG,
    "gif": b"GIF89a" + struct.pack("<HH", 640, 480) + bytes(9),
    "bmp": b"BM" + bytes(16) + struct.pack("<ii", 640, -480) + bytes(9),
    "webp, lossy": b"RIFF\0\0\0\0WEBPVP8 " + bytes(7) + b"\x9d\x01\x2a" + struct.pack("<HH", 640, 480) + bytes(9),
    "webp, lossless": b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<I", 639 | 479 << 14) + bytes(9),
    "webp, extended": b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\x7f\x02\x00\xdf\x01\x00" + bytes(9),
    "jpeg": b"\xff\xd8" + EXIF * 3 + b"\xff" + FRAME,
    "tiff": b"II*\0" + struct.pack("<IHHHIIHHIHHI", 8, 2, 256, 3, 1, 640, 257, 4, 1, 480, 0, 0)[:60],
    "tiff, big end": b"MM\0*" + struct.pack(">IH", 8, 2) + struct.pack(">HHIHHHHII", 256, 3, 1, 640, 0, 257, 4, 1, 480),
}
