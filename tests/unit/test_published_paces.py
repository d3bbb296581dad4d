"""Estimates hold on measured runs that they have not seen, and every family of the trainer has one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bench.estimates import cells, coverage, families, median_width, reports
from chalicelib.domain.estimates import estimate, parts, vram_gigabytes
from chalicelib.domain.model_families import AS_OF, FAMILIES, family_of
from chalicelib.domain.published_paces import Seed, seeds
from chalicelib.domain.workloads import Workload, gpus_asked, read
from chalicelib.providers.replicate_prices import offers

OFFERS = {offer.hardware: offer for offer in offers()}
NAMES = [
    "ace_step", "anima", "auraflow", "boogu_image", "chroma", "cosmos", "cosmos3", "deepfloyd", "ernie", "flux",
    "flux2", "heartmula", "hidream", "hunyuanvideo", "ideogram", "infinitetalk", "kandinsky5_image",
    "kandinsky5_video", "kolors", "krea2", "longcat_image", "longcat_video", "ltxvideo", "ltxvideo2", "lumina2",
    "mageflow", "minimaxh3", "minimaxmusic", "omnigen", "pixart", "qwen_image", "sana", "sanavideo", "sd1x", "sd3",
    "sdxl", "stable_cascade", "wan", "wan_s2v", "z_image", "z_image_omni", "zlab_i1",
]  # fmt: skip
SWEEP = [seed for seed in seeds() if seed.source == "M"]
PRECISIONS = {"bf16": "no_change", "int8": "int8-sdnq", "fp8": "fp8-torchao", "fp8wo": "fp8wo-torchao"}
MODES: dict[str, dict[str, Any]] = {
    "n": {"gradient_checkpointing": False},
    "l": {"gradient_checkpointing": True},
    "i": {"gradient_checkpointing_interval": 2},
    "s": {"gradient_checkpointing_interval": 2, "gradient_checkpointing_segment_stride": 4},
    "a": {"gradient_checkpointing_offload_attention": True},
    "o": {
        "gradient_checkpointing_interval": 2,
        "gradient_checkpointing_segment_stride": 4,
        "gradient_checkpointing_offload_attention": True,
    },
}


def work_of(seed: Seed) -> Workload:
    """The job that was measured, as its config would say it."""
    config = {
        "model_family": seed.family,
        "model_type": "lora",
        "lora_rank": 16,
        "max_train_steps": 1000,
        "train_batch_size": seed.batch,
        "base_model_precision": PRECISIONS[seed.precision],
        **MODES[seed.mode],
    }
    if seed.billions:
        config["model_flavour"] = f"t2v-480p-{seed.billions:g}b-2.1"
    entry: dict[str, Any] = {"resolution": seed.pixels / 1e6, "resolution_type": "area"}
    if seed.frames > 1:
        entry |= {"dataset_type": "video", "video": {"num_frames": seed.frames}}
    return read(config, [entry])


def test_of_cells_that_are_held_out_eight_in_ten_are_within_a_range_that_is_of_use() -> None:
    judged = cells(every=5)
    assert len(judged) > 120 and coverage(judged) >= 0.8
    assert median_width(judged) < 2.1


def test_of_families_that_are_held_out_eight_in_ten_cells_are_within_a_range_that_is_honest() -> None:
    judged = families()
    assert len(judged) == len(SWEEP) > 600 and coverage(judged) >= 0.8
    assert median_width(judged) < 9


def test_what_others_report_of_simpletuner_is_within_the_range_of_an_estimate() -> None:
    told = reports()
    assert all(one.used.holds for one in told[:10]), "the ten runs that come with a price"
    assert sum(one.unseen.holds for one in told) >= len(told) // 2


def test_every_family_of_the_trainer_has_an_estimate_under_its_own_name_on_every_machine() -> None:
    assert len(NAMES) == 42 and set(NAMES) <= set(FAMILIES)
    for name in NAMES:
        work = read({"model_family": name, "max_train_steps": 1000})
        for offer in OFFERS.values():
            found = estimate(work, offer)
            assert found and found.low_micros < found.typical_micros < found.high_micros, (name, offer.hardware)
        assert FAMILIES[name].sources or "the range is wide" in str(found and found.how)


@pytest.mark.parametrize(
    ("old", "name"),
    [("kandinsky5-image", "kandinsky5_image"), ("kandinsky5-video", "kandinsky5_video"), ("cosmos2image", "cosmos"),
     ("pixart_sigma", "pixart"), ("Z-Image", "z_image"), ("sd3.5", "sd3")],
)  # fmt: skip
def test_older_names_are_understood(old: str, name: str) -> None:
    found = family_of(old)
    assert found and found.name == name


def test_a_config_of_a_measured_run_is_told_the_measured_step_on_the_machine_it_ran_on() -> None:
    off = []
    for seed in SWEEP[::7]:
        found = parts(work_of(seed), OFFERS[seed.gpu])
        assert found
        off.append(abs(math.log(found.step / seed.seconds)))
    off.sort()
    assert off[len(off) // 2] < 0.12 and off[len(off) * 9 // 10] < 0.45


@pytest.mark.parametrize("family", ["sdxl", "kolors", "pixart", "sd1x", "cosmos"])
def test_a_small_model_is_no_faster_on_an_h100_than_on_an_l40s_so_it_is_cheaper_there(family: str) -> None:
    work = read({"model_family": family, "max_train_steps": 5000})
    quick, slow = (parts(work, OFFERS[name]) for name in ("h100", "l40s"))
    assert quick and slow and 0.85 < quick.step / slow.step < 1.25
    dear, cheap = (estimate(work, OFFERS[name]) for name in ("h100", "l40s"))
    assert dear and cheap and cheap.typical_micros < dear.typical_micros


def test_memory_tells_what_fits_on_an_l40s_as_it_did_when_it_was_measured() -> None:
    ran = {_kind(seed) for seed in SWEEP if seed.gpu == "l40s"}
    right = [(vram_gigabytes(work_of(seed)) or 0) <= 48 for seed in SWEEP if _kind(seed) in ran]
    wrong = [
        (vram_gigabytes(work_of(seed)) or 0) <= 48
        for seed in SWEEP
        if _kind(seed) not in ran and seed.gigabytes and seed.gigabytes > 44.3
    ]
    assert len(right) > 600 and len(wrong) > 20
    assert sum(right) / len(right) > 0.97 and sum(wrong) / len(wrong) < 0.1


def _kind(seed: Seed) -> tuple[Any, ...]:
    return seed.family, seed.billions, seed.precision, seed.mode


@pytest.mark.parametrize(
    ("config", "gpus"),
    [({}, 1), ({"num_processes": 8}, 8), ({"--context_parallel_size": 2}, 2), ({"num_processes": "∞"}, 1)],
)
def test_a_config_says_how_many_gpus_it_needs_and_the_estimate_says_where_it_does_not_run(
    config: dict[str, Any], gpus: int
) -> None:
    assert gpus_asked(config) == gpus
    work = read({"model_family": "wan", "max_train_steps": 100, **config})
    for hardware in ("l40s", "h100-x8"):
        found = estimate(work, OFFERS[hardware])
        assert found
        assert any("does not run on" in one for one in found.how) is (OFFERS[hardware].gpu_count < gpus)


def test_the_figures_have_a_date() -> None:
    assert AS_OF == "2026-12-01"
