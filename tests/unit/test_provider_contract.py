"""A provider grows from looking to training, and cannot stop half way where money is at stake."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.actions.offering import Offering
from chalicelib.domain.errors import BadInput, ComingSoon, InvalidConfig
from chalicelib.domain.ports.trainers import Listens
from chalicelib.domain.runs import LaunchOrder
from chalicelib.providers.base import CloudTrainerService, OnlyLooks
from chalicelib.providers.registry import Registry

GUIDE = Path(__file__).parent.parent.parent / "docs" / "adding-a-provider.md"

SIMPLETUNERS_OWN = """
from .base import CloudTrainerService, CloudJobInfo, CloudJobStatus

class NewProviderClient(CloudTrainerService):
    @property
    def provider_name(self) -> str:
        return "new_provider"

    @property
    def supports_cost_tracking(self) -> bool:
        return True  # or False

    @property
    def supports_live_logs(self) -> bool:
        return True  # or False

    async def validate_credentials(self) -> Dict[str, Any]:
        # Validate API key and return user info
        ...

    async def list_jobs(self, limit: int = 50) -> List[CloudJobInfo]:
        # List recent jobs from the provider
        ...
"""


def _guides() -> str:
    found = re.search(r"```python\n(.+?)```", GUIDE.read_text(), re.S)
    assert found
    return found[1]


def _defined_by(code: str) -> type[CloudTrainerService]:
    """As the file ``chalicelib/providers/new_provider.py`` would define it."""
    names: dict[str, Any] = {"__name__": "chalicelib.providers.new_provider", "__package__": "chalicelib.providers"}
    exec(code, names | {"Dict": dict, "List": list, "Any": Any}, names)  # noqa: S102 - the code of our own documents
    made: type[CloudTrainerService] = names["NewProviderClient"]
    return made


@pytest.mark.parametrize("code", [SIMPLETUNERS_OWN, _guides()], ids=["simpletuner", "guide"])
def test_a_provider_that_only_looks_works_and_says_what_it_cannot_do(code: str) -> None:
    made = _defined_by(code)
    offering = Offering(Registry({"new_provider": made}))
    card = offering.cards()[0]
    assert (card.name, card.display_name, card.configured, card.offers) == ("new_provider", "new_provider", True, ())
    assert [power.value for power in card.powers] == ["cost_tracking", "live_logs"]
    told = offering.validate("new_provider")
    assert told.valid == (code != SIMPLETUNERS_OWN), "nothing said is no yes"
    one = made()
    asked = [
        one.run_job(LaunchOrder("k", {}, "cpu")),
        one.cancel_job("r"),
        one.get_job_logs("r"),
        one.get_job_status("r"),
    ]
    for asking in asked:
        with pytest.raises(OnlyLooks, match="new_provider"):
            asyncio.run(asking)
    with pytest.raises(InvalidConfig, match="no hardware"):
        one.offer(None)


def test_a_class_that_starts_runs_it_could_not_find_or_stop_is_refused() -> None:
    async def run_job(self: object, order: LaunchOrder) -> None: ...

    with pytest.raises(TypeError, match="find_run, cancel_job"):
        type("Careless", (CloudTrainerService,), {"run_job": run_job, "offers": lambda self: []})


def test_a_class_that_cannot_even_look_is_refused() -> None:
    with pytest.raises(TypeError, match="validate_credentials"):
        type("Blind", (CloudTrainerService,), {"provider_name": "blind"})()


def test_what_is_announced_is_listed_until_it_is_there_and_cannot_be_used_before() -> None:
    made = _defined_by(_guides())
    with pytest.raises(ComingSoon, match="new_provider"):
        Registry({"new_provider": made}).get("workers")
    there = Registry({"workers": made})
    assert isinstance(there.get("workers"), made)
    assert [one.name for one in there.announced()] == ["simpletuner_io"]
    with pytest.raises(BadInput):
        there.get("new_provider")


def test_a_power_is_there_when_its_methods_are() -> None:
    made = _defined_by(_guides())
    assert not isinstance(made(), Listens)
    hearing = type("Hearing", (made,), {"read_webhook": lambda self, body: None, "webhook_secrets": lambda self: []})
    assert "webhooks" in Offering(Registry({"hearing": hearing})).cards()[0].powers
