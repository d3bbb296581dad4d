"""A stand-in for the server of ``docs/api.md``, with a store that takes parts: for client tests only.

It runs as a real HTTP server on a free port and keeps a journal, so that a test can count what was sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

MIB = 1 << 20
CHECK = "/api/cloud/jobs/check"


def problem(status: int, code: str, detail: str, **fields: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "error": code, "message": detail}
    return JSONResponse(body | fields, status, media_type="application/problem+json")


@dataclass
class Session:
    id: str
    root: str
    archive_bytes: int
    part_bytes: int
    state: str = "open"
    parts: dict[int, bytes] = field(default_factory=dict)

    def answer(self) -> dict[str, Any]:
        listed = self.parts if self.state == "open" else {}
        return {
            "upload_id": self.id,
            "state": self.state,
            "part_bytes": self.part_bytes,
            "part_count": -(-self.archive_bytes // self.part_bytes),
            "expires_at": "2030-01-01T00:00:00Z",
            "parts": [
                {"part_number": number, "size": len(content), "etag": hashlib.md5(content).hexdigest()}  # noqa: S324
                for number, content in sorted(listed.items())
            ],
        }

    @property
    def content(self) -> bytes:
        return b"".join(content for _, content in sorted(self.parts.items()))


@dataclass
class FakeCloud:
    """``faults`` is asked before each part is taken and before each download; a response it gives is sent instead.
    ``wrong`` is what it finds wrong with every config, and ``foreseen`` what every job is warned of; without ``checks``
    it is an older server, which does not tell before a submit."""

    part_bytes: int = 64 * 1024
    consent: str = "ask"
    api_key: str | None = None
    part_delay: float = 0.0
    answer_delay: float = 0.0
    first_status: str = "queued"
    provider_status: str = "healthy"
    provider_message: str | None = None
    link_seconds: int = 3600
    faults: Callable[[Request, int], Response | None] = lambda request, count: None
    journal: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    checked: list[dict[str, Any]] = field(default_factory=list)
    checks: bool = True
    wrong: list[str] = field(default_factory=list)
    foreseen: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    steps: dict[str, Any] = field(default_factory=lambda: {"done": None})
    script: list[str] = field(default_factory=lambda: ["queued", "running", "running", "completed"])
    archive: bytes = b""
    archive_thirds: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def calls(self, method: str, beginning: str) -> int:
        """How often something was asked below that address. Whether a job would be taken is asked in ``checked``."""
        asked = [path for made, path in self.journal if made == method and path != CHECK]
        return sum(path.startswith(beginning) for path in asked)

    def add_job(self, job_id: str, status: str = "queued", **fields: Any) -> dict[str, Any]:
        self.jobs[job_id] = {
            "job_id": job_id, "job_type": "cloud", "provider": "replicate", "status": status, "phase": status,
            "config_name": "cat", "created_at": "2026-01-01T00:00:00Z", "started_at": None, "completed_at": None,
            "cost_usd": None, "cost_micros": None, "cost_is_final": False, "price_micros_per_second": 975,
            "hardware_type": "L40S", "hardware_profile": "l40s", "error_message": None, "reason": None,
            "output_url": None, "upload_token": None, "user_id": None, "metadata": {"warnings": [], "upload_id": None},
            "is_terminal": status in ("completed", "failed", "cancelled"), "is_active": True, "duration_seconds": None,
            "cancel_requested": False, **fields,
        }  # fmt: skip
        self.logs.setdefault(job_id, "")
        return self.jobs[job_id]

    # Jobs

    async def submit(self, request: Request) -> Response:
        body = await request.json()
        key = request.headers.get("idempotency-key", "")
        if key in self.keys:
            return JSONResponse({"job": self.jobs[self.keys[key]], "idempotent_hit": True})
        session = self.sessions.get(body.get("upload_id") or "")
        if session is not None and session.state != "complete":
            return problem(409, "upload_not_ready", f"Upload '{session.id}' is {session.state}, not complete.")
        if session is not None:
            session.state = "used"
        self.orders.append(body)
        why = "no credit left" if self.first_status == "failed" else None
        job = self.add_job(
            f"j-{len(self.jobs) + 1:04}", self.first_status, hardware_profile=body.get("hardware_profile"),
            error_message=why,
        )  # fmt: skip
        self.keys[key] = job["job_id"]
        job["metadata"] |= {"upload_id": body.get("upload_id"), "warnings": self.foreseen}
        if self.answer_delay:
            await anyio.sleep(self.answer_delay)
        return JSONResponse({"job": job, "idempotent_hit": False}, 201)

    async def check(self, request: Request) -> Response:
        if not self.checks:
            return problem(405, "method_not_allowed", "This address does not take that.")
        self.checked.append(await request.json())
        if self.wrong:
            return problem(400, "invalid_config", f"The trainer would refuse this config. {' '.join(self.wrong)}")
        way = {"mode": "address", "why": "The trainer fetches each dataset."}
        told = {"provider": "replicate", "hardware": "l40s", "delivery": way, "destinations": []}
        return JSONResponse(
            told | {"warnings": self.foreseen, "last_step": None, "estimate": None, "cost_limit_warnings": []}
        )

    async def retry(self, request: Request) -> Response:
        self.orders.append(await request.json())
        job = self.add_job(f"j-{len(self.jobs) + 1:04}")
        return JSONResponse({"job": job, "idempotent_hit": False}, 201)

    async def list_jobs(self, request: Request) -> Response:
        limit, offset = (int(request.query_params.get(name, value)) for name, value in (("limit", 50), ("offset", 0)))
        status = request.query_params.get("status")
        found = [job for job in reversed(self.jobs.values()) if not status or job["status"] == status]
        page = found[offset : offset + limit]
        return JSONResponse({"jobs": page, "total": len(found), "limit": limit, "offset": offset})

    async def one_job(self, request: Request) -> Response:
        job_id, what = request.path_params["job_id"], request.path_params.get("what", "")
        job = self.jobs.get(job_id)
        if job is None:
            return problem(404, "job_not_found", f"There is no job '{job_id}'. See the list.", job_id=job_id)
        if what == "logs":
            offset = int(request.query_params.get("offset", 0))
            news = self.logs[job_id][offset:]
            done = bool(job["is_terminal"])
            answer = {"logs": news, "offset": offset, "next_offset": offset + len(news), "complete": done}
        elif what == "inline-progress":
            answer = {"stage": "Training", "last_log": "x", "progress": 45.0, "step": 45, "total_steps": 100}
            answer |= {"loss": 0.25, "learning_rate": 1e-4, "eta_seconds": 12}
        elif what == "events":
            event = {"at": job["created_at"], "status": "pending", "message": ""}
            answer = {"events": [{**event, "kind": "submitted"}]}
            if job["is_terminal"]:
                answer["events"].append({**event, "kind": "data_deleted", "message": "The data is deleted."})
        elif what == "checkpoints":
            answer = {"checkpoints": self.checkpoints, "steps": self.steps}
        elif what == "artifacts.tar":
            answer = self._archive(job_id, request.query_params.get("model") == "true")
        elif what == "artifacts":
            listed = [self._artifact(name, content) for name, content in self.files.items()]
            answer = {"artifacts": listed, "total_size": sum(len(content) for content in self.files.values())}
        else:
            if not job["is_terminal"] and self.script:
                self._step(job)
            return JSONResponse({"job": job})
        return JSONResponse({"job_id": job_id} | answer)

    def _step(self, job: dict[str, Any]) -> None:
        status = self.script.pop(0)
        self.logs[job["job_id"]] += f"now {status}\n"
        ended = status in ("completed", "failed", "cancelled")
        job |= {"status": status, "phase": status, "is_terminal": ended, "cost_micros": 12_345, "cost_is_final": ended}
        job |= {"duration_seconds": 12.0, "error_message": "out of memory" if status == "failed" else None}

    def _artifact(self, name: str, content: bytes) -> dict[str, Any]:
        return {
            "name": name, "key": f"out/{name}", "size": len(content), "is_model": name.endswith(".safetensors"),
            "etag": hashlib.md5(content).hexdigest(), "last_modified": "2026-01-01T00:00:00Z",  # noqa: S324
            "url": f"{self.url}/store/out/{name}?signature=good",
        }  # fmt: skip

    def _archive(self, job_id: str, only_model: bool) -> dict[str, Any]:
        """A third further with each answer."""
        files = {name: body for name, body in self.files.items() if name.endswith(".safetensors") or not only_model}
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name, body in files.items():
                member = tarfile.TarInfo(f"{job_id}/{name}")
                member.size = len(body)
                tar.addfile(member, io.BytesIO(body))
        self.archive = packed.getvalue()
        self.archive_thirds = min(3, self.archive_thirds + 1)
        listed = [
            {"path": f"{job_id}/{name}", "size": len(body), "sha256": None, "etag": hashlib.md5(body).hexdigest()}  # noqa: S324
            for name, body in files.items()
        ]
        whole = self.archive_thirds == 3
        digest = hashlib.sha256(self.archive).hexdigest()
        return {
            "digest": digest, "filename": f"{job_id}.tar", "total_bytes": len(self.archive),
            "done_bytes": len(self.archive) * self.archive_thirds // 3, "files": listed if whole else None,
            "url": f"{self.url}/store/tar/{digest}?link={len(self.journal)}" if whole else None,
        }  # fmt: skip

    async def get_archive(self, request: Request) -> Response:
        refused = self.faults(request, self.calls("GET", "/store/tar"))
        if refused is not None:
            return refused
        begin = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        return Response(self.archive[begin:], 206 if begin else 200)

    async def cancel(self, request: Request) -> Response:
        job = self.jobs[request.path_params["job_id"]]
        if job["is_terminal"]:
            return problem(409, "invalid_job_state", "The job has ended.", current_state=job["status"])
        job |= {"status": "cancelled", "phase": "cancelled", "is_terminal": True}
        return JSONResponse({"success": True, "job_id": job["job_id"], "status": "cancelled", "confirmed": True})

    async def delete_job(self, request: Request) -> Response:
        self.jobs.pop(request.path_params["job_id"])
        return JSONResponse({"success": True, "job_id": request.path_params["job_id"]})

    # Uploads

    async def open_upload(self, request: Request) -> Response:
        body = await request.json()
        root = body["manifest"]["root"]
        if self.consent == "deny":
            return problem(403, "consent_denied", "Uploads are switched off.")
        if self.consent == "ask" and body.get("consent", {}).get("root") != root:
            return problem(428, "consent_required", "Nobody has agreed.")
        for session in self.sessions.values():
            alive = session.state in ("open", "complete")
            if session.root == root and session.archive_bytes == body["archive_bytes"] and alive:
                return JSONResponse(session.answer())
        session = Session(f"u-{len(self.sessions) + 1}", root, body["archive_bytes"], self.part_bytes)
        self.sessions[session.id] = session
        return JSONResponse(session.answer(), 201)

    async def one_upload(self, request: Request) -> Response:
        session = self.sessions[request.path_params["upload_id"]]
        if request.method == "DELETE" and session.state != "used":
            session.state = "aborted"
            return JSONResponse({"success": True, "upload_id": session.id, "state": "aborted"})
        return JSONResponse(session.answer())

    async def part_links(self, request: Request) -> Response:
        numbers = (await request.json())["part_numbers"]
        base = f"{self.url}/store/part/{request.path_params['upload_id']}"
        links = [
            {"part_number": n, "url": f"{base}/{n}?link={len(self.journal)}", "expires_in": self.link_seconds}
            for n in numbers
        ]
        return JSONResponse({"parts": links})

    async def complete(self, request: Request) -> Response:
        session = self.sessions[request.path_params["upload_id"]]
        sent = {part["part_number"]: part["etag"] for part in (await request.json())["parts"]}
        expected = {part["part_number"]: part["etag"] for part in session.answer()["parts"]}
        count = session.answer()["part_count"]
        missing = [n for n in range(1, count + 1) if n not in expected or sent.get(n) != expected[n]]
        if session.state == "open" and (missing or len(session.content) != session.archive_bytes):
            return problem(409, "upload_not_ready", "Parts are missing.", missing_parts=missing)
        if session.state == "open":
            session.state = "complete"
        return JSONResponse({"upload_id": session.id, "state": "complete", "size": session.archive_bytes})

    # The store

    async def put_part(self, request: Request) -> Response:
        session, number = self.sessions[request.path_params["upload_id"]], int(request.path_params["number"])
        refused = self.faults(request, self.calls("PUT", request.url.path))
        if refused is not None:
            return refused
        length = int(request.headers["content-length"])
        content = b"".join([chunk async for chunk in request.stream()])
        if self.part_delay:
            await anyio.sleep(self.part_delay)
        if len(content) != length:
            return Response(status_code=400)
        session.parts[number] = content
        return Response(headers={"ETag": f'"{hashlib.md5(content).hexdigest()}"'})  # noqa: S324

    async def get_file(self, request: Request) -> Response:
        content = self.files[request.path_params["name"]]
        refused = self.faults(request, self.calls("GET", request.url.path))
        if refused is not None:
            return refused
        begin = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        return Response(content[begin:], 206 if begin else 200)

    async def consent_setting(self, request: Request) -> Response:
        if request.method == "PUT":
            self.consent = (await request.json())["consent"]
        return JSONResponse({"consent": self.consent, "success": True})

    async def hardware(self, request: Request) -> Response:
        listed = [
            {"id": name, "name": name.upper(), "provider": "replicate", "gpu_count": 1, "vram_gb": 48,
             "available": True,
             "micros_per_second": price, "cost_per_second": price / 1e6, "cost_per_hour": price / 277.8,
             "as_of": "2026-01-01"}
            for name, price in (("l40s", 975), ("h100", 1525))
        ]  # fmt: skip
        return JSONResponse({"hardware": listed, "default_hardware": "l40s"})

    async def health(self, request: Request) -> Response:
        parts = [{"name": "table", "status": "healthy", "latency_ms": 1.5, "message": None}]
        vendor = {"name": "replicate", "status": self.provider_status, "message": self.provider_message}
        parts.append({**vendor, "latency_ms": 0})
        return JSONResponse({"status": "healthy", "version": "0.1.0", "uptime_seconds": 5, "components": parts})

    def app(self) -> Callable[..., Any]:
        jobs, job, upload = "/api/cloud/jobs", "/api/cloud/jobs/{job_id}", "/api/cloud/uploads/{upload_id}"
        inner = Starlette(
            routes=[
                Route(jobs, self.list_jobs, methods=["GET"]),
                Route(jobs, self.submit, methods=["POST"]),
                Route(CHECK, self.check, methods=["POST"]),
                Route(job, self.one_job, methods=["GET"]),
                Route(job, self.delete_job, methods=["DELETE"]),
                Route(f"{job}/cancel", self.cancel, methods=["POST"]),
                Route(f"{job}/retry", self.retry, methods=["POST"]),
                Route(f"{job}/{{what}}", self.one_job, methods=["GET"]),
                Route("/api/cloud/data-consent/setting", self.consent_setting, methods=["GET", "PUT"]),
                Route("/api/cloud/uploads", self.open_upload, methods=["POST"]),
                Route(upload, self.one_upload, methods=["GET", "DELETE"]),
                Route(f"{upload}/parts", self.part_links, methods=["POST"]),
                Route(f"{upload}/complete", self.complete, methods=["POST"]),
                Route("/api/cloud/hardware-options", self.hardware),
                Route("/api/cloud/health", self.health),
                Route("/store/part/{upload_id}/{number}", self.put_part, methods=["PUT"]),
                Route("/store/tar/{digest}", self.get_archive, methods=["GET"]),
                Route("/store/out/{name:path}", self.get_file, methods=["GET"]),
            ]
        )

        async def recorded(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                headers = {name.decode(): value.decode() for name, value in scope["headers"]}
                self.journal.append((scope["method"], scope["path"]))
                self.headers.append(headers)
                if self.api_key and scope["path"].startswith("/api") and headers.get("x-api-key") != self.api_key:
                    await problem(401, "unauthenticated", "Who is asking is not known.")(scope, receive, send)
                    return
            await inner(scope, receive, send)

        return recorded


@contextlib.contextmanager
def served(cloud: FakeCloud) -> Iterator[FakeCloud]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    cloud.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(cloud.app(), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield cloud
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
