"""Fetches the training archive and unpacks it, trusting nothing in it."""

from __future__ import annotations

import base64
import binascii
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

_MOST_BYTES = 50 * 1024**3
_MOST_MEMBERS = 500_000
_CHUNK = 1024 * 1024


class BadArchive(ValueError):
    """The archive cannot be used; the text says why."""


def fetch(url: str, to: Path) -> None:
    """Raises ``BadArchive``, which never repeats a link's query: it may be a signature."""
    if url.startswith("data:"):
        _decode(url, to)
        return
    import httpx  # a fifth of a second that other runs need not wait

    shown = urlunsplit(urlsplit(url)._replace(query="", fragment=""))
    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=60, trust_env=False) as answer,
            to.open("wb") as file,
        ):
            if answer.is_error:
                raise BadArchive(f"Could not download images: {shown} answered {answer.status_code}")
            size = 0
            for chunk in answer.iter_bytes(_CHUNK):
                size += file.write(chunk)
                if size > _MOST_BYTES:
                    raise BadArchive("Could not download images: the archive is too large")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadArchive(f"Could not download images from {shown}: {type(error).__name__}") from error


def refuse(archive: Path) -> None:
    """As the stock image does: it compares a relative folder with each member's absolute path, so the first is unsafe.

    Raises ``BadArchive`` unless there is no member at all."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                kind, names = "zip", zipped.namelist()
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tarred:
                kind, names = "tar", tarred.getnames()
        else:
            raise BadArchive("Unsupported dataset archive format. Use .zip or .tar.")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise BadArchive(str(error)) from error
    if names:
        raise BadArchive(f"Unsafe {kind} path detected: {names[0]}")


def unpack(archive: Path, folder: Path) -> int:
    """The number of files written below ``folder``. Raises ``BadArchive``; nothing is ever written outside it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            return _unpack_zip(archive, folder)
        if tarfile.is_tarfile(archive):
            return _unpack_tar(archive, folder)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadArchive(f"The images archive is corrupt: {error}") from error
    except OSError as error:
        raise BadArchive(f"The images archive could not be unpacked: {error.strerror or error}") from error
    raise BadArchive("Unsupported dataset archive format. Use .zip or .tar.")


def _unpack_zip(archive: Path, folder: Path) -> int:
    room = _Room(folder)
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            if stat.S_ISLNK(member.external_attr >> 16):
                raise BadArchive(f"Unsafe zip path detected: {member.filename} is a link")
            if not member.is_dir():
                with zipped.open(member) as source:
                    room.write(member.filename, source, "zip")
    return room.files


def _unpack_tar(archive: Path, folder: Path) -> int:
    room = _Room(folder)
    with tarfile.open(archive) as tarred:
        for member in tarred:
            if member.issym() or member.islnk():
                raise BadArchive(f"Unsafe tar path detected: {member.name} is a link")
            source = tarred.extractfile(member) if member.isfile() else None
            if source is not None:
                with source:
                    room.write(member.name, source, "tar")
    return room.files


class _Room:
    """Where members go. The sizes that an archive claims are not believed: bytes are counted as they are written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bytes_left = min(_MOST_BYTES, shutil.disk_usage(folder).free - 256 * 1024**2)
        self.files = 0

    def write(self, name: str, source: IO[bytes], kind: str) -> None:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
            raise BadArchive(f"Unsafe {kind} path detected: {name}")
        self.files += 1
        if self.files > _MOST_MEMBERS:
            raise BadArchive(f"The images archive holds more than {_MOST_MEMBERS} files.")
        target = self._folder.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while chunk := source.read(_CHUNK):
                self._bytes_left -= len(chunk)
                if self._bytes_left < 0:
                    raise BadArchive("The images archive is too large to unpack on this disk.")
                file.write(chunk)


def _decode(url: str, to: Path) -> None:
    head, comma, body = url.partition(",")
    if not comma:
        raise BadArchive("Could not read images: the data URL has no content")
    try:
        content = unquote_to_bytes(body)
        to.write_bytes(base64.b64decode(content, validate=True) if head.endswith(";base64") else content)
    except binascii.Error as error:
        raise BadArchive("Could not read images: the data URL is not valid base64") from error
