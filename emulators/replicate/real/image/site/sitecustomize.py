"""Lets the trainer run on a processor alone. Every Python of the box loads it, because its folder is on the path."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType


def _fit(torch: ModuleType) -> None:
    # Built for another PyTorch, torchvision's C++ part does not load. Its Python part needs no more than these two
    # schemas to be imported, and the trainer calls neither.
    if _build("torchvision") != _build("torch"):
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    # The trainer pins what it caches, and without an accelerator PyTorch refuses to.
    if not torch.accelerator.is_available():
        torch.Tensor.pin_memory = lambda self, *_, **__: self


def _build(package: str) -> str:
    """``cpu`` of ``2.13.0+cpu``."""
    return version(package).partition("+")[2]


class _AfterTorch(importlib.abc.MetaPathFinder):
    """Fits PyTorch as soon as somebody has imported it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_fit(module: ModuleType) -> None:
            load(module)
            _fit(module)

        spec.loader.exec_module = load_and_fit  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _AfterTorch())
