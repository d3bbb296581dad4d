"""A range of money drawn as a bar, so that several can be compared at a glance: ``├──■─────┤``."""

from __future__ import annotations

WIDTH = 34


def drawn(low: int, mark: int, high: int, most: int, width: int = WIDTH) -> str:
    """``low`` to ``high`` with ``mark`` between them, on a scale from 0 to ``most``. Always ``width`` characters."""
    first, last = _place(low, most, width), _place(high, most, width)
    at = min(max(_place(mark, most, width), first), last)
    cells = [" "] * width
    for place in range(first, last + 1):
        cells[place] = "─"
    cells[first], cells[last] = "├", "┤"
    cells[at] = "■"
    return "".join(cells)


def _place(value: int, most: int, width: int) -> int:
    return min(width - 1, max(0, value * (width - 1) // most)) if most > 0 else 0
