"""Judging a job's documents before money or data move: at submit, at the estimate, and when a client asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.config_arguments import Fault
from chalicelib.domain.config_check import Machine, Strictness, judge, refusal
from chalicelib.domain.configs import normalise
from chalicelib.domain.dataset_check import completed_datasets, dataset_faults, dataset_warnings
from chalicelib.domain.runs import Offer
from chalicelib.domain.trainer_options import trainer_options

FORCED = (
    "The trainer's image looks for nudity in the dataset and leaves out what two of three classifiers agree on, "
    "whatever the config says ('enable_nsfw_check' and its settings are its own)."
)


@dataclass(frozen=True, slots=True)
class Checked:
    """``asked`` is the config as it was given, without what belongs to the submitter's machine; ``config`` is also
    completed."""

    asked: dict[str, Any]
    config: dict[str, Any]
    datasets: list[dict[str, Any]]
    faults: tuple[Fault, ...]
    warnings: tuple[str, ...]

    def accepted(self) -> Checked:
        if self.faults:
            raise refusal(self.faults)
        return self


class CheckConfig:
    def __init__(self, strictness: Strictness) -> None:
        self._strictness = strictness

    def __call__(
        self,
        config: Mapping[str, Any],
        datasets: Sequence[Mapping[str, Any]],
        lycoris: Mapping[str, Any] | None,
        offer: Offer | None,
        version: str | None = None,
    ) -> Checked:
        """``datasets`` without their keys; ``version`` is SimpleTuner's, where it is known. Raises ``InvalidConfig``
        for what is no config at all."""
        prepared = normalise(config)
        on = Machine(offer.label, offer.gpu_count) if offer else None
        judged = judge(prepared.config, lycoris, on, version, self._strictness)
        entries = completed_datasets(datasets)
        unread = dataset_warnings(entries, trainer_options(version).dataset_keys)
        return Checked(
            asked=prepared.config,
            config=judged.config,
            datasets=entries,
            faults=(*judged.faults, *dataset_faults(entries)),
            warnings=(*prepared.warnings, *judged.warnings, *unread, FORCED),
        )
