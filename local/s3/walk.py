"""A bucket's keys in S3's order, read from the folders themselves, so that a listing cannot disagree with the disk."""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.s3.names import LONGEST_KEY, is_plain

# Deeper than this there can be no key, only what somebody else put there, and Python calls itself no deeper than 1000.
_DEEPEST = LONGEST_KEY // 2 + 32
BEYOND = b"\xff"
"""Sorts after every continuation of a UTF-8 prefix, because UTF-8 never holds this byte."""


def keys_in_order(plain: Iterable[bytes], aside: Iterable[bytes]) -> Iterator[bytes]:
    last = None
    for key in heapq.merge(plain, aside):
        if key != last:
            yield key
        last = key


def plain_keys(bucket: Path, prefix: bytes, after: bytes) -> Iterator[bytes]:
    """The keys that are files. A folder that cannot hold what is asked for is not opened."""
    # Most listings ask for one folder; starting there spares reading all of its neighbours.
    start = prefix[: prefix.rfind(b"/") + 1]
    if start and not is_plain(start.decode()[:-1]):
        return
    folder = os.fsencode(bucket) + b"/" + start
    if os.path.realpath(folder) == folder.rstrip(b"/"):
        yield from _below(folder, start, prefix, after)


def _below(folder: bytes, path: bytes, prefix: bytes, after: bytes) -> Iterator[bytes]:
    try:
        with os.scandir(folder) as found:
            items = [
                (item.name + b"/", True) if item.is_dir(follow_symlinks=False) else (item.name, False)
                for item in found
                if item.is_dir(follow_symlinks=False) or item.is_file(follow_symlinks=False)
            ]
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
            raise
        return
    for name, is_folder in sorted(items):
        key = path + name
        if is_folder:
            wanted = (key.startswith(prefix) or prefix.startswith(key)) and after < key + BEYOND
            if wanted and key.count(b"/") < _DEEPEST:
                yield from _below(folder + name, key, prefix, after)
        elif key.startswith(prefix) and key > after and _is_key(key):
            yield key


def _is_key(key: bytes) -> bool:
    """Whether the file's name is one that clients can ask for; files put there by hand may have any name."""
    try:
        return is_plain(key.decode())
    except UnicodeDecodeError:
        return False
