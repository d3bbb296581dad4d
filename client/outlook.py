"""Where a job is heading, and what it hangs on, in words: ``ends at $4.10–4.60 of $6.00 at 14:20``."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.money import display
from client.shapes import Job, Projection


def heading(job: Job) -> str | None:
    """None when nothing is known."""
    known = job.get("projection")
    if not known:
        return None
    ceiling = f" of {display(known['ceiling_micros'])}" if known["ceiling_micros"] is not None else ""
    if known["fits"] == "no":
        ceiling += " (it will be stopped before that)"
    when = _span(known)
    guessed = "" if known["basis"] == "pace" else ", as estimated"
    return f"ends at {price_range(known)}{ceiling}{f' at {when}' if when else ''}{guessed}"


def price_range(known: Projection) -> str:
    low, high = display(known["low_micros"]), display(known["high_micros"])
    return low if low == high else f"{low}–{high.removeprefix('$')}"


def hanging(job: Job) -> str | None:
    stall = job.get("stall")
    return f"{stall['detail']} {stall['advice']}" if stall else None


def _span(known: Projection) -> str:
    if known["ends_low"] is None or known["ends_high"] is None:
        return ""
    first, last = (_clock(moment) for moment in (known["ends_low"], known["ends_high"]))
    return first if first == last else f"{first}–{last}"


def _clock(text: str) -> str:
    there = datetime.fromisoformat(text).astimezone()
    today = there.date() == datetime.now().astimezone().date()
    return there.strftime("%H:%M" if today else "%d %b %H:%M")
