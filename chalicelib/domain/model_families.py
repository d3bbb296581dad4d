"""SimpleTuner's model families by their own names, and what an estimate must know of each: how large it is.

How long a step takes comes from ``published_paces`` through ``pace_law``; a family without a seed is scaled by its
size. The sources of figures, by letter:

M  SimpleTuner's own sweep of its examples on an H100 and an L40S (commit bc8e6ab, read 2026-12-01).
A  bghira/SimpleTuner pull 1184 (2024-12-03), 4090, 1024 px: Flux LoRA 4.25 s, or 3.00 s when every second block is
   checkpointed. One image of 28 steps takes 14 s.
B  bmaltais/kohya_ss issue 2701 (2024-08-19), A6000, 1024 px: Flux LoRA in BF16 8.25 s.
C  SimpleTuner's own cloud page: Flux LoRA of 2000 steps on Replicate's L40S, $5 to $15, start-up included.
H  a report of a compiled Flux LoRA on an H100, 0.5 s a step, its size not given: it counts little.

Parameters are those that the model cards give, in billions; ``text_billions`` are the text encoders'. ``doubt`` is the
standard deviation of the logarithm that is added where the size itself is a guess, or where "pixels" mean little, as
for music: such a family gets a range, and a wide one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from chalicelib.domain.pace_law import PaceLaw
from chalicelib.domain.published_paces import AS_OF as SEEDS_AS_OF
from chalicelib.domain.published_paces import seeds

AS_OF = SEEDS_AS_OF

_MEGAPIXEL = 1024 * 1024
_WIDE = 832 * 480


@dataclass(frozen=True, slots=True)
class Family:
    """``token_pixels`` are the pixels of a latent frame that make one token; ``pixels`` and ``frames`` are what it is
    trained at when a config names no size."""

    name: str
    billions: float
    text_billions: float
    pixels: int = _MEGAPIXEL
    frames: int = 1
    token_pixels: int = 256
    doubt: float = 0.0
    flavours: Mapping[str, float] = field(default_factory=dict)
    """Billions of parameters by a word in the flavour, for flavours that do not say so themselves."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The letters of its published figures; none for a family that is scaled by its size."""
        return tuple(sorted({seed.source for seed in seeds() if seed.family == self.name}))

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


_ALL = (
    Family("ace_step", 3.5, 1, doubt=0.7),
    Family("anima", 2, 0.6),
    Family("auraflow", 6.8, 1.5),
    Family("boogu_image", 10, 8),
    Family("chroma", 8.9, 4.8),
    Family("cosmos", 2, 4.8, pixels=512 * 512, flavours={"14b": 14}),
    Family("cosmos3", 4, 4, flavours={"edge": 4, "nano": 8, "super": 32}),
    Family("deepfloyd", 0.4, 4.8, pixels=64 * 64, doubt=0.5, flavours={"xl": 4.3, "large": 0.9}),
    Family("ernie", 8, 3, pixels=512 * 512),
    Family("flux", 12, 4.9),
    Family("flux2", 32, 24, flavours={"klein": 9}),
    Family("flux3_image", 32, 24, doubt=0.6, flavours={"klein": 4}),
    Family("heartmula", 3, 0, doubt=0.7, flavours={"7b": 7}),
    Family("hidream", 17, 13.5, pixels=512 * 512),
    Family("hunyuanvideo", 8.3, 8, pixels=_WIDE, frames=48),
    Family("ideogram", 8, 8, doubt=0.5),
    Family("infinitetalk", 14, 6.5, pixels=_WIDE, frames=81, doubt=0.3),
    Family("kandinsky5_image", 6, 7),
    Family("kandinsky5_video", 2, 7, pixels=768 * 512, frames=81),
    Family("kolors", 2.6, 6),
    Family("krea2", 12, 4),
    Family("longcat_image", 6, 8),
    Family("longcat_video", 13.6, 5.7, pixels=_WIDE, frames=81),
    Family("ltxvideo", 2, 4.9, pixels=768 * 512, frames=49, token_pixels=2048),
    Family("ltxvideo2", 19, 12, pixels=1280 * 704, frames=49, token_pixels=2048),
    Family("lumina2", 2.6, 2.6, pixels=512 * 512),
    Family("mageflow", 4, 4),
    Family("minimaxh3", 33, 8, pixels=_WIDE, frames=81, doubt=0.5),
    Family("minimaxmusic", 8, 0, doubt=0.8),
    Family("moss_image", 9, 9, doubt=0.4, flavours={"27b": 27}),
    Family("omnigen", 3.8, 0),
    Family("pixart", 0.6, 4.8),
    Family("qwen_image", 20, 8),
    Family("sana", 1.6, 2.6, token_pixels=1024),
    Family("sanavideo", 2, 2.6, pixels=_WIDE, frames=49, token_pixels=1024),
    Family("sd1x", 0.86, 0.12, pixels=512 * 512),
    Family("sd3", 2.2, 5.5, flavours={"large": 8.1}),
    Family("sdxl", 2.6, 0.8),
    Family("stable_cascade", 3.6, 0.7, token_pixels=1820),
    Family("wan", 14, 5.7, pixels=_WIDE, frames=81, flavours={"ti2v-5b": 5}),
    Family("wan_s2v", 14, 6.5, pixels=_WIDE, frames=81, doubt=0.3),
    Family("z_image", 6, 4),
    Family("z_image_omni", 6, 4),
    Family("zlab_i1", 3, 3),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}

_ALSO = {
    "sd15": "sd1x",
    "sd2x": "sd1x",
    "legacy": "sd1x",
    "sd3.5": "sd3",
    "pixart_sigma": "pixart",
    "cosmos2image": "cosmos",
    "wan_video": "wan",
    "qwen": "qwen_image",
}
"""What older configs of SimpleTuner say."""


def family_of(name: str) -> Family | None:
    """By SimpleTuner's name for it, whatever its case."""
    plain = name.strip().lower()
    plain = _ALSO.get(plain, plain)
    return FAMILIES.get(plain) or FAMILIES.get(plain.replace("-", "_"))


def sizes() -> dict[str, tuple[float, int]]:
    return {family.name: (family.billions, family.token_pixels) for family in _ALL}


@lru_cache(maxsize=1)
def pace_law() -> PaceLaw:
    return PaceLaw(seeds(), sizes())
