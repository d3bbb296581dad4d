"""The account that is deployed to, or the emulator that stands for it."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class Refused(Exception):
    """The account, or what was asked of it, does not allow this. Says what to do."""


class Account:
    """Clients for one account and region, made when asked for."""

    def __init__(
        self,
        region: str | None = None,
        endpoint_url: str | None = None,
        keys: tuple[str | None, str | None] = (None, None),
    ) -> None:
        """``keys``: an access key and its secret; without them, those of the environment or of the AWS profile."""
        self._session: Any = boto3.session.Session(*keys, region_name=region)
        if self._session.region_name is None:
            raise Refused("Name a region: --region eu-central-1, or AWS_DEFAULT_REGION, or your AWS profile.")
        self.region = str(self._session.region_name)
        self.emulator = endpoint_url.rstrip("/") if endpoint_url else None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            config = Config(
                retries={"mode": "standard", "total_max_attempts": 5},
                s3={"addressing_style": "path" if self.emulator else "virtual"},
            )
            self._clients[service] = self._session.client(service, endpoint_url=self.emulator, config=config)
        return self._clients[service]

    def number(self) -> str:
        try:
            return str(self.client("sts").get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as failure:
            raise Refused(f"AWS does not know you: {failure} Set AWS_PROFILE or AWS_ACCESS_KEY_ID.") from failure

    def workshop(self) -> str:
        """The bucket for packages and for what deployments have to remember; made when it is missing."""
        name, s3 = f"stcloud-deploy-{self.number()}-{self.region}", self.client("s3")
        try:
            # Somebody else may have taken the name: nothing of ours may end in a bucket of theirs.
            s3.head_bucket(Bucket=name, ExpectedBucketOwner=self.number())
        except ClientError as failure:
            if failure.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise Refused(f"The bucket {name} is not yours to use: {failure}") from failure
            where = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
            s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
            s3.put_public_access_block(
                Bucket=name,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                },
            )
        return name

    def read(self, key: str) -> Any | None:
        """A JSON object of the workshop; None when it is not there."""
        try:
            answer = self.client("s3").get_object(Bucket=self.workshop(), Key=key)
        except ClientError as failure:
            if failure.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return json.loads(answer["Body"].read())

    def write(self, key: str, body: bytes) -> str:
        """The address, as CloudFormation takes it."""
        bucket, s3 = self.workshop(), self.client("s3")
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        if self.emulator:
            return f"{self.emulator}/{bucket}/{key}"
        suffix = ".cn" if self.region.startswith("cn-") else ""
        return f"https://{bucket}.s3.{self.region}.amazonaws.com{suffix}/{key}"

    def forget(self, key: str) -> None:
        self.client("s3").delete_object(Bucket=self.workshop(), Key=key)
