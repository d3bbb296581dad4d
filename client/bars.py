"""Bars on a terminal: one line each, whatever its width."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from client.words import duration, size, visible

_TITLE = 34


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        whole = "" if task.total is None else f" of {size(int(task.total))}"
        return Text(f"{size(int(task.completed))}{whole}", "green")


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{size(int(speed))}/s" if speed else "", "magenta")


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        left = None if task.finished else task.time_remaining
        return Text(f"{duration(left)} left" if left else "", "cyan")


@contextlib.contextmanager
def transfer(console: Console, title: str, total: int | None, *, redirect: bool) -> Iterator[Callable[[int], None]]:
    """Counts bytes towards ``total``."""
    line = [_whole(_Amount), _whole(_Speed), _whole(_Left)]
    with Progress(_title(), _bar(), *line, console=console, redirect_stdout=redirect) as progress:
        task = progress.add_task(_shortened(visible(title)), total=total)
        yield lambda count: progress.advance(task, count)


@contextlib.contextmanager
def training(console: Console, *, redirect: bool) -> Iterator[Callable[[str, float | None, str], None]]:
    """``(what is going on, percent or None, words after the bar)``."""
    words = TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    with Progress(_title(), _bar(), words, console=console, redirect_stdout=redirect) as progress:
        task = progress.add_task("", total=None, words="")

        def show(title: str, percent: float | None, words: str) -> None:
            total = None if percent is None else 100
            progress.update(
                task, description=_shortened(visible(title)), total=total, completed=percent or 0, words=visible(words)
            )

        yield show


def _title() -> ProgressColumn:
    return TextColumn("{task.description}", style="cyan", markup=False, table_column=Column(no_wrap=True))


def _bar() -> ProgressColumn:
    return BarColumn(None, table_column=Column(min_width=6, max_width=40))


def _whole(kind: type[ProgressColumn]) -> ProgressColumn:
    return kind(table_column=Column(no_wrap=True))


def _shortened(text: str) -> str:
    if len(text) <= _TITLE:
        return text
    return f"{text[: _TITLE // 2]}…{text[-(_TITLE // 2 - 1) :]}"
