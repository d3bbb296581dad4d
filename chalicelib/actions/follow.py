"""Following a run: its log is copied piece by piece as it grows, and progress and loss are read from what is new."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.ports import Following, Follows, Stale
from chalicelib.domain.progress import Point, Progress, downsample, read
from chalicelib.domain.redaction import redact
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus

POINTS = 600
ANSWER = 1_000_000
"""Characters of log in one answer at most: four bytes each stay within what a Lambda function may return."""

_HEAD, _TAIL = 200, 2000
_TRIES = 10
_OVER = (CloudJobStatus.COMPLETED, CloudJobStatus.FAILED, CloudJobStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class LogSlice:
    text: str
    offset: int
    next_offset: int
    complete: bool


class Follow:
    def __init__(self, follows: Follows, secrets: Iterable[str] = ()) -> None:
        self._follows = follows
        self._secrets = tuple(secrets)

    def hear(self, job: Job, info: CloudJobInfo) -> str:
        """Keeps what is new in the vendor's whole log and returns the end of what is kept.

        The same text again, or an older one, adds nothing. Once a run is over its log is complete and stays as it is.
        """
        over = info.status in _OVER
        for _ in range(_TRIES):
            before = self._follows.get(job)
            if before.complete or (info.logs is None and not over):
                return before.tail
            text, after = _grown(before, redact(info.logs or "", self._secrets), over)
            if after is before:
                return before.tail
            try:
                self._follows.append(job, before, after, text)
            except Stale:
                continue
            return after.tail
        raise Stale(job.id)

    def log(self, job: Job, offset: int) -> LogSlice:
        known = self._follows.get(job)
        offset = min(max(offset, 0), known.length)
        text = self._follows.read(job, offset, ANSWER) if offset < known.length else ""
        end = offset + len(text)
        # A job that ended before it ran has no run whose log could still come.
        complete = (known.complete or (job.is_terminal and job.run_id is None)) and end == known.length
        return LogSlice(text, offset, end, complete)

    def progress(self, job: Job) -> Progress | None:
        """None unless the job is running: the last words of a run that ended are not its progress."""
        return self._follows.get(job).progress if job.phase is Phase.RUNNING else None

    def points(self, job: Job) -> tuple[tuple[Point, ...], int | None]:
        known = self._follows.get(job)
        return known.points, known.progress.total_steps


def _grown(before: Following, vendor: str, over: bool) -> tuple[str, Following]:
    """What to append, and the state after. A line without its end waits, for half a secret cannot be recognised."""
    usable = vendor if over else vendor[: vendor.rfind("\n") + 1]
    start = _place(before, usable)
    text = usable[start:]
    if not text and not over:
        return "", before
    progress = read(text, before.progress if start or not before.seen else None)
    return text, replace(
        before,
        length=before.length + len(text),
        seen=max(before.seen, start + len(text)) if start else len(text),
        head=usable[:_HEAD] if start == 0 else before.head,
        tail=(before.tail + text)[-_TAIL:],
        complete=over,
        progress=progress,
        points=tuple(downsample([*before.points, *progress.points], POINTS)),
    )


def _place(before: Following, usable: str) -> int:
    """Where the unknown part of the vendor's text begins. A log that began anew is unknown from its first character."""
    if len(usable) <= before.seen and usable[:_HEAD] == before.head[: len(usable)]:
        return len(usable)  # an older text: news that was late
    if usable[: before.seen].endswith(before.tail[-before.seen :] if before.seen else ""):
        return before.seen
    found = usable.rfind(before.tail)
    return found + len(before.tail) if before.tail and found >= 0 else 0
