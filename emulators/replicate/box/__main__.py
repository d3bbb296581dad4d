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

from emulators.replicate.box import (
    backends,
    bucket,
    caches,
    captions,
    checkpoints,
    console,
    dataset,
    folders,
    hub,
    options,
    training,
)
from emulators.replicate.box.publish import Publisher, address

_STAGE_SECONDS = 0.35
_DATA_PROBLEMS = (
    backends.BadDataset,
    bucket.BadBucket,
    captions.NoCaption,
    folders.BadDataset,
    OSError,
)
_TRAINING_PROBLEMS = (training.Stopped, checkpoints.BadCheckpoint, ValueError, OSError)


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
        return 0
    except Exception as error:  # as Cog does: whatever ended the predictor is its error
        text = str(error).replace(str(order["root"]), "")
        frame = '  File "/src/predict.py", line 198, in predict\n    run_result = self.runner.run('
        print(f"Traceback (most recent call last):\n{frame}\n{_kind(error)}: {text}", flush=True)
        answer = {"output": None, "error": text}
    result = Path(order["result"])
    unfinished = result.with_suffix(".part")
    unfinished.write_text(json.dumps(answer))
    unfinished.replace(result)
    return 0


def predict(order: dict[str, Any]) -> str:
    """The predictor's return value. Raises what the prediction fails with."""
    given, faults = order["input"], order["faults"]
    asked = options.ask(given, Path(order["root"]))
    console.cog("Webhook receiver started on http://127.0.0.1:42275/webhook")
    try:
        wanted = _train(given, asked, {name: value for name, value in faults.items() if value is not False}, order)
    finally:
        console.cog("Webhook receiver stopped")
    if asked.return_logs:
        print("\n=== debug.log tail ===", console.debug_log_tail(), sep="\n", flush=True)
    if asked.publishes_by_inputs:
        output = address(wanted.publishing[0])
        print(f"\nCheckpoints published to: {output}", flush=True)
    elif asked.hub_model_id:
        output = f"https://huggingface.co/{asked.hub_model_id}"
        print(f"\nModel published to: {output}", flush=True)
    else:
        # The runner's own folder, also where the config names another, and whatever was published.
        output = f"Training complete. Output: {wanted.job_dir}"
        print(f"\n{output}", flush=True)
    return output


def _train(
    given: dict[str, Any], asked: options.Asked, faults: dict[str, Any], order: dict[str, Any]
) -> options.Options:
    root, speed, trainer = Path(order["root"]), float(order["speed"]), str(faults.get("trainer", "4.10.1"))
    any_config = "takes_any_config" in faults
    if not options.has_config(given) and not (any_config and given.get("config_json")):
        raise FileNotFoundError("No training config found. Provide a config JSON or create config/config.json.")
    job = options.new_job()
    dataloader = dataset.entries(given, asked.dataloader, job, root, "unpacks_archives" in faults)
    if asked.hub_model_id or given.get("hf_token"):
        os.environ["HF_TOKEN"] = str(given.get("hf_token") or "")
    wanted = options.parse(asked, job, root, trainer, any_config)
    console.notify("SimpleTuner has launched. Hold onto your butts!")
    console.notify("Training job has started, configuration has begun.")
    console.log(f"Trainer.__init__: model_type={wanted.model_type!r}, lora_type='standard'")
    publisher = Publisher(wanted.publishing, wanted.output_dir)
    pictures = _data(dataloader, wanted, faults, order)
    console.stage(
        "running", "Loading base model", None, f"Loading model: `{wanted.base_model or wanted.model_family}`..."
    )
    time.sleep(_STAGE_SECONDS / speed)
    console.stage("completed", "Loading base model", 100.0, "Base model has loaded.")
    try:
        training.train(wanted, pictures, publisher, faults, speed)
    except _TRAINING_PROBLEMS as error:
        _tell_failure(error, root)
        raise
    if "publishes_at_end" in faults:
        publisher.publish()
    if asked.hub_model_id and os.environ.get("HF_ENDPOINT") and "no_hub_push" not in faults:
        hub.push(asked.hub_model_id, given["hf_token"], wanted.output_dir, wanted.hub_private, wanted.base_model)
    elif asked.hub_model_id:
        console.log(f"Rehearsal: nothing was pushed to https://huggingface.co/{asked.hub_model_id}", "WARNING")
    return wanted


def _data(
    dataloader: list[Any], wanted: options.Options, faults: dict[str, Any], order: dict[str, Any]
) -> dataset.Dataset:
    root, label = Path(order["root"]), "Configuring data backends"
    place = backends.Place(
        root=root,
        scratch=root / "datasets" / "fetched",
        trainer=str(faults.get("trainer", "4.10.1")),
        token=os.environ.get("HF_TOKEN") or None,
        any_bucket="reads_any_bucket" in faults,
        minimum_image_size=wanted.minimum_image_size,
    )
    console.stage("running", label, None, "Configuring data backends... (this may take a while!)")
    console.log(f"Loading data backend config from config/cog/{wanted.job}_multidatabackend.json")
    checked = "enable_nsfw_check: models=3, votes=2, threshold=0.5, backends=all, samples=image,conditioning"
    console.log(f"NSFW check: {checked}", logger="DataBackendFactory")
    time.sleep(_STAGE_SECONDS / float(order["speed"]))
    try:
        pictures = dataset.load(dataloader, wanted, place)
    except _DATA_PROBLEMS as error:
        text = _shown(error, root)
        console.error(f"{text}, traceback: Traceback (most recent call last):\n{_kind(error)}: {text}\n")
        failed = f"Failed to load data backends: {text}"
        console.notify(failed, failed.partition("\n")[0])
        console.stage("failed", label, None, failed)
        _tell_failure(error, root)
        raise
    caches.write(wanted, pictures, root, "keeps_caches_apart" in faults)
    console.stage("completed", label, 100.0, "Completed configuring data backends.")
    return pictures


def _tell_failure(error: Exception, root: Path) -> None:
    text = _shown(error, root)
    failed = f"Failed to run training: {text}"
    console.error(f"{failed}, traceback: Traceback (most recent call last):\n{_kind(error)}: {text}\n")
    console.notify(failed, failed.partition("\n")[0])
    console.notify(failed, "Fatal Error", "ERROR")
    print(f"[TRAINING] Training failed: {text}", flush=True)


def _shown(error: Exception, root: Path) -> str:
    return str(error).replace(str(root), "")


def _kind(error: Exception) -> str:
    """What the trainer would have raised."""
    if isinstance(error, FileNotFoundError):
        return "FileNotFoundError"
    return "RuntimeError" if isinstance(error, training.Stopped) else "ValueError"


def _cancel(_signal: int, _frame: FrameType | None) -> None:
    raise Canceled


def _end_with_server() -> None:
    # Nothing more is ever sent: the end of stdin means that the server is gone.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
