"""What ``--report_to simpletuner`` writes: losses and validation pictures, a line each, as training goes."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulators.replicate.box.options import Options


class Reports:
    """Writes nothing unless the config asked for it."""

    def __init__(self, options: Options) -> None:
        self._folder, self._writes = options.output_dir, options.reports
        self._last = time.monotonic()

    def step(self, step: int, epoch: int, learning_rate: float, loss: float) -> None:
        now = time.monotonic()
        seconds, self._last = max(now - self._last, 1e-9), now
        metrics = {
            "epoch": float(epoch),
            "iteration_step_time_seconds": seconds,
            "learning_rate": learning_rate,
            "optimization_loss": loss,
            "seconds_per_step": seconds,
            "step_speed_seconds": seconds,
            "steps_per_second": 1 / seconds,
            "train_loss": loss,
        }
        self._add("training_metrics.jsonl", {"metrics": metrics, "step": step})
        self._add("timestep_distribution.jsonl", {"step": step - 1, "timesteps": [500.0]})

    def picture(self, step: int, label: str, index: int, path: Path, size: tuple[int, int]) -> None:
        told = {"index": index, "label": label, "resolution": f"{size[0]}x{size[1]}", "step": step, "type": "image"}
        self._add("validation_media.jsonl", {**told, "path": path.relative_to(self._folder).as_posix()})

    def summary(self, steps: int) -> None:
        if self._writes:
            document = {"last_step": steps, "created_at": datetime.now(UTC).isoformat()}
            (self._folder / "training_metrics.json").write_text(json.dumps(document, indent=2))
            (self._folder / "training_report.html").write_text("<!doctype html><title>Training report</title>\n")

    def _add(self, name: str, told: dict[str, Any]) -> None:
        if self._writes:
            self._folder.mkdir(parents=True, exist_ok=True)
            line = {**told, "schema_version": 1, "timestamp": datetime.now(UTC).isoformat()}
            with (self._folder / name).open("a") as file:
                file.write(json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n")
