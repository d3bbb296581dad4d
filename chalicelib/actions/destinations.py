"""Naming, testing and removing the buckets that models go to, and saying where they go when a job does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.actions.hubs import Hubs
from chalicelib.domain.callers import Caller
from chalicelib.domain.destinations import (
    MOST,
    RESERVED,
    S3_DELIVERY,
    BucketKeys,
    BucketPlace,
    Destination,
    Kind,
    Step,
    check_name,
    place_of,
)
from chalicelib.domain.errors import BadInput, Conflict, DestinationRefused, NotFound
from chalicelib.domain.ports.around import Clock, NewId
from chalicelib.domain.ports.jobs import Stale
from chalicelib.domain.ports.outside import Buckets, Destinations, Vault


@dataclass(frozen=True, slots=True)
class Naming:
    """``access_key`` and ``secret_key`` are None to keep those that are there."""

    bucket: str
    region: str | None = None
    endpoint_url: str | None = None
    prefix: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)

    def place(self) -> BucketPlace:
        return place_of(self.bucket, self.region, self.endpoint_url, self.prefix)


@dataclass(frozen=True, slots=True)
class Tested:
    steps: list[Step]
    well: str = "A probe was written, listed, read back and deleted."

    @property
    def passed(self) -> bool:
        return all(step.passed for step in self.steps)

    @property
    def failed(self) -> Step | None:
        return next((step for step in self.steps if not step.passed), None)

    @property
    def detail(self) -> str:
        failed = self.failed
        return failed.detail if failed else self.well


class NameDestinations:
    def __init__(
        self,
        destinations: Destinations,
        vault: Vault,
        buckets: Buckets,
        hubs: Hubs,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._destinations = destinations
        self._vault = vault
        self._buckets = buckets
        self._hubs = hubs
        self._clock = clock
        self._new_id = new_id

    def all(self, tenant: str) -> list[Destination]:
        return self._destinations.all(tenant)

    def get(self, tenant: str, name: str) -> Destination:
        found = self._destinations.get(tenant, name)
        if found is None:
            raise NotFound(f"There is no destination '{name[:60]}'. List them with 'stcloud destinations list'.")
        return found

    def keep(self, name: str, wanted: Naming, by: Caller) -> Destination:
        """The keys first: a crash in between leaves new keys for the old place, and asking again mends it."""
        check_name(name)
        place = wanted.place()
        before = self._destinations.get(by.tenant, name)
        if before and before.kind is not Kind.S3:
            raise BadInput(f"'{name}' is an account at the Hugging Face Hub. Choose another name for the bucket.")
        keys = self._given(wanted)
        if keys is None:
            if before is None:
                raise BadInput("A new destination needs 'access_key_id' and 'secret_access_key'.")
            if self._vault.read(by.tenant, name) is None:
                raise BadInput(f"The keys of '{name}' are gone. Give them again.")
        hint = keys.access_key[-4:] if keys else (before.hint if before else "")
        after = Destination(
            tenant=by.tenant,
            name=name,
            place=place,
            hint=hint,
            updated_at=self._clock(),
            updated_by=by.owner,
            version=(before.version if before else 0) + 1,
        )
        if keys:
            self._vault.keep(by.tenant, name, {"access_key": keys.access_key, "secret_key": keys.secret_key})
        self._put(after, before)
        return after

    def keep_account(self, name: str, token: str | None, by: Caller) -> Destination:
        """An account at the Hub by its token, which the Hub is asked about before it is kept."""
        check_name(name)
        before = self._destinations.get(by.tenant, name)
        if name == S3_DELIVERY or (before and before.kind is not Kind.HUB):
            raise BadInput(f"'{name}' is a bucket. Choose another name for the account.")
        if token is None or not token.strip():
            raise BadInput("An account at the Hugging Face Hub needs its 'token'.")
        given = token.strip()
        if not given.isascii() or not given.isprintable() or " " in given or len(given) > 512:
            raise BadInput("The token holds characters that none has. Copy it again, without spaces and line breaks.")
        tested, account = self._asked(given)
        if account is None:
            raise BadInput(tested.detail, cause=tested.failed.cause if tested.failed else None)
        now = self._clock()
        after = Destination(
            tenant=by.tenant,
            name=name,
            place=BucketPlace(""),
            hint=given[-4:],
            updated_at=now,
            updated_by=by.owner,
            tested_at=now,
            test_passed=tested.passed,
            test_detail=tested.detail,
            version=(before.version if before else 0) + 1,
            kind=Kind.HUB,
            account=account,
        )
        self._vault.keep(by.tenant, name, {"token": given})
        self._put(after, before)
        return after

    def _asked(self, token: str) -> tuple[Tested, str | None]:
        """What the Hub says of a token, and whose it is. Raises ``DestinationDown``."""
        try:
            identity = self._hubs.default.with_token(token).identity()
        except DestinationRefused as refusal:
            cause = str(refusal.fields.get("cause") or "refused")
            return Tested([Step("whoami", False, refusal.detail, cause)]), None
        why_not = identity.may_create(f"{identity.name}/any")
        namespaces = [name for name in identity.orgs if identity.may_create(f"{name}/any") is None]
        steps = [Step("whoami", True, f"The token is {identity.name}'s, with the role '{identity.role}'.")]
        if why_not is None or namespaces:
            where = [identity.name] if why_not is None else []
            told = f"It may make repositories of {', '.join([*where, *namespaces])}."
            steps.append(Step("write", True, told))
        else:
            steps.append(Step("write", False, f"{why_not[0].upper()}{why_not[1:]}", "denied"))
        return Tested(steps, " ".join(step.detail for step in steps)), identity.name

    def remove(self, name: str, by: Caller) -> None:
        """The keys first, so that nothing is left of them whatever happens next."""
        if name in RESERVED:
            raise BadInput(f"'{name}' is a destination of this system's own and stays.")
        check_name(name)
        self._vault.drop(by.tenant, name)
        default = self._destinations.default(by.tenant)
        if default and name in default:
            self._destinations.set_default(by.tenant, [one for one in default if one != name])
        if not self._destinations.delete(by.tenant, name):
            raise NotFound(f"There is no destination '{name}' (any more).")

    def test(self, name: str, by: Caller) -> Tested:
        """What came of it is kept with the destination, for the next who looks."""
        known = self.get(by.tenant, name)
        if known.kind is Kind.HUB:
            tested, _ = self._asked(self._hubs.token(by.tenant, name))
        else:
            tested = Tested(self._buckets.test(known.place, self._keys(known), self._new_id()))
        after = replace(
            known,
            tested_at=self._clock(),
            test_passed=tested.passed,
            test_detail=tested.detail,
            version=known.version + 1,
        )
        self._put(after, known)
        return tested

    def try_out(self, wanted: Naming, tenant: str, name: str | None = None) -> Tested:
        """A test of what is not kept yet; keys that are not given are those of ``name``."""
        place, keys = wanted.place(), self._given(wanted)
        if keys is None:
            known = self._destinations.get(tenant, name or S3_DELIVERY)
            if known is None or known.kind is not Kind.S3:
                raise BadInput("Give 'access_key_id' and 'secret_access_key' to test a bucket with.")
            keys = self._keys(known)
        return Tested(self._buckets.test(place, keys, self._new_id()))

    def default(self, tenant: str) -> list[str] | None:
        return self._destinations.default(tenant)

    def set_default(self, names: Sequence[str], by: Caller) -> list[str]:
        chosen = list(dict.fromkeys(names))
        if len(chosen) > MOST:
            raise BadInput(f"A job takes {MOST} destinations at most, because each gets every file.")
        for name in chosen:
            if name not in RESERVED and self._destinations.get(by.tenant, name) is None:
                raise BadInput(f"There is no destination '{name[:60]}'.")
        self._destinations.set_default(by.tenant, chosen)
        return chosen

    def s3_delivery(self, tenant: str) -> dict[str, Any] | None:
        """The bucket of SimpleTuner's own dialog, in its words and without its keys."""
        known = self._destinations.get(tenant, S3_DELIVERY)
        if known is None:
            return None
        return {
            "bucket": known.place.bucket,
            "region": known.place.region,
            "endpoint_url": known.place.endpoint_url,
            "path_prefix": known.place.prefix,
            "use_path_style": known.place.endpoint_url is not None,
            "public_read": False,
            "has_credentials": True,
            "access_key_hint": known.hint,
        }

    def _keys(self, known: Destination) -> BucketKeys:
        held = self._vault.read(known.tenant, known.name)
        if held is None:
            raise Conflict(f"The keys of '{known.name}' are gone. Give them again.")
        return BucketKeys(held["access_key"], held["secret_key"])

    def _given(self, wanted: Naming) -> BucketKeys | None:
        access, secret = (wanted.access_key or "").strip(), (wanted.secret_key or "").strip()
        if not access and not secret:
            return None
        if not access or not secret:
            raise BadInput("'access_key_id' and 'secret_access_key' belong together: give both, or neither.")
        if any(not one.isascii() or not one.isprintable() or " " in one or len(one) > 512 for one in (access, secret)):
            raise BadInput("A key holds characters that no S3 key has. Copy it again, without spaces and line breaks.")
        return BucketKeys(access, secret)

    def _put(self, after: Destination, before: Destination | None) -> None:
        try:
            self._destinations.put(after, before)
        except Stale:
            raise Conflict(f"Somebody else changed '{after.name}' at the same moment. Look, and try again.") from None
