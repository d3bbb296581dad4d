"""What is wrong with captions and pictures, in words, each with what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from chalicelib.domain.captions import Role, caption_from_name, role_of
from chalicelib.domain.datasets import DatasetError, Entry, Manifest
from chalicelib.domain.picture_sizes import size_of
from chalicelib.domain.reading import open_regular
from chalicelib.domain.remarks import Least, Remark, Sign, Weight, least_sizes, remarks, too_small
from chalicelib.domain.walking import printable
from client.screen import Screen

_MOST_MEASURED = 2000
"""Of larger datasets as many are measured, spread over all of it: on a network drive each takes a moment."""

_WORDS = {
    Sign.CAPTIONED: "{count} of {total} images have a caption.",
    Sign.BY_NAME: (
        "no captions are there, so each image is trained with what its name says, such as {example}. To caption it, "
        "put a text of the same name, ending in .txt, beside it."
    ),
    Sign.NO_TEXT: (
        "{count} of {total} images have no caption, and are trained with what their names say: {names}. Put a text of "
        "the same name, ending in .txt, beside each."
    ),
    Sign.NO_TEXT_FILE: (
        "{count} of {total} images have no caption beside them, and with 'caption_strategy': 'textfile' the trainer "
        "ends at the first: {names}. Put a text of the same name, ending in .txt, beside each, or take them out."
    ),
    Sign.BLANK: (
        "captions that say nothing, {count} in all: {names}. Their images are trained with what their names say. Write "
        "something into them."
    ),
    Sign.BLANK_FILE: (
        "captions that say nothing, {count} in all: {names}. Read file by file ('--delivery remote') their images are "
        "trained without a caption; any other way the job ends before its run. Write something into them."
    ),
    Sign.LINE_BREAKS: (
        "captions of nothing but line breaks, {count} in all: {names}. The trainer ends when it comes to one. Write "
        "something into them, or take them out with their images."
    ),
    Sign.NOT_UTF8: (
        "captions that are not UTF-8, {count} in all: {names}. The trainer cannot read them. Save them as UTF-8 (an "
        "old Windows text, for instance: iconv -f WINDOWS-1252 -t UTF-8 old.txt > new.txt)."
    ),
    Sign.ALONE: (
        "captions of no image that is trained on, {count} in all: {names}. A caption has the name of its image, in the "
        "same folder."
    ),
    Sign.UNREAD: (
        "pictures of kinds that the trainer does not read, {count} in all: {names}. They are left out. Convert them to "
        "JPEG or PNG."
    ),
    Sign.UNUSED: (
        "{count} of {total} images have a caption beside them that is not used: the dataset's captions come from its "
        "file names. Set its 'caption_strategy' to 'textfile'."
    ),
    Sign.TOO_SMALL: (
        "{count} of {total} images that were measured are smaller than its 'minimum_image_size' ({told}), and are "
        "left out: {names}. Lower it, or put larger ones there."
    ),
    Sign.ALL_TOO_SMALL: (
        "all of its {total} images are smaller than its 'minimum_image_size' ({told}), so nothing would be left: "
        "{names}. Lower it, or put larger ones there."
    ),
    Sign.MEGAPIXELS: (
        "'minimum_image_size' is {told}, and with 'resolution_type': 'area' that counts megapixels, of which the "
        "trainer takes 5 at most. Set it to 0.25, for instance, for 512 x 512 pixels."
    ),
}


def tell(
    screen: Screen, manifest: Manifest, dataloader: Sequence[Mapping[str, Any]] | None, config: Mapping[str, Any]
) -> None:
    """Notes and warnings to the screen. Raises ``DatasetError`` with all that the trainer would end on, or take nothing
    of."""
    found = remarks(manifest.surveys, dataloader, config)
    limits, wrong = least_sizes(manifest.surveys, dataloader, config)
    found += wrong + [small for limit in limits if (small := _measured(manifest, limit))]
    for one in found:
        if one.weight is Weight.NOTE:
            screen.note(in_words(one))
        elif one.weight is Weight.WARNING:
            screen.warn(in_words(one))
    refused = [in_words(one) for one in found if one.weight is Weight.REFUSAL]
    if refused:
        raise DatasetError("Nothing was sent. " + "\n".join(refused))


def in_words(one: Remark) -> str:
    names = ", ".join(map(printable, one.names)) + (", …" if one.count > len(one.names) else "")
    example = f"'{caption_from_name(one.names[0])}'" if one.names else ""
    said = _WORDS[one.sign].format(count=one.count, total=one.total, names=names, told=one.told, example=example)
    return f"Dataset '{one.dataset}': {said}"


def _measured(manifest: Manifest, limit: Least) -> Remark | None:
    own = [
        entry
        for entry in manifest.entries
        if entry.source.id == limit.dataset and entry.size and role_of(entry.name) is Role.PICTURE
    ]
    step = -(-len(own) // _MOST_MEASURED) or 1
    sizes = [(entry.name, *size) for entry in own[::step] if (size := _size(entry))]
    images = next(one.images for one in manifest.surveys if one.id == limit.dataset)
    return too_small(limit, sizes, is_all=len(sizes) == images)


def _size(entry: Entry) -> tuple[int, int] | None:
    """None too for what cannot be read any more: packing it says so."""
    try:
        with open_regular(entry.disk_path) as descriptor:
            return size_of(partial(_read, descriptor))
    except OSError:
        return None


def _read(descriptor: int, place: int, count: int) -> bytes:
    os.lseek(descriptor, place, os.SEEK_SET)
    return os.read(descriptor, count)
