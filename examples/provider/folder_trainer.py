"""A whole provider in one file: the vendor is a folder, and a run is a process beside it that trains letters.

    room/accounts.json      {"<token>": {"username": "ada", "until": "2100-01-01T00:00:00Z"}}
    room/closed.json        {"retry_after": 7} while the room takes no requests
    room/lock               held by whoever is busy with the room
    room/runs/<run>/        order.json, state.json, log.txt, save, stop, and the model

It is an example to copy from: nothing here is needed by the product.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from chalicelib.domain import moments
from chalicelib.domain.errors import BadCredentials, BadInput, InvalidConfig, ProviderDown, ProviderRefused
from chalicelib.domain.money import micros_for
from chalicelib.domain.trainer_powers import Powers
from chalicelib.providers.base import (
    CloudJobInfo,
    CloudJobStatus,
    CloudTrainerService,
    LaunchOrder,
    Offer,
    ProviderStatusUnknown,
)

STATUS = {
    "waiting": CloudJobStatus.QUEUED,
    "working": CloudJobStatus.RUNNING,
    "done": CloudJobStatus.COMPLETED,
    "broken": CloudJobStatus.FAILED,
    "stopped": CloudJobStatus.CANCELLED,
}
MICROS_PER_SECOND = 1000

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RUNNER = Path(__file__).with_name("runner.py")


class FolderTrainer(CloudTrainerService):
    provider_name = "folder"
    display_name = "A folder"
    description = "Trains letters in a process on this machine. An example."
    supports_cost_tracking = True
    supports_live_logs = True

    def __init__(self, room: Path, token: str, timeout_seconds: float = 10) -> None:
        self._room = room
        self._token = token
        self._timeout_seconds = timeout_seconds

    @property
    def is_configured(self) -> bool:
        return bool(self._token)

    def offers(self) -> list[Offer]:
        return [Offer(self.provider_name, "cpu", "One processor", 1, 1, MICROS_PER_SECOND, "2026-11-24")]

    async def validate_credentials(self) -> dict[str, Any]:
        return await asyncio.to_thread(self._inside, self._account)

    async def list_jobs(self, limit: int = 50) -> list[CloudJobInfo]:
        return await asyncio.to_thread(self._inside, lambda: self._newest(limit))

    async def run_job(self, order: LaunchOrder) -> CloudJobInfo:
        self.offer(order.hardware)
        if not _KEY.fullmatch(order.launch_key):
            raise InvalidConfig("The launch key must be 1 to 64 letters, digits, '_' or '-'.")
        return await asyncio.to_thread(self._inside, lambda: self._start(order))

    async def find_run(self, launch_key: str, since: datetime) -> CloudJobInfo | None:
        # The run is named after the key, so there is no list to search.
        found = await asyncio.to_thread(self._inside, lambda: self._read(launch_key) if self._has(launch_key) else None)
        return found if found and found.created_at and found.created_at >= since else None

    async def powers(self, version: str | None, hardware: str) -> Powers:
        """Its trainer takes archives and nothing else, and is no SimpleTuner."""
        return Powers(None, archives=True)

    async def cancel_job(self, job_id: str) -> CloudJobInfo:
        return await asyncio.to_thread(self._inside, lambda: self._stop(job_id))

    async def save_now(self, job_id: str) -> None:
        await asyncio.to_thread(self._inside, lambda: self._ask_to_save(job_id))

    async def get_job_logs(self, job_id: str) -> str:
        return (await self.get_job_status(job_id)).logs or ""

    async def get_job_status(self, job_id: str) -> CloudJobInfo:
        return await asyncio.to_thread(self._inside, lambda: self._read(job_id))

    def _inside(self, work: Callable[[], Any]) -> Any:
        """What ``work`` returns, done alone and with good credentials, or the name of what went wrong."""
        try:
            with self._alone():
                self._account()
                return work()
        except OSError as error:
            raise ProviderDown(f"The room cannot be used: {error.strerror}. Try again.") from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        end = time.monotonic() + self._timeout_seconds
        with (self._room / "lock").open("a") as lock:  # the system lets go of it when we die
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise ProviderDown(f"The room was busy for {self._timeout_seconds:g} s. Try again.") from None
                    time.sleep(0.01)
            yield

    def _account(self) -> dict[str, Any]:
        closed = self._room / "closed.json"
        if closed.exists():
            wait = int(json.loads(closed.read_text())["retry_after"])
            raise ProviderDown(f"The room is closed. It opens in {wait} s.", retry_after=wait)
        account = json.loads((self._room / "accounts.json").read_text()).get(self._token)
        if account is None:
            raise BadCredentials("The room does not know this token. Ask whoever keeps accounts.json for one.")
        if moments.from_text(account["until"]) < datetime.now(UTC):
            raise BadCredentials(f"The token ended on {account['until']}. Ask whoever keeps accounts.json.")
        return {"valid": True, "username": account["username"]}

    def _newest(self, limit: int) -> list[CloudJobInfo]:
        folders = [one.name for one in (self._room / "runs").iterdir() if not one.name.startswith(".")]
        runs = [self._read(name) for name in folders]
        return sorted(runs, key=lambda run: str(run.created_at), reverse=True)[:limit]

    def _start(self, order: LaunchOrder) -> CloudJobInfo:
        folder = self._folder(order.launch_key)
        if not folder.exists():
            draft = folder.with_name(f".{secrets.token_hex(8)}")
            draft.mkdir(parents=True)
            told = {"config": order.config, "images_url": order.images_url}
            (draft / "order.json").write_text(json.dumps(told))
            state = {"status": "waiting", "created_at": moments.to_text(datetime.now(UTC))}
            (draft / "state.json").write_text(json.dumps(state))
            draft.rename(folder)  # whole or not at all
        # Asked again, it starts a second process, which leaves at once when the first one has begun.
        subprocess.run([sys.executable, str(_RUNNER), str(folder)], check=True, timeout=self._timeout_seconds)  # noqa: S603
        return self._read(order.launch_key)

    def _stop(self, run_id: str) -> CloudJobInfo:
        info = self._read(run_id)
        (self._folder(run_id) / "stop").touch()
        return info

    def _ask_to_save(self, run_id: str) -> None:
        self._read(run_id)
        (self._folder(run_id) / "save").touch()

    def _read(self, run_id: str) -> CloudJobInfo:
        if not self._has(run_id):
            raise ProviderRefused(f"The room has no run '{run_id[:64]}'.", provider_status=404)
        folder = self._folder(run_id)
        state = json.loads((folder / "state.json").read_text())
        word = str(state["status"])
        if word not in STATUS:
            _log.warning("provider_status_unknown provider=folder run=%s status=%r", run_id, word[:40])
            raise ProviderStatusUnknown(f"The room says that the run '{run_id}' is '{word[:40]}'.", run_id=run_id)
        log, model = folder / "log.txt", folder / "pytorch_lora_weights.safetensors"
        started, ended = (moments.maybe_from_text(state.get(name)) for name in ("started_at", "ended_at"))
        return CloudJobInfo(
            job_id=run_id,
            provider=self.provider_name,
            status=STATUS[word],
            vendor_status=word,
            created_at=moments.from_text(state["created_at"]),
            started_at=started,
            completed_at=ended,
            error=state.get("error"),
            logs=log.read_text() if log.exists() else "",
            output_url=model.as_uri() if model.exists() else None,
            billed_micros=_bill(started, ended),
            billing_is_final=word in ("done", "broken", "stopped"),
            launch_key=run_id,
            hardware="cpu",
        )

    def _has(self, run_id: str) -> bool:
        return (self._folder(run_id) / "state.json").exists()

    def _folder(self, run_id: str) -> Path:
        if not _KEY.fullmatch(run_id):
            raise BadInput("That is not the name of a run in this room.")
        return self._room / "runs" / run_id


def _bill(started: datetime | None, ended: datetime | None) -> int:
    if started is None:
        return 0
    seconds = Decimal(str(((ended or datetime.now(UTC)) - started).total_seconds()))
    return micros_for(seconds, MICROS_PER_SECOND)
