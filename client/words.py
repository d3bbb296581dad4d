"""How sizes, times and text from elsewhere are spelled for people."""

from __future__ import annotations

import re
from datetime import datetime

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """``text`` without what could move the cursor, recolour the terminal or reverse the reading direction."""
    spelled = text.encode("utf-8", "backslashreplace").decode()
    return _CONTROLS.sub("", _ESCAPES.sub("", spelled).replace("\r\n", "\n").replace("\r", "\n"))


def size(count: int) -> str:
    if count < 1024:
        return f"{count} B"
    amount = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1024 or unit == "TiB":
            break
    return f"{amount:.1f} {unit}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def took(seconds: float) -> str:
    """How long something took that may have been quick: ``0.4 s``, or minutes as elsewhere."""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def counted(count: int, one: str, many: str = "") -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def local_time(text: str, *, seconds: bool = False) -> str:
    """A moment of the API on this machine's own clock; what is no moment stays as it is."""
    try:
        there = datetime.fromisoformat(text)
    except ValueError:
        return text
    return there.astimezone().strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
