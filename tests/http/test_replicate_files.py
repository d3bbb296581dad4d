"""Replicate's own file hosting through the official client, against the emulator: no copy is lost sight of."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.errors import BadInput, UploadNotReady
from chalicelib.providers.replicate import ReplicateTrainer
from tests.emulator import Emulator, emulator_fixture, mark  # noqa: F401

DATA = bytes(range(256)) * 4096


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


@pytest.fixture
def trainer(emulator: Emulator) -> ReplicateTrainer:
    return ReplicateTrainer(emulator.token, emulator.url)


def pieces() -> Iterator[bytes]:
    for start in range(0, len(DATA), 100_000):
        yield DATA[start : start + 100_000]


def test_an_archive_is_kept_whole_found_on_any_page_by_its_key_alone_and_gone_when_deleted(
    trainer: ReplicateTrainer, emulator: Emulator
) -> None:
    key, client = mark(), emulator.client()
    sent = run(trainer.host(key, len(DATA), pieces))
    kept = client.files.get(sent.id)
    assert (kept.size, kept.checksums["sha256"]) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert sent.url.startswith(f"{emulator.url}/v1/files/") and sent.expires_at is not None
    assert timedelta(hours=23) < sent.expires_at - datetime.now(UTC) <= timedelta(hours=24)
    with emulator.http() as http:
        for number in range(100):
            strange = {"content": (f"{number}.txt", b"x")}
            http.post("/v1/files", files=strange, data={"metadata": "{}"}).raise_for_status()
    assert run(trainer.hosted(key)) == [sent] and run(trainer.hosted(mark())) == []
    run(trainer.unhost(sent.id))
    assert run(trainer.hosted(key)) == []
    run(trainer.unhost(sent.id))  # gone already is no error


def test_a_copy_whose_answer_was_lost_is_found_beside_the_second_one(
    trainer: ReplicateTrainer, emulator: Emulator
) -> None:
    key = mark()
    emulator.fault("drop_after_accept", request="POST /v1/files")
    told = run(trainer.host(key, len(DATA), pieces))
    both = run(trainer.hosted(key))
    assert len(both) == 2 and told in both and {one.size for one in both} == {len(DATA)}
    for one in both:
        run(trainer.unhost(one.id))
    assert run(trainer.hosted(key)) == []


def test_data_that_ends_too_soon_leaves_nothing_and_too_much_is_not_sent(
    trainer: ReplicateTrainer,
) -> None:
    key = mark()
    with pytest.raises(UploadNotReady):
        run(trainer.host(key, len(DATA) + 1, pieces))

    def unwanted() -> Iterator[bytes]:
        raise AssertionError("nothing may be read of what is too large")

    with pytest.raises(BadInput, match="at most 100000000 bytes"):
        run(trainer.host(key, 100_000_001, unwanted))
    assert run(trainer.hosted(key)) == []
