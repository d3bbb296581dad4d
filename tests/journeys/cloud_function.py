"""The Chalice app as Lambda runs it, on a port of this machine: ``python -m tests.journeys.cloud_function PORT``.

Each HTTP request becomes the proxy event that API Gateway would send, and ``POST /_tick`` the event of the schedule.
The composition is the cloud's own; AWS is where ``AWS_ENDPOINT_URL`` and its relatives say.
"""

from __future__ import annotations

import sys

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import app as function
from local.gateway import Gateway

SCHEDULED = {
    "version": "0",
    "id": "0",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2026-11-24T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {},
}


async def tick(_: Request) -> Response:
    return JSONResponse(await anyio.to_thread.run_sync(function.tick, SCHEDULED, None))


def main() -> None:
    site = Starlette()
    site.add_route("/_tick", tick, methods=["POST"])
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    site.add_route("/{path:path}", Gateway(function.app).__call__, methods=methods)
    uvicorn.run(site, port=int(sys.argv[1]), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
