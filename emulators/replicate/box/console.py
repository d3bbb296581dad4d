"""The log, in the line shapes that the real trainer and its container write, one line at a time."""

from __future__ import annotations

import time

_ICONS = {"running": "⏳", "completed": "✓", "failed": "✗"}
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 10
_BAR_INTERVAL_SECONDS = 0.11
_TAIL_CHARACTERS = 5000
_LEVELS = frozenset({"INFO", "WARN", "ERROR"})

_debug_log: list[str] = []


def say(source: str, message: str) -> None:
    print(f"[{source}] {message}", flush=True)
    if source in _LEVELS:
        _debug_log.append(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{source}] {message}")


def debug_log_tail() -> str:
    return "\n".join(_debug_log)[-_TAIL_CHARACTERS:]


def stage(status: str, label: str, progress: str | None = None, message: str | None = None) -> None:
    """``progress`` is ``p%`` or ``current/total``."""
    line = f"[STAGE] {_ICONS[status]} {label}"
    line += f" ({progress})" if progress else ""
    line += f": {message}" if message else ""
    print(line, flush=True)


class StepBar:
    """tqdm's line, about nine times a second at most, and always for the last step."""

    def __init__(self, total: int, epochs: int) -> None:
        self._total = total
        self._epochs = epochs
        self._began = time.monotonic()
        self._shown = float("-inf")

    def show(self, step: int, epoch: int, learning_rate: float, loss: float) -> None:
        now = time.monotonic()
        if step < self._total and now - self._shown < _BAR_INTERVAL_SECONDS:
            return
        self._shown = now
        elapsed = max(now - self._began, 1e-6)
        rate = step / elapsed
        left = (self._total - step) / rate
        speed = f"{rate:.2f}it/s" if rate >= 1 else f"{1 / rate:.2f}s/it"
        print(
            f"Epoch {epoch}/{self._epochs}, Steps: {step * 100 // self._total:3d}%|{_bar(step / self._total)}| "
            f"{step}/{self._total} [{_clock(elapsed)}<{_clock(left)}, {speed}, lr={learning_rate:.3g}, "
            f"step_loss={loss:.3g}]",
            flush=True,
        )


def _bar(fraction: float) -> str:
    eighths = int(fraction * _BAR_WIDTH * 8)
    full, part = divmod(eighths, 8)
    bar = "█" * full + (_BLOCKS[part] if full < _BAR_WIDTH else "")
    return bar.ljust(_BAR_WIDTH)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
