"""Commands about money: limits on spending, and what was spent."""

from __future__ import annotations

import argparse
import csv
import io
from decimal import Decimal, InvalidOperation
from typing import Any

from chalicelib.domain.money import display
from client.api import CloudClient
from client.screen import Screen
from client.words import duration, local_time

_WIDTH = 30


def list_limits(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    kept = cloud.limits()
    shown = [one for one in kept["limits"] if one["enabled"]]
    if screen.as_json:
        screen.result(kept)
    elif not shown:
        screen.note("No limit is set. Set one with: stcloud limits set 50 --period monthly")
    else:
        rows = [
            [
                one["scope"],
                display(one["limit_micros"]),
                one["period"],
                one["action"],
                display(one["spent_micros"]),
                display(one["held_micros"]),
                f"{bar(one['percent_used'])} {one['percent_used']:.0f} %",
                local_time(one["resets_at"]),
            ]
            for one in shown
        ]
        screen.table(["PROVIDER", "LIMIT", "PERIOD", "ACTION", "SPENT", "HELD", "USED", "RESETS"], rows)
    return 0


def set_limit(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    wanted = {"limit_usd": float(given.amount), "period": given.period, "action": given.action}
    done = cloud.set_limit(given.provider, {name: value for name, value in wanted.items() if value is not None})
    if screen.as_json:
        screen.result(done)
    else:
        screen.line(done["limit"]["message"])
    return 0


def clear_limit(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    done = cloud.clear_limit(given.provider)
    if screen.as_json:
        screen.result(done)
    else:
        screen.line(f"There is no limit for '{given.provider}' any more.")
    return 0


def spend(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    if given.csv:
        _write_csv(screen, cloud.spend_entries(given.days)["entries"])
        return 0
    found = cloud.spending(given.days)
    if screen.as_json:
        screen.result(found)
        return 0
    days = [day for day in found["cost_by_day"] if day["total_jobs"]]
    most = max((day["spent_micros"] for day in days), default=0)
    rows = [
        [day["date"], str(day["total_jobs"]), display(day["spent_micros"]), "█" * _part(day["spent_micros"], most)]
        for day in days
    ]
    if rows:
        screen.table(["DAY", "JOBS", "SPENT", ""], rows)
    screen.line(_summary(found, given.days), "bold")
    return 0


def _write_csv(screen: Screen, entries: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    names = ["at", "day", "job_id", "owner", "provider", "hardware", "kind", "held_micros", "spent_micros"]
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(entries)
    screen.text(text.getvalue())


def dollars(text: str) -> Decimal:
    """For the command line: a plain amount, with or without its sign."""
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or not 0 < amount <= 1_000_000:
        raise argparse.ArgumentTypeError(f"'{text}' is not an amount of dollars, such as 6 or 4.50")
    return amount


def bar(percent: float) -> str:
    filled = min(10, round(percent / 10))
    return "█" * filled + "░" * (10 - filled)


def _part(micros: int, most: int) -> int:
    return max(1, micros * _WIDTH // most) if micros and most else 0


def _summary(found: dict[str, Any], days: int) -> str:
    told = [f"{display(found['total_cost_micros'])} in {days} days for {found['job_count']} jobs"]
    if found["held_micros"]:
        told.append(f"{display(found['held_micros'])} held for {found['active_jobs']} under way")
    if found["wasted_micros"]:
        told.append(f"{display(found['wasted_micros'])} on jobs that failed")
    if found["avg_job_duration_seconds"] is not None:
        told.append(f"{duration(found['avg_job_duration_seconds'])} a run on average")
    return "; ".join(told) + "."
