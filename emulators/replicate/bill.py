"""What the predictions of this emulator would have cost: the vendor's rules, in exact decimals."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from emulators.replicate.catalogue import HARDWARE
from emulators.replicate.store import Prediction


def cost_usd(prediction: Prediction) -> Decimal:
    """Public models bill the time of running alone; a failed or aborted run is free, a canceled one is not."""
    if prediction.status not in ("succeeded", "canceled"):
        return Decimal(0)
    return Decimal(str(prediction.metrics.get("predict_time", 0))) * HARDWARE[prediction.sku].usd_per_second


def invoice(predictions: Iterable[Prediction]) -> dict[str, Any]:
    """Amounts are text, in dollars, unrounded. What still runs is not on it."""
    lines = [
        {
            "id": prediction.id,
            "model": prediction.model,
            "sku": prediction.sku,
            "status": prediction.status,
            "predict_time": prediction.metrics.get("predict_time"),
            "usd_per_second": str(HARDWARE[prediction.sku].usd_per_second),
            "usd": format(cost_usd(prediction), "f"),
        }
        for prediction in predictions
        if prediction.ended
    ]
    return {"total_usd": format(sum((Decimal(line["usd"] or 0) for line in lines), Decimal(0)), "f"), "lines": lines}
