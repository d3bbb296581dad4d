"""Named configs, in the table of every engine and in a folder of SimpleTuner's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.domain.errors import BadInput, Conflict, NotFound
from chalicelib.domain.named_configs import ANY, NamedConfig, checked_name
from chalicelib.domain.ports.jobs import Configs
from chalicelib.domain.snapshots import Snapshot
from chalicelib.stores.configs import ConfigTable
from local.config_folder import ConfigFolder
from tests.contract.conftest import Bench

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
FIRST = Snapshot({"--learning_rate": 1e-4}, [{"id": "cats", "instance_data_dir": "cats"}], {"algo": "lokr"})
SECOND = Snapshot({"--learning_rate": 2e-4})


def test_a_config_is_kept_listed_replaced_and_deleted_in_the_table(bench: Bench) -> None:
    _keeps(ConfigTable(bench.table))


def test_a_config_is_kept_listed_replaced_and_deleted_in_a_folder(tmp_path: Path) -> None:
    _keeps(ConfigFolder(tmp_path / "config"))


def _keeps(configs: Configs) -> None:
    assert configs.entries("t") == [] and configs.active("t") is None
    with pytest.raises(NotFound):
        configs.get("t", "flux")
    configs.save("t", NamedConfig("flux", FIRST, NOW), None)
    with pytest.raises(Conflict):
        configs.save("t", NamedConfig("flux", SECOND, NOW), None)
    assert configs.get("t", "flux").content == FIRST
    with pytest.raises(Conflict):
        configs.save("t", NamedConfig("flux", SECOND, NOW), SECOND.fingerprint)
    configs.save("t", NamedConfig("flux", SECOND, NOW), FIRST.fingerprint)
    assert configs.get("t", "flux").content == SECOND
    configs.save("t", NamedConfig("sd 3.5", FIRST, NOW), ANY)
    assert [(one.name, one.fingerprint) for one in configs.entries("t")] == [
        ("flux", SECOND.fingerprint),
        ("sd 3.5", FIRST.fingerprint),
    ]
    configs.activate("t", "flux")
    assert configs.active("t") == "flux"
    with pytest.raises(Conflict):
        configs.delete("t", "flux", FIRST.fingerprint)
    configs.delete("t", "flux", SECOND.fingerprint)
    assert [one.name for one in configs.entries("t")] == ["sd 3.5"]


def test_configs_of_another_tenant_are_not_seen(bench: Bench) -> None:
    configs = ConfigTable(bench.table)
    configs.save("t", NamedConfig("flux", FIRST, NOW), None)
    assert configs.entries("other") == []
    with pytest.raises(NotFound):
        configs.get("other", "flux")


def test_a_folder_that_simpletuner_made_is_read_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "config.json").write_text('{"--data_backend_config": "config/cat/data.json", "--seed": 1}')
    (folder / "cat" / "data.json").write_text('[{"id": "cats"}]')
    (folder / "plain.json").write_text('{"--seed": 2}')
    (folder / "broken.json").write_text("{")
    (tmp_path / "secret.json").write_text('{"--seed": 3}')
    (folder / "outside.json").symlink_to(tmp_path / "secret.json")
    configs = ConfigFolder(folder)
    assert [one.name for one in configs.entries("t")] == ["cat", "plain"]
    assert configs.get("t", "cat").content.dataloader == [{"id": "cats"}]
    with pytest.raises(NotFound):
        configs.get("t", "outside")
    with pytest.raises(BadInput):
        configs.get("t", "broken")
    assert json.loads((folder / "plain.json").read_text()) == {"--seed": 2}


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "active", "Active", "a" * 101, "a\n", "a "])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(BadInput):
        checked_name(name)
