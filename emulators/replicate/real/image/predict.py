"""The predictor that Cog serves: the inputs of the stock image, handed to SimpleTuner's own runner as it hands them.

Only what leaves the machine differs. Where the Hub is stays as the box was told, while the stock predictor always names
the real one.
"""

from __future__ import annotations

import json
from pathlib import Path as File
from typing import Any
from urllib.parse import urlsplit

from cog import BasePredictor, Input, Path, Secret

_LOG_CHARACTERS = 5000


class Predictor(BasePredictor):
    def setup(self) -> None:
        # Here and not above: Cog reads this file for its inputs too, and the trainer takes long to import.
        from simpletuner.cog import CogWebhookReceiver, SimpleTunerCogRunner

        self.runner = SimpleTunerCogRunner()
        self.receiver = CogWebhookReceiver

    def predict(
        self,
        images: Path = Input(description="Zip or tar archive of training images.", default=None),
        config_json: str = Input(description="Config of the training: JSON, or a path in the image.", default=None),
        dataloader_json: str = Input(description="Datasets: JSON, or a path in the image.", default=None),
        max_train_steps: int = Input(description="In place of the config's --max_train_steps.", default=None),
        s3_bucket: str | None = Input(description="Publish to this bucket.", default=None),
        s3_region: str | None = Input(description="The bucket's region.", default=None),
        s3_endpoint_url: str | None = Input(description="Where a bucket outside AWS is.", default=None),
        s3_base_path: str | None = Input(description="Where in the bucket.", default=None),
        s3_public_base_url: str | None = Input(description="Where it can be read.", default=None),
        s3_access_key: Secret | None = Input(description="Blank: the machine's own role.", default=None),
        s3_secret_key: Secret | None = Input(description="Blank: the machine's own role.", default=None),
        hub_model_id: str | None = Input(description="Push to this repository.", default=None),
        hf_token: Secret = Input(description="Token of the Hugging Face Hub.", default=None),
        lycoris_config: str = Input(description="LyCORIS: JSON, or a path in the image.", default=None),
        return_logs: bool = Input(description="Print the end of debug.log.", default=True),
    ) -> str:
        token = hf_token.get_secret_value() if hf_token else None
        config_file, config = _file_or_json(config_json, "config_json")
        datasets_file, datasets = _file_or_json(dataloader_json, "dataloader_json")
        more: dict[str, Any] = {}
        if lycoris_config:
            more["--lycoris_config"] = str(_lycoris(lycoris_config))
        if s3_bucket:
            target = {
                "provider": "s3",
                "bucket": s3_bucket,
                "base_path": s3_base_path or "simpletuner",
                "region": s3_region,
                "endpoint_url": s3_endpoint_url,
                "access_key": s3_access_key.get_secret_value() if s3_access_key else None,
                "secret_key": s3_secret_key.get_secret_value() if s3_secret_key else None,
                "public_base_url": s3_public_base_url,
            }
            more["publishing_config"] = [{name: value for name, value in target.items() if value}]
        if hub_model_id:
            if not token:
                raise ValueError("hf_token is required when using hub_model_id for HuggingFace Hub publishing.")
            more |= {
                "--push_to_hub": True,
                "--hub_model_id": _repository(hub_model_id),
                "--push_checkpoints_to_hub": True,
            }
        with self.receiver() as receiver:
            told = self.runner.run(
                dataset_archive=File(images) if images else None,
                hf_token=token,
                base_config_path=config_file,
                base_config_dict=config,
                dataloader_config_path=datasets_file,
                dataloader_config_dict=datasets,
                config_overrides=more,
                max_train_steps=max_train_steps,
                webhook_config=[self.receiver.build_webhook_config(receiver.url)],
            )
        if return_logs and (log := self.runner.read_debug_log()):
            print("", "=== debug.log tail ===", log[-_LOG_CHARACTERS:], sep="\n")
        if s3_bucket:
            base = (s3_base_path or "simpletuner").lstrip("/")
            output = f"{_bucket_address(s3_bucket, s3_endpoint_url, s3_public_base_url)}/{base}"
            print(f"\nCheckpoints published to: {output}")
        elif hub_model_id:
            output = f"https://huggingface.co/{_repository(hub_model_id)}"
            print(f"\nModel published to: {output}")
        else:
            output = f"Training complete. Output: {told['output_dir']}"
            print(f"\n{output}")
        return output


def _file_or_json(text: str | None, name: str) -> tuple[File | None, Any]:
    """One of the two, or neither when ``text`` is empty."""
    if not text:
        return None, None
    text = text.strip()
    if text.startswith(("{", "[")):
        try:
            return None, json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{name} looks like JSON but failed to parse: {error}") from error
    file = File(text)
    if not file.exists():
        raise FileNotFoundError(f"{name} file not found: {text}")
    return file, None


def _lycoris(text: str) -> File:
    file, config = _file_or_json(text, "lycoris_config")
    if file is None:
        file = File("config", "cog", "lycoris_config.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(config, indent=2), "utf-8")
    return file


def _bucket_address(bucket: str, endpoint: str | None, public: str | None) -> str:
    if public:
        return public.rstrip("/")
    return f"{endpoint.rstrip('/')}/{bucket}" if endpoint else f"s3://{bucket}"


def _repository(text: str) -> str:
    """``owner/name`` of an id or an address: Replicate's proxy turns some ids into addresses."""
    cleaned = text.strip()
    address = urlsplit(cleaned)
    if address.scheme and address.netloc:
        cleaned = address.path
    cleaned = cleaned.split("?", 1)[0].split("#", 1)[0].lstrip("/")
    return cleaned.rpartition("huggingface.co")[2].lstrip("/")
