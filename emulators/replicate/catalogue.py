"""What this Replicate offers: hardware with its prices, and the models that train.

Prices are those of the vendor's price page as harvested in October 2026. No API returns them; they are here so that
``/_emu/bill`` can be compared with what a client worked out on its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from emulators.replicate.schema import OPENAPI

COG_VERSION = "0.16.8"


@dataclass(frozen=True, slots=True)
class Sku:
    sku: str
    name: str
    usd_per_second: Decimal


@dataclass(frozen=True, slots=True)
class Version:
    """``trainer`` is the release of SimpleTuner in the image, where that is of interest."""

    id: str
    created_at: str
    trainer: str | None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "created_at": self.created_at,
            "cog_version": COG_VERSION,
            "openapi_schema": OPENAPI,
        }


@dataclass(frozen=True, slots=True)
class Model:
    """``versions`` are newest first."""

    owner: str
    name: str
    sku: str
    versions: tuple[Version, ...]

    @property
    def path(self) -> str:
        return f"{self.owner}/{self.name}"

    def as_json(self) -> dict[str, Any]:
        return {
            "url": f"https://replicate.com/{self.path}",
            "owner": self.owner,
            "name": self.name,
            "description": "SimpleTuner training job",
            "visibility": "public",
            "github_url": "https://github.com/bghira/SimpleTuner",
            "paper_url": None,
            "license_url": None,
            "run_count": 0,
            "cover_image_url": None,
            "default_example": None,
            "latest_version": self.versions[0].as_json(),
        }


HARDWARE = {
    sku: Sku(sku, name, Decimal(rate))
    for sku, name, rate in (
        ("cpu-small", "CPU (Small)", "0.000025"),
        ("cpu", "CPU", "0.000100"),
        ("gpu-t4", "Nvidia T4 GPU", "0.000225"),
        ("gpu-l40s", "Nvidia L40S GPU", "0.000975"),
        ("gpu-l40s-2x", "2x Nvidia L40S GPU", "0.001950"),
        ("gpu-l40s-4x", "4x Nvidia L40S GPU", "0.003900"),
        ("gpu-l40s-8x", "8x Nvidia L40S GPU", "0.007800"),
        ("gpu-a100-large", "Nvidia A100 (80GB) GPU", "0.001400"),
        ("gpu-a100-large-2x", "2x Nvidia A100 (80GB) GPU", "0.002800"),
        ("gpu-a100-large-4x", "4x Nvidia A100 (80GB) GPU", "0.005600"),
        ("gpu-a100-large-8x", "8x Nvidia A100 (80GB) GPU", "0.011200"),
        ("gpu-h100", "Nvidia H100 GPU", "0.001525"),
        ("gpu-h100-2x", "2x Nvidia H100 GPU", "0.003050"),
        ("gpu-h100-4x", "4x Nvidia H100 GPU", "0.006100"),
        ("gpu-h100-8x", "8x Nvidia H100 GPU", "0.012200"),
    )
}


def _trainer(card: str, count: int) -> Model:
    suffix = "" if count == 1 else f"-x{count}"
    name = f"advanced-trainer-{card}{suffix}"
    versions = tuple(
        Version(hashlib.sha256(f"simpletuner/{name}#{number}".encode()).hexdigest(), created_at, trainer)
        for number, created_at, trainer in (
            (3, "2026-10-29T09:12:44.120518Z", "4.10.1"),
            (2, "2026-08-24T16:03:10.871204Z", "4.8.0"),
            (1, "2026-03-02T11:45:31.004417Z", None),
        )
    )
    return Model("simpletuner", name, f"gpu-{card}" if count == 1 else f"gpu-{card}-{count}x", versions)


MODELS = {m.path: m for m in (_trainer(card, count) for card in ("l40s", "h100") for count in (1, 2, 4, 8))}


def offered(newest_trainer: str | None) -> dict[str, Model]:
    """The models as they were when ``newest_trainer`` was the newest; as they are today without one."""
    if newest_trainer is None:
        return MODELS
    found = {}
    for path, model in MODELS.items():
        newest = next(n for n, version in enumerate(model.versions) if version.trainer == newest_trainer)
        found[path] = replace(model, versions=model.versions[newest:])
    return found


def find_version(models: dict[str, Model], reference: str) -> tuple[Model, Version] | None:
    """What ``<64 hex>`` or ``owner/name:<64 hex>`` names; None when it names nothing."""
    path, _, wanted = reference.rpartition(":")
    for model in models.values():
        for version in model.versions:
            if version.id == wanted and path in ("", model.path):
                return model, version
    return None
