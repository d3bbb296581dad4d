"""Providers, with a watch on each question: how long the vendor took, whether it failed, and a span in the trace."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, TypeVar

from chalicelib.domain.measures import Metric
from chalicelib.domain.ports import Listens, Telemetry, Trainer, Trainers
from chalicelib.domain.powers import Announced
from chalicelib.domain.runs import CloudJobInfo, LaunchOrder, Offer

Answer = TypeVar("Answer")


class WatchedTrainers:
    def __init__(self, trainers: Trainers, telemetry: Telemetry) -> None:
        self._trainers = trainers
        self._telemetry = telemetry

    def get(self, provider: str) -> Trainer:
        trainer = self._trainers.get(provider)
        if isinstance(trainer, Listens):
            return WatchedListener(trainer, trainer, self._telemetry)
        return WatchedTrainer(trainer, self._telemetry)

    def names(self) -> list[str]:
        return self._trainers.names()

    def announced(self) -> list[Announced]:
        return self._trainers.announced()


class WatchedTrainer:
    def __init__(self, trainer: Trainer, telemetry: Telemetry) -> None:
        self._trainer = trainer
        self._telemetry = telemetry

    @property
    def provider_name(self) -> str:
        return self._trainer.provider_name

    @property
    def supports_cost_tracking(self) -> bool:
        return self._trainer.supports_cost_tracking

    @property
    def supports_live_logs(self) -> bool:
        return self._trainer.supports_live_logs

    @property
    def description(self) -> str:
        return self._trainer.description

    @property
    def display_name(self) -> str:
        return self._trainer.display_name

    @property
    def is_configured(self) -> bool:
        return self._trainer.is_configured

    @property
    def can_train(self) -> bool:
        return self._trainer.can_train

    def offers(self) -> list[Offer]:
        return self._trainer.offers()

    def offer(self, hardware: str | None) -> Offer:
        return self._trainer.offer(hardware)

    async def validate_credentials(self) -> dict[str, Any]:
        return await self._watch("validate_credentials", self._trainer.validate_credentials())

    async def list_jobs(self, limit: int = 50) -> list[CloudJobInfo]:
        return await self._watch("list_jobs", self._trainer.list_jobs(limit))

    async def run_job(self, order: LaunchOrder) -> CloudJobInfo:
        return await self._watch("run_job", self._trainer.run_job(order))

    async def find_run(self, launch_key: str, since: datetime) -> CloudJobInfo | None:
        return await self._watch("find_run", self._trainer.find_run(launch_key, since))

    async def cancel_job(self, job_id: str) -> CloudJobInfo:
        return await self._watch("cancel_job", self._trainer.cancel_job(job_id))

    async def get_job_logs(self, job_id: str) -> str:
        return await self._watch("get_job_logs", self._trainer.get_job_logs(job_id))

    async def get_job_status(self, job_id: str) -> CloudJobInfo:
        return await self._watch("get_job_status", self._trainer.get_job_status(job_id))

    async def _watch(self, operation: str, asking: Coroutine[Any, Any, Answer]) -> Answer:
        of = {"provider": self.provider_name, "operation": operation}
        began = time.monotonic()
        try:
            with self._telemetry.span(f"{self.provider_name} {operation}", **of):
                return await asking
        except Exception:
            self._telemetry.measure(Metric.PROVIDER_ERRORS, **of)
            raise
        finally:
            self._telemetry.measure(Metric.PROVIDER_LATENCY, round(1000 * (time.monotonic() - began)), **of)


class WatchedListener(WatchedTrainer):
    """Kept apart, because whoever asks ``isinstance(trainer, Listens)`` must be told the truth."""

    def __init__(self, trainer: Trainer, listens: Listens, telemetry: Telemetry) -> None:
        super().__init__(trainer, telemetry)
        self._listens = listens

    def read_webhook(self, body: dict[str, Any]) -> CloudJobInfo:
        return self._listens.read_webhook(body)

    async def webhook_secrets(self) -> list[str]:
        """Not watched: nearly always it is known already, and a metric of zeros tells nothing."""
        return await self._listens.webhook_secrets()
