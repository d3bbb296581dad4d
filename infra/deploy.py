"""One deployment: code up, stack made or brought up to date, tab published.

build/<stage> ─▶ workshop bucket ─▶ adopt what a teardown kept ─▶ stack ─▶ site bucket ─▶ outputs
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra import site, stacks, tokens
from infra.account import Account, Refused
from infra.stacks import Say

ADOPTED_BY = {"AWS::DynamoDB::Table": "TableName", "AWS::S3::Bucket": "BucketName"}
"""What CloudFormation wants to know a kept resource by when a new stack adopts it."""

TOKENS = "AWS::SecretsManager::Secret"
"""Kept too, but its content moves to the new stack's own."""


def deploy(
    account: Account, stack: str, build: Path, tab: Path, parameters: Mapping[str, str], say: Say
) -> dict[str, str]:
    """The stack's outputs. Run again it changes only what differs."""
    template = json.loads((build / "sam.json").read_text())
    say("uploading the code")
    with_code(account, template, (build / "deployment.zip").read_bytes())
    kept = account.read(_record(stack))
    # Read before the new stack makes a secret of its own.
    held = {name: tokens.kept(account, name) for kind, name in (kept or {}).values() if kind == TOKENS}
    adopted = {name: one for name, one in (kept or {}).items() if one[0] in ADOPTED_BY}
    if kept and stacks.status(account, stack) in (None, *stacks.DEAD):
        say(f"adopting what the last teardown kept: {', '.join(sorted(adopted))}")
        adoptions = [_adoption(*one) for one in adopted.items()]
        stacks.put(account, stack, only_kept(template, adopted), {}, say, adopt=adoptions)
    say(f"deploying {stack} to {account.region}")
    if account.emulator:
        parameters = {"TlsOnly": str(account.emulator.startswith("https")).lower(), **parameters}
    stacks.put(account, stack, template, parameters, say)
    known = stacks.outputs(account, stack)
    for old, values in held.items():
        tokens.move(account, values, old, known["SecretsArn"])
    account.forget(_record(stack))
    if account.emulator and "PublicUrl" not in parameters:
        # Its address cannot be known before the API is there: no name server knows the one that AWS would give it.
        here = f"{account.emulator}/_aws/execute-api/{known['RestAPIId']}/api"
        stacks.put(account, stack, template, {"PublicUrl": here}, say)
        known = stacks.outputs(account, stack)
    if tokens.give_issuer_a_key(account, known["IssuerName"], known["SecretsArn"]):
        say("made the key that issues trainers' storage keys")
    say(f"publishing the Cloud tab: {site.publish(account, known['SiteBucketName'], tab)} files")
    return known


def teardown(account: Account, stack: str, say: Say) -> dict[str, str]:
    """Removes the stack and returns what stays: logical names with what they are called in the account."""
    known, kept = stacks.outputs(account, stack), retained(account, stack)
    # Written first: once the stack is gone, nobody else knows.
    account.write(_record(stack), json.dumps(kept, indent=1).encode())
    site.empty(account, known["SiteBucketName"])
    tokens.take_issuers_keys(account, known["IssuerName"])
    stacks.delete(account, stack, say)
    return {name: identifier for name, (_, identifier) in kept.items()}


def restart(account: Account, known: Mapping[str, str]) -> None:
    """Has every function start anew, with the tokens as they are now: a change of its description is enough."""
    functions = account.client("lambda")
    for name in (known["APIHandlerName"], known["TickName"]):
        functions.update_function_configuration(FunctionName=name, Description=f"started {datetime.now(UTC):%F %T} UTC")


def retained(account: Account, stack: str) -> dict[str, tuple[str, str]]:
    """The stack's resources that hold data, by logical name: their type and what they are called."""
    formation = account.client("cloudformation")
    template = formation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    described = template if isinstance(template, dict) else json.loads(template)
    keep = {
        name
        for name, resource in described["Resources"].items()
        if resource.get("DeletionPolicy", "").startswith("Retain") and resource["Type"] in (*ADOPTED_BY, TOKENS)
    }
    pages = formation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        one["LogicalResourceId"]: (one["ResourceType"], one["PhysicalResourceId"])
        for page in pages
        for one in page["StackResourceSummaries"]
        if one["LogicalResourceId"] in keep
    }


def with_code(account: Account, template: dict[str, Any], code: bytes) -> None:
    """Points the functions at the uploaded code. The same code has the same name, so it changes nothing."""
    key = f"code/{hashlib.sha256(code).hexdigest()[:32]}.zip"
    account.write(key, code)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": account.workshop(), "Key": key}


def only_kept(template: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """The template of an adoption: nothing but what is adopted, and no reference to what is not there yet."""
    missing = set(kept) - set(template["Resources"])
    if missing:
        raise Refused(f"The last teardown kept {sorted(missing)[0]}, which this version of the template does not know.")
    resources = {}
    for name in kept:
        resource = json.loads(json.dumps(template["Resources"][name]))
        resource["Properties"].pop("CorsConfiguration", None)
        resource["Properties"].pop("Description", None)
        resources[name] = resource
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def _adoption(name: str, what: tuple[str, str]) -> dict[str, Any]:
    kind, identifier = what
    return {
        "ResourceType": kind,
        "LogicalResourceId": name,
        "ResourceIdentifier": {ADOPTED_BY[kind]: identifier},
    }


def _record(stack: str) -> str:
    return f"kept/{stack}.json"
