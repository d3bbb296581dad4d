"""The harnesses of the provider conformance suite: what it needs from each vendor's side and cannot do by itself.

A new provider gets a class with the members of ``Harness`` and a line in ``HARNESSES``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from chalicelib.domain.runs import CloudJobStatus, LaunchOrder
from chalicelib.providers.base import CloudTrainerService
from chalicelib.providers.replicate import ReplicateTrainer
from examples.provider.harness import open_harness as folder
from tests.emulator import TOKEN, Emulator, archive, start_bucket, start_emulator
from tests.http.replicate_cases import SHOW, prediction
from tests.http.scripted_vendor import Answer, serving


class Harness(Protocol):
    """``words`` are all words that the vendor's documents have for the state of a run, with what they mean."""

    @property
    def name(self) -> str: ...
    @property
    def words(self) -> Mapping[str, CloudJobStatus]: ...
    def trainer(self, credentials: str = "good") -> CloudTrainerService:
        """With credentials that are ``good``, ``bad`` (never existed) or ``expired``."""
        ...

    def throttled(self) -> AbstractContextManager[CloudTrainerService]:
        """While the vendor answers the next request with "too many, come back in n seconds"."""
        ...

    def silent(self) -> AbstractContextManager[CloudTrainerService]:
        """While the vendor takes requests and does not answer; the time limit is about half a second."""
        ...

    def order(self, launch_key: str, steps: int) -> LaunchOrder:
        """Of a run that is there for a few seconds at 20 steps, and for minutes at 100 000."""
        ...

    def saying(self, word: str) -> AbstractContextManager[tuple[CloudTrainerService, str]]:
        """While the vendor has a run, by its id, whose state it calls ``word``."""
        ...

    def runs_bearing(self, launch_key: str) -> int:
        """Counted at the vendor itself, not through the provider."""
        ...


class ReplicateHarness:
    """Against the emulator; against a scripted vendor where a healthy one never says what is wanted."""

    name = "replicate"
    words = {  # noqa: RUF012
        "starting": CloudJobStatus.QUEUED,
        "processing": CloudJobStatus.RUNNING,
        "succeeded": CloudJobStatus.COMPLETED,
        "failed": CloudJobStatus.FAILED,
        "canceled": CloudJobStatus.CANCELLED,
        "aborted": CloudJobStatus.CANCELLED,
    }

    def __init__(self, emulator: Emulator, images_url: str, refusing_url: str) -> None:
        self._emulator = emulator
        self._images_url = images_url
        self._refusing_url = refusing_url

    def trainer(self, credentials: str = "good") -> ReplicateTrainer:
        if credentials == "expired":
            return ReplicateTrainer(TOKEN, self._refusing_url)
        return ReplicateTrainer(TOKEN if credentials == "good" else f"r8_{uuid.uuid4().hex}", self._emulator.url)

    @contextmanager
    def throttled(self) -> Iterator[ReplicateTrainer]:
        with serving() as vendor:
            vendor.answers["GET /v1/account"] = Answer(429, {"detail": "Request was throttled."}, {"retry-after": "7"})
            yield ReplicateTrainer(TOKEN, vendor.url)

    @contextmanager
    def silent(self) -> Iterator[ReplicateTrainer]:
        with serving() as vendor:
            vendor.default = Answer(200, {}, wait_seconds=3)
            yield ReplicateTrainer(TOKEN, vendor.url, timeout_seconds=0.5)

    def order(self, launch_key: str, steps: int) -> LaunchOrder:
        config = {"--max_train_steps": steps, "--output_dir": f"output/{launch_key}"}
        return LaunchOrder(launch_key=launch_key, config=config, hardware="l40s", images_url=self._images_url)

    @contextmanager
    def saying(self, word: str) -> Iterator[tuple[ReplicateTrainer, str]]:
        with serving() as vendor:
            vendor.answers[SHOW] = Answer(body=prediction(status=word))
            yield ReplicateTrainer(TOKEN, vendor.url), "p1"

    def runs_bearing(self, launch_key: str) -> int:
        return int(self._emulator.emu("predictions", contains=launch_key)["count"])


@contextmanager
def replicate() -> Iterator[ReplicateHarness]:
    with start_emulator() as emulator, start_bucket() as bucket, serving() as refusing:
        bucket.objects["datasets/data.zip"] = archive()
        refusing.default = Answer(401, {"title": "Unauthenticated", "detail": "This token has been disabled."})
        yield ReplicateHarness(emulator, f"{bucket.url}/datasets/data.zip", refusing.url)


HARNESSES: dict[str, Callable[[], AbstractContextManager[Harness]]] = {"replicate": replicate, "folder": folder}
