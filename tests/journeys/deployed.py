"""The packaged product in a cloud of its own: MiniStack that keeps to IAM policies, and a stack in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from infra import tokens
from infra.account import Account
from infra.deploy import deploy, restart
from infra.package import ROOT, package
from tests import web
from tests.journeys.cloud import ROOT_KEYS, as_root
from tests.journeys.conftest import SECRET, World

_SHIPPED = ("app.py", "chalicelib", "requirements.txt", ".chalice/*.json", "infra")
_TAB = ROOT / "frontend" / "dist"


def packaged() -> Path:
    """The build of what the checkout holds now; processes that ask at once share one."""
    place = ROOT / ".cache" / "tests-package"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest, mark = _digest(), place / "digest"
        if not mark.exists() or mark.read_text() != digest:
            package("test", into=place)
            mark.write_text(digest)
    return place


def _digest() -> str:
    files = [path for name in _SHIPPED for path in sorted(ROOT.glob(name))]
    files += [path for folder in files if folder.is_dir() for path in sorted(folder.rglob("*"))]
    read = hashlib.sha256()
    for path in files:
        if path.is_file() and "__pycache__" not in path.parts:
            read.update(f"{path}\n".encode() + path.read_bytes())
    return read.hexdigest()


@dataclass
class DeployedWorld(World):
    """``address`` is the API's own; ``aws_url`` a running MiniStack. Each world is a stack of its own."""

    aws_url: str = ""
    stack: str = field(default_factory=lambda: f"stack-{secrets.token_hex(3)}")
    known: dict[str, str] = field(default_factory=dict)
    key: str = ""

    @property
    def account(self) -> Account:
        return Account("us-east-1", self.aws_url, keys=(*ROOT_KEYS.values(),))

    @property
    def address(self) -> str:
        return self.known.get("PublicUrl", "http://127.0.0.1:1")

    def deploy(self, **parameters: str) -> None:
        parameters = {"VendorUrl": self.vendor, **parameters}
        self.known = deploy(self.account, self.stack, packaged(), _TAB, parameters, lambda text: None)
        arn = self.known["SecretsArn"]
        tokens.put(self.account, arn, REPLICATE_API_TOKEN=self.token, REPLICATE_WEBHOOK_SECRET=SECRET)
        restart(self.account, self.known)
        self.key = self.key or tokens.mint(self.account, arn, self.address, "journey", admin=True)

    def environment(self) -> dict[str, str]:
        return super().environment() | {"STCLOUD_URL": self.address, "STCLOUD_API_KEY": self.key}

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"X-API-Key": self.key} | options.pop("headers", {})
        return web.request(method, f"{self.address}{path}", headers=headers, timeout=60, **options)

    def get(self, path: str) -> Any:
        return self.call("GET", path).raise_for_status().json()

    def tick(self) -> dict[str, int]:
        """What the schedule does each minute, now."""
        event: dict[str, Any] = {"version": "0", "id": "now", "detail-type": "Scheduled Event", "source": "aws.events"}
        event |= {"account": "0", "time": "2026-01-01T00:00:00Z", "region": "us-east-1", "resources": [], "detail": {}}
        functions = self.account.client("lambda")
        answer = functions.invoke(FunctionName=self.known["TickName"], Payload=json.dumps(event).encode())
        told: dict[str, int] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, told
        return told

    def until_ticking(self, job_id: str, *statuses: str, seconds: float = 100) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tick()
            job: dict[str, Any] = self.get(f"/api/cloud/jobs/{job_id}")["job"]
            if job["status"] in statuses:
                return job
            time.sleep(0.5)
        raise AssertionError(f"{job_id} is {job['status']} ({job['phase']}), not one of {statuses}")

    def objects(self, bucket: str) -> list[str]:
        found = as_root(self.aws_url, "s3").list_objects_v2(Bucket=self.known[bucket]).get("Contents", [])
        return [str(item["Key"]) for item in found]

    def site(self, path: str, **headers: str) -> httpx.Response:
        """Through the CDN, as its viewers reach it: by its name, over TLS that ended just before."""
        through = {"Host": self.known["SiteDomain"], "X-Forwarded-Proto": "https", **headers}
        return web.get(f"{self.aws_url}{path}", headers=through, timeout=60)


def point_site_at_emulator(world: DeployedWorld) -> None:
    """The CDN's API origin is a name that only AWS knows: here, the same API at the emulator's own address."""
    cdn = world.account.client("cloudfront")
    [site] = [one for one in _distributions(cdn) if one["DomainName"] == world.known["SiteDomain"]]
    told = cdn.get_distribution_config(Id=site["Id"])
    config = told["DistributionConfig"]
    for origin in config["Origins"]["Items"]:
        if origin["Id"] == "api":
            host, _, port = world.aws_url.removeprefix("http://").partition(":")
            origin["DomainName"] = host
            origin["OriginPath"] = world.address.removeprefix(world.aws_url)
            origin["CustomOriginConfig"] |= {
                "OriginProtocolPolicy": "http-only",
                "HTTPPort": int(port),
                "HTTPSPort": 443,
            }
    cdn.update_distribution(Id=site["Id"], IfMatch=told["ETag"], DistributionConfig=config)


def _distributions(cdn: Any) -> list[dict[str, Any]]:
    return list(cdn.list_distributions()["DistributionList"].get("Items", []))
