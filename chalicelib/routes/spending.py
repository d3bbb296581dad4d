"""Money: limits on spending, and what was spent."""

from __future__ import annotations

import csv
import io
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.actions.spending import LONGEST, Overview
from chalicelib.domain.budgets import EVERYWHERE, WARN_PERCENT, Action, Limit, Period, Usage
from chalicelib.domain.callers import Scope
from chalicelib.domain.errors import BadInput
from chalicelib.domain.ledger import Standing
from chalicelib.domain.moments import to_text
from chalicelib.domain.money import as_micros, usd
from chalicelib.routes.http import Call, endpoint

spending = Blueprint(__name__)

MOST_LINES = 20_000
"""What one answer can carry out of a Lambda function."""


@spending.route("/cloud/cost-limit/status", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def cost_limit_status(call: Call) -> Any:
    return _status(call)


@spending.route("/metrics/cost-limit/status", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def cost_limit_status_of_metrics(call: Call) -> Any:
    return _status(call)


@spending.route("/cloud/metrics/cost-limit", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def cost_limit_as_the_tutorial_says(call: Call) -> Any:
    return _status(call)


@spending.route("/cloud/metrics/cost-limit-status", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def cost_limit_as_the_manual_says(call: Call) -> Any:
    return _status(call)


@spending.route("/cloud/cost-limits", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def limits(call: Call) -> Any:
    zone = str(call.services.clock().astimezone(call.services.zone).tzinfo)
    return {"limits": [_shown(one) for one in call.services.budgeting.of_tenant(call.caller.tenant)], "time_zone": zone}


@spending.route("/cloud/cost-limits/{scope}", methods=["PUT"])
@endpoint(Scope.ADMIN)
def set_limit(call: Call) -> Any:
    from chalicelib.routes.shapes import LimitBody

    body = call.body(LimitBody)
    scope = _scope(call, call.path("scope"))
    changes: dict[str, object] = {
        "amount_micros": _micros(body.limit_usd) if body.limit_usd is not None else None,
        "period": Period(body.period) if body.period else None,
        "action": Action(body.action) if body.action else None,
        "enabled": body.enabled if body.enabled is not None else True,
    }
    named = {name: value for name, value in changes.items() if value is not None}
    if "amount_micros" not in named and not call.services.budgeting.find(call.caller.tenant, scope).version:
        raise BadInput("Say how much: 'limit_usd', in dollars.")
    limit = call.services.budgeting.change(call.caller.tenant, scope, **named)
    return {"success": True, "limit": _shown(call.services.budgeting.usage(limit))}


@spending.route("/cloud/cost-limits/{scope}", methods=["DELETE"])
@endpoint(Scope.ADMIN)
def clear_limit(call: Call) -> Any:
    scope = _scope(call, call.path("scope"))
    call.services.budgeting.change(call.caller.tenant, scope, enabled=False)
    return {"success": True, "scope": scope}


@spending.route("/metrics", methods=["GET"])
@endpoint(Scope.JOB_VIEW_ALL)
def metrics(call: Call) -> Any:
    return _metrics(_overview(call))


@spending.route("/cloud/metrics", methods=["GET"])
@endpoint(Scope.JOB_VIEW_ALL)
def cloud_metrics(call: Call) -> Any:
    return _metrics(_overview(call))


@spending.route("/cloud/spend", methods=["GET"])
@endpoint(Scope.JOB_VIEW_ALL)
def spend(call: Call) -> Any:
    """The ledger itself, as JSON or, with ``?format=csv``, for a spreadsheet."""
    wanted = call.query("format") or "json"
    if wanted not in ("json", "csv"):
        raise BadInput(f"'format' is json or csv, not '{wanted[:20]}'.")
    days = call.whole("days", 30, 1, LONGEST)
    lines: list[dict[str, Any]] = []
    for entry in call.services.spending.entries(call.caller.tenant, days):
        if len(lines) >= MOST_LINES:
            raise BadInput(f"There are more than {MOST_LINES} entries in these days. Ask for fewer days.")
        lines.append(
            {
                "at": to_text(entry.at),
                "day": entry.day,
                "job_id": entry.job_id,
                "owner": entry.owner,
                "provider": entry.provider,
                "hardware": entry.hardware,
                "kind": entry.kind,
                "held_micros": entry.held_micros,
                "spent_micros": entry.spent_micros,
            }
        )
    if wanted == "json":
        return {"days": days, "entries": lines, "spent_micros": sum(int(str(line["spent_micros"])) for line in lines)}
    names = ("at", "day", "job_id", "owner", "provider", "hardware", "kind", "held_micros", "spent_micros")
    text = io.StringIO()
    table = csv.DictWriter(text, names, lineterminator="\r\n")
    table.writeheader()
    table.writerows({name: _plain(value) for name, value in line.items()} for line in lines)
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": 'attachment; filename="spend.csv"',
    }
    return Response(text.getvalue(), headers=headers, status_code=200)


@spending.route("/cloud/billing/refresh", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def refresh_billing(call: Call) -> Any:
    return _no_balance()


@spending.route("/metrics/billing/refresh", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def refresh_billing_of_metrics(call: Call) -> Any:
    return _no_balance()


def _no_balance() -> dict[str, Any]:
    """Replicate tells nobody what is left on an account."""
    told = "Replicate does not tell the balance of an account. See replicate.com/account/billing."
    return {"credit_balance": None, "estimated_jobs_remaining": None, "error": told}


def _plain(value: object) -> object:
    """A spreadsheet must not take a name for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _scope(call: Call, scope: str) -> str:
    known = call.services.trainers.names()
    if scope != EVERYWHERE and scope not in known:
        raise BadInput(f"There is no provider '{scope[:60]}'. Use one of: {', '.join([*known, EVERYWHERE])}.")
    return scope


def _micros(dollars: float) -> int:
    micros = as_micros(dollars)
    if micros <= 0:
        raise BadInput("A limit is at least one millionth of a dollar. To switch it off, send 'enabled': false.")
    return micros


def _status(call: Call) -> dict[str, Any]:
    scope = _scope(call, call.query("provider") or "replicate")
    limit = call.services.budgeting.find(call.caller.tenant, scope)
    return _contract(call.services.budgeting.usage(limit))


def _contract(usage: Usage) -> dict[str, Any]:
    """SimpleTuner's fields, with ``current_spend`` being what is spent or held, because that is what is limited."""
    limit: Limit = usage.limit
    on = limit.enabled
    return {
        "enabled": on,
        "limit_amount": usd(limit.amount_micros) if on else None,
        "period": limit.period.value if on else None,
        "action": limit.action.value if on else None,
        "current_spend": usd(usage.committed_micros),
        "percent_used": usage.percent if on else 0.0,
        "is_exceeded": on and usage.is_exceeded,
        "is_warning": on and usage.is_warning,
        "message": usage.sentence() if on else None,
        "spent_micros": usage.spent_micros,
        "held_micros": usage.held_micros,
        "left_micros": usage.left_micros if on else None,
        "resets_at": to_text(usage.window.end),
    }


def _shown(usage: Usage) -> dict[str, Any]:
    limit = usage.limit
    return {
        "scope": limit.scope,
        "limit_micros": limit.amount_micros,
        "warn_percent": WARN_PERCENT,
        "window": usage.window.name,
        "starts_at": to_text(usage.window.start),
        **_contract(usage),
    }


def _overview(call: Call) -> Overview:
    provider = call.query("provider") or None
    days = call.whole("days", 30, 1, LONGEST)
    return call.services.spending.overview(call.caller.tenant, days, _scope(call, provider) if provider else None)


def _metrics(found: Overview) -> dict[str, Any]:
    total = found.total
    return {
        "credit_balance": None,
        "estimated_jobs_remaining": None,
        "total_cost": usd(total.spent),
        "total_cost_micros": total.spent,
        "held_micros": total.held,
        "wasted_micros": total.wasted,
        "job_count": total.submitted,
        "active_jobs": found.active,
        "avg_job_duration_seconds": found.average_seconds,
        "success_rate": found.success_rate,
        "jobs_by_status": {
            "completed": total.completed,
            "failed": total.failed,
            "cancelled": total.cancelled,
            "active": found.active,
        },
        "cost_by_day": [{"date": day, **_day(stands)} for day, stands in sorted(found.by_day.items())],
        "spend_by_day": [
            {"date": day, "provider": provider, "spent_micros": stands.spent, "held_micros": stands.held}
            for (day, provider), stands in sorted(found.by_day_and_provider.items())
        ],
        "by_provider": {name: _group(stands) for name, stands in sorted(found.by_provider.items())},
        "by_hardware": {name: _group(stands) for name, stands in sorted(found.by_hardware.items())},
        "period_days": found.days,
    }


def _day(stands: Standing) -> dict[str, Any]:
    return {
        "total_jobs": stands.submitted,
        "completed": stands.completed,
        "failed": stands.failed,
        "cancelled": stands.cancelled,
        "local_jobs": 0,
        "cloud_jobs": stands.submitted,
        "total_cost_usd": usd(stands.spent),
        "spent_micros": stands.spent,
    }


def _group(stands: Standing) -> dict[str, Any]:
    return {
        "jobs": stands.submitted,
        "completed": stands.completed,
        "failed": stands.failed,
        "cancelled": stands.cancelled,
        "spent_micros": stands.spent,
        "held_micros": stands.held,
        "wasted_micros": stands.wasted,
        "run_seconds": stands.seconds,
    }
