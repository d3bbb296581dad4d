"""Secrets of the cloud's own: one secret in AWS Secrets Manager that holds a JSON object of environment variables.

One secret and not one for each, because each costs the same each month and all are read at the same moment: when a
function starts. A secret that changes is seen by the functions that start after it.

Not by powertools' parameters: they load boto3, which adds some 50 ms of CPU to each cold start, to cache for seconds
what is read once a process here. What is built from the secrets is built once too: a fresher copy would reach nothing.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.storage.errors import StorageDown, StorageRefused


def read(client: Any, secret_id: str) -> dict[str, str]:
    """The variables in the secret. Raises ``StorageDown`` or ``StorageRefused``; no text quotes what it holds."""
    try:
        held = client.get_secret_value(SecretId=secret_id).get("SecretString")
    except ClientError as failure:
        code = str(failure.response.get("Error", {}).get("Code", ""))
        raise StorageRefused(f"The secret '{secret_id}' cannot be read ({code}).", storage_code=code) from failure
    except BotoCoreError as failure:
        raise StorageDown(f"AWS Secrets Manager could not be asked ({type(failure).__name__}).") from failure
    try:
        variables = json.loads(held or "")
    except ValueError:
        variables = None
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise StorageRefused(f"The secret '{secret_id}' must be a JSON object whose values are texts.")
    return variables
