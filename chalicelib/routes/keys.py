"""``/api/auth/api-keys``: keys for pipelines and colleagues."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint

from chalicelib.actions.access import Minting
from chalicelib.domain.callers import Scope
from chalicelib.routes import answers
from chalicelib.routes.http import Call, endpoint

keys = Blueprint(__name__)


@keys.route("/api-keys", methods=["GET"], name="list_keys")
@endpoint(Scope.KEYS_OWN)
def newest(call: Call) -> Any:
    now = call.services.clock()
    return {"keys": [answers.api_key(key, now) for key in call.services.access.newest(call.caller)]}


@keys.route("/api-keys", methods=["POST"], name="mint_key")
@endpoint(Scope.KEYS_OWN)
def mint(call: Call) -> Any:
    """The only answer that ever holds the key itself."""
    from chalicelib.routes.shapes import MintBody

    body = call.body(MintBody)
    scopes = None if body.scoped_permissions is None else tuple(body.scoped_permissions)
    token, key = call.services.access.mint(Minting(body.name, scopes, body.expires_days, body.owner), call.caller)
    return {"key": token, "key_info": answers.api_key(key, call.services.clock())}


@keys.route("/api-keys/{key_id}", methods=["DELETE"], name="revoke_key")
@endpoint(Scope.KEYS_OWN)
def revoke(call: Call) -> Any:
    call.services.access.revoke(call.path("key_id"), call.caller)
    return {"success": True, "id": call.path("key_id")}
