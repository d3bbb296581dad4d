"""Whether a vendor on the internet will reach this system: asked by fetching ourselves through our public address.

    our address ──▶ tunnel, proxy, CDN ──▶ us?   a nonce that only we can have answered
    the store's ──▶      the same      ──▶ us?   an object, by a presigned address: the host must pass unchanged

What is seen from here may differ from what a vendor sees: an address that only this network knows passes both
questions, so it is told apart.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from chalicelib.domain.errors import CloudError, NotFound
from chalicelib.domain.ports.around import Clock, Fetch, Fetched, Probes
from chalicelib.domain.ports.storage import Objects

PROBE = "/api/cloud/publishing/probe"
_FOLDER = "self-test"
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    passed: bool
    detail: str
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    public_url: str | None
    checks: list[Check]

    @property
    def reachable(self) -> bool:
        return all(check.passed for check in self.checks)


class SelfTest:
    def __init__(self, public_url: str | None, objects: Objects, fetch: Fetch, probes: Probes, clock: Clock) -> None:
        self._url = public_url
        self._objects = objects
        self._fetch = fetch
        self._probes = probes
        self._clock = clock

    def proof(self, nonce: str) -> str:
        """What was laid down for this nonce a moment ago, by whichever process asked."""
        found = self._probes.find(nonce)
        if found is None:
            raise NotFound("Nobody here asked that. Start a test with GET /api/cloud/publishing/self-test.")
        return found

    def __call__(self) -> Found:
        if self._url is None:
            told = (
                "STCLOUD_PUBLIC_URL is not set, so no vendor can reach this system: there are no webhooks, and the "
                "vendor can neither fetch data from here nor deliver to here. Start a tunnel to this server "
                "(cloudflared tunnel --url, ngrok http) and set the variable to its https address."
            )
            return Found(None, [Check("address", False, told, "not_set")])
        checks = [self._address()]
        if checks[0].cause != "not_an_address":
            checks.append(self._answers())
            checks.append(self._store())
        return Found(self._url, checks)

    def _address(self) -> Check:
        host = urlsplit(self._url or "").hostname or ""
        try:
            is_private = not ipaddress.ip_address(host).is_global
        except ValueError:
            is_private = host == "localhost" or host.endswith((".local", ".internal", ".lan")) or "." not in host
        if is_private:
            told = f"'{host}' is known on this machine or network only. A vendor on the internet does not find it."
            return Check("address", False, told, "private")
        if not (self._url or "").startswith("https://"):
            return Check("address", False, "Vendors send news to https addresses only, and this one is http.", "http")
        return Check("address", True, f"{self._url} is an address that the internet can know.")

    def _answers(self) -> Check:
        nonce, proof = secrets.token_hex(16), secrets.token_hex(16)
        self._probes.keep(nonce, proof, self._clock())
        try:
            fetched = self._fetch(f"{self._url}{PROBE}?nonce={nonce}")
        except CloudError as error:
            return Check("answers", False, error.detail, str(error.fields.get("cause") or "network"))
        if _proof_in(fetched) == proof:
            return Check("answers", True, "This system answers there itself.")
        return _not_us(fetched)

    def _store(self) -> Check:
        key, body = f"{_FOLDER}/{secrets.token_hex(16)}", secrets.token_hex(16).encode()
        try:
            self._objects.put("datasets", key, body, "text/plain")
            try:
                fetched = self._fetch(self._objects.presign_for_provider("datasets", key, _SECONDS))
            finally:
                self._objects.delete("datasets", key)
        except CloudError as error:
            return Check("storage", False, error.detail, str(error.fields.get("cause") or error.code))
        if fetched.status == 200 and fetched.body == body:
            return Check("storage", True, "A probe in the storage was fetched from there, by a signed address.")
        if b"SignatureDoesNotMatch" in fetched.body:
            told = (
                "The storage is reached there, and refuses the signature: something on the way changes the Host header "
                "or the path. Turn off its host rewriting (ngrok: no --host-header)."
            )
            return Check("storage", False, told, "host_rewritten")
        return Check("storage", False, f"The storage answered {fetched.status} there, not the probe.", "storage")


def _proof_in(fetched: Fetched) -> str | None:
    try:
        told = json.loads(fetched.body)
    except ValueError:
        return None
    return told.get("proof") if isinstance(told, dict) else None


def _not_us(fetched: Fetched) -> Check:
    body = fetched.body[:4000].lower()
    if "ngrok-error-code" in fetched.headers or b"ngrok" in body:
        code = fetched.headers.get("ngrok-error-code", "its own page")
        return Check(
            "answers", False, f"ngrok answers there instead of this system ({code}). Restart the tunnel.", "ngrok"
        )
    if fetched.status in (502, 503, 504, 530) or b"cloudflare tunnel error" in body:
        told = f"The tunnel answers {fetched.status} and does not reach this system. Does it lead to the right port?"
        return Check("answers", False, told, "tunnel")
    if 300 <= fetched.status < 400:
        where = urlsplit(fetched.headers.get("location", "")).hostname or "elsewhere"
        told = f"The address redirects to {where}: a vendor would be asked to log in, or to come by https."
        return Check("answers", False, told, "redirect")
    if fetched.status in (401, 403):
        return Check("answers", False, f"Something before this system asks for a login ({fetched.status}).", "login")
    if fetched.status == 421:
        told = "The host name changes on the way, and this system does not know the new one."
        return Check("answers", False, told, "host_rewritten")
    return Check("answers", False, f"Something else than this system answers there ({fetched.status}).", "stranger")
