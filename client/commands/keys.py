"""Commands about API keys: make, list, revoke."""

from __future__ import annotations

import argparse

from client.api import CloudClient
from client.screen import Screen
from client.words import local_time


def make(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    """The key is the one line on stdout, so that a script can take it: ``KEY=$(stcloud keys make ci)``."""
    made = cloud.make_key(given.name, scopes=given.scope or None, expires_days=given.days, owner=given.owner)
    if screen.as_json:
        screen.result(made)
        return 0
    told = made["key_info"]
    screen.line(made["key"])
    until = f"until {local_time(told['expires_at'])}" if told["expires_at"] else "until it is revoked"
    screen.note(f"It allows {', '.join(told['scoped_permissions'])}, {until}.")
    screen.note("It is not shown again. Keep it as STCLOUD_API_KEY where it is used.")
    return 0


def list_keys(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    keys = cloud.keys()
    if screen.as_json:
        screen.result({"keys": keys})
        return 0
    if not keys:
        screen.note("No keys yet. Make one with: stcloud keys make NAME")
        return 0
    rows = [
        [
            key["id"],
            key["name"],
            key["owner"],
            "works" if key["is_active"] else "ended",
            local_time(key["expires_at"]) if key["expires_at"] else "-",
            local_time(key["last_used_at"]) if key["last_used_at"] else "never",
            " ".join(key["scoped_permissions"]),
        ]
        for key in keys
    ]
    screen.table(["ID", "NAME", "OWNER", "STATE", "EXPIRES", "LAST USED", "ALLOWS"], rows)
    return 0


def revoke(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    done = cloud.revoke_key(given.key)
    if screen.as_json:
        screen.result(done)
    else:
        screen.line(f"The key {given.key} opens nothing any more.")
    return 0
