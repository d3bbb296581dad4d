"""How often estimates hold, on runs that they have not seen: ``python -m bench.estimates``.

Each measured cell, and then each family, is left out, the law is fitted anew without it, and what it says is compared
with what was measured: how many real steps fall into the range that is meant to hold eight in ten, and how wide that
range is. Reports of others follow, of which none is used while it is judged; those that are seeds otherwise say so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.estimates import EIGHT_IN_TEN
from chalicelib.domain.model_families import FAMILIES, sizes
from chalicelib.domain.pace_law import Known, PaceLaw, step_of
from chalicelib.domain.published_paces import Seed, seeds


@dataclass(frozen=True)
class Judged:
    seed: Seed
    known: Known

    @property
    def low(self) -> float:
        return self.known.seconds * math.exp(-EIGHT_IN_TEN * self.known.spread)

    @property
    def high(self) -> float:
        return self.known.seconds * math.exp(EIGHT_IN_TEN * self.known.spread)

    @property
    def holds(self) -> bool:
        return self.low <= self.seed.seconds <= self.high


def cells(every: int = 1) -> list[Judged]:
    """Each cell of the sweep as if it had not been measured; with ``every``, only every so many of them."""
    return [_judged(seed, (other for other in seeds() if other is not seed)) for seed in _sweep()[::every]]


def families() -> list[Judged]:
    """Each cell as if nothing had been measured of its family."""
    found = []
    for family in sorted({seed.family for seed in _sweep()}):
        law = PaceLaw([seed for seed in seeds() if seed.family != family], sizes())
        found += [_asked(law, seed) for seed in _sweep() if seed.family == family]
    return found


@dataclass(frozen=True)
class Report:
    """``unseen`` is judged without the report; ``used`` is what estimates say."""

    told: str
    is_seed: bool
    unseen: Judged
    used: Judged


def reports() -> list[Report]:
    """Steps that others report, each judged as if it were not known, and as it is."""
    found = []
    for told, report in _REPORTS:
        rest = [seed for seed in seeds() if not _is_same(seed, report)]
        is_seed = len(rest) < len(seeds())
        found.append(Report(told, is_seed, _judged(report, rest), _judged(report, seeds())))
    return found


def coverage(judged: Sequence[Judged]) -> float:
    return sum(one.holds for one in judged) / len(judged)


def median_width(judged: Sequence[Judged]) -> float:
    """The upper end of a range over its lower end."""
    return statistics.median(one.high / one.low for one in judged)


def _sweep() -> list[Seed]:
    return [seed for seed in seeds() if seed.source == "M"]


def _judged(seed: Seed, others: Iterable[Seed]) -> Judged:
    return _asked(PaceLaw(others, sizes()), seed)


def _asked(law: PaceLaw, seed: Seed) -> Judged:
    family = FAMILIES[seed.family]
    known = law(step_of(seed, family.billions, family.token_pixels))
    return Judged(seed, replace(known, spread=math.hypot(known.spread, family.doubt)))


def _is_same(seed: Seed, report: Seed) -> bool:
    kind = (seed.family, seed.billions, seed.precision, seed.mode, seed.gpu)
    return kind == (report.family, report.billions, report.precision, report.mode, report.gpu)


def _report(
    family: str,
    gpu: str,
    seconds: float,
    size: tuple[int, int] = (1024 * 1024, 1),
    kind: tuple[str, str] = ("bf16", "l"),
    billions: float | None = None,
    batch: int = 1,
) -> Seed:
    return Seed(family, billions, *size, batch, *kind, gpu, seconds, source="report")


_480P = (832 * 480, 81)
_REPORTS = [
    ("Flux LoRA, compiled, size not told", _report("flux", "h100", 0.5, kind=("bf16", "n"))),
    ("SDXL LoKr", _report("sdxl", "h100", 1.08)),
    ("SDXL LoKr", _report("sdxl", "l40s", 1.03)),
    ("Wan 14B, 480p, 81 frames", _report("wan", "h100", 7.16, _480P, billions=14)),
    ("Wan 14B, 480p, 81 frames", _report("wan", "l40s", 21.8, _480P, billions=14)),
    ("Wan 1.3B, 480p, 81 frames", _report("wan", "l40s", 4.46, _480P, billions=1.3)),
    ("Qwen-Image", _report("qwen_image", "h100", 1.2)),
    ("Qwen-Image", _report("qwen_image", "l40s", 3.38)),
    ("LTX-Video 0.9.5", _report("ltxvideo", "l40s", 0.46, (768 * 512, 49))),
    ("Z-Image", _report("z_image", "l40s", 0.49)),
    ("Flux LoRA", _report("flux", "4090", 4.25)),
    ("Flux LoRA, every second block", _report("flux", "4090", 3.0, kind=("bf16", "i"))),
    ("Flux LoRA, kohya_ss", _report("flux", "a6000", 8.25)),
    ("Flux LoRA, NF4", _report("flux", "4090", 3.5, kind=("int4", "l"))),
    ("SDXL LoRA", _report("sdxl", "4090", 1.0)),
    ("HunyuanVideo, size not told", _report("hunyuanvideo", "4090", 4.0, (832 * 480, 48))),
    ("Wan 14B, another trainer", _report("wan", "h200", 9.8, _480P, billions=14)),
    ("Wan 14B, DiffSynth", _report("wan", "a100", 40.0, _480P, billions=14)),
    ("Wan 1.3B, DiffSynth", _report("wan", "a100", 8.3, _480P, billions=1.3)),
]


def main() -> None:
    for title, judged in (("one cell left out", cells()), ("one family left out", families())):
        print(
            f"{title:<22}{len(judged):>4} cells: {coverage(judged):.1%} within their range, whose median width is "
            f"{median_width(judged):.2f} to 1"
        )
        if title.startswith("one family"):
            _tell_families(judged)
    told = reports()
    unseen, used = (
        sum(judged.holds for judged in ones) for ones in zip(*((r.unseen, r.used) for r in told), strict=True)
    )
    print(f"\nreports of others: {unseen} of {len(told)} within their range while held out, {used} as estimates are")
    print(f"({sum(one.is_seed for one in told)} of them are seeds, whose second range knows them)")
    for one in told:
        seed = one.unseen.seed
        print(f"  {one.told:<36} {seed.gpu:<6}{seed.seconds:>6.2f} s   {_range(one.unseen):<30}", end="")
        print(_range(one.used) if one.is_seed else "no seed")
    missing = [family.name for family in FAMILIES.values() if not family.sources]
    print(f"\nscaled by size, no figure found: {', '.join(missing)}")


def _range(one: Judged) -> str:
    verdict = "holds" if one.holds else "too low" if one.high < one.seed.seconds else "too high"
    return f"{one.low:>6.2f} to {one.high:>6.2f} s  {verdict}"


def _tell_families(judged: list[Judged]) -> None:
    by_name = {name: [one for one in judged if one.seed.family == name] for name in {one.seed.family for one in judged}}
    off = {name: coverage(ones) for name, ones in by_name.items()}
    worst = [f"{name} {share:.0%}" for name, share in sorted(off.items(), key=lambda pair: pair[1]) if share < 0.5]
    print(f"  below half: {', '.join(worst) or 'none'}")


if __name__ == "__main__":
    main()
