"""``python -m emulators.replicate.real.machine HOME VERSION``: one machine, on which Cog serves the real trainer.

It stands where ``emulators.replicate.box`` stands, with the same order on stdin and the same answer in a file, and does
what Replicate's own software beside a container does: starts Cog's server, waits until it is ready, sends it one
prediction, hears of its log and its end through Cog's webhook, and tells it to cancel.

Cog and the trainer are in this process's group, and the group ends as a whole: with the prediction, with the emulator
(whose end closes stdin), and by force when a trainer does not stop.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from emulators.replicate.faults import KINDS, Where
from emulators.replicate.real.home import IMAGE, MODEL_ID, Home

READY = "ready\n"
"""The first line of stdout, before any of the log: Cog has loaded the predictor, and the prediction begins."""
_ID = "prediction"
_SETUP_SECONDS = 600.0
_CANCEL_SECONDS = 8.0
_AROUND_THE_BOX = ("trainer", "never_boots", "boot_seconds", "time_limit")
_TERMINAL = ("succeeded", "failed", "canceled")


@dataclass(slots=True)
class Heard:
    """What Cog has told: each of its messages has the whole log so far."""

    printed: int = 0
    last: dict[str, Any] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def take(self, message: dict[str, Any]) -> None:
        with self._turn:
            log = message.get("logs") or ""
            sys.stdout.write(log[self.printed :])
            sys.stdout.flush()
            self.printed = max(self.printed, len(log))
            if not self.ended.is_set():
                self.last = message
                if message.get("status") in _TERMINAL:
                    self.ended.set()


def main() -> None:
    home, version = Home(Path(sys.argv[1])), sys.argv[2]
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        order: dict[str, Any] = json.loads(stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    wanted = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: wanted.set())
    heard = Heard()
    listener = _listen(heard, order["input"].get("uploaded_images"))
    address = f"http://127.0.0.1:{listener.server_address[1]}"
    cog, place = _start_cog(home, version, Path(order["root"]), address)
    # One client for all: making one costs more than a hundred questions about Cog's health.
    http = httpx.Client(base_url=place, timeout=60, trust_env=False)
    try:
        _refuse(order["faults"], version)
        _await_setup(cog, http, Path(order["root"]), wanted)
        sys.stdout.write(READY)
        sys.stdout.flush()
        _predict(http, order["input"], address)
        _await_end(cog, http, heard, wanted)
        _answer(Path(order["result"]), heard)
    except Broken as error:
        _write(Path(order["result"]), {"output": None, "error": str(error)})
    except Exception as error:  # with the group this process ends too, and nobody would see a traceback
        _write(Path(order["result"]), {"output": None, "error": f"{type(error).__name__}: {error}"})
    finally:
        _end_group()


class Broken(Exception):
    """The machine did not get as far as a prediction, or lost the one that it had."""


def _refuse(faults: dict[str, Any], version: str) -> None:
    """What the real trainer cannot be told to do, and an image that this emulator does not have."""
    wanted = faults.get("trainer", version)
    if wanted != version:
        raise Broken(
            f"This emulator trains with SimpleTuner {version} (--trainer-version), and {wanted} was asked for."
        )
    around = ("trainer", "never_boots", "boot_seconds", "time_limit")
    of_the_job = [name for name, value in faults.items() if KINDS[name].where is Where.JOB and value is not False]
    asked = [name for name in of_the_job if name not in around]
    if asked:
        raise Broken(f"The real trainer fails in its own ways only, and not by: {', '.join(asked)}")


def _start_cog(home: Home, version: str, root: Path, address: str) -> tuple[subprocess.Popen[bytes], str]:
    for name in ("predict.py", "cog.yaml"):
        (root / name).write_bytes((IMAGE / name).read_bytes())
    # Where the trainer looks for "tiny/sdxl" before it would ask the Hub.
    model = root / MODEL_ID
    model.parent.mkdir(parents=True, exist_ok=True)
    model.symlink_to(home.model)
    port = _free_port()
    environment = os.environ | home.environment(version) | {"PORT": str(port), "COG_LOG_LEVEL": "warning"}
    # Where no Hub was named nothing may leave this machine: everything that is asked of it is "not found" at ours. Its
    # library's own offline mode would keep datasets from being read by address, too.
    environment.setdefault("HF_ENDPOINT", f"{address}/no-hub")
    # Its newer way of sending needs a service beside the Hub, which an emulated one does not have.
    environment["HF_HUB_DISABLE_XET"] = "1"
    command = (str(home.python), "-m", "cog.server.http", "--host", "127.0.0.1", "--threads", "1")
    with (root / "cog.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return process, f"http://127.0.0.1:{port}"


def _await_setup(cog: subprocess.Popen[bytes], http: httpx.Client, root: Path, wanted: threading.Event) -> None:
    deadline = time.monotonic() + _SETUP_SECONDS
    while time.monotonic() < deadline:
        if cog.poll() is not None:
            raise Broken(f"Cog ended with {cog.returncode}: {(root / 'cog.log').read_text(errors='replace')[-2000:]}")
        health = _health(http)
        if health.get("status") == "READY":
            return
        if health.get("status") == "SETUP_FAILED":
            raise Broken(f"The predictor did not load: {health['setup'].get('logs', '')[-2000:]}")
        if wanted.wait(0.5):
            raise Broken("Canceled before the predictor was loaded.")
    raise Broken(f"The predictor was not loaded after {_SETUP_SECONDS:.0f} seconds.")


def _health(http: httpx.Client) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = http.get("/health-check").json()
    except httpx.TransportError:
        return {}
    return answer


def _predict(http: httpx.Client, given: dict[str, Any], address: str) -> None:
    inputs = {name: value for name, value in given.items() if name != "uploaded_images"}
    if "uploaded_images" in given:
        # An account's own file, which Replicate hands to the container with no token of the account's.
        inputs["images"] = f"{address}/images"
    body = {
        "id": _ID,
        "input": inputs,
        "webhook": f"{address}/news",
        "webhook_events_filter": ["start", "output", "logs", "completed"],
    }
    answer = http.put(f"/predictions/{_ID}", json=body, headers={"Prefer": "respond-async"})
    if answer.status_code != 202:
        raise Broken(f"Cog answered {answer.status_code} to the prediction: {answer.text[:500]}")


def _await_end(cog: subprocess.Popen[bytes], http: httpx.Client, heard: Heard, wanted: threading.Event) -> None:
    while not heard.ended.wait(0.5):
        if cog.poll() is not None:
            raise Broken(f"Prediction failed: the container ended with exit code {cog.returncode}")
        if wanted.is_set():
            http.post(f"/predictions/{_ID}/cancel")
            heard.ended.wait(_CANCEL_SECONDS)
            return


def _answer(result: Path, heard: Heard) -> None:
    status = heard.last.get("status")
    if status == "succeeded":
        _write(result, {"output": heard.last.get("output"), "error": None})
    elif status == "failed":
        _write(result, {"output": None, "error": heard.last.get("error") or "Prediction failed."})


def _write(result: Path, answer: dict[str, Any]) -> None:
    unfinished = result.with_suffix(".part")
    unfinished.write_text(json.dumps(answer))
    unfinished.replace(result)


def _listen(heard: Heard, images: str | None) -> ThreadingHTTPServer:
    """Takes Cog's news, and gives out the archive that was uploaded for this prediction."""

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path != "/news":
                self.send_error(404)
                return
            heard.take(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def do_HEAD(self) -> None:
            self.send_error(404)

        def do_GET(self) -> None:
            if self.path != "/images" or images is None:
                self.send_error(404)
                return
            with Path(images).open("rb") as file:
                self.send_response(200)
                self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
                self.end_headers()
                while chunk := file.read(1 << 20):
                    self.wfile.write(chunk)

        def log_message(self, *_: object) -> None:
            """What the trainer prints is the log, and nothing else."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_group() -> None:
    """Does not return. With a container's end nothing that ran in it goes on, this process included."""
    sys.stdout.flush()
    os.killpg(0, signal.SIGKILL)


def _end_with_server() -> None:
    # Nothing more is ever sent: the end of stdin means that the server is gone.
    while os.read(0, 1):
        pass
    _end_group()


if __name__ == "__main__":
    main()
