"""Replicate: training runs are predictions on ``simpletuner/advanced-trainer-*``, one model for each kind of machine.

Replicate has no idempotency key, so a run bears our launch key in its webhook address and its output folder, and a
lost answer is healed by looking for it (``find_run``). Inputs, logs and outputs are deleted about an hour after a run
ends: copy what is needed before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.domain.errors import BadCredentials, BadInput, OutcomeUnknown, ProviderDown, ProviderRefused
from chalicelib.domain.ports import Clock
from chalicelib.domain.runs import CloudJobInfo, LaunchOrder, Offer
from chalicelib.providers import replicate_prices as prices_data
from chalicelib.providers.base import CloudTrainerService, ProviderStatusUnknown
from chalicelib.providers.replicate_order import body_for, launch_key_of
from chalicelib.providers.replicate_run import Unreadable, created_at, is_run_id, read_run

if TYPE_CHECKING:
    from chalicelib.providers.replicate_wire import Wire

DEFAULT_URL = "https://api.replicate.com"

CLOCK_MARGIN = timedelta(minutes=5)
"""How far Replicate's clock and ours may be apart when a lost run is looked for."""

SECRET_LIFETIME = timedelta(minutes=5)


class ReplicateTrainer(CloudTrainerService):
    """``base_url`` has no ``/v1`` (one is tolerated); None means the real Replicate.

    ``timeout_seconds`` limits each method as a whole. ``signing_secrets`` spares the question for the account's
    webhook secret. ``prices`` replaces prices by hardware, in micro-dollars per second, valid as of ``as_of``.
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
        signing_secrets: Iterable[str] = (),
        prices: Mapping[str, int] | None = None,
        as_of: str = prices_data.AS_OF,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._api_token = (api_token or "").strip()
        self._base_url = (base_url or DEFAULT_URL).strip().rstrip("/").removesuffix("/v1")
        self._timeout_seconds = timeout_seconds
        self._signing_secrets = [secret for secret in signing_secrets if secret]
        self._offers = prices_data.offers(prices, as_of)
        self._clock = clock
        self._fetched_secret: tuple[datetime, str] | None = None

    @property
    def is_configured(self) -> bool:
        return bool(self._api_token)

    def offers(self) -> list[Offer]:
        return list(self._offers)

    def offer(self, hardware: str | None) -> Offer:
        return prices_data.find(hardware, self._offers)

    async def validate_credentials(self) -> dict[str, Any]:
        async with self._wire() as wire:
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
            model = f"{prices_data.OWNER}/{prices_data.MODEL_PREFIX}{offer.hardware}"
            version = await self._newest_version(wire, model)
            answer = await wire.ask(
                "start the run",
                lambda client: client.predictions.async_create(version=f"{model}:{version}", **body),
                starts_a_run=True,
            )
        try:
            return read_run(answer, self._clock(), self._price_of)
        except (Unreadable, ProviderStatusUnknown) as reason:
            raise OutcomeUnknown(
                "Replicate accepted the run but its answer cannot be read: look for the run before asking again."
            ) from reason

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
            return read_run(body, self._clock(), self._price_of)
        except Unreadable as reason:
            raise BadInput(f"The webhook's body is not a Replicate prediction: {reason}.") from reason

    async def webhook_secrets(self) -> list[str]:
        if self._signing_secrets:
            return list(self._signing_secrets)
        now = self._clock()
        if self._fetched_secret and now - self._fetched_secret[0] < SECRET_LIFETIME:
            return [self._fetched_secret[1]]
        async with self._wire() as wire:
            answer = await wire.ask(
                "tell the webhook signing secret", lambda client: client.webhooks.default.async_secret()
            )
        key = answer.get("key") if isinstance(answer, dict) else None
        if not isinstance(key, str) or not key:
            raise ProviderDown("Replicate did not tell the webhook signing secret. Try again.")
        self._fetched_secret = (now, key)
        return [key]

    def _wire(self, secrets: Iterable[str] = ()) -> Wire:
        token = self._api_token
        if not token:
            raise BadCredentials(
                "There is no Replicate API token. Create one at https://replicate.com/account/api-tokens and set "
                "REPLICATE_API_TOKEN."
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise BadCredentials("The Replicate API token holds characters that no token has. Paste it again.")
        from chalicelib.providers.replicate_wire import Wire

        return Wire(token, self._base_url, self._timeout_seconds, secrets)

    async def _among_the_newest(self, wire: Wire, launch_key: str) -> CloudJobInfo | None:
        """The run with this key on the first page, for a launch that is repeated soon. ``find_run`` reads all pages."""
        page = await wire.ask("list the runs", lambda client: client.predictions.async_list())
        found = next((one for one in _results(page) if launch_key_of(one) == launch_key), None)
        return self._read(found) if found else None

    async def _newest_version(self, wire: Wire, model: str) -> str:
        from replicate.version import Versions

        answer = await wire.ask(f"list the versions of '{model}'", lambda client: Versions(client, model).async_list())
        version = next((item.get("id") for item in _results(answer)), None)
        if not is_run_id(version):
            raise ProviderRefused(f"Replicate has no version of '{model}' to run. Choose other hardware.")
        return str(version)

    async def _newest_first(self, wire: Wire) -> AsyncIterator[dict[str, Any]]:
        cursor: Any = ...
        while cursor:
            page = await wire.ask("list the runs", lambda client, at=cursor: client.predictions.async_list(at))  # type: ignore[misc]
            for prediction in _results(page):
                yield prediction
            onward = page.get("next")
            # Only the query is taken from the answer: the token must go nowhere but to the address we were given.
            cursor = f"/v1/predictions?{urlsplit(str(onward)).query}" if onward else None

    def _read(self, answer: object) -> CloudJobInfo:
        try:
            return read_run(answer, self._clock(), self._price_of)
        except Unreadable as reason:
            raise ProviderDown(f"Replicate's answer is not a prediction: {reason}. Try again.") from reason

    def _price_of(self, hardware: str) -> int | None:
        return next((offer.micros_per_second for offer in self._offers if offer.hardware == hardware), None)


def _checked(job_id: str) -> str:
    if not is_run_id(job_id):
        raise BadInput("That is not the id of a run at Replicate.")
    return job_id


def _results(page: object) -> list[dict[str, Any]]:
    results = page.get("results") if isinstance(page, dict) else None
    if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise ProviderDown("Replicate's answer is not a list of runs or versions. Try again.")
    return results
