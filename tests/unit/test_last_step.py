"""The last weights arrive: every launched config validates, and checkpoints on its last step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.configs import hub_target, normalise
from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.last_step import (
    Ending,
    check_that_it_arrives,
    nearest_divisor,
    publishing_last_weights,
    whole,
)

PROMPT = {"--validation_prompt": "a cat"}


def ending(config: dict[str, Any], epoch_steps: int | None = None) -> Ending:
    return publishing_last_weights({**PROMPT, **config}, epoch_steps)


@given(last=st.integers(1, 200_000), wanted=st.integers(1, 200_000))
def test_the_interval_divides_the_run_and_is_no_flood(last: int, wanted: int) -> None:
    every = nearest_divisor(last, wanted, wanted)
    assert last % every == 0
    assert every * 4 >= min(wanted, last)


@pytest.mark.parametrize(
    ("steps", "wanted", "every"),
    [
        (20, 8, 10),
        (25, 10, 5),
        (100, 7, 5),
        (1000, 250, 250),
        (1000, 300, 250),
        (1000, 5000, 1000),
        (997, 500, 997),
        (2, 8, 2),
        ("30000", "1000", 1000),
        (60.0, " 7 ", 6),
        (60, None, 60),
        (3000, None, 500),
    ],
)
@pytest.mark.parametrize("name", ["--checkpoint_step_interval", "--checkpointing_steps"])
def test_checkpoints_and_validations_share_a_divisor_of_the_steps(
    steps: Any, wanted: Any, every: int, name: str
) -> None:
    found = ending({"--max_train_steps": steps} | ({} if wanted is None else {name: wanted}))
    assert found.last_step == found.options["--max_train_steps"] == whole(steps)
    assert found.options["--checkpoint_step_interval"] == found.options["--validation_step_interval"] == every
    assert found.options["--num_train_epochs"] == 0, "the trainer refuses steps beside epochs, and has 1 by default"
    assert "--checkpointing_steps" not in found.options, "the trainer keeps one of two names, by their order"
    assert len(found.told) == (wanted is not None and whole(wanted) != every)
    assert all(name in told for told in found.told)


def test_where_both_were_asked_for_validations_follow_the_checkpoints_and_each_change_is_told() -> None:
    found = ending({"--max_train_steps": 20, "--checkpoint_step_interval": 8, "--validation_steps": 5})
    assert found.options["--validation_step_interval"] == found.options["--checkpoint_step_interval"] == 10
    assert "--validation_steps" not in found.options
    assert len(found.told) == 2 and "'--validation_steps' is 10 instead of 5" in found.told[1]


def test_where_only_validations_were_asked_for_checkpoints_follow_them_and_are_no_flood() -> None:
    assert ending({"--max_train_steps": 1000, "--validation_steps": 200}).options["--checkpoint_step_interval"] == 200
    assert ending({"--max_train_steps": 1000, "--validation_steps": 10}).options["--checkpoint_step_interval"] == 125


def test_a_run_of_one_step_has_two_because_the_trainer_never_validates_its_first() -> None:
    found = ending({"--max_train_steps": 1, "--checkpoint_step_interval": 1})
    assert (found.options["--max_train_steps"], found.last_step) == (2, 2)
    assert found.options["--validation_step_interval"] == found.options["--checkpoint_step_interval"] == 1
    assert len(found.told) == 1 and "2 instead of 1" in found.told[0]


@pytest.mark.parametrize(
    ("config", "every"),
    [
        ({"--num_train_epochs": 3}, 36),
        ({"--num_train_epochs": "3", "--max_train_steps": 0, "--checkpoint_epoch_interval": 1}, 12),
        ({"--num_train_epochs": 3, "--validation_epoch_interval": 2}, 18),
        ({"--num_train_epochs": 3, "--checkpoint_epoch_interval": 1, "--checkpoint_step_interval": 9}, 9),
        ({"--num_train_epochs": 3, "--checkpoint_step_interval": 0, "--validation_step_interval": None}, 36),
    ],
)
def test_epochs_become_steps_where_it_is_known_how_long_one_is(config: dict[str, Any], every: int) -> None:
    found = ending(config, epoch_steps=12)
    assert (found.options["--max_train_steps"], found.options["--num_train_epochs"], found.last_step) == (36, 0, 36)
    assert found.options["--checkpoint_step_interval"] == found.options["--validation_step_interval"] == every
    assert not {"--checkpoint_epoch_interval", "--validation_epoch_interval"} & set(found.options)
    assert "3 epochs of 12" in found.told[0]


def test_steps_decide_where_epochs_are_set_as_well() -> None:
    found = ending({"--max_train_steps": 20, "--num_train_epochs": 4}, epoch_steps=12)
    assert (found.last_step, found.options["--num_train_epochs"]) == (20, 0)
    assert "'--num_train_epochs' (4) was left out" in found.told[0]


@pytest.mark.parametrize(
    ("intervals", "epoch_steps", "why"),
    [
        ({"--checkpoint_epoch_interval": 1}, None, "nobody knows here how many steps an epoch has"),
        ({"--checkpoint_epoch_interval": 1, "--checkpoint_step_interval": 10}, 10, "an interval in steps is set"),
    ],
)
def test_an_interval_in_epochs_that_is_not_kept_is_told(
    intervals: dict[str, int], epoch_steps: int | None, why: str
) -> None:
    found = ending({"--max_train_steps": 20} | intervals, epoch_steps)
    assert any(f"'--checkpoint_epoch_interval' (1) was left out: {why}" in told for told in found.told)


@pytest.mark.parametrize("config", [{"--num_train_epochs": 10}, {}, {"--max_train_steps": 0}])
def test_epochs_of_unknown_length_are_refused_unless_the_hub_alone_gets_the_model(config: dict[str, Any]) -> None:
    """Run for real: by epochs the trainer leaves its loop before it writes the checkpoint of the last one."""
    found = ending(config)
    assert found.last_step is None
    check_that_it_arrives(found, only_to_hub=True)
    with pytest.raises(InvalidConfig, match="max_train_steps"):
        check_that_it_arrives(found, only_to_hub=False)


@pytest.mark.parametrize(
    "config",
    [
        {"--model_family": "minimaxmusic", "--minimax_music_train_component": "language_model"},
        {"--deepspeed_config": {"zero_optimization": {"stage": 3}}},
        {"--deepspeed_config": '{"zero_optimization": {"stage": 3}}'},
    ],
)
def test_what_the_trainer_cannot_validate_goes_to_the_hub_or_nowhere(config: dict[str, Any]) -> None:
    found = ending({"--max_train_steps": 20, **config})
    check_that_it_arrives(found, only_to_hub=True)
    with pytest.raises(InvalidConfig, match="Hub alone"):
        check_that_it_arrives(found, only_to_hub=False)


@pytest.mark.parametrize("config", [{"zero_optimization": {"stage": 2}}, "config/zero.json", [], {"stage": 3}, None])
def test_other_ways_to_train_in_parts_are_no_obstacle(config: Any) -> None:
    check_that_it_arrives(ending({"--max_train_steps": 20, "--deepspeed_config": config}), only_to_hub=False)


def test_with_gradient_accumulation_one_step_more_is_trained_and_the_asked_one_is_the_model() -> None:
    """Run for real: 10 steps of 2 batches of 12 pictures deliver step 5, and 11 of them deliver step 10."""
    found = ending({"--max_train_steps": 20, "--gradient_accumulation_steps": "4", "--checkpoint_step_interval": 10})
    assert (found.options["--max_train_steps"], found.last_step) == (21, 20)
    assert found.options["--checkpoint_step_interval"] == found.options["--validation_step_interval"] == 10
    assert len(found.told) == 1 and "accumulation" in found.told[0]
    assert ending({"--max_train_steps": 20, "--gradient_accumulation_steps": 1}).options["--max_train_steps"] == 20


def test_no_validation_is_put_off_beyond_the_end() -> None:
    late = {"--validate_after_step": 21, "--validate_after_epoch": "1"}
    found = ending({"--max_train_steps": 20, **late})
    assert not set(late) & set(found.options) and len(found.told) == 2
    assert ending({"--max_train_steps": 20, "--validate_after_step": 20}).options["--validate_after_step"] == 20


def test_what_has_nothing_to_do_with_the_end_stays_as_it_was_asked() -> None:
    kept = {
        "--validation_on_startup": True,
        "--validation_num_inference_steps": 30,
        "--checkpoints_total_limit": 1,
        "--disable_benchmark": True,
    }
    found = ending({"--max_train_steps": 20, "--checkpoint_step_interval": 10, **kept})
    assert kept.items() <= found.options.items() and found.told == ()


def test_what_would_keep_the_trainer_from_sending_is_taken_out_and_told() -> None:
    config = {"--max_train_steps": 10, "--validation_disable": True, "--validation_method": "external-script"}
    found = publishing_last_weights(config)
    assert found.options["--validation_prompt"]
    assert not {"--validation_disable", "--validation_method"} & set(found.options)
    assert len(found.told) == 3


@pytest.mark.parametrize("prompt", [None, "", " ", "None"])
def test_an_empty_prompt_is_none(prompt: Any) -> None:
    found = publishing_last_weights({"--max_train_steps": 10, "--validation_prompt": prompt})
    assert found.options["--validation_prompt"] == "a photograph" and len(found.told) == 1


def test_a_family_that_validates_only_when_told_to_is_told_to() -> None:
    found = ending({"--max_train_steps": 10, "--model_family": "ideogram"})
    assert found.options["--ideogram_validation"] is True and len(found.told) == 1


def test_a_prompt_library_on_the_submitters_disk_does_not_travel() -> None:
    prepared = normalise({"user_prompt_library": "config/prompts.json", "max_train_steps": 5})
    assert "--user_prompt_library" not in prepared.config and "--user_prompt_library" in prepared.warnings[0]


@pytest.mark.parametrize(
    ("config", "target"),
    [
        ({}, None),
        ({"--hub_model_id": "me/lora"}, None),
        ({"--push_to_hub": False, "--hub_model_id": "me/lora"}, None),
        ({"--push_to_hub": True, "--hub_model_id": "me/lora"}, "me/lora"),
        ({"--push_to_hub": "true", "--hub_model_id": "https://huggingface.co/me/lora/"}, "me/lora"),
    ],
)
def test_a_push_to_the_hub_is_read_from_the_config(config: dict[str, Any], target: str | None) -> None:
    assert hub_target(config) == target


@pytest.mark.parametrize("name", [None, "", "a/b/c", "me/lo ra"])
def test_a_push_without_a_usable_name_is_refused(name: str | None) -> None:
    with pytest.raises(InvalidConfig, match="hub_model_id"):
        hub_target({"--push_to_hub": True, "--hub_model_id": name})
