"""Configs are judged as the trainer's own parser judges them: what it said of a thousand is recorded, and so is what it
said of the configs that it comes with."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.config_check import Judged, Machine, Strictness, judge
from chalicelib.domain.dataset_check import completed_datasets, dataset_faults
from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.trainer_options import known_versions, trainer_options
from tests.configs import TRAINABLE, trainable
from tests.trainer.cases import LYCORIS, named

HERE = Path(__file__).parents[1] / "trainer"
COMPLETED = {
    '{"without": "--optimizer"}': "--optimizer",
    '{"without": "--num_train_epochs"}': "--num_train_epochs",
}
"""What the parser refuses and we complete, and with which option."""
REFUSED_LATER = {'{"--num_train_epochs": 0, "--max_train_steps": 0}', '{"without": "--max_train_steps"}'}
"""What the parser takes and the trainer refuses once it has counted its data: no steps and no epochs."""
NOT_IN_THE_RECORDING = {'{"--optimizer": "prodigy", "--optimizer_config": "d_coef=1.0"}'}
"""An optimizer of a library that was not installed where the parser was asked."""
OURS = ("--publishing_config", "--data_backend_config", "--output_dir", "--webhook_config")


@cache
def recorded(name: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads((HERE / name).read_text("utf-8"))}


def dashed(config: dict[str, Any]) -> dict[str, Any]:
    return {name if name.startswith("--") else f"--{name}": value for name, value in config.items()}


def test_a_config_is_refused_exactly_when_the_trainers_parser_refuses_it() -> None:
    verdicts, different, refused = recorded("verdicts.json"), [], 0
    for name, config in named():
        if name in REFUSED_LATER | NOT_IN_THE_RECORDING | set(COMPLETED) or any(word in name for word in OURS):
            continue
        ours, theirs = judge(dashed(config)).faults, verdicts[name]["error"]
        refused += theirs is not None
        if bool(ours) != bool(theirs):
            different.append((name, theirs, [fault.sentence for fault in ours]))
    assert different == []
    assert refused > 500, "the recording holds both kinds"


@pytest.mark.parametrize("name", sorted(COMPLETED))
def test_what_everybody_means_is_completed(name: str) -> None:
    config = dict(named())[name]
    assert recorded("verdicts.json")[name]["error"], "the parser wants it said"
    judged = judge(config)
    assert judged.faults == () and COMPLETED[name] in judged.config


def test_the_default_optimizer_is_told() -> None:
    judged = judge(dict(named())['{"without": "--optimizer"}'])
    assert judged.config["--optimizer"] == "adamw_bf16"
    assert any("adamw_bf16" in warning for warning in judged.warnings)


@pytest.mark.parametrize("name", sorted(REFUSED_LATER - {'{"without": "--max_train_steps"}'}))
def test_a_training_of_no_length_is_refused_before_the_trainer_does(name: str) -> None:
    assert [fault.option for fault in judge(dict(named())[name]).faults] == ["--max_train_steps"]


def test_every_fault_is_told_at_once_with_the_nearest_right_word() -> None:
    config = {"--model_family": "kandinsky5-image", "--model_type": "lora", "--learning_rte": 1, "--seed": "x"}
    with pytest.raises(InvalidConfig) as refusal:
        judge(config | {"--max_train_steps": 5, "--num_train_epochs": 2}).accepted()
    listed = {one["option"]: one["instead"] for one in refusal.value.fields["faults"]}
    assert listed["--model_family"] == ["kandinsky5_image"] and listed["--learning_rte"][0] == "--learning_rate"
    assert {"--seed", "--num_train_epochs"} <= set(listed)
    assert "Did you mean '--learning_rate'" in refusal.value.detail


def test_a_beginning_that_fits_one_option_is_written_out() -> None:
    assert judge(trainable(max_train=20)).config["--max_train_steps"] == 20


@pytest.mark.parametrize("family", trainer_options().families)
def test_every_family_of_the_trainer_is_taken(family: str) -> None:
    assert judge({**TRAINABLE, "--model_family": family, "--max_train_steps": 5}).faults == ()


def test_an_option_that_came_later_is_named_for_an_older_trainer() -> None:
    oldest, newest = known_versions()[0], known_versions()[-1]
    config = trainable(max_train_steps=5, nextlat_enabled=True)
    assert judge(config, version=newest).faults == ()
    (fault,) = judge(config, version=oldest).faults
    assert newest in fault.sentence and oldest in fault.sentence
    assert [one.option for one in judge(trainable(model_family="moss_image"), version=oldest).faults] == [
        "--model_family"
    ]


def test_a_newer_trainer_may_be_trusted_with_what_is_not_known_and_with_nothing_else() -> None:
    config = trainable(max_train_steps=5, made_up_since=1, seed="x")
    judged = judge(config, strictness=Strictness.WARN)
    assert [fault.option for fault in judged.faults] == ["--seed"]
    assert any("--made_up_since" in warning for warning in judged.warnings)


@pytest.mark.parametrize(
    ("options", "gpus", "option"),
    [
        ({"num_processes": 8}, 1, "--num_processes"),
        ({"context_parallel_size": 2}, 1, "--context_parallel_size"),
        ({"context_parallel_size": 3}, 8, "--context_parallel_size"),
        ({"num_processes": 8, "context_parallel_size": 2}, 8, None),
        ({}, 8, None),
    ],
)
def test_more_gpus_than_the_machine_has_are_refused(options: dict[str, int], gpus: int, option: str | None) -> None:
    judged = judge(trainable(max_train_steps=5, **options), on=Machine("the machine", gpus))
    assert [fault.option for fault in judged.faults] == ([option] if option else [])


def test_fewer_gpus_than_the_machine_has_are_told() -> None:
    judged = judge(trainable(max_train_steps=5, num_processes=1), on=Machine("8x H100", 8))
    assert judged.faults == () and any("8 GPUs" in warning for warning in judged.warnings)


def test_a_lycoris_config_is_judged_with_the_job() -> None:
    config = trainable(max_train_steps=5, lora_type="lycoris")
    assert judge(config, LYCORIS).faults == ()
    assert [fault.option for fault in judge(config).faults] == ["--lycoris_config"]
    missing = {name: value for name, value in LYCORIS.items() if name != "algo"}
    assert "'algo'" in judge(config, missing).faults[0].sentence


def test_the_recording_of_the_examples_is_of_the_newest_version_and_names_what_is_refused() -> None:
    refused = {name: one["error"] for name, one in recorded("examples.json").items() if one["error"]}
    assert set(refused) == {
        "bria.lycoris-lokr",
        "hidream.peft-controlnet-lora",
        "kandinsky5-image-6b-i2i.lycoris-lokr",
        "ltxvideo2-2.5-dev-768x512-mps-128g.peft-lora",
        "pixart.peft-controlnet-lora",
    }
    assert len(recorded("examples.json")) >= 115


def examples() -> Path | None:
    """The folder of an installed wheel: named by ``STCLOUD_TRAINER_EXAMPLES``, or where ``make real`` has put it."""
    named_one = os.environ.get("STCLOUD_TRAINER_EXAMPLES")
    if named_one:
        return Path(named_one)
    installed = (Path(__file__).parents[2] / ".cache").glob("real*/**/site-packages/simpletuner/examples")
    return next(installed, None)


def test_every_example_is_judged_as_the_trainers_parser_judges_it() -> None:
    folder = examples()
    if folder is None:
        pytest.skip("no SimpleTuner is installed: name its examples with STCLOUD_TRAINER_EXAMPLES")
    seen = 0
    for name, known in recorded("examples.json").items():
        raw = (folder / name / "config.json").read_bytes()
        if hashlib.sha256(raw).hexdigest()[:16] != known["hash"]:
            continue
        seen += 1
        assert _refused(raw) == bool(known["error"]), name
    assert seen > 100, "these are the examples of another version"


def test_the_examples_for_eight_gpus_are_not_put_on_one() -> None:
    folder = examples()
    if folder is None:
        pytest.skip("no SimpleTuner is installed: name its examples with STCLOUD_TRAINER_EXAMPLES")
    for file in folder.glob("*8xh100*/config.json"):
        config = dashed(json.loads(file.read_bytes()))
        assert [one.option for one in _judged(config, 1).faults] == ["--context_parallel_size"], file
        assert _judged(config, 8).faults == (), file


def _refused(raw: bytes) -> bool:
    try:
        config = json.loads(raw)
    except ValueError:
        return True
    return bool(_judged(dashed(config)).faults)


def _judged(config: dict[str, Any], gpus: int | None = None) -> Judged:
    lycoris = LYCORIS if config.pop("--lycoris_config", None) else None
    return judge(config, lycoris, Machine("the machine", gpus) if gpus else None)


def test_what_a_dataset_is_may_be_spelled_as_the_trainer_reads_it() -> None:
    (entry,) = completed_datasets([{"id": "a", "dataset_type": " Video "}])
    assert entry["dataset_type"] == "video" and not dataset_faults([entry])


@pytest.mark.parametrize("name", [["a"], {"a": 1}, 1.5])
def test_an_id_that_is_no_name_is_refused(name: Any) -> None:
    (fault,) = dataset_faults([{"id": name, "dataset_type": "image"}])
    assert fault.option == "dataloader_config[0].id" and "must be a name" in fault.sentence
