"""The training loop: real steps on real pictures, paced so that a rehearsal can be watched."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from emulators.replicate.box import backends, console, resume
from emulators.replicate.box.checkpoints import Checkpoints
from emulators.replicate.box.dataset import Dataset
from emulators.replicate.box.network import Adam, Array, Network, patches
from emulators.replicate.box.options import Options
from emulators.replicate.box.publish import Publisher
from emulators.replicate.box.reports import Reports
from emulators.replicate.box.validation import Validation

_NOISE_DRAWS = 4
_STEP_SECONDS = 0.06
_MOST_SECONDS = 30.0
# Rates that suit a model of billions of weights would leave one of thousands where it began.
_RATE_FACTOR = 20
_HIGHEST_RATE = 1e-2


class Stopped(RuntimeError):
    """Training ended early."""


def train(options: Options, dataset: Dataset, publisher: Publisher, faults: dict[str, Any], speed: float) -> None:
    """Leaves the trained weights in ``options.output_dir``. The same seed and pictures give the same bytes.

    Raises ``Stopped``, ``checkpoints.BadCheckpoint`` or an ``OSError``."""
    if "oom_at_start" in faults:
        raise Stopped("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 44.39 GiB.")
    steps, epochs, per_epoch = options.steps_for(dataset.count)
    counted = f"because we have {epochs} epochs and {per_epoch} steps per epoch."
    console.log(f"Calculated our maximum training steps at {steps} {counted}")
    names = [dataset.text_name, *(backend.name for backend in dataset.backends)]
    console.notify(f"Collected the following data backends: {names}")
    tokens = patches(dataset.pictures)
    network = Network(options.rank, options.alpha, tokens.shape[1], options.seed)
    captions = np.stack([network.embed(caption) for caption in dataset.captions])
    optimizer = Adam(network.adapters)
    reports = Reports(options)
    validation = Validation(options, network, publisher, reports)
    checkpoints = Checkpoints(options, dataset, network, optimizer)
    console.notify(f"Using LoRA training mode (rank={options.rank})")
    validation.benchmark()
    begun_at = _resume(options, checkpoints)
    _announce(steps, epochs, per_epoch, options.batch_size, begun_at)
    bar = console.StepBar(steps, epochs, begun_at, "carriage_returns" in faults)
    strange = checkpoints.strange_picture() if begun_at else None
    pace = _Pace(steps, speed, faults)
    rng, order = np.random.default_rng(options.seed), _endless_order(options.seed, len(tokens))
    for step in range(1, steps + 1):
        chosen = [next(order) for _ in range(min(options.batch_size, 16))]
        if step <= begun_at:
            continue
        if faults.get("hang") == step - 1:
            _hang()
        if faults.get("fail_at_step") == step:
            raise Stopped(f"CUDA error: device-side assert triggered at step {step}")
        if strange:
            raise Stopped(backends.no_metadata(strange))
        if unreadable := [index for index in chosen if dataset.flawed.get(index)]:
            raise Stopped(dataset.flawed[unreadable[0]])
        rate, epoch = learning_rate(options, step, steps), min(epochs, 1 + (step - 1) // per_epoch)
        loss, gradients = network.learn(*_noised(rng, tokens[chosen], captions[chosen]))
        optimizer.step(network.adapters, gradients, min(rate * _RATE_FACTOR, _HIGHEST_RATE))
        reports.step(step, epoch, rate, loss)
        saved = None
        if _ends(step, options.checkpoint_every) or _ends(step, options.checkpoint_every_epochs * per_epoch):
            bar.close()
            _tell_checkpoint(step, steps, epoch, epochs, rate, loss)
            shown = f"{options.shown_output_dir}/checkpoint-{step}"
            console.stage("running", "Saving Checkpoint", None, f"Saving checkpoint to {shown}")
            saved = checkpoints.save(step, epoch, per_epoch)
            console.stage("completed", "Saving Checkpoint", None, f"Saved checkpoint to {shown}")
            print("[CHECKPOINT] Checkpoint saved", flush=True)
        bar.show(step, epoch, rate, loss)
        if validation.due(step, begun_at, per_epoch):
            bar.close()
            reports.summary(step)
            validation.run(step)
        if saved is not None:
            validation.assets(step, saved)
        pace.keep()
    bar.close()
    _finish(options, checkpoints, reports, steps, epochs)


def _finish(options: Options, checkpoints: Checkpoints, reports: Reports, steps: int, epochs: int) -> None:
    told = f"global_step = {steps}, max_train_steps = {steps}, epoch = {epochs}, num_train_epochs = {epochs}"
    console.log(f"Training has completed.\n -> {told}")
    shown = options.shown_output_dir
    console.stage("running", "Saving Final Model", None, f"Finalizing model and saving to {shown}")
    checkpoints.save_final(steps)
    reports.summary(steps)
    console.stage("completed", "Saving Final Model", None, f"Model saved to {shown}")
    console.stage("completed", "Training Complete", 100.0, "Training run complete.")


def _resume(options: Options, checkpoints: Checkpoints) -> int:
    """The step to go on from; 0 begins anew."""
    folder = resume.checkpoint(options)
    if options.resume_from == "latest":
        console.log(f"Checking {folder and folder.name} for latest checkpoint.")
    if folder is None:
        if options.resume_from:
            absent = f"Checkpoint '{options.resume_from}' does not exist. Starting a new training run."
            console.log(absent)
            console.stage("completed", "Resume Checkpoint", None, "No model to resume. Beginning fresh training run.")
        return 0
    console.log(f"Resuming from checkpoint {options.shown_output_dir}/{folder.name}")
    step = checkpoints.restore(folder)
    console.stage("running", "Resume Checkpoint", None, f"Resuming model: {folder.name}")
    console.stage("completed", "Resume Checkpoint", None, f"Resumed from global_step {step}")
    console.log(f"Resuming from global_step {step}.")
    return step


def _announce(steps: int, epochs: int, batches: int, batch_size: int, begun_at: int) -> None:
    text = (
        "\n***** Running training *****\n"
        f"-  Num batches = {batches}\n"
        f"-  Num Epochs = {epochs}\n"
        f"- Current Epoch = {min(epochs, 1 + begun_at // batches)}\n"
        f"-  Total train batch size (w. parallel, distributed & accumulation) = {batch_size}\n"
        f"- Instantaneous batch size per device = {batch_size}\n"
        "- Gradient Accumulation steps = 1\n"
        f"-  Total optimization steps = {steps}\n"
        f"-  Total optimization steps remaining = {steps - begun_at}"
    )
    console.notify("Training configuration initialized", "Training Config")
    console.log(text)
    print(f"[TRAINING] {text}", flush=True)


def _tell_checkpoint(step: int, steps: int, epoch: int, epochs: int, rate: float, loss: float) -> None:
    told = f"Step {step} of {steps}: loss {loss:.4f}, lr {rate}, epoch {epoch}/{epochs}"
    console.notify(f"Checkpoint: `{told}, ema_decay_value None (EMA not in use), train_loss {loss:.4f}`")


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


def _endless_order(seed: int, count: int) -> Iterator[int]:
    rng = np.random.default_rng([seed, 1])
    while True:
        yield from (int(index) for index in rng.permutation(count))


def _ends(step: int, interval: int) -> bool:
    return interval > 0 and step % interval == 0


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
