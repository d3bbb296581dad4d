"""Stacks through change sets: what will change is known and shown before anything does.

    template ─▶ workshop bucket ─▶ change set ─▶ (nothing to do | execute) ─▶ events as they come ─▶ outputs

A template that is in the bucket may have up to a megabyte; one that is sent along, 51,200 bytes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from infra.account import Account, Refused

Say = Callable[[str], None]

_TAGS = [{"Key": "application", "Value": "simpletuner-cloud"}]
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
_BAD = ("FAILED", "ROLLBACK")
DEAD = ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "DELETE_FAILED")
"""Nothing of these stacks runs, and they take no update: ``put`` makes them anew."""


def status(account: Account, stack: str) -> str | None:
    """None when there is no such stack."""
    found = describe(account, stack)
    return str(found["StackStatus"]) if found else None


def describe(account: Account, stack: str) -> dict[str, Any] | None:
    try:
        [found] = account.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as failure:
        if "does not exist" in str(failure):
            return None
        raise
    return None if found["StackStatus"] == "DELETE_COMPLETE" else dict(found)


def outputs(account: Account, stack: str) -> dict[str, str]:
    found = describe(account, stack)
    if found is None or found["StackStatus"] in (*DEAD, "IMPORT_COMPLETE"):
        raise Refused(f"There is no stack '{stack}' in {account.region} that works. `make deploy` makes one.")
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def put(
    account: Account,
    stack: str,
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    say: Say,
    adopt: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Makes the stack, or brings it to the template. Parameters that are not given keep their last value.

    ``adopt`` names resources that exist already and become the stack's own; nothing else may change then.
    Raises ``Refused`` with the first reason that CloudFormation gives.
    """
    now = describe(account, stack)
    if now and now["StackStatus"] in DEAD:
        say(f"removing what an earlier try left ({now['StackStatus']})")
        delete(account, stack, say)
        now = None
    kind = "IMPORT" if adopt else "UPDATE" if now else "CREATE"
    body = json.dumps(template, separators=(",", ":")).encode()
    address = account.write(f"templates/{stack}/{hashlib.sha256(body).hexdigest()[:16]}.json", body)
    formation, name = account.client("cloudformation"), f"deploy-{time.time_ns()}"
    # Asked for before the change set, whose making counts as an event of a new stack.
    seen = _seen(account, stack)
    formation.create_change_set(
        StackName=stack,
        ChangeSetName=name,
        ChangeSetType=kind,
        TemplateURL=address,
        Parameters=_parameters(template, parameters, now),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        **({"ResourcesToImport": list(adopt)} if adopt else {"Tags": _TAGS}),
    )
    if not _has_changes(account, stack, name, say):
        formation.delete_change_set(StackName=stack, ChangeSetName=name)
        say("nothing to change")
        return
    formation.execute_change_set(StackName=stack, ChangeSetName=name)
    ended = _follow(account, stack, seen, say)
    if ended is None or any(word in ended for word in _BAD):
        raise Refused(_why(account, stack, ended))


def delete(account: Account, stack: str, say: Say) -> None:
    found = describe(account, stack)
    if found is None:
        return
    seen = _seen(account, stack)
    account.client("cloudformation").delete_stack(StackName=stack)
    # By its id, because a name means nothing any more once the stack is gone.
    ended = _follow(account, found["StackId"], seen, say)
    if ended not in (None, "DELETE_COMPLETE"):
        raise Refused(_why(account, stack, ended))


def _parameters(
    template: Mapping[str, Any], given: Mapping[str, str], now: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    known = set(template.get("Parameters", {}))
    strange = set(given) - known
    if strange:
        raise Refused(f"The template has no parameter {sorted(strange)[0]}. It has: {', '.join(sorted(known))}.")
    before = {parameter["ParameterKey"] for parameter in (now or {}).get("Parameters", [])} & known
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()] + [
        {"ParameterKey": key, "UsePreviousValue": True} for key in sorted(before - set(given))
    ]


def _has_changes(account: Account, stack: str, name: str, say: Say) -> bool:
    while True:
        made = account.client("cloudformation").describe_change_set(StackName=stack, ChangeSetName=name)
        if made["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            time.sleep(1)
        elif made["Status"] == "CREATE_COMPLETE" and made["ExecutionStatus"] == "AVAILABLE":
            for change in made.get("Changes", []):
                one = change["ResourceChange"]
                anew = " (anew: the old one goes)" if one.get("Replacement") == "True" else ""
                say(f"  {one['Action'].lower():7} {one['LogicalResourceId']}{anew}")
            return True
        elif any(words in made.get("StatusReason", "") for words in _NOTHING_TO_DO):
            return False
        else:
            raise Refused(f"CloudFormation refuses the template: {made.get('StatusReason', made['Status'])}")


def _follow(account: Account, stack: str, seen: set[str], say: Say) -> str | None:
    """Tells events until the stack comes to rest; the status it rests in, or None when it is gone."""
    while True:
        for event in _events(account, stack):
            if event["EventId"] not in seen:
                seen.add(event["EventId"])
                if event["ResourceStatus"].endswith("_IN_PROGRESS"):
                    continue
                reason = f"  {event['ResourceStatusReason']}" if "FAILED" in event["ResourceStatus"] else ""
                say(f"  {event['ResourceStatus'].lower():28} {event['LogicalResourceId']}{reason}")
        now = status(account, stack)
        if now is None or not now.endswith("_IN_PROGRESS"):
            return now
        time.sleep(2)


def _events(account: Account, stack: str) -> list[dict[str, Any]]:
    try:
        pages = account.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
        return list(reversed([event for page in pages for event in page["StackEvents"]]))
    except ClientError as failure:
        if "does not exist" in str(failure):
            return []
        raise


def _seen(account: Account, stack: str) -> set[str]:
    return {event["EventId"] for event in _events(account, stack)}


def _why(account: Account, stack: str, ended: str | None) -> str:
    reasons = [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in _events(account, stack)
        if "FAILED" in event["ResourceStatus"] and "cancelled" not in event.get("ResourceStatusReason", "cancelled")
    ]
    return f"The stack '{stack}' ended in {ended}. {reasons[-1] if reasons else 'CloudFormation gives no reason.'}"
