"""The cloud on one machine: the app with its cloud composition, DynamoDB and S3 as engines, a vendor beside them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import httpx
from botocore.config import Config

from chalicelib.storage.objects import make_client
from chalicelib.stores.dynamodb_schema import create_table
from tests import web
from tests.engines import Engine, start
from tests.journeys.conftest import World

TOKEN = "a-token-for-everybody"
ROOT_KEYS = {"AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": "the-secret-of-root"}
REGION = "us-east-1"
VAULT_VERBS = ("CreateSecret", "PutSecretValue", "GetSecretValue", "DeleteSecret")
_SECRETS = f"arn:aws:secretsmanager:{REGION}:000000000000:secret"


def start_aws() -> Engine:
    """MiniStack, keeping to the policies of whoever asks."""
    return start("ministack", AUTH="true", **ROOT_KEYS)


def as_root(engine_url: str, service: str) -> Any:
    return with_keys(engine_url, service, ROOT_KEYS)


def with_keys(engine_url: str, service: str, keys: Mapping[str, str], config: Config | None = None) -> Any:
    """``keys`` as environment variables name them."""
    session = boto3.session.Session(
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys.get("AWS_SESSION_TOKEN"),
        region_name=REGION,
    )
    return session.client(service, endpoint_url=engine_url, config=config)  # type: ignore[call-overload]


@dataclass
class CloudWorld(World):
    """``dynamo_url`` and ``aws_url`` are running engines. Every world has a table, buckets and secrets of its own."""

    dynamo_url: str = ""
    aws_url: str = ""
    name: str = field(default_factory=lambda: f"cloud-{secrets.token_hex(4)}")
    more: dict[str, str] = field(default_factory=dict)

    @property
    def s3(self) -> Any:
        return make_client(self.aws_url, REGION, *ROOT_KEYS.values())

    def deploy(self) -> None:
        """What the template makes: the table, the buckets, the trainer's role, the secret; and who the function is."""
        create_table(as_root(self.dynamo_url, "dynamodb"), self.name)
        for bucket in ("datasets", "outputs"):
            self.s3.create_bucket(Bucket=f"{self.name}-{bucket}")
        held = {"REPLICATE_API_TOKEN": self.token, "STCLOUD_API_TOKEN": TOKEN}
        secret = as_root(self.aws_url, "secretsmanager").create_secret(Name=self.name, SecretString=json.dumps(held))
        role = self._role()
        self.more |= {
            "STCLOUD_DELIVERY_ROLE": role,
            "STCLOUD_SECRETS": self.name,
            "STCLOUD_VAULT": f"{self.name}/destinations",
        }
        self.more |= self._user("function", self._allowed(role, secret["ARN"]))

    def environment(self) -> dict[str, str]:
        inherited = super().environment()
        for name in ("REPLICATE_API_TOKEN", "STCLOUD_HOME", "STCLOUD_OUTPUTS", "AWS_PROFILE", "STCLOUD_SERVICES"):
            inherited.pop(name, None)
        return inherited | {
            "STCLOUD_API_KEY": TOKEN,
            "STCLOUD_TABLE": self.name,
            "STCLOUD_DATASETS_BUCKET": f"{self.name}-datasets",
            "STCLOUD_OUTPUTS_BUCKET": f"{self.name}-outputs",
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_ENDPOINT_URL_DYNAMODB": self.dynamo_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **self.more,
        }

    def start_server(self) -> None:
        self._start("server", ["tests.journeys.cloud_function", str(self.port)], f"{self.address}/health")

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"X-API-Key": TOKEN} | options.pop("headers", {})
        return web.request(method, f"{self.address}{path}", headers=headers, timeout=60, **options)

    def get(self, path: str) -> Any:
        return self.call("GET", path).raise_for_status().json()

    def tick(self) -> dict[str, int]:
        swept: dict[str, int] = self.call("POST", "/_tick").raise_for_status().json()
        return swept

    def until_ticking(self, job_id: str, *statuses: str, seconds: float = 90) -> dict[str, Any]:
        """As ``until``, with the schedule going on meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tick()
            job: dict[str, Any] = self.get(f"/api/cloud/jobs/{job_id}")["job"]
            if job["status"] in statuses:
                return job
            time.sleep(0.3)
        raise AssertionError(f"{job_id} is {job['status']} ({job['phase']}), not one of {statuses}")

    def keys(self, bucket: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=f"{self.name}-{bucket}").get("Contents", [])
        return [str(item["Key"]) for item in found]

    def _role(self) -> str:
        iam, name = as_root(self.aws_url, "iam"), f"{self.name}-delivery"
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust), MaxSessionDuration=43_200)
        puts = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        outputs = f"arn:aws:s3:::{self.name}-outputs"
        allowed = (_allow(puts, f"{outputs}/*"), _allow(["s3:GetObject"], f"{outputs}/*/checkpoint-*/*"))
        iam.put_role_policy(RoleName=name, PolicyName="puts", PolicyDocument=_policy(*allowed))
        return str(role["Role"]["Arn"])

    def _allowed(self, role: str, secret: str) -> str:
        datasets, outputs = (f"arn:aws:s3:::{self.name}-{bucket}" for bucket in ("datasets", "outputs"))
        writes = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
        writes += ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        rows = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Query"]
        table = f"arn:aws:dynamodb:{REGION}:000000000000:table/{self.name}"
        return _policy(
            _allow(writes, f"{datasets}/*"),
            _allow(["s3:GetObject", "s3:PutObject"], f"{outputs}/*"),
            _allow(["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], f"{outputs}/bundles/*"),
            _allow(["s3:ListBucket"], datasets, outputs),
            _allow(["sts:AssumeRole"], role),
            _allow(["secretsmanager:GetSecretValue"], secret),
            _allow([f"secretsmanager:{verb}" for verb in VAULT_VERBS], f"{_SECRETS}:{self.name}/destinations/*"),
            _allow([*rows, "dynamodb:ConditionCheckItem"], table, f"{table}/index/*"),
        )

    def _user(self, who: str, policy: str) -> dict[str, str]:
        iam, name = as_root(self.aws_url, "iam"), f"{self.name}-{who}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def _allow(actions: list[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
