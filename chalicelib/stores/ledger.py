"""Money in the table: entries that are written once, and the sums that change with them.

Every write of a job brings its own writes here, in the same transaction (``JobTable``), so no sum can be wrong because
somebody died in between. The sums are counters that are only ever added to, kept whether or not there is a limit: one
that is set later finds what was spent before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from chalicelib.domain.budgets import EVERYWHERE, Action, Limit, Period, Usage, day_of, window
from chalicelib.domain.jobs import Job
from chalicelib.domain.ledger import Entry, Standing, standing
from chalicelib.domain.moments import from_text, to_text
from chalicelib.stores import keys
from chalicelib.stores.table import (
    Absent,
    AnyOf,
    AtMost,
    Check,
    Condition,
    Equals,
    Item,
    Key,
    Missing,
    Put,
    Table,
    Update,
    Write,
)


@dataclass(frozen=True, slots=True)
class Hold:
    """The writes of a new job. ``counters``: which of them are refused when which limit has no room. Those from
    ``guards_at`` on are refused when the limits are not what they were when they were read."""

    writes: list[Write]
    counters: dict[int, Limit]
    guards_at: int


class Bookings:
    """The writes that a change of a job brings. ``zone`` is the time zone of days, weeks and months."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def writes(self, before: Job | None, after: Job) -> list[Write]:
        delta = standing(after) - standing(before)
        if not delta.counts():
            return []
        found: list[Write] = [
            Update(keys.rollup_row(after.tenant, self._day(after), after.provider, after.hardware), add=delta.counts())
        ]
        if delta.held or delta.spent:
            found.append(Put(_entry_item(self._entry(after, delta)), Absent()))
            found += [self._window_write(after, scope, period, delta, None) for scope, period in _windows(after)]
        return found

    def holding(self, job: Job, limits: Sequence[Limit] | None) -> Hold:
        strict = {(limit.scope, limit.period): limit for limit in limits or () if limit.action is not Action.WARN}
        delta = standing(job)
        found: list[Write] = [
            Update(keys.rollup_row(job.tenant, self._day(job), job.provider, job.hardware), add=delta.counts())
        ]
        if delta.held:
            found.append(Put(_entry_item(self._entry(job, delta)), Absent()))
        counters: dict[int, Limit] = {}
        for scope, period in _windows(job):
            limit = strict.get((scope, period))
            if limit:
                counters[len(found)] = limit
            elif not delta.held:
                continue
            found.append(self._window_write(job, scope, period, delta, limit))
        guards = [] if limits is None else _guards(job, limits)
        return Hold([*found, *guards], counters, len(found))

    def handing_on(self, former: Job, after: Job, job: Job, limits: Sequence[Limit] | None) -> Hold:
        """Those of a new job that takes over what a former one holds. Many are of rows that both change, and a
        transaction may name a row once: such a row is changed by the sum, which is what a limit has to have room for.
        """
        released = self.writes(former, after)
        given = {write.key: write for write in released if isinstance(write, Update)}
        hold = self.holding(job, limits)
        merged: list[Write] = []
        rows = {write.key for write in hold.writes if isinstance(write, Update)}
        alone = [write for write in released if not isinstance(write, Update) or write.key not in rows]
        for place, write in enumerate(hold.writes):
            other = given.get(write.key) if isinstance(write, Update) else None
            if not isinstance(write, Update) or other is None:
                merged.append(write)
                continue
            add = {name: write.add.get(name, 0) + other.add.get(name, 0) for name in {*write.add, *other.add}}
            limit = hold.counters.get(place)
            room = _room(limit, add.get("committed", 0)) if limit else None
            merged.append(Update(write.key, add=add, if_=room))
        counters = {len(alone) + place: limit for place, limit in hold.counters.items()}
        return Hold([*alone, *merged], counters, len(alone) + hold.guards_at)

    def _window_write(self, job: Job, scope: str, period: Period, delta: Standing, limit: Limit | None) -> Write:
        place = window(period, job.created_at, self._zone).name
        room = _room(limit, delta.held) if limit else None
        add = {"held": delta.held, "spent": delta.spent, "committed": delta.committed}
        return Update(keys.window_row(job.tenant, scope, period, place), add=add, if_=room)

    def _entry(self, job: Job, delta: Standing) -> Entry:
        return Entry(
            at=job.updated_at,
            tenant=job.tenant,
            job_id=job.id,
            version=job.version,
            owner=job.owner,
            provider=job.provider,
            hardware=job.hardware,
            day=self._day(job),
            held_micros=delta.held,
            spent_micros=delta.spent,
        )

    def _day(self, job: Job) -> str:
        return day_of(job.created_at, self._zone)


def _room(limit: Limit, micros: int) -> Condition:
    """Kept as what is committed, because a condition can compare a number but not add two."""
    return AnyOf(Missing("committed"), AtMost("committed", limit.amount_micros - micros))


def _guards(job: Job, limits: Sequence[Limit]) -> list[Check]:
    """One for each place where a limit could be: it is the one that was read, or there is still none."""
    read = {limit.scope: limit for limit in limits}
    none: Condition = AnyOf(Missing("enabled"), Equals("enabled", False))
    return [
        Check(keys.limit_row(job.tenant, scope), Equals("version", read[scope].version) if scope in read else none)
        for scope in (job.provider, EVERYWHERE)
    ]


class LedgerTable:
    """What was booked, for those who look."""

    def __init__(self, table: Table, zone: tzinfo) -> None:
        self._table = table
        self._zone = zone

    def usage(self, limit: Limit, at: datetime) -> Usage:
        now = window(limit.period, at, self._zone)
        item = self._table.get(keys.window_row(limit.tenant, limit.scope, limit.period, now.name)) or {}
        return Usage(limit, now, int(str(item.get("spent", 0))), int(str(item.get("held", 0))))

    def days(self, tenant: str, since: datetime, until: datetime) -> Iterator[tuple[str, str, str, Standing]]:
        """Day, provider, hardware and what they stand for, the oldest day first. Costs what the days hold, however many
        jobs there were."""
        between = (day_of(since, self._zone), day_of(until, self._zone) + "~")
        for item in self._all(keys.rollups(tenant), between):
            day, provider, hardware = str(item["sk"]).split("#", 2)
            known = {name: int(str(item.get(name, 0))) for name in Standing.__dataclass_fields__}
            yield day, provider, hardware, Standing(**known)

    def entries(self, tenant: str, since: datetime, until: datetime) -> Iterator[Entry]:
        """The oldest first."""
        month = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while month <= until:
            between = (to_text(since), to_text(until) + "~")
            yield from map(_entry, self._all(keys.ledger(tenant, month), between))
            month = (month + timedelta(days=32)).replace(day=1)

    def today(self, at: datetime) -> str:
        return day_of(at, self._zone)

    def _all(self, partition: str, between: tuple[str, str]) -> Iterator[Item]:
        cursor = None
        while True:
            page = self._table.query(partition, between=between, limit=1000, cursor=cursor)
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return


def _windows(job: Job) -> list[tuple[str, Period]]:
    return [(scope, period) for scope in (job.provider, EVERYWHERE) for period in Period]


def _entry_item(entry: Entry) -> Item:
    row: Key = keys.entry_row(entry.tenant, entry.at, entry.job_id, entry.version)
    return {
        "pk": row.pk,
        "sk": row.sk,
        "at": to_text(entry.at),
        "tenant": entry.tenant,
        "job_id": entry.job_id,
        "version": entry.version,
        "owner": entry.owner,
        "provider": entry.provider,
        "hardware": entry.hardware,
        "day": entry.day,
        "held": entry.held_micros,
        "spent": entry.spent_micros,
    }


def _entry(item: Item) -> Entry:
    return Entry(
        at=from_text(str(item["at"])),
        tenant=str(item["tenant"]),
        job_id=str(item["job_id"]),
        version=int(str(item["version"])),
        owner=str(item["owner"]),
        provider=str(item["provider"]),
        hardware=str(item["hardware"]),
        day=str(item["day"]),
        held_micros=int(str(item["held"])),
        spent_micros=int(str(item["spent"])),
    )
