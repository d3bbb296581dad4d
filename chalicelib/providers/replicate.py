"""Replicate: training runs are predictions on ``simpletuner/advanced-trainer-*``, one model for each kind of machine.

Replicate has no idempotency key, so a run bears our launch key in its webhook address and its output folder, and a
lost answer is healed by looking for it (``find_run``). Inputs, logs and outputs are deleted about an hour after a run
ends: copy what is needed before.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.domain.errors import (
    BadCredentials,
    BadInput,
    InvalidConfig,
    OutcomeUnknown,
    ProviderDown,
    ProviderRefused,
)
from chalicelib.domain.ports.around import Breaker, Clock
from chalicelib.domain.ports.trainers import HostedFile, Survey
from chalicelib.domain.runs import CloudJobInfo, LaunchOrder, Offer
from chalicelib.domain.trainer_powers import Powers, built_on
from chalicelib.providers import replicate_files
from chalicelib.providers import replicate_prices as prices_data
from chalicelib.providers.base import CloudTrainerService, ProviderStatusUnknown
from chalicelib.providers.replicate_order import body_for, launch_key_of
from chalicelib.providers.replicate_run import Unreadable, created_at, is_run_id, listed, read_run
from chalicelib.providers.replicate_versions import VersionDays
from chalicelib.providers.road import Road

if TYPE_CHECKING:
    from chalicelib.providers.replicate_wire import Wire

DEFAULT_URL = "https://api.replicate.com"

CLOCK_MARGIN = timedelta(minutes=5)
"""How far Replicate's clock and ours may be apart when a lost run is looked for."""

SECRET_LIFETIME = timedelta(minutes=5)

SECRET_OUTLASTS = timedelta(hours=1)

SECRET_PAUSE = timedelta(seconds=10)
"""Anybody can send a bad signature: the secret is not asked for anew more often than this."""

RUN_CAP = timedelta(minutes=30)
"""How long Replicate lets a run work, unless it has raised the limit for the owner of the model."""

SURVEYED = 2000
"""How many of the account's newest predictions a survey reads, all of them pages of a hundred."""

CHECK_SECONDS = 6.0
"""Who asks whether the token is good is a person who waits."""

_VERSION = re.compile(r"[0-9a-f]{64}")


class ReplicateTrainer(CloudTrainerService):
    """``base_url`` has no ``/v1`` (one is tolerated); None means the real Replicate.

    ``timeout_seconds`` limits each method as a whole, and stands for a ``road`` without anything else.
    ``signing_secrets`` spares the question for the account's webhook secret. ``prices`` replaces prices by hardware, in
    micro-dollars per second, valid as of ``as_of``. ``run_cap`` is how long a run may work; None: as long as it likes.
    """

    provider_name = "replicate"
    display_name = "Replicate"
    description = "SimpleTuner's trainer on Replicate's GPUs, billed by the second."
    supports_cost_tracking = True
    supports_live_logs = True

    def __init__(
        self,
        api_token: str | None,
        base_url: str | None = None,
        *,
        timeout_seconds: float = 25,
        road: Road | None = None,
        breaker: Breaker | None = None,
        run_cap: timedelta | None = RUN_CAP,
        signing_secrets: Iterable[str] = (),
        prices: Mapping[str, int] | None = None,
        as_of: str = prices_data.AS_OF,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._api_token = (api_token or "").strip()
        self._base_url = (base_url or DEFAULT_URL).strip().rstrip("/").removesuffix("/v1")
        self._road = road or Road(seconds=timeout_seconds)
        self._breaker = breaker
        self.run_cap = run_cap
        self._signing_secrets = [secret for secret in signing_secrets if secret]
        self._offers = prices_data.offers(prices, as_of)
        self._clock = clock
        self._versions = VersionDays(clock)
        # The newest first; replaced whole, because webhooks are heard by several threads.
        self._fetched: list[tuple[datetime, str]] = []
        self._secret_failed_at: datetime | None = None

    @property
    def is_configured(self) -> bool:
        return bool(self._api_token)

    def offers(self) -> list[Offer]:
        return list(self._offers)

    def offer(self, hardware: str | None) -> Offer:
        return prices_data.find(hardware, self._offers)

    async def validate_credentials(self) -> dict[str, Any]:
        async with self._wire(seconds=CHECK_SECONDS) as wire:
            account = await wire.ask("tell whose token this is", lambda client: client.accounts.async_current())
        if not isinstance(account, dict) or not isinstance(account.get("username"), str):
            raise ProviderDown("Replicate did not tell whose token this is. Try again.")
        return {"valid": True, "username": account["username"], "type": account.get("type")}

    async def list_jobs(self, limit: int = 50) -> list[CloudJobInfo]:
        found: list[CloudJobInfo] = []
        async with self._wire() as wire:
            async for prediction in self._newest_first(wire):
                if len(found) >= limit:
                    break
                if prices_data.hardware_of_model(prediction.get("model")) is None:
                    continue
                try:
                    found.append(self._read(prediction))
                except ProviderStatusUnknown:
                    continue  # logged where it was read; the other runs are still worth telling
        return found

    async def run_job(self, order: LaunchOrder) -> CloudJobInfo:
        offer = self.offer(order.hardware)
        body = body_for(order, offer.gpu_count)
        secrets = [order.hf_token or ""]
        if order.delivery:
            secrets += [order.delivery.secret_key, order.delivery.session_token or ""]
        secrets += [str(entry.get("aws_secret_access_key") or "") for entry in order.dataloader or ()]
        async with self._wire(secrets) as wire:
            earlier = await self._among_the_newest(wire, order.launch_key)
            if earlier:
                return earlier
            model = _model(offer)
            version = version_for(order.version, model) or await self._newest_version(wire, model)
            answer = await wire.ask(
                "start the run",
                lambda client: client.predictions.async_create(version=f"{model}:{version}", **body),
                starts_a_run=True,
                headers=_deadline(order),
            )
        try:
            return self._told(answer)
        except (Unreadable, ProviderStatusUnknown) as reason:
            raise OutcomeUnknown(
                "Replicate accepted the run but its answer cannot be read: look for the run before asking again."
            ) from reason

    def pinned(self, version: str, hardware: str) -> str:
        model = _model(self.offer(hardware))
        return version_for(version, model) or version

    async def powers(self, version: str | None, hardware: str) -> Powers:
        """By the day on which the image was built: Replicate says nothing else of what is in it."""
        model = _model(self.offer(hardware))
        named = version_for(version, model)
        built = await self._versions.built(lambda: self._wire(seconds=CHECK_SECONDS), model, named)
        wanted = named or next(iter(built), None)
        if wanted is None:
            raise ProviderRefused(f"Replicate has no version of '{model}' to run. Choose other hardware.")
        day = built.get(wanted)
        if day is None:
            raise ProviderRefused(f"Replicate does not tell when the version '{wanted[:12]}…' of '{model}' was built.")
        return built_on(day.date())

    async def survey(self, since: datetime) -> Survey:
        runs: list[CloudJobInfo] = []
        read = 0
        async with self._wire() as wire:
            async for prediction in self._newest_first(wire):
                created = created_at(prediction)
                if created is not None and created < since - CLOCK_MARGIN:
                    break
                read += 1
                if read > SURVEYED:
                    return Survey(runs, complete=False)
                if launch_key_of(prediction) is None or prices_data.hardware_of_model(prediction.get("model")) is None:
                    continue
                try:
                    runs.append(self._read(prediction))
                except ProviderStatusUnknown:
                    continue  # logged where it was read
        return Survey(runs, complete=True)

    async def find_run(self, launch_key: str, since: datetime) -> CloudJobInfo | None:
        async with self._wire() as wire:
            async for prediction in self._newest_first(wire):
                created = created_at(prediction)
                if created is not None and created < since - CLOCK_MARGIN:
                    return None
                if launch_key_of(prediction) == launch_key:
                    return self._read(prediction)
        return None

    async def cancel_job(self, job_id: str) -> CloudJobInfo:
        run_id = _checked(job_id)
        async with self._wire() as wire:
            answer = await wire.ask(
                f"cancel the run '{run_id}'", lambda client: client.predictions.async_cancel(run_id)
            )
        return self._read(answer)

    async def get_job_logs(self, job_id: str) -> str:
        return (await self.get_job_status(job_id)).logs or ""

    async def get_job_status(self, job_id: str) -> CloudJobInfo:
        run_id = _checked(job_id)
        async with self._wire() as wire:
            answer = await wire.ask(f"show the run '{run_id}'", lambda client: client.predictions.async_get(run_id))
        return self._read(answer)

    def read_webhook(self, body: dict[str, Any]) -> CloudJobInfo:
        try:
            return self._told(body)
        except Unreadable as reason:
            raise BadInput(f"The webhook's body is not a Replicate prediction: {reason}.") from reason

    async def webhook_secrets(self) -> list[str]:
        if self._signing_secrets:
            return list(self._signing_secrets)
        now = self._clock()
        if not self._fetched or now - self._fetched[0][0] >= SECRET_LIFETIME:
            await self._ask_for_secret(now)
        return [secret for _, secret in self._fetched]

    async def renewed_webhook_secrets(self) -> list[str] | None:
        now = self._clock()
        if self._signing_secrets or (self._fetched and now - self._fetched[0][0] < SECRET_PAUSE):
            return None
        await self._fetch_secret(now)
        return [secret for _, secret in self._fetched]

    hosted_limit = replicate_files.LARGEST

    async def host(self, launch_key: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> HostedFile:
        if size > self.hosted_limit:
            raise BadInput(f"Replicate keeps files of at most {self.hosted_limit} bytes, and the dataset has {size}.")
        async with self._wire(longer=replicate_files.SENDING_SECONDS) as wire:
            return await replicate_files.send(wire, launch_key, size, chunks)

    async def hosted(self, launch_key: str) -> list[HostedFile]:
        async with self._wire() as wire:
            return await replicate_files.those_of(wire, launch_key)

    async def unhost(self, file_id: str) -> None:
        async with self._wire() as wire:
            await replicate_files.remove(wire, file_id)

    async def _ask_for_secret(self, now: datetime) -> None:
        """While Replicate cannot be asked, its news is believed by the secret that it told last: for an hour."""
        outlasts = bool(self._fetched) and now - self._fetched[0][0] < SECRET_OUTLASTS
        if outlasts and self._secret_failed_at and now - self._secret_failed_at < SECRET_PAUSE:
            return
        try:
            await self._fetch_secret(now)
        except ProviderDown:
            self._secret_failed_at = now
            if not outlasts:
                raise

    async def _fetch_secret(self, now: datetime) -> None:
        """The secret before it stays good for as long as a webhook that was signed with it may be on its way."""
        async with self._wire() as wire:
            answer = await wire.ask(
                "tell the webhook signing secret", lambda client: client.webhooks.default.async_secret()
            )
        key = answer.get("key") if isinstance(answer, dict) else None
        if not isinstance(key, str) or not key:
            raise ProviderDown("Replicate did not tell the webhook signing secret. Try again.")
        before = [(at, old) for at, old in self._fetched if old != key and now - at < 3 * SECRET_LIFETIME]
        self._fetched = [(now, key), *before[:1]]

    def _wire(self, secrets: Iterable[str] = (), seconds: float | None = None, longer: float | None = None) -> Wire:
        token = self._api_token
        if not token:
            raise BadCredentials(
                "There is no Replicate API token. Create one at https://replicate.com/account/api-tokens and set "
                "REPLICATE_API_TOKEN."
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise BadCredentials("The Replicate API token holds characters that no token has. Paste it again.")
        from chalicelib.providers.replicate_wire import Wire

        road = replace(self._road, seconds=min(seconds, self._road.seconds)) if seconds else self._road
        road = replace(road, seconds=longer) if longer else road
        return Wire(token, self._base_url, road, self._breaker, secrets)

    async def _among_the_newest(self, wire: Wire, launch_key: str) -> CloudJobInfo | None:
        """The run with this key on the first page, for a launch that is repeated soon. ``find_run`` reads all pages."""
        page = await wire.ask("list the runs", lambda client: client.predictions.async_list())
        found = next((one for one in listed(page) if launch_key_of(one) == launch_key), None)
        return self._read(found) if found else None

    async def _newest_version(self, wire: Wire, model: str) -> str:
        from replicate.version import Versions

        answer = await wire.ask(f"list the versions of '{model}'", lambda client: Versions(client, model).async_list())
        version = next((item.get("id") for item in listed(answer)), None)
        if not is_run_id(version):
            raise ProviderRefused(f"Replicate has no version of '{model}' to run. Choose other hardware.")
        return str(version)

    async def _newest_first(self, wire: Wire) -> AsyncIterator[dict[str, Any]]:
        cursor: Any = ...
        while cursor:
            page = await wire.ask("list the runs", lambda client, at=cursor: client.predictions.async_list(at))  # type: ignore[misc]
            for prediction in listed(page):
                yield prediction
            onward = page.get("next")
            # Only the query is taken from the answer: the token must go nowhere but to the address we were given.
            cursor = f"/v1/predictions?{urlsplit(str(onward)).query}" if onward else None

    def _read(self, answer: object) -> CloudJobInfo:
        try:
            return self._told(answer)
        except Unreadable as reason:
            raise ProviderDown(f"Replicate's answer is not a prediction: {reason}. Try again.") from reason

    def _told(self, answer: object) -> CloudJobInfo:
        return read_run(answer, self._clock(), self._price_of, self.run_cap)

    def _price_of(self, hardware: str) -> int | None:
        return next((offer.micros_per_second for offer in self._offers if offer.hardware == hardware), None)


def _model(offer: Offer) -> str:
    return f"{prices_data.OWNER}/{prices_data.MODEL_PREFIX}{offer.hardware}"


def version_for(wanted: str | None, model: str) -> str | None:
    """The hash of ``wanted``, which is one or ``owner/name:<hash>``; None for None.

    ``InvalidConfig`` when it is neither, or belongs to another model: the model is the machine, chosen and priced.
    """
    if wanted is None:
        return None
    named, _, version = wanted.strip().rpartition(":")
    if not _VERSION.fullmatch(version):
        raise InvalidConfig(
            "A model version is 64 hexadecimal digits, with or without 'owner/name:' before them. "
            "Leave it out for the newest.",
        )
    if named not in ("", model):
        raise InvalidConfig(f"The version belongs to '{named[:80]}', and the chosen hardware runs '{model}'.")
    return version


def _deadline(order: LaunchOrder) -> dict[str, str]:
    return {} if order.deadline is None else {"Cancel-After": f"{max(5, int(order.deadline.total_seconds()))}s"}


def _checked(job_id: str) -> str:
    if not is_run_id(job_id):
        raise BadInput("That is not the id of a run at Replicate.")
    return job_id
