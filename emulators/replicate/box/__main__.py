"""``python -m emulators.replicate.box``: one prediction, ordered through stdin, told on stdout, answered in a file."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from emulators.replicate.box import console, dataset, hub, options, training
from emulators.replicate.box.publish import Publisher, address

_STAGE_SECONDS = 0.35


class Canceled(BaseException):
    """Cog's way of telling a predictor to stop; not an error, so nothing may catch it as one."""


def main() -> int:
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        order: dict[str, Any] = json.loads(stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, _cancel)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        answer = {"output": predict(order), "error": None}
    except Canceled:
        console.say("COG", "Prediction canceled")
        return 0
    except (ValueError, OSError, training.Stopped) as error:
        text = " ".join(str(error).split()).replace(str(order["root"]), "")
        console.say("ERROR", f"Training failed: {text}")
        answer = {"output": None, "error": text}
    except Exception as error:  # the box is the last that can tell what happened
        console.say("ERROR", f"Training failed: {type(error).__name__}: {error}")
        answer = {"output": None, "error": f"{type(error).__name__}: {error}"}
    result = Path(order["result"])
    unfinished = result.with_suffix(".part")
    unfinished.write_text(json.dumps(answer))
    unfinished.replace(result)
    return 0


def predict(order: dict[str, Any]) -> str:
    """The predictor's return value. Raises what the prediction fails with."""
    given, faults, speed, root = order["input"], order["faults"], order["speed"], Path(order["root"])
    asked = options.read(given, root)
    console.say("COG", f"Starting SimpleTuner job {asked.job}")
    console.say("COG", "Rehearsal: a tiny model on the CPU stands for the real trainer")
    pictures = dataset.load(given, asked.dataloader, root, asked.job, "unsafe_zip" in faults)
    for label in ("Configuring data backends", "Loading base model", "Caching text embeds"):
        console.stage("running", label, "0%")
        time.sleep(_STAGE_SECONDS / speed)
        console.stage("completed", label)
    console.say("INFO", f"Found {pictures.count} images with captions")
    publisher = Publisher(asked.publishing, asked.output_dir)
    training.train(asked, pictures, publisher, faults, speed)
    if "no_final_publish" not in faults:
        publisher.publish()
    if asked.hub_model_id and os.environ.get("HF_ENDPOINT") and "no_hub_push" not in faults:
        hub.push(asked.hub_model_id, given["hf_token"], asked.output_dir, asked.hub_private, asked.base_model)
    elif asked.hub_model_id:
        console.say("WARN", f"Rehearsal: nothing was pushed to https://huggingface.co/{asked.hub_model_id}")
    output = _output(asked)
    if output.startswith(("http", "s3:")):
        console.say("COG", f"Model published to: {output}")
    if asked.return_logs:
        print("=== debug.log tail ===", console.debug_log_tail(), sep="\n", flush=True)
    return output


def _output(asked: options.Options) -> str:
    # The stock predictor works this out from the config: it says nothing about whether publishing succeeded.
    if asked.publishing:
        return address(asked.publishing[0])
    if asked.hub_model_id:
        return f"https://huggingface.co/{asked.hub_model_id}"
    return f"Training complete. Output: {asked.shown_output_dir}"


def _cancel(_signal: int, _frame: FrameType | None) -> None:
    raise Canceled


def _end_with_server() -> None:
    # Nothing more is ever sent: the end of stdin means that the server is gone.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
