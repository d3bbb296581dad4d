"""Options about the data that are set or taken out on the way to the trainer."""

from __future__ import annotations

import pytest

from chalicelib.domain.data_options import with_trigger, without_skips
from chalicelib.domain.errors import InvalidConfig


def test_a_trigger_is_the_trainers_own_option_for_all_datasets() -> None:
    config, dataloader = with_trigger({"seed": 1, "instance_prompt": "old"}, None, "  sks  dog ")
    assert config == {"seed": 1, "--instance_prompt": "sks dog", "--prepend_instance_prompt": True}
    assert dataloader is None


def test_regularisation_data_is_left_without_the_trigger_and_a_datasets_own_word_holds() -> None:
    entries = [{"id": "a"}, {"id": "b", "is_regularisation_data": True}, {"id": "c", "instance_prompt": "own"}]
    _, dataloader = with_trigger({}, entries, "sks dog")
    assert dataloader == [entries[0], {**entries[1], "prepend_instance_prompt": False}, entries[2]]


@pytest.mark.parametrize("trigger", ["", " \n", "x" * 501])
def test_a_trigger_is_some_words(trigger: str) -> None:
    with pytest.raises(InvalidConfig, match="trigger"):
        with_trigger({}, None, trigger)


def test_discovery_is_never_skipped_on_a_new_machine() -> None:
    config, dataloader, told = without_skips(
        {"--skip_file_discovery": "vae", "seed": 1}, [{"id": "set", "skip_file_discovery": "text"}, {"id": "b"}]
    )
    assert config == {"seed": 1} and dataloader == [{"id": "set"}, {"id": "b"}]
    assert len(told) == 2 and told[1].startswith("Dataset 'set': 'skip_file_discovery' is left out")
    assert without_skips({"skip_file_discovery": ""}, [])[2] == ()
