"""The same numbers for Prometheus, by categories that can be left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.actions.spending import LONGEST
from chalicelib.domain.callers import Scope
from chalicelib.domain.errors import BadInput, NotFound
from chalicelib.domain.money import MICROS_PER_DOLLAR
from chalicelib.domain.prometheus import CONTENT_TYPE, Series, exposition
from chalicelib.routes.http import Call, endpoint

prometheus = Blueprint(__name__)


def _jobs(call: Call) -> list[Series]:
    found = call.services.spending.overview(call.caller.tenant, LONGEST)
    total = found.total
    ended = {"completed": total.completed, "failed": total.failed, "cancelled": total.cancelled}
    cost = Decimal(total.spent) / MICROS_PER_DOLLAR
    series = [
        Series("simpletuner_jobs_total", "gauge", "Jobs of the last 365 days.", [({}, total.submitted)]),
        Series(
            "simpletuner_jobs_by_status",
            "gauge",
            "Jobs of the last 365 days by status.",
            [({"status": status}, count) for status, count in (ended | {"active": found.active}).items()],
        ),
        Series("simpletuner_jobs_active", "gauge", "Jobs that have not ended.", [({}, found.active)]),
        Series("simpletuner_cost_usd_total", "gauge", "What they have cost, in dollars.", [({}, f"{cost:f}")]),
        Series(
            "simpletuner_cost_micros",
            "gauge",
            "The same in millionths of a dollar, by provider and purpose.",
            [
                ({"provider": provider, "kind": kind}, micros)
                for provider, stands in sorted(found.by_provider.items())
                for kind, micros in (("spent", stands.spent), ("held", stands.held), ("wasted", stands.wasted))
            ],
        ),
    ]
    if found.average_seconds is not None:
        words = "How long a run takes on average, in seconds."
        series.append(
            Series("simpletuner_job_duration_seconds_avg", "gauge", words, [({}, str(found.average_seconds))])
        )
    # The names that SimpleTuner's own page looks for.
    for name in ("jobs_total", "jobs_active", "cost_usd_total"):
        twin = next(one for one in series if one.name == f"simpletuner_{name}")
        series.append(Series(f"simpletuner_cloud_{_TWINS.get(name, name)}", twin.kind, twin.words, twin.samples))
    return series


_TWINS = {"cost_usd_total": "cost_total_usd"}


def _limits(call: Call) -> list[Series]:
    usages = [usage for usage in call.services.budgeting.of_tenant(call.caller.tenant) if usage.limit.enabled]
    words = "How much of the limit on spending is used in its present period, in percent."
    samples = [({"provider": usage.limit.scope}, str(usage.percent)) for usage in usages]
    return [Series("simpletuner_cost_limit_percent_used", "gauge", words, list(samples))]


def _health(call: Call) -> list[Series]:
    now = call.services.clock()
    parts = call.services.examine.components()
    up = int((now - call.services.started_at).total_seconds())
    return [
        Series("simpletuner_uptime_seconds", "gauge", "How long this process has run, in seconds.", [({}, up)]),
        Series(
            "simpletuner_health_component_status",
            "gauge",
            "1 for a part that is well.",
            [({"component": part.name}, int(part.healthy)) for part in parts],
        ),
        Series(
            "simpletuner_health_latency_ms",
            "gauge",
            "How long each part took to answer, in milliseconds.",
            [({"component": part.name}, part.latency_ms) for part in parts],
        ),
    ]


CATEGORIES: dict[str, tuple[str, Callable[[Call], list[Series]]]] = {
    "jobs": ("How many jobs there were, how they ended and what they cost.", _jobs),
    "provider": ("How much of each limit on spending is used.", _limits),
    "health": ("Whether the parts of this system are well.", _health),
}

TEMPLATES = {
    "minimal": ("Jobs and money.", ("jobs",)),
    "standard": ("Jobs, money and limits.", ("jobs", "provider")),
    "full": ("Everything that is measured.", tuple(CATEGORIES)),
}


@prometheus.route("/metrics/prometheus", methods=["GET"])
@endpoint(Scope.JOB_VIEW_ALL)
def scrape(call: Call) -> Response:
    return _text(call)


@prometheus.route("/cloud/metrics/prometheus", methods=["GET"])
@endpoint(Scope.JOB_VIEW_ALL)
def scrape_of_the_cloud(call: Call) -> Response:
    return _text(call)


@prometheus.route("/metrics/config/categories", methods=["GET"])
@endpoint(Scope.JOB_VIEW_ALL)
def categories(call: Call) -> Any:
    return {
        "categories": [
            {"id": name, "name": name, "description": words, "metrics": [one.name for one in make(call)]}
            for name, (words, make) in CATEGORIES.items()
        ]
    }


@prometheus.route("/metrics/config/templates", methods=["GET"])
@endpoint(Scope.JOB_VIEW_ALL)
def templates(call: Call) -> Any:
    return {
        "templates": [
            {"id": name, "name": name, "description": words, "categories": list(chosen)}
            for name, (words, chosen) in TEMPLATES.items()
        ]
    }


@prometheus.route("/metrics/config", methods=["GET"])
@endpoint(Scope.JOB_VIEW_ALL)
def config(call: Call) -> Any:
    return _config(_kept(call))


@prometheus.route("/metrics/config", methods=["PUT"])
@endpoint(Scope.ADMIN)
def change(call: Call) -> Any:
    from chalicelib.routes.shapes import MetricsConfigBody

    body = call.body(MetricsConfigBody)
    kept = _kept(call)
    if body.prometheus_categories is not None:
        kept = [name for name in CATEGORIES if name in body.prometheus_categories]
    if body.prometheus_enabled is not None:
        kept = (kept or list(CATEGORIES)) if body.prometheus_enabled else []
    return _config(_keep(call, kept))


@prometheus.route("/metrics/config/apply-template/{template}", methods=["POST"])
@endpoint(Scope.ADMIN)
def apply_template(call: Call) -> Any:
    return _config(_keep(call, list(_template(call.path("template")))))


@prometheus.route("/metrics/config/preview", methods=["POST"])
@endpoint(Scope.JOB_VIEW_ALL)
def preview(call: Call) -> Any:
    """The body is a list of categories, or nothing for those that are chosen."""
    wanted = call.json() if call.raw_body.strip() else None
    if wanted is not None and not (isinstance(wanted, list) and all(isinstance(name, str) for name in wanted)):
        raise BadInput("Send a list of categories, or nothing.")
    chosen = _kept(call) if wanted is None else [name for name in CATEGORIES if name in wanted]
    series = [one for name in chosen for one in CATEGORIES[name][1](call)]
    return {"content": exposition(series), "metric_count": len(series), "categories_used": chosen}


def _kept(call: Call) -> list[str]:
    stored = call.services.settings.text(call.caller.tenant, "prometheus")
    return list(CATEGORIES) if stored is None else [name for name in stored.split(",") if name in CATEGORIES]


def _keep(call: Call, chosen: list[str]) -> list[str]:
    call.services.settings.set_text(call.caller.tenant, "prometheus", ",".join(chosen))
    return chosen


def _config(chosen: list[str]) -> dict[str, Any]:
    return {
        "prometheus_enabled": bool(chosen),
        "prometheus_categories": chosen,
        "tensorboard_enabled": False,
        "endpoint_url": "/api/metrics/prometheus",
    }


def _template(name: str) -> tuple[str, ...]:
    if name not in TEMPLATES:
        raise NotFound(f"There is no template '{name[:40]}'. Use one of: {', '.join(TEMPLATES)}.")
    return TEMPLATES[name][1]


def _text(call: Call) -> Response:
    chosen = _chosen(call)
    text = exposition(series for name in chosen for series in CATEGORIES[name][1](call))
    headers: dict[str, str | list[str]] = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    return Response(text, headers=headers, status_code=200)


def _chosen(call: Call) -> Sequence[str]:
    """``?categories=jobs,health`` or ``?template=minimal``; without either those that are chosen in the config."""
    template = call.query("template")
    if template:
        return _template(template)
    named = [name.strip() for name in (call.query("categories") or "").split(",") if name.strip()]
    unknown = [name for name in named if name not in CATEGORIES]
    if unknown:
        raise BadInput(f"There is no category '{unknown[0][:40]}'. Use some of: {', '.join(CATEGORIES)}.")
    return named or _kept(call)
