"""``/api/cloud/cost-estimate`` and ``/api/cloud/hardware-options``: what a job would cost, and what is on sale."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.actions.estimating import Priced
from chalicelib.domain.callers import Scope
from chalicelib.domain.errors import BadInput, Malformed
from chalicelib.domain.estimates import Estimate
from chalicelib.domain.money import as_micros, usd
from chalicelib.domain.redaction import strip_secrets
from chalicelib.domain.runs import Offer
from chalicelib.domain.workloads import Facts
from chalicelib.routes import answers
from chalicelib.routes.http import Call, endpoint, shaped

estimates = Blueprint(__name__)


@estimates.route("/hardware-options", methods=["GET"])
@endpoint(None)
def hardware(call: Call) -> Any:
    """The catalogue of one provider, or of ``all`` of them."""
    wanted = call.query("provider") or "replicate"
    if wanted == "all":
        offers = call.services.estimating.offers()
        return {
            "hardware": [{**answers.offer(offer), "configured": configured} for offer, configured in offers],
            "default_hardware": None,
            "message": None,
        }
    trainer = call.services.trainers.get(wanted)
    return {
        "hardware": [{**answers.offer(one), "configured": trainer.is_configured} for one in trainer.offers()],
        "default_hardware": trainer.offer(None).hardware,
        "message": call.services.invoicing.notice(call.caller.tenant, wanted),
    }


@estimates.route("/cost-estimate", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def cost_estimate(call: Call) -> Any:
    """SimpleTuner's request, a bare list of datasets, has no config: it gets its fields back, and what is missing."""
    from chalicelib.routes.shapes import EstimateBody

    body = call.json() if call.raw_body.strip() else []
    if isinstance(body, list):
        body = {"dataloader_config": body}
    asked = shaped(body, EstimateBody)
    datasets = asked.dataloader_config
    if not all(isinstance(one, dict) for one in datasets):
        raise Malformed("'dataloader_config' is a list of objects, as in SimpleTuner's multidatabackend.json.")
    size = asked.total_bytes if asked.total_bytes is not None else _bytes_of(datasets)
    facts = Facts(images=asked.image_count, files=asked.file_count, data_bytes=size)
    trainer = call.services.trainers.get(asked.provider or call.query("provider") or "replicate")
    wanted = trainer.offer(asked.hardware_profile)
    offers = call.services.estimating.compare(call.caller.tenant, asked.config, datasets, facts)
    chosen = next(one for one in offers if one.offer == wanted)
    made = chosen.estimate
    return {
        "has_estimate": made is not None,
        "estimated_cost": usd(made.typical_micros) if made else None,
        "estimated_cost_usd": usd(made.typical_micros) if made else None,
        "avg_duration_seconds": made.typical_seconds if made else None,
        "hardware_cost_per_hour": usd(wanted.micros_per_second * 3600),
        "data_size_mb": round(size / 1_000_000, 3),
        "message": None if made else f"There is no estimate. It is not known {'; '.join(chosen.missing)}.",
        **_judged(call, asked.config, wanted),
        "estimate": told(made) if made else None,
        "missing": list(chosen.missing),
        "offers": [_offer(one) for one in offers],
    }


def _judged(call: Call, config: dict[str, Any], on: Offer) -> dict[str, Any]:
    """What a submit on that machine would refuse the config for, and what it would tell."""
    if not config:
        return {"problems": [], "warnings": []}
    try:
        found = call.services.check(strip_secrets(config)[0], [], None, on)
    except BadInput as error:
        return {"problems": [error.detail], "warnings": []}
    # A LyCORIS config does not come with the question, so its lack is no fault here.
    problems = [one.sentence for one in found.faults if one.option != "--lycoris_config"]
    return {"problems": problems, "warnings": list(found.warnings)}


@estimates.route("/invoices", methods=["POST"])
@endpoint(Scope.ADMIN)
def invoice(call: Call) -> Any:
    """What a vendor billed in some days, beside what is booked for them here."""
    from chalicelib.routes.shapes import InvoiceBody

    body = call.body(InvoiceBody)
    billed = as_micros(body.total_usd)
    found = call.services.invoicing.compare(call.caller.tenant, body.provider, body.since, body.until, billed)
    return {
        "provider": found.provider,
        "since": found.since,
        "until": found.until,
        "billed_micros": found.billed_micros,
        "booked_micros": found.booked_micros,
        "held_micros": found.held_micros,
        "difference_micros": found.difference_micros,
        "percent": found.percent,
        "agrees": found.agrees,
        "by_hardware": dict(found.by_hardware),
        "message": found.sentence(),
    }


def told(made: Estimate) -> dict[str, Any]:
    return {
        "low_micros": made.low_micros,
        "typical_micros": made.typical_micros,
        "high_micros": made.high_micros,
        "low_usd": usd(made.low_micros),
        "typical_usd": usd(made.typical_micros),
        "high_usd": usd(made.high_micros),
        "low_seconds": made.low_seconds,
        "typical_seconds": made.typical_seconds,
        "high_seconds": made.high_seconds,
        "startup_seconds": made.startup_seconds,
        "seconds_per_step": made.step_millis / 1000,
        "steps": made.steps,
        "samples": made.samples,
        "how": list(made.how),
    }


def _offer(one: Priced) -> dict[str, Any]:
    return {
        **answers.offer(one.offer),
        "configured": one.configured,
        "fits": one.fits,
        "cheapest": one.cheapest,
        "fastest": one.fastest,
        "estimate": told(one.estimate) if one.estimate else None,
        "missing": list(one.missing),
    }


def _bytes_of(datasets: list[Any]) -> int:
    sizes = [one.get("total_bytes") for one in datasets]
    return sum(size for size in sizes if type(size) is int and 0 <= size < 10**15)
