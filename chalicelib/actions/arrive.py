"""Looking whether what a job promised has arrived: in our store, in users' buckets, at the Hugging Face Hub.

A place is *verified* when it holds weights of the last step that can be opened, all files that the newest checkpoint's
own manifest names, and every model file that another place of the same job has, whole. At the Hub the weights must be
newer than the job, or the same bytes as in our store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from chalicelib.actions.hubs import Hubs
from chalicelib.domain.artifacts import checkpoint_step, last_weights, step_of
from chalicelib.domain.destinations import IS_THERE, LAST_WEIGHTS, STORE, WEIGHTS, Arrival, BucketKeys, Kind, State
from chalicelib.domain.errors import CloudError, DestinationRefused
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.around import Clock
from chalicelib.domain.ports.outside import Buckets, Vault
from chalicelib.domain.ports.storage import Objects, StoredObject
from chalicelib.domain.weight_files import fault

MANIFEST = "checkpoint_manifest.json"
HASH_BYTES = 256 * 1024 * 1024
"""As much of a job's model is read to hash it where nothing else is said: a function that does has seconds."""

_MOST_HASHED = 12
_MANIFEST_BYTES = 1024 * 1024
_STATE = "training_state.json"


@dataclass(frozen=True, slots=True)
class Shelf:
    """How files of one place are read: a small one whole, or the beginning of any."""

    read: Callable[[StoredObject], bytes | None]
    first: Callable[[StoredObject, int], bytes]


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
        shelf = Shelf(
            lambda one: self._objects.read("outputs", one.key, _MANIFEST_BYTES),
            lambda one, length: self._objects.read_range("outputs", one.key, one.etag, 0, length),
        )
        arrival, sizes = _seen(job, promised, listed, prefix, shelf)
        return arrival, sizes, listed

    def _at_bucket(self, job: Job, promised: Arrival) -> tuple[Arrival, dict[str, int]]:
        held = self._vault.read(job.tenant, promised.name)
        if held is None:
            raise DestinationRefused("its keys were removed here, so nobody can look.", cause="no_keys")
        keys, place = BucketKeys(held["access_key"], held["secret_key"]), promised.place
        prefix = f"{place.prefix}/"
        listed = self._buckets.list(place, keys, prefix)
        shelf = Shelf(
            lambda one: self._buckets.read(place, keys, one.key, _MANIFEST_BYTES),
            lambda one, length: self._buckets.first(place, keys, one.key, length),
        )
        return _seen(job, promised, listed, prefix, shelf)

    def _at_hub(self, job: Job, promised: Arrival, found: Mapping[str, Arrival]) -> Arrival:
        repo = str(promised.at["repo"])
        hub = self._hubs.of(job.tenant, promised.name)
        files = {file.path: file for file in hub.files(repo)}
        ours = {digest for arrival in found.values() for digest in arrival.hashes.values()}
        new = {
            path: file
            for path, file in files.items()
            if _is_new(file.changed_at, job.created_at) or (file.sha256 and file.sha256 in ours)
        }
        good = [new[path] for path in sorted(last_weights(new))]
        hashes = {file.path: file.sha256 for file in good if file.sha256}
        told = [step for step in (step_of([file.path]) or file.step for file in good) if step is not None]
        counted = replace(
            promised,
            files=len(good),
            bytes=sum(file.size for file in good),
            hashes=dict(list(hashes.items())[:_MOST_HASHED]),
            step=max(told, default=None),
        )
        if not good:
            why = "its weights are older than this job." if last_weights(files) else "no weights are in the repository."
            return replace(counted, state=State.MISSING, missing=(WEIGHTS,), error=f"Nothing was pushed: {why}")
        faults = {one.path: fault(one.path, one.size, partial(hub.first, repo, one.path)) for one in good}
        wrong = {path: told for path, told in faults.items() if told}
        return _broken(counted, wrong) if wrong else _judged(job, counted)

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
    job: Job, promised: Arrival, listed: list[StoredObject], prefix: str, shelf: Shelf
) -> tuple[Arrival, dict[str, int]]:
    keys = {_name(job, stored.key, prefix): stored for stored in listed}
    sizes = {name: stored.size for name, stored in keys.items()}
    counted = replace(promised, files=len(sizes), bytes=sum(sizes.values()))
    models = last_weights(sizes)
    if not models:
        return replace(counted, state=State.MISSING, missing=(WEIGHTS,)), sizes
    wrong = {name: told for name in sorted(models) if (told := _fault(name, keys[name], shelf))}
    if wrong:
        return _broken(counted, wrong), sizes
    manifest = _newest_manifest(sizes)
    if manifest is not None:
        folder = manifest.removesuffix(MANIFEST)
        named = [f"{folder}{file}" for file in _named(shelf.read(keys[manifest]))]
        missing = [name for name in named if name not in sizes]
        if missing:
            return replace(counted, state=State.MISSING, missing=tuple(missing[:20])), sizes
    return _judged(job, replace(counted, step=_step(models, keys, shelf))), sizes


def _judged(job: Job, arrival: Arrival) -> Arrival:
    """A model that can be opened, and whether it is the one of the last step."""
    if arrival.step is None or job.last_step is None or arrival.step >= job.last_step:
        return replace(arrival, state=State.VERIFIED)
    told = f"the weights of step {arrival.step} of {job.last_step} are there, and none of a later one."
    return replace(arrival, state=State.MISSING, missing=(LAST_WEIGHTS,), error=told)


def _broken(arrival: Arrival, wrong: Mapping[str, str]) -> Arrival:
    told = " ".join(f"{name} {why}." for name, why in list(wrong.items())[:5])
    return replace(arrival, state=State.MISSING, missing=tuple(wrong)[:20], error=told)


def _fault(name: str, stored: StoredObject, shelf: Shelf) -> str | None:
    return fault(name, stored.size, lambda length: shelf.first(stored, length))


def _step(models: Iterable[str], keys: Mapping[str, StoredObject], shelf: Shelf) -> int | None:
    """The step of a checkpoint as it tells it itself, or else as its folder is called."""
    listed = list(models)
    step = step_of(listed)
    state = next((name for name in _beside(listed, step) if name in keys), None)
    if step is None or state is None:
        return step
    try:
        told = json.loads(shelf.read(keys[state]) or b"")
    except ValueError:
        return step
    found = told.get("global_step") if isinstance(told, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else step


def _beside(models: Iterable[str], step: int | None) -> list[str]:
    """Where the checkpoint of this step keeps its state."""
    found = []
    for name in models:
        if step is not None and checkpoint_step(name) == step:
            folders = name.split("/")
            depth = next(place for place, one in enumerate(folders) if one.startswith(f"checkpoint-{step}"))
            found.append("/".join((*folders[: depth + 1], _STATE)))
    return found


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
