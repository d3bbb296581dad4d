"""Whether a provider lets us work: its token, told by its cheapest call, and whether it is left alone at present."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from chalicelib.actions.wait import wait_for
from chalicelib.domain.errors import CloudError
from chalicelib.domain.ports.trainers import Trainers

GOOD_FOR_SECONDS = 300.0
BAD_FOR_SECONDS = 30.0


class Vouch:
    """Called for a remark, or raises what is wrong. Says nothing of whose the token is: everybody may ask.

    For the same reason nobody makes us ask the provider more often than this: an answer is kept by the process, and one
    caller at a time asks while the others are told the last one.
    """

    def __init__(self, trainers: Trainers, provider: str, breaker_remark: Callable[[], str | None]) -> None:
        self._trainers = trainers
        self._provider = provider
        self._breaker_remark = breaker_remark
        self._asking = threading.Lock()
        self._asked_at: float | None = None
        self._refusal: CloudError | None = None

    def __call__(self) -> str | None:
        left_alone = self._breaker_remark()
        if left_alone:
            raise CloudError(left_alone)
        if self._is_old() and self._asking.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._asking.release()
        if self._refusal:
            raise self._refusal
        return None

    def _is_old(self) -> bool:
        if self._asked_at is None:
            return True
        return time.monotonic() - self._asked_at > (BAD_FOR_SECONDS if self._refusal else GOOD_FOR_SECONDS)

    def _ask(self) -> None:
        try:
            wait_for(self._trainers.get(self._provider).validate_credentials())
        except CloudError as error:
            self._refusal = error
        else:
            self._refusal = None
        self._asked_at = time.monotonic()
