"""SimpleTuner's provider config: what of it can be changed at run time, and where the rest is set."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.domain.budgets import Action, Period
from chalicelib.domain.callers import Scope
from chalicelib.domain.destinations import S3_DELIVERY
from chalicelib.domain.errors import BadInput
from chalicelib.domain.money import as_micros, usd
from chalicelib.routes.destinations import naming
from chalicelib.routes.http import Call, endpoint

provider_config = Blueprint(__name__)

ELSEWHERE = {
    "webhook_url": "STCLOUD_PUBLIC_URL",
    "hardware_info": "REPLICATE_PRICES",
    "ssl_ca_bundle": "STCLOUD_PROVIDER_CA",
    "ssl_verify": "STCLOUD_PROVIDER_CA, for a certificate of your own",
    "proxy_url": "STCLOUD_PROVIDER_PROXY",
    "http_timeout": "STCLOUD_PROVIDER_SECONDS",
    "webhook_allowed_ips": "STCLOUD_WEBHOOK_ALLOW",
    "api_base_url": "REPLICATE_BASE_URL",
    "version_override": "'version' of a submit",
    "max_runtime_minutes": "'max_run_minutes' of a submit",
    "hardware_profile": "'hardware_profile' of a submit",
}
"""What is no row of a table here but a setting of the server, or a field of each submit."""


@provider_config.route("/providers/{provider}/config", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def show(call: Call) -> Any:
    provider = _known(call)
    return {"provider": provider, "config": _config(call, provider)}


@provider_config.route("/providers/{provider}/config", methods=["PUT"])
@endpoint(Scope.ADMIN)
def change(call: Call) -> Any:
    return _change(call)


@provider_config.route("/providers/{provider}", methods=["PUT"])
@endpoint(Scope.ADMIN)
def change_as_the_manual_says(call: Call) -> Any:
    return _change(call)


def _change(call: Call) -> Any:
    """What is not named stays. Nothing is changed when anything of it cannot be."""
    from chalicelib.routes.shapes import ProviderConfigBody

    body = call.body(ProviderConfigBody)
    provider = _known(call)
    given = {name for name, value in body.model_dump().items() if value is not None}
    if elsewhere := sorted(given & set(ELSEWHERE)):
        told = "; ".join(f"'{name}' is {ELSEWHERE[name]}" for name in elsewhere)
        raise BadInput(
            f"This cannot be set here, and nothing was changed: {told}. See docs/settings.md and docs/api.md."
        )
    if unknown := sorted(name for name in given if not name.startswith("cost_limit_") and name != "s3_delivery"):
        raise BadInput(f"There is no option '{unknown[0][:40]}' of a provider. Nothing was changed.")
    limit = call.services.budgeting.find(call.caller.tenant, provider)
    enabled = body.cost_limit_enabled
    if body.cost_limit_amount is not None and enabled is None:
        enabled = True
    amount = limit.amount_micros if body.cost_limit_amount is None else as_micros(body.cost_limit_amount)
    if enabled and amount <= 0:
        raise BadInput("A limit needs 'cost_limit_amount', in dollars and more than 0. Nothing was changed.")
    changes: dict[str, object] = {
        "enabled": enabled,
        "amount_micros": amount,
        "period": Period(body.cost_limit_period) if body.cost_limit_period else None,
        "action": Action(body.cost_limit_action) if body.cost_limit_action else None,
    }
    if body.s3_delivery is not None:
        call.services.destinations.keep(S3_DELIVERY, naming(body.s3_delivery), call.caller)
    if given - {"s3_delivery"}:
        named = {name: value for name, value in changes.items() if value is not None}
        call.services.budgeting.change(call.caller.tenant, provider, **named)
    return {"provider": provider, "config": _config(call, provider)}


def _known(call: Call) -> str:
    return call.services.trainers.get(call.path("provider")).provider_name


def _config(call: Call, provider: str) -> dict[str, Any]:
    tenant = call.caller.tenant
    limit = call.services.budgeting.find(tenant, provider)
    bucket = call.services.destinations.s3_delivery(tenant)
    return {
        **({"s3_delivery": bucket} if bucket else {}),
        "cost_limit_enabled": limit.enabled,
        "cost_limit_amount": usd(limit.amount_micros) if limit.version else None,
        "cost_limit_period": limit.period.value,
        "cost_limit_action": limit.action.value,
    }
