"""Commands about the service itself: the consent setting and its health."""

from __future__ import annotations

import argparse

from client.api import CloudClient
from client.screen import STATUS_COLOURS, Screen

_MEANING = {
    "ask": "every upload asks first",
    "allow": "uploads go without a question",
    "deny": "no upload can happen",
}


def consent(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    now = cloud.set_consent(given.setting) if given.setting else cloud.consent()
    if screen.as_json:
        screen.result({"consent": now})
    else:
        screen.line(f"{now}: {_MEANING.get(now, 'a setting that this version does not know')}")
        if not given.setting:
            screen.note("Change it with: stcloud consent ask|allow|deny")
    return 0


def health(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    found = cloud.health()
    status = str(found.get("status"))
    if screen.as_json:
        screen.result(found)
    else:
        at = cloud.connection.base_url
        screen.line(f"{at} is {status} (version {found.get('version', '?')})", STATUS_COLOURS.get(status, ""))
        rows = [
            [
                str(one.get("name")),
                str(one.get("status")),
                _latency(one.get("latency_ms")),
                str(one.get("message") or ""),
            ]
            for one in found.get("components") or []
        ]
        if rows:
            screen.table(["PART", "STATUS", "LATENCY", ""], rows)
    return 1 if status == "unhealthy" else 0


def _latency(milliseconds: object) -> str:
    return f"{milliseconds:.0f} ms" if isinstance(milliseconds, int | float) else "-"
