"""A cold start loads no library that the request at hand does without: each costs more than the request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parent.parent.parent
NOT_NEEDED = ["boto3", "s3transfer", "pydantic", "replicate", "httpx", "huggingface_hub", "asyncio", "starlette"]
NOT_NEEDED += ["aws_lambda_powertools", "aws_xray_sdk"]
CODE = """
import sys, app

def ask(path):
    event = {"resource": path, "path": path, "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
             "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": None,
             "stageVariables": None, "body": None, "isBase64Encoded": False,
             "requestContext": {"resourcePath": path, "httpMethod": "GET", "identity": {"sourceIp": "127.0.0.1"}}}
    return app.app(event, None)["statusCode"]

print(ask("/health"), ask("/api/cloud/jobs"), *(name for name in sys.argv[1:] if name in sys.modules))
"""


@pytest.fixture(scope="module")
def told() -> list[str]:
    variables = {"PATH": os.environ["PATH"], "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    variables |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    command = [sys.executable, "-c", CODE, *NOT_NEEDED]
    return subprocess.run(
        command, cwd=REPO, env=variables, capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()


def test_the_cloud_composition_answers(told: list[str]) -> None:
    assert told[:2] == ["200", "401"]


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_what_a_request_does_without_is_not_loaded(told: list[str], name: str) -> None:
    assert name not in told[2:]
