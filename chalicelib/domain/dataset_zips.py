"""One dataset of a job as a zip of its own: pictures or videos with a ``metadata.jsonl`` that has their captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "video"]


@dataclass(frozen=True)
class DatasetZip:
    dataset_id: str
    key: str
    """The object in the bucket "datasets"."""
    size: int
    kind: Kind
