"""A job's dataloader at the launch: with the addresses, buckets, repositories and keys that are made for this run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from chalicelib.actions.hand_over import HandOver
from chalicelib.actions.hub_datasets import HubDatasets, Turn
from chalicelib.actions.lay_out import LaidOut, LayOut, NotLaidOut
from chalicelib.domain.dataloaders import with_columns
from chalicelib.domain.dataset_delivery import Mode, bucket_of
from chalicelib.domain.errors import BadInput
from chalicelib.domain.jobs import Job
from chalicelib.domain.laid_out import Laid
from chalicelib.domain.outbox import Intent
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Outbox
from chalicelib.domain.ports.storage import DeliveryKeys, LendsDatasets
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.uploads import Upload

TO_SEND = timedelta(seconds=20)
"""After which no further dataset is begun to be sent: the next tick goes on."""

A_WHILE = timedelta(seconds=10)
"""Between two renewals of a claim: short beside its lease."""


class HandingData:
    def __init__(
        self,
        outbox: Outbox,
        hand_over: HandOver,
        lay_out: LayOut,
        hub: HubDatasets,
        keys: DeliveryKeys,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._hand_over = hand_over
        self._lay_out = lay_out
        self._hub = hub
        self._keys = keys
        self._clock = clock

    def laid_out(
        self, job: Job, intent: Intent, upload: Upload, dataloader: list[dict[str, Any]], datasets: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The dataloader for datasets that are each a zip of their own, at an address of ours or at the Hub.

        Raises ``NotLaidOut`` while there is more to do: asked again, it goes on.
        """
        wanted = [(str(told["id"]), Laid.read({k: v for k, v in told.items() if k != "id"})) for told in datasets]
        made = {one.zip.dataset_id: one for one in self._lay_out(job, upload, wanted)}
        if job.delivery == Mode.HUB:
            patches = self._at_hub(job, intent, upload, list(made.values()))
        else:
            patches = {name: {"data_files": self._hand_over.dataset(upload, one.digest)} for name, one in made.items()}
        return [
            with_columns(entry | patches[name], made[name].columns) if (name := str(entry.get("id"))) in made else entry
            for entry in dataloader
        ]

    def remove(self, job: Job, upload: Upload) -> Receipt:
        """Deletes what was sent to the Hub, and looks that it is gone."""
        return self._hub.remove(job, upload)

    def lent(
        self, job: Job, upload: Upload, dataloader: list[dict[str, Any]], folders: list[str]
    ) -> list[dict[str, Any]]:
        """The dataloader with a key for the datasets that are read from the upload, file by file."""
        if not isinstance(self._keys, LendsDatasets):
            raise BadInput("This system cannot let a trainer read an upload file by file. Submit the job again.")
        key = self._keys.lend(job.tenant, job.id, upload.key, folders)
        access = {
            "aws_endpoint_url": key.endpoint_url,
            "aws_region_name": key.region,
            "aws_access_key_id": key.access_key,
            "aws_secret_access_key": key.secret_key,
        }
        buckets = {bucket_of(number) for number in range(len(folders))}
        return [entry | access if entry.get("aws_bucket_name") in buckets else entry for entry in dataloader]

    def _at_hub(self, job: Job, intent: Intent, upload: Upload, made: list[LaidOut]) -> dict[str, dict[str, Any]]:
        until = self._clock() + TO_SEND
        zips = [one.zip for one in made]
        entries = self._hub.send(job, upload, zips, Turn(self._beat(intent), lambda: self._clock() >= until))
        if entries is None:
            raise NotLaidOut("The datasets are still being sent to Hugging Face. It goes on by itself.")
        return {one.dataset_id: entry for one, entry in zip(zips, entries, strict=True)}

    def _beat(self, intent: Intent) -> Callable[[], None]:
        """Renews the claim now and then, because sending may outlast it."""
        renewed = self._clock()

        def beat() -> None:
            nonlocal renewed
            now = self._clock()
            if now - renewed >= A_WHILE:
                self._outbox.renew(intent, now)
                renewed = now

        return beat
