"""What training leaves on the disk: checkpoints that a resume could use, and the final weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from emulators.replicate.box.network import Adam, Array, Network
from emulators.replicate.box.options import Options

WEIGHTS = "pytorch_lora_weights.safetensors"


class Checkpoints:
    def __init__(self, options: Options, network: Network, optimizer: Adam) -> None:
        self._options = options
        self._network = network
        self._optimizer = optimizer
        self._saved: list[Path] = []

    def save(self, step: int, loss: float) -> None:
        """Writes ``checkpoint-<step>``, and removes the oldest ones beyond the configured number."""
        folder = self._options.output_dir / f"checkpoint-{step}"
        folder.mkdir(parents=True, exist_ok=True)
        self._weights(folder / WEIGHTS, step)
        _write_tensors(folder / "optimizer.safetensors", self._optimizer.moments, {"steps": str(self._optimizer.steps)})
        _write(folder / "scheduler.json", {"name": self._options.scheduler, "last_step": step})
        _write(folder / "random_states_0.json", {"seed": self._options.seed, "draws_at_step": step})
        _write(folder / "training_state.json", {"global_step": step, "loss": round(loss, 6)})
        files = sorted(path.name for path in folder.iterdir())
        _write(folder / "checkpoint_manifest.json", {"files": files, "metadata": {"global_step": step}})
        self._saved.append(folder)
        while self._options.checkpoints_kept and len(self._saved) > self._options.checkpoints_kept:
            shutil.rmtree(self._saved.pop(0))

    def save_final(self, step: int, loss: float) -> None:
        folder = self._options.output_dir
        folder.mkdir(parents=True, exist_ok=True)
        self._weights(folder / WEIGHTS, step)
        _write(folder / "training_state.json", {"global_step": step, "loss": round(loss, 6)})

    def _weights(self, path: Path, step: int) -> None:
        adapter = {"r": self._options.rank, "lora_alpha": self._options.alpha, "peft_type": "LORA"}
        metadata = {
            "format": "pt",
            "lora_adapter_metadata": json.dumps(adapter, sort_keys=True),
            "modelspec.title": "SimpleTuner rehearsal",
            "simpletuner.model_family": self._options.model_family,
            "simpletuner.step": str(step),
            "simpletuner.seed": str(self._options.seed),
        }
        _write_tensors(path, self._network.adapters, metadata)


def _write_tensors(path: Path, tensors: dict[str, Array], metadata: dict[str, str]) -> None:
    """The library writes the metadata in an order of its own each time; here the same content is the same bytes."""
    content = save(tensors, metadata)
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[length:])


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n")
