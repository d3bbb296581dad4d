"""A job's datasets on their way through private repositories of the Hugging Face Hub, which every trainer can read.

    submit ─▶ whose repositories ─▶ their names stand in the order, and in what the user agrees to
    launch ─▶ for each: there and private ─▶ whole: pass over · else send the zip, then commit it with its card
    end    ─▶ see which are there ─▶ write it down ─▶ delete ─▶ look again ─▶ write down that they are gone

The zip and its card come with one commit, so a repository is empty or whole. The Hub knows a zip by its SHA-256: what
it got before a process died is not sent again. Names come from the order and from nowhere else, so nothing is made that
the end does not find, and what is the user's own is never touched.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.actions.hubs import Hubs, account_of
from chalicelib.actions.removal import Removal
from chalicelib.actions.stored import HEAD, Stored
from chalicelib.domain.dataset_repositories import ARCHIVE, CARD, card, entry, namespace_for, planned
from chalicelib.domain.dataset_zips import DatasetZip
from chalicelib.domain.errors import BadInput, DestinationDown, DestinationRefused, NotFound
from chalicelib.domain.hub import HubUpload, dataset_repo
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.jobs import Jobs, Stale
from chalicelib.domain.ports.outside import Hub
from chalicelib.domain.ports.storage import Objects, StoredObject
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.uploads import Upload

PLACE = "huggingface"
"""What stands in a receipt where others have a bucket."""

DATASETS = "datasets"
_AT_ONCE = 1 << 20
_LONGEST_NOTE = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """What one process has at a time: ``beat`` keeps others away a little longer, and is called all the while."""

    beat: Callable[[], None]
    is_over: Callable[[], bool]


class HubDatasets:
    def __init__(self, jobs: Jobs, objects: Objects, hubs: Hubs, removal: Removal) -> None:
        self._jobs = jobs
        self._objects = objects
        self._hubs = hubs
        self._removal = removal

    @property
    def largest(self) -> int | None:
        """Bytes of the largest zip that can be sent here; None for any."""
        return self._hubs.default.largest

    def namespace(self, tenant: str, account: str) -> str:
        """Whose the repositories will be. Raises ``BadInput`` when the account's token may make none, and
        ``DestinationRefused`` and ``DestinationDown``."""
        hub = self._hubs.of(tenant, account)
        if not hub.has_token:
            raise BadInput(
                "Data can go by way of the Hugging Face Hub only with a token: set HF_TOKEN where the server runs."
            )
        who = hub.identity()
        found = namespace_for(who)
        if found is None:
            raise BadInput(f"No private dataset repository can be made at Hugging Face: {who.may_create(who.name)}")
        return found

    def send(self, job: Job, upload: Upload, zips: Sequence[DatasetZip], turn: Turn) -> list[dict[str, Any]] | None:
        """What the entries of these datasets say, in their order; None when time was over and there is more to do.

        May take as long as sending one zip, or reading it for its hash. Raises ``Stale`` when the job has ended
        meanwhile, ``NotFound`` when a zip is gone, ``DestinationRefused`` and ``DestinationDown``.
        """
        repos = planned(self._jobs.order(job).dataloader, job.launch_key)
        hub, has_begun = self._hub(job), False
        try:
            for one in zips:
                repo = dataset_repo(repos[one.dataset_id])
                if self._is_whole(hub, repo, job, one):
                    continue
                if (has_begun and turn.is_over()) or not self._send(hub, repo, job, one, turn):
                    return None
                has_begun = True
        except Stale:
            # Whoever ended the job may have looked before this process had made what it was about to make.
            self.remove(job, upload)
            raise
        return [entry(repos[one.dataset_id]) for one in zips]

    def remove(self, job: Job, upload: Upload) -> Receipt:
        """Deletes the job's repositories and looks that they are gone. Raises ``DestinationDown`` until they are, and
        ``DestinationRefused`` when the token may not look."""
        hub = self._hub(job)
        repos = [dataset_repo(name) for name in planned(self._jobs.order(job).dataloader, job.launch_key).values()]
        for repo in repos:
            self._check_sight(hub, repo)
        found = [repo for repo in dict.fromkeys(repos) if hub.is_private(repo) is not None]
        held = [(hub.page(repo), sum(file.size for file in hub.files(repo))) for repo in found]
        receipt = self._removal.begin_elsewhere(upload, PLACE, held)
        for repo in found:
            hub.delete(repo)
        if any(hub.is_private(repo) is not None for repo in found):
            raise DestinationDown("Hugging Face still shows the data after it was deleted; trying again.", cause="kept")
        return self._removal.end_elsewhere(upload, PLACE, receipt, [hub.page(repo) for repo in repos])

    def _send(self, hub: Hub, repo: str, job: Job, one: DatasetZip, turn: Turn) -> bool:
        """False when time was over once the hash was known."""
        stored = self._objects.head(DATASETS, one.key)
        if stored is None:
            raise NotFound("The data of this job has been deleted.")
        if hub.largest is not None and stored.size > hub.largest:
            raise DestinationRefused(
                f"The dataset '{one.dataset_id}' has {stored.size} bytes, and a file for the Hub has {hub.largest} at "
                "most here. Split the dataset, or choose another delivery.",
                cause="too_large",
            )
        opened = Stored.opener(self._objects, DATASETS, stored, f"the dataset '{one.dataset_id}'", turn.beat)
        digest = self._known(stored)
        if digest is None:
            digest = self._hashed(stored, opened)
            if turn.is_over():
                return False
        head = self._objects.read_range(DATASETS, stored.key, stored.etag, 0, min(HEAD, stored.size))
        archive = HubUpload(ARCHIVE, stored.size, digest, head, opened)
        hub.send(repo, archive)
        self._check_wanted(job)
        text = card(job.id)
        told = HubUpload(CARD, len(text), hashlib.sha256(text).hexdigest(), text[:HEAD], lambda: io.BytesIO(text))
        hub.publish(repo, [archive, told], "Add a dataset for one training run")
        if not self._is_whole(hub, repo, job, one):
            raise DestinationDown("The Hub does not show yet what was committed to it.", cause="lost")
        return True

    def _is_whole(self, hub: Hub, repo: str, job: Job, one: DatasetZip) -> bool:
        """Whether it has the zip, and so its card as well. One that is not there yet is made."""
        private = hub.is_private(repo)
        if private is None:
            self._check_wanted(job)
            hub.create(repo, private=True)
            private = hub.is_private(repo)
        if private is None:
            raise DestinationDown("The Hub does not show yet what was made there.", cause="lost")
        if not private:
            raise DestinationRefused(
                f"{hub.page(repo)} is not private, so no data was sent there. Delete it, and submit the job again.",
                cause="public",
            )
        there = {file.path: file.size for file in hub.files(repo)}
        return there.get(ARCHIVE) == one.size

    def _known(self, stored: StoredObject) -> str | None:
        known = self._objects.known_sha256(DATASETS, stored.key)
        if known:
            return known
        note = (self._objects.read(DATASETS, _note(stored), _LONGEST_NOTE) or b"").decode()
        etag, _, digest = note.partition(" ")
        return digest if etag == stored.etag else None

    def _hashed(self, stored: StoredObject, opened: Callable[[], io.BufferedIOBase]) -> str:
        """Written down beside the zip: to read a large one and to send it may be more than one slice has time for."""
        digest = hashlib.sha256()
        with opened() as body:
            while block := body.read(_AT_ONCE):
                digest.update(block)
        told = digest.hexdigest()
        self._objects.put(DATASETS, _note(stored), f"{stored.etag} {told}".encode(), "text/plain")
        return told

    def _check_wanted(self, job: Job) -> None:
        if self._jobs.get(job.tenant, job.id).is_terminal:
            raise Stale

    def _check_sight(self, hub: Hub, repo: str) -> None:
        """To a token without rights there, a repository looks as if it were gone."""
        why = hub.identity().may_create(repo.removeprefix(dataset_repo("")))
        if why is not None:
            raise DestinationRefused(
                f"Whether {hub.page(repo)} is gone cannot be seen: {why} Delete it there, or give the token back.",
                cause="denied",
            )

    def _hub(self, job: Job) -> Hub:
        return self._hubs.of(job.tenant, account_of(job))


def _note(stored: StoredObject) -> str:
    return f"{stored.key}.sha256"
