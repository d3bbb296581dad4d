"""One call to DynamoDB at a time: what its failure says about what happened, and how long to keep trying.

An attempt ends in an answer, or in
    Untouched   the service did not carry the request out (throttled, in conflict, not reached): ask again
    Unclear     the answer was lost: the request may have been carried out, or may yet be
or in a ClientError that says something about the request itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
)

from chalicelib.stores.table import ItemRefused, OutcomeUnclear, TableUnavailable

CONDITION_FAILED: Final = "ConditionalCheckFailedException"
CANCELED: Final = "TransactionCanceledException"
PARAMETER_MISMATCH: Final = "IdempotentParameterMismatchException"

_BUSY = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TransactionConflictException",
    }
)
_BUSY_REASONS = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})
_UNREACHED = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
_UNFIT = ("size", "data type", "type mismatch", "overflow", "38 digits", "significant digits")


class Untouched(Exception):
    pass


class Unclear(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Patience:
    """Up to ``attempts``, begun within ``seconds``, with random pauses that double up to ``longest_pause``."""

    attempts: int = 10
    seconds: float = 15.0
    first_pause: float = 0.05
    longest_pause: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic

    def tries(self) -> Iterator[int]:
        end = self.clock() + self.seconds
        for number in range(self.attempts):
            if number and self.clock() > end:
                return
            yield number

    def pause(self, number: int) -> None:
        """Wait after attempt ``number`` (from 0), unless it was the last."""
        if number + 1 < self.attempts:
            self.sleep(self.random() * min(self.longest_pause, self.first_pause * 2.0**number))


def attempt(call: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    try:
        return call(**request)
    except ClientError as error:
        code = error_code(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _BUSY or (code == CANCELED and _is_busy(error)):
            raise Untouched(code) from error
        if status >= 500 or code == "TransactionInProgressException":
            raise Unclear(code or str(status)) from error
        if code in (CONDITION_FAILED, CANCELED, PARAMETER_MISMATCH):
            raise
        raise _final(code, error) from error
    except _UNREACHED as error:
        raise Untouched(type(error).__name__) from error
    except HTTPClientError as error:
        raise Unclear(type(error).__name__) from error
    except BotoCoreError as error:
        raise TableUnavailable(f"the table cannot be asked: {error}") from error


def until_answered(patience: Patience, call: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    """For reads, and for writes that do no harm whenever and however often they are carried out."""
    failure: Exception | None = None
    for number in patience.tries():
        try:
            return attempt(call, request)
        except (Untouched, Unclear) as error:
            failure = error
        patience.pause(number)
    raise gave_up(False, failure)


def gave_up(unclear: bool, failure: Exception | None) -> TableUnavailable:
    kind = OutcomeUnclear if unclear else TableUnavailable
    error = kind(f"the table did not answer for too long ({failure})")
    error.__cause__ = failure
    return error


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def reasons(error: ClientError) -> list[dict[str, Any]]:
    """Why a transaction was cancelled, one entry a write."""
    return [dict(reason) for reason in error.response.get("CancellationReasons") or []]


def cancelled_by_content(error: ClientError) -> Exception:
    """The exception for a transaction that no condition and no conflict has stopped."""
    for reason in reasons(error):
        if reason.get("Code") not in (None, "None"):
            return _unfit(str(reason.get("Message", ""))) or error
    return error


def _is_busy(error: ClientError) -> bool:
    codes = {reason.get("Code") for reason in reasons(error)}
    return bool(codes & _BUSY_REASONS) and "ConditionalCheckFailed" not in codes


def _final(code: str, error: ClientError) -> Exception:
    if code == "ValidationException":
        return _unfit(str(error.response["Error"].get("Message", ""))) or error
    return TableUnavailable(f"the table refuses to answer: {error}")


def _unfit(message: str) -> Exception | None:
    return ItemRefused(message) if any(word in message.lower() for word in _UNFIT) else None
