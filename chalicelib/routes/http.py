"""HTTP in, HTTP out: who asks, what was sent, and every error as ``application/problem+json``.

    request ─▶ CloudApp (keeps it per call) ─▶ endpoint: door, view, errors ─▶ Response

Chalice turns a view's exception into a 500 before any middleware sees it, so errors are mapped here, in the one
decorator that every view wears.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import secrets
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast

from chalice.app import Chalice, Request, Response

from chalicelib.domain import correlation
from chalicelib.domain.callers import Caller, Scope
from chalicelib.domain.errors import BadInput, CloudError, Malformed, MethodNotAllowed, NotFound, UnsupportedMedia
from chalicelib.services import Services

if TYPE_CHECKING:
    from pydantic import BaseModel

log = logging.getLogger("simpletuner_cloud")

Body = TypeVar("Body", bound="BaseModel")

LONGEST_NAME = 1024
"""Bytes of a name in an address: S3's own limit for a key, the longest that there is."""

DEEPEST = 64

_CHALICE_REFUSES = {
    405: MethodNotAllowed("This address does not take that method."),
    415: UnsupportedMedia("The body must be JSON: send it with 'Content-Type: application/json'."),
}

_REQUEST: ContextVar[Request | None] = ContextVar("request", default=None)
_LAMBDA: ContextVar[Any] = ContextVar("lambda_context", default=None)
_APP: ContextVar[CloudApp] = ContextVar("app")


class CloudApp(Chalice):
    """Chalice with its services, and with the request kept per call: Chalice keeps it on the app, where a threaded
    server would let two requests read each other."""

    def __init__(self, app_name: str, services: Services) -> None:
        super().__init__(app_name=app_name, configure_logs=False)
        self.services = services

    current_request = property(lambda self: _REQUEST.get(), lambda self, request: _keep(_REQUEST, request))
    lambda_context = property(lambda self: _LAMBDA.get(), lambda self, context: _keep(_LAMBDA, context))

    def __call__(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """The answer bears the id that its lines in the log bear: the caller's own, or else API Gateway's."""
        _APP.set(self)
        known = _correlation_id(event)
        facts = {"request_id": context.aws_request_id} if context else {}
        with self.services.telemetry.invocation("request", correlation_id=known, **facts):
            answer: dict[str, Any] = _in_our_words(super().__call__(event, context))
        answer.setdefault("headers", {})[correlation.HEADER] = known
        return answer


def _in_our_words(answer: dict[str, Any]) -> dict[str, Any]:
    """Chalice refuses unknown methods and content types by itself, in a shape that no client of ours reads."""
    error = _CHALICE_REFUSES.get(answer["statusCode"])
    headers = answer.get("headers") or {}
    if error is None or "problem" in str(headers.get("Content-Type", "")):
        return answer
    refusal = problem(error).to_dict()
    refusal["headers"] |= {name: value for name, value in headers.items() if name.lower() == "allow"}
    return refusal


def _correlation_id(event: Mapping[str, Any]) -> str:
    sent = event.get("headers") or {}
    chosen = next((value for name, value in sent.items() if name.lower() == correlation.HEADER.lower()), None)
    gateways = (event.get("requestContext") or {}).get("requestId")
    return correlation.usable(chosen) or correlation.usable(gateways) or secrets.token_hex(16)


def _keep(place: ContextVar[Any], value: Any) -> None:
    place.set(value)


class Call:
    """One request, as a view sees it."""

    def __init__(self, services: Services, request: Request, caller: Caller | None) -> None:
        self.services = services
        self._request = request
        self._caller = caller

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            raise RuntimeError("this endpoint is open: nobody is known to call it")
        return self._caller

    @property
    def headers(self) -> Mapping[str, str]:
        return cast(Mapping[str, str], self._request.headers)

    @property
    def peer(self) -> str:
        """The machine at the other end of the connection, as the gateway saw it."""
        identity = (self._request.context or {}).get("identity") or {}
        return str(identity.get("sourceIp") or "")

    @property
    def raw_body(self) -> bytes:
        return cast(bytes, self._request.raw_body) or b""

    @property
    def sent_path(self) -> str:
        """The path as it was sent, before any gateway tidied it."""
        return str(self._request.to_original_event().get("path", ""))

    def path(self, name: str) -> str:
        """A variable of the address. Raises ``NotFound`` for what no name of ours looks like."""
        given = str((self._request.uri_params or {})[name])
        if not given.isprintable() or len(given.encode("utf-8", "replace")) > LONGEST_NAME:
            raise NotFound("There is nothing at this address. See docs/api.md for the addresses.")
        return given

    def query(self, name: str) -> str | None:
        given = self._request.query_params
        return str(given[name]) if given and name in given else None

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from the query string, or a clear refusal."""
        text = self.query(name)
        if text is None or text == "":
            return default
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20):
            raise BadInput(f"'{name}' must be a whole number, not '{text[:40]}'.")
        number = int(text)
        if not low <= number <= high:
            raise BadInput(f"'{name}' must be between {low} and {high}, not {number}.")
        return number

    def yes(self, name: str) -> bool:
        """A switch in the query string; not there means no."""
        text = (self.query(name) or "false").lower()
        if text not in ("true", "false", "1", "0"):
            raise BadInput(f"'{name}' must be true or false, not '{text[:40]}'.")
        return text in ("true", "1")

    def json(self) -> Any:
        """The body. Raises ``Malformed`` for what is no JSON, and for JSON that could not be passed on to a vendor."""
        try:
            body = json.loads(self.raw_body or b"null")
        except (ValueError, RecursionError):
            raise Malformed("The request body is not valid JSON.") from None
        _check_json(body)
        return body

    def body(self, shape: type[Body]) -> Body:
        """The JSON body in the given shape; ``Malformed`` names every field that does not fit."""
        return shaped(self.json(), shape)


def _check_json(body: Any) -> None:
    """Python reads more than JSON holds: NaN, numbers beyond all bounds, halves of characters."""
    left: list[tuple[Any, int]] = [(body, 0)]
    while left:
        value, depth = left.pop()
        if depth > DEEPEST:
            raise Malformed(f"The request body is nested more than {DEEPEST} levels deep.")
        if isinstance(value, float) and not math.isfinite(value):
            raise Malformed("The request body holds NaN, Infinity or a number too large to be one.")
        if isinstance(value, str) and not value.isascii() and _is_broken(value):
            raise Malformed("The request body holds half of a character (a lone surrogate) in a text. Remove it.")
        if isinstance(value, list):
            left += [(one, depth + 1) for one in value]
        elif isinstance(value, dict):
            left += [(one, depth + 1) for pair in value.items() for one in pair]


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def shaped(value: Any, shape: type[Body]) -> Body:
    from pydantic import ValidationError

    if not isinstance(value, dict):
        raise Malformed("The request body must be a JSON object.")
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()[:10])
        raise Malformed(f"The request body does not have the right shape: {told}.") from None


View = Callable[["Call"], Any]


Refuse = Callable[[CloudError], Response]


def endpoint(needs: Scope | None, refuse: Refuse | None = None) -> Callable[[View], Callable[..., Response]]:
    """Makes a view out of a function of a ``Call``, for callers who have the scope; None: for every known caller.

    ``refuse`` words errors for clients that do not read ours.
    """

    def decorate(view: View) -> Callable[..., Response]:
        def enter(services: Services, headers: Mapping[str, str]) -> Caller:
            caller = services.door.enter(headers)
            if needs:
                caller.require(needs)
            return caller

        return _answering(view, enter, refuse or problem)

    return decorate


def open_endpoint(view: View) -> Callable[..., Response]:
    """An endpoint that asks nobody who they are: health, and webhooks, which carry a signature."""
    return _answering(view, lambda services, headers: None, problem)


def _answering(
    view: View, enter: Callable[[Services, Mapping[str, str]], Caller | None], refuse: Refuse
) -> Callable[..., Response]:
    """Lets the caller in, runs the view, and turns its errors into answers."""

    @functools.wraps(view)
    def answer(**_: Any) -> Response:
        app = _APP.get()
        request = app.current_request
        # Not the path itself: some of ours hold a signature.
        asked = {"method": request.method, "path": request.context.get("resourcePath")}
        with correlation.about(**_job_of(request)), app.services.telemetry.span(view.__name__):
            try:
                result = view(Call(app.services, request, enter(app.services, request.headers)))
                return result if isinstance(result, Response) else reply(result)
            except CloudError as error:
                if error.status >= 500:
                    log.warning("%s: %s", error.code, error, extra=asked)
                return refuse(error)
            except Exception:
                log.exception("unplanned error", extra=asked)
                return refuse(CloudError("Something went wrong on our side. It was written to the server's log."))

    return answer


def _job_of(request: Request) -> dict[str, str]:
    job_id = (request.uri_params or {}).get("job_id")
    return {"job": job_id[:64]} if job_id else {}


def reply(body: Any, status: int = 200) -> Response:
    # Encoded here: Chalice encodes outside of its own error handling.
    return Response(
        json.dumps(body, ensure_ascii=False),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store"},
        status_code=status,
    )


def problem(error: CloudError) -> Response:
    """RFC 9457, plus the ``error`` and ``message`` fields that SimpleTuner's own clients read."""
    body = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "error": error.code,
        "message": error.detail,
    }
    body |= {name: value for name, value in error.fields.items() if name not in body}
    if correlation.correlation_id():
        body["correlation_id"] = correlation.correlation_id()
    headers: dict[str, str | list[str]] = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    if error.fields.get("retry_after"):
        headers["Retry-After"] = str(int(error.fields["retry_after"]))
    return Response(json.dumps(body, ensure_ascii=False, default=str), headers=headers, status_code=error.status)
