"""The model card: what a stranger needs to know of a model, and nothing of the machine or the files it came from.

A card that is there already, the trainer's or a person's, keeps every line: its front matter gains what it lacks, and
the part between our marks is written anew.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.money import display

BEGIN, END = "<!-- simpletuner-cloud:begin -->", "<!-- simpletuner-cloud:end -->"

_REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_PLAIN = re.compile(r"[\w.+, -]{1,60}")
_SETTINGS = (
    "model_family", "model_type", "lora_type", "lora_rank", "lora_alpha", "learning_rate", "lr_scheduler",
    "lr_warmup_steps", "optimizer", "train_batch_size", "gradient_accumulation_steps", "max_train_steps",
    "num_train_epochs", "resolution", "resolution_type", "mixed_precision", "base_model_precision", "seed",
)  # fmt: skip
"""Options that tell how a model was made. A name that is not here stays out: it may hold a path."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    repo: str
    config: Mapping[str, Any]
    hardware: str
    provider: str
    run_seconds: int | None
    cost_micros: int | None
    steps: int | None
    loss: str | None
    dataset_files: int | None
    dataset_bytes: int | None
    datasets: int
    trainer_version: str | None
    samples: Sequence[str] = ()


def base_model(config: Mapping[str, Any]) -> str | None:
    """A Hugging Face name; a path or an address is none."""
    named = str(config.get("--pretrained_model_name_or_path") or "")
    return named if _REPO.fullmatch(named) else None


def written(before: str | None, facts: CardFacts) -> str:
    """The whole card. Written from its own result it is the same again."""
    head, body = _parted(before or "")
    head = _completed(head, facts)
    part = f"{BEGIN}\n{_part(facts)}\n{END}"
    at = re.compile(rf"{re.escape(BEGIN)}.*?{re.escape(END)}", re.S)
    if at.search(body):
        body = at.sub(lambda _: part, body, count=1)
    elif body.strip():
        body = f"{body.rstrip()}\n\n{part}\n"
    else:
        body = f"# {facts.repo.rpartition('/')[2]}\n\n{part}\n"
    return f"---\n{head}---\n\n{body.lstrip()}"


def _parted(text: str) -> tuple[str, str]:
    found = re.match(r"\A---\r?\n(.*?)^---[ \t]*\r?\n", text, re.S | re.M)
    return (found[1], text[found.end() :]) if found else ("", text)


def _completed(head: str, facts: CardFacts) -> str:
    """Only what is missing is added, at the end: what is there was somebody's choice."""
    wanted: dict[str, str] = {}
    base = base_model(facts.config)
    if base:
        wanted["base_model"] = f"base_model: {base}"
    wanted["library_name"] = "library_name: diffusers"
    wanted["tags"] = "tags:\n- simpletuner\n- diffusers" + ("\n- lora" if "lora" in _model_type(facts.config) else "")
    added = [lines for name, lines in wanted.items() if not re.search(rf"^{name}:", head, re.M)]
    ended = head if head.endswith("\n") or not head else f"{head}\n"
    return ended + "".join(f"{lines}\n" for lines in added)


def _part(facts: CardFacts) -> str:
    base = base_model(facts.config)
    lines = ["## How it was trained", ""]
    trained = f"from [{base}](https://huggingface.co/{base})" if base else "with SimpleTuner"
    lines += [f"Trained {trained} on a rented GPU ({facts.hardware}, {facts.provider}).", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in _rows(facts)]
    if facts.samples:
        lines += ["", "### Samples", "", " ".join(f"![sample]({path})" for path in facts.samples)]
    return "\n".join(lines)


def _rows(facts: CardFacts) -> list[tuple[str, str]]:
    rows = [(name.replace("_", " "), _shown(facts.config.get(f"--{name}"))) for name in _SETTINGS]
    rows.append(("steps trained", _shown(facts.steps)))
    rows.append(("last loss", _shown(facts.loss)))
    if facts.dataset_files:
        size = f"{facts.dataset_files} files, {_size(facts.dataset_bytes or 0)}"
        rows.append(("dataset", size if facts.datasets < 2 else f"{facts.datasets} datasets, {size}"))
    elif facts.datasets:
        rows.append(("dataset", f"{facts.datasets} remote"))
    if facts.run_seconds:
        minutes, seconds = divmod(facts.run_seconds, 60)
        rows.append(("GPU time", f"{minutes} min {seconds} s" if minutes else f"{seconds} s"))
    if facts.cost_micros is not None:
        rows.append(("cost", display(facts.cost_micros)))
    rows.append(("trainer version", _shown(facts.trainer_version)))
    return [(name, value) for name, value in rows if value]


def _shown(value: Any) -> str:
    text = "" if value is None or isinstance(value, bool | list | dict) else str(value)
    return text if _PLAIN.fullmatch(text) else ""


def _model_type(config: Mapping[str, Any]) -> str:
    return f"{config.get('--model_type', '')} {config.get('--lora_type', '')}".lower()


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count} {unit}"
        count //= 1000
    return f"{count} GB"
