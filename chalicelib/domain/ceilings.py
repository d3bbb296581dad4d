"""What a ceiling in money means in time. Two stops keep it, and neither trusts the other:

    the vendor's   its deadline, given with the launch: it holds while we are down, and counts waiting for a machine
    ours           a look at the running job, a little before: it says why, and holds where a vendor takes no deadline

A vendor's deadline counts from the launch although waiting is not billed. So a run that waits long is stopped before it
has spent its ceiling: the ceiling is a promise, the training time is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.money import display, micros_for
from chalicelib.domain.runs import Offer

UNAIDED = timedelta(minutes=4)
"""How long before a ceiling we stop a run that its vendor would not stop: with a tick a minute, one process may
die on the way and the ceiling still holds."""

FOR_A_CHECKPOINT = timedelta(minutes=3)
"""How much of that has to be left for a run that may save something first."""


@dataclass(frozen=True, slots=True)
class Bound:
    """``deadline`` is the vendor's, by the job's own limit or by its ceiling; None when it takes none or has none."""

    deadline: timedelta | None = None
    warnings: tuple[str, ...] = ()


def bound(
    ceiling_micros: int | None, offer: Offer, max_run: timedelta | None, vendor_stops: bool, least: timedelta
) -> Bound:
    """Raises ``InvalidConfig`` for a ceiling that does not buy ``least``, naming the smallest that does."""
    if ceiling_micros is None:
        return Bound(max_run)
    price = offer.micros_per_second
    if price <= 0:
        return Bound(max_run)
    bought = timedelta(seconds=ceiling_micros // price)
    ours = bought - (slack(bought) if vendor_stops else UNAIDED)
    if ours < least:
        raise InvalidConfig(
            f"A ceiling of {display(ceiling_micros)} buys {_words(bought)} of {offer.label} at {offer.provider}, and a "
            f"run needs {_words(least)} at the least to come to anything. The smallest ceiling here is "
            f"{display(smallest(price, vendor_stops, least))}.",
            smallest_micros=smallest(price, vendor_stops, least),
        )
    if not vendor_stops:
        return Bound(
            max_run,
            (
                f"{offer.provider} takes no deadline, so the ceiling of {display(ceiling_micros)} holds only while "
                f"this server runs and can reach it: the run is stopped after {_words(ours)} of work.",
            ),
        )
    told = (
        f"{offer.provider} itself stops this run {_words(ours)} after its launch, so that it cannot cost more than "
        f"{display(ceiling_micros)} even while this server is down. Waiting for a machine counts, though it costs "
        "nothing."
    )
    if max_run and max_run <= ours:
        return Bound(max_run)
    return Bound(ours, (told,))


def smallest(price: int, vendor_stops: bool, least: timedelta) -> int:
    """In micro-dollars, rounded up to a whole cent where that is a small difference."""
    bought = least
    while bought - (slack(bought) if vendor_stops else UNAIDED) < least:
        bought += timedelta(seconds=1)
    micros = micros_for(int(bought.total_seconds()), price)
    cents = -(-micros // 10_000) * 10_000
    return cents if micros >= 100_000 else micros


def slack(bought: timedelta) -> timedelta:
    """How long a vendor may take to notice that a deadline has passed."""
    return min(max(bought / 20, timedelta(seconds=2)), timedelta(seconds=30))


def must_stop(job: Job, spent_micros: int) -> bool:
    """Whether the run has to be asked to stop now, so that it has stopped before its ceiling."""
    if job.ceiling_micros is None or job.phase is not Phase.RUNNING or job.price_micros_per_second <= 0:
        return False
    bought = timedelta(seconds=job.ceiling_micros // job.price_micros_per_second)
    ahead = 2 * slack(bought) if job.deadline else UNAIDED
    return spent_micros + micros_for(int(ahead.total_seconds()), job.price_micros_per_second) >= job.ceiling_micros


def can_save_first(job: Job, spent_micros: int) -> bool:
    """Whether a run that is stopped for its ceiling may save what it has before. A vendor's deadline holds anyway."""
    ahead = micros_for(int(FOR_A_CHECKPOINT.total_seconds()), job.price_micros_per_second)
    return job.deadline is not None or spent_micros + ahead <= (job.ceiling_micros or 0)


def ended_by_ceiling(job: Job) -> bool:
    """Whether the deadline of the job's run was that of its ceiling."""
    if job.ceiling_micros is None or job.deadline is None:
        return False
    return not job.max_run_minutes or job.deadline < timedelta(minutes=job.max_run_minutes)


def _words(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} minutes"
