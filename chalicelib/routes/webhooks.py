"""``/api/webhooks/replicate``: news that providers send by themselves. The signature is the login."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.actions.hear_webhook import Heard
from chalicelib.domain.errors import Malformed
from chalicelib.routes.http import Call, open_endpoint

webhooks = Blueprint(__name__)


def replicate(call: Call) -> Any:
    call.services.senders.check(call.peer, call.headers.get("x-forwarded-for", ""))
    return _answer(call.services.hear_webhook("replicate", call.headers, call.raw_body))


def trainer(call: Call) -> Any:
    """The token in the address is the login."""
    event = call.json()
    if not isinstance(event, dict):
        raise Malformed("The request body must be a JSON object: one event of the trainer.")
    return _answer(call.services.hear_trainer(call.path("job_id"), call.path("token"), event))


def _answer(heard: Heard) -> dict[str, Any]:
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
webhooks.route("/api/webhooks/trainer/{job_id}/{token}", methods=["POST"], name="trainer_events")(
    open_endpoint(trainer)
)
