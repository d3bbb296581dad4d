"""A job watched on the screen until it ends: a bar that stays, and above it the log without what the bar says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from client.api import CloudClient
from client.commands.jobs import cost_of
from client.following import Watcher, follow, next_of
from client.outlook import hanging, heading
from client.screen import Screen
from client.shapes import Job, Progress
from client.words import duration

_ENDS = re.compile(r"\r\n|\n|\r(?!\Z)")
"""A bar is drawn over with a carriage return, which may be half of a line end while nothing has come after it."""
_STEP = re.compile(r"Steps:\s+(\d+)%\|")


class LogLines:
    """Log text in whole lines. Of the many step lines only the first of each tenth is told, or none with a bar."""

    def __init__(self, tell: Callable[[str], None], *, steps: bool) -> None:
        self._tell = tell
        self._steps = steps
        self._rest = ""
        self._tenth = -1

    def add(self, text: str) -> None:
        *lines, self._rest = _ENDS.split(self._rest + text)
        for line in lines:
            if self._wanted(line):
                self._tell(f"{line}\n")

    def end(self) -> None:
        if self._rest:
            self.add("\n")

    def _wanted(self, line: str) -> bool:
        step = _STEP.search(line)
        if step is None:
            return True
        tenth = int(step[1]) // 10
        fresh, self._tenth = tenth != self._tenth, tenth
        return self._steps and fresh


@dataclass(slots=True)
class _Scene:
    """What was last heard of a running job."""

    stage: str = ""
    words: str = ""
    percent: float | None = None
    told: str = ""
    hangs: str | None = None


def watch(cloud: CloudClient, screen: Screen, job: Job) -> Job:
    scene = _Scene(told=job["status"])

    def tell(line: str) -> None:
        if screen.as_json:
            screen.note(line.rstrip("\n"))
        else:
            screen.text(line)

    lines = LogLines(tell, steps=not screen.draws)
    with screen.training_bar() as show:

        def on_progress(news: Progress) -> None:
            scene.words, scene.percent = _words(news), news["progress"]
            scene.stage = news["stage"] or scene.stage

        def on_job(news: Job) -> None:
            if not screen.draws and news["status"] != scene.told:
                screen.note(f"Job {news['job_id']} is {news['status']}.")
            scene.told = news["status"]
            if news["status"] == "completed":
                scene.percent, scene.words = 100, ""
            title = scene.stage if news["status"] == "running" and scene.stage else news["phase"]
            cost = cost_of(news) if news["cost_micros"] is not None else ""
            hangs = hanging(news)
            if hangs and hangs != scene.hangs:
                screen.warn(hangs)
            scene.hangs = hangs
            show(title, scene.percent, "  ".join(filter(None, (scene.words, cost, heading(news)))))

        watcher = Watcher(on_job, on_progress, lambda text, offset: lines.add(text), screen.warn)
        ended = follow(cloud, job["job_id"], watcher)
        while following := next_of(ended):
            lines.end()
            screen.note(f"Job {ended['job_id']} hit its provider's cap. It goes on as job {following}.")
            ended = follow(cloud, following, watcher)
        lines.end()
        return ended


def _words(news: Progress) -> str:
    words = []
    if news["step"] is not None:
        words.append(f"{news['step']}" + (f"/{news['total_steps']}" if news["total_steps"] else ""))
    if news["loss"] is not None:
        words.append(f"loss {news['loss']:.4f}")
    if news["eta_seconds"] is not None:
        words.append(f"{duration(news['eta_seconds'])} left")
    return "  ".join(words)
