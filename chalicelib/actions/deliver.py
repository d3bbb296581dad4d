"""What a job produced, and how to fetch it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.artifacts import last_weights
from chalicelib.domain.destinations import Kind
from chalicelib.domain.jobs import Job
from chalicelib.domain.ports.storage import Objects

LINK_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Artifact:
    """``name`` is the path below the job's prefix.

    ``is_model``: the final weights or, when only checkpoints have arrived, those of the last one.
    ``sha256`` is known of the model, once its arrival was looked at.
    """

    name: str
    key: str
    size: int
    etag: str
    last_modified: datetime
    is_model: bool = False
    sha256: str | None = None


class Deliver:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def artifacts(self, job: Job) -> list[Artifact]:
        """What has arrived so far, the model first. Files stay after the job is over, also when it failed."""
        prefix = f"{job.id}/"
        found = []
        for stored in self._objects.list("outputs", prefix):
            name = stored.key[len(prefix) :].removeprefix(f"{job.launch_key}/")
            found.append(Artifact(name, stored.key, stored.size, stored.etag, stored.last_modified))
        models = last_weights([artifact.name for artifact in found])
        known = {
            name: digest for one in job.destinations if one.kind is Kind.STORE for name, digest in one.hashes.items()
        }
        found = [replace(one, is_model=one.name in models, sha256=known.get(one.name)) for one in found]
        return sorted(found, key=lambda artifact: (not artifact.is_model, artifact.name))

    def link(self, artifact: Artifact) -> str:
        """An address that downloads it for an hour."""
        name = artifact.name.rsplit("/", 1)[-1]
        return self._objects.presign_download("outputs", artifact.key, LINK_SECONDS, name)
