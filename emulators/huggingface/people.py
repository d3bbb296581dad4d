"""Who the tokens belong to, and what each may do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

READ, WRITE, FINE = "read", "write", "fineGrained"


@dataclass(frozen=True, slots=True)
class Token:
    """``scopes`` are the namespaces that a fine-grained token may write to."""

    user: str
    role: str = WRITE
    scopes: tuple[str, ...] = ()
    orgs: dict[str, str] = field(default_factory=dict, hash=False)

    def may_write(self, namespace: str) -> bool:
        if namespace != self.user and self.orgs.get(namespace) not in ("admin", "write", "contributor"):
            return False
        return self.role == WRITE or (self.role == FINE and namespace in self.scopes)

    def may_read(self, namespace: str) -> bool:
        return namespace == self.user or namespace in self.orgs

    def described(self) -> dict[str, Any]:
        token: dict[str, Any] = {"displayName": "rehearsal", "role": self.role, "createdAt": "2026-01-01T00:00:00.000Z"}
        if self.role == FINE:
            scoped = [
                {
                    "entity": {"_id": _id(name), "type": "user" if name == self.user else "org", "name": name},
                    "permissions": ["repo.content.read", "repo.write"],
                }
                for name in self.scopes
            ]
            token["fineGrained"] = {"canReadGatedRepos": False, "global": [], "scoped": scoped}
        orgs = [
            {"type": "org", "id": _id(name), "name": name, "fullname": name, "roleInOrg": role, "isEnterprise": False}
            for name, role in self.orgs.items()
        ]
        return {
            "type": "user",
            "id": _id(self.user),
            "name": self.user,
            "fullname": self.user.title(),
            "isPro": False,
            "canPay": False,
            "orgs": orgs,
            "auth": {"type": "access_token", "accessToken": token},
        }


def parse(text: str) -> tuple[str, Token]:
    """``hf_x=ana``, ``hf_x=ana:read``, ``hf_x=ana:fineGrained:ana+acme``, and ``@acme=admin`` for an organization."""
    token, _, told = text.partition("=")
    told, *memberships = told.split("@")
    user, _, rest = told.partition(":")
    role, _, scopes = rest.partition(":")
    if not token or not user or role not in ("", READ, WRITE, FINE):
        raise ValueError("write it as TOKEN=USER[:read|write|fineGrained[:NAMESPACE+…]][@ORG=ROLE…]")
    orgs = dict(one.split("=", 1) for one in memberships if "=" in one)
    return token, Token(user, role or WRITE, tuple(name for name in scopes.split("+") if name), orgs)


def _id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:24]
