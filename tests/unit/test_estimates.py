"""Estimates are ordered ranges that never shrink when a job grows, and that receipts draw to the truth."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.estimates import LONGEST_SECONDS, Estimate, estimate, exceeding, missing, parts, vram_gigabytes
from chalicelib.domain.gpus import gpu_of
from chalicelib.domain.model_families import FAMILIES
from chalicelib.domain.pace import Learnt, Observation, Pace, fold, median_error
from chalicelib.domain.runs import Offer
from chalicelib.domain.workloads import Facts, Workload, read
from chalicelib.providers.replicate_prices import offers

OFFERS = {offer.hardware: offer for offer in offers()}
FLUX = {
    "train_batch_size": 1,
    "model_family": "flux",
    "model_type": "lora",
    "max_train_steps": 2000,
    "validation_prompt": "a cat",
}

CONFIGS = st.fixed_dictionaries(
    {
        "model_family": st.sampled_from(sorted(FAMILIES)),
        "model_type": st.sampled_from(["lora", "full"]),
        "lora_rank": st.integers(1, 256),
        "train_batch_size": st.integers(1, 16),
        "gradient_accumulation_steps": st.integers(1, 8),
        "resolution": st.integers(256, 2048),
        "max_train_steps": st.integers(1, 50_000),
        "base_model_precision": st.sampled_from(["no_change", "int8-quanto", "nf4"]),
        "validation_prompt": st.sampled_from(["", "a"]),
    }
)
PACES = st.lists(st.floats(0.2, 5), max_size=6)
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
READ = ("model_family", "model_flavour", "max_train_steps", "num_train_epochs", "resolution", "train_batch_size")
READ = (*READ, "lora_rank", "validation_steps", "--validation_prompt", "resolution_type", "gradient_checkpointing")


def made(config: dict[str, Any], hardware: str = "l40s", learnt: Learnt | None = None) -> Estimate:
    found = estimate(read(config, [], Facts(images=30)), OFFERS[hardware], learnt or Learnt())
    assert found
    return found


def taught(ratios: list[float]) -> Learnt:
    pace = Pace()
    for ratio in ratios:
        pace = fold(pace, Observation(ratio, ratio, ratio))
    return Learnt(pace, pace)


def test_images_that_were_counted_for_each_dataset_are_repeated_as_often_as_it_says() -> None:
    entries = [{"id": "a", "image_count": 10, "repeats": 9}, {"id": "b", "image_count": 40, "file_count": 80}]
    work = read({}, entries, Facts(images=50, files=90))
    assert (work.images, work.epoch_images) == (50, 140)


def test_images_that_were_counted_are_not_guessed_from_files() -> None:
    work = read({}, [{"id": "a", "caption_strategy": "textfile"}], Facts(images=12, files=60))
    assert work.images == 12 and not any("are taken for" in note for note in work.notes)


def test_a_flux_lora_of_2000_steps_on_an_l40s_costs_what_simpletuner_says() -> None:
    known = made(FLUX)
    assert 5_000_000 <= known.low_micros < known.typical_micros < known.high_micros <= 15_000_000


def test_eight_h100_are_priced_as_eight_and_do_not_shorten_a_number_of_steps() -> None:
    one, eight = made(FLUX, "h100"), made(FLUX, "h100-x8")
    assert eight.price_micros_per_second == 12_200 == 8 * one.price_micros_per_second
    assert eight.typical_micros == pytest.approx(eight.typical_seconds * 12_200)
    assert one.typical_seconds < eight.typical_seconds < 1.3 * one.typical_seconds
    by_epochs = {"model_family": "flux", "num_train_epochs": 200, "train_batch_size": 1}
    assert made(by_epochs, "h100").steps == 6000 and made(by_epochs, "h100-x8").steps == 800


@given(CONFIGS, st.sampled_from(sorted(OFFERS)), PACES)
def test_a_range_is_ordered_and_a_larger_job_never_costs_less(
    config: dict[str, Any], hardware: str, ratios: list[float]
) -> None:
    learnt = taught(ratios)
    first = estimate(read(config), OFFERS[hardware], learnt)
    if first is None:
        return
    assert 0 < first.low_seconds <= first.typical_seconds <= first.high_seconds <= LONGEST_SECONDS
    assert 0 < first.low_micros <= first.typical_micros <= first.high_micros
    assert first.how and all(first.how)
    for name in ("max_train_steps", "resolution", "train_batch_size", "gradient_accumulation_steps", "lora_rank"):
        larger = estimate(read(config | {name: config[name] * 2}), OFFERS[hardware], learnt)
        if larger is not None:
            for end in ("low_seconds", "typical_seconds", "high_seconds", "low_micros", "high_micros"):
                assert getattr(larger, end) >= getattr(first, end), (name, end)
    offer = OFFERS[hardware]
    dearer = Offer(**{name: getattr(offer, name) for name in Offer.__slots__} | {"micros_per_second": 99_999})
    found = estimate(read(config), dearer, learnt)
    assert found and found.low_micros > first.low_micros and found.low_seconds == first.low_seconds


@given(st.dictionaries(st.sampled_from(READ), HOSTILE | st.sampled_from(["flux", "1e400", "-5", "∞"])), HOSTILE)
def test_no_config_crashes_it_or_gets_an_absurd_number(config: dict[str, Any], entry: Any) -> None:
    work = read(config, [entry])
    for offer in OFFERS.values():
        found = estimate(work, offer)
        if found:
            assert not work.missing and 0 < found.low_seconds <= found.high_seconds <= LONGEST_SECONDS
        else:
            assert missing(work, offer)
    vram_gigabytes(work)


def test_what_is_not_known_is_named_instead_of_a_number() -> None:
    told = read({"model_family": "flux"}).missing
    assert any("max_train_steps" in one for one in told)
    assert any("model_family" in one for one in read({"max_train_steps": 5}).missing)
    assert any("images" in one for one in read({"model_family": "flux", "num_train_epochs": 3}).missing)
    assert any("nobody" in one for one in read({"model_family": "nobody's", "max_train_steps": 5}).missing)
    endless = read({"model_family": "flux", "max_train_steps": 10**9})
    assert estimate(endless, OFFERS["l40s"]) is None and "year" in missing(endless, OFFERS["l40s"])[0]


@pytest.mark.parametrize("truth", [0.4, 1.0, 2.5])
def test_receipts_narrow_the_range_and_draw_it_to_the_truth(truth: float) -> None:
    work, offer = read(FLUX), OFFERS["l40s"]
    published = parts(work, offer)
    assert published
    actual = truth * (published.in_loop + published.startup)
    widths, offs = [], []
    pace = Pace()
    for run in range(12):
        found = estimate(work, offer, Learnt(pace, pace))
        assert found
        widths.append(math.log(found.high_seconds / found.low_seconds))
        offs.append(abs(found.typical_seconds - actual) / actual)
        wobble = truth * (1.03 if run % 2 else 0.97)
        off = round(100 * offs[-1])
        within = found.low_seconds <= actual <= found.high_seconds
        pace = fold(pace, Observation(wobble, wobble, wobble * published.step, off, within))
    assert widths[-1] < widths[1] < widths[0] and offs[-1] < 0.05
    assert found.samples == 11 and any("off by" in one for one in found.how)
    assert median_error(pace) is not None and len(pace.errors) == 12


def test_runs_elsewhere_teach_less_than_runs_just_like_it() -> None:
    pace = taught([2.0] * 5).alike
    like, elsewhere = Learnt(pace, pace).loop(0.3), Learnt(Pace(), pace).loop(0.3)
    assert 1 < elsewhere.factor < like.factor < 2.05 and like.spread < elsewhere.spread < 0.35


def test_memory_is_what_simpletuner_measured_for_flux() -> None:
    kinds = ("no_change", "int8-quanto", "int4-quanto")
    assert [vram_gigabytes(read(FLUX | {"base_model_precision": kind})) for kind in kinds] == [30, 18, 12]


def test_resolutions_are_read_as_simpletuner_reads_them() -> None:
    def pixels(resolution: float, kind: str) -> int:
        return read(FLUX, [{"resolution": resolution, "resolution_type": kind}]).pixels

    assert pixels(1.0, "area") == 1_000_000 and pixels(512, "pixel") == 512 * 512 == pixels(512, "pixel_area")


@pytest.mark.parametrize(
    ("hardware", "gpu"),
    [("h100-x8", "h100"), ("l40sx1", "l40s"), ("a100-large", "a100"), ("l4x4", "l4"), ("rtx-pro-6000", "rtx-pro-6000"),
     ("NVIDIA L40S", "l40s"), ("a10g-largex2", "a10g"), ("cpu-small", None), ("h200x2", "h200")],
)  # fmt: skip
def test_a_gpu_is_known_by_the_names_that_vendors_give_it(hardware: str, gpu: str | None) -> None:
    assert gpu_of(hardware) == gpu


def test_a_ceiling_below_the_estimate_is_told() -> None:
    known = made(FLUX)
    assert "is more than its ceiling of $1.00" in exceeding(known, 1_000_000, None)[0]
    assert "may be more" in exceeding(known, known.typical_micros, None)[0]
    assert "stopped after 30" in exceeding(known, None, 1800)[0]
    assert exceeding(known, known.high_micros, known.high_seconds) == ()


def test_workloads_of_one_kind_share_a_key() -> None:
    first: Workload = read(FLUX | {"max_train_steps": 5})
    assert first.key == read(FLUX).key != read(FLUX | {"train_batch_size": 2}).key
    assert first.key.startswith(first.group)
