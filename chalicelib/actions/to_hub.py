"""Sending a model to a repository at the Hugging Face Hub: its files one by one, then one commit of all of them.

The Hub knows large files by their SHA-256, so one that it has is not sent again, whoever died after sending it.
"""

from __future__ import annotations

from dataclasses import replace

from chalicelib.actions.course import Course
from chalicelib.actions.hubs import Hubs
from chalicelib.actions.stored import HEAD, Stored
from chalicelib.actions.to_bucket import File, files_of
from chalicelib.domain.artifacts import is_weights
from chalicelib.domain.destinations import Arrival, State
from chalicelib.domain.errors import DestinationRefused
from chalicelib.domain.hub import HubUpload
from chalicelib.domain.ports.outside import Hub
from chalicelib.domain.ports.storage import Objects


class ToHub:
    def __init__(self, objects: Objects, hubs: Hubs) -> None:
        self._objects = objects
        self._hubs = hubs

    def __call__(self, course: Course, arrival: Arrival) -> bool:
        """True once the repository has the model; False when there is more to send."""
        repo, name = str(arrival.at["repo"]), arrival.name
        hub = self._hubs.of(course.job.tenant, name)
        hub.create(repo, bool(arrival.at["private"]))
        files = [file for file in files_of(course.job, self._objects, "") if file.is_model]
        paths = _paths(files)
        uploads = [self._upload(course, name, file, paths[file.name]) for file in files]
        after = course.send(name).after
        last = next((place for place, file in enumerate(files) if file.name == after), -1)
        there = {one.path: one.sha256 for one in hub.files(repo)}
        done = 0
        for place, (file, upload) in enumerate(zip(files, uploads, strict=True)):
            done += file.ours.size
            if place <= last:
                continue
            if there.get(upload.path) != upload.sha256:
                if course.is_over:
                    course.keep(course.place(name))
                    return False
                hub.send(repo, upload)
                course.moved(name, done)
            course.reached(name, file.name, done)
        hub.publish(repo, uploads, "Add the trained model")
        self._look(course, name, hub, repo, uploads)
        return True

    def _look(self, course: Course, name: str, hub: Hub, repo: str, uploads: list[HubUpload]) -> None:
        there = {one.path: one for one in hub.files(repo) if is_weights(one.path)}
        missing = [one.path for one in uploads if one.path not in there or there[one.path].sha256 != one.sha256]
        if missing:
            raise DestinationRefused(f"The Hub does not list what was committed: {', '.join(missing)}.", cause="lost")
        verified = replace(
            course.place(name),
            state=State.VERIFIED,
            files=len(uploads),
            bytes=sum(one.size for one in uploads),
            missing=(),
            error=None,
            checked_at=course.now(),
            hashes={one.path: one.sha256 for one in uploads},
        )
        course.end(verified)

    def _upload(self, course: Course, name: str, file: File, path: str) -> HubUpload:
        """The Hub is told each file's SHA-256 before it gets it; what is read once for that is remembered."""
        digest = course.place(name).hashes.get(file.name) or file.sha256
        if digest is None:
            course.beat()
            digest = self._objects.sha256("outputs", file.ours.key)
            place = course.place(name)
            course.keep(replace(place, hashes={**place.hashes, file.name: digest}))
        head = self._objects.read_range("outputs", file.ours.key, file.ours.etag, 0, min(HEAD, file.ours.size))
        opened = Stored.opener(self._objects, "outputs", file.ours, file.name, course.beat)
        return HubUpload(path, file.ours.size, digest, head, opened)


def _paths(files: list[File]) -> dict[str, str]:
    """Where files go in the repository: at its root, as the trainer puts them, unless two have the same name there."""
    plain = {file.name: file.name.rpartition("/")[2] for file in files}
    return plain if len(set(plain.values())) == len(plain) else {name: name for name in plain}
