"""Storage keys for trainers on real S3: a session of one role, narrowed to the prefix of one job.

    issuer ── sts:AssumeRole(role, session policy: put below s3://outputs/<job>/) ──▶ key, secret, token, end

The role itself may only put into the outputs bucket and get checkpoints from it, and a session policy can only take
away. So a key that leaks from a GPU box can add files to one job until it ends, and can neither list nor delete
anything; and only that of a job that goes on from an earlier one can read, namely the one checkpoint it begins with.

How long a key lasts is Amazon's choice more than ours. Whoever issues it with the credentials of a role, as a Lambda
function does, chains roles and gets one hour at most. An IAM user that may do nothing but assume this role gets up to
the role's ``MaxSessionDuration``, twelve hours at most. The trainer never renews its key, so a run that takes longer,
its wait for a GPU included, cannot deliver: ``remark`` says so where operators look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.runs import Delivery
from chalicelib.storage.errors import StorageDown, StorageRefused

CHAINED_SECONDS = 3600
"""The longest session that the credentials of a role can ask for."""

_ACTIONS = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
_JOB_ID = re.compile(r"[A-Za-z0-9_.-]{2,64}")
_FOLDER = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,8}")
_BUSY = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "ServiceUnavailable", "InternalFailure"}


class SessionKeys:
    """Implements ``domain.ports.DeliveryKeys``. ``sts`` is made when a key is first wanted: most requests want none."""

    def __init__(
        self,
        sts: Callable[[], Any],
        role: str | None,
        bucket: str,
        endpoint_url: str | None,
        region: str,
        seconds: int,
    ) -> None:
        self._sts = sts
        self._role = role
        self._bucket = bucket
        self._endpoint = endpoint_url
        self._region = region
        self._seconds = seconds

    def issue(self, tenant: str, job_id: str, reads: Sequence[str] = ()) -> Delivery:
        """Each call gives a key of its own; the ones before it go on until their end."""
        if self._role is None:
            raise StorageRefused(
                "Trainers have no way to deliver their results: name the role they may use in STCLOUD_DELIVERY_ROLE."
            )
        if not _JOB_ID.fullmatch(job_id):
            raise ValueError("a job id that would not be taken literally in a policy")
        if not all(_FOLDER.fullmatch(folder) for folder in reads):
            raise ValueError("a folder that would not be taken literally in a policy")
        try:
            answer = self._sts().assume_role(
                RoleArn=self._role,
                RoleSessionName=job_id,
                DurationSeconds=self._seconds,
                Policy=json.dumps(session_policy(self._role, self._bucket, job_id, reads), separators=(",", ":")),
            )
        except ClientError as failure:
            raise self._named(failure) from failure
        except BotoCoreError as failure:
            raise StorageDown(
                f"AWS STS could not be asked for a trainer's storage key ({type(failure).__name__})."
            ) from failure
        credentials = answer["Credentials"]
        return Delivery(
            endpoint_url=self._endpoint,
            region=self._region,
            bucket=self._bucket,
            prefix=job_id,
            access_key=credentials["AccessKeyId"],
            secret_key=credentials["SecretAccessKey"],
            session_token=credentials["SessionToken"],
        )

    def retire(self, tenant: str, job_id: str) -> None:
        """Nothing to do: a session cannot be ended early without touching the others of its role, and it ends soon."""

    def remark(self) -> str | None:
        """For the health page."""
        if self._role is None:
            raise StorageRefused("STCLOUD_DELIVERY_ROLE is not set: no job can be launched.")
        hours = f"{self._seconds / 3600:g} h"
        return f"A trainer's storage key lasts {hours}: a run that takes longer, waiting included, cannot deliver."

    def _named(self, failure: ClientError) -> StorageDown | StorageRefused:
        code = str(failure.response.get("Error", {}).get("Code", ""))
        status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _BUSY or status >= 500:
            return StorageDown(f"AWS STS was too busy for a trainer's storage key ({code or status}). Try again soon.")
        if code == "ValidationError":
            return StorageRefused(
                f"AWS STS gives no storage key that lasts {self._seconds} s. With the credentials of a role the limit "
                f"is {CHAINED_SECONDS} s: lower STCLOUD_DELIVERY_SECONDS, or set STCLOUD_ISSUER_ACCESS_KEY and raise "
                "the role's MaxSessionDuration.",
                storage_code=code,
            )
        return StorageRefused(f"AWS STS refused a trainer's storage key ({code or status}).", storage_code=code)


def session_policy(role: str, bucket: str, job_id: str, reads: Sequence[str] = ()) -> dict[str, Any]:
    """What a job's key may do. It reads nothing but the checkpoints that it was given, so a stolen one shows nobody
    another model."""
    partition = role.split(":")[1]  # aws, aws-cn, aws-us-gov
    objects = f"arn:{partition}:s3:::{bucket}"
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": _ACTIONS, "Resource": f"{objects}/{job_id}/*"}]
    if reads:
        resources = [f"{objects}/{folder}/*" for folder in reads]
        statements.append({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": resources})
    return {"Version": "2012-10-17", "Statement": statements}
