"""Looking whether what a job promised has arrived: in our store, in users' buckets, at the Hugging Face Hub.

A place is *verified* when it holds weights, all files that the newest checkpoint's own manifest names, and every model
file that another place of the same job has, whole. At the Hub the weights must be newer than the job, or the same bytes
as in our store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.actions.hubs import Hubs
from chalicelib.domain.artifacts import checkpoint_step, is_weights, last_weights
from chalicelib.domain.destinations import IS_THERE, STORE, WEIGHTS, Arrival, BucketKeys, Kind, State
from chalicelib.domain.errors import CloudError, DestinationRefused
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.outside import Buckets, Vault
from chalicelib.domain.ports.storage import Objects, StoredObject

MANIFEST = "checkpoint_manifest.json"
HASH_BYTES = 256 * 1024 * 1024
"""As much of a job's model is read to hash it where nothing else is said: a function that does has seconds."""

_MOST_HASHED = 12
_MANIFEST_BYTES = 1024 * 1024
Read = Callable[[str], bytes | None]


class Arrive:
    def __init__(
        self,
        objects: Objects,
        buckets: Buckets,
        vault: Vault,
        hubs: Hubs,
        clock: Clock,
        hash_bytes: int = HASH_BYTES,
    ) -> None:
        self._objects = objects
        self._buckets = buckets
        self._vault = vault
        self._hubs = hubs
        self._clock = clock
        self._hash_bytes = hash_bytes

    def look(self, job: Job, give_up: bool) -> tuple[Arrival, ...]:
        """Raises ``DestinationDown`` when a place could not be looked at; with ``give_up`` it counts as not there."""

        def look_at(promised: Arrival, found: Mapping[str, Arrival]) -> tuple[Arrival, dict[str, int]]:
            sizes: dict[str, int] = {}
            try:
                arrival, sizes = self._look_at(job, promised, found)
            except DestinationRefused as refusal:
                arrival = replace(promised, state=State.ERROR, error=refusal.detail)
            except CloudError as down:
                if not give_up:
                    raise
                arrival = replace(promised, state=State.ERROR, error=f"{down.detail} It was tried for an hour.")
            return replace(arrival, checked_at=self._clock()), sizes

        return _each(job, look_at)

    def look_again(self, job: Job) -> tuple[Arrival, ...]:
        """The same long after the job's end: what is known of a place that cannot be asked now stays as it is."""

        def look_at(known: Arrival, found: Mapping[str, Arrival]) -> tuple[Arrival, dict[str, int]]:
            try:
                arrival, sizes = self._look_at(job, replace(known, error=None, missing=()), found)
            except CloudError:
                return known, {}
            return replace(arrival, checked_at=self._clock()), sizes

        return _each(job, look_at)

    def home(self, job: Job) -> tuple[Arrival, list[StoredObject]]:
        """Our own store as it is now, whether or not it was promised the model, and the objects that it holds."""
        known = next((one for one in job.destinations if one.kind is Kind.STORE), None)
        arrival, _, listed = self._in_store(job, known or Arrival(STORE, Kind.STORE, "this system's storage"))
        return replace(arrival, checked_at=self._clock()), listed

    def _look_at(self, job: Job, promised: Arrival, found: Mapping[str, Arrival]) -> tuple[Arrival, dict[str, int]]:
        if promised.kind is Kind.HUB:
            return self._at_hub(job, promised, found), {}
        if promised.kind is Kind.STORE:
            return self._at_store(job, promised)
        return self._at_bucket(job, promised)

    def _at_store(self, job: Job, promised: Arrival) -> tuple[Arrival, dict[str, int]]:
        arrival, sizes, listed = self._in_store(job, promised)
        return replace(arrival, hashes=self._hashed(job, listed)), sizes

    def _in_store(self, job: Job, promised: Arrival) -> tuple[Arrival, dict[str, int], list[StoredObject]]:
        prefix = f"{job.id}/"
        listed = self._objects.list("outputs", prefix)
        arrival, sizes = _seen(
            job, promised, listed, prefix, lambda key: self._objects.read("outputs", key, _MANIFEST_BYTES)
        )
        return arrival, sizes, listed

    def _at_bucket(self, job: Job, promised: Arrival) -> tuple[Arrival, dict[str, int]]:
        held = self._vault.read(job.tenant, promised.name)
        if held is None:
            raise DestinationRefused("its keys were removed here, so nobody can look.", cause="no_keys")
        keys, place = BucketKeys(held["access_key"], held["secret_key"]), promised.place
        prefix = f"{place.prefix}/"
        listed = self._buckets.list(place, keys, prefix)
        return _seen(job, promised, listed, prefix, lambda key: self._buckets.read(place, keys, key, _MANIFEST_BYTES))

    def _at_hub(self, job: Job, promised: Arrival, found: Mapping[str, Arrival]) -> Arrival:
        repo = str(promised.at["repo"])
        files = self._hubs.of(job.tenant, promised.name).files(repo)
        weights = [file for file in files if is_weights(file.path)]
        ours = {digest for arrival in found.values() for digest in arrival.hashes.values()}
        good = [file for file in weights if _is_new(file.changed_at, job.created_at) or file.sha256 in ours]
        hashes = {file.path: file.sha256 for file in good if file.sha256}
        counted = replace(
            promised,
            files=len(good),
            bytes=sum(file.size for file in good),
            hashes=dict(list(hashes.items())[:_MOST_HASHED]),
        )
        if good:
            return replace(counted, state=State.VERIFIED)
        why = "no weights are in the repository." if not weights else "its weights are older than this job."
        return replace(counted, state=State.MISSING, missing=(WEIGHTS,), error=f"Nothing was pushed: {why}")

    def _hashed(self, job: Job, listed: list[StoredObject]) -> dict[str, str]:
        names = {_name(job, stored.key, f"{job.id}/"): stored for stored in listed}
        hashes, left = dict[str, str](), self._hash_bytes
        for name in sorted(last_weights(names))[:_MOST_HASHED]:
            stored = names[name]
            known = self._objects.known_sha256("outputs", stored.key)
            if known is None and stored.size <= left:
                left -= stored.size
                known = self._objects.sha256("outputs", stored.key)
            if known is not None:
                hashes[name] = known
        return hashes


def _seen(
    job: Job, promised: Arrival, listed: list[StoredObject], prefix: str, read: Read
) -> tuple[Arrival, dict[str, int]]:
    keys = {_name(job, stored.key, prefix): stored for stored in listed}
    sizes = {name: stored.size for name, stored in keys.items()}
    counted = replace(promised, files=len(sizes), bytes=sum(sizes.values()))
    models = last_weights(sizes)
    if not models:
        return replace(counted, state=State.MISSING, missing=(WEIGHTS,)), sizes
    empty = sorted(name for name in models if sizes[name] == 0)
    missing, manifest = empty, _newest_manifest(sizes)
    if manifest is not None:
        folder = manifest.removesuffix(MANIFEST)
        missing = empty + [
            f"{folder}{file}" for file in _named(read(keys[manifest].key)) if f"{folder}{file}" not in sizes
        ]
    if missing:
        return replace(counted, state=State.MISSING, missing=tuple(missing[:20])), sizes
    return replace(counted, state=State.VERIFIED), sizes


def _newest_manifest(names: Iterable[str]) -> str | None:
    """The one of the checkpoint with the most steps."""
    steps = {checkpoint_step(name): name for name in names if name.endswith(f"/{MANIFEST}")}
    newest = max((step for step in steps if step is not None), default=None)
    return None if newest is None else steps[newest]


def _named(manifest: bytes | None) -> list[str]:
    """The files that a checkpoint says it has; none when nobody can read it."""
    return [name for name, _ in _entries(manifest)]


def _entries(manifest: bytes | None) -> list[tuple[str, str | None]]:
    """Names and, where the manifest tells them, SHA-256."""
    try:
        told = json.loads(manifest or b"{}")
    except ValueError:
        return []
    files = told.get("files") if isinstance(told, dict) else None
    found = [(one.get("path"), one.get("sha256")) if isinstance(one, dict) else (one, None) for one in files or ()]
    return [
        (name, digest if isinstance(digest, str) else None)
        for name, digest in found
        if isinstance(name, str) and name and ".." not in name.split("/")
    ]


def declared(job: Job, objects: Objects, listed: Mapping[str, StoredObject]) -> dict[str, str]:
    """SHA-256 of files in our store, by name: as the newest checkpoint's manifest tells them, and as they were when
    their arrival was looked at."""
    known = dict[str, str]()
    manifest = _newest_manifest(listed)
    if manifest is not None:
        folder = manifest.removesuffix(MANIFEST)
        read = objects.read("outputs", listed[manifest].key, _MANIFEST_BYTES)
        known |= {f"{folder}{name}": digest for name, digest in _entries(read) if digest}
    for one in job.destinations:
        if one.kind is Kind.STORE:
            known |= one.hashes
    return known


LookAt = Callable[[Arrival, Mapping[str, Arrival]], tuple[Arrival, dict[str, int]]]
"""From what is known of a place, and what the others hold, to what is there now and how long each file is."""


def _each(job: Job, look_at: LookAt) -> tuple[Arrival, ...]:
    found: dict[str, Arrival] = {}
    listings: dict[str, dict[str, int]] = {}
    # The Hub last: its files are held against those that are at hand.
    for one in sorted(job.destinations, key=lambda one: one.kind is Kind.HUB):
        found[one.name], listings[one.name] = look_at(one, found)
    return tuple(_compared(found[one.name], listings, found) for one in job.destinations)


def _compared(arrival: Arrival, listings: Mapping[str, dict[str, int]], found: Mapping[str, Arrival]) -> Arrival:
    """A model file that another place of the job has, and this one has not or has cut short, is missing here."""
    own = listings[arrival.name]
    if arrival.state not in IS_THERE or arrival.kind is Kind.HUB:
        return arrival
    missing = []
    for name, sizes in listings.items():
        if name != arrival.name and found[name].state in IS_THERE:
            missing += [model for model in last_weights(sizes) if own.get(model, -1) < sizes[model]]
    return replace(arrival, state=State.MISSING, missing=tuple(sorted(set(missing)))) if missing else arrival


def _name(job: Job, key: str, prefix: str) -> str:
    return key[len(prefix) :].removeprefix(f"{job.launch_key}/")


def _is_new(changed_at: datetime | None, since: datetime) -> bool:
    # The Hub's clock tells whole seconds.
    return changed_at is not None and changed_at >= since.replace(microsecond=0)
