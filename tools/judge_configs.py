"""What the real parser says of configs, without training: run by the Python that SimpleTuner is installed for.

    TRAINER/bin/python tools/judge_configs.py < CASES.json > VERDICTS.json
    TRAINER/bin/python tools/judge_configs.py --examples > VERDICTS.json     # the configs that the wheel comes with

A case is ``{"name", "config", "lycoris"?}``; a verdict is its name and ``error``, null for what the trainer takes. Each
config is handed over as the stock image does it, and the parser is told that there is a GPU: what it says of the
machine that it runs on is no word on the config.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

_SAID_BY_ARGPARSE = "error: "
_LONGEST = 80


def main() -> None:
    examples = sys.argv[1:] == ["--examples"]
    cases = list(_examples()) if examples else json.load(sys.stdin)
    out = sys.stdout
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        os.chdir(folder)
        verdicts = judged(cases)
    out.write("[\n" + ",\n".join(json.dumps(verdict) for verdict in verdicts) + "\n]\n")


def judged(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import torch

    torch.cuda.is_available = lambda: True
    # Of the GPU the parser asks this alone: which optimizers there are does not depend on it.
    torch.cuda.get_device_capability = lambda *_: (9, 0)
    return [
        {"name": case["name"], **({"hash": case["hash"]} if "hash" in case else {}), "error": error_of(case)}
        for case in cases
    ]


def error_of(case: dict[str, Any]) -> str | None:
    if case["config"] is None:
        return "not JSON"
    from simpletuner.helpers.configuration.loader import load_config

    written = io.StringIO()
    try:
        with contextlib.redirect_stderr(written):
            found = load_config(launched(case), exit_on_error=True)
    except SystemExit:
        # Before Python 3.12.7 argparse ends the process for some errors, whatever it is told.
        return written.getvalue().rpartition(_SAID_BY_ARGPARSE)[2].strip()[:_LONGEST]
    except Exception as error:
        # Of an error with a traceback inside, its last line.
        return f"{type(error).__name__}: {error}".strip().splitlines()[-1].partition("Error: ")[2][:_LONGEST]
    return None if found is not None else "The parser found no configuration."


def launched(case: dict[str, Any]) -> dict[str, Any]:
    """The config with what the stock image and this system add to each."""
    config = {name: value for name, value in case["config"].items() if not name.startswith("__")}
    places = ("data_backend_config", "output_dir", "webhook_config")
    config = {name: value for name, value in config.items() if name.lstrip("-") not in places}
    config |= {"--data_backend_config": "config/cog/job.json", "--output_dir": "output/job"}
    if case.get("lycoris") is not None:
        file = Path("config/cog/lycoris_config.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(case["lycoris"]), "utf-8")
        config = {name: value for name, value in config.items() if name.lstrip("-") != "lycoris_config"}
        config["--lycoris_config"] = str(file)
    return config


def _examples() -> Any:
    import simpletuner

    root = Path(str(simpletuner.__file__)).parent
    for file in sorted((root / "examples").glob("*/config.json")):
        raw = file.read_bytes()
        try:
            config = json.loads(raw)
        except ValueError:
            config = None
        case = {"name": file.parent.name, "hash": hashlib.sha256(raw).hexdigest()[:16], "config": config}
        if config is not None:
            named = next((config[key] for key in ("--lycoris_config", "lycoris_config") if config.get(key)), None)
            if isinstance(named, str):
                found = [
                    place
                    for place in (
                        root / named.removeprefix("simpletuner/").removeprefix("config/"),
                        file.parent / Path(named).name,
                    )
                    if place.is_file()
                ]
                case["lycoris"] = json.loads(found[0].read_bytes()) if found else None
        yield case


if __name__ == "__main__":
    main()
