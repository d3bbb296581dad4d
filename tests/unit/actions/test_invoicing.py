"""A vendor's bill beside our books: equal after every run, and a price that has changed is noticed."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from chalicelib.domain.errors import BadInput
from tests.unit.actions.conftest import NewWorld
from tests.unit.actions.scenarios import SCENARIOS, play


def test_an_invoice_at_our_price_agrees_and_one_at_another_is_told_until_it_is_corrected(
    new_world: NewWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world = new_world()
    play(world, SCENARIOS[0])
    invoicing = world.process(careful=True).invoicing
    today = world.clock().date()
    paid = world.vendor.invoice()
    assert paid > 50_000
    assert invoicing.compare("default", "replicate", today - timedelta(days=1), today, paid).agrees
    assert invoicing.notice("default", "replicate") is None
    with caplog.at_level(logging.WARNING):
        dearer = invoicing.compare("default", "replicate", today - timedelta(days=1), today, paid * 3)
    assert (dearer.agrees, dearer.percent, dearer.by_hardware) == (False, 200.0, {"l40s": paid})
    assert "3.000 times ours" in str(invoicing.notice("default", "replicate"))
    assert "an invoice disagrees with the books" in caplog.messages
    assert invoicing.notice("somebody else", "replicate") is None
    invoicing.compare("default", "replicate", today - timedelta(days=1), today, paid)
    assert invoicing.notice("default", "replicate") is None


def test_an_invoice_for_days_without_a_job_asks_for_runs_from_elsewhere(new_world: NewWorld) -> None:
    world = new_world()
    invoicing = world.process(careful=True).invoicing
    day = world.clock().date()
    assert "stcloud sync" in invoicing.compare("default", "replicate", day, day, 1_000_000).sentence()
    with pytest.raises(BadInput):
        invoicing.compare("default", "replicate", day, day - timedelta(days=1), 0)
    with pytest.raises(BadInput):
        invoicing.compare("default", "nobody", day, day, 0)
