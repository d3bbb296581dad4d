"""Judging a dataloader as the trainer's own checks do, and completing what it wants said.

Only entries that the trainer gets as they are here are judged whole; how a folder of the submitter's machine gets there
is the affair of ``dataset_delivery``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.config_arguments import MOST_FAULTS, Fault, near
from chalicelib.domain.dataset_keys import KEPT_KEYS

TYPES = ("local", "aws", "csv", "huggingface", "webshart", "memory")
DATASET_TYPES = (
    "image", "video", "audio", "conditioning", "eval", "text_embeds", "image_embeds", "conditioning_image_embeds",
    "distillation_cache", "caption", "grounding",
)  # fmt: skip
_CHOICES = {
    "dataset_type": DATASET_TYPES,
    "crop_aspect": ("square", "preserve", "random", "closest"),
    "crop_style": ("random", "corner", "center", "centre", "face"),
    "resolution_type": ("pixel", "area", "pixel_area"),
    "caption_strategy": ("filename", "textfile", "instanceprompt", "parquet", "csv", "huggingface", "webshart"),
}
_OF_ONE_TYPE = ("huggingface", "webshart")
_NUMBERS = (
    "repeats",
    "probability",
    "resolution",
    "maximum_image_size",
    "target_downsample_size",
    "minimum_image_size",
)
_CSV = ("csv_file", "csv_cache_dir", "csv_caption_column", "csv_url_column")
_DEFAULT_REGION = "us-east-1"


def completed_datasets(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A bucket of Amazon's own gets the address of its region: the trainer takes no bucket without an address. What a
    dataset is gets spelled as everyone here compares it; the trainer minds neither case nor spaces."""
    return [_completed(entry) for entry in entries]


def dataset_faults(entries: Sequence[Mapping[str, Any]]) -> list[Fault]:
    active = [
        (place, entry) for place, entry in enumerate(entries) if not (entry.get("disabled") or entry.get("disable"))
    ]
    faults = [fault for place, entry in active for fault in _faults(entry, f"dataloader_config[{place}]")]
    times = Counter(str(entry["id"]) for _, entry in active if entry.get("id"))
    for name, count in times.items():
        if count > 1:
            faults.append(
                Fault("dataloader_config", f"has {count} datasets with the id '{name[:60]}': each needs its own")
            )
    return faults


def dataset_warnings(entries: Sequence[Mapping[str, Any]], known: frozenset[str]) -> list[str]:
    """Keys that the trainer passes over without a word, where a word of its own is near."""
    told = list[str]()
    for entry in entries:
        for name in entry:
            if len(told) >= MOST_FAULTS:
                return told
            close = () if name in known or name.startswith(("_", "//")) else near(name, known)
            if close:
                whose = f"Dataset '{str(entry.get('id', '?'))[:60]}': '{name[:60]}'"
                told.append(f"{whose} is nothing that the trainer reads. Did you mean '{close[0]}'?")
    return told


def _completed(entry: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(entry)
    if isinstance(whole.get("dataset_type"), str):
        whole["dataset_type"] = whole["dataset_type"].strip().lower()
    if whole.get("type") != "aws":
        return whole
    region = whole.get("aws_region_name") or _DEFAULT_REGION
    if not whole.get("aws_endpoint_url"):
        whole["aws_endpoint_url"] = f"https://s3.{region}.amazonaws.com"
    whole.setdefault("aws_region_name", None)
    return whole


def _faults(entry: Mapping[str, Any], at: str) -> Iterator[Fault]:
    kind = entry.get("type") or "local"
    if kind not in TYPES:
        yield Fault(f"{at}.type", f"cannot be '{str(kind)[:40]}': there are {', '.join(TYPES)}", near(str(kind), TYPES))
        return
    for name, choices in _CHOICES.items():
        value = entry.get(name)
        word = value.strip().lower() if isinstance(value, str) and name == "dataset_type" else value
        if value is not None and word not in choices:
            problem = f"cannot be '{str(value)[:40]}': it is one of {', '.join(choices)}"
            yield Fault(f"{at}.{name}", problem, near(str(value), choices))
    if not isinstance(entry.get("id"), str | int | None):
        yield Fault(f"{at}.id", f"must be a name, not {str(entry['id'])[:40]!r}")
    yield from _numbers(entry, at)
    yield from _strategies(entry, at, kind)
    if "disable_vae_cache" in entry:
        yield Fault(f"{at}.disable_vae_cache", "is gone", ("vae_cache_disable",))
    if entry.get("crop_aspect") in ("random", "closest") and not isinstance(entry.get("crop_aspect_buckets"), list):
        yield Fault(f"{at}.crop_aspect_buckets", f"is missing: 'crop_aspect' is '{entry['crop_aspect']}'")
    if kind != "local" and not entry.get("id"):
        yield Fault(f"{at}.id", "is missing: every dataset needs one")
    if kind == "aws":
        yield from _bucket(entry, at)
    for name in _CSV if kind == "csv" else ():
        if not entry.get(name):
            yield Fault(f"{at}.{name}", "is missing: a dataset of type 'csv' needs it")


def _numbers(entry: Mapping[str, Any], at: str) -> Iterator[Fault]:
    for name in _NUMBERS:
        value = entry.get(name)
        if value in (None, "") or (isinstance(value, int | float) and not isinstance(value, bool)):
            continue
        try:
            float(str(value))
        except ValueError:
            yield Fault(f"{at}.{name}", f"must be a number, not {str(value)[:40]!r}")
    batch = entry.get("train_batch_size")
    if batch not in (None, "") and not (str(batch).isdecimal() and int(str(batch)) > 0):
        yield Fault(f"{at}.train_batch_size", "must be a whole number from 1 up")
    if entry.get("maximum_image_size") and not entry.get("target_downsample_size"):
        yield Fault(f"{at}.maximum_image_size", "needs 'target_downsample_size' beside it")


def _strategies(entry: Mapping[str, Any], at: str, kind: Any) -> Iterator[Fault]:
    strategy, metadata = entry.get("caption_strategy"), entry.get("metadata_backend")
    if strategy in _OF_ONE_TYPE and kind != strategy:
        yield Fault(f"{at}.caption_strategy", f"can be '{strategy}' for datasets of type '{strategy}' alone")
    if kind in _OF_ONE_TYPE:
        if metadata not in (None, kind):
            yield Fault(f"{at}.metadata_backend", f"must be '{kind}' for a dataset of type '{kind}'", (kind,))
        if strategy not in (None, kind, "instanceprompt"):
            yield Fault(
                f"{at}.caption_strategy", f"must be '{kind}' or 'instanceprompt' for a dataset of type '{kind}'"
            )
    if strategy == "parquet" and metadata in ("json", "discovery"):
        yield Fault(
            f"{at}.metadata_backend", "cannot be 'json' or 'discovery' with captions from parquet", ("parquet",)
        )
    if kind == "csv" and strategy != "csv":
        yield Fault(f"{at}.caption_strategy", "must be 'csv' for a dataset of type 'csv'", ("csv",))


def _bucket(entry: Mapping[str, Any], at: str) -> Iterator[Fault]:
    if not entry.get("aws_bucket_name"):
        yield Fault(f"{at}.aws_bucket_name", "is missing: it names the bucket of a dataset of type 'aws'")
    if entry.get("stored_bucket") or entry.get(KEPT_KEYS) is not None:
        return
    missing = [name for name in ("aws_access_key_id", "aws_secret_access_key") if not entry.get(name)]
    if missing:
        problem = (
            "is missing, and the GPU box has no keys of yours: give 'aws_access_key_id' and 'aws_secret_access_key' in "
            "the dataset, where they are kept until the job's end, or name a bucket whose keys are stored here with "
            "'stored_bucket'"
        )
        yield Fault(f"{at}.{missing[0]}", problem)
