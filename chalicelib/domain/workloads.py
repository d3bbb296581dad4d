"""What a training config asks of a GPU, as far as time and memory go. Reads whatever a config holds and never raises.

Options count with and without their ``--``; the dashed form wins, as it does in the trainer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.configs import MOST_STEPS
from chalicelib.domain.model_families import FAMILIES, Family, family_of

TRAINERS_BATCH = 4
"""What the trainer takes where nothing is said (its parser's default)."""

_LARGEST_EDGE, _MOST_FRAMES, _MOST_BATCH, _MOST_IMAGES = 16_384, 2_000, 4_096, 10**9
_QUARTER = ("int4", "nf4", "int2", "uint4", "fp4")
_HALF = ("int8", "fp8", "uint8")
_NOT_TRAINED_ON = ("text_embeds", "image_embeds", "distillation_cache", "conditioning", "eval")
_YES = ("true", "1", "yes", "on")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the data beside the config. ``images`` are those to train on, ``files`` all that is sent."""

    images: int | None = None
    files: int | None = None
    data_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Workload:
    """``gpus`` is how many the config asks for at least. ``checkpointing`` is a mode as ``published_paces`` names them.
    ``steps`` is None while ``epoch_images`` (images of one epoch, with repeats) and ``epochs`` decide, and with
    neither it is not known. ``precision`` is that of the base model. ``notes`` are sentences about what was assumed."""

    family: Family | None
    flavour: str
    is_full: bool
    rank: int
    batch: int
    accumulation: int
    pixels: int
    frames: int
    precision: str
    checkpointing: str
    kernels: str
    """Of the base model, as seeds name it: int8 and fp8 need other kernels, and other times, for as many bits."""
    steps: int | None
    epochs: int
    epoch_images: int | None
    images: int | None
    data_bytes: int
    validate_every: int
    validation_images: int
    validation_steps: int
    save_every: int
    shards_itself: bool
    gpus: int
    resumes: bool
    missing: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def latent_frames(self) -> int:
        return 1 + (self.frames - 1) // 4

    def steps_on(self, gpu_count: int) -> int | None:
        """Every GPU takes a batch of its own, so more of them shorten an epoch but not a number of steps."""
        if self.steps is not None:
            return self.steps
        one = self.epoch_steps_on(gpu_count)
        return min(MOST_STEPS, one * self.epochs) if self.epochs and one else None

    def epoch_steps_on(self, gpu_count: int) -> int | None:
        """Steps of one epoch; None where nobody knows how many images there are."""
        if self.epoch_images is None:
            return None
        return max(1, math.ceil(self.epoch_images / (self.batch * self.accumulation * max(1, gpu_count))))

    @property
    def key(self) -> str:
        """What jobs must share to teach about each other, without the machine: ``flux/lora/dev/1024/b2/16bit``."""
        name = self.family.name if self.family else "?"
        kind = "full" if self.is_full else "lora"
        size = f"{self.bucket}x{self.frames}" if self.frames > 1 else str(self.bucket)
        return f"{name}/{kind}/{self.flavour or '-'}/{size}/b{self.batch * self.accumulation}/{self.precision}"

    @property
    def group(self) -> str:
        """The beginning of the keys of all jobs that teach about this one at all."""
        name = self.family.name if self.family else "?"
        return f"{name}/{'full' if self.is_full else 'lora'}/"

    @property
    def bucket(self) -> int:
        """The edge of a square of as many pixels, to the nearest 128."""
        return max(128, round(math.sqrt(self.pixels) / 128) * 128)


def read(config: Mapping[str, Any], dataloader: Sequence[Any] = (), facts: Facts | None = None) -> Workload:
    facts = facts or Facts()
    options = _Options(config)
    missing: list[str] = []
    notes: list[str] = []
    named = options.text("model_family")
    family = family_of(named) if named else None
    if not named:
        missing.append("which model it trains: set 'model_family'")
    elif family is None:
        missing.append(f"how fast '{named[:40]}' trains: there is no published figure for it here")
    datasets = [one for one in dataloader if isinstance(one, Mapping) and _is_trained_on(one)]
    images, epoch_images = _images(datasets, facts, notes)
    pixels, frames = _size(options, datasets, family, notes)
    steps, epochs = options.whole("max_train_steps", 0, MOST_STEPS), options.whole("num_train_epochs", 0, MOST_STEPS)
    if not steps and not epochs:
        missing.append("how long it trains: set 'max_train_steps', or 'num_train_epochs'")
    elif not steps and epoch_images is None:
        missing.append("how many images there are: with 'num_train_epochs' the steps follow from them")
    flavour = "".join(letter for letter in options.text("model_flavour").lower() if letter.isalnum() or letter in "-._")
    validates = options.text("validation_prompt") or options.text("validation_prompt_library")
    return Workload(
        family=family,
        flavour=flavour[:40],
        is_full=options.text("model_type").lower() == "full",
        rank=options.whole("lora_rank", 16, 4096),
        batch=max(1, options.whole("train_batch_size", TRAINERS_BATCH, _MOST_BATCH)),
        accumulation=max(1, options.whole("gradient_accumulation_steps", 1, _MOST_BATCH)),
        pixels=pixels,
        frames=frames,
        precision=_precision(options.text("base_model_precision").lower()),
        checkpointing=_checkpointing(options),
        kernels=_kernels(options.text("base_model_precision").lower()),
        steps=steps or None,
        epochs=epochs,
        epoch_images=epoch_images,
        images=images,
        data_bytes=max(0, facts.data_bytes),
        validate_every=options.first(("validation_step_interval", "validation_steps"), 100) if validates else 0,
        validation_images=max(1, options.whole("num_validation_images", 1, 100)),
        validation_steps=max(1, options.whole("validation_num_inference_steps", 30, 1000)),
        save_every=options.first(("checkpoint_step_interval", "checkpointing_steps"), 500),
        shards_itself=bool(options.text("deepspeed_config") or options.yes("fsdp_enable")),
        gpus=_gpus(options),
        # "latest" finds nothing on a fresh machine.
        resumes=options.text("resume_from_checkpoint").lower() not in ("", "none", "false", "latest"),
        missing=tuple(missing),
        notes=tuple(notes),
    )


class _Options:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def _get(self, name: str) -> Any:
        dashed = self._config.get(f"--{name}")
        return self._config.get(name) if dashed is None else dashed

    def text(self, name: str) -> str:
        value = self._get(name)
        return value.strip()[:200] if isinstance(value, str) else "" if value is None else str(value)[:200]

    def yes(self, name: str) -> bool:
        return self.text(name).lower() in _YES

    def whole(self, name: str, default: int, most: int) -> int:
        return _whole(self._get(name), default, most)

    def number(self, name: str) -> float | None:
        return _number(self._get(name))

    def first(self, names: tuple[str, ...], default: int) -> int:
        return next((found for name in names if (found := self.whole(name, 0, MOST_STEPS))), default)


def _whole(value: Any, default: int, most: int) -> int:
    number = _number(value)
    return default if number is None else int(min(most, max(0, number)))


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, bool | list | dict):
        return None
    try:
        number = float(str(value)[:40])
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_trained_on(dataset: Mapping[str, Any]) -> bool:
    off = dataset.get("disabled") or dataset.get("disable")
    return not off and str(dataset.get("dataset_type") or "image") not in _NOT_TRAINED_ON


def _images(datasets: list[Mapping[str, Any]], facts: Facts, notes: list[str]) -> tuple[int | None, int | None]:
    """How many there are, and how many one epoch sees."""
    counted = [_whole(one.get("image_count"), 0, _MOST_IMAGES) for one in datasets]
    told = [_whole(one.get("image_count", one.get("file_count")), 0, _MOST_IMAGES) for one in datasets]
    repeats = [_whole(one.get("repeats"), 0, 10**6) + 1 for one in datasets]
    if counted and all(counted):
        return sum(counted), sum(count * times for count, times in zip(counted, repeats, strict=True))
    if facts.images is not None:
        total = min(_MOST_IMAGES, max(0, facts.images))
    elif told and all(told):
        return sum(told), sum(count * times for count, times in zip(told, repeats, strict=True))
    elif facts.files:
        captioned = any(one.get("caption_strategy") == "textfile" for one in datasets)
        total = max(1, min(_MOST_IMAGES, facts.files) // (2 if captioned else 1))
        notes.append(f"{facts.files} files are taken for {total} images" + (" with captions." if captioned else "."))
    else:
        return None, None
    if len(set(repeats)) > 1:
        notes.append("Datasets repeat differently, and how many images each has is not known: their mean is used.")
    return total, math.ceil(total * (sum(repeats) / len(repeats) if repeats else 1))


def _size(
    options: _Options, datasets: list[Mapping[str, Any]], family: Family | None, notes: list[str]
) -> tuple[int, int]:
    default = family.pixels if family else 1024 * 1024
    kind = options.text("resolution_type")
    wanted = [_pixels(one.get("resolution"), str(one.get("resolution_type") or kind)) for one in datasets]
    known = [size for size in wanted if size] or [
        size for size in [_pixels(options.number("resolution"), kind)] if size
    ]
    if not known:
        notes.append(f"No resolution is set: {math.isqrt(default)} px is assumed.")
    pixels = round(sum(known) / len(known)) if known else default
    frames = [_frames(one, family) for one in datasets if one.get("dataset_type") == "video"]
    return pixels, max(frames, default=1)


def _frames(dataset: Mapping[str, Any], family: Family | None) -> int:
    video = dataset.get("video")
    told = _whole(video.get("num_frames"), 0, _MOST_FRAMES) if isinstance(video, Mapping) else 0
    return told or (family.frames if family and family.frames > 1 else FAMILIES["wan"].frames)


def _pixels(resolution: Any, kind: str) -> int | None:
    """``area`` counts megapixels, everything else the edge of a square. A small number is megapixels in any case."""
    number = _number(resolution)
    if number is None or number <= 0:
        return None
    if kind.strip().lower() == "area" or number < 16:
        return int(min(_LARGEST_EDGE**2, max(64 * 64, number * 1_000_000)))
    return int(min(_LARGEST_EDGE, max(64, number)) ** 2)


def _precision(text: str) -> str:
    if any(word in text for word in _QUARTER):
        return "4bit"
    return "8bit" if any(word in text for word in _HALF) else "16bit"


def _kernels(text: str) -> str:
    if any(word in text for word in _QUARTER):
        return "int4"
    if "fp8wo" in text:
        return "fp8wo"
    return "int8" if "int8" in text else "fp8" if "fp8" in text else "bf16"


def _checkpointing(options: _Options) -> str:
    told = options.text("gradient_checkpointing").lower()
    if told and told not in _YES:
        return "n"
    interval = options.whole("gradient_checkpointing_interval", 1, 1000)
    stride = options.whole("gradient_checkpointing_segment_stride", 0, 1000)
    away = options.yes("gradient_checkpointing_offload_attention")
    if stride > interval > 1:
        return "o" if away else "s"
    return "a" if away else "i" if interval > 1 else "l"


def gpus_asked(config: Mapping[str, Any]) -> int:
    """How many GPUs a config needs at least, as it says itself: each process has one, and a parallel context spans
    several."""
    return _gpus(_Options(config))


def _gpus(options: _Options) -> int:
    return max(1, options.whole("num_processes", 1, 1024), options.whole("context_parallel_size", 1, 1024))
