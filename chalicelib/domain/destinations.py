"""Where a trained model is to go, and what is known of its arrival there.

    promised ─▶ arrived ─▶ verified        missing: we looked, and something is not there
        └─────────┴──▶ missing | error     error: we could not look, or the place refused us
                            │
                            └─▶ sending ─▶ verified | failed     sent again from our store, when somebody asked

``store`` is this system's own storage and ``hub`` the Hugging Face Hub with the server's token; any other name is an S3
bucket of the user's, or the Hub with a token of its own. Keys and tokens are kept apart, in the vault, under the
destination's name; nothing here holds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from chalicelib.domain.errors import BadInput

STORE, HUB = "store", "hub"
RESERVED = (STORE, HUB)
S3_DELIVERY = "s3"
"""The name under which SimpleTuner's own dialog keeps its one bucket."""

MOST = 5
"""Destinations of one job: the trainer sends every file to each of them after every validation."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_PREFIX = re.compile(r"[\w.=+@ -]+(/[\w.=+@ -]+)*")


class Kind(StrEnum):
    STORE = "store"
    S3 = "s3"
    HUB = "hub"


class State(StrEnum):
    PROMISED = "promised"
    ARRIVED = "arrived"
    VERIFIED = "verified"
    MISSING = "missing"
    ERROR = "error"
    SENDING = "sending"
    FAILED = "failed"


IS_THERE = (State.ARRIVED, State.VERIFIED)

WEIGHTS = "the weights"
"""What is missing where no model has arrived at all."""

LAST_WEIGHTS = "the weights of the last step"
"""What is missing where the model of an earlier step has arrived whole."""


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A bucket of somebody's: which one, and below which prefix. Without an endpoint it is Amazon's own."""

    bucket: str
    region: str = "us-east-1"
    endpoint_url: str | None = None
    prefix: str = ""

    def below(self, *names: str) -> str:
        return "/".join(part for part in (self.prefix, *names) if part)

    def shown(self, *names: str) -> str:
        at = f" at {urlsplit(self.endpoint_url).netloc}" if self.endpoint_url else ""
        return f"s3://{self.below_bucket(*names)}{at}"

    def below_bucket(self, *names: str) -> str:
        return "/".join(part for part in (self.bucket, self.prefix, *names) if part)


@dataclass(frozen=True, slots=True)
class BucketKeys:
    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Destination:
    """A bucket that somebody has named, or an account at the Hugging Face Hub: then ``place`` says nothing, and
    ``account`` is the name that its token belongs to. ``hint`` is the end of its key, to tell two apart."""

    tenant: str
    name: str
    place: BucketPlace
    hint: str
    updated_at: datetime
    updated_by: str
    tested_at: datetime | None = None
    test_passed: bool | None = None
    test_detail: str | None = None
    version: int = 1
    kind: Kind = Kind.S3
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """How far a model is on its way from our store to a place. ``sent_bytes`` of ``total_bytes`` are there.

    ``after`` is the last file that is there whole, in the order of sending; ``upload_id`` an open multipart upload of
    the file ``name``, made of our object of this ``etag``. ``moved_at`` is when something last arrived, and ``tries``
    counts the failures in a row since then.
    """

    asked_at: datetime
    asked_by: str
    moved_at: datetime
    total_bytes: int
    sent_bytes: int = 0
    after: str | None = None
    name: str | None = None
    upload_id: str | None = None
    etag: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One destination of one job. ``at`` says where exactly: a bucket and its prefix, or a repository.

    ``hashes`` are SHA-256 of model files, as far as the place tells them or they were small enough to be read.
    ``send`` is how far it was sent again, None where the trainer alone has sent. ``step`` is the one that the weights
    stand at which are there, as far as their place tells it.
    """

    name: str
    kind: Kind
    shown: str
    at: Mapping[str, Any] = field(default_factory=dict, hash=False)
    state: State = State.PROMISED
    files: int = 0
    bytes: int = 0
    missing: tuple[str, ...] = ()
    error: str | None = None
    url: str | None = None
    checked_at: datetime | None = None
    hashes: Mapping[str, str] = field(default_factory=dict, hash=False)
    send: Send | None = None
    step: int | None = None

    @property
    def place(self) -> BucketPlace:
        return BucketPlace(
            str(self.at["bucket"]), str(self.at["region"]), self.at.get("endpoint_url"), str(self.at["prefix"])
        )

    @property
    def came_in_part(self) -> bool:
        """Weights are there, and something else that they need is not."""
        if self.stops_early:
            return False
        return self.state is State.MISSING and self.files > 0 and WEIGHTS not in self.missing

    @property
    def stops_early(self) -> bool:
        """A model is there, whole, and it is not the one of the last step."""
        return self.state is State.MISSING and LAST_WEIGHTS in self.missing


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a connection test. ``cause`` is a stable word for what went wrong."""

    name: str
    passed: bool
    detail: str
    cause: str | None = None


def check_name(name: str) -> str:
    if name in RESERVED:
        raise BadInput(f"'{name}' is a destination of this system's own. Choose another name for your bucket.")
    if not _NAME.fullmatch(name):
        raise BadInput("A destination's name is 1 to 40 small letters, digits, '-' or '_', such as 'my-bucket'.")
    return name


def place_of(bucket: str, region: str | None, endpoint_url: str | None, prefix: str | None) -> BucketPlace:
    """Raises ``BadInput`` for what no bucket, region or address looks like."""
    bucket, region = bucket.strip(), (region or "").strip() or "us-east-1"
    if not _BUCKET.fullmatch(bucket):
        raise BadInput("'bucket' must be a bucket's name alone: 2 to 63 letters, digits, '.', '-' or '_'.")
    if not _REGION.fullmatch(region):
        raise BadInput("'region' must be a region's name such as eu-west-1. For R2 it is 'auto'.")
    path = (prefix or "").strip().strip("/")
    if len(path) > 400 or (path and (not _PREFIX.fullmatch(path) or ".." in path.split("/"))):
        raise BadInput("'path_prefix' must be a plain path such as models/mine, of letters, digits and . _ = + @ -.")
    return BucketPlace(bucket, region, _endpoint(endpoint_url), path)


def _endpoint(text: str | None) -> str | None:
    """Not quoted when it is refused: an address may hold a login."""
    text = (text or "").strip().rstrip("/")
    if not text:
        return None
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        fits = fits and (parts.port is None or parts.port > 0) and parts.username is None and text.isprintable()
    except ValueError:
        fits = False
    if not fits or len(text) > 300:
        raise BadInput(
            "'endpoint_url' must be an address such as https://s3.example.com, without a login, '?' or '#'. "
            "Leave it out for Amazon's own S3."
        )
    return text


def sentence(arrivals: Iterable[Arrival]) -> str:
    """What did not arrive, for the person who paid for it, and where the model is nevertheless."""
    listed = list(arrivals)
    told = [f"{one.shown} ({one.name}): {why_not(one)}" for one in listed if one.state not in IS_THERE]
    there = [one.shown for one in listed if one.state in IS_THERE]
    end = f" The model is at {' and at '.join(there)}." if there else " The log tells why publishing failed."
    return "Training ended, and not all that was promised has arrived. " + " ".join(told) + end


def sentence_of_loss(arrivals: Iterable[Arrival], last_step: int | None, job_id: str) -> str:
    """For a run that ended, and whose model stands at an earlier step everywhere."""
    furthest = max((one for one in arrivals if one.stops_early), key=lambda one: one.step or 0)
    of = f" of {last_step}" if last_step else ""
    return (
        f"Training ended, but only the weights of step {furthest.step}{of} have arrived, at {furthest.shown}. They "
        f"can be downloaded, and 'stcloud again {job_id} --resume' trains on from there. The log tells why the trainer "
        "sent no later ones: most often its last validation failed."
    )


def sentence_since(arrivals: Iterable[Arrival]) -> str:
    """The same once the model has been sent again, or has come late after all."""
    listed = list(arrivals)
    there = [one.shown for one in listed if one.state in IS_THERE]
    told = [
        f"{one.shown} ({one.name}): {why_not(one)}" for one in listed if one.state not in (*IS_THERE, State.SENDING)
    ]
    now = f"By now the model is at {' and at '.join(there)}." if there else "It is nowhere yet."
    still = f" Still not there: {' '.join(told)}" if told else ""
    return f"When training ended, not all that was promised had arrived. {now}{still}"


def why_not(arrival: Arrival) -> str:
    if arrival.error:
        return arrival.error
    some = ", ".join(arrival.missing[:5]) + (" …" if len(arrival.missing) > 5 else "")
    return f"missing: {some}."


def stored(arrival: Arrival) -> dict[str, Any]:
    """As a row holds it."""
    from chalicelib.domain.moments import maybe_to_text

    return {
        "name": arrival.name,
        "kind": arrival.kind.value,
        "shown": arrival.shown,
        "at": dict(arrival.at),
        "state": arrival.state.value,
        "files": arrival.files,
        "bytes": arrival.bytes,
        "missing": list(arrival.missing),
        "error": arrival.error,
        "url": arrival.url,
        "checked_at": maybe_to_text(arrival.checked_at),
        "hashes": dict(arrival.hashes),
        "send": _stored_send(arrival.send) if arrival.send else None,
        "step": arrival.step,
    }


def _stored_send(send: Send) -> dict[str, Any]:
    from chalicelib.domain.moments import to_text

    return {
        "asked_at": to_text(send.asked_at),
        "asked_by": send.asked_by,
        "moved_at": to_text(send.moved_at),
        "total": send.total_bytes,
        "sent": send.sent_bytes,
        "after": send.after,
        "name": send.name,
        "upload_id": send.upload_id,
        "etag": send.etag,
        "tries": send.tries,
    }


def _read_send(row: Mapping[str, Any]) -> Send:
    from chalicelib.domain.moments import from_text

    return Send(
        asked_at=from_text(row["asked_at"]),
        asked_by=row["asked_by"],
        moved_at=from_text(row["moved_at"]),
        total_bytes=row["total"],
        sent_bytes=row["sent"],
        after=row["after"],
        name=row["name"],
        upload_id=row["upload_id"],
        etag=row["etag"],
        tries=row["tries"],
    )


def read(row: Mapping[str, Any]) -> Arrival:
    from chalicelib.domain.moments import maybe_from_text

    return Arrival(
        name=row["name"],
        kind=Kind(row["kind"]),
        shown=row["shown"],
        at=row["at"],
        state=State(row["state"]),
        files=row["files"],
        bytes=row["bytes"],
        missing=tuple(row["missing"]),
        error=row["error"],
        url=row["url"],
        checked_at=maybe_from_text(row["checked_at"]),
        hashes=row["hashes"],
        send=_read_send(row["send"]) if row.get("send") else None,
        step=row.get("step"),
    )
