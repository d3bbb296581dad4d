"""The trainer of the example: learns how often each letter occurs in the captions of a dataset, by gradient descent.

``python runner.py RUN_FOLDER`` returns at once and goes on in the background. Only the first process that claims a
folder trains in it.
"""

from __future__ import annotations

import io
import json
import math
import os
import string
import struct
import sys
import time
import urllib.request
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LETTERS = string.ascii_lowercase
STEP_SECONDS = 0.02
MODEL = "pytorch_lora_weights.safetensors"


class Stopped(Exception):
    """Somebody asked for it."""


def train(folder: Path) -> None:
    order = json.loads((folder / "order.json").read_text())
    config = {name.removeprefix("--"): value for name, value in order["config"].items()}
    steps, rate = int(config.get("max_train_steps", 50)), float(config.get("learning_rate", 1.0))
    counts = Counter(letter for letter in _text(order).lower() if letter in LETTERS)
    if not counts:
        raise ValueError("the dataset has no letters to learn from")
    wanted = [counts[letter] / counts.total() for letter in LETTERS]
    weights = [0.0] * len(LETTERS)
    with (folder / "log.txt").open("a", buffering=1) as log:
        for step in range(1, steps + 1):
            if (folder / "stop").exists():
                raise Stopped
            if (folder / "save").exists():
                _save(folder / MODEL, weights)
                (folder / "save").unlink()
            shares = _softmax(weights)
            loss = -sum(want * math.log(share) for want, share in zip(wanted, shares, strict=True))
            weights = [w + rate * (want - share) for w, want, share in zip(weights, wanted, shares, strict=True)]
            log.write(
                f"Steps: {100 * step // steps}%|#| {step}/{steps} [00:01<00:01, lr={rate}, step_loss={loss:.4f}]\n"
            )
            time.sleep(STEP_SECONDS)
    _save(folder / MODEL, weights)


def _text(order: dict[str, Any]) -> str:
    if not order["images_url"]:
        return json.dumps(order["config"])
    with urllib.request.urlopen(order["images_url"], timeout=30) as answer:  # noqa: S310 - the order says where
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    return " ".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".txt"))


def _softmax(weights: list[float]) -> list[float]:
    powers = [math.exp(weight) for weight in weights]
    return [power / sum(powers) for power in powers]


def _save(path: Path, weights: list[float]) -> None:
    head = {"letters": {"dtype": "F32", "shape": [len(weights)], "data_offsets": [0, 4 * len(weights)]}}
    told = json.dumps(head).encode()
    draft = path.with_suffix(".draft")
    draft.write_bytes(struct.pack("<Q", len(told)) + told + struct.pack(f"<{len(weights)}f", *weights))
    draft.replace(path)


def _write(folder: Path, **news: str) -> None:
    state = json.loads((folder / "state.json").read_text()) | news
    draft = folder / "state.draft"
    draft.write_text(json.dumps(state))
    draft.replace(folder / "state.json")


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def main(folder: Path) -> None:
    try:
        (folder / "claimed").mkdir()
    except FileExistsError:
        return
    if os.fork():
        return
    os.setsid()
    _write(folder, status="working", started_at=_now())
    try:
        train(folder)
    except Stopped:
        _write(folder, status="stopped", ended_at=_now())
    except Exception as error:
        _write(folder, status="broken", error=str(error)[:2000], ended_at=_now())
    else:
        _write(folder, status="done", ended_at=_now())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
