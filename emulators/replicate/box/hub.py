"""Pushes the trained weights to the Hugging Face Hub with its official client, as the stock trainer does.

It makes the repository when there is none, and writes a card of its own. A push that fails is tried again and then
logged; the training itself does not fail for it.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from emulators.replicate.box import console

_ATTEMPTS = 3
_WEIGHTS = "pytorch_lora_weights.safetensors"


def push(repo: str, token: str, folder: Path, private: bool, base_model: str | None) -> None:
    # Chunked storage is a protocol of its own, which no rehearsal speaks.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import CommitOperationAdd, HfApi  # slow to import, and not always needed
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=token)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            api.create_repo(repo, private=private, exist_ok=True)
            api.create_commit(repo, _operations(CommitOperationAdd, repo, folder, base_model), commit_message="Trained")
        except (HfHubHTTPError, OSError, ValueError) as error:
            told = " ".join(str(error).split()).replace(token, "…")
            console.error(f"Pushing to the Hub failed (attempt {attempt}): {type(error).__name__}: {told[:300]}")
        else:
            console.log(f"Pushed to https://huggingface.co/{repo}")
            return


def _operations(add: Any, repo: str, folder: Path, base_model: str | None) -> list[Any]:
    operations = []
    if (folder / _WEIGHTS).is_file():
        operations.append(add(_WEIGHTS, str(folder / _WEIGHTS)))
    pictures = sorted((folder / "validation_images").glob("*.png"))[-2:]
    operations += [add(f"assets/image_{number}_0.png", str(path)) for number, path in enumerate(pictures)]
    shown = "".join(f"![sample](assets/image_{number}_0.png)\n" for number in range(len(pictures)))
    base = f"base_model: {base_model}\n" if base_model else ""
    card = f"---\nlicense: other\n{base}tags:\n- rehearsal\n---\n\n# {repo.rpartition('/')[2]}\n\nTrained.\n\n{shown}"
    return [*operations, add("README.md", io.BytesIO(card.encode()))]
