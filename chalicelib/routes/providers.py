"""``/api/cloud/providers``: who sells GPUs, and whether the credentials that are set here work."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.domain.callers import Scope
from chalicelib.routes import answers
from chalicelib.routes.http import Call, endpoint

providers = Blueprint(__name__)


@providers.route("/providers", methods=["GET"])
@endpoint(None)
def listed(call: Call) -> Any:
    return {"providers": [answers.provider(card) for card in call.services.offering.cards()]}


@providers.route("/providers/{provider}/validate", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def validate(call: Call) -> Any:
    found = call.services.offering.validate(call.path("provider"))
    username = found.account.get("username") if found.account else None
    return {"valid": found.valid, "username": username, "user_info": found.account, "error": found.problem}
