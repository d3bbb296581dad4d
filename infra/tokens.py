"""The tokens of a deployment: one JSON object in Secrets Manager, which the functions read when they start.

Most are put in by hand. The issuer's key is made here: with it trainers get storage keys that last twelve hours, where
the functions' own roles could only give one.
"""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any

import httpx
from botocore.exceptions import ClientError

from infra.account import Account, Refused

NAMES = ("REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRET", "HF_TOKEN", "STCLOUD_API_TOKEN")
DELIVERY_SECONDS = "43200"
"""DeliveryRole's MaxSessionDuration, which is IAM's own limit."""


def ask(name: str) -> str:
    """From the terminal, unseen, or from a pipe: never from the command line, which others can read."""
    value = getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not value.strip():
        raise Refused(f"No value was given for {name}. Nothing has changed.")
    return value.strip()


def put(account: Account, arn: str, **values: str) -> None:
    """Leaves the other tokens as they are."""
    vault = account.client("secretsmanager")
    vault.put_secret_value(SecretId=arn, SecretString=json.dumps(_present(account, arn) | values))


def kept(account: Account, old: str) -> dict[str, str]:
    """What is in the secret that a teardown kept; nothing when its tokens have been moved on already."""
    try:
        return _present(account, old)
    except ClientError as failure:
        if failure.response["Error"]["Code"] in ("ResourceNotFoundException", "InvalidRequestException"):
            return {}
        raise


def move(account: Account, held: dict[str, str], old: str, new: str) -> None:
    """Into the new stack's secret; the old one can be restored for a week."""
    vault = account.client("secretsmanager")
    if held:
        put(account, new, **held)
        if vault.describe_secret(SecretId=old)["Name"] != vault.describe_secret(SecretId=new)["Name"]:
            vault.delete_secret(SecretId=old, RecoveryWindowInDays=7)


def mint(account: Account, arn: str, address: str, name: str, admin: bool) -> str:
    """A new API key, made through the API itself with the administrator's token. Nobody can read it again."""
    wanted: dict[str, Any] = {"name": name} | ({"scoped_permissions": ["admin"]} if admin else {})
    headers = {"X-API-Key": _present(account, arn)["STCLOUD_API_TOKEN"]}
    try:
        answer = httpx.post(f"{address}/api/auth/api-keys", json=wanted, headers=headers, timeout=60)
    except httpx.HTTPError as failure:
        raise Refused(f"{address} cannot be reached ({type(failure).__name__}).") from failure
    told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if not answer.is_success:
        raise Refused(f"No key was made ({answer.status_code}): {told.get('detail') or answer.text[:300]}")
    return str(told["key"])


def give_issuer_a_key(account: Account, user: str, arn: str, rotate: bool = False) -> bool:
    """Whether a new key was made. ``rotate`` makes one though there is one that works.

    The key before it goes on, for functions that run with it: it is removed the next time.
    """
    iam = account.client("iam")
    known = {key["AccessKeyId"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]}
    in_use = _present(account, arn).get("STCLOUD_ISSUER_ACCESS_KEY")
    if in_use in known and not rotate:
        return False
    for stray in known - {in_use}:
        iam.delete_access_key(UserName=user, AccessKeyId=stray)
    made: dict[str, Any] = iam.create_access_key(UserName=user)["AccessKey"]
    put(
        account,
        arn,
        STCLOUD_ISSUER_ACCESS_KEY=made["AccessKeyId"],
        STCLOUD_ISSUER_SECRET_KEY=made["SecretAccessKey"],
        STCLOUD_DELIVERY_SECONDS=DELIVERY_SECONDS,
    )
    return True


def take_issuers_keys(account: Account, user: str) -> None:
    """A user that has keys cannot be removed."""
    iam = account.client("iam")
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])


def _present(account: Account, arn: str) -> dict[str, str]:
    text = account.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return dict(json.loads(text))
