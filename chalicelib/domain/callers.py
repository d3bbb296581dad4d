"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    tenant: str
    owner: str


LOCAL = Caller(tenant="default", owner="local")
"""The person at this machine, in local mode."""
