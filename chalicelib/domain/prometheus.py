"""Measurements as the text that Prometheus reads (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Series:
    """``samples`` are labels and values; a value is a whole number or a decimal text, never a float of money."""

    name: str
    kind: str
    words: str
    samples: list[tuple[Mapping[str, str], int | str]] = field(default_factory=list)


def exposition(series: Iterable[Series]) -> str:
    lines: list[str] = []
    for one in series:
        lines += [f"# HELP {one.name} {one.words}", f"# TYPE {one.name} {one.kind}"]
        for labels, value in one.samples:
            told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            lines.append(f"{one.name}{{{told}}} {value}" if told else f"{one.name} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
