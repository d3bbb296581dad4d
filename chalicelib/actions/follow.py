"""Following a run: its log is copied piece by piece as it grows, and progress and loss are read from what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.ports.jobs import Following, Follows, Stale
from chalicelib.domain.progress import Point, Progress, downsample, in_short, joined, read
from chalicelib.domain.redaction import redact
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus
from chalicelib.domain.trainer_reports import Report, told

POINTS = 600
ANSWER = 1_000_000
"""Characters of log in one answer at most: four bytes each stay within what a Lambda function may return."""

_HEAD, _ANCHOR, _TAIL = 200, 400, 2000
_LAST_WORDS = 20_000
"""A trainer prints the traceback of its failure up to four times, and clears up after it."""
_LONGEST_KEY = 64 * 1024
_TRIES = 10
_OVER = (CloudJobStatus.COMPLETED, CloudJobStatus.FAILED, CloudJobStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class LogSlice:
    text: str
    offset: int
    next_offset: int
    complete: bool


class Follow:
    def __init__(
        self,
        follows: Follows,
        secrets: Iterable[str] = (),
        of_job: Callable[[Job], Iterable[str]] = lambda _: (),
    ) -> None:
        """``secrets`` are kept out of every log, and those ``of_job`` out of that job's: its trainer has them."""
        self._follows = follows
        self._secrets = tuple(secrets)
        self._of_job = of_job

    def hear(self, job: Job, info: CloudJobInfo) -> Following:
        """Keeps what is new in the vendor's whole log and returns what is known of it then.

        The same text again, or an older one, adds nothing. Once a run is over its log is complete and stays as it is.
        """
        over = info.status in _OVER
        for _ in range(_TRIES):
            before = self._follows.get(job)
            if before.complete or (info.logs is None and not over):
                return before
            text, after = self._grown(before, info.logs or "", over, (*self._secrets, *self._of_job(job)))
            if after is before:
                return before
            try:
                self._follows.append(job, before, after, text)
            except Stale:
                continue
            return after
        raise Stale(job.id)

    def tell(self, job: Job, report: Report) -> None:
        """Takes in what the trainer itself says of its progress; old and repeated news change nothing."""
        for _ in range(_TRIES):
            before = self._follows.get(job)
            progress = told(before.progress, report)
            if before.complete or progress is before.progress:
                return
            secrets = (*self._secrets, *self._of_job(job))
            # Cleaned before it is cut: of half a secret nobody can tell that it is one.
            words = in_short(redact(progress.last_line, secrets)) if progress.last_line else None
            points = tuple(downsample(joined(before.points, progress.points), POINTS))
            after = replace(before, progress=replace(progress, last_line=words), points=points)
            try:
                self._follows.append(job, before, after, "")
            except Stale:
                continue
            return
        raise Stale(job.id)

    def log(self, job: Job, offset: int) -> LogSlice:
        known = self._follows.get(job)
        offset = min(max(offset, 0), known.length)
        text = self._follows.read(job, offset, ANSWER) if offset < known.length else ""
        end = offset + len(text)
        # A job that ended before it ran has no run whose log could still come.
        complete = (known.complete or (job.is_terminal and job.run_id is None)) and end == known.length
        return LogSlice(text, offset, end, complete)

    def ending(self, job: Job, known: Following) -> str:
        """The end of the log, long enough to tell why a run has failed."""
        return self._follows.read(job, max(0, known.length - _LAST_WORDS), _LAST_WORDS)

    def reach(self, known: Following, info: CloudJobInfo) -> int:
        """How far the vendor's log has come, its last line that has no end yet included: it is a sign of life too."""
        vendor = info.logs or ""
        return known.length + len(vendor) - _settled(vendor)

    def progress(self, job: Job) -> Progress | None:
        """None unless the job is running: the last words of a run that ended are not its progress."""
        return self._follows.get(job).progress if job.phase is Phase.RUNNING else None

    def reached(self, job: Job) -> tuple[int | None, int | None]:
        """The last step that was seen, also of a run that has ended, and how many there are."""
        known = self._follows.get(job).progress
        return known.step, known.total_steps

    def points(self, job: Job) -> tuple[tuple[Point, ...], int | None]:
        known = self._follows.get(job)
        return known.points, known.progress.total_steps

    def _grown(self, before: Following, vendor: str, over: bool, secrets: tuple[str, ...]) -> tuple[str, Following]:
        """What to append, and the state after.

        Vendors send the whole log each time, and looking for secrets costs a hundred times more than a hash: text that
        merely continues what is known is recognised by its hash, and only what is new is cleaned.
        """
        usable = vendor if over else vendor[: _settled(vendor)]
        if before.source_length and _mark(usable[: before.source_length]) == before.source_mark:
            text = redact(usable[before.source_length :], secrets)
            goes_on, seen = True, before.seen + len(text)
        else:
            clean = redact(usable, secrets)
            start = _place(before, clean)
            text, goes_on = clean[start:], start > 0 or not before.seen
            seen = max(before.seen, len(clean)) if start else len(clean)
        if not text and not over:
            return "", before
        progress = read(text, before.progress if goes_on else None)
        return text, replace(
            before,
            length=before.length + len(text),
            seen=seen,
            source_length=len(usable),
            source_mark=_mark(usable),
            head=(before.head + text if goes_on else text)[:_HEAD],
            tail=(before.tail + text)[-_TAIL:],
            complete=over,
            progress=progress,
            points=tuple(downsample(joined(before.points, progress.points), POINTS)),
        )


def _settled(vendor: str) -> int:
    """Where the text ends that can be cleaned by itself.

    A line without its end waits, a private key waits for its last line, and a line that ends with ``:`` or ``=`` for
    what is assigned: of half a secret nobody can tell that it is one. A carriage return ends a line too: a run that
    draws its bar over and over may write nothing else for hours.
    """
    end = _after_line(vendor, len(vendor))
    opened = vendor.rfind("-----BEGIN ", max(0, end - _LONGEST_KEY), end)
    if opened >= 0 and vendor.find("-----END ", opened, end) < 0:
        end = _after_line(vendor, opened)
    while end and vendor[max(0, end - 80) : end].rstrip().endswith((":", "=")):
        end = _after_line(vendor, end - 1)
    return end


def _after_line(text: str, before: int) -> int:
    """Where the last line that ends before a place has ended."""
    newline = text.rfind("\n", 0, before)
    return max(newline, text.rfind("\r", newline + 1, before)) + 1


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _place(before: Following, clean: str) -> int:
    """Where the unknown part of the vendor's text begins: at its end for an older copy, at 0 for a log begun anew."""
    if len(clean) <= before.seen and clean[:_HEAD] == before.head[: len(clean)]:
        return len(clean)
    if before.seen and clean[: before.seen].endswith(before.tail[-before.seen :]):
        return before.seen
    # Some vendors keep only the end of a long log, so the known part may begin anywhere.
    known = before.tail[-_ANCHOR:]
    found = clean.rfind(known) if known else -1
    if found >= 0:
        return found + len(known)
    return len(clean) if clean and clean[-_ANCHOR:] in before.tail else 0
