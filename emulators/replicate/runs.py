"""The life of a prediction, and the only place where its status changes.

    starting ──> processing ──> succeeded | failed
       │             └────────> canceled            asked to, or the deadline passed
       └──> canceled | aborted                      asked to | the deadline passed before the start

After a crash of the server, what was ``starting`` is started again and what was ``processing`` has failed: the box
that trained it ended with the server.
"""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime, timedelta
from typing import Any

from emulators.replicate import moments
from emulators.replicate.launcher import Box, Outcome
from emulators.replicate.settings import Settings
from emulators.replicate.store import Prediction, Store
from emulators.replicate.webhooks import Postman

INTERRUPTED = "Prediction interrupted; please retry (code: PA)"
_SWEEP_SECONDS = 1.0
_NEVER_STARTED_SECONDS = 3e-06


class Runs:
    def __init__(self, store: Store, settings: Settings, postman: Postman, clock: moments.Clock) -> None:
        self._store = store
        self._settings = settings
        self._postman = postman
        self._clock = clock
        self._slots = asyncio.Semaphore(settings.capacity)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Takes up what the last server left, and starts the sweeper."""
        for left in self._store.runs_folder.iterdir():
            shutil.rmtree(left, ignore_errors=True)
        for prediction in self._store.unnotified():
            self._postman.tell(prediction, "completed")
        for prediction in self._store.unended():
            if prediction.status == "starting":
                self.submit(prediction.id)
            else:
                self._end(prediction.id, "failed", error=INTERRUPTED)
        self._sweeper = asyncio.create_task(self._sweep_on())

    def submit(self, prediction_id: str) -> None:
        self._ends[prediction_id] = asyncio.Event()
        task = asyncio.create_task(self._live(prediction_id))
        self._tasks[prediction_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(prediction_id, None))

    def cancel(self, prediction_id: str) -> Prediction | None:
        """The prediction, canceled now or ended before; its box is told and ends a moment later."""
        return self._end(prediction_id, "canceled")

    async def wait(self, prediction_id: str, seconds: float) -> None:
        """Returns when the prediction has ended, or after ``seconds``."""
        if prediction_id in self._ends:
            try:
                await asyncio.wait_for(self._ends[prediction_id].wait(), seconds)
            except TimeoutError:
                return

    async def stop(self) -> None:
        """Ends every box and every wait. The predictions stay as they are, for the next server to find."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for ended in self._ends.values():
            ended.set()
        self._ends.clear()

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self.stop()

    def remove_data(self, prediction: Prediction) -> None:
        """What retention does: the input, output and logs of an ended prediction go."""
        self._store.change(prediction.id, data_removed=True, input={}, output=None, logs=None)

    async def _live(self, prediction_id: str) -> None:
        prediction, job = self._store.get(prediction_id), self._store.job(prediction_id)
        if prediction is None or job is None:
            return
        await self._boot(prediction.faults)
        async with self._slots:
            folder = self._store.runs_folder / prediction_id
            try:
                settings = self._settings
                box = await Box.open(folder, job, prediction.faults, settings.speed, settings.hub, settings.real)
            except OSError as error:
                self._end(prediction_id, "failed", error=f"The machine did not start: {error}")
                return
            try:
                at = moments.stamp(self._clock())
                started = self._store.change(prediction_id, status="processing", started_at=at)
                if started is not None:
                    self._postman.tell(started, "start")
                    outcome = await self._follow(prediction_id, box, prediction.faults)
                    self._finish(prediction_id, outcome)
            finally:
                await box.close()
                if not self._settings.keep_runs:
                    # As with a real container, nothing that was not published is left.
                    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _boot(self, faults: dict[str, Any]) -> None:
        if "never_boots" in faults:
            await asyncio.Event().wait()
        await asyncio.sleep(faults.get("boot_seconds", self._settings.boot_seconds / self._settings.speed))

    async def _follow(self, prediction_id: str, box: Box, faults: dict[str, Any]) -> Outcome:
        limit = faults.get("time_limit", self._settings.time_limit_seconds)
        try:
            async with asyncio.timeout(limit):
                async for text in box.logs():
                    self._store.append_logs(prediction_id, text)
                    if (present := self._store.get(prediction_id)) is not None:
                        self._postman.tell(present, "logs")
                return await box.outcome()
        except TimeoutError:
            return Outcome(error=_timed_out(limit))

    def _finish(self, prediction_id: str, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._end(prediction_id, "failed", error=outcome.error)
            return
        told = self._store.change(prediction_id, output=outcome.output)
        if told is not None:
            self._postman.tell(told, "output")
        self._end(prediction_id, "succeeded")

    def _end(
        self, prediction_id: str, status: str, error: str | None = None, by: datetime | None = None
    ) -> Prediction | None:
        """``by``: it had ended by then, also when that is only seen now."""
        present = self._store.get(prediction_id)
        if present is None or present.ended:
            return present
        now = self._clock()
        at = moments.stamp(min(now, by) if by else now)
        metrics = {"total_time": moments.seconds_between(present.created_at, at)}
        if present.started_at is not None:
            metrics["predict_time"] = moments.seconds_between(present.started_at, at)
        elif status == "canceled":
            # Recorded from the real service: canceled before the start is billed for next to nothing, not for nothing.
            metrics["predict_time"] = _NEVER_STARTED_SECONDS
        after = self._store.change(prediction_id, status=status, completed_at=at, error=error, metrics=metrics)
        if (ended := self._ends.pop(prediction_id, None)) is not None:
            ended.set()
        if (task := self._tasks.get(prediction_id)) is not None and task is not asyncio.current_task():
            task.cancel()
        if after is not None:
            self._postman.tell(after, "completed")
        return after

    async def _sweep_on(self) -> None:
        while True:
            self.sweep()
            await asyncio.sleep(_SWEEP_SECONDS)

    def sweep(self) -> None:
        """Deadlines, the cap for runs that a clock set ahead has carried over it, and retention."""
        now, late = self._clock(), timedelta(seconds=_SWEEP_SECONDS)
        for prediction in self._store.unended():
            limit = prediction.faults.get("time_limit", self._settings.time_limit_seconds)
            started = prediction.started_at and moments.moment(prediction.started_at)
            capped = started and started + timedelta(seconds=limit)
            deadline = prediction.deadline and moments.moment(prediction.deadline)
            if deadline and deadline <= now and (not capped or deadline <= capped):
                self._end(prediction.id, "canceled" if started else "aborted", by=deadline + late)
            elif capped and capped + 5 * late <= now:
                self._end(prediction.id, "failed", _timed_out(limit), by=capped)
        oldest = moments.stamp(now - timedelta(seconds=self._settings.retention_seconds))
        for prediction in self._store.kept_since_before(oldest):
            self.remove_data(prediction)
        for file_id in self._store.expired_files(moments.stamp(now)):
            self._store.delete_file(file_id)


def _timed_out(limit: float) -> str:
    return f"Prediction timed out after {limit:g} seconds of running"
