"""How fast and how large SimpleTuner's families were measured to be, one cell a run: the seeds of every estimate.

The table is SimpleTuner's own sweep (``documentation/experimental/SEGMENTED_CHECKPOINTING.md`` at commit bc8e6ab, read
2026-12-01): its examples on one H100 and one L40S, validations and the first step left out. A line is

    family[:billions] size frames batch precision | mode seconds-on-H100 seconds-on-L40S GiB | …

with ``-`` for what ran out of memory or was not run. Modes: ``n`` no gradient checkpointing, ``l`` every layer, ``i``
in segments of two, ``s`` two of every four, ``a`` and ``o`` as ``l`` and ``s`` with activations moved to the CPU. The
sweep does not tell its batch: it is the example's, and where that is not 1 it bears a ``?``.

``_REPORTS`` are single figures of others, with the letter of their source in ``model_families``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

AS_OF = "2026-12-01"


@dataclass(frozen=True, slots=True)
class Seed:
    """One measured step. ``billions`` is None where the family has one size. ``trust`` is how much it counts beside a
    cell of the sweep."""

    family: str
    billions: float | None
    pixels: int
    frames: int
    batch: int
    precision: str
    mode: str
    gpu: str
    seconds: float
    gigabytes: float | None = None
    source: str = "M"
    trust: float = 1.0
    batch_is_told: bool = True


@functools.lru_cache(maxsize=1)
def seeds() -> tuple[Seed, ...]:
    return (*(seed for line in _SWEEP.strip().splitlines() for seed in _cells(line)), *_REPORTS)


def _cells(line: str) -> list[Seed]:
    head, *cells = line.split(" | ")
    name, size, frames, batch, precision = head.split()
    family, _, billions = name.partition(":")
    width, height = size.split("x")
    found = []
    for cell in cells:
        mode, *seconds, gigabytes = cell.split()
        for gpu, told in zip(("h100", "l40s"), seconds, strict=True):
            if told != "-":
                found.append(
                    Seed(
                        family,
                        float(billions) if billions else None,
                        int(width) * int(height),
                        int(frames),
                        int(batch.rstrip("?")),
                        precision,
                        mode,
                        gpu,
                        float(told),
                        float(gigabytes),
                        batch_is_told="?" not in batch,
                    )
                )
    return found


_MEGAPIXEL = 1024 * 1024
_REPORTS = (
    Seed("flux", None, _MEGAPIXEL, 1, 1, "bf16", "l", "4090", 4.25, source="A"),
    Seed("flux", None, _MEGAPIXEL, 1, 1, "bf16", "i", "4090", 3.0, source="A"),
    Seed("flux", None, _MEGAPIXEL, 1, 1, "bf16", "l", "a6000", 8.25, source="B"),
    Seed("flux", None, _MEGAPIXEL, 1, 1, "bf16", "l", "l40s", 4.0, source="C"),
    Seed("flux", None, _MEGAPIXEL, 1, 1, "bf16", "n", "h100", 0.5, source="H", trust=0.3),
)

_SWEEP = """
anima 1024x1024 1 1 bf16 | n 1.022 0.719 17.3 | l 1.232 0.903 5.6 | i 1.252 0.897 5.6 | s 1.244 0.898 5.6
anima 1024x1024 1 1 int8 | n 5.417 4.974 18.6 | l 4.562 4.019 4.4 | i 3.723 3.196 4.4 | s 3.658 3.14 4.4
anima 1024x1024 1 1 fp8 | n 2.242 - 45.7 | l 2.81 2.576 5.5 | i 2.846 2.581 5.5 | s 2.766 2.567 5.5
auraflow 1024x1024 1 1 bf16 | n 0.18 0.233 19.2 | l 1.824 0.833 13.4 | i 1.764 0.877 16.2 | s 1.771 0.887 16.2
auraflow 1024x1024 1 1 int8 | n 0.642 0.61 12.9
auraflow 1024x1024 1 1 fp8 | n 0.621 0.757 24.5
boogu_image 1024x1024 1 1 bf16 | n 0.694 - 59.1 | l 0.907 2.641 23.4 | i 0.912 2.649 23.4 | s 0.911 2.648 23.4
boogu_image 1024x1024 1 1 int8 | n 1.488 - 53.2 | l 1.878 3.309 15.2 | i 1.63 2.577 34.1 | s 1.656 2.574 34.1
boogu_image 1024x1024 1 1 fp8 | l 1.713 3.778 18.5 | i 1.731 3.777 18.5 | s 1.721 3.779 18.5
chroma 1024x1024 1 1 bf16 | n 0.454 0.559 26.2 | a 4.873 4.793 18.7 | l 1.276 1.43 17.7 | i 1.204 1.349 21.8
chroma 1024x1024 1 1 bf16 | s 1.2 1.382 21.8
chroma 1024x1024 1 1 int8 | n 1.083 1.061 21.4 | l 1.714 1.646 10.4 | i 1.443 1.391 15.7 | s 1.428 1.323 15.7
chroma 1024x1024 1 1 fp8 | n 1.122 - 45.4 | l 1.821 2.104 10.6 | i 1.447 1.871 27.5 | s 1.431 1.877 27.5
cosmos 512x512 1 1 bf16 | n 0.336 0.316 8.1 | l 0.567 0.559 4.1 | i 0.595 0.544 4.1 | s 0.598 0.546 4.1
cosmos 512x512 1 1 int8 | n 0.831 0.783 6.6 | l 1.315 1.288 2.4 | i 1.346 1.321 2.4 | s 1.413 1.274 2.4
cosmos 512x512 1 1 fp8 | n 0.85 0.84 13.3 | l 1.692 1.56 2.7 | i 1.626 1.544 2.7 | s 1.607 1.555 2.7
cosmos3 1024x1024 1 1 bf16 | n 2.747 2.904 8.9 | l 2.602 2.606 8.9 | i 2.658 2.567 8.9 | s 2.628 2.899 8.9
cosmos3 1024x1024 1 1 int8 | n 17.112 17.965 6.2 | l 3.238 2.891 6.2 | i 3.253 2.916 6.2 | s 3.254 2.923 6.2
cosmos3 1024x1024 1 1 fp8 | n 1.849 1.559 17.8 | l 1.869 1.599 17.8 | i 1.855 1.6 17.8 | s 1.859 1.523 17.8
ernie 512x512 1 1 bf16 | n 0.711 1.282 15.6 | l 1.11 1.84 4.9 | i 0.876 1.536 10.2 | s 0.874 1.532 10.2
ernie 512x512 1 1 int8 | n 2.782 2.722 13.8 | l 4.262 4.393 3 | i 3.547 3.38 8.3 | s 3.366 3.457 8.3
ernie 512x512 1 1 fp8 | n 2.432 2.303 14 | l 3.92 4.008 3.3 | i 3.316 2.973 8.5 | s 2.994 3.046 8.5
hidream 512x512 1 1 bf16 | n 0.515 - 44.6 | l 0.928 1.043 33.6 | i 0.971 1.002 33.6 | s 0.952 1.01 33.6
hidream 512x512 1 1 int8 | l 2.497 2.058 18
hidream 512x512 1 1 fp8 | l 4.92 4.338 18.1
hunyuanvideo 832x480 48 2 bf16 | l 7.682 22.816 26.4 | i 7.398 22.772 26.1 | o 10.679 - 58.4
hunyuanvideo 832x480 48 2 int8 | l 11.765 34.464 26
hunyuanvideo 832x480 48 2 fp8 | l 10.516 32.003 33.5
kandinsky5_image 1024x1024 1 3? bf16 | a 6.956 10.189 25.5 | l 6.59 9.458 25.6
kandinsky5_image 1024x1024 1 3? int8 | a 7.186 10.141 20 | l 6.83 9.362 20.1 | i 5.746 - 75.7 | o 6.057 - 71.5
kandinsky5_image 1024x1024 1 3? fp8 | a 8.319 14.716 24.3 | l 7.976 13.949 24.4
kandinsky5_video 768x512 81 2? bf16 | a 2.58 7.136 9.5 | l 2.267 6.379 9.8 | i 1.967 - 44.6 | s 1.971 - 46.6
kandinsky5_video 768x512 81 2? bf16 | o 2.275 6.249 38
kandinsky5_video 768x512 81 2? int8 | a 2.844 7.234 8.1 | l 2.46 6.509 8.4 | i 2.126 5.641 43.1 | s 2.125 - 45.2
kandinsky5_video 768x512 81 2? int8 | o 2.451 6.322 36.6
kandinsky5_video 768x512 81 2? fp8 | a 3.867 11.501 15.1 | l 3.579 10.822 15.3
kolors 1024x1024 1 1 bf16 | n 0.635 0.628 7.2 | l 1.118 1.065 5.4 | i 1.105 1.068 5.4 | s 1.11 1.072 5.4
kolors 1024x1024 1 1 int8 | n 1.86 1.726 5.7 | l 2.967 2.803 3.4 | i 2.77 2.655 3.3 | s 2.805 2.742 3.3
kolors 1024x1024 1 1 fp8 | n 1.629 1.637 8.8 | l 3.044 3.013 3.5 | i 3.04 3.019 3.5 | s 2.988 2.935 3.5
krea2 1024x1024 1 1 bf16 | n 0.275 0.662 40.1 | a 0.416 0.822 34.6 | l 0.268 0.665 40.1 | i 0.274 0.663 40.1
krea2 1024x1024 1 1 bf16 | s 0.279 0.663 40.1 | o 0.404 0.819 34.6
krea2 1024x1024 1 1 int8 | n 0.462 0.807 27 | a 0.773 1.012 21.6 | l 0.473 0.802 27 | i 0.474 0.804 27
krea2 1024x1024 1 1 int8 | s 0.472 0.802 27 | o 0.744 1.007 21.6
krea2 1024x1024 1 1 fp8 | n 0.689 - 51.6 | a 0.975 2.058 37.8 | l 0.689 - 51.6 | i 0.684 - 51.6 | s 0.674 - 51.6
krea2 1024x1024 1 1 fp8 | o 0.965 2.053 37.8
longcat_image 1024x1024 1 1 bf16 | n 0.193 0.262 16.5 | a 0.544 0.543 12.7 | l 0.327 0.37 12.4 | i 0.257 0.313 14.4
longcat_image 1024x1024 1 1 bf16 | s 0.263 0.316 14.4 | o 0.446 0.492 13.4
longcat_image 1024x1024 1 1 int8 | n 0.578 0.537 12.5 | a 1.184 1.185 7.4 | l 0.901 0.911 7.2 | i 0.718 0.695 9.7
longcat_image 1024x1024 1 1 int8 | s 0.735 0.717 9.7 | o 1.056 1.011 8.5
longcat_image 1024x1024 1 1 fp8 | n 0.602 0.834 25.2 | a 1.662 1.844 7.8 | l 0.984 1.08 7.6 | i 0.75 0.938 16.1
longcat_image 1024x1024 1 1 fp8 | s 0.76 0.961 16.1 | o 1.287 1.653 13
longcat_video 832x480 81 1 bf16 | a 25.774 49.149 37.4 | l 7.448 24.866 23.7
longcat_video 832x480 81 1 int8 | a 30.887 61.27 35.3 | l 8.444 25.164 21.6
longcat_video 832x480 81 1 fp8 | a 30.163 - 47.9 | l 8.343 24.659 34.2
ltxvideo 768x512 49 1 bf16 | n 0.274 0.275 8.8 | l 0.462 0.459 4.2 | i 0.449 0.433 4.3 | s 0.359 0.357 6.4
ltxvideo 768x512 49 1 int8 | n 0.688 0.64 7 | l 1.094 1.081 2.6 | i 1.112 1.073 2.6 | s 0.887 0.817 4.6
ltxvideo 768x512 49 1 fp8 | n 0.655 0.735 17.4 | l 1.226 1.206 2.9 | i 1.259 1.233 3.4 | s 0.933 0.901 10
ltxvideo 768x512 49 1 fp8wo | n 0.328 0.325 10.1 | l 0.567 0.54 2.6 | i 0.555 0.531 2.8 | s 0.443 0.432 6.2
ltxvideo2 1280x704 49 1 bf16 | a 6.35 - 58.4 | l 3.993 - 48 | i 3.977 - 48.8 | o 5.554 - 75.6
ltxvideo2 1280x704 49 1 int8 | a 10.102 9.852 38.2 | l 7.753 7.579 27.8 | i 7.733 7.288 28.7 | s 6.522 - 61.5
ltxvideo2 1280x704 49 1 int8 | o 8.659 - 55.5
ltxvideo2 1280x704 49 1 fp8 | a - 22.917 38.6 | l 8.58 10.381 30.3 | i 8.66 10.661 33.7
lumina2 512x512 1 2? bf16 | n 0.235 0.332 16 | l 0.384 0.457 6.6 | i 0.356 0.424 6.9 | s 0.295 0.377 11.4
lumina2 512x512 1 2? int8 | n 0.584 0.541 13.6 | l 0.899 0.827 4.2 | i 0.865 0.835 4.5 | s 0.719 0.707 9
lumina2 512x512 1 2? fp8 | n 0.598 0.763 28 | l 0.95 0.967 5.9 | i 0.938 0.974 6.7 | s 0.765 0.901 17.4
lumina2 512x512 1 2? fp8wo | n 0.273 0.389 18 | l 0.452 0.525 5 | i 0.427 0.522 5.4 | s 0.36 0.466 11.7
mageflow 1024x1024 1 2? bf16 | n 7.735 7.658 36.7 | a 8.902 9.477 23.1 | l 7.805 7.504 36.7 | i 8.036 7.762 36.7
mageflow 1024x1024 1 2? bf16 | s 7.882 7.531 36.7 | o 8.833 9.288 23.1
mageflow 1024x1024 1 2? int8 | n 81.016 94.991 37.4
mageflow 1024x1024 1 2? fp8wo | n 5.454 5.772 36.9 | a 6.295 6.738 23.2 | s 5.542 5.595 36.9
omnigen 1024x1024 1 1 bf16 | n 0.425 0.293 14.2 | l 0.597 0.389 10.1
omnigen 1024x1024 1 1 int8 | n 1.523 1.388 11 | l 1.312 1.064 6.8
omnigen 1024x1024 1 1 fp8 | n 0.69 0.608 19.2 | l 1.069 0.824 7.1
omnigen 1024x1024 1 1 fp8wo | n 0.454 0.377 17.7 | l 0.646 0.534 7
pixart 1024x1024 1 3? bf16 | n 1.7 1.734 41.7 | l 2.433 2.346 5.6 | i 2.44 2.348 6 | s 2.092 2.072 23.9
pixart 1024x1024 1 3? int8 | n 1.905 - 47.6 | l 2.738 2.937 6.1 | i 2.734 2.943 6 | s 2.336 2.596 26.9
pixart 1024x1024 1 3? fp8 | l 3.254 4.646 8.1 | i 3.26 4.649 9.7 | s 2.827 - 63.3
qwen_image 1024x1024 1 1 bf16 | l 1.202 3.377 41 | i 1.201 3.382 41 | s 1.205 3.385 41
qwen_image 1024x1024 1 1 int8 | n 1.675 - 63.5 | l 2.64 3.928 24.1 | i 2.722 3.918 24.1 | s 2.663 3.919 24.1
qwen_image 1024x1024 1 1 fp8 | l 3.088 6.172 25.3 | i 3.095 6.173 25.3 | s 3.125 6.141 25.3
sana 1024x1024 1 4? bf16 | n 0.529 0.597 23.7 | l 0.529 0.596 23.7 | i 0.53 0.598 23.7
sana 1024x1024 1 4? int8 | n 0.554 0.59 22.9 | l 0.554 0.589 22.9 | i 0.556 0.591 22.9
sana 1024x1024 1 4? fp8 | n 0.633 0.753 33.7 | l 0.633 0.755 33.7 | i 0.631 0.759 33.7
sanavideo 832x480 49 1 bf16 | n 0.599 - 59.1 | l 0.597 - 59.1
sanavideo 832x480 49 1 int8 | n 0.641 - 58.4 | l 0.641 - 58.4
sd1x 512x512 1 1 bf16 | n 0.181 0.176 2.9 | l 0.305 0.292 2
sd1x 512x512 1 1 int8 | n 0.446 0.431 3.1 | l 0.701 0.666 1.8
sd1x 512x512 1 1 fp8 | n 0.41 0.401 4.2 | l 0.785 0.756 2
sd3 1024x1024 1 3? bf16 | n 0.529 1.189 34.6 | a 1.335 2.85 9.7 | l 0.721 1.607 7.7 | i 0.723 1.606 8.9
sd3 1024x1024 1 3? bf16 | s 0.62 1.398 20.1 | o 1.229 2.639 12.2
sd3 1024x1024 1 3? int8 | n 0.858 1.381 33.7 | a 1.845 3.297 8.9 | l 1.265 1.857 6.6 | i 1.264 1.858 7.3
sd3 1024x1024 1 3? int8 | s 1.049 1.625 19 | o 1.527 3.023 12.4
sd3 1024x1024 1 3? fp8 | a 4.707 9.814 10.3 | l 1.575 3.279 9.1 | i 1.576 3.282 12.6 | s 1.376 - 45.7
sd3 1024x1024 1 3? fp8 | o 4.184 8.714 26.2
sd3 1024x1024 1 3? fp8wo | n 0.567 1.252 35.2 | a 1.392 2.921 8.7 | l 0.795 1.736 5.7 | i 0.797 1.734 7.1
sd3 1024x1024 1 3? fp8wo | s 0.679 1.49 19.4 | o 1.257 2.676 12
sdxl 1024x1024 1 1 bf16 | n 0.606 0.585 13 | l 1.08 1.029 6.5
sdxl 1024x1024 1 1 int8 | n 1.741 1.643 13.7 | l 2.82 2.647 4.6
sdxl 1024x1024 1 1 fp8 | n 1.608 1.582 26.2 | l 2.939 2.89 5.1
stable_cascade 1024x1024 1 3? bf16 | n 0.884 - 51.5 | l 1.179 2.135 22.7 | i 1.032 1.871 37 | s 1.032 1.87 37.2
wan:1.3 832x480 81 1 bf16 | n 1.407 - 71.9 | a 3.472 7.179 8.8 | l 2.099 4.459 4.7 | i 2.139 4.514 6.3
wan:1.3 832x480 81 1 bf16 | s 1.806 3.921 39.2 | o 2.993 6.493 22.7
wan:1.3 832x480 81 1 int8 | n 1.85 - 71.9 | a 4.204 7.387 8.7 | l 2.79 4.989 4.7 | i 2.874 5.093 6.3
wan:1.3 832x480 81 1 int8 | s 2.558 4.393 39.3 | o 3.711 6.695 22.7
wan:1.3 832x480 81 1 fp8 | n 1.727 - 73.6 | a 4.061 7.404 10.1 | l 2.607 4.888 6 | i 2.744 4.916 7.6
wan:1.3 832x480 81 1 fp8 | s 2.246 4.245 40.5 | o 3.602 6.683 24
wan:14 832x480 81 1 bf16 | a 13.144 - 36.8 | l 7.162 21.77 16.3 | i 7.172 21.777 19.6
z_image 1024x1024 1 1 bf16 | n 0.243 0.316 21.2 | a 0.837 0.805 13.2 | l 0.479 0.493 12.9 | i 0.452 0.477 13
z_image 1024x1024 1 1 bf16 | s 0.349 0.4 16.9 | o 0.681 0.736 15
z_image 1024x1024 1 1 int8 | n 0.645 0.615 15.6 | a 1.439 1.382 7.6 | l 1.046 1.021 7.2 | i 1.074 0.996 7.4
z_image 1024x1024 1 1 int8 | s 0.867 0.841 11.2 | o 1.202 1.162 9.4
z_image 1024x1024 1 1 fp8 | n 1.232 1.476 37.5 | a 3.623 3.564 8 | l 2.319 2.344 7.9 | i 2.336 2.309 8.8
z_image 1024x1024 1 1 fp8 | s 1.843 1.93 22.6 | o 2.947 3.243 15.6
zlab_i1 1024x1024 1 1 bf16 | n 0.462 0.865 22.2 | l 0.693 1.148 7.8 | i 0.676 1.152 8.3 | s 0.567 1.014 15
zlab_i1 1024x1024 1 1 int8 | n 0.861 0.926 19.2 | l 1.385 1.265 4.8 | i 1.298 1.277 5.3 | s 1.073 1.098 12
zlab_i1 1024x1024 1 1 fp8wo | n 0.504 0.93 25.1 | l 0.772 1.28 5.1 | i 0.759 1.29 5.8 | s 0.633 1.115 15.1
"""
