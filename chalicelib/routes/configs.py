"""Configs: those kept under a name, those that jobs ran with, and how two of them differ."""

from __future__ import annotations

from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.actions.again import Changes
from chalicelib.domain.callers import Scope
from chalicelib.domain.configs import check_size
from chalicelib.domain.dataset_keys import taken_out
from chalicelib.domain.errors import BadInput, CloudError
from chalicelib.domain.moments import to_text
from chalicelib.domain.money import as_micros
from chalicelib.domain.named_configs import ANY, ConfigEntry, NamedConfig, checked_name
from chalicelib.domain.redaction import strip_secrets
from chalicelib.domain.snapshots import Snapshot, differences
from chalicelib.routes import answers
from chalicelib.routes.http import Call, endpoint, reply

configs = Blueprint(__name__)


@configs.route("/configs", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def listed(call: Call) -> Any:
    entries = call.services.configs.entries(call.caller.tenant)
    active = call.services.configs.active(call.caller.tenant)
    return {
        "configs": [_line(entry, active) for entry in entries],
        "active": active,
        "count": len(entries),
        "config_type": "model",
    }


@configs.route("/configs/active", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def active(call: Call) -> Any:
    name = call.services.configs.active(call.caller.tenant)
    known = {entry.name for entry in call.services.configs.entries(call.caller.tenant)}
    if name not in known:
        return {"name": None, "config": {}, "metadata": None}
    return _whole(call.services.configs.get(call.caller.tenant, str(name)))


@configs.route("/configs/{name}", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def show(call: Call) -> Any:
    return _whole(call.services.configs.get(call.caller.tenant, checked_name(call.path("name"))))


@configs.route("/configs/{name}", methods=["PUT"])
@endpoint(Scope.JOB_SUBMIT)
def save(call: Call) -> Response:
    """``If-Match`` with the fingerprint that was read guards against writing over somebody else's change."""
    from chalicelib.routes.shapes import ConfigBody

    body = call.body(ConfigBody)
    name = checked_name(call.path("name"))
    content, removed = _bare(body.config, body.dataloader_config or [], body.lycoris_config)
    check_size(content.config, content.dataloader, content.lycoris)
    new = call.headers.get("if-none-match") == "*"
    replaces = None if new else (call.headers.get("if-match") or ANY).strip('"')
    now = call.services.clock()
    call.services.configs.save(call.caller.tenant, NamedConfig(name, content, now), replaces)
    warnings = [f"Secrets were left out: {', '.join(removed)}."] if removed else []
    return reply({"success": True, "name": name, "fingerprint": content.fingerprint, "warnings": warnings})


@configs.route("/configs/{name}", methods=["DELETE"])
@endpoint(Scope.JOB_SUBMIT)
def delete(call: Call) -> Any:
    name = checked_name(call.path("name"))
    call.services.configs.get(call.caller.tenant, name)
    call.services.configs.delete(call.caller.tenant, name, (call.headers.get("if-match") or ANY).strip('"'))
    return {"success": True, "name": name}


@configs.route("/configs/{name}/activate", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def activate(call: Call) -> Any:
    name = checked_name(call.path("name"))
    call.services.configs.get(call.caller.tenant, name)
    call.services.configs.activate(call.caller.tenant, name)
    return {"success": True, "active": name}


@configs.route("/configs/{name}/validate", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def validate(call: Call) -> Any:
    """What a submit would say of the config itself. A config that cannot be used is an answer, not an error."""
    content = call.services.configs.get(call.caller.tenant, checked_name(call.path("name"))).content
    try:
        entries, _ = call.services.promise.datasets(call.caller.tenant, taken_out(content.dataloader)[0])
        found = call.services.check(strip_secrets(content.config)[0], entries, content.lycoris, None)
    except BadInput as error:
        return {"valid": False, "errors": [error.detail], "faults": [], "warnings": []}
    faults = [{"option": one.option, "problem": one.problem, "instead": list(one.instead)} for one in found.faults]
    errors = [one.sentence for one in found.faults]
    return {"valid": not faults, "errors": errors, "faults": faults, "warnings": list(found.warnings)}


@configs.route("/cloud/available-configs", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def available(call: Call) -> Any:
    active = call.services.configs.active(call.caller.tenant)
    entries = call.services.configs.entries(call.caller.tenant)
    return {
        "configs": [{"name": entry.name, "is_active": entry.name == active} for entry in entries],
        "active_config": active,
    }


@configs.route("/cloud/pre-submit-check", methods=["GET"])
@endpoint(Scope.JOB_SUBMIT)
def pre_submit_check(call: Call) -> Any:
    """The repository of the configs that are kept here; the command line looks at the one on its own machine."""
    name = call.query("config_name") or call.services.configs.active(call.caller.tenant)
    run_name = None
    if name:
        try:
            config = call.services.configs.get(call.caller.tenant, checked_name(name)).content.config
        except CloudError:
            config = {}
        run_name = config.get("--tracker_run_name") or config.get("tracker_run_name")
    state = call.services.repository.state()
    return {
        "git_available": state.git_available,
        "repo_present": state.repo_present,
        "is_dirty": state.is_dirty,
        "dirty_count": state.dirty_count,
        "dirty_paths": state.dirty_paths,
        "current_commit": state.current_commit,
        "current_abbrev": state.current_abbrev,
        "current_branch": state.current_branch,
        "tracker_run_name": run_name if isinstance(run_name, str) else None,
        "config_name": name,
    }


@configs.route("/cloud/jobs/{job_id}/config", methods=["GET"])
@endpoint(Scope.JOB_VIEW_OWN)
def of_job(call: Call) -> Any:
    """What was asked for; with ``?with=<job>`` also how it differs from what that job was asked for."""
    job, asked = call.services.again.asked(call.path("job_id"), call.caller)
    ran = call.services.jobs.order(job)
    body: dict[str, Any] = {
        "job_id": job.id,
        "config_name": job.config_name,
        "fingerprint": asked.fingerprint,
        **asked.documents(),
        "ran_with": {"config": ran.config, "dataloader_config": ran.dataloader, "lycoris_config": ran.lycoris},
        "snapshot": job.snapshot,
    }
    other = call.query("with")
    if other:
        before = call.services.again.asked(other, call.caller)[1]
        body |= {"compared_with": other, "differences": [_difference(one) for one in differences(before, asked)]}
    return body


@configs.route("/cloud/jobs/{job_id}/retry", methods=["POST"])
@endpoint(Scope.JOB_SUBMIT)
def retry(call: Call) -> Response:
    from chalicelib.routes.shapes import RetryBody

    body = call.body(RetryBody) if call.raw_body.strip() else RetryBody.model_validate({})
    if body.config is not None and any(not name.strip("-") for name in body.config):
        raise BadInput("'config' has an option without a name.")
    if body.from_step is not None and not body.resume:
        raise BadInput("'from_step' names the checkpoint to go on from: send 'resume': true too.")
    config, removed = strip_secrets(body.config or {})
    changes = Changes(
        config=config,
        hardware=body.hardware_profile,
        upload_id=body.upload_id,
        run_name=body.tracker_run_name,
        ceiling_micros=None if body.max_cost_usd is None else as_micros(body.max_cost_usd),
        stop_on_stall=None if body.stop_on_stall is None else tuple(dict.fromkeys(body.stop_on_stall)),
        version=body.version,
        max_run_minutes=body.max_run_minutes,
        once=call.headers.get("idempotency-key") or body.idempotency_key,
        resumes=body.resume,
        from_step=body.from_step,
        goes_on=body.continue_after_cap,
    )
    job, fresh = call.services.again(call.path("job_id"), changes, call.caller)
    told = {
        "success": True,
        "job_id": job.id,
        "status": job.status.value,
        "retry_of": call.path("job_id"),
        "job": answers.job(job, call.services.clock()),
        "idempotent_hit": not fresh,
        "warnings": [f"Secrets were left out of the changes: {', '.join(removed)}."] if removed else [],
    }
    return reply(told, 201 if fresh else 200)


def _bare(
    config: dict[str, Any], dataloader: list[dict[str, Any]], lycoris: dict[str, Any] | None
) -> tuple[Snapshot, list[str]]:
    """Without secrets: what is kept under a name can be read by everybody who may submit."""
    if not config:
        raise BadInput("The config is empty. Send SimpleTuner's config.json as 'config'.")
    options, removed = strip_secrets(config)
    entries = []
    for place, entry in enumerate(dataloader):
        bare, names = strip_secrets(entry)
        entries.append(bare)
        removed += [f"dataloader_config[{place}].{name}" for name in names]
    if lycoris is not None:
        lycoris, names = strip_secrets(lycoris)
        removed += [f"lycoris_config.{name}" for name in names]
    return Snapshot(options, entries, lycoris), removed


def _line(entry: ConfigEntry, active: str | None) -> dict[str, Any]:
    return {
        "name": entry.name,
        "is_active": entry.name == active,
        "fingerprint": entry.fingerprint,
        "updated_at": to_text(entry.updated_at),
    }


def _whole(config: NamedConfig) -> dict[str, Any]:
    """SimpleTuner's own clients look for the dataloader inside of the config."""
    documents = config.content.documents()
    inner = dict(config.content.config)
    if config.content.dataloader:
        inner["dataloader_config"] = config.content.dataloader
    return {
        "name": config.name,
        "config": inner,
        "dataloader_config": documents["dataloader_config"],
        "lycoris_config": documents["lycoris_config"],
        "fingerprint": config.content.fingerprint,
        "metadata": {"updated_at": to_text(config.updated_at)},
        "config_type": "model",
    }


def _difference(one: Any) -> dict[str, Any]:
    return {"path": one.path, "kind": one.kind.value, "before": one.before, "after": one.after}
