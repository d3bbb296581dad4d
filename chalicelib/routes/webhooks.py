"""``/api/webhooks/replicate``: news that providers send by themselves. The signature is the login."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.routes.http import Call, open_endpoint

webhooks = Blueprint(__name__)


def replicate(call: Call) -> Any:
    call.services.senders.check(call.peer, call.headers.get("x-forwarded-for", ""))
    heard = call.services.hear_webhook("replicate", call.headers, call.raw_body)
    body: dict[str, Any] = {"status": heard.status}
    if heard.job_id:
        body |= {"job_id": heard.job_id, "updates": heard.changed}
    if heard.why:
        body["reason"] = heard.why
    return body


webhooks.route("/api/webhooks/replicate", methods=["POST"], name="replicate_webhook")(open_endpoint(replicate))
# SimpleTuner's UI prints this address to its users.
webhooks.route("/api/cloud/webhook/replicate", methods=["POST"], name="replicate_webhook_alias")(
    open_endpoint(replicate)
)
