"""Sending a model from our own store to a bucket or to the Hub, a slice at a time.

    due ─▶ claimed ─▶ a slice: what is there already is passed over, the next pieces are sent ─▶ due again
                          └─▶ all is there: looked at, *verified*, and forgotten          (or *failed*, with the reason)

How far it is stands in the job's row, and every piece is read under the ETag of the object that was found whole.
Whoever dies is followed by another that asks the place what it has: a part that has arrived is not sent again, a file
appears only whole, and a commit that was made is found.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.actions.course import Course
from chalicelib.actions.hubs import Hubs
from chalicelib.actions.to_bucket import ToBucket
from chalicelib.actions.to_hub import ToHub
from chalicelib.domain.destinations import Arrival, Kind, Send, State
from chalicelib.domain.errors import CloudError, DestinationRefused
from chalicelib.domain.jobs import Job
from chalicelib.domain.outbox import GIVE_UP_AFTER, Intent, backoff
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.jobs import Jobs, Outbox, Stale
from chalicelib.domain.ports.outside import Buckets, Vault
from chalicelib.domain.ports.storage import Objects

log = logging.getLogger(__name__)

SLICE = timedelta(seconds=10)
"""How long one claim sends: short beside its lease, and beside the time that a tick has."""


class Sending:
    def __init__(
        self, jobs: Jobs, outbox: Outbox, objects: Objects, buckets: Buckets, vault: Vault, hubs: Hubs, clock: Clock
    ) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._clock = clock
        self._ways: dict[Kind, Callable[[Course, Arrival], bool]] = {
            Kind.S3: ToBucket(objects, buckets, vault),
            Kind.HUB: ToHub(objects, hubs),
        }

    def __call__(self, job: Job, intent: Intent) -> None:
        course = Course(self._jobs, self._outbox, self._clock, job, intent, self._clock() + SLICE)
        next_at = list[datetime]()
        for name in [one.name for one in job.destinations if one.state is State.SENDING]:
            if course.is_over and next_at:
                next_at.append(self._clock())
                break
            next_at += self._go_on(course, name)
        if not course.job.is_sending:
            self._outbox.forget(intent)  # somebody else has finished it
        else:
            self._outbox.postpone(intent, min(next_at, default=self._clock()), "more is to be sent")

    def _go_on(self, course: Course, name: str) -> list[datetime]:
        """When to go on with this place, if at all."""
        place, send = course.place(name), course.send(name)
        rests_until = (place.checked_at or send.asked_at) + backoff(send.tries)
        if send.tries and self._clock() < rests_until:
            return [rests_until]
        try:
            self._check_time(send)
            done = self._ways[place.kind](course, place)
        except Stale:
            raise
        except CloudError as error:
            return self._failed(course, name, error)
        return [] if done else [self._clock()]

    def _check_time(self, send: Send) -> None:
        if self._clock() - send.moved_at > GIVE_UP_AFTER:
            raise DestinationRefused("Nothing has arrived there for an hour, so sending was given up.", cause="silence")

    def _failed(self, course: Course, name: str, error: CloudError) -> list[datetime]:
        """What will not change ends it; what may passes is tried again, for an hour after the last piece arrived."""
        now, place = self._clock(), course.place(name)
        final = error.status < 500 or error.status == 502
        if final:
            course.end(replace(place, state=State.FAILED, error=error.detail, checked_at=now))
            return []
        send = course.send(name)
        send = replace(send, tries=send.tries + 1)
        log.warning("sending was put off", extra={"job": course.job.id, "place": name, "why": error.code})
        course.keep(replace(place, send=send, error=f"{error.detail} It is tried again.", checked_at=now))
        return [now + backoff(send.tries)]
