"""What one job asks of AWS, counted on the wire: ``python -m bench.requests``. ``infra/README.md`` adds the prices.

A proxy stands before DynamoDB (dynoxide, which counts capacity as AWS does), one before S3, STS and Secrets Manager
(MiniStack), one before the API. The job is the one of the journeys: six images, webhooks, the command line following.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from tests.configs import trainable_text
from tests.engines import start
from tests.journeys.cloud import CloudWorld, start_aws

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}


class Counting:
    """Passes everything on, and counts it by operation; DynamoDB's with the units that they consume."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.seen: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def reset(self) -> None:
        self.seen.clear()
        self.units.clear()

    def count(self, request: BaseHTTPRequestHandler, answer: bytes) -> None:
        operation = request.headers.get("X-Amz-Target", request.command or "").rpartition(".")[2]
        self.seen[operation] += 1
        if "X-Amz-Target" in request.headers and "DynamoDB" in request.headers["X-Amz-Target"]:
            consumed = json.loads(answer or b"{}").get("ConsumedCapacity", [])
            for one in consumed if isinstance(consumed, list) else [consumed]:
                # Halves exist: an inconsistent read of an index.
                self.units["write" if operation in WRITES else "read"] += round(2 * one["CapacityUnits"])


def _handler_of(counting: Counting) -> type[BaseHTTPRequestHandler]:
    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            if "DynamoDB" in self.headers.get("X-Amz-Target", ""):
                body = json.dumps(json.loads(body) | {"ReturnConsumedCapacity": "TOTAL"}).encode()
            wire = http.client.HTTPConnection(counting.upstream, timeout=60)
            wire.request(self.command, self.path, body=body, headers=headers)
            answer = wire.getresponse()
            content = answer.read()
            counting.count(self, content)
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.headers.get("Content-Length") or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            wire.close()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = any  # noqa: N815 - the names are the server's

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Request


def main() -> None:
    aws, dynamo = start_aws(), start("dynoxide")
    cloud, table = Counting(aws.url), Counting(dynamo.url)
    with tempfile.TemporaryDirectory() as folder:
        world = CloudWorld(Path(folder), dynamo_url=table.url, aws_url=cloud.url)
        try:
            world.deploy()
            world.start_vendor()
            world.start_server()
            world.tick()
            table.reset()
            cloud.reset()
            world.tick()
            _show("a tick with nothing to do", table, cloud)
            _job(world, table, cloud)
        finally:
            world.stop()
            dynamo.stop()
            aws.stop()


def _job(world: CloudWorld, table: Counting, cloud: Counting) -> None:
    images = world.folder / "images"
    images.mkdir()
    for number in range(6):
        Image.new("RGB", (64, 64), (40 * number, 80, 90)).save(images / f"{number}.png")
    config = world.folder / "config.json"
    config.write_text(trainable_text(max_train_steps=60))
    told = world.run("submit", str(config), "--data", str(images), "--yes", "--json", "--no-follow")
    job_id = json.loads(told.stdout)["job"]["job_id"]
    _show("submit, dataset included", table, cloud)
    world.until_ticking(job_id, "completed", "failed")
    _show("ticks and webhooks until the end, with a look at the job at each", table, cloud)
    for path in ("", "/logs?offset=0", "/inline-progress", "/metrics", "/artifacts"):
        world.get(f"/api/cloud/jobs/{job_id}{path}")
        _show(f"GET /api/cloud/jobs/ID{path}", table, cloud)
    world.get("/api/cloud/jobs")
    _show("GET /api/cloud/jobs", table, cloud)


def _show(what: str, table: Counting, cloud: Counting) -> None:
    read, write = table.units["read"] / 2, table.units["write"] / 2
    print(f"\n{what}\n  DynamoDB  {read:g} read units, {write:g} write units  {dict(table.seen)}")
    print(f"  others    {dict(cloud.seen)}")
    table.reset()
    cloud.reset()


if __name__ == "__main__":
    main()
