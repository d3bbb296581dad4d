"""Jobs and all that changes together with them: order, history, intents, the vendor's run id, idempotency keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from chalicelib.domain.budgets import Limit
from chalicelib.domain.errors import JobNotFound, KeyReused, NotFound, UploadNotReady, no_such_job
from chalicelib.domain.jobs import Event, Job
from chalicelib.domain.moments import to_text
from chalicelib.domain.outbox import Intent
from chalicelib.domain.ports.jobs import Former, LimitReached, LimitsChanged, Listing, OnceKey, Order, Stale
from chalicelib.domain.sightings import Change
from chalicelib.domain.snapshots import Snapshot
from chalicelib.domain.uploads import Upload, UploadState
from chalicelib.stores import keys
from chalicelib.stores.job_items import asked_item, event_item, event_of, job_item, job_of, order_item, pointer_item
from chalicelib.stores.ledger import Bookings
from chalicelib.stores.outbox import as_it_was, intent_item
from chalicelib.stores.table import (
    Absent,
    All,
    AtLeast,
    Delete,
    Equals,
    Exists,
    Item,
    Key,
    Put,
    Table,
    TransactionRefused,
    Update,
    Write,
)

ONCE_SECONDS = 24 * 3600
REMEMBER_DELETED_SECONDS = 366 * 24 * 3600
_COUNT_LIMIT = 10_000
"""How far the jobs after a filtered page are counted. Beyond it a count would cost more than the page it decorates."""


Written = Callable[[Job | None, Job, list[Event]], None]
"""Told of each write, once it stands: the job before it (None: it is new), the job since, and its lines of history."""


class JobTable:
    def __init__(
        self,
        table: Table,
        now: Callable[[], datetime],
        written: Written = lambda *_: None,
        bookings: Bookings | None = None,
    ) -> None:
        self._table = table
        self._now = now
        self._written = written
        self._bookings = bookings or Bookings(UTC)

    def create(
        self,
        job: Job,
        order: Order,
        events: list[Event],
        intents: list[Intent],
        once: OnceKey | None,
        upload: Upload | None,
        limits: Sequence[Limit] | None = None,
        former: Former | None = None,
    ) -> tuple[Job, bool]:
        writes: list[Write] = [
            *(_changed(former.job, former.change) if former else ()),
            Put(job_item(job), Absent()),
            Put(order_item(job, order), Absent()),
            Put(pointer_item(job, keys.launch_row(job.launch_key)), Absent()),
            *(Put(event_item(job, event, place)) for place, event in enumerate(events)),
            *(Put(intent_item(intent), Absent()) for intent in intents),
            _counted(job, 1),
        ]
        of_former = len(_changed(former.job, former.change)) if former else 0
        if order.asked:
            writes.append(Put(asked_item(job, order.asked), Absent()))
        if once:
            once_at = len(writes)
            writes.append(Put(self._once_item(job, once), Absent()))
        if upload:
            upload_at = len(writes)
            taken = _hand_on_upload(former.job, job, upload) if former else _take_upload(job, upload, self._now())
            writes.append(taken)
        if former:
            hold = self._bookings.handing_on(former.job, former.change.job, job, limits)
        else:
            hold = self._bookings.holding(job, limits)
        booked_at = len(writes)
        try:
            self._table.transact([*writes, *hold.writes])
        except TransactionRefused as refused:
            if former and any(place < of_former for place in refused.failures):
                raise Stale(former.job.id) from None
            if once and once_at in refused.failures:
                earlier = self.once(job.tenant, once)
                if earlier:
                    return earlier, False
            if upload and upload_at in refused.failures:
                raise UploadNotReady(
                    f"Upload '{upload.id}' is not free: another job took it, it is not complete, or its time is over. "
                    "Upload the data again for this job.",
                    upload_id=upload.id,
                ) from None
            of_hold = [place - booked_at for place in refused.failures if place >= booked_at]
            if any(place >= hold.guards_at for place in of_hold):
                raise LimitsChanged from None
            for place in of_hold:
                if place in hold.counters:
                    raise LimitReached(hold.counters[place]) from None
            raise
        if former:
            self._written(former.job, former.change.job, former.change.events)
        self._written(None, job, events)
        return job, True

    def once(self, tenant: str, once: OnceKey) -> Job | None:
        item = self._table.get(keys.once_row(tenant, once.owner, once.key))
        if item is None:
            return None
        if item["fingerprint"] != once.fingerprint:
            raise KeyReused(
                f"The idempotency key '{once.key}' was used for a different request in the last 24 hours. "
                "Use a new key for a new request."
            )
        try:
            return self.get(tenant, str(item["job_id"]))
        except JobNotFound:
            raise KeyReused(
                f"The job that was made with the idempotency key '{once.key}' has been deleted. "
                "Use a new key to train again."
            ) from None

    def get(self, tenant: str, job_id: str) -> Job:
        item = self._table.get(keys.job_row(tenant, job_id))
        if item is None:
            raise no_such_job(job_id)
        return job_of(item)

    def by_run(self, provider: str, run_id: str) -> Job | None:
        return self._at(keys.run_row(provider, run_id))

    def by_launch(self, launch_key: str) -> Job | None:
        return self._at(keys.launch_row(launch_key))

    def _at(self, pointer: Key) -> Job | None:
        item = self._table.get(pointer)
        if item is None:
            return None
        row = self._table.get(keys.job_row(str(item["tenant"]), str(item["job_id"])))
        return job_of(row) if row else None

    def order(self, job: Job) -> Order:
        item = self._table.get(keys.order_row(job.tenant, job.id))
        if item is None:
            raise JobNotFound(f"The order of job '{job.id}' is gone.", job_id=job.id)
        return Order(**json.loads(str(item["order"])))

    def asked(self, job: Job) -> Snapshot:
        item = self._table.get(keys.asked_row(job.tenant, job.id))
        if item is None:
            raise NotFound(
                f"What job '{job.id}' was asked to train is not kept here: it was started elsewhere, or by an earlier "
                "version."
            )
        documents: dict[str, Any] = json.loads(str(item["documents"]))
        return Snapshot(documents["config"], documents["dataloader_config"], documents["lycoris_config"])

    def events(self, job: Job) -> list[Event]:
        items, cursor = [], None
        while True:
            page = self._table.query(keys.job(job.tenant, job.id), begins_with="EVENT#", limit=500, cursor=cursor)
            items += page.items
            cursor = page.cursor
            if cursor is None:
                return [event_of(item) for item in items]

    def newest(
        self, tenant: str, owner: str | None, status: str | None, provider: str | None, limit: int, offset: int
    ) -> Listing:
        """Newest first. A filter is applied to what the index holds, so a rare status reads further.

        Without a status and a provider the total is counted when jobs come and go, and a page costs what it shows.
        """
        end = offset + limit
        fitting = (
            job
            for job in self._walk(keys.tenant_jobs(tenant), min(end, 200) if owner is None else 200)
            if owner in (None, job.owner) and status in (None, job.status) and provider in (None, job.provider)
        )
        if status is None and provider is None:
            return Listing(list(islice(fitting, offset, end)), self._count(tenant, owner))
        page = list(islice(fitting, offset, end))
        return Listing(page, min(offset, _COUNT_LIMIT) + len(page) + sum(1 for _ in islice(fitting, _COUNT_LIMIT)))

    def save(
        self,
        before: Job,
        after: Job,
        events: list[Event],
        promise: Sequence[Intent] = (),
        forget: Sequence[Intent] = (),
    ) -> None:
        writes = [
            *_changed(before, Change(after, events, list(promise), list(forget))),
            *self._bookings.writes(before, after),
        ]
        if after.run_id and not before.run_id:
            writes.append(Put(pointer_item(after, keys.run_row(after.provider, after.run_id))))
        try:
            self._table.transact(writes)
        except TransactionRefused:
            raise Stale(after.id) from None
        self._written(before, after, events)

    def adopt(self, job: Job, events: list[Event]) -> bool:
        writes: list[Write] = [
            Put(job_item(job), Absent()),
            Put(pointer_item(job, keys.launch_row(job.launch_key)), Absent()),
            Put(pointer_item(job, keys.run_row(job.provider, str(job.run_id))), Absent()),
            *(Put(event_item(job, event, place)) for place, event in enumerate(events)),
            _counted(job, 1),
            *self._bookings.writes(None, job),
        ]
        try:
            self._table.transact(writes)
        except TransactionRefused:
            return False
        self._written(None, job, events)
        return True

    def delete(self, job: Job) -> None:
        """The job and all rows under it. The job's own row goes first, so that nothing is seen half; what a crash
        leaves is due, and ``purge`` goes on with it."""
        row = keys.gone_row(job.tenant, job.id)
        gone: Item = {
            "pk": row.pk,
            "sk": row.sk,
            "what": "gone",
            "tenant": job.tenant,
            "id": job.id,
            "pointers": [list(keys.launch_row(job.launch_key))],
            **keys.due(job.id, self._now()),
        }
        own = keys.job_row(job.tenant, job.id)
        writes: list[Write] = [Delete(own, Equals("version", job.version)), Put(gone), _counted(job, -1)]
        if job.run_id:
            # The run's own row stays a while: the vendor still lists the run, and ``adopt`` must not bring it back.
            ends = int(self._now().timestamp()) + REMEMBER_DELETED_SECONDS
            writes.append(Put({**pointer_item(job, keys.run_row(job.provider, job.run_id)), "ttl": ends}))
        try:
            self._table.transact(writes)
        except TransactionRefused:
            raise Stale(job.id) from None
        self.purge(job.tenant, job.id)

    def purge(self, tenant: str, job_id: str) -> None:
        row = keys.gone_row(tenant, job_id)
        gone: dict[str, Any] | None = self._table.get(row)
        if gone is None:
            return
        for pk, sk in gone["pointers"]:
            self._table.delete(Key(pk, sk))
        while rows := [key for key in self._under(tenant, job_id) if key != row]:
            self._table.transact([Delete(key) for key in rows])
        self._table.delete(row)

    def _under(self, tenant: str, job_id: str) -> list[Key]:
        page = self._table.query(keys.job(tenant, job_id), limit=100)
        return [Key(str(item["pk"]), str(item["sk"])) for item in page.items]

    def _walk(self, partition: str, page_size: int) -> Iterator[Job]:
        cursor = None
        while True:
            page = self._table.query(partition, index="by_tenant", descending=True, limit=page_size, cursor=cursor)
            for item in page.items:
                yield job_of(item)
            cursor = page.cursor
            if cursor is None:
                return

    def _count(self, tenant: str, owner: str | None) -> int:
        begins = "JOBS#" if owner is None else f"JOBS#{owner}#"
        total, cursor = 0, None
        while True:
            page = self._table.query(keys.counts(tenant), begins_with=begins, limit=500, cursor=cursor)
            total += sum(int(str(item["n"])) for item in page.items)
            cursor = page.cursor
            if cursor is None:
                return total

    def _once_item(self, job: Job, once: OnceKey) -> Item:
        row = keys.once_row(job.tenant, once.owner, once.key)
        return {
            "pk": row.pk,
            "sk": row.sk,
            "job_id": job.id,
            "fingerprint": once.fingerprint,
            "ttl": int(self._now().timestamp()) + ONCE_SECONDS,
        }


def _changed(before: Job, change: Change) -> list[Write]:
    """All of a job's change but its money."""
    after = change.job
    return [
        Put(job_item(after), All(Exists(), Equals("version", before.version))),
        *(Put(event_item(after, event, place)) for place, event in enumerate(change.events)),
        *(Put(intent_item(intent)) for intent in change.promise),
        *(Delete(keys.intent_row(after.tenant, after.id, one.kind), as_it_was(one)) for one in change.forget),
    ]


def _hand_on_upload(former: Job, job: Job, upload: Upload) -> Write:
    """The upload stays in use, by another job: the former one hears of its end with those that left it for others."""
    return Update(
        keys.upload_row(upload.tenant, upload.id),
        set={"job_id": job.id, "kept_for": [*upload.kept_for[-99:], former.id]},
        add={"version": 1},
        if_=All(
            Equals("state", UploadState.USED.value),
            Equals("version", upload.version),
            Equals("job_id", former.id),
        ),
    )


def _take_upload(job: Job, upload: Upload, now: datetime) -> Write:
    """The upload goes to this job in the same transaction; from then on the job's end deletes it, not the clock."""
    return Update(
        keys.upload_row(upload.tenant, upload.id),
        set={"state": UploadState.USED.value, "job_id": job.id},
        add={"version": 1},
        remove=("due_pk", "due_sk"),
        # Once its time is over the sweep may be deleting it already.
        if_=All(
            Equals("state", UploadState.COMPLETE.value),
            Equals("version", upload.version),
            AtLeast("expires_at", to_text(now)),
        ),
    )


def _counted(job: Job, more: int) -> Write:
    return Update(keys.job_count_row(job.tenant, job.owner, job.id), add={"n": more})
