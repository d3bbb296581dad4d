"""The inputs that the trainer's ``predict()`` declares: checked, filtered and redacted as Cog and Replicate do it.

What is not declared is accepted, echoed and never given to the job. What is declared secret is shown to nobody, not
even to the account that sent it.
"""

from __future__ import annotations

from typing import Any

REDACTED = "[REDACTED]"

_TEXT = {"type": "string"}
_SECRET = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}

INPUTS: dict[str, dict[str, Any]] = {
    "images": {"type": "string", "format": "uri", "description": "Zip or tar archive of training images."},
    "config_json": {**_TEXT, "description": "Trainer config: JSON text, or a path inside the container."},
    "dataloader_json": {**_TEXT, "description": "Dataloader config: JSON list text, or a path inside the container."},
    "max_train_steps": {"type": "integer", "description": "Overrides --max_train_steps."},
    "s3_bucket": {**_TEXT, "description": "Publish results to this bucket; replaces publishing_config."},
    "s3_region": {**_TEXT, "description": "Region of the bucket."},
    "s3_endpoint_url": {**_TEXT, "description": "Endpoint of an S3-compatible store."},
    "s3_base_path": {**_TEXT, "description": "Prefix of everything published."},
    "s3_public_base_url": {**_TEXT, "description": "Where the published files can be read."},
    "s3_access_key": {**_SECRET, "description": "Access key id; blank uses the ambient role."},
    "s3_secret_key": {**_SECRET, "description": "Secret access key; blank uses the ambient role."},
    "hub_model_id": {**_TEXT, "description": "Hugging Face repository to push to."},
    "hf_token": {**_SECRET, "description": "Hugging Face token."},
    "lycoris_config": {**_TEXT, "description": "LyCORIS config: JSON text, or a path inside the container."},
    "return_logs": {"type": "boolean", "default": True, "description": "Print the end of debug.log."},
}

SECRETS = frozenset(name for name, field in INPUTS.items() if field.get("x-cog-secret"))

OPENAPI: dict[str, Any] = {
    "openapi": "3.0.2",
    "info": {"title": "Cog", "version": "0.1.0"},
    "paths": {
        "/": {"get": {"summary": "Root", "operationId": "root__get"}},
        "/predictions": {"post": {"summary": "Predict", "operationId": "predict_predictions_post"}},
    },
    "components": {
        "schemas": {
            "Input": {
                "title": "Input",
                "type": "object",
                "properties": {
                    name: {**field, "title": name.replace("_", " ").title(), "nullable": True, "x-order": order}
                    for order, (name, field) in enumerate(INPUTS.items())
                },
            },
            "Output": {"title": "Output", "type": "string"},
        }
    },
}

_TYPES: dict[str, type] = {"string": str, "integer": int, "boolean": bool}


def faults_in(given: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(type, field, description) of every declared input that has the wrong type."""
    found = []
    for name, value in given.items():
        if name not in INPUTS or value is None:
            continue
        wanted = INPUTS[name]["type"]
        right = isinstance(value, _TYPES[wanted]) and not (wanted == "integer" and isinstance(value, bool))
        if not right:
            found.append(
                ("invalid_type", f"input.{name}", f"Invalid type. Expected: {wanted}, given: {_json_type(value)}")
            )
    return found


def declared(given: dict[str, Any]) -> dict[str, Any]:
    """What reaches the job."""
    return {name: value for name, value in given.items() if name in INPUTS and value is not None}


def redacted(given: dict[str, Any]) -> dict[str, Any]:
    """What may be shown and stored."""
    return {name: REDACTED if name in SECRETS and value else value for name, value in given.items()}


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return {int: "integer", float: "number", str: "string", list: "array", dict: "object"}.get(type(value), "null")
