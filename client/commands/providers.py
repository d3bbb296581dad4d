"""Commands about who rents out GPUs: what there is, whether its credentials work, what it says about our runs."""

from __future__ import annotations

import argparse
from typing import Any

from chalicelib.domain.money import display
from client.api import CloudClient
from client.errors import ApiError
from client.screen import Screen
from client.shapes import Provider
from client.words import counted


def list_providers(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    found = cloud.providers()
    checks = _checked(cloud, found) if given.check else {}
    if screen.as_json:
        screen.result({"providers": [{**one, **checks.get(one["id"], {})} for one in found]})
    else:
        rows = [
            [one["id"], one["name"], _state(one, checks.get(one["id"])), ", ".join(one["supports"]) or "-"]
            for one in found
        ]
        screen.table(["ID", "NAME", "STATE", "SUPPORTS"], rows)
        for one in found:
            _show_hardware(screen, one)
            problem = checks.get(one["id"], {}).get("error") or one["detail"]
            if problem:
                screen.note(f"{one['name']}: {problem}")
    return 1 if any(not check["valid"] for check in checks.values()) else 0


def sync(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    done = cloud.sync(given.provider)
    if screen.as_json:
        screen.result(done)
    else:
        screen.line(done["message"])
        for job_id in done["imported"]:
            screen.line(f"  {job_id}")
    return 1 if done["problems"] else 0


def _checked(cloud: CloudClient, found: list[Provider]) -> dict[str, dict[str, Any]]:
    """By id, for those that have credentials; one that cannot be asked does not hide the others."""
    answers: dict[str, dict[str, Any]] = {}
    for one in found:
        if one["available"]:
            try:
                answers[one["id"]] = {**cloud.validate(one["id"])}
            except ApiError as error:
                answers[one["id"]] = {"valid": False, "username": None, "error": error.detail}
    return answers


def _state(one: Provider, check: dict[str, Any] | None) -> str:
    if one["coming_soon"]:
        return "coming soon"
    if check:
        return f"works as {check['username']}" if check["valid"] else "does not work"
    return "ready" if one["available"] else "no credentials"


def _show_hardware(screen: Screen, one: Provider) -> None:
    rows = [
        [
            f"  {machine['id']}{' (default)' if machine['id'] == one['hardware_profile'] else ''}",
            counted(machine["gpu_count"], "GPU"),
            f"{machine['vram_gb']} GB",
            f"{display(machine['micros_per_second'] * 3600)} an hour",
            f"as of {machine['as_of']}",
        ]
        for machine in one["hardware_profiles"]
    ]
    if rows:
        screen.line("")
        screen.table([one["name"], "", "MEMORY OF ONE", "PRICE", ""], rows)
