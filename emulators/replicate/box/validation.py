"""Validation pictures: drawn by the model as it is, at step 0 and at multiples of the interval."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from emulators.replicate.box import console
from emulators.replicate.box.dataset import SIDE
from emulators.replicate.box.network import WIDTH, Network, pictures_of
from emulators.replicate.box.options import Options
from emulators.replicate.box.publish import Publisher
from emulators.replicate.box.reports import Reports

_SAMPLING_STEPS = 12


class Validation:
    def __init__(self, options: Options, network: Network, publisher: Publisher, reports: Reports) -> None:
        self._options = options
        self._network = network
        self._publisher = publisher
        self._reports = reports

    def benchmark(self) -> None:
        """The base model, before anything was trained; published like any other validation."""
        if not self._options.validates or not self._options.benchmarks:
            return
        folder = self._options.output_dir / "benchmarks" / "base_model"
        if folder.exists():
            return
        console.log(
            "Benchmarking base model for comparison. Supply `--disable_benchmark: true` to disable this behaviour."
        )
        console.stage("running", "Benchmarking base model", None, "Base model benchmark begins")
        pictures = self.run(0)
        folder.mkdir(parents=True)
        for path in pictures:
            shutil.copyfile(path, folder / path.name.removeprefix("step_0_").replace("_0_", "_", 1))
        console.stage("completed", "Benchmarking base model", 100.0, "Base model benchmark completed")

    def due(self, step: int, resumed_at: int, per_epoch: int) -> bool:
        """The last step is no exception: it is validated only when the interval says so."""
        options = self._options
        if not options.validates or step <= resumed_at:
            return False
        every_epochs = options.validate_every_epochs * per_epoch
        return _ends(step, options.validate_every) or _ends(step, every_epochs)

    def run(self, step: int) -> list[Path]:
        """Draws every prompt in every size, then publishes."""
        options = self._options
        console.stage("running", "Running Validation", None, "Validation is starting.")
        drawn = []
        bar = console.Bar(len(options.prompts), "Processing validation prompts")
        for number, (label, prompt) in enumerate(options.prompts):
            console.event("training.validation", f"Validation: {label}")
            bar.draw(number)
            pixels = self._draw(prompt)
            for index, size in enumerate(options.validation_sizes):
                name = f"step_{step}_{label}_{index}_{size[0]}x{size[1]}.png"
                path = options.output_dir / "validation_images" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                shown = (min(size[0], 1024), min(size[1], 1024))
                Image.fromarray(pixels).resize(shown, Image.Resampling.BICUBIC).save(path)
                self._reports.picture(step, label, index, path, size)
                drawn.append(path)
        bar.draw(len(options.prompts))
        self._publisher.publish()
        console.stage("completed", "Running Validation", None, "Validation completed.")
        return drawn

    def assets(self, step: int, checkpoint: Path) -> None:
        """A checkpoint gets the pictures of its step, once they have been published."""
        found = sorted((self._options.output_dir / "validation_images").glob(f"step_{step}_*"))
        for number, path in enumerate(found):
            (checkpoint / "assets").mkdir(exist_ok=True)
            shutil.copyfile(path, checkpoint / "assets" / f"image_{number}{path.suffix}")

    def _draw(self, prompt: str) -> np.ndarray:
        """From noise, along the predicted direction."""
        caption = self._network.embed(prompt)[None]
        noise = np.random.default_rng(self._options.seed).standard_normal((1, (SIDE * SIDE * 3) // WIDTH, WIDTH))
        drawn = noise.astype(np.float32)
        for number in range(_SAMPLING_STEPS, 0, -1):
            time_left = np.full(1, number / _SAMPLING_STEPS, np.float32)
            drawn = drawn - self._network.predict(drawn, time_left, caption) / np.float32(_SAMPLING_STEPS)
        return np.asarray((np.clip(pictures_of(drawn, SIDE)[0], -1, 1) + 1) * 127.5, np.uint8)


def _ends(step: int, interval: int) -> bool:
    return interval > 0 and step % interval == 0
