"""The log of a prediction: the trainer's own lines, its events as the container prints them, and progress bars.

Most of what the trainer says comes twice, once from itself and once as an event. All of it goes the same way as in the
container, so an order in which one overtakes the other means nothing.
"""

from __future__ import annotations

import time
from datetime import datetime

_ICONS = {"running": "⏳", "completed": "✓", "failed": "✗"}
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 10
_BAR_INTERVAL_SECONDS = 0.1
_TAIL_CHARACTERS = 5000

_debug_log: list[str] = []


def cog(message: str) -> None:
    print(f"[COG] {message}", flush=True)


def log(message: str, level: str = "INFO", logger: str = "SimpleTuner") -> None:
    """A line of the trainer's, and the event that repeats it. ``message`` may be several lines."""
    at = f"{datetime.now():%Y-%m-%d %H:%M:%S,%f}"[:-3]
    print(f"[RANK 0] {at} [{level}] {message}\n[EVENT] log.message: {message}", flush=True)
    _debug_log.append(f"[RANK 0] {at} [{level}] ({logger}) {message}")


def error(message: str, logger: str = "SimpleTuner") -> None:
    log(message, "ERROR", logger)


def event(kind: str, message: str) -> None:
    print(f"[EVENT] {kind}: {message}", flush=True)


def notify(message: str, title: str | None = None, level: str = "INFO") -> None:
    print(f"[{level}] {title or message}: {message}", flush=True)


def stage(status: str, label: str, percent: float | None = None, message: str | None = None) -> None:
    shown = f" ({percent:.1f}%)" if percent is not None else ""
    print(f"[STAGE] {_ICONS[status]} {label}{shown}" + (f": {message}" if message else ""), flush=True)


def debug_log_tail() -> str:
    return "\n".join(_debug_log)[-_TAIL_CHARACTERS:]


class Bar:
    """A bar of tqdm's. Each drawing is a line of its own, or all are one line with ``\\r`` between them."""

    def __init__(self, total: int, label: str, one_line: bool = False) -> None:
        self._total = total
        self._one_line = one_line
        self._began = time.monotonic()
        self._open = False
        self.label = label

    def draw(self, done: int, more: str = "") -> None:
        elapsed = max(time.monotonic() - self._began, 1e-6)
        rate = done / elapsed
        if done:
            pace = f"{rate:.2f}it/s" if rate >= 1 else f"{1 / rate:.2f}s/it"
            times = f"{_clock(elapsed)}<{_clock((self._total - done) / rate)}, {pace:>10}{more}"
        else:
            times = f"{_clock(elapsed)}<?, ?it/s"
        share = done / self._total if self._total else 1.0
        line = f"{self.label}: {int(share * 100 + 0.5):3d}%|{_bar(share)}| {done}/{self._total} [{times}]"
        if self._one_line:
            print(f"\r{line}", end="", flush=True)
            self._open = True
        else:
            print(line, flush=True)

    def close(self) -> None:
        if self._open:
            print(flush=True)
            self._open = False


class StepBar:
    """The bar of the steps: drawn with the old loss first, then twice with the step's own. Ten times a second at most,
    and always for the first and the last step."""

    def __init__(self, total: int, epochs: int, done: int, one_line: bool) -> None:
        self._bar = Bar(total, f"Epoch 1/{epochs} Steps", one_line)
        self._epochs = epochs
        self._total = total
        self._shown = float("-inf")
        self._loss: float | None = None
        self._bar.draw(done)

    def show(self, step: int, epoch: int, learning_rate: float, loss: float) -> None:
        self._bar.label = f"Epoch {epoch}/{self._epochs}, Steps"
        now = time.monotonic()
        if self._loss is not None and step < self._total and now - self._shown < _BAR_INTERVAL_SECONDS:
            self._loss = loss
            return
        self._bar.draw(step, _told(learning_rate, self._loss) if self._loss is not None else "")
        self._bar.draw(step, _told(learning_rate, loss))
        self._bar.draw(step, _told(learning_rate, loss))
        self._shown, self._loss = now, loss

    def close(self) -> None:
        self._bar.close()


def _told(learning_rate: float, loss: float) -> str:
    return f", lr={learning_rate:.3g}, step_loss={loss:.3g}"


def _bar(fraction: float) -> str:
    eighths = int(fraction * _BAR_WIDTH * 8)
    full, part = divmod(eighths, 8)
    bar = "█" * full + (_BLOCKS[part] if full < _BAR_WIDTH else "")
    return bar.ljust(_BAR_WIDTH)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
