"""The configs that both parsers are asked about: each option with values of every kind, and what goes wrong in pairs.

.venv/bin/python -m tests.trainer.cases | TRAINER/bin/python tools/judge_configs.py > tests/trainer/verdicts.json
TRAINER/bin/python tools/judge_configs.py --examples > tests/trainer/examples.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from chalicelib.domain.trainer_options import trainer_options

BASE: dict[str, Any] = {
    "--model_family": "flux",
    "--model_type": "lora",
    "--optimizer": "adamw_bf16",
    "--pretrained_model_name_or_path": "black-forest-labs/FLUX.1-dev",
    "--max_train_steps": 20,
    "--num_train_epochs": 0,
    "--validation_prompt": "a sun",
}
LYCORIS = {"algo": "lokr", "multiplier": 1.0, "linear_dim": 16, "linear_alpha": 1}
VALUES: tuple[Any, ...] = (
    True, False, "true", "False", "word", 3, 1.5, 0, -1, "", None, [4, 5], {"a": 1}, "0.5", "1e-4", "7", 1e16, "yes",
    "Off", "[1, 2]", '{"a": true}', " 2 ", "nan", "word,word", "{env:NOTHING}",
)  # fmt: skip
A_KIND = 2
"""Values that each option is tried with, so that a neighbour is tried with others."""

WITHOUT = "without"

BY_HAND: tuple[dict[str, Any], ...] = (
    {},
    {"fo": 1},
    {"--learning_rat": 1e-4},
    {"--learning": 1e-4},
    {"--max_train": 20},
    {"--max-train-steps": 20},
    {"lr_scheduler": "cosine_with_warmup"},
    {"lr_scheduler": "Cosine"},
    {"lr_scheduler": "cosin"},
    {"--model_family": "FLUX"},
    {"--model_family": "pixart_sigma"},
    {"--model_family": "kandinsky5-image"},
    {"--model_family": "cosmos2image"},
    {"--model_family": "z-image"},
    {"--model_type": "LORA"},
    {"--num_train_epochs": 3},
    {"--num_train_epochs": 3, "--max_train_steps": 0},
    {"--num_train_epochs": 0, "--max_train_steps": 0},
    {"--num_train_epochs": "2", "--max_train_steps": None},
    {"--optimizer": "adamw8bit"},
    {"--optimizer": "adamw_bf"},
    {"--optimizer": "prodigy", "--optimizer_config": "d_coef=1.0"},
    {"--optimizer_config": "d_coef"},
    {"--optimizer_beta1": 0.9},
    {"--optimizer_beta1": 0.9, "--optimizer_beta2": 0.99},
    {"--mixed_precision": "fp8"},
    {"--mixed_precision": "no"},
    {"--mixed_precision": "fp8", "--base_model_precision": "int8-quanto"},
    {"--quantize_via": "pipeline", "--base_model_precision": "int8-sdnq"},
    {"--quantize_via": "pipeline", "--base_model_precision": "nf4-bnb"},
    {"--base_model_precision": "nf4-bnb", "--text_encoder_1_precision": "int8-sdnq"},
    {"--quantization_config": '{"load_in_4bit": true}'},
    {"--quantization_config": '["x"]'},
    {"--quantization_config": "plain"},
    {"--quantization_config": {"load_in_4bit": True}},
    {"--quantization_config": '{"a": 1}', "--model_type": "full"},
    {"--quantization_config": '{"a": 1}', "--base_model_precision": "int8-sdnq"},
    {"--resolution_type": "area", "--maximum_image_size": 1024, "--target_downsample_size": 4},
    {"--resolution_type": "pixel", "--maximum_image_size": 300, "--target_downsample_size": 600},
    {"--resolution_type": "pixel", "--maximum_image_size": 1024},
    {"--resolution_type": "area", "--target_downsample_size": 6},
    {"--lora_type": "lycoris"},
    {"--peft_lora_target_modules": ["to_q", "to_k"]},
    {"--peft_lora_target_modules": '["to_q"]'},
    {"--peft_lora_target_modules": {"a": 1}},
    {"--peft_lora_target_modules": "[1]"},
    {"--tread_config": {"routes": [{"selection_ratio": 0.5}]}},
    {"--tread_config": {"on": True}},
    {"--tread_config": '{"on": true}'},
    {"--tread_config": "{'on': True}"},
    {"--validation_guidance_skip_layers": "[7, 8]"},
    {"--model_family": "sd3", "--validation_guidance_skip_layers": "[7, 8]"},
    {"--model_family": "sd3", "--validation_guidance_skip_layers": "7"},
    {"--model_family": "sd3", "--validation_guidance_skip_layers": "seven"},
    {"--report_to": ["wandb", "tensorboard"]},
    {"--report_to": "wandb,none"},
    {"--report_to": "wandbb"},
    {"--report_to": "all"},
    {"--fsdp_enable": True},
    {"--fsdp_enable": True, "--deepspeed_config": "x"},
    {"--fsdp_enable": True, "--fsdp_version": 3},
    {"--fsdp_enable": True, "--base_model_precision": "int8-quanto"},
    {"--fsdp_enable": True, "--fsdp_state_dict_type": "whole"},
    {"--flow_cubic_schedule_weights": "1,0,2"},
    {"--flow_cubic_schedule_weights": "1,-2"},
    {"--flow_cubic_schedule_weights": "[0, 0]"},
    {"--flow_cubic_schedule_weights": "1,2", "--flow_use_uniform_schedule": True},
    {"--distillation_method": "lcm", "--train_text_encoder": True},
    {"--distillation_config": '{"a": '},
    {"--diffusion_blocks_config": "[1]"},
    {"--diffusion_blocks_config": {"blocks": 3}},
    {"--model_card_base_model": "a--b"},
    {"--model_card_base_model": "me/model"},
    {"--disk_low_threshold": "50G"},
    {"--disk_low_threshold": "many"},
    {"--validation_adapter_path": "a/b", "--validation_adapter_config": '{"a": 1}'},
    {"--validation_adapter_strength": 0},
    {"--ignore_final_epochs": True},
    {"--ignore_final_epochs": "word"},
    {"--save_total_limit": 3},
    {"--save_total_limit": "word"},
    {"--validation_steps": 10},
    {"--checkpointing_steps": "10.5"},
    {"--vae_cache_preprocess": False},
    {"repeats": "word"},
    {"__active_tab__": "basic"},
    {"--ramtorch": True},
    {"--attention_mechanism": "metal-flash-attention"},
    {"--num_processes": 8, "--context_parallel_size": 2},
    *(
        {WITHOUT: name}
        for name in ("--model_family", "--model_type", "--optimizer", "--num_train_epochs", "--max_train_steps")
    ),
)


def named() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each case's name, which is what it changes, and its whole config."""
    for change in [*BY_HAND, *_of_each_option()]:
        gone = change.get(WITHOUT)
        config = {name: value for name, value in BASE.items() if name != gone} | change
        config.pop(WITHOUT, None)
        yield json.dumps(change), config


def _of_each_option() -> Iterator[dict[str, Any]]:
    names = sorted({option.name for option in trainer_options().options.values()} - set(BASE))
    for place, name in enumerate(names):
        for turn in range(A_KIND):
            yield {name: VALUES[(place * A_KIND + turn) % len(VALUES)]}


def main() -> None:
    json.dump([{"name": name, "config": config} for name, config in named()], sys.stdout)


if __name__ == "__main__":
    main()
