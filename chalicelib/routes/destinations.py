"""``/api/cloud/destinations``: where models go. Keys come in here and never go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalice.app import Blueprint

from chalicelib.actions.destinations import Naming, Tested
from chalicelib.domain.callers import Scope
from chalicelib.domain.destinations import Destination, Kind
from chalicelib.domain.errors import NotFound
from chalicelib.domain.moments import maybe_to_text, to_text
from chalicelib.routes.http import Call, endpoint

if TYPE_CHECKING:
    from chalicelib.routes.shapes import DestinationBody

destinations = Blueprint(__name__)


@destinations.route("/destinations", methods=["GET"], name="list_destinations")
@endpoint(Scope.JOB_SUBMIT)
def listed(call: Call) -> Any:
    tenant = call.caller.tenant
    default = call.services.destinations.default(tenant)
    return {
        "destinations": [shown(one) for one in call.services.destinations.all(tenant)],
        "default": ["store"] if default is None else default,
    }


@destinations.route("/destinations", methods=["PUT"], name="choose_destinations")
@endpoint(Scope.ADMIN)
def choose(call: Call) -> Any:
    from chalicelib.routes.shapes import DefaultBody

    return {"default": call.services.destinations.set_default(call.body(DefaultBody).default, call.caller)}


@destinations.route("/destinations/{name}", methods=["PUT"], name="keep_destination")
@endpoint(Scope.ADMIN)
def keep(call: Call) -> Any:
    from chalicelib.routes.shapes import DestinationBody

    body, named = call.body(DestinationBody), call.services.destinations
    if body.kind == "hub":
        return {"destination": shown(named.keep_account(call.path("name"), body.token, call.caller))}
    return {"destination": shown(named.keep(call.path("name"), naming(body), call.caller))}


@destinations.route("/destinations/{name}", methods=["DELETE"], name="remove_destination")
@endpoint(Scope.ADMIN)
def remove(call: Call) -> Any:
    call.services.destinations.remove(call.path("name"), call.caller)
    return {"success": True, "name": call.path("name")}


@destinations.route("/destinations/{name}/test", methods=["POST"], name="test_destination")
@endpoint(Scope.ADMIN)
def test(call: Call) -> Any:
    return tested(call.services.destinations.test(call.path("name"), call.caller))


@destinations.route("/providers/{provider}/test-s3", methods=["POST"], name="test_s3")
@endpoint(Scope.ADMIN)
def test_s3(call: Call) -> Any:
    """SimpleTuner's dialog, before it saves: keys that it leaves out are those that are kept."""
    if call.path("provider") not in call.services.trainers.names():
        raise NotFound(f"There is no provider '{call.path('provider')[:40]}'.")
    return tested(call.services.destinations.try_out(_naming(call), call.caller.tenant))


def shown(one: Destination) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind.value,
        "account": one.account,
        "bucket": one.place.bucket if one.kind is Kind.S3 else None,
        "region": one.place.region if one.kind is Kind.S3 else None,
        "endpoint_url": one.place.endpoint_url,
        "path_prefix": one.place.prefix,
        "access_key_hint": f"…{one.hint}",
        "updated_at": to_text(one.updated_at),
        "updated_by": one.updated_by,
        "tested_at": maybe_to_text(one.tested_at),
        "test_passed": one.test_passed,
        "test_detail": one.test_detail,
    }


def tested(test: Tested) -> dict[str, Any]:
    failed = test.failed
    return {
        "success": test.passed,
        "detail": test.detail,
        "error": failed.detail if failed else None,
        "cause": failed.cause if failed else None,
        "steps": [
            {"name": step.name, "passed": step.passed, "detail": step.detail, "cause": step.cause}
            for step in test.steps
        ],
    }


def _naming(call: Call) -> Naming:
    from chalicelib.routes.shapes import DestinationBody

    return naming(call.body(DestinationBody))


def naming(body: DestinationBody) -> Naming:
    return Naming(
        bucket=body.bucket,
        region=body.region,
        endpoint_url=body.endpoint_url,
        prefix=body.path_prefix,
        access_key=body.access_key_id,
        secret_key=body.secret_access_key,
    )
