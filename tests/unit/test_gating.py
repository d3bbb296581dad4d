"""A Hugging Face token goes to a GPU box when the job cannot do without, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.gating import gated_models, needs_token


@pytest.mark.parametrize(
    "config",
    [
        {"--pretrained_model_name_or_path": "black-forest-labs/FLUX.1-dev"},
        {"--pretrained_transformer_model_name_or_path": "black-forest-labs/FLUX.1-Krea-dev"},
        {"--model_family": "flux"},
        {"--model_family": "sd3", "--model_flavour": "medium"},
    ],
)
def test_a_gated_base_needs_the_token(config: dict[str, Any]) -> None:
    assert needs_token(config, None, None) and gated_models(config)


@pytest.mark.parametrize(
    "config",
    [
        {"--pretrained_model_name_or_path": "black-forest-labs/FLUX.1-schnell"},
        {"--model_family": "flux", "--model_flavour": "schnell"},
        {"--model_family": "flux", "--pretrained_model_name_or_path": "me/my-open-model"},
        {"--model_family": "sdxl"},
        {"--validation_prompt": "meta-llama/x"},
    ],
)
def test_an_open_base_gets_no_token(config: dict[str, Any]) -> None:
    assert not needs_token(config, [{"type": "aws"}], None)


def test_a_push_and_data_at_hugging_face_need_it_and_the_list_can_be_made_longer() -> None:
    assert needs_token({}, None, "me/model")
    assert needs_token({}, [{"type": "huggingface"}], None)
    assert needs_token({"--pretrained_model_name_or_path": "Acme/Secret-1"}, None, None, ["acme/*"])
