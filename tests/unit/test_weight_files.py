"""Weights are opened: what a file of them must look like, from its first bytes and its size alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.weight_files import FIRST_BYTES, fault
from tests.unit.actions.weights import weights

GOOD = weights(b"trained" * 10)


def judged(body: bytes, name: str = "pytorch_lora_weights.safetensors", size: int | None = None) -> str | None:
    return fault(name, len(body) if size is None else size, lambda length: body[:length])


def with_header(header: Any, content: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def test_a_model_can_be_opened() -> None:
    assert judged(GOOD) is None


def test_a_model_of_the_librarys_own_making_can_be_opened() -> None:
    numpy = pytest.importorskip("numpy")
    save = pytest.importorskip("safetensors.numpy").save
    tensors = {f"layer.{number}": numpy.ones((number, 3), dtype="float32") for number in range(5)}
    assert judged(save(tensors, {"format": "pt"})) is None


def test_a_header_that_is_longer_than_the_first_look_is_read_on() -> None:
    many = {f"layer.{number}.{'x' * 60}": {"data_offsets": [number, number + 1]} for number in range(2000)}
    body = with_header(many, bytes(2000))
    asked: list[int] = []

    def head(length: int) -> bytes:
        asked.append(length)
        return body[:length]

    assert fault("a.safetensors", len(body), head) is None
    assert len(body) > 2 * FIRST_BYTES and asked == [FIRST_BYTES, len(body) - 2000]


@given(cut=st.integers(0, len(GOOD) - 1))
def test_no_part_of_a_model_passes_for_it(cut: int) -> None:
    assert judged(GOOD[:cut]) is not None


@given(body=st.binary(max_size=200))
def test_nothing_else_passes_for_a_model_and_nothing_makes_it_raise(body: bytes) -> None:
    assert judged(body) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Error><Code>AccessDenied</Code></Error>",
        with_header({}),
        with_header({"__metadata__": {"format": "pt"}}),
        with_header([1, 2]),
        with_header({"a": {"data_offsets": [0, 4]}}, b"abc"),
        with_header({"a": {"data_offsets": [0, 4]}}, b"abcde"),
        with_header({"a": {"data_offsets": [1, 4]}}, b"abcd"),
        with_header({"a": {"data_offsets": [0, 2]}, "b": {"data_offsets": [1, 4]}}, b"abcd"),
        with_header({"a": {"data_offsets": "0-4"}}, b"abcd"),
        with_header({"a": {"data_offsets": [0, 4.0]}}, b"abcd"),
        with_header({"a": None}, b"abcd"),
        (2**63).to_bytes(8, "little") + bytes(40),
    ],
)
def test_what_a_library_would_refuse_is_refused(body: bytes) -> None:
    assert judged(body) is not None


@pytest.mark.parametrize(
    ("name", "body", "opens"),
    [
        ("pytorch_model.bin", b"PK\x03\x04rest", True),
        ("pytorch_model.bin", b"\x80\x02rest", True),
        ("pytorch_model.bin", b"<html>", False),
        ("model.gguf", b"GGUF\x03", True),
        ("model.gguf", b"PK\x03\x04", False),
    ],
)
def test_older_formats_are_told_by_how_they_begin(name: str, body: bytes, opens: bool) -> None:
    assert (judged(body, name) is None) is opens
