"""With whose token the Hugging Face Hub is asked: the server's own, or that of an account that somebody has named."""

from __future__ import annotations

from chalicelib.domain.destinations import HUB, Kind
from chalicelib.domain.errors import DestinationRefused
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.outside import Hub, Vault


class Hubs:
    def __init__(self, default: Hub, vault: Vault) -> None:
        self.default = default
        self._vault = vault

    def of(self, tenant: str, name: str) -> Hub:
        """Raises ``DestinationRefused`` when the token of an account was removed."""
        return self.default if name == HUB else self.default.with_token(self.token(tenant, name))

    def token(self, tenant: str, name: str) -> str:
        held = self._vault.read(tenant, name)
        if held is None or "token" not in held:
            raise DestinationRefused(f"The token of '{name}' was removed here. Give it again.", cause="no_keys")
        return held["token"]


def account_of(job: Job) -> str:
    """Whose token the trainer gets: that of the account which the job pushes to, or else the server's own."""
    return next((one.name for one in job.destinations if one.kind is Kind.HUB and one.name != HUB), HUB)
