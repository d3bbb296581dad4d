"""``make demo``: the main job end to end on this machine, with the emulator as the GPU provider. Nothing is spent."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from PIL import Image, ImageDraw

from client.submission import similar
from emulators.replicate.real.home import MODEL_ID

REPO = Path(__file__).parent.parent
CONFIG = {
    "--model_family": "flux",
    "--model_type": "lora",
    "--pretrained_model_name_or_path": "black-forest-labs/FLUX.1-dev",
    "--max_train_steps": 200,
    "--num_train_epochs": 0,
    "--optimizer": "adamw_bf16",
    "--learning_rate": 1e-4,
    "--train_batch_size": 1,
    "--resolution": 512,
    "--checkpoint_step_interval": 100,
    "--validation_step_interval": 100,
    "--validation_prompt": "a yellow sun in the sky",
    "--seed": 42,
}
REAL = CONFIG | {
    # What makes it small enough for SimpleTuner itself on a processor (docs/trainers.md).
    "--model_family": "sdxl",
    "--lora_type": "standard",
    "--lora_rank": 4,
    "--pretrained_model_name_or_path": MODEL_ID,
    "--pretrained_vae_model_name_or_path": MODEL_ID,
    "--optimizer": "adamw_bf16",
    "--mixed_precision": "no",
    "--resolution": 64,
    "--resolution_type": "pixel",
    "--lr_scheduler": "constant",
    "--num_train_epochs": 0,
    "--max_train_steps": 20,
    "--checkpoint_step_interval": 10,
    "--validation_step_interval": 10,
    "--validation_num_inference_steps": 2,
    "--validation_guidance": 1.0,
    "--validation_resolution": "64x64",
    "--report_to": "none",
}


def main() -> int:
    options = _options()
    work = REPO / "demo-output"
    work.mkdir(exist_ok=True)
    folder = _own(options.data) if options.data else _sample(work / "sample")
    # One folder a run: a model of yours is never written over, and what is told is what this run made.
    models = work / "models" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    config = work / "config.json"
    config.write_text(json.dumps(REAL if options.trainer == "real" else CONFIG, indent=2))
    port, vendor_port = options.port or _free_port(), _free_port()
    token = f"r8_{secrets.token_hex(16)}"
    secret = "whsec_" + "cmVoZWFyc2FsLW9uLXRoaXMtbWFjaGluZQ=="
    address, vendor = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{vendor_port}"
    environment = os.environ | {
        "STCLOUD_HOME": str(work / "state"),
        "STCLOUD_OUTPUTS": str(work / "outputs"),
        "XDG_STATE_HOME": str(work / "state"),
        "STCLOUD_PORT": str(port),
        "STCLOUD_URL": address,
        "STCLOUD_PUBLIC_URL": address,
        "STCLOUD_POLL_SECONDS": "3",
        "REPLICATE_API_TOKEN": token,
        "REPLICATE_BASE_URL": vendor,
        "REPLICATE_WEBHOOK_SECRET": secret,
    }
    emulator = [sys.executable, "-m", "emulators.replicate", "--port", str(vendor_port), "--allow-http-webhooks"]
    emulator += ["--state", str(work / "vendor"), "--token", token, "--webhook-secret", secret]
    emulator += ["--trainer", options.trainer]
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for command, log_name in ((emulator, "vendor.log"), ([sys.executable, "-m", "local"], "server.log")):
            with (work / log_name).open("wb") as log:
                servers.append(subprocess.Popen(command, cwd=REPO, env=environment, stdout=log, stderr=log))  # noqa: S603
        _wait_for(f"{address}/health", servers[1], work / "server.log")
        _wait_for(f"{vendor}/_emu/requests", servers[0], work / "vendor.log")
        print(f"The Cloud tab: {address}/", flush=True)
        command = [sys.executable, "-m", "client", "submit", str(config), "--data", str(folder), "--name", "demo"]
        command += ["--yes", "--follow", "--download", str(models)]
        code = subprocess.run(command, cwd=REPO, env=environment, check=False).returncode  # noqa: S603
        if code == 0:
            _tell(models)
        if options.stay and code == 0:
            print(f"The Cloud tab stays at {address}/ until you press Ctrl-C.", flush=True)
            signal.pause()
        elif code == 0:
            print("The Cloud tab closed with this run. To keep it open: make demo STAY=1", flush=True)
        return code
    except KeyboardInterrupt:
        return 130
    finally:
        for server in reversed(servers):
            server.terminate()
        for server in servers:
            server.wait(20)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data", help="your own folder of images, instead of the sample")
    parser.add_argument("--port", type=int, help="where the Cloud tab listens (default: any free port)")
    parser.add_argument("--trainer", choices=("small", "real"), default="small", help="real: SimpleTuner itself")
    parser.add_argument("--stay", action="store_true", help="keep the Cloud tab up afterwards")
    return parser.parse_args()


def _own(data: str) -> Path:
    """The folder that was named. What is in it is judged by the command line, with better words than these."""
    folder = Path(data).expanduser()
    if not folder.is_dir():
        if folder.exists():
            raise SystemExit(f"DATA={data} is a file. Name the folder that holds it.")
        raise SystemExit(f"DATA={data} is not there. {similar(folder) or 'Check the path.'}")
    return folder


def _sample(folder: Path) -> Path:
    """Twelve small pictures with captions: enough for the loss to fall."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(12):
        picture = Image.new("RGB", (128, 128), (40 + 15 * number, 90, 200 - 12 * number))
        ImageDraw.Draw(picture).ellipse((20 + number * 3, 20, 90 + number * 2, 100), fill=(250, 200 - 9 * number, 60))
        picture.save(folder / f"sun-{number:02}.png")
        (folder / f"sun-{number:02}.txt").write_text(f"a yellow sun in the sky, number {number}")
    return folder


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            last = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-5:]).strip()
            raise SystemExit(f"A server stopped at once. Its last words, from {log.relative_to(REPO)}:\n{last}")
        try:
            urlopen(url, timeout=1).close()  # noqa: S310
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"No answer from {url} within 30 seconds; see {log.relative_to(REPO)}.")


def _tell(folder: Path) -> None:
    for path in sorted(folder.rglob("*.safetensors"), key=lambda found: len(found.parts)):
        print(f"Your model: {path} ({path.stat().st_size} bytes)", flush=True)
        return


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
