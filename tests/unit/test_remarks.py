"""What is told of captions and pictures before they are sent, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.captions import Strategy
from chalicelib.domain.remarks import Least, Sign, Weight, least_sizes, remarks, too_small
from chalicelib.domain.surveys import Named, Survey

TEXTS = Survey(
    "set",
    Strategy.TEXTFILE,
    images=40,
    captioned=37,
    example="a.png",
    uncaptioned=Named(1, ["b.png"]),
    blank=Named(1, ["c.txt"]),
    line_breaks=Named(1, ["e.txt"]),
    not_utf8=Named(1, ["d.txt"]),
)
PLAIN = Survey("set", images=2, example="IMG_1.png", unread=Named(1, ["x.heic"]), alone=Named(1, ["y.txt"]))


def signs(survey: Survey, entry: dict[str, Any] | None, **config: Any) -> list[Sign]:
    dataloader = None if entry is None else [{"id": "x", "instance_data_dir": "set", **entry}]
    return [one.sign for one in remarks([survey], dataloader, config)]


def test_a_plain_folder_with_captions_is_told_of_those_that_are_missing() -> None:
    assert signs(TEXTS, None) == [Sign.CAPTIONED, Sign.NOT_UTF8, Sign.NO_TEXT, Sign.BLANK]
    weights = {one.sign: one.weight for one in remarks([TEXTS], None, {})}
    assert weights[Sign.NOT_UTF8] is Weight.REFUSAL
    assert weights[Sign.NO_TEXT] is weights[Sign.BLANK] is Weight.WARNING


def test_a_plain_folder_without_captions_is_told_that_its_names_are_used() -> None:
    assert signs(PLAIN, None) == [Sign.BY_NAME, Sign.ALONE, Sign.UNREAD]


def test_what_a_textfile_dataset_lacks_is_refused() -> None:
    found = remarks([TEXTS], [{"instance_data_dir": "set", "caption_strategy": "textfile"}], {})
    refused = [one.sign for one in found if one.weight is Weight.REFUSAL]
    assert refused == [Sign.NOT_UTF8, Sign.LINE_BREAKS, Sign.NO_TEXT_FILE]
    assert signs(PLAIN, {}, caption_strategy="textfile")[:2] == [Sign.CAPTIONED, Sign.ALONE]


@pytest.mark.parametrize(
    ("entry", "config"),
    [
        ({"caption_strategy": "textfile", "only_instance_prompt": True}, {}),
        ({"caption_strategy": "textfile"}, {"--only_instance_prompt": True}),
        ({"caption_strategy": "textfile", "conditioning_type": "mask"}, {}),
        ({"caption_strategy": "instanceprompt"}, {}),
        ({"caption_strategy": "textfile", "disabled": True}, {}),
        ({"caption_strategy": "textfile", "type": "aws"}, {}),
    ],
)
def test_captions_that_nobody_looks_at_are_not_judged(entry: dict[str, Any], config: dict[str, Any]) -> None:
    assert signs(TEXTS, entry, **config) == []


def test_captions_that_a_dataset_does_not_use_are_told_of() -> None:
    assert signs(TEXTS, {}) == signs(TEXTS, {"caption_strategy": "filename"}) == [Sign.UNUSED]
    assert signs(TEXTS, {}, **{"--caption_strategy": "textfile"})[0] is Sign.CAPTIONED


def test_two_datasets_of_one_folder_are_told_of_once() -> None:
    entries = [{"id": name, "instance_data_dir": "set"} for name in "ab"]
    assert [one.sign for one in remarks([TEXTS], entries, {})] == [Sign.UNUSED]


def limit_of(entry: dict[str, Any], **config: Any) -> Least:
    ((found,), _) = least_sizes([PLAIN], [{"instance_data_dir": "set", **entry}], config)
    return found


def test_the_least_size_counts_as_the_trainer_counts() -> None:
    """As its ``meets_resolution_requirements`` does: edges, or an area and, cropped square, the edge of that area."""
    assert limit_of({"minimum_image_size": 512, "resolution_type": "pixel"}).admits(512, 600)
    assert not limit_of({"minimum_image_size": 512, "resolution_type": "pixel"}).admits(511, 6000)
    assert limit_of({"minimum_image_size": 512}).admits(256, 1024)
    assert not limit_of({"minimum_image_size": 512, "crop": True}).admits(256, 1024)
    assert limit_of({"minimum_image_size": 512, "crop": True, "crop_aspect": "preserve"}).admits(256, 1024)
    assert not limit_of({"minimum_image_size": 0.5}, resolution_type="area").admits(700, 700)
    assert limit_of({}, **{"--minimum_image_size": "64", "--resolution_type": "pixel"}).admits(64, 64)


def test_pixels_where_megapixels_are_counted_are_refused() -> None:
    _, wrong = least_sizes(
        [PLAIN], [{"instance_data_dir": "set", "resolution_type": "area"}], {"minimum_image_size": 512}
    )
    assert [(one.sign, one.weight, one.told) for one in wrong] == [(Sign.MEGAPIXELS, Weight.REFUSAL, "512")]
    assert least_sizes([PLAIN], None, {"minimum_image_size": 0}) == ([], [])


def test_small_pictures_are_counted_and_refused_only_when_none_is_left() -> None:
    limit = Least("set", "64", 64, 0)
    some = too_small(limit, [("a.png", 64, 64), ("b.png", 32, 99)], is_all=True)
    assert some is not None
    assert (some.sign, some.weight, some.count, some.total, some.names) == (
        Sign.TOO_SMALL,
        Weight.WARNING,
        1,
        2,
        ("b.png",),
    )
    every = too_small(limit, [("b.png", 32, 99)], is_all=True)
    assert every is not None and every.weight is Weight.REFUSAL
    sampled = too_small(limit, [("b.png", 32, 99)], is_all=False)
    assert sampled is not None and sampled.weight is Weight.WARNING
    assert too_small(limit, [("a.png", 64, 64)], is_all=True) is None
