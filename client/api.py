"""The HTTP API as methods: one for each endpoint of ``docs/api.md``, nothing in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

from client.errors import ApiError, UsageError
from client.settings import Connection
from client.shapes import (
    ApiKey,
    Archive,
    Artifacts,
    CostEstimate,
    DataReceipt,
    HardwareOptions,
    Job,
    JobPage,
    KnownBefore,
    Logs,
    MadeKey,
    PartLink,
    Progress,
    Provider,
    Receipt,
    Saved,
    Submitted,
    Synced,
    UploadSession,
    Validated,
)
from client.transport import Transport

_PAGE = 500


class CloudClient:
    """Every method raises ``ApiError`` when the server refuses and ``Unreachable`` when it does not answer.

    What can be asked twice without harm is retried when the line breaks; the rest is sent once.
    """

    def __init__(self, connection: Connection | str, api_key: str | None = None, timeout: float = 30.0) -> None:
        self.connection = Connection(connection, api_key) if isinstance(connection, str) else connection
        self._transport = Transport(self.connection, timeout)

    def __enter__(self) -> CloudClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # Jobs

    def jobs(self, status: str | None = None, provider: str | None = None, limit: int = 50, offset: int = 0) -> JobPage:
        params: dict[str, str | int] = {"limit": limit, "offset": offset}
        if status:
            params["status"] = status
        if provider:
            params["provider"] = provider
        return cast(JobPage, self._get("/api/cloud/jobs", params))

    def every_job(self) -> Iterator[Job]:
        """All jobs, newest first, page by page."""
        offset = 0
        while page := _jobs(self.jobs(limit=_PAGE, offset=offset)):
            yield from page
            if len(page) < _PAGE:
                return
            offset += len(page)

    def job(self, job_id: str) -> Job:
        return cast(Job, _field(self._get(_job(job_id)), "job"))

    def find_job(self, job_id: str) -> Job:
        """The job with this id, or the only one whose id begins so, with or without its ``j-``.

        Raises ``UsageError`` when several do, or when none does and some id looks much like it.
        """
        job_id = job_id.strip()
        if not job_id.strip("./"):
            raise UsageError("The job id is empty. 'stcloud list' shows the ids.")
        try:
            return self.job(job_id)
        except ApiError as refusal:
            if refusal.status != 404:
                raise
            # Keyed by id: a job that arrives between two pages moves another one onto both.
            known = {job["job_id"]: job for job in self.every_job()}
            alike = {one: job for one, job in known.items() if one.startswith((job_id, f"j-{job_id}"))}
            if len(alike) == 1:
                return alike.popitem()[1]
            if not alike:
                close = get_close_matches(job_id, known, n=3, cutoff=0.75)
                if not close:
                    raise
                raise UsageError(f"There is no job '{job_id}'. Did you mean {' or '.join(close)}?") from refusal
        shown = ", ".join(list(alike)[:5]) + (" …" if len(alike) > 5 else "")
        raise UsageError(f"{len(alike)} jobs begin with '{job_id}': {shown}. Give more of the id.")

    def events(self, job_id: str) -> dict[str, Any]:
        return self._get(f"{_job(job_id)}/events")

    def logs(self, job_id: str, offset: int = 0) -> Logs:
        return cast(Logs, self._get(f"{_job(job_id)}/logs", {"offset": offset}))

    def progress(self, job_id: str) -> Progress:
        return cast(Progress, self._get(f"{_job(job_id)}/inline-progress"))

    def metrics(self, job_id: str) -> dict[str, Any]:
        return self._get(f"{_job(job_id)}/metrics")

    def artifacts(self, job_id: str) -> Artifacts:
        return cast(Artifacts, self._get(f"{_job(job_id)}/artifacts"))

    def checkpoints(self, job_id: str) -> Saved:
        return cast(Saved, self._get(f"{_job(job_id)}/checkpoints"))

    def archive(self, job_id: str, only_model: bool = False) -> Archive:
        """Has the server go on with the tar of the job's files for some seconds; ``url`` is None until it is whole."""
        params: dict[str, str | int] = {"model": "true"} if only_model else {}
        return cast(Archive, self._get(f"{_job(job_id)}/artifacts.tar", params))

    def submit(self, order: Mapping[str, Any], idempotency_key: str, provider: str = "replicate") -> Submitted:
        """``order`` is the documented body. The same key with the same body gives the same job, so it is retried."""
        headers = {"Idempotency-Key": idempotency_key}
        answer = self._transport.send(
            "POST", "/api/cloud/jobs", params={"provider": provider}, body=dict(order), headers=headers, repeatable=True
        )
        return cast(Submitted, answer)

    def check(
        self, order: Mapping[str, Any], data: Mapping[str, Any] | None, provider: str = "replicate"
    ) -> dict[str, Any] | None:
        """What would become of the order with data like this (None: nothing is sent); None from a server that does not
        tell. Raises ``ApiError`` for what would be refused."""
        body = {**order, **({} if data is None else {"data": data})}
        try:
            return self._transport.send(
                "POST", "/api/cloud/jobs/check", params={"provider": provider}, body=body, repeatable=True
            )
        except ApiError as refusal:
            if refusal.status in (404, 405) and refusal.code in ("not_found", "method_not_allowed", "http_error"):
                return None
            raise

    def cancel(self, job_id: str) -> dict[str, Any]:
        return self._transport.send("POST", f"{_job(job_id)}/cancel", repeatable=False)

    def look(self, job_id: str) -> Job:
        """Has the server look now for what had not arrived when the job ended."""
        return cast(Job, _field(self._transport.send("POST", f"{_job(job_id)}/look", repeatable=True), "job"))

    def deliver(
        self, job_id: str, names: Sequence[str] | None = None, repo: str | None = None, private: bool | None = None
    ) -> list[dict[str, Any]]:
        """Has the server send the model to these places (None: to all that it did not reach). Its destinations."""
        wanted = {"destinations": names, "hub_model_id": repo, "private": private}
        body = {field: value for field, value in wanted.items() if value is not None}
        answer = self._transport.send("POST", f"{_job(job_id)}/deliver", body=body, repeatable=False)
        return cast(list[dict[str, Any]], _field(answer, "destinations"))

    def delete(self, job_id: str) -> dict[str, Any]:
        return self._transport.send("DELETE", _job(job_id), repeatable=False)

    # Data

    def consent(self) -> str:
        return str(_field(self._get("/api/cloud/data-consent/setting"), "consent"))

    def set_consent(self, consent: str) -> str:
        body = {"consent": consent}
        answer = self._transport.send("PUT", "/api/cloud/data-consent/setting", body=body, repeatable=True)
        return str(_field(answer, "consent"))

    def preview_consent(self, datasets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        body = [dict(one) for one in datasets]
        return self._transport.send("POST", "/api/cloud/data-consent/preview", body=body, repeatable=True)

    def earlier(self, root: str, datasets: Sequence[str]) -> KnownBefore:
        """What is known of data with this root, and of the datasets of these names."""
        params: dict[str, str | int] = {"root": root, "datasets": ",".join(datasets[:50])}
        return cast(KnownBefore, self._get("/api/cloud/data-consent/earlier", params))

    def data_receipt(self, job_id: str) -> DataReceipt:
        return cast(DataReceipt, self._get(f"{_job(job_id)}/data-receipt", {"limit": 5000}))

    def open_upload(
        self,
        manifest: Mapping[str, Any],
        archive_bytes: int,
        consented_root: str | None = None,
        copy_from: Mapping[str, Any] | None = None,
    ) -> UploadSession:
        """A new session, or the one that is still open for the same root."""
        body: dict[str, Any] = {"manifest": dict(manifest), "archive_bytes": archive_bytes}
        if copy_from is not None:
            body["copy_from"] = dict(copy_from)
        if consented_root is not None:
            body["consent"] = {"root": consented_root}
        return cast(UploadSession, self._transport.send("POST", "/api/cloud/uploads", body=body, repeatable=True))

    def upload(self, upload_id: str) -> UploadSession:
        return cast(UploadSession, self._get(_upload(upload_id)))

    def copy_parts(self, upload_id: str) -> dict[str, Any]:
        """Has the server go on with what this upload takes over from an earlier one; ``left`` is what remains."""
        return self._transport.send("POST", f"{_upload(upload_id)}/copies", repeatable=True)

    def part_links(self, upload_id: str, numbers: Sequence[int]) -> list[PartLink]:
        body = {"part_numbers": list(numbers)}
        answer = self._transport.send("POST", f"{_upload(upload_id)}/parts", body=body, repeatable=True)
        return cast(list[PartLink], _field(answer, "parts"))

    def complete_upload(self, upload_id: str, etags: Iterable[tuple[int, str]]) -> dict[str, Any]:
        body = {"parts": [{"part_number": number, "etag": etag} for number, etag in etags]}
        return self._transport.send("POST", f"{_upload(upload_id)}/complete", body=body, repeatable=True)

    def abort_upload(self, upload_id: str) -> dict[str, Any]:
        return self._transport.send("DELETE", _upload(upload_id), repeatable=True)

    # Configs

    def job_config(self, job_id: str, compared_with: str | None = None) -> dict[str, Any]:
        return self._get(f"{_job(job_id)}/config", {"with": compared_with} if compared_with else None)

    def retry(self, job_id: str, changes: Mapping[str, Any], idempotency_key: str) -> dict[str, Any]:
        headers = {"Idempotency-Key": idempotency_key}
        path = f"{_job(job_id)}/retry"
        return self._transport.send("POST", path, body=dict(changes), headers=headers, repeatable=True)

    def configs(self) -> dict[str, Any]:
        return self._get("/api/configs")

    def config(self, name: str) -> dict[str, Any]:
        return self._get(_config(name))

    def save_config(self, name: str, documents: Mapping[str, Any], replace: bool = False) -> dict[str, Any]:
        """Without ``replace`` it is refused where a config of that name is kept."""
        headers = {} if replace else {"If-None-Match": "*"}
        return self._transport.send("PUT", _config(name), body=dict(documents), headers=headers, repeatable=replace)

    def delete_config(self, name: str) -> dict[str, Any]:
        return self._transport.send("DELETE", _config(name), repeatable=False)

    # Money

    def limits(self) -> dict[str, Any]:
        return self._get("/api/cloud/cost-limits")

    def set_limit(self, scope: str, limit: Mapping[str, Any]) -> dict[str, Any]:
        path = f"/api/cloud/cost-limits/{quote(scope, safe='')}"
        return self._transport.send("PUT", path, body=dict(limit), repeatable=True)

    def clear_limit(self, scope: str) -> dict[str, Any]:
        return self._transport.send("DELETE", f"/api/cloud/cost-limits/{quote(scope, safe='')}", repeatable=True)

    def spending(self, days: int) -> dict[str, Any]:
        return self._get("/api/cloud/metrics", {"days": days})

    def spend_entries(self, days: int) -> dict[str, Any]:
        return self._get("/api/cloud/spend", {"days": days})

    def cost_estimate(self, wanted: Mapping[str, Any]) -> CostEstimate:
        body = dict(wanted)
        return cast(CostEstimate, self._transport.send("POST", "/api/cloud/cost-estimate", body=body, repeatable=True))

    def compare_invoice(self, invoice: Mapping[str, Any]) -> dict[str, Any]:
        return self._transport.send("POST", "/api/cloud/invoices", body=dict(invoice), repeatable=True)

    def receipt(self, job_id: str) -> Receipt:
        return cast(Receipt, self._get(f"{_job(job_id)}/receipt"))

    # Destinations

    def destinations(self) -> dict[str, Any]:
        return self._get("/api/cloud/destinations")

    def keep_destination(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        given = {field: value for field, value in body.items() if value is not None}
        return self._transport.send("PUT", _destination(name), body=given, repeatable=True)

    def test_destination(self, name: str) -> dict[str, Any]:
        return self._transport.send("POST", f"{_destination(name)}/test", repeatable=True)

    def remove_destination(self, name: str) -> dict[str, Any]:
        return self._transport.send("DELETE", _destination(name), repeatable=False)

    def choose_destinations(self, names: Sequence[str]) -> list[str]:
        body = {"default": list(names)}
        answer = self._transport.send("PUT", "/api/cloud/destinations", body=body, repeatable=True)
        return [str(name) for name in _field(answer, "default")]

    def self_test(self) -> dict[str, Any]:
        return self._get("/api/cloud/publishing/self-test")

    # API keys

    def keys(self) -> list[ApiKey]:
        return cast(list[ApiKey], _field(self._get("/api/auth/api-keys"), "keys"))

    def make_key(
        self, name: str, scopes: Sequence[str] | None = None, expires_days: int | None = None, owner: str | None = None
    ) -> MadeKey:
        """Sent once: asked twice, it would make two."""
        wanted = {"name": name, "scoped_permissions": scopes, "expires_days": expires_days, "owner": owner}
        body = {field: value for field, value in wanted.items() if value is not None}
        return cast(MadeKey, self._transport.send("POST", "/api/auth/api-keys", body=body, repeatable=False))

    def revoke_key(self, key_id: str) -> dict[str, Any]:
        return self._transport.send("DELETE", f"/api/auth/api-keys/{quote(key_id, safe='')}", repeatable=True)

    # Providers, hardware and health

    def providers(self) -> list[Provider]:
        return cast(list[Provider], _field(self._get("/api/cloud/providers"), "providers"))

    def validate(self, provider: str) -> Validated:
        """Asks the provider itself whether the credentials that the server has are good."""
        return cast(Validated, self._get(f"/api/cloud/providers/{quote(provider, safe='')}/validate"))

    def sync(self, provider: str | None = None) -> Synced:
        body = {"provider": provider} if provider else {}
        return cast(Synced, self._transport.send("POST", "/api/cloud/jobs/sync", body=body, repeatable=True))

    def hardware(self, provider: str | None = None) -> HardwareOptions:
        params: dict[str, str | int] = {"provider": provider} if provider else {}
        return cast(HardwareOptions, self._get("/api/cloud/hardware-options", params))

    def health(self) -> dict[str, Any]:
        return self._get("/api/cloud/health")

    def is_live(self) -> bool:
        return bool(self._get("/api/cloud/health/live").get("status") == "ok")

    def is_ready(self) -> bool:
        try:
            return bool(self._get("/api/cloud/health/ready").get("status") == "ready")
        except ApiError as refusal:
            if refusal.status == 503:
                return False
            raise

    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        return self._transport.send("GET", path, params=params, repeatable=True)


def _job(job_id: str) -> str:
    return f"/api/cloud/jobs/{quote(job_id, safe='')}"


def _config(name: str) -> str:
    return f"/api/configs/{quote(name, safe='')}"


def _upload(upload_id: str) -> str:
    return f"/api/cloud/uploads/{quote(upload_id, safe='')}"


def _destination(name: str) -> str:
    return f"/api/cloud/destinations/{quote(name, safe='')}"


def _jobs(page: JobPage) -> list[Job]:
    return cast(list[Job], _field(page, "jobs"))


def _field(answer: Mapping[str, Any], name: str) -> Any:
    if name not in answer:
        raise ApiError(200, "unexpected_answer", f"The answer has no '{name}'. Is STCLOUD_URL the right server?")
    return answer[name]
