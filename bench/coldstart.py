"""What a cold start costs: CPU milliseconds of fresh processes, above those of the bare interpreter.

python -m bench.coldstart [RUNS]     fresh processes for each line (default 5); the least counts,
                                     because other work of the machine only adds

"app" imports the app with its cloud composition, "first read" answers one request that reads the table. Beside them the
plain stack that the app is made of. Lambda's file system is read-only, so only compiled files that were shipped count:
hence each line without and with them. The engine is MiniStack; its own time is none of ours, since only our process is
measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

import boto3

from chalicelib.stores.dynamodb_schema import create_table
from tests.engines import ROOT, start

TOKEN = "a-token-for-everybody"  # noqa: S105 - of an engine that ends with this program
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
EVENT = {
    "resource": "/api/cloud/jobs",
    "path": "/api/cloud/jobs",
    "httpMethod": "GET",
    "headers": {"x-api-key": TOKEN},
    "multiValueHeaders": {"x-api-key": [TOKEN]},
    "queryStringParameters": None,
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "requestContext": {"resourcePath": "/api/cloud/jobs", "httpMethod": "GET", "identity": {"sourceIp": "127.0.0.1"}},
    "body": None,
    "isBase64Encoded": False,
}
LINES = {
    "chalice": "import chalice",
    "boto3 and a DynamoDB client": "import boto3; boto3.client('dynamodb')",
    "pydantic and one model": "import pydantic; pydantic.create_model('M', a=(int, 1))",
    "these three": "import chalice, boto3, pydantic; boto3.client('dynamodb'); pydantic.create_model('M', a=(int, 1))",
    "app": "import app",
    "app, first read": f"import app; a = app.app({EVENT!r}, None); assert a['statusCode'] == 200, a",
}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    engine = start("ministack")
    try:
        environment = _deploy(engine.url)
        print(f"{'CPU ms, least of ' + str(runs):32}{'no .pyc':>10}{'.pyc':>10}{'modules':>10}")
        floor = {compiled: _measure("pass", environment, compiled, runs)[0] for compiled in (False, True)}
        for name, code in LINES.items():
            plain, compiled = (_measure(code, environment, kind, runs) for kind in (False, True))
            cost = [round(found[0] - floor[kind]) for kind, found in ((False, plain), (True, compiled))]
            print(f"{name:32}{cost[0]:10}{cost[1]:10}{compiled[1]:10}", flush=True)
    finally:
        engine.stop()


def _deploy(url: str) -> dict[str, str]:
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    create_table(session.client("dynamodb", endpoint_url=url), "coldstart")
    held = json.dumps({"STCLOUD_API_TOKEN": TOKEN})
    session.client("secretsmanager", endpoint_url=url).create_secret(Name="coldstart", SecretString=held)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    own = {"STCLOUD_TABLE": "coldstart", "STCLOUD_SECRETS": "coldstart", "AWS_ENDPOINT_URL": url}
    return kept | KEYS | region | own


def _measure(code: str, environment: Mapping[str, str], compiled: bool, runs: int) -> tuple[float, int]:
    """CPU milliseconds of a process that runs ``code``, and how many modules it loaded."""
    told = "import sys, time; print(round(1000 * time.process_time(), 1), len(sys.modules))"
    found = []
    with tempfile.TemporaryDirectory() as nothing:
        # An empty folder in place of every __pycache__: all is compiled anew, as in a package without compiled files.
        variables = {**environment, **({} if compiled else {"PYTHONPYCACHEPREFIX": nothing})}
        for _ in range(runs + compiled):
            command = [sys.executable, *([] if compiled else ["-B"]), "-c", f"{code}\n{told}"]
            out = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True).stdout
            milliseconds, modules = out.split()[-2:]
            found.append((float(milliseconds), int(modules)))
    # The first run with compiled files may have had to write them.
    counted = found[1:] if compiled else found
    return min(milliseconds for milliseconds, _ in counted), counted[0][1]


if __name__ == "__main__":
    main()
