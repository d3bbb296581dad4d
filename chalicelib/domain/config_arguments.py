"""A config as the trainer's parser gets it: one argument a value, with the rough edges of the way there.

    config.json ─▶ arguments (true is a bare option, null and empty text are left out, a list is said once for each
    item, an object only where the option takes JSON) ─▶ the option meant (also by a beginning that fits one alone) ─▶
    its typed value

None of it is judged here by taste: it is what the real parser does, and is held against what it said of many configs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.trainer_options import Option, TrainerOptions

YES = frozenset({"1", "true", "yes", "y", "on"})
NO = frozenset({"0", "false", "no", "n", "off"})
_JSON_TOO = frozenset(
    {"webhook_config", "deepspeed_config", "distillation_config", "publishing_config", "peft_lora_target_modules"}
)
"""What takes JSON beside the options that are marked so."""

_REVERSED = "--ignore_final_epochs"
"""The one renamed option that says the opposite of what it is turned into."""

_FROM_THE_BOX = re.compile(r"\{env:[^{}]*\}")
_MOST_LISTED = 8

MOST_FAULTS = 20
"""After so many it is another file: looking for near words takes longer than reading."""

_LONGEST_WORD = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that the trainer would end the run for. ``instead`` are the nearest right words.

    ``by_version``: another version of the trainer may take it.
    """

    option: str
    problem: str
    instead: tuple[str, ...] = ()
    by_version: bool = False

    @property
    def sentence(self) -> str:
        hint = f" Did you mean {_or(self.instead)}?" if self.instead else ""
        return f"'{self.option}' {self.problem}.{hint}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """``values`` by the options' own names, with what the parser takes for those that are not given. ``spelt`` says how
    a given option is really called where the config has another word for it."""

    values: dict[str, Any]
    given: frozenset[str]
    spelt: dict[str, str]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def parse(config: Mapping[str, Any], trainer: TrainerOptions) -> Parsed:
    values: dict[str, Any] = {option.name: option.default for option in trainer.options.values()}
    faults, notes, given, spelt = list[Fault](), list[str](), set[str](), dict[str, str]()
    for key, raw in config.items():
        name = _dashed(key)
        if len(faults) >= MOST_FAULTS:
            break
        known = trainer.renamed.get(name[2:])
        if name[2:] in trainer.dropped or name.startswith("--__"):
            continue
        found = trainer.options[f"--{known}"] if known else _meant(name, trainer)
        if isinstance(found, Fault):
            if raw is not None:
                faults.append(found)
            continue
        if not known and name not in trainer.options:
            spelt[key] = found.name
        for value in _arguments(found, raw, notes):
            given.add(found.name)
            read = _typed(found, value, name)
            if isinstance(read, Fault):
                faults.append(read)
            else:
                values[found.name] = not read if name == _REVERSED else read
    return Parsed(values, frozenset(given), spelt, tuple(faults), tuple(notes))


def near(word: str, words: Iterable[Any]) -> tuple[str, ...]:
    """The nearest right words, two at most; that which differs in signs alone is enough by itself."""
    from difflib import get_close_matches

    word, known = word[:_LONGEST_WORD], [str(one) for one in words]
    plain = {re.sub(r"[-_.\s]", "", one.lower()): one for one in known}
    same = plain.get(re.sub(r"[-_.\s]", "", word.lower()))
    if same:
        return (same,)
    begins = [one for one in known if len(one) > 2 and (word.lower().startswith(one) or one.startswith(word.lower()))]
    return tuple(dict.fromkeys([*begins[:2], *get_close_matches(word, known, n=2, cutoff=0.75)]))[:2]


def _dashed(key: str) -> str:
    key = key.strip()
    return key if key.startswith("--") else f"--{key.lstrip('-')}"


def _meant(name: str, trainer: TrainerOptions) -> Option | Fault:
    """The parser takes a beginning for the option when it is that of one alone."""
    if name in trainer.options:
        return trainer.options[name]
    other = trainer.elsewhere.get(name)
    if other is not None:
        return Fault(name, _of_another_version(other, trainer), by_version=True)
    begun = [known for known in trainer.options if known.startswith(name)]
    if len(begun) == 1 and " " not in name and "=" not in name:
        return trainer.options[begun[0]]
    if len(begun) > 1 and len(name) > 3:
        return Fault(name, "is the beginning of several options of the trainer", tuple(sorted(begun)[:3]))
    return Fault(name[:_LONGEST_WORD], "is no option of the trainer", near(name, trainer.options), by_version=True)


def _of_another_version(option: Option, trainer: TrainerOptions) -> str:
    when = f"came with SimpleTuner {option.since}" if option.since else f"was there until SimpleTuner {option.until}"
    return f"{when}, and this trainer has {trainer.version}"


def _arguments(option: Option, raw: Any, notes: list[str]) -> Iterator[str | None]:
    """What stands behind the option, once for each time that it is said; None for nothing."""
    if isinstance(raw, str) and _FROM_THE_BOX.search(raw):
        notes.append(f"'{option.name}' reads the environment of the GPU box, which has none of yours.")
        raw = _FROM_THE_BOX.sub("", raw)
    if raw is None:
        return
    if isinstance(raw, bool):
        yield None if raw else "false"
    elif isinstance(raw, str) and raw.strip().lower() in ("true", "false"):
        if raw.strip().lower() == "true":
            yield None
    elif isinstance(raw, dict | list) and (option.takes_json or option.name[2:] in _JSON_TOO):
        yield json.dumps(raw)
    elif isinstance(raw, dict):
        notes.append(f"'{option.name}' takes no object, so the trainer goes on without it. Write it as text.")
    elif isinstance(raw, list) and option.type == "trackers":
        if words := [str(item).strip() for item in raw if str(item).strip()]:
            yield ",".join(words)
    elif isinstance(raw, list):
        if len(raw) > 1:
            notes.append(f"'{option.name}' is a list, of which the trainer takes the last item alone.")
        yield from (text for item in raw if (text := str(item).strip()))
    else:
        text = str(raw).strip()
        if text or (isinstance(raw, str) and option.keeps_empty and option.name != "--publishing_config"):
            yield text


def _typed(option: Option, text: str | None, name: str) -> Any:
    if text is None:
        if option.may_be_bare:
            return True
        if option.choices:
            return Fault(name, f"is no switch. It is one of {_listed(option.choices)}")
        return Fault(name, f"is no switch: it needs {_WANTED.get(option.type, 'a value')}")
    try:
        value = _READ[option.type](text)
    except ValueError:
        return Fault(name, f"must be {_WANTED[option.type]}, not {text[:40]!r}")
    if option.type == "trackers":
        return _trackers(option, value, name)
    if option.name == "--model_family":
        value = value.lower()
    if option.name == "--lr_scheduler":
        value = "cosine" if value.lower() == "cosine_with_warmup" else value
    if option.choices and value not in option.choices:
        return _bad_choice(option, value, name)
    return value


def _bad_choice(option: Option, value: Any, name: str) -> Fault:
    close = near(str(value), option.choices)
    if option.name == "--model_family":
        known = "" if close else f". It knows {_listed(option.choices, len(option.choices))}"
        return Fault(
            name, f"names the model family '{str(value)[:40]}', which the trainer does not know{known}", close, True
        )
    return Fault(name, f"cannot be '{str(value)[:40]}': it is one of {_listed(option.choices)}", close, True)


def _trackers(option: Option, value: str, name: str) -> Any:
    words = [word for part in value.split(",") if (word := part.strip().lower())]
    wrong = next((word for word in words if word not in option.choices), None)
    if wrong is not None:
        return Fault(
            name, f"names '{wrong[:40]}': there are {_listed(option.choices)}", near(wrong, option.choices), True
        )
    if "none" in words and len(words) > 1:
        return Fault(name, "cannot be 'none' beside other trackers")
    return value if words else Fault(name, f"is one of {_listed(option.choices)}")


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in YES | NO:
        raise ValueError(text)
    return word in YES


def _switch_or_text(text: str) -> bool | str:
    return _switch(text) if text.strip().lower() in YES | NO else text.strip() or False


_READ: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": _switch,
    "bool_or_text": _switch_or_text,
    "trackers": str,
}
_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "trackers": "a tracker's name",
}


def _listed(choices: Iterable[Any], most: int = _MOST_LISTED) -> str:
    words = [str(one) for one in choices]
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")


def _or(words: tuple[str, ...]) -> str:
    return " or ".join(f"'{word}'" for word in words)
