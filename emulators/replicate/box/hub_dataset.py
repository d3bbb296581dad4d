"""A dataset repository of the Hugging Face Hub, read with the Hub's official client: a folder of files as a dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from emulators.replicate.box import folders


def load(repo: str, revision: Any, split: str, folder: Path, token: str | None) -> list[folders.Row]:
    """Raises ``folders.BadDataset`` or an ``OSError``."""
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    gone = folders.BadDataset(f"Dataset '{repo}' doesn't exist on the Hub or cannot be accessed.")
    if not os.environ.get("HF_ENDPOINT"):
        raise gone  # this machine's real Hub is no part of a rehearsal
    from huggingface_hub import snapshot_download  # slow to import, and not always needed
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        snapshot_download(
            repo,
            repo_type="dataset",
            revision=str(revision) if revision else None,
            local_dir=folder / "repository",
            token=token or False,
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise gone from error
    return folders.of_folder(folder / "repository", split, folder / "unpacked")
