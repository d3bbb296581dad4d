"""What is the model among the files that a trainer sends, as real runs leave them for each kind of training."""

from __future__ import annotations

import pytest

from chalicelib.domain.artifacts import is_weights, last_weights, step_of

HASH = "3f" * 32
AROUND = [
    "all_text_cache_files_text.json",
    "validation_images/step_20_validation_0_64x64.png",
    "benchmarks/base_model/validation_64x64.png",
    *(f"cache/text/flux/{HASH}{number}.pt" for number in range(3)),
    f"cache/text/flux/{HASH}-flux.pt",
    "vae-cache/img00.pt",
    "vae-cache/img01.safetensors",
    "cache_vae/sub/img02.safetensors",
    f"{HASH}-flux.pt",
]
STATES = [
    "optimizer.bin",
    "scheduler.bin",
    "random_states_0.pkl",
    "training_state.json",
    "training_state-squares.json",
    "ramtorch_prefetch_orders.json",
    "checkpoint_manifest.json",
    ".guard",
    "assets/image_0.png",
]


def checkpoint(step: int, *weights: str) -> list[str]:
    return [f"checkpoint-{step}/{name}" for name in (*STATES, *weights)]


LORA = "pytorch_lora_weights.safetensors"
KINDS = {
    "lora": [LORA],
    "lora with an average": [LORA, f"ema/{LORA}"],
    "lycoris": [LORA, "ema/ema_model.safetensors"],
    "full": ["unet/diffusion_pytorch_model.safetensors", "unet_ema/diffusion_pytorch_model.safetensors"],
    "full, in parts": [f"transformer/diffusion_pytorch_model-0000{n}-of-00002.safetensors" for n in (1, 2)],
    "controlnet": ["controlnet/diffusion_pytorch_model.safetensors"],
}


def test_text_caches_are_not_the_model_and_the_newest_checkpoint_is() -> None:
    """What a real run leaves at its end: nothing at the top of the folder has arrived."""
    files = [*AROUND, *checkpoint(10, LORA), *checkpoint(20, LORA)]
    assert last_weights(files) == {f"checkpoint-20/{LORA}"}
    assert last_weights(AROUND) == set(), "a place with caches alone holds no weights"
    assert not any(is_weights(name) for name in AROUND)


@pytest.mark.parametrize("kind", KINDS)
def test_of_every_kind_of_training_all_weights_of_the_last_checkpoint_are_the_model(kind: str) -> None:
    files = [*AROUND, *checkpoint(9, *KINDS[kind]), *checkpoint(10, *KINDS[kind])]
    assert last_weights(files) == {f"checkpoint-10/{name}" for name in KINDS[kind]}
    assert step_of(last_weights(files)) == 10


def test_final_weights_are_the_model_and_stand_at_the_last_step_whatever_it_is() -> None:
    assert last_weights([*AROUND, *checkpoint(20, LORA), LORA]) == {LORA}
    pipeline = ["pipeline/unet/diffusion_pytorch_model.safetensors", "pipeline/vae/diffusion_pytorch_model.safetensors"]
    assert last_weights([*checkpoint(20, "unet/diffusion_pytorch_model.safetensors"), *pipeline]) == set(pipeline)
    assert step_of({LORA}) is None and step_of(set()) is None


def test_a_checkpoint_that_is_still_being_written_is_not_there_yet() -> None:
    files = [*checkpoint(10, LORA), f"checkpoint-20-tmp/{LORA}"]
    assert last_weights(files) == {f"checkpoint-10/{LORA}"}
    assert last_weights([f"checkpoint-20-rolling/{LORA}"]) == {f"checkpoint-20-rolling/{LORA}"}


def test_an_average_alone_is_not_the_model() -> None:
    assert last_weights([f"checkpoint-10/ema/{LORA}", "checkpoint-10/unet_ema/ema_model.safetensors"]) == set()


@pytest.mark.parametrize("name", ["pytorch_lora_weights.pt", "pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_other_formats_count_by_a_models_name_and_only_where_there_are_no_safetensors(name: str) -> None:
    assert last_weights([*AROUND, *checkpoint(20, name)]) == {f"checkpoint-20/{name}"}
    assert last_weights([*checkpoint(20, name), *checkpoint(10, LORA)]) == {f"checkpoint-10/{LORA}"}


@pytest.mark.parametrize(
    "name", ["sla_attention.pt", "sdnq/unet_training.pt", "unet_ema/ema_metadata.pt", "optimizer.safetensors", "a.bin"]
)
def test_what_only_looks_like_weights_is_not_the_model(name: str) -> None:
    assert last_weights([f"checkpoint-20/{name}"]) == set()
