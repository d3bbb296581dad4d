"""One box: the process that stands for the machine on which one prediction runs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulators.replicate.real.home import Home
from emulators.replicate.real.machine import READY

_BOX, _MACHINE = "emulators.replicate.box", "emulators.replicate.real.machine"
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_GRACE_SECONDS = 2.0
_REAL_GRACE_SECONDS = 12.0
# A rented machine has none of this user's settings or credentials; only what a process needs to start is passed on.
_PASSED_ON = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Outcome:
    output: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RealTrainer:
    """SimpleTuner itself in place of this emulator's own trainer."""

    home: Home
    version: str


class Box:
    """The order goes in through stdin, which then stays open: a box whose stdin closes knows that nobody is left to
    hear it, and ends. So not even ``kill -9`` of the server leaves a trainer behind."""

    def __init__(self, process: asyncio.subprocess.Process, result: Path, grace_seconds: float) -> None:
        self._process = process
        self._result = result
        self._grace_seconds = grace_seconds

    @classmethod
    async def open(
        cls,
        folder: Path,
        job: dict[str, Any],
        faults: dict[str, Any],
        speed: float,
        hub: str | None = None,
        real: RealTrainer | None = None,
    ) -> Box:
        """``hub`` stands for the Hugging Face Hub; without one the box pushes nothing.

        Raises ``OSError`` when the process cannot be started. What ``folder`` held before is gone. With the real
        trainer it returns when that is loaded: until then a prediction is starting, and nothing is billed."""
        shutil.rmtree(folder, ignore_errors=True)
        root = folder / "root"
        root.mkdir(parents=True)
        result = folder / "result.json"
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {
            "HOME": str(root),
            "PYTHONPATH": str(_PACKAGE_ROOT),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        environment |= {"HF_ENDPOINT": hub} if hub else {}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(("-m", _MACHINE, str(real.home.folder), real.version) if real else ("-m", _BOX)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=root,
            env=environment,
            start_new_session=True,
        )
        order = {"input": job, "faults": faults, "speed": speed, "root": str(root), "result": str(result)}
        assert process.stdin is not None  # noqa: S101
        with suppress(ConnectionError):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            await process.stdin.drain()
        box = cls(process, result, _REAL_GRACE_SECONDS if real else _GRACE_SECONDS)
        if real:
            await box._loaded()
        return box

    async def _loaded(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        try:
            if await self._process.stdout.readline() != READY.encode():
                raise OSError((await self.outcome()).error)
        except BaseException:
            await self.close()
            raise

    async def logs(self) -> AsyncIterator[str]:
        """Whole lines, as they come, until the box closes its output."""
        assert self._process.stdout is not None  # noqa: S101
        rest = b""
        while chunk := await self._process.stdout.read(65536):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                yield (whole + newline).decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace") + "\n"

    async def outcome(self) -> Outcome:
        code = await self._process.wait()
        try:
            return Outcome(**json.loads(self._result.read_text()))
        except (OSError, ValueError, TypeError):
            return Outcome(error=f"Prediction failed: the trainer process ended with exit code {code}")

    async def close(self) -> None:
        """Asks the box to stop as Cog asks a predictor, and makes sure that it did. Again is fine."""
        if self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(getattr(signal, "SIGUSR1", signal.SIGTERM))
        try:
            await asyncio.wait_for(self._process.wait(), self._grace_seconds)
        except TimeoutError:
            with suppress(ProcessLookupError):
                # A session of its own is a group of its own: what the box has started ends with it.
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
