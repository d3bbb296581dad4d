"""The predictor of the real trainer takes what the emulator's catalogue says that the stock image takes."""

from __future__ import annotations

import ast

from emulators.replicate.real.home import IMAGE
from emulators.replicate.schema import INPUTS, SECRETS


def _declared() -> dict[str, str]:
    tree = ast.parse((IMAGE / "predict.py").read_text("utf-8"))
    predict = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "predict")
    return {one.arg: ast.unparse(one.annotation) for one in predict.args.args[1:] if one.annotation}


def test_the_predictor_s_inputs_are_those_of_the_stock_image() -> None:
    assert sorted(_declared()) == sorted(INPUTS)


def test_what_is_secret_to_the_vendor_is_secret_to_the_predictor() -> None:
    assert {name for name, kind in _declared().items() if "Secret" in kind} == SECRETS
