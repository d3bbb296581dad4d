"""What a trainer that failed said of it, in its own words and no more of them than a person needs.

The vendor's error comes first, but it may say nothing ("Prediction failed for an unknown reason", "2"), and it may be a
whole traceback. The log then has the words: what its parser refused, what the trainer called the failure, or the last
exception. The first failure that it tells of counts, because those after it only say that it failed.
"""

from __future__ import annotations

import re
import signal

_LONGEST = 2000
_NOTHING_SAID = re.compile(
    r"(?i)^(?:\s*|the trainer failed\b.*|training failed\.?|prediction failed\b.*|failed"
    r"|(?:[\w ]{0,40}\b(?:exit(?:ed)?|status|code|SystemExit)\b[\w :=]{0,30}?)?[( ]*-?[0-9]{1,3}\)?\.?)$",
    re.S,
)
_CODE = re.compile(r"(-?[0-9]{1,3})\)?\.?\s*$")
_REFUSED = re.compile(r"^(?:[^\s:]{1,80}: error|argparse\.ArgumentError): (.{1,2000})$", re.M)
_EXCEPTION = re.compile(
    r"^((?:[A-Za-z_][\w.]{0,120}\.)?[A-Z]\w{0,80}(?:Error|Exception|Interrupt)): (\S.*)$",
    re.M,
)
_TOLD = re.compile(r"^\[(?:ERROR\] Fatal Error: Failed to run training|TRAINING\] Training failed): (\S.*)$", re.M)
_PREFIX = re.compile(
    r"^\s*(?:\[[A-Z]{1,12}(?: [0-9]{1,4})?\] |\S{1,20}, traceback: |Traceback \(most recent call last\):)"
)


def last_words(log_tail: str, error: str | None) -> str | None:
    """None when neither tells anything. Never raises, whatever the texts."""
    said = (error or "").strip()
    if not says_nothing(said):
        return _in_short(said)
    return _of_log(log_tail) or _stopped(said) or said or None


def says_nothing(error: str | None) -> bool:
    return bool(_NOTHING_SAID.match((error or "").strip()))


def _of_log(log: str) -> str | None:
    refused = _REFUSED.search(log)
    if refused:
        return refused[1].strip()[:_LONGEST]
    told = _TOLD.search(log)
    if told:
        return _paragraph(log, told.start(1))
    if "Traceback (most recent call last)" in log:
        return _of_traceback(log)
    return None


def _in_short(said: str) -> str:
    return (_of_traceback(said) if "Traceback (most recent call last)" in said else None) or said[:_LONGEST]


def _of_traceback(text: str) -> str | None:
    """The exception at the end of the first traceback that ends with one, as the trainer would print it."""
    begun = text.find("Traceback (most recent call last)")
    for found in _EXCEPTION.finditer(text, begun):
        if found[2].startswith("Could not parse command line arguments"):
            continue  # its cause, a traceback of its own, follows
        words = _paragraph(text, found.start(2))
        return words if found[1] == "argparse.ArgumentError" else f"{found[1]}: {words}"
    return None


def _paragraph(text: str, start: int) -> str:
    """The line, and the lines that go on with it."""
    lines = text[start : start + 2 * _LONGEST].splitlines()
    kept = lines[:1]
    for line in lines[1:]:
        if not line.strip() or _PREFIX.match(line) or not line.startswith((" ", "-")):
            break
        kept.append(line)
    return "\n".join(kept).rstrip()[:_LONGEST]


def _stopped(said: str) -> str | None:
    """A process that was ended by a signal says so in its exit code only: 143, or -15, for SIGTERM."""
    code = _CODE.search(said)
    number = int(code[1]) if code else 0
    number = number - 128 if number > 128 else -number
    try:
        name = signal.Signals(number).name
    except ValueError:
        return None
    return f"The trainer was stopped from outside ({name}). {said}"
