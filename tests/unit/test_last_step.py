"""The last weights arrive: every launched config validates, and checkpoints on its last step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.artifacts import is_weights, last_weights
from chalicelib.domain.configs import hub_target, normalise
from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.last_step import nearest_divisor, publishing_last_weights


@given(last=st.integers(1, 200_000), wanted=st.integers(1, 200_000))
def test_the_interval_divides_the_run_and_is_no_flood(last: int, wanted: int) -> None:
    every = nearest_divisor(last, wanted)
    assert last % every == 0
    assert every * 4 >= min(wanted, last)


@pytest.mark.parametrize(
    ("steps", "wanted", "every"),
    [(1000, 250, 250), (1000, 300, 250), (1000, 5000, 1000), (997, 500, 997), ("30000", "1000", 1000), (60, None, 60)],
)
def test_a_checkpoint_falls_on_the_last_step(steps: Any, wanted: Any, every: int) -> None:
    config = {"--max_train_steps": steps, "--validation_prompt": "a cat"}
    if wanted is not None:
        config["--checkpoint_step_interval"] = wanted
    options, told = publishing_last_weights(config)
    assert options["--checkpoint_step_interval"] == every
    assert bool(told) == (wanted is not None and int(wanted) != every)


def test_the_name_that_the_user_chose_for_the_interval_is_kept() -> None:
    options, _ = publishing_last_weights({"--max_train_steps": 90, "--checkpointing_steps": 40})
    assert options["--checkpointing_steps"] == 45 and "--checkpoint_step_interval" not in options


@pytest.mark.parametrize(
    ("config", "every"), [({"--num_train_epochs": 10}, 10), ({}, 1), ({"--max_train_steps": 0}, 1)]
)
def test_a_run_by_epochs_ends_on_a_checkpoint_too(config: dict[str, Any], every: int) -> None:
    assert publishing_last_weights(config)[0]["--checkpoint_epoch_interval"] == every


def test_what_would_keep_the_trainer_from_sending_is_taken_out_and_told() -> None:
    config = {"--max_train_steps": 10, "--validation_disable": True, "--validation_method": "external-script"}
    options, told = publishing_last_weights(config)
    assert options["--validation_prompt"] and not {"--validation_disable", "--validation_method"} & set(options)
    assert len(told) == 3


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


def test_the_model_is_the_final_weights_or_else_the_last_checkpoint() -> None:
    checkpoints = ["checkpoint-9/a.safetensors", "checkpoint-10/a.safetensors", "checkpoint-10/optimizer.bin"]
    assert last_weights(checkpoints) == {"checkpoint-10/a.safetensors"}
    assert last_weights([*checkpoints, "pytorch_lora_weights.safetensors"]) == {"pytorch_lora_weights.safetensors"}
    assert last_weights(["validation_images/a.png"]) == set()
    assert not is_weights("checkpoint-10/optimizer.safetensors") and not is_weights("checkpoint-1/random_states_0.pt")
