"""Makes ``chalicelib/domain/trainer_options.json`` of what ``read_options.py`` told of each version.

    .venv/bin/python -m tools.merge_options 4.8.0.json 4.10.1.json

The file holds the newest version as a whole, and of the older ones what is different: ``since`` and ``until`` at an
option, ``was`` where it took something else.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parents[1] / "chalicelib/domain/trainer_options.json"
_WHOLE = (
    "families",
    "flavours",
    "optimizers",
    "gone_optimizers",
    "manual_presets",
    "pipeline_presets",
    "dropped",
    "renamed",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools.merge_options", description=__doc__)
    parser.add_argument("told", nargs="+", type=Path, help="what read_options.py told, of each version")
    told = [json.loads(file.read_text("utf-8")) for file in parser.parse_args().told]
    told.sort(key=lambda one: [int(part) for part in one["version"].split(".")])
    TABLE.write_text(written(merged(told, datetime.now(UTC).date().isoformat())), "utf-8")


def merged(told: Sequence[Mapping[str, Any]], read_at: str) -> dict[str, Any]:
    """``told`` from the oldest to the newest version."""
    each = [_flat(one) for one in told]
    newest = each[-1]
    versions = [one["version"] for one in each]
    by_name = [{option["name"]: option for option in one["options"]} for one in each]
    names = {name: None for options in reversed(by_name) for name in options}
    was = {
        one["version"]: changed
        for one in each[:-1]
        if (changed := {name: one[name] for name in _WHOLE if one[name] != newest[name]})
    }
    return {
        "version": versions[-1],
        "versions": versions,
        "read_at": read_at,
        "options": [_option(name, versions, by_name) for name in sorted(names)],
        **{name: newest[name] for name in _WHOLE},
        "dataset_keys": sorted(set().union(*(one["dataset_keys"] for one in each))),
        "was": was,
    }


def _flat(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "families": sorted(told["families"]), "flavours": {k: v for k, v in told["families"].items() if v}}


def _option(name: str, versions: Sequence[str], by_name: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    having = [place for place, options in enumerate(by_name) if name in options]
    latest = by_name[having[-1]][name]
    option = dict(latest)
    if having[0] > 0:
        option["since"] = versions[having[0]]
    if having[-1] < len(versions) - 1:
        option["until"] = versions[having[-1]]
    was = {
        versions[place]: {
            field: known.get(field) for field in {*known, *latest} if known.get(field) != latest.get(field)
        }
        for place in having[:-1]
        if (known := by_name[place][name]) != latest
    }
    return option | {"was": was} if was else option


def written(table: Mapping[str, Any]) -> str:
    """An option a line, so that a diff shows what a new version changes."""
    lines = []
    for name, value in table.items():
        if name == "options":
            listed = ",\n".join(json.dumps(option, sort_keys=True) for option in value)
            lines.append(f'"options": [\n{listed}\n]')
        else:
            lines.append(f"{json.dumps(name)}: {json.dumps(value, sort_keys=True)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    main()
