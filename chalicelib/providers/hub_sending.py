"""Files to a repository of the Hugging Face Hub with its official client, which knows every way to send one.

The client is loaded with the first file: that takes longer than most requests. It has one connection for a whole
process, so the road to the Hub is set once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from chalicelib.domain.errors import CloudError, DestinationDown, DestinationRefused
from chalicelib.domain.hub import HubUpload, kind_and_name
from chalicelib.domain.redaction import redact
from chalicelib.providers.road import Road

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_SECONDS = 60.0
"""How long the Hub may be silent, in the middle of a large file too."""

_SETTING_UP = threading.Lock()
_set_up_for: Road | None = None


def send(address: str, token: str, road: Road, repo: str, file: HubUpload) -> None:
    """Raises ``DestinationRefused`` and ``DestinationDown``."""
    kind, name = kind_and_name(repo)

    def take(api: HfApi) -> Any:
        return api.preupload_lfs_files(name, [_addition(file)], repo_type=kind)

    _tell(take, address, token, road, f"take '{file.path}' for '{repo}'")


def publish(address: str, token: str, road: Road, repo: str, files: Sequence[HubUpload], message: str) -> None:
    kind, name = kind_and_name(repo)

    def commit(api: HfApi) -> Any:
        additions = [_addition(file) for file in files]
        return api.create_commit(name, additions, commit_message=message, repo_type=kind)

    _tell(commit, address, token, road, f"commit to '{repo}'")


def _addition(file: HubUpload) -> Any:
    """The client's own would read the whole file for a hash that is known."""
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.lfs import UploadInfo

    class Known(CommitOperationAdd):
        def __post_init__(self) -> None:
            self.upload_info = UploadInfo(size=file.size, sample=file.head, sha256=bytes.fromhex(file.sha256))

    return Known(path_in_repo=file.path, path_or_fileobj=cast(BinaryIO, file.opened()))


def _tell(ask: Any, address: str, token: str, road: Road, doing: str) -> None:
    _set_up(road)
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        ask(HfApi(endpoint=address, token=token))
    except CloudError:
        raise
    except HfHubHTTPError as failure:
        raise _named(failure, doing, token) from failure
    except (httpx2.HTTPError, OSError) as failure:
        kind = type(failure).__name__
        raise DestinationDown(f"Hugging Face could not be reached to {doing} ({kind}).", cause="network") from failure
    except ValueError as failure:
        told = redact(str(failure), [token])[:300]
        raise DestinationRefused(f"Hugging Face refused to {doing}: {told}", cause="refused") from failure


def _named(failure: Any, doing: str, token: str) -> CloudError:
    status = int(getattr(failure.response, "status_code", 0) or 0)
    if status == 429 or status >= 500 or status == 0:
        return DestinationDown(f"Hugging Face is too busy to {doing} ({status}).", cause="busy")
    if status == 401:
        return DestinationRefused("Hugging Face does not accept the token any more.", cause="token")
    told = redact(str(getattr(failure, "server_message", None) or "no reason was given"), [token])[:300]
    cause = {403: "denied", 404: "not_found"}.get(status, "refused")
    return DestinationRefused(f"Hugging Face refused to {doing} ({status}): {told.rstrip('.')}.", cause=cause)


def _set_up(road: Road) -> None:
    global _set_up_for
    with _SETTING_UP:
        if _set_up_for == road:
            return
        import httpx2
        from huggingface_hub import constants, set_client_factory
        from huggingface_hub.utils.tqdm import disable_progress_bars

        # Chunked storage reads files from a disk, and a function has none to speak of.
        constants.HF_HUB_DISABLE_XET = True
        constants.HF_HUB_DISABLE_TELEMETRY = True
        disable_progress_bars()
        limits = httpx2.Timeout(_SECONDS, connect=road.connect_seconds)
        set_client_factory(
            lambda: httpx2.Client(follow_redirects=True, timeout=limits, proxy=road.proxy, verify=road.trusted)
        )
        _set_up_for = road
