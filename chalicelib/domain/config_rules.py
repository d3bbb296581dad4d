"""What the trainer refuses of options that are each right by themselves.

Each rule is one that its parser has in its own code. Rules that ask about the machine, such as whether a library is
there, are left to it: the stock image is built by others.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.domain.config_arguments import Fault, near
from chalicelib.domain.trainer_options import TrainerOptions

_NONE = (None, "", "None")
_TEXT_ENCODERS = tuple(f"--text_encoder_{number}_precision" for number in range(1, 5))
_SKIPS_LAYERS = ("sd3", "wan", "wan_s2v", "zlab_i1", "moss_image")
_REPOSITORY = re.compile(r"(\b[\w\-.]{1,96}\b/)?\b[\w\-.]{1,96}\b", re.ASCII)
_DISK_SIZE = re.compile(r"\d+(\.\d+)?\s*[KMGT]?B?")

Values = Mapping[str, Any]


def broken(values: Values, trainer: TrainerOptions, lycoris: Mapping[str, Any] | None) -> list[Fault]:
    """``values`` by the options' names, with their defaults. ``lycoris`` is the LyCORIS config that goes along."""
    rules = (_length, _sizes, _numbers, _json_texts, _quantisation, _pairs, _validation, _flow, _sharding)
    faults = [fault for rule in rules for fault in rule(values)]
    return [
        *_optimizer(values, trainer),
        *_flavour(values, trainer),
        *_precision(values, trainer),
        *faults,
        *_lora(values, lycoris),
    ]


def machine(values: Values, given: frozenset[str], gpus: int, name: str) -> tuple[list[Fault], list[str]]:
    """What the config asks of the GPUs, against those of one machine; and what is to be told of it."""
    faults, told = list[Fault](), list[str]()
    asked = values.get("--num_processes") or 1
    if asked > gpus:
        machine_of = f"a machine with {asked} GPUs" if asked > 1 else "another machine"
        faults.append(
            Fault(
                "--num_processes",
                f"asks for {asked} GPUs, and {name} has {gpus}: choose {machine_of}, or set it to {gpus}",
            )
        )
    elif "--num_processes" in given and asked < gpus:
        told.append(
            f"'--num_processes' is {asked}, and {name} has {gpus} GPUs: all of them train, as all are paid for."
        )
    size = values.get("--context_parallel_size") or 1
    if size > gpus:
        faults.append(
            Fault(
                "--context_parallel_size",
                f"splits each sample over {size} GPUs, and {name} has {gpus}: choose one with more, or leave it out",
            )
        )
    elif gpus % size:
        faults.append(
            Fault("--context_parallel_size", f"is {size}, by which the {gpus} GPUs of {name} cannot be divided")
        )
    return faults, told


def _length(values: Values) -> Iterator[Fault]:
    steps, epochs = values.get("--max_train_steps") or 0, values.get("--num_train_epochs") or 0
    if steps > 0 and epochs > 0:
        yield Fault(
            "--num_train_epochs", f"must be 0 beside '--max_train_steps' ({steps}): the trainer takes one or the other"
        )
    if steps <= 0 and epochs <= 0:
        yield Fault(
            "--max_train_steps", "and '--num_train_epochs' are both 0, so there is nothing to train: set one of them"
        )


def _optimizer(values: Values, trainer: TrainerOptions) -> Iterator[Fault]:
    name = values.get("--optimizer")
    if name in trainer.gone_optimizers:
        yield Fault("--optimizer", f"cannot be '{name}', which the trainer no longer has", ("adamw_bf16",))
    elif name is not None and name not in trainer.optimizers:
        problem = f"cannot be '{str(name)[:40]}', which the trainer does not have"
        yield Fault("--optimizer", problem, near(str(name), trainer.optimizers) or ("adamw_bf16",), by_version=True)
    pairs = [pair.split("=") for pair in str(values.get("--optimizer_config") or "").split(",") if pair]
    if any(len(pair) < 2 for pair in pairs):
        yield Fault("--optimizer_config", "must be written as name=value,name=value")
    if (values.get("--optimizer_beta1") is None) != (values.get("--optimizer_beta2") is None):
        yield Fault("--optimizer_beta1", "and '--optimizer_beta2' go together: give both or neither")


def _flavour(values: Values, trainer: TrainerOptions) -> Iterator[Fault]:
    family, flavour = values.get("--model_family"), values.get("--model_flavour")
    known = trainer.flavours.get(str(family), ())
    if flavour not in _NONE and known and flavour not in known and not values["--pretrained_model_name_or_path"]:
        problem = f"cannot be '{str(flavour)[:40]}': {family} has {', '.join(known)}"
        yield Fault("--model_flavour", problem, near(str(flavour), known), by_version=True)


def _precision(values: Values, trainer: TrainerOptions) -> Iterator[Fault]:
    base, mixed = values["--base_model_precision"] or "no_change", values["--mixed_precision"]
    by_pipeline = values["--quantize_via"] == "pipeline"
    text = [values.get(name) for name in _TEXT_ENCODERS]
    config = _json_value(values.get("--quantization_config"))
    by_hand = trainer.manual_presets - trainer.pipeline_presets
    gguf = str(values.get("--pretrained_model_name_or_path") or "").endswith(".gguf")
    quantised = base != "no_change" or config not in _NONE or gguf
    if quantised and mixed == "fp8" and base != "fp8-torchao":
        yield Fault("--mixed_precision", "cannot be 'fp8' with a quantised base model", ("bf16",))
    fits = base in trainer.pipeline_presets or base == "no_change" or config not in _NONE or gguf
    if by_pipeline and (base in by_hand or not fits):
        yield Fault("--quantize_via", f"cannot be 'pipeline' with the base model in '{base}'")
    if (by_pipeline or base in trainer.pipeline_presets) and any(one in by_hand for one in text):
        yield Fault(
            "--base_model_precision",
            "and the text encoders' precision do not go together: one is quantised in the pipeline, the other by hand",
        )
    if config not in _NONE and base not in trainer.pipeline_presets and base != "no_change":
        yield Fault("--quantization_config", f"does not go with a base model in '{base}'")
    if config not in _NONE and any(one in trainer.manual_presets | trainer.pipeline_presets for one in text):
        yield Fault("--quantization_config", "has to say itself how the text encoders are quantised")


def _quantisation(values: Values) -> Iterator[Fault]:
    if values.get("--optimizer") == "adam_bfloat16" and values["--mixed_precision"] != "bf16":
        yield Fault("--mixed_precision", "must be 'bf16' with this optimizer")
    config = _json_value(values.get("--quantization_config"))
    if isinstance(config, list | str) and config not in _NONE:
        yield Fault("--quantization_config", "must be a JSON object")
    if config not in _NONE and values.get("--model_type") != "lora":
        yield Fault("--quantization_config", "is for LoRA training alone")


def _sizes(values: Values) -> Iterator[Fault]:
    kind, most, down = values["--resolution_type"], values["--maximum_image_size"], values["--target_downsample_size"]
    if most is not None and not down:
        yield Fault("--maximum_image_size", "needs '--target_downsample_size' beside it")
    for name, size in (("--maximum_image_size", most), ("--target_downsample_size", down)):
        if size is not None and kind == "area" and size > 5:
            yield Fault(name, f"is in megapixels where '--resolution_type' is 'area', and {size} are more than 5")
        if size is not None and kind == "pixel" and size < 512:
            yield Fault(name, f"is in pixels where '--resolution_type' is 'pixel', and {size} are fewer than 512")


def _numbers(values: Values) -> Iterator[Fault]:
    if not 0.0 <= values["--timestep_bias_portion"] <= 1.0:
        yield Fault("--timestep_bias_portion", "must be from 0 to 1")
    if values["--metadata_update_interval"] < 60:
        yield Fault("--metadata_update_interval", "must be at least 60 seconds")
    if values["--gradient_accumulation_steps"] < 1:
        yield Fault("--gradient_accumulation_steps", "must be at least 1")
    frames = values.get("--validation_num_video_frames")
    if frames is not None and frames < 1:
        yield Fault("--validation_num_video_frames", "must be at least 1")
    for name in ("--validate_after_step", "--validate_after_epoch"):
        if values.get(name) is not None and values[name] < 0:
            yield Fault(name, "must not be below 0")
    size = values.get("--context_parallel_size")
    if size is not None and size <= 0:
        yield Fault("--context_parallel_size", "must be at least 1")


def _json_texts(values: Values) -> Iterator[Fault]:
    for name in ("--controlnet_custom_config", "--tread_config", "--sla_config"):
        text = values.get(name)
        if isinstance(text, str) and text.strip().startswith("{") and not _is_python(text.strip()):
            yield Fault(name, "is read as Python, so it must not hold true, false or null: write True, False, None")
    for name in ("--quantization_config", "--deepspeed_config", "--distillation_config", "--validation_adapter_config"):
        if values.get(name) not in _NONE and _json_value(values[name]) is _BAD:
            yield Fault(name, "is not valid JSON")
    blocks = values.get("--diffusion_blocks_config")
    if blocks is not None and not isinstance(_json_value(blocks), dict):
        yield Fault("--diffusion_blocks_config", "must be a JSON object")
    for name in ("--sdnq_modules_to_not_convert", "--sdnq_modules_to_not_use_matmul"):
        listed = _json_value(values.get(name))
        if not (listed in _NONE or isinstance(listed, str) or _texts(listed)):
            yield Fault(name, "must be a JSON list of texts, or words with commas between them")
    for name in ("--sdnq_modules_dtype_dict", "--sdnq_modules_quant_config"):
        table = _json_value(values.get(name))
        if table not in _NONE and not isinstance(table, dict):
            yield Fault(name, "must be a JSON object")
    modules = values.get("--peft_lora_target_modules")
    if modules not in _NONE and not _texts(_json_value(modules)):
        yield Fault("--peft_lora_target_modules", 'must be a JSON list of texts, such as ["to_q", "to_k"]')


def _pairs(values: Values) -> Iterator[Fault]:
    if values.get("--distillation_method") not in _NONE and values.get("--train_text_encoder"):
        yield Fault("--train_text_encoder", "does not go with '--distillation_method'")
    card = values.get("--model_card_base_model")
    if card and not (
        _REPOSITORY.fullmatch(card) and "--" not in card and ".." not in card and not card.endswith(".git")
    ):
        yield Fault("--model_card_base_model", "must be a model's name at the Hugging Face Hub, such as name/model")
    threshold = values.get("--disk_low_threshold")
    if threshold not in _NONE:
        if not _DISK_SIZE.fullmatch(str(threshold).strip().upper()):
            yield Fault("--disk_low_threshold", "must be a size such as 50G")
        if values.get("--disk_low_action") == "script":
            yield Fault("--disk_low_action", "cannot be 'script': your scripts are not on the GPU box", ("stop",))
    if values.get("--attention_mechanism") == "metal-flash-attention":
        yield Fault("--attention_mechanism", "is for Apple's GPUs, and the machines here have NVIDIA's")


def _validation(values: Values) -> Iterator[Fault]:
    skipped = values.get("--validation_guidance_skip_layers")
    if skipped is not None:
        if values.get("--model_family") not in _SKIPS_LAYERS:
            yield Fault("--validation_guidance_skip_layers", f"is for {', '.join(_SKIPS_LAYERS)} alone")
        elif not _is_json(skipped):
            yield Fault("--validation_guidance_skip_layers", "must be a JSON list")
    if str(values.get("--validation_adapter_path") or "").strip() and values.get("--validation_adapter_config"):
        yield Fault(
            "--validation_adapter_path", "and '--validation_adapter_config' exclude each other: give one of them"
        )
    strength = values.get("--validation_adapter_strength")
    if strength == 0:
        yield Fault("--validation_adapter_strength", "must not be 0")


def _flow(values: Values) -> Iterator[Fault]:
    raw = values.get("--flow_cubic_schedule_weights")
    if raw is None or not str(raw).strip() or str(raw).strip().lower() == "none":
        return
    if not _are_weights(str(raw).strip()):
        yield Fault("--flow_cubic_schedule_weights", "must be numbers from 0 up, of which one at least is more than 0")
        return
    others = (
        "--flow_use_uniform_schedule",
        "--flow_use_beta_schedule",
        "--flux_fast_schedule",
        "--flow_custom_timesteps",
    )
    for name in others:
        if values.get(name) not in (*_NONE, False):
            yield Fault(name, "does not go with '--flow_cubic_schedule_weights'")


def _sharding(values: Values) -> Iterator[Fault]:
    if not values.get("--fsdp_enable"):
        return
    if values.get("--deepspeed_config") not in (*_NONE, False):
        yield Fault("--fsdp_enable", "does not go with '--deepspeed_config'")
    version = values.get("--fsdp_version")
    if version not in (1, 2):
        yield Fault("--fsdp_version", "must be 1 or 2")
    state = str(values.get("--fsdp_state_dict_type") or "").strip().upper()
    if state not in ("", "SHARDED_STATE_DICT", "FULL_STATE_DICT"):
        yield Fault("--fsdp_state_dict_type", "must be SHARDED_STATE_DICT or FULL_STATE_DICT")
    quanto = [name for name in ("--base_model_precision", *_TEXT_ENCODERS) if "quanto" in str(values.get(name) or "")]
    if version == 2 and quanto:
        yield Fault(quanto[0], "cannot be a quanto precision with '--fsdp_version' 2")
    if version == 2 and values.get("--fsdp_cpu_offload"):
        released = values.get("--optimizer_release_gradients") and "optimi" in str(values.get("--optimizer"))
        if released or str(values.get("--optimizer_cpu_offload_method") or "").lower() == "torchao":
            yield Fault("--fsdp_cpu_offload", "does not go with this optimizer's way of releasing memory")


def _lora(values: Values, lycoris: Mapping[str, Any] | None) -> Iterator[Fault]:
    if str(values.get("--lora_type")).lower() != "lycoris":
        return
    if lycoris is None:
        yield Fault(
            "--lycoris_config", "is missing, and '--lora_type' is 'lycoris': send the LyCORIS config with the job"
        )
        return
    needed = ["algo", "multiplier", "linear_alpha"] + ["linear_dim"] * (lycoris.get("full_matrix") is not True)
    for name in needed:
        if name not in lycoris:
            yield Fault("--lycoris_config", f"lacks '{name}'")


_BAD = object()


def _json_value(raw: Any) -> Any:
    """As the trainer reads options that may be JSON: JSON, else a Python literal, else the text itself."""
    if not isinstance(raw, str):
        return raw
    text = raw.strip()
    if not text or raw == "None":
        return None
    if text[0] not in "{[":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text) if _is_python(text) else _BAD
    except RecursionError:
        return _BAD


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_python(text: str) -> bool:
    """Only ever asked of a text of an option; ``literal_eval`` runs nothing."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) or one in _NONE for one in value)


def _are_weights(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = [part.strip() for part in text.replace(";", ",").split(",")]
    try:
        numbers = [float(one) for one in (found if isinstance(found, list) else [found])]
    except (TypeError, ValueError):
        return False
    fit = all(math.isfinite(one) and one >= 0 for one in numbers)
    return fit and (len(numbers) < 2 or any(one > 0 for one in numbers))
