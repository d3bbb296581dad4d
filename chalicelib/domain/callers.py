"""Who is asking, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.errors import Forbidden


class Scope(StrEnum):
    """What a key may do. ``…all`` reaches the jobs of everybody in the tenant and includes ``…own``."""

    JOB_SUBMIT = "job.submit"
    JOB_VIEW_OWN = "job.view.own"
    JOB_VIEW_ALL = "job.view.all"
    JOB_CANCEL_OWN = "job.cancel.own"
    JOB_CANCEL_ALL = "job.cancel.all"
    JOB_DELETE_OWN = "job.delete.own"
    JOB_DELETE_ALL = "job.delete.all"
    KEYS_OWN = "api.keys.own"
    ADMIN = "admin"


USUAL = frozenset({Scope.JOB_SUBMIT, Scope.JOB_VIEW_OWN, Scope.JOB_CANCEL_OWN, Scope.JOB_DELETE_OWN})
"""What a pipeline needs for its own jobs, and nothing more."""


@dataclass(frozen=True, slots=True)
class Caller:
    """``admin`` includes every other scope."""

    tenant: str
    owner: str
    scopes: frozenset[Scope] = frozenset({Scope.ADMIN})
    key_id: str | None = None
    key_expires_at: datetime | None = None

    def may(self, scope: Scope) -> bool:
        wider = scope.value.replace(".own", ".all")
        return not self.scopes.isdisjoint({Scope.ADMIN, scope, wider})

    def require(self, scope: Scope) -> None:
        """Raises ``Forbidden``, naming the scope that is missing."""
        if not self.may(scope):
            raise Forbidden(
                f"This API key does not have the scope '{scope}'. Use one that has it, or ask an administrator.",
                needs=scope.value,
            )

    def reaches(self, verb: str, owner: str) -> bool:
        """Whether ``view``, ``cancel`` or ``delete`` is allowed on a job of ``owner``."""
        own = owner == self.owner and self.may(Scope(f"job.{verb}.own"))
        return own or self.may(Scope(f"job.{verb}.all"))


LOCAL = Caller(tenant="default", owner="local")
"""The person at this machine, in local mode; in the cloud, whoever holds the first token."""
