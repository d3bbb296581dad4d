"""What training leaves on the disk: checkpoints, from which a run can go on, and the final weights.

The files have the names of the trainer's. ``optimizer.bin`` and ``random_states_0.pkl`` hold other things than torch
would write, as there is no torch here.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from emulators.replicate.box.dataset import Dataset
from emulators.replicate.box.network import Adam, Array, Network
from emulators.replicate.box.options import Options

WEIGHTS = "pytorch_lora_weights.safetensors"
MANIFEST = "checkpoint_manifest.json"
_GUARD = ".guard"


class BadCheckpoint(ValueError):
    """There is nothing to go on from; the text says why."""


class Checkpoints:
    def __init__(self, options: Options, dataset: Dataset, network: Network, optimizer: Adam) -> None:
        self._options = options
        self._dataset = dataset
        self._network = network
        self._optimizer = optimizer
        self._restored = options.output_dir

    def save(self, step: int, epoch: int, per_epoch: int) -> Path:
        """Writes ``checkpoint-<step>``, and removes the oldest ones beyond the configured number."""
        folder = self._options.output_dir / f"checkpoint-{step}"
        folder.mkdir(parents=True, exist_ok=True)
        self._weights(folder / WEIGHTS, step)
        _write_tensors(folder / "optimizer.bin", self._optimizer.moments, {"steps": str(self._optimizer.steps)})
        _write(folder / "scheduler.bin", {"name": self._options.scheduler, "last_epoch": step})
        _write(folder / "random_states_0.pkl", {"seed": self._options.seed, "step": step})
        _write(folder / "ramtorch_prefetch_orders.json", {"components": {}, "version": 1})
        done = {"global_step": step, "epoch_step": (step - 1) % per_epoch + 1, "epoch": epoch}
        _write(folder / "training_state.json", {**done, "exhausted_backends": [], "repeats": {}})
        for backend in self._dataset.backends:
            seen = [sample.shown for sample in backend.samples]
            _write(folder / f"training_state-{backend.name}.json", _sampler(seen, self._options.batch_size, epoch))
        files = sorted(path.name for path in folder.iterdir())
        document = {"version": 1, "checkpoint": folder.name, "files": files, "metadata": self._metadata()}
        (folder / MANIFEST).write_text(json.dumps(document, indent=2))
        (folder / _GUARD).write_text("complete\n")
        self._drop_oldest()
        return folder

    def save_final(self, step: int) -> None:
        folder = self._options.output_dir
        folder.mkdir(parents=True, exist_ok=True)
        self._weights(folder / WEIGHTS, step)

    def restore(self, folder: Path) -> int:
        """The step that the checkpoint was written at. Raises ``BadCheckpoint``."""
        if not folder.is_dir():
            raise BadCheckpoint(
                f"Tried to find {self._options.shown_output_dir}/{folder.name} but folder does not exist"
            )
        try:
            state = json.loads((folder / "training_state.json").read_text())
            adapters, moments = load((folder / WEIGHTS).read_bytes()), load((folder / "optimizer.bin").read_bytes())
            step = int(state["global_step"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadCheckpoint(f"Could not load {folder.name}: {error}") from error
        for name, own in self._network.adapters.items():
            if name not in adapters or adapters[name].shape != own.shape:
                raise BadCheckpoint(f"Error(s) in loading state_dict: size mismatch for {name}")
            own[...] = adapters[name]
        for name, moment in self._optimizer.moments.items():
            moment[...] = moments.get(name, np.zeros_like(moment))
        self._optimizer.steps, self._restored = step, folder
        return step

    def strange_picture(self) -> str | None:
        """A picture of the restored checkpoint that this run does not have: its samplers go on with the old paths."""
        for backend in self._dataset.backends:
            try:
                state = json.loads((self._restored / f"training_state-{backend.name}.json").read_text())
                known = [path for paths in state["aspect_ratio_bucket_indices"].values() for path in paths]
            except (OSError, ValueError, KeyError, AttributeError):
                continue
            here = {sample.shown for sample in backend.samples}
            if strange := [path for path in known if path not in here]:
                return str(strange[0])
        return None

    def _drop_oldest(self) -> None:
        if self._options.checkpoints_kept:
            for folder in existing(self._options.output_dir)[: -self._options.checkpoints_kept]:
                shutil.rmtree(folder)

    def _metadata(self) -> dict[str, str]:
        family, kind = self._options.model_family, self._options.model_type
        told = {"model_family": family, "model_type": kind, "model_flavour": self._options.model_flavour}
        return {name: value for name, value in told.items() if value} | {"modelspec_architecture": f"{family}/{kind}"}

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


def existing(output_dir: Path) -> list[Path]:
    """The checkpoints of a folder, by their steps."""
    found = [path for path in output_dir.glob("checkpoint-*") if re.fullmatch(r"checkpoint-[0-9]+", path.name)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def _sampler(seen: list[str], batch_size: int, epoch: int) -> dict[str, Any]:
    return {
        "aspect_ratio_bucket_indices": {"1.0": seen},
        "buckets": ["1.0"],
        "exhausted_buckets": [],
        "batch_size": batch_size,
        "current_bucket": 0,
        "seen_images": {},
        "current_epoch": epoch,
    }


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
    path.write_text(json.dumps(document))
