"""The API of docs/api.md as far as the Cloud tab uses it, on jobs that play themselves, and the built tab at ``/``.

For work on the tab: ``python -m tests.browser.fake_api`` answers on port 8001, where ``npm run dev`` looks for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.browser.fake_jobs import FakeJob, iso

DIST = Path(__file__).parents[2] / "frontend" / "dist"
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"


@dataclass
class FakeCloud:
    jobs: dict[str, FakeJob] = field(default_factory=dict)
    consent: str = "ask"
    key: str | None = None
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def add(self, job: FakeJob) -> FakeJob:
        self.jobs[job.job_id] = job
        return job

    def submit(self, **fields: Any) -> FakeJob:
        return self.add(FakeJob(f"j-{len(self.jobs) + 1:04d}", datetime.now(UTC), **fields))


def app(cloud: FakeCloud) -> Starlette:
    def found(view: Callable[[FakeJob, Request, datetime], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            job_id = request.path_params["job_id"]
            job = cloud.jobs.get(job_id)
            if job is None:
                return problem(
                    404, "job_not_found", f"There is no job '{job_id}'. List the jobs to see which there are."
                )
            return JSONResponse({"job_id": job_id, **view(job, request, datetime.now(UTC))})

        return endpoint

    async def list_jobs(request: Request) -> Response:
        now = datetime.now(UTC)
        limit, offset = int(request.query_params.get("limit", 50)), int(request.query_params.get("offset", 0))
        wanted = request.query_params.get("status")
        views = [job.view(now) for job in sorted(cloud.jobs.values(), key=lambda job: job.submitted, reverse=True)]
        match = [view for view in views if wanted in (None, view["status"])]
        return JSONResponse(
            {"jobs": match[offset : offset + limit], "total": len(match), "limit": limit, "offset": offset}
        )

    async def submit(request: Request) -> Response:
        body = await request.json()
        job = cloud.submit(name=body.get("tracker_run_name"))
        return JSONResponse({"job": job.view(datetime.now(UTC)), "idempotent_hit": False}, status_code=201)

    def progress(job: FakeJob, _: Request, now: datetime) -> dict[str, Any]:
        names = ["stage", "last_log", "progress", "step", "total_steps", "loss", "learning_rate", "eta_seconds"]
        if job.view(now)["status"] != "running":
            return dict.fromkeys(names)
        step, point = job.step(now), (job.points(now) or [{"loss": None, "learning_rate": None}])[-1]
        left = (job.steps - step) * job.lengths[3] / job.steps
        stage = "Training" if job.phase(now) == "running" else "Saving checkpoint"
        share = 100 * step / job.steps
        return dict(
            zip(names, (stage, "", share, step, job.steps, point["loss"], point["learning_rate"], left), strict=True)
        )

    def logs(job: FakeJob, request: Request, now: datetime) -> dict[str, Any]:
        text, offset = job.log(now), int(request.query_params.get("offset", 0))
        return {"logs": text[offset:], "offset": offset, "next_offset": len(text), "complete": job.ended(now)}

    def artifacts(job: FakeJob, _: Request, now: datetime) -> dict[str, Any]:
        files = [
            {
                "name": name,
                "key": f"{job.job_id}/{name}",
                "size": size,
                "etag": "e",
                "last_modified": iso(now - timedelta(seconds=20)),
                "url": f"/files/{job.job_id}/{name}?signed=1",
                "is_model": model,
            }
            for name, size, model in job.files(now)
        ]
        return {"artifacts": files, "total_size": sum(size for _, size, _ in job.files(now))}

    async def cancel(request: Request) -> Response:
        now, job = datetime.now(UTC), cloud.jobs[request.path_params["job_id"]]
        if job.ended(now):
            return problem(409, "invalid_job_state", "The job has ended.")
        job.cancelled_at = now
        return JSONResponse({"success": True, "job_id": job.job_id, "status": "cancelled", "confirmed": True})

    async def delete(request: Request) -> Response:
        del cloud.jobs[request.path_params["job_id"]]
        return JSONResponse({"success": True, "job_id": request.path_params["job_id"]})

    async def consent(request: Request) -> Response:
        if request.method == "PUT":
            cloud.consent = (await request.json())["consent"]
        return JSONResponse({"success": True, "consent": cloud.consent})

    async def download(request: Request) -> Response:
        name = request.path_params["name"].rsplit("/", 1)[-1]
        return Response(b"weights", headers={"Content-Disposition": f'attachment; filename="{name}"'})

    one = "/api/cloud/jobs/{job_id}"
    routes = [
        Route("/api/cloud/jobs", list_jobs),
        Route("/api/cloud/jobs", submit, methods=["POST"]),
        Route(one, found(lambda job, _, now: {"job": job.view(now)})),
        Route(one, delete, methods=["DELETE"]),
        Route(one + "/events", found(lambda job, _, now: {"events": job.events(now)})),
        Route(one + "/logs", found(logs)),
        Route(one + "/inline-progress", found(progress)),
        Route(one + "/metrics", found(lambda job, _, now: {"points": job.points(now), "total_steps": job.steps})),
        Route(one + "/artifacts", found(artifacts)),
        Route(one + "/cancel", cancel, methods=["POST"]),
        Route("/api/cloud/data-consent/setting", consent, methods=["GET", "PUT"]),
        Route("/files/{job_id}/{name:path}", download),
        Mount("/", StaticFiles(directory=DIST, html=True, check_dir=False)),
    ]

    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.url.path.startswith("/api/"):
            cloud.asked.append(f"{request.method} {request.url.path}")
            if cloud.down:
                return problem(503, "not_ready", "The store is being moved. Try again in a minute.")
            if cloud.key and request.headers.get("X-API-Key") != cloud.key:
                return problem(401, "unauthenticated", "Send X-API-Key.")
        response = await call(request)
        response.headers["Content-Security-Policy"] = CSP
        return response

    return Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)])


def problem(status: int, code: str, detail: str) -> Response:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "error": code, "message": detail}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def gallery() -> FakeCloud:
    """One job of each kind, for looking at."""
    cloud, now = FakeCloud(), datetime.now(UTC)
    minute = timedelta(minutes=1)
    slow = (9.0, 3.0, 52.0, 1260.0, 41.0)
    oom = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.31 GiB."
    add = cloud.add
    add(
        FakeJob(
            "j-7f3k9q2m",
            now - 14 * minute,
            slow,
            name="flux-lora-botanical-plates",
            steps=1000,
            warnings=[
                "validation_steps was not set: the last checkpoint is validated, so that its weights are delivered."
            ],
        )
    )
    add(FakeJob("j-5h2d8w1c", now - 6 * minute, (3600.0, 1.0, 1.0, 1.0, 1.0), name="sdxl-watercolour-v3"))
    add(FakeJob("j-9p4x6t0b", now - 190 * minute, slow, name="flux-lora-ceramics", steps=1000))
    add(FakeJob("j-2c8v5n7j", now - 400 * minute, slow, "failed", "out_of_memory", oom, "sd35-large-full", steps=600))
    add(FakeJob("j-1a6s3g4z", now - 3000 * minute, slow, cancelled_at=now - 2990 * minute, config_name="kolors.json"))
    long_log = [f"[INFO] bucket {n}: aspect 1.0, image {n:05d}.png cached" for n in range(50_000)]
    add(FakeJob("j-0long", now - 9000 * minute, slow, name="fifty-thousand-lines", extra_log=long_log))
    return cloud


if __name__ == "__main__":
    uvicorn.run(app(gallery()), host="127.0.0.1", port=8001, log_level="warning")
