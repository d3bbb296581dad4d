"""An HTTP request as the Lambda proxy event that API Gateway would make of it, and the answer back."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import unquote

import anyio
from starlette.requests import Request
from starlette.responses import Response

from chalicelib.domain.errors import CloudError, NotFound, TooLarge
from chalicelib.routes.http import CloudApp, problem

MAX_BODY = 10 * 1024 * 1024
"""API Gateway's own limit: what passes here passes there."""

_VARIABLE = re.compile(r"{(\w+\+?)}")


@dataclass(frozen=True, slots=True)
class _Route:
    resource: str
    pattern: re.Pattern[str]


class Gateway:
    def __init__(self, app: CloudApp) -> None:
        self._app = app
        # Fixed segments before variables, so that /jobs/submit is never taken for a job id.
        resources = sorted(app.routes, key=lambda resource: (resource.count("{"), resource))
        self._routes = [_Route(resource, _pattern(resource)) for resource in resources]
        self._threads = anyio.CapacityLimiter(32)

    async def __call__(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                return refused(TooLarge("The request body is larger than 10 MiB."))
        path = request.url.path.rstrip("/") or "/"
        # The raw path, because a decoded slash inside a name must not make a new segment.
        raw = request.scope.get("raw_path", path.encode()).decode("latin-1").split("?")[0].rstrip("/") or "/"
        for route in self._routes:
            match = route.pattern.fullmatch(raw)
            if match:
                names = {name: unquote(value) for name, value in match.groupdict().items()}
                event = _event(request, route.resource, raw, names, bytes(body))
                answer = await anyio.to_thread.run_sync(self._app, event, None, limiter=self._threads)
                return _response(answer)
        return refused(NotFound(f"There is nothing at {path}. See docs/api.md for the addresses."))


def _pattern(resource: str) -> re.Pattern[str]:
    """``{name}`` is one segment, ``{name+}`` all that are left."""
    pieces = _VARIABLE.split(resource)
    return re.compile("".join(_piece(piece) if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)))


def _piece(variable: str) -> str:
    name = variable.removesuffix("+")
    return f"(?P<{name}>.+)" if name != variable else f"(?P<{name}>[^/]+)"


def _event(request: Request, resource: str, path: str, names: dict[str, str], body: bytes) -> dict[str, object]:
    query: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        query.setdefault(name, []).append(value)
    headers = dict(request.headers.items())
    return {
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": names or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": request.method,
            "path": path,
            "stage": "api",
            "identity": {"sourceIp": request.client.host if request.client else "127.0.0.1"},
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def _response(answer: dict[str, object]) -> Response:
    body = str(answer.get("body") or "")
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode("utf-8", "replace")
    response = Response(content, status_code=int(str(answer["statusCode"])))
    headers = answer.get("headers") or {}
    if isinstance(headers, dict):
        for name, value in headers.items():
            response.headers[name] = str(value)
    return response


def refused(error: CloudError) -> Response:
    return _response(problem(error).to_dict())
