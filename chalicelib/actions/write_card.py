"""Completing the model card in the repository that a job pushed to. It may be done again: the same facts make the same
card, and the same card makes no commit."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from chalicelib.actions.hubs import Hubs
from chalicelib.domain.artifacts import checkpoint_step
from chalicelib.domain.destinations import IS_THERE, Kind
from chalicelib.domain.errors import CloudError, DestinationDown, DestinationRefused, NotFound
from chalicelib.domain.jobs import Event, EventKind, Job
from chalicelib.domain.model_card import CardFacts, written
from chalicelib.domain.outbox import Intent
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Follows, Jobs, Uploads
from chalicelib.domain.ports.outside import Hub
from chalicelib.domain.ports.storage import Objects

log = logging.getLogger(__name__)

README = "README.md"
TRIED_FOR = timedelta(days=1)
_CARD_BYTES = 1024 * 1024
_SAMPLE_BYTES = 4 * 1024 * 1024
_MOST_SAMPLES = 4
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


class WriteCard:
    def __init__(
        self, jobs: Jobs, uploads: Uploads, follows: Follows, objects: Objects, hubs: Hubs, clock: Clock
    ) -> None:
        self._jobs = jobs
        self._uploads = uploads
        self._follows = follows
        self._objects = objects
        self._hubs = hubs
        self._clock = clock

    def __call__(self, job: Job, intent: Intent) -> None:
        """The job has its model either way: a card that cannot be written is a line in its history."""
        places = [one for one in job.destinations if one.kind is Kind.HUB]
        places = [one for one in places if one.state in IS_THERE] or places[:1]
        if not places:
            self._say(job, intent, "There is no repository to write a model card in.")
            return
        try:
            pages = [self._write(job, self._hubs.of(job.tenant, one.name), str(one.at["repo"])) for one in places]
        except DestinationRefused as refusal:
            self._say(job, intent, f"The model card could not be written: {refusal.detail}")
        except CloudError as error:
            if isinstance(error, DestinationDown) and self._clock() - intent.created_at < TRIED_FOR:
                raise
            self._say(job, intent, f"The model card was given up: {error.detail}")
        else:
            self._say(job, intent, f"The model card is at {' and at '.join(pages)}.")

    def _write(self, job: Job, hub: Hub, repo: str) -> str:
        before = hub.read(repo, README, _CARD_BYTES)
        there = sorted(file.path for file in hub.files(repo) if file.path.lower().endswith(_PICTURES))
        pictures = {} if there else self._samples(job)
        text = written(_text(before), self._facts(job, repo, tuple(there[:_MOST_SAMPLES] or pictures)))
        hub.commit(repo, {README: text.encode(), **pictures}, "Say how the model was trained")
        return hub.page(repo)

    def _facts(self, job: Job, repo: str, samples: tuple[str, ...]) -> CardFacts:
        order = self._jobs.order(job)
        progress = self._follows.get(job).progress
        files = size = None
        if job.upload_id:
            try:
                upload = self._uploads.get(job.tenant, job.upload_id)
                files, size = upload.file_count, upload.archive_bytes
            except NotFound:
                log.warning("the upload of a model's data is gone", extra={"job": job.id})
        ran = int((job.completed_at - job.started_at).total_seconds()) if job.completed_at and job.started_at else None
        return CardFacts(
            repo=repo,
            config=order.config,
            hardware=job.hardware,
            provider=job.provider,
            run_seconds=ran,
            cost_micros=job.cost_micros if job.cost_is_final else None,
            steps=progress.step,
            loss=progress.loss,
            dataset_files=files,
            dataset_bytes=size,
            datasets=len(order.dataloader or ()),
            trainer_version=(job.model_version or "").rpartition(":")[2][:12] or None,
            samples=samples,
        )

    def _samples(self, job: Job) -> dict[str, bytes]:
        """The last pictures that the run drew, under names that tell nothing."""
        listed = [stored for stored in self._objects.list("outputs", f"{job.id}/") if _is_sample(stored.key)]
        newest = sorted(listed, key=lambda stored: (stored.last_modified, stored.key), reverse=True)[:_MOST_SAMPLES]
        found: dict[str, bytes] = {}
        for number, stored in enumerate(newest, 1):
            body = self._objects.read("outputs", stored.key, _SAMPLE_BYTES)
            if body:
                found[f"samples/sample-{number}.{stored.key.rpartition('.')[2].lower()}"] = body
        return found

    def _say(self, job: Job, intent: Intent, message: str) -> None:
        now = self._clock()
        touched = replace(job, version=job.version + 1, updated_at=now)
        self._jobs.save(job, touched, [Event(now, EventKind.NOTE, job.phase, message)], forget=[intent])


def _is_sample(key: str) -> bool:
    return "/validation_images/" in key and key.lower().endswith(_PICTURES) and checkpoint_step(key) is None


def _text(card: bytes | None) -> str | None:
    return None if card is None else card.decode("utf-8", "replace")
