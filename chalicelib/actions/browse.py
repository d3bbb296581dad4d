"""Looking into the output store as an S3 client would: what the files of one's jobs are called, and where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.domain.callers import Caller
from chalicelib.domain.errors import BadInput, Forbidden, NotFound, TooLarge
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.storage import Objects, StoredObject

OUTPUTS = "outputs"
LINK_SECONDS = 3600
LARGEST_PUT = 4 * 1024 * 1024
"""What fits through a Lambda function once it is base64: 6 MB an answer or a request."""

MOST_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """``folders`` are the common prefixes up to a delimiter; ``last`` continues a listing that was cut off."""

    files: list[StoredObject]
    folders: list[str]
    last: str | None


class Browse:
    """A key is ``<job id>/…``, and whoever may see the job may see its files."""

    def __init__(self, objects: Objects, job_of: Callable[[str, Caller, str], Job]) -> None:
        self._objects = objects
        self._job_of = job_of

    def page(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int, by: Caller) -> Page:
        """Keys below a job's prefix in order, at most ``limit`` of files and folders together."""
        self._check(bucket, prefix, by, "view")
        files: list[StoredObject] = []
        folders: list[str] = []
        last = None
        for found in self._objects.list(OUTPUTS, prefix):
            folder = _folder(found.key, prefix, delimiter)
            name = folder or found.key
            if name <= after or (folders and folder == folders[-1]):
                continue
            if len(files) + len(folders) >= limit:
                return Page(files, folders, last)
            last = name
            if folder:
                folders.append(folder)
            else:
                files.append(found)
        return Page(files, folders, None)

    def find(self, bucket: str, key: str, by: Caller) -> tuple[StoredObject, str]:
        """The object and an address that downloads it for an hour. Raises ``NotFound``."""
        self._check(bucket, key, by, "view")
        found = self._objects.head(OUTPUTS, key)
        if found is None:
            raise NotFound(f"There is no object '{key}'.")
        return found, self._objects.presign_download(OUTPUTS, key, LINK_SECONDS, key.rsplit("/", 1)[-1])

    def put(self, bucket: str, key: str, body: bytes, content_type: str, by: Caller) -> StoredObject:
        """Stores a small file beside those of a job that the caller may steer.

        Raises ``TooLarge``, saying how to send a large one.
        """
        self._check(bucket, key, by, "cancel")
        if key.endswith("/"):
            raise BadInput("A file's name cannot end with '/'.")
        if len(body) > LARGEST_PUT:
            raise TooLarge(
                f"At most {LARGEST_PUT} bytes pass through here. Larger files go straight to the bucket, with the "
                "storage keys of their job."
            )
        return self._objects.put(OUTPUTS, key, body, content_type)

    def _check(self, bucket: str, key: str, by: Caller, verb: str) -> None:
        if bucket != OUTPUTS:
            raise Forbidden(f"There is no bucket '{bucket[:63]}' to look into. Trained models are in '{OUTPUTS}'.")
        job_id, slash, _ = key.partition("/")
        if not slash:
            raise BadInput("Name a job: keys and prefixes here begin with its id and a '/', such as 'j-1a2b/'.")
        self._job_of(job_id, by, verb)


def _folder(key: str, prefix: str, delimiter: str) -> str | None:
    rest = key[len(prefix) :]
    if not delimiter or delimiter not in rest:
        return None
    return prefix + rest[: rest.index(delimiter) + len(delimiter)]
