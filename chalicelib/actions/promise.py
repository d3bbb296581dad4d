"""What a job promises to deliver, and to whom. Decided before a cent is spent, and whoever can be asked is asked.

The trainer sends each file to every place itself: a place that is wrong is found out here, or after the GPU was paid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.actions.hubs import Hubs
from chalicelib.domain.configs import hub_target
from chalicelib.domain.dataset_keys import KEPT_KEYS, vault_name
from chalicelib.domain.destinations import HUB, MOST, RESERVED, STORE, Arrival, Kind
from chalicelib.domain.errors import BadInput, DestinationRefused, InvalidConfig
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.outside import Destinations, Hub, Vault
from chalicelib.domain.ports.storage import Objects

_YES = ("true", "1", "yes")
STORED_BUCKET = "stored_bucket"
"""The field of a dataset that names the stored bucket whose keys it is read with."""


@dataclass(frozen=True, slots=True)
class Promised:
    """``options`` are to be added to the config; ``names`` are those whose keys the trainer gets."""

    arrivals: tuple[Arrival, ...]
    hub_model_id: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class PromiseDelivery:
    def __init__(self, destinations: Destinations, vault: Vault, hubs: Hubs, objects: Objects) -> None:
        self._destinations = destinations
        self._vault = vault
        self._hubs = hubs
        self._objects = objects

    def __call__(
        self, tenant: str, job_id: str, named: Sequence[str] | None, config: Mapping[str, Any], needs_us: bool
    ) -> Promised:
        """Raises ``BadInput`` for places that are not there or refuse. ``needs_us``: the data comes from here, so this
        system has to be reachable anyway."""
        names = list(dict.fromkeys(named if named is not None else self._destinations.default(tenant) or [STORE]))
        hubs = [name for name in names if self.is_hub(tenant, name)]
        if not hubs and hub_target(config) is not None:
            names.append(HUB)
        if len(hubs) > 1:
            raise BadInput(f"A trainer pushes to one repository, with one token: name one of {', '.join(hubs)}.")
        if not names:
            raise BadInput("A model has to go somewhere: name at least one destination, such as 'store'.")
        if len(names) > MOST:
            raise BadInput(f"A job takes {MOST} destinations at most, because each gets every file.")
        warnings = list[str]()
        if needs_us or STORE in names:
            try:
                self._objects.check_reach()
            except BadInput:
                # By default the model goes home too; when it cannot, it is enough that it goes where somebody said.
                if needs_us or named is not None or len(names) == 1:
                    raise
                names.remove(STORE)
                told = "The provider cannot reach this machine, so the model goes only to "
                warnings.append(f"{told}{', '.join(names)}. Set STCLOUD_PUBLIC_URL to have it here too.")
        arrivals, options, repo = [], dict[str, Any](), None
        for name in names:
            if name == HUB or name in hubs:
                arrival, options = self.at_hub(tenant, name, config)
                repo = str(arrival.at["repo"])
                arrivals.append(arrival)
            elif name == STORE:
                arrivals.append(Arrival(STORE, Kind.STORE, "this system's storage"))
            else:
                arrivals.append(self.at_bucket(tenant, name, job_id))
        buckets = tuple(one.name for one in arrivals if one.kind is Kind.S3)
        accounts = tuple(name for name in hubs if name != HUB)
        if buckets and len([one for one in arrivals if one.kind is not Kind.HUB]) > 1:
            warnings.append(
                "With more than one bucket the trainer gets their keys inside its config, which the provider shows to "
                "whoever holds its API token. Use keys that can write to that bucket and do nothing else."
            )
        return Promised(tuple(arrivals), repo, options, (*buckets, *accounts), tuple(warnings))

    def hub_account(self, tenant: str, named: Sequence[str] | None) -> str:
        """Whose Hub token a job will have: that of an account among its destinations, or else the server's own."""
        names = named if named is not None else self._destinations.default(tenant) or []
        return next((name for name in names if name != HUB and self.is_hub(tenant, name)), HUB)

    def is_hub(self, tenant: str, name: str) -> bool:
        """Whether a place of this name is the Hub, with the server's token or another."""
        known = None if name in RESERVED else self._destinations.get(tenant, name)
        return name == HUB or (known is not None and known.kind is Kind.HUB)

    def datasets(self, tenant: str, entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
        """The entries with the stored bucket of each that has one by name, or reads a bucket that is stored here, and
        the names of those buckets. Keys are added when the run starts, and kept nowhere."""
        told, used = [], []
        stored = None
        for entry in entries:
            name = entry.get(STORED_BUCKET)
            if name is None and entry.get("type") == "aws" and KEPT_KEYS not in entry:
                stored = stored if stored is not None else self._destinations.all(tenant)
                fitting = [
                    one for one in stored if one.kind is Kind.S3 and one.place.bucket == entry.get("aws_bucket_name")
                ]
                name = fitting[0].name if len(fitting) == 1 else None
            if name is None:
                told.append(entry)
                continue
            if entry.get("type") != "aws":
                raise BadInput(f"'{STORED_BUCKET}' is for datasets of type 'aws'.")
            known = self._destinations.get(tenant, str(name))
            if known is None or known.kind is not Kind.S3 or self._vault.read(tenant, known.name) is None:
                raise BadInput(f"There is no stored bucket '{str(name)[:60]}' with keys. See 'stcloud destinations'.")
            place = {
                "aws_bucket_name": entry.get("aws_bucket_name") or known.place.bucket,
                "aws_region_name": known.place.region,
                "aws_endpoint_url": known.place.endpoint_url,
            }
            if place["aws_bucket_name"] != known.place.bucket:
                raise BadInput(f"The stored bucket '{known.name}' is another bucket than the dataset's.")
            told.append({**entry, **place, STORED_BUCKET: known.name})
            used.append(known.name)
        return told, tuple(dict.fromkeys(used))

    def keep_keys(self, job: Job, keys: dict[str, str]) -> None:
        """Those that came inside the job's dataloader. Before the job is made: its launch may begin at once."""
        if keys:
            self._vault.keep(job.tenant, vault_name(job.id), keys)

    def hand_keys_on(self, former: Job, job: Job) -> Job:
        """The job with keys of its own like the former one's, whose keys go with its end."""
        old, new = vault_name(former.id), vault_name(job.id)
        if old not in former.vault_names:
            return job
        self.keep_keys(job, self._vault.read(former.tenant, old) or {})
        return replace(job, vault_names=tuple(new if name == old else name for name in job.vault_names))

    def forget_keys(self, job: Job) -> None:
        """Of a job that was not made after all."""
        if vault_name(job.id) in job.vault_names:
            self._vault.drop(job.tenant, vault_name(job.id))

    def at_bucket(self, tenant: str, name: str, job_id: str) -> Arrival:
        known = self._destinations.get(tenant, name)
        if known is None:
            raise BadInput(
                f"There is no destination '{name[:60]}'. Name it first: stcloud destinations add NAME --bucket BUCKET."
            )
        if self._vault.read(tenant, name) is None:
            raise BadInput(f"The keys of the destination '{name}' are gone. Give them again.")
        if known.test_passed is False:
            raise BadInput(
                f"The destination '{name}' failed its last test: {known.test_detail} Mend it and test it again."
            )
        place = known.place
        at = {
            "bucket": place.bucket,
            "region": place.region,
            "endpoint_url": place.endpoint_url,
            "prefix": place.below(job_id),
        }
        return Arrival(name, Kind.S3, place.shown(job_id), at)

    def at_hub(self, tenant: str, name: str, config: Mapping[str, Any]) -> tuple[Arrival, dict[str, Any]]:
        target = hub_target({**config, "--push_to_hub": True})
        if not target:
            raise InvalidConfig("The destination 'hub' needs 'hub_model_id', such as your-name/your-model.")
        hub = self._hub(tenant, name)
        if not hub.has_token:
            raise InvalidConfig(
                f"The config pushes to '{target}', and no Hugging Face token is set here. "
                "Set HF_TOKEN where this server runs, or take 'push_to_hub' out of the config."
            )
        try:
            identity = hub.identity()
            repo = target if "/" in target else f"{identity.name}/{target}"
            may = hub.may_write(repo)
        except DestinationRefused as refusal:
            raise InvalidConfig(refusal.detail, cause=refusal.fields.get("cause")) from None
        why_not = identity.may_create(repo) if may is None else None
        if may is False:
            why_not = "the token may read it and not write to it"
        if why_not:
            raise InvalidConfig(f"Nothing can be pushed to '{repo}': {why_not}", cause="denied")
        private = str(config.get("--model_card_private", "true")).lower() in _YES
        options = {"--push_to_hub": True, "--hub_model_id": repo, "--model_card_private": private}
        at = {"repo": repo, "private": private, "existed": may is not None}
        page = hub.page(repo)
        return Arrival(name, Kind.HUB, page.removeprefix("https://"), at, url=page), options

    def _hub(self, tenant: str, name: str) -> Hub:
        try:
            return self._hubs.of(tenant, name)
        except DestinationRefused as refusal:
            raise BadInput(refusal.detail) from None
