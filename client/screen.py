"""What the person, or the program, in front of ``stcloud`` sees.

Results go to stdout; progress, warnings and questions go to stderr. With ``--json`` stdout carries JSON, nothing else.
Colours and bars appear on a terminal only, and colours not when NO_COLOR is set. Text from elsewhere (logs, file names,
answers) is stripped of control characters before it reaches a terminal.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from client.words import size, visible

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int], None]

STATUS_COLOURS = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "uploading": "cyan",
    "healthy": "green",
    "degraded": "yellow",
    "unhealthy": "red",
}


class Screen:
    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.is_terminal = sys.stdout.isatty() and not as_json
        self.draws = sys.stderr.isatty()
        self.can_ask = sys.stdin is not None and sys.stdin.isatty() and self.draws

    def result(self, content: Any) -> None:
        """One JSON document, on one line so that a stream of them can be read line by line."""
        print(json.dumps(content, ensure_ascii=False, default=str), flush=True)

    def line(self, text: str, style: str = "") -> None:
        """A line of the answer; in JSON mode it is left out, because the document says it."""
        if self.as_json:
            return
        if self.is_terminal and style:
            _console(stderr=False).print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)
        else:
            print(visible(text), flush=True)

    def text(self, text: str) -> None:
        """Log text, as it comes, without a line end of its own."""
        if not self.as_json:
            sys.stdout.write(visible(text))
            sys.stdout.flush()

    def note(self, text: str, style: str = "") -> None:
        """A message to the person, never part of the answer."""
        if self.draws and style:
            _console(stderr=True).print(visible(text), style=style, markup=False, highlight=False, soft_wrap=True)
        else:
            # In one piece: parts are sent by several threads, and each may have something to say.
            sys.stderr.write(f"{visible(text)}\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        self.note(f"warning: {text}", "yellow")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, aside: bool = False) -> None:
        """Aligned columns; ids and paths are never cut. ``aside`` sends it to stderr."""
        if self.as_json and not aside:
            return
        shown = [[visible(cell).replace("\n", " ") for cell in row] for row in [list(header), *rows]]
        widths = [max(len(row[column]) for row in shown) for column in range(len(header))]
        for number, row in enumerate(shown):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            text = "  ".join(cells).rstrip()
            style = (
                "bold" if number == 0 else next((STATUS_COLOURS[cell] for cell in row if cell in STATUS_COLOURS), "")
            )
            (self.note if aside else self.line)(text, style)

    def ask(self, question: str) -> bool:
        sys.stderr.write(f"{visible(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    @contextlib.contextmanager
    def bar(self, title: str, total: int | None) -> Iterator[Advance]:
        """Counts bytes towards ``total``: a bar on a terminal, a line every tenth of the way elsewhere."""
        if not self.draws:
            yield self._told(title, total)
            return
        from client import bars  # rich takes a tenth of a second to load

        with bars.transfer(_console(stderr=True), title, total, redirect=self.is_terminal) as advance:
            yield advance

    @contextlib.contextmanager
    def training_bar(self) -> Iterator[Callable[[str, float | None, str], None]]:
        """A bar that stays below the log: ``(what is going on, percent or None, words after the bar)``."""
        if not self.draws:
            yield lambda title, percent, words: None
            return
        from client import bars

        with bars.training(_console(stderr=True), redirect=self.is_terminal) as show:
            yield show

    def _told(self, title: str, total: int | None) -> Advance:
        done, tenth, lock = 0, 0, threading.Lock()

        def advance(count: int) -> None:
            nonlocal done, tenth
            with lock:
                done += count
                reached = done * 10 // total if total else 0
                if reached > tenth:
                    tenth = reached
                    self.note(f"{title}: {reached * 10}% of {size(total or 0)}")

        return advance


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    return Console(stderr=stderr)
