"""How fast one GPU is beside another, from what their maker publishes: the only way to carry a figure across GPUs.

Training a diffusion model is mostly matrix work, and partly a matter of memory bandwidth: speed grows here with the
product of dense BF16 tensor throughput to the power of 3/4 and bandwidth to the power of 1/4. That is a rule of thumb,
so every figure that is carried to another GPU gets a wider range (``estimates``), until receipts correct it.
"""

from __future__ import annotations

import re

SOURCE = "NVIDIA data sheets (dense BF16 or FP16 tensor TFLOPS, GB/s of memory), as remembered, 2026-11"

_SHEETS: dict[str, tuple[float, float]] = {
    "l40s": (362, 864),
    "l4": (121, 300),
    "t4": (65, 320),
    "a10g": (70, 600),
    "a40": (150, 696),
    "a6000": (155, 768),
    "a100": (312, 2039),
    "h100": (989, 3350),
    "h200": (989, 4800),
    "b200": (2250, 8000),
    "rtx-pro-6000": (504, 1792),
    "4090": (165, 1008),
    "3090": (71, 936),
    "5090": (210, 1792),
}

REFERENCE = "l40s"

_LONGEST_FIRST = sorted(_SHEETS, key=len, reverse=True)


def gpu_of(hardware: str) -> str | None:
    """The GPU in an offer's name, such as ``h100`` in ``h100-x8``; None for one that is not known here."""
    name = re.sub(r"[\s_]+", "-", hardware.lower())
    return next((gpu for gpu in _LONGEST_FIRST if re.search(rf"(?<![a-z0-9]){gpu}(?![0-9])", name)), None)


def speed(gpu: str) -> float:
    """Of one GPU, where the reference is 1."""
    tflops, bandwidth = _SHEETS[gpu]
    base_tflops, base_bandwidth = _SHEETS[REFERENCE]
    return float((tflops / base_tflops) ** 0.75 * (bandwidth / base_bandwidth) ** 0.25)


def efficiency(count: int) -> float:
    """What is left of each GPU's speed when ``count`` keep their gradients in step: some 5 % less with each doubling.
    A rule of thumb for GPUs in one box."""
    return float(0.95 ** max(0, count.bit_length() - 1))
