"""Commands about where models go: add, list, test, choose, remove."""

from __future__ import annotations

import argparse
import getpass
import os
import sys

from client.api import CloudClient
from client.errors import UsageError
from client.screen import Screen

TOKEN = "STCLOUD_HUB_TOKEN"  # noqa: S105 - the variable's name
ACCESS_KEY, SECRET_KEY = "STCLOUD_S3_ACCESS_KEY_ID", "STCLOUD_S3_SECRET_ACCESS_KEY"


def add(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    """The keys come from the environment or are asked for: what is on a command line, every process can read."""
    if given.hub:
        return _add_account(cloud, screen, given)
    body = {
        "bucket": given.bucket,
        "region": given.region,
        "endpoint_url": given.endpoint,
        "path_prefix": given.prefix,
    }
    if not given.keep_keys:
        body["access_key_id"] = _asked(ACCESS_KEY, "Access key id: ", hidden=False)
        body["secret_access_key"] = _asked(SECRET_KEY, "Secret access key (not shown): ", hidden=True)
    kept = cloud.keep_destination(given.name, body)
    if given.test:
        return _tested(cloud, screen, given.name)
    if screen.as_json:
        screen.result(kept)
    else:
        screen.line(f"Kept as '{given.name}'. See whether it works: stcloud destinations test {given.name}")
    return 0


def _add_account(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    token = _asked(TOKEN, "Hugging Face token (not shown): ", hidden=True)
    kept = cloud.keep_destination(given.name, {"kind": "hub", "token": token})
    if given.test:
        return _tested(cloud, screen, given.name)
    if screen.as_json:
        screen.result(kept)
        return 0
    known = kept["destination"]
    screen.line(f"Kept as '{given.name}': the account {known['account']} at the Hugging Face Hub.")
    if not known["test_passed"]:
        screen.warn(known["test_detail"])
    return 0


def list_destinations(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    known = cloud.destinations()
    if screen.as_json:
        screen.result(known)
        return 0
    rows = [
        [
            one["name"],
            one["account"] or "/".join(part for part in (one["bucket"], one["path_prefix"]) if part),
            "Hugging Face Hub" if one["kind"] == "hub" else one["endpoint_url"] or f"Amazon S3, {one['region']}",
            one["access_key_hint"],
            {None: "not tested", True: "works", False: "does not work"}[one["test_passed"]],
        ]
        for one in known["destinations"]
    ]
    if rows:
        screen.table(["NAME", "BUCKET OR ACCOUNT", "AT", "KEY", "STATE"], rows)
        for one in known["destinations"]:
            if one["test_passed"] is False:
                screen.warn(f"{one['name']}: {one['test_detail']}")
    else:
        screen.note("No buckets yet. Add one with: stcloud destinations add NAME --bucket BUCKET")
    screen.note(f"Models go to: {', '.join(known['default'])}. Change it with: stcloud destinations default NAME…")
    return 0


def test(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    return _tested(cloud, screen, given.name)


def choose(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    chosen = cloud.choose_destinations(given.names)
    if screen.as_json:
        screen.result({"default": chosen})
    else:
        screen.line(f"Models go to: {', '.join(chosen)}.")
    return 0


def remove(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    done = cloud.remove_destination(given.name)
    if screen.as_json:
        screen.result(done)
    else:
        screen.line(f"'{given.name}' and its keys are gone. What was delivered there stays.")
    return 0


def check(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    """Whether vendors can reach the server."""
    found = cloud.self_test()
    if screen.as_json:
        screen.result(found)
    else:
        for one in found["checks"]:
            screen.line(f"{'yes' if one['passed'] else 'NO':<5}{one['name']:<10}{one['detail']}")
    return 0 if found["reachable"] else 1


def _tested(cloud: CloudClient, screen: Screen, name: str) -> int:
    told = cloud.test_destination(name)
    if screen.as_json:
        screen.result(told)
    else:
        for step in told["steps"]:
            screen.line(f"{'yes' if step['passed'] else 'NO':<5}{step['name']:<8}{step['detail']}")
    return 0 if told["success"] else 1


def _asked(variable: str, prompt: str, hidden: bool) -> str:
    given = os.environ.get(variable, "").strip()
    if given:
        return given
    if not sys.stdin.isatty():
        what = f"token is missing: set {TOKEN}"
        if variable != TOKEN:
            what = f"bucket's keys are missing: set {ACCESS_KEY} and {SECRET_KEY}"
        raise UsageError(f"The {what}, or use a terminal.")
    if hidden:
        return getpass.getpass(prompt).strip()
    print(prompt, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
