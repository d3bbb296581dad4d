"""Tells what one installed SimpleTuner takes, as JSON: run by the Python that it is installed for.

    TRAINER/bin/python tools/read_options.py > 4.10.1.json
    PYTHONPATH=unpacked/wheel TRAINER/bin/python tools/read_options.py > 4.8.0.json

The options are asked of the real parser. Optimizers are read from the source, because the module leaves out those whose
library is not installed here, and the box that trains may have it.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import PathDistribution, version
from pathlib import Path
from typing import Any

TYPES = {
    "_parse_bool_flag": "bool",
    "_parse_validation_prompt_library_flag": "bool_or_text",
    "_parse_report_to_arg": "trackers",
}
"""What the parser's own types are called in the data."""


_BESIDE_THE_PARSER = {"ignore_final_epochs": "strict_epoch_limit"}
"""What the trainer turns into another option before its parser sees it."""


def main() -> None:
    json.dump(told(), sys.stdout, indent=1, sort_keys=True)


def told() -> dict[str, Any]:
    from simpletuner.helpers.configuration.cmd_args import get_argument_parser
    from simpletuner.helpers.training.quantisation import MANUAL_QUANTIZATION_PRESETS, PIPELINE_QUANTIZATION_PRESETS
    from simpletuner.simpletuner_sdk.server.services.field_registry.registry import field_registry
    from simpletuner.simpletuner_sdk.server.services.field_registry.types import FieldType

    package = _package()
    optimizers = package / "helpers/training/optimizer_param.py"
    fields = field_registry._fields
    dropped, renamed = _legacy()
    json_text = {name for name, field in fields.items() if field.field_type is FieldType.TEXT_JSON}
    empty = {name for name, field in fields.items() if field.allow_empty}
    return {
        "version": _version(package),
        "options": [
            _option(action, json_text, empty) for action in get_argument_parser()._actions if action.dest != "help"
        ],
        "dropped": sorted(dropped | {name for name, field in fields.items() if field.arg_name is None}),
        "renamed": renamed | _BESIDE_THE_PARSER,
        "families": _families(package),
        "optimizers": sorted(_keys_of(optimizers, "optimizer_choices")),
        "gone_optimizers": sorted(_keys_of(optimizers, "deprecated_optimizers")),
        "manual_presets": sorted(MANUAL_QUANTIZATION_PRESETS),
        "pipeline_presets": sorted(PIPELINE_QUANTIZATION_PRESETS),
        "dataset_keys": sorted(_dataset_keys(package)),
    }


def _package() -> Path:
    import simpletuner

    return Path(str(simpletuner.__file__)).parent


def _version(package: Path) -> str:
    """Of the wheel that was imported, which need not be the one that is installed."""
    beside = next(package.parent.glob("simpletuner-*.dist-info"), None)
    return PathDistribution(beside).version if beside else version("simpletuner")


def _option(action: argparse.Action, json_text: set[str], empty: set[str]) -> dict[str, Any]:
    name, *aliases = action.option_strings
    told: dict[str, Any] = {"name": name, "type": _type(action), "default": action.default}
    if aliases:
        told["aliases"] = aliases
    if action.choices is not None:
        told["choices"] = list(action.choices)
    elif told["type"] == "trackers":
        told["choices"] = str(action.metavar).strip("{}").split(",")
    if action.required:
        told["required"] = True
    if action.nargs is not None:
        told["nargs"] = action.nargs
    if action.dest in json_text:
        told["json"] = True
    if action.dest in empty:
        told["allow_empty"] = True
    return told


def _type(action: argparse.Action) -> str:
    known = getattr(action.type, "__name__", None)
    if known in ("str", "int", "float"):
        return str(known)
    return TYPES[str(known)]


def _legacy() -> tuple[set[str], dict[str, str]]:
    """Keys of a config that are no options: those that the loader drops, and those that it gives another name."""
    from simpletuner.helpers.configuration.cli_utils import _LEGACY_ARG_HANDLERS

    dropped, renamed = set[str](), dict[str, str]()
    for name, handler in _LEGACY_ARG_HANDLERS.items():
        arguments: list[str] = []
        handler("7", arguments, {})
        if arguments:
            renamed[name] = arguments[0].partition("=")[0].lstrip("-")
        else:
            dropped.add(name)
    return dropped, renamed


def _families(package: Path) -> dict[str, list[str]]:
    """Each family with its flavours. The model itself says them: the list beside the models lags behind."""
    known = json.loads((package / "helpers/models/model_metadata.json").read_text("utf-8"))
    return {family: list(_flavours(told["module_path"], told["class_name"])) for family, told in sorted(known.items())}


def _flavours(module: str, name: str) -> Iterator[str]:
    yield from (getattr(importlib.import_module(module), name).HUGGINGFACE_PATHS or {}).keys()


def _keys_of(file: Path, table: str) -> Iterator[str]:
    """The keys that a module's table of this name is given: where it is assigned, and by each ``update``."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        given: ast.expr | None = None
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == table for to in node.targets):
            given = node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == f"{table}.update":
            given = node.args[0]
        if isinstance(given, ast.Dict):
            yield from (key.value for key in given.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _dataset_keys(package: Path) -> set[str]:
    """What the code that reads a dataloader asks its entries for: more than entries have, and never less."""
    found = set[str]()
    for file in (package / "helpers/data_backend").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            key: ast.expr | None = None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                key = node.args[0] if node.args else None
            elif isinstance(node, ast.Subscript):
                key = node.slice
            elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In):
                key = node.left
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value.isidentifier():
                found.add(key.value)
    return found


if __name__ == "__main__":
    main()
