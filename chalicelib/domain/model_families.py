"""What is published about how long SimpleTuner's model families train: one dated line each, and where it is from.

``step_seconds`` is one optimizer step of a LoRA, batch 1, gradient checkpointing on, at the family's own resolution, on
one L40S. Figures for another GPU were carried over with ``gpus.speed``. The sources:

A  bghira/SimpleTuner pull 1184 (2024-12-03), 4090, 1024 px: Flux LoRA 4.25 s, or 3.00 s when every second block is
   checkpointed; SDXL LoRA 1.00 and 1.50 steps a second. One image of 28 steps takes 14 s.
B  bmaltais/kohya_ss issue 2701 (2024-08-19), A6000, 1024 px: Flux LoRA in BF16 8.25 s.
C  SimpleTuner's own cloud page: LoRA of 2000 steps on Replicate's L40S, $5 to $15, start-up included.
D  vita-epfl/Stable-Video-Infinity issue 49 (2025-12-28), H200: Wan 14B LoRA, 81 frames of 480p, 9.8 s.
E  modelscope/DiffSynth-Studio issue 658 (2025-07-02), A800: Wan 14B LoRA, 40 s; issue 435 (2025-03-11), A100: 1.3B,
   8.3 s.
F  kohya-ss/musubi-tuner issue 694 (2025-10-27), A100: Qwen-Image-Edit LoRA, batch of 2, 14.7 s; an edit trains on two
   images at once, so plain images were taken to need 60 % of it.
G  Hugging Face diffusers, LoRA guide: 15 000 steps of SD 1.5 at 512 px in about 5 hours on a 2080 Ti.
S  scaled from Flux by the number of parameters to the power of 0.8: no figure was found.

``spread`` is the standard deviation of the figure's logarithm: 0.3 when several sources agree, 0.55 when it is scaled.
Parameters are those that the model cards give, in billions; ``text_billions`` are the text encoders'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

AS_OF = "2026-11-25"

_SCALING = 0.8


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    billions: float
    text_billions: float
    step_seconds: float
    spread: float
    source: str
    pixels: int = 1024 * 1024
    frames: int = 1
    flavours: Mapping[str, float] = field(default_factory=dict)
    """Billions of parameters by a word in the flavour, for flavours that do not say so themselves."""

    @property
    def is_measured(self) -> bool:
        return self.source != "S"

    def billions_of(self, flavour: str | None) -> float:
        """``klein-4b`` and ``1600M-1024`` say it themselves."""
        text = (flavour or "").lower()[:80]
        told = re.search(r"(?<![0-9.])([0-9]{1,3}(?:\.[0-9])?)b(?![a-z])", text)
        if told and 0.1 <= float(told[1]) <= 200:
            return float(told[1])
        small = re.search(r"(?<![0-9])([0-9]{3,4})m(?![a-z])", text)
        if small and int(small[1]):
            return int(small[1]) / 1000
        return next((size for word, size in self.flavours.items() if word in text), self.billions)

    def step_seconds_of(self, flavour: str | None) -> float:
        return float(self.step_seconds * (self.billions_of(flavour) / self.billions) ** _SCALING)


_FLUX_SECONDS, _FLUX_BILLIONS = 3.5, 12.0
"""The geometric mean of A (2.5 s once carried to the L40S), B (4.2 s) and C (4.0 s without the start-up)."""


def _scaled(name: str, billions: float, text_billions: float, flavours: Mapping[str, float] | None = None) -> Family:
    seconds = _FLUX_SECONDS * (billions / _FLUX_BILLIONS) ** _SCALING
    return Family(name, billions, text_billions, seconds, 0.55, "S", flavours=flavours or {})


_WAN_FRAME = 832 * 480

_ALL = (
    Family("flux", _FLUX_BILLIONS, 4.9, _FLUX_SECONDS, 0.3, "A, B, C"),
    Family("sdxl", 2.6, 0.8, 0.6, 0.4, "A"),
    Family("kolors", 2.6, 6.0, 0.6, 0.55, "A"),
    Family("sd1x", 0.86, 0.12, 0.15, 0.55, "G", pixels=512 * 512),
    Family("sd2x", 0.87, 0.35, 0.15, 0.55, "G", pixels=512 * 512),
    Family("qwen_image", 20, 8, 4.9, 0.45, "F"),
    Family("wan", 14, 5.7, 37, 0.5, "D, E", pixels=_WAN_FRAME, frames=81, flavours={"ti2v-5b": 5}),
    Family("wan_s2v", 14, 5.7, 37, 0.6, "D, E", pixels=_WAN_FRAME, frames=81),
    Family("hunyuanvideo", 8.3, 8, 25, 0.65, "D, E", pixels=_WAN_FRAME, frames=61),
    Family("ltxvideo", 2, 4.9, 8, 0.65, "D, E", pixels=_WAN_FRAME, frames=81),
    Family("kandinsky5-video", 2, 7, 8, 0.65, "D, E", pixels=_WAN_FRAME, frames=61),
    _scaled("flux2", 32, 24, {"klein": 9}),
    _scaled("sd3", 2, 5.5, {"large": 8.1}),
    _scaled("auraflow", 6.8, 1.5),
    _scaled("chroma", 8.9, 4.8),
    _scaled("hidream", 17, 13.5),
    _scaled("lumina2", 2.6, 2.6),
    _scaled("omnigen", 3.8, 0),
    _scaled("pixart_sigma", 0.6, 4.8),
    _scaled("sana", 1.6, 2.6),
    _scaled("cosmos2image", 2, 4.8),
    _scaled("z_image", 6, 4),
    _scaled("kandinsky5-image", 6, 7),
    _scaled("longcat_image", 6, 8),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}

_ALSO = {
    "sd15": "sd1x",
    "legacy": "sd2x",
    "sd3.5": "sd3",
    "pixart": "pixart_sigma",
    "z-image": "z_image",
    "wan_video": "wan",
    "qwen": "qwen_image",
}


def family_of(name: str) -> Family | None:
    """By SimpleTuner's name for it, whatever its case."""
    plain = name.strip().lower()
    return FAMILIES.get(_ALSO.get(plain, plain)) or FAMILIES.get(plain.replace("-", "_"))
