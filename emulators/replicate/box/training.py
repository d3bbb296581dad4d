"""The training loop: real steps on real pictures, paced so that a rehearsal can be watched."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from emulators.replicate.box import console
from emulators.replicate.box.checkpoints import Checkpoints
from emulators.replicate.box.dataset import SIDE, Dataset
from emulators.replicate.box.network import WIDTH, Adam, Array, Network, patches, pictures_of
from emulators.replicate.box.options import Options
from emulators.replicate.box.publish import Publisher

_NOISE_DRAWS = 4
_STEP_SECONDS = 0.06
_MOST_SECONDS = 30.0
# Rates that suit a model of billions of weights would leave one of thousands where it began.
_RATE_FACTOR = 20
_HIGHEST_RATE = 1e-2
_SAMPLING_STEPS = 12


class Stopped(RuntimeError):
    """Training ended early on a fault that was asked for."""


def train(options: Options, dataset: Dataset, publisher: Publisher, faults: dict[str, Any], speed: float) -> None:
    """Leaves the trained weights in ``options.output_dir``. The same seed and pictures give the same bytes."""
    if "oom_at_start" in faults:
        raise Stopped("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 44.39 GiB.")
    steps, epochs = options.steps_for(dataset.count)
    per_epoch = max(1, math.ceil(dataset.count / options.batch_size))
    rng = np.random.default_rng(options.seed)
    tokens = patches(dataset.pictures)
    network = Network(options.rank, options.alpha, tokens.shape[1], options.seed)
    captions = np.stack([network.embed(caption) for caption in dataset.captions])
    optimizer = Adam(network.adapters)
    checkpoints = Checkpoints(options, network, optimizer)
    console.say("INFO", f"***** Running training ***** images={dataset.count} steps={steps} rank={options.rank}")
    console.stage("running", "Training", f"0/{steps}")
    bar, pace = console.StepBar(steps, epochs), _Pace(steps, speed, faults)
    order = _endless_order(rng, len(tokens))
    for step in range(1, steps + 1):
        if faults.get("hang") == step - 1:
            _hang()
        if faults.get("fail_at_step") == step:
            raise Stopped(f"CUDA error: device-side assert triggered at step {step}")
        rate = learning_rate(options, step, steps)
        chosen = [next(order) for _ in range(min(options.batch_size, 16))]
        loss, gradients = network.learn(*_noised(rng, tokens[chosen], captions[chosen]))
        optimizer.step(network.adapters, gradients, min(rate * _RATE_FACTOR, _HIGHEST_RATE))
        bar.show(step, min(epochs, 1 + (step - 1) * epochs // steps), rate, loss)
        if _ends(step, options.checkpoint_every) or _ends(step, options.checkpoint_every_epochs * per_epoch):
            checkpoints.save(step, loss)
            console.say("CHECKPOINT", "Checkpoint saved")
        # The last step is always validated, before the final weights are written.
        if options.prompt and options.validate_every and (_ends(step, options.validate_every) or step == steps):
            _validate(network, options, options.prompt, step)
            publisher.publish()
        pace.keep()
    checkpoints.save_final(steps, loss)
    console.stage("completed", "Training", f"{steps}/{steps}", f"loss={loss:.4f}")


def learning_rate(options: Options, step: int, steps: int) -> float:
    """The rate of the config's schedule; what the log shows."""
    if step <= options.warmup_steps:
        return options.learning_rate * step / options.warmup_steps
    done = (step - options.warmup_steps) / max(1, steps - options.warmup_steps)
    if options.scheduler.startswith("cosine"):
        return options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    if options.scheduler in ("linear", "polynomial"):
        return options.learning_rate * (1 - done)
    return options.learning_rate


def _noised(rng: np.random.Generator, clean: Array, captions: Array) -> tuple[Array, Array, Array, Array]:
    """Each picture a few times, with noise of evenly spread strength: a steadier loss than one draw gives."""
    clean, captions = np.repeat(clean, _NOISE_DRAWS, 0), np.repeat(captions, _NOISE_DRAWS, 0)
    spread = (np.arange(len(clean)) % _NOISE_DRAWS + rng.uniform(size=len(clean))) / _NOISE_DRAWS
    times = spread.astype(np.float32)
    noise = rng.standard_normal(clean.shape).astype(np.float32)
    mixed = (1 - times)[:, None, None] * clean + times[:, None, None] * noise
    return mixed, times, captions, noise - clean


def _endless_order(rng: np.random.Generator, count: int) -> Iterator[int]:
    while True:
        yield from (int(index) for index in rng.permutation(count))


def _ends(step: int, interval: int) -> bool:
    return interval > 0 and step % interval == 0


def _validate(network: Network, options: Options, prompt: str, step: int) -> None:
    """One picture, drawn by the model as it is now: from noise, along the predicted direction."""
    console.stage("running", "Validation", None, f"step {step}")
    caption = network.embed(prompt)[None]
    drawn = (
        np.random.default_rng(options.seed).standard_normal((1, (SIDE * SIDE * 3) // WIDTH, WIDTH)).astype(np.float32)
    )
    for number in range(_SAMPLING_STEPS, 0, -1):
        time_left = np.full(1, number / _SAMPLING_STEPS, np.float32)
        drawn = drawn - network.predict(drawn, time_left, caption) / np.float32(_SAMPLING_STEPS)
    pixels = ((np.clip(pictures_of(drawn, SIDE)[0], -1, 1) + 1) * 127.5).astype(np.uint8)
    path = options.output_dir / "validation_images" / f"step_{step}_validation_0_256x256.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).resize((256, 256), Image.Resampling.BICUBIC).save(path)
    console.stage("completed", "Validation", None, f"step {step}")


class _Pace:
    """Sleeps away what a step took less than its share, so that the bar moves at a speed that eyes can follow."""

    def __init__(self, steps: int, speed: float, faults: dict[str, Any]) -> None:
        self._share = faults.get("step_seconds", min(_STEP_SECONDS, _MOST_SECONDS / steps) / speed)
        self._due = time.monotonic()

    def keep(self) -> None:
        self._due = max(self._due, time.monotonic() - self._share) + self._share
        time.sleep(max(0.0, self._due - time.monotonic()))


def _hang() -> None:
    while True:
        time.sleep(3600)
