"""One machine as in the journeys, but what trains at its vendor is SimpleTuner itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import deserialize

from emulators.replicate.real.home import VERSIONS
from local.demo import REAL as CONFIG
from tests.journeys.conftest import SECRET
from tests.journeys.test_delivery import Places

STEPS = int(str(CONFIG["--max_train_steps"]))
WEIGHTS = "pytorch_lora_weights.safetensors"


@dataclass
class RealWorld(Places):
    version: str = VERSIONS[0]

    def start_vendor(self) -> None:
        command = ["emulators.replicate", "--port", str(self.vendor_port), "--allow-http-webhooks", "--keep-runs"]
        command += ["--state", str(self.folder / "vendor"), "--token", self.token, "--webhook-secret", SECRET]
        command += ["--trainer", "real", "--trainer-version", self.version, "--boot-seconds", "0.1"]
        command += ["--hub", self.hub.url] if self.hub else []
        self._start("vendor", command, f"{self.vendor}/_emu/requests")

    def config(self, **more: Any) -> Path:
        path = self.folder / "config.json"
        path.write_text(json.dumps(CONFIG | {f"--{name}": value for name, value in more.items()}))
        return path

    def submit(self, *words: str, config: Path | None = None) -> str:
        told = self.run("submit", str(config or self.config()), "--yes", "--json", "--no-follow", *words)
        assert told.returncode == 0, told.stderr
        return str(json.loads(told.stdout)["job"]["job_id"])

    def ended(self, job_id: str) -> dict[str, Any]:
        return self.until(job_id, "completed", "failed", "cancelled", seconds=800)

    def log(self, job_id: str) -> str:
        return str(self.get(f"/api/cloud/jobs/{job_id}/logs")["logs"])

    def root(self, job_id: str) -> Path:
        """The container's working directory, kept after its end."""
        run = self.get(f"/api/cloud/jobs/{job_id}")["job"]["metadata"]["prediction_id"]
        return self.folder / "vendor" / "runs" / str(run) / "root"

    def download(self, job_id: str) -> Path:
        target = self.folder / "models" / job_id
        told = self.run("download", job_id, "--to", str(target))
        assert told.returncode == 0, told.stderr
        return target


def last_weights(root: Path, steps: int = STEPS) -> bytes:
    """The last checkpoint that the trainer wrote, opened: it is of the last step, and it has learnt something."""
    found = list((root / "output").rglob(f"checkpoint-{steps}/{WEIGHTS}"))
    assert len(found) == 1, f"no checkpoint of step {steps} below {root}"
    content = found[0].read_bytes()
    # Opened as bytes: the trainer writes bfloat16, which numpy does not know.
    halves = [bytes(tensor["data"]) for name, tensor in deserialize(content) if "lora_B" in name]
    assert any(map(any, halves)), "the second half of every adapter is still zero, as before the first step"
    return content


def trained_on(root: Path, captions: list[str]) -> list[str]:
    """Those of ``captions`` that the trainer did not turn into embeddings: it names their files by their digests."""
    made = {path.name.partition("-")[0] for path in root.rglob("*-sdxl.pt")}
    return [one for one in captions if hashlib.md5(one.encode(), usedforsecurity=False).hexdigest() not in made]
