"""What the looks at a run have shown, as the text that is kept in its job's row."""

from __future__ import annotations

import json

from chalicelib.domain.moments import from_text as moment
from chalicelib.domain.moments import maybe_from_text, maybe_to_text, to_text
from chalicelib.domain.watching import Mark, Stall, StallCode, Watch


def watch_text(watch: Watch | None) -> str | None:
    if watch is None:
        return None
    told = {
        "heard_at": maybe_to_text(watch.heard_at),
        "moved_at": maybe_to_text(watch.moved_at),
        "log_length": watch.log_length,
        "total_steps": watch.total_steps,
        "marks": [list(mark) for mark in watch.marks],
        "stall": [watch.stall.code.value, to_text(watch.stall.since)] if watch.stall else None,
    }
    return json.dumps(told, separators=(",", ":"))


def watch_of(text: str | None) -> Watch | None:
    if text is None:
        return None
    read = json.loads(text)
    return Watch(
        heard_at=maybe_from_text(read["heard_at"]),
        moved_at=maybe_from_text(read["moved_at"]),
        log_length=read["log_length"],
        total_steps=read["total_steps"],
        marks=tuple(Mark(*mark) for mark in read["marks"]),
        stall=Stall(StallCode(read["stall"][0]), moment(read["stall"][1])) if read["stall"] else None,
    )
