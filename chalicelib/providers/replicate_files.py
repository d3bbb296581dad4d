"""Replicate's own file hosting: for archives of at most 100 MB, which it keeps for a day at the most."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.domain.errors import ProviderDown, ProviderRefused, UploadNotReady
from chalicelib.domain.ports.trainers import HostedFile
from chalicelib.providers.replicate_run import expires_at

if TYPE_CHECKING:
    from chalicelib.providers.replicate_wire import Wire

LARGEST = 100_000_000
SENDING_SECONDS = 600.0
"""For a whole archive over a slow line; other questions to Replicate have less."""

MARK = "stcloud_launch_key"
NAME = "dataset.zip"


async def send(wire: Wire, launch_key: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> HostedFile:
    answer = await wire.ask(
        "keep the dataset",
        lambda client: client.files.async_create(
            _Body(chunks(), size), filename=NAME, content_type="application/zip", metadata={MARK: launch_key}
        ),
    )
    found = _file(answer)
    if found is None:
        raise ProviderDown("Replicate did not tell where it keeps the dataset. Try again.")
    return found


async def those_of(wire: Wire, launch_key: str) -> list[HostedFile]:
    return [found async for one in _all(wire) if _key(one) == launch_key and (found := _file(one))]


async def remove(wire: Wire, file_id: str) -> None:
    try:
        await wire.ask("delete the dataset", lambda client: client.files.async_delete(file_id))
    except ProviderRefused as refused:
        if refused.fields.get("provider_status") != 404:
            raise


async def _all(wire: Wire) -> AsyncIterator[dict[str, Any]]:
    path = "/v1/files"
    while path:
        # The official client lists one page only.
        page = await wire.ask("list the files", lambda client, at=path: client._async_request("GET", at))  # type: ignore[misc]
        results = page.get("results") if isinstance(page, dict) else None
        if not isinstance(results, list):
            raise ProviderDown("Replicate's answer is not a list of files. Try again.")
        for one in results:
            if isinstance(one, dict):
                yield one
        onward = page.get("next")
        path = f"/v1/files?{urlsplit(str(onward)).query}" if onward else ""


def _key(answer: dict[str, Any]) -> object:
    metadata = answer.get("metadata")
    return metadata.get(MARK) if isinstance(metadata, dict) else None


def _file(answer: object) -> HostedFile | None:
    if not isinstance(answer, dict):
        return None
    file_id, size, urls = answer.get("id"), answer.get("size"), answer.get("urls")
    url = urls.get("get") if isinstance(urls, dict) else None
    if not (isinstance(file_id, str) and file_id and isinstance(size, int) and isinstance(url, str)):
        return None
    return HostedFile(file_id, size, url, expires_at(answer))


class _Body(io.RawIOBase):
    """Chunks as the file that the official client wants to be given. Read once, from its beginning to its end.

    Moving about is allowed only to learn the size, which makes the request say how long it is.
    """

    name = NAME

    def __init__(self, chunks: Iterator[bytes], size: int) -> None:
        self._chunks = chunks
        self._size = size
        self._rest = b""
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = self._size + offset if whence == 2 else offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                if self._at < self._size:
                    raise UploadNotReady(f"The store gave {self._at} bytes of a dataset that has {self._size}.")
                return b""
            self._rest = chunk
        size = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:size], self._rest[size:]
        self._at += len(piece)
        return piece
