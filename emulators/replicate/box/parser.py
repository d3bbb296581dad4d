"""The trainer's own parser: what a config may hold, by version, and the words with which it refuses the rest.

The table of options is data that a script reads from the installed trainer. This reads the file, and no code with it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).resolve().parents[3] / "chalicelib" / "domain" / "trainer_options.json"
_NUMBERS = {"int": int, "float": float}
_TRUE, _FALSE = ("1", "true", "yes", "y", "t", "on"), ("0", "false", "no", "n", "f", "off")
_WHERE = "simpletuner/helpers/configuration/cmd_args.py"


class Refused(ValueError):
    """``args[0]`` is the whole text of the error, which ends in the parser's own line."""


@cache
def _options(version: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for told in _table()["options"]:
        since, until = told.get("since"), told.get("until")
        if (since and _ordered(version) < _ordered(since)) or (until and _ordered(version) > _ordered(until)):
            continue
        option = told | told.get("was", {}).get(version, {})
        for name in (told["name"], *(told.get("aliases") or ())):
            found[name] = option
    return found


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text("utf-8"))
    return table


def parse(config: dict[str, Any], version: str) -> dict[str, Any]:
    """Every option of the version with its value, without dashes. Raises ``Refused``."""
    options, table = _options(version), _table()
    parsed = {option["name"].removeprefix("--"): option["default"] for option in options.values()}
    unknown, seen = [], set()
    for key, value in config.items():
        name = str(key).removeprefix("--")
        name = table["renamed"].get(name, name)
        if name in table["dropped"] or value is None or value == "":
            continue
        option = _option(f"--{name}", options)
        if option is None:
            unknown.append(f"--{name}={_text(value)}")
            continue
        own = option["name"].removeprefix("--")
        parsed[own] = _value(option, value)
        seen.add(option["name"])
    missing = {option["name"]: None for option in options.values() if option.get("required")}
    if missing := {name: None for name in missing if name not in seen}:
        raise _refused(f"the following arguments are required: {', '.join(missing)}")
    if unknown:
        raise _refused(f"unrecognized arguments: {' '.join(unknown)}")
    if (parsed["max_train_steps"] or 0) > 0 and (parsed["num_train_epochs"] or 0) > 0:
        both = "When using --max_train_steps (MAX_NUM_STEPS), you must set --num_train_epochs (NUM_EPOCHS) to 0."
        raise Refused(both)
    return parsed


def _option(name: str, options: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """An option may be shortened as far as it stays the only one."""
    if name in options:
        return options[name]
    longer = [other for other in options if other.startswith(name)]
    if len({options[other]["name"] for other in longer}) > 1:
        raise _refused(f"ambiguous option: {name} could match {', '.join(longer)}")
    return options[longer[0]] if longer else None


def _value(option: dict[str, Any], value: Any) -> Any:
    name, kind, text = option["name"], option["type"], _text(value)
    if kind in _NUMBERS:
        try:
            number = _NUMBERS[kind](text)
        except ValueError as error:
            raise _refused(f"argument {name}: invalid {kind} value: {text!r}") from error
        _among(option, number)
        return number
    if kind == "bool":
        if text.lower() not in _TRUE + _FALSE:
            raise _refused(f"argument {name}: Expected a boolean value, got {text!r}")
        return text.lower() in _TRUE
    if kind == "trackers":
        for tracker in text.split(","):
            _among(option, tracker.strip())
        return text
    if not isinstance(value, dict | list):
        _among(option, text)
    return value if isinstance(value, dict | list) else text


def _among(option: dict[str, Any], value: Any) -> None:
    choices = option.get("choices")
    if choices and value not in choices:
        shown = ", ".join(repr(choice) for choice in choices)
        raise _refused(f"argument {option['name']}: invalid choice: {value!r} (choose from {shown})")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _refused(text: str) -> Refused:
    frame = f'  File "/src/{_WHERE}", line 692, in parse_cmdline_args\n    args = parser.parse_args(normalized_args)\n'
    traceback = f"Traceback (most recent call last):\n{frame}argparse.ArgumentError: {text}\n"
    return Refused(f"Could not parse command line arguments:\n{traceback}")


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
