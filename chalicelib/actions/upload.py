"""Data on its way out: one archive, in parts that the owner's machine puts straight into the object store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from chalicelib.actions.assemble import Assemble, Assembled
from chalicelib.actions.manifests import Manifests
from chalicelib.actions.removal import Removal
from chalicelib.domain.callers import Caller
from chalicelib.domain.copies import Range, check_ranges
from chalicelib.domain.errors import (
    BadInput,
    Conflict,
    ConsentDenied,
    ConsentRequired,
    NotFound,
    UploadNotReady,
    no_such_upload,
)
from chalicelib.domain.ports.around import Clock, NewId, Settings
from chalicelib.domain.ports.jobs import Consents, Stale, Uploads
from chalicelib.domain.ports.storage import Objects, UploadedPart
from chalicelib.domain.uploads import LIFETIME, Consent, Upload, UploadState, part_bytes_for

PART_LINK_SECONDS = 3600
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """``root`` is the manifest's hash, ``consented_root`` the one that a person agreed to send.

    The archive begins with ``ranges`` of that of the upload ``source_id``; only what follows is sent.
    """

    root: str
    file_count: int
    archive_bytes: int
    consented_root: str | None
    source_id: str | None = None
    ranges: tuple[Range, ...] = ()
    image_count: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    upload: Upload
    parts: list[UploadedPart]
    fresh: bool = False


class Uploading:
    def __init__(
        self,
        uploads: Uploads,
        objects: Objects,
        settings: Settings,
        consents: Consents,
        manifests: Manifests,
        removal: Removal,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._uploads = uploads
        self._objects = objects
        self._settings = settings
        self._consents = consents
        self._manifests = manifests
        self._removal = removal
        self._assemble = Assemble(uploads, objects, clock)
        self._clock = clock
        self._new_id = new_id

    def open(self, wanted: Wanted, by: Caller) -> Session:
        """A new session, or the one that the same owner has for the same data, to be resumed.

        Refuses before a byte is sent when the tenant's setting is *deny*, or *ask* and this owner has not agreed to
        this very root, now or before.
        """
        self._check_consent(wanted, by)
        if wanted.file_count < 1:
            raise BadInput("The dataset is empty: there is no file to upload.")
        sent_bytes = wanted.archive_bytes - sum(length for _, length in wanted.ranges)
        part_bytes = part_bytes_for(sent_bytes, len(wanted.ranges))
        for _ in range(_TRIES):
            known = self._uploads.of_root(by.tenant, by.owner, wanted.root)
            if known and self._resumable(known, wanted):
                with suppress(NotFound):  # the store no longer has its parts: start anew
                    return self._session(known)
            if wanted.source_id is not None:
                source = self._assemble.source(wanted.source_id, by)
                check_ranges(wanted.ranges, source.archive_bytes)
            upload = self._start(wanted, by, part_bytes)
            if self._uploads.create(upload, instead_of=known):
                return Session(upload, [], fresh=True)
            self._objects.abort_multipart("datasets", upload.key, upload.multipart_id)
        raise Conflict("Several uploads of the same data were opened at once. Try again.")

    def get(self, upload_id: str, by: Caller) -> Session:
        return self._session(self._own(upload_id, by))

    def part_links(self, upload_id: str, numbers: Sequence[int], by: Caller) -> list[tuple[int, str]]:
        upload = self._own(upload_id, by)
        self._check_open(upload)
        if self._settings.consent(by.tenant) is Consent.DENY:
            raise _denied()
        first = len(upload.copies) + 1
        wrong = [number for number in numbers if not first <= number <= upload.part_count]
        if wrong:
            raise BadInput(f"Parts {first} to {upload.part_count} of this upload are sent; part {wrong[0]} is not.")
        key, session = upload.key, upload.multipart_id
        return [(n, self._objects.presign_part("datasets", key, session, n, PART_LINK_SECONDS)) for n in numbers]

    def copy(self, upload_id: str, by: Caller) -> Assembled:
        """Goes on copying what this upload takes over from an earlier one; ask again while something is left."""
        upload = self._own(upload_id, by)
        if upload.state in (UploadState.COMPLETE, UploadState.USED):
            return Assembled(len(upload.copies), 0)
        self._check_open(upload)
        if self._settings.consent(by.tenant) is Consent.DENY:
            raise _denied()
        return self._assemble(upload)

    def complete(self, upload_id: str, etags: dict[int, str], by: Caller) -> Upload:
        """Joins the parts, once each is there at its full size. Asked again it answers the same."""
        for _ in range(_TRIES):
            upload = self._own(upload_id, by)
            if upload.state in (UploadState.COMPLETE, UploadState.USED):
                return upload
            self._check_open(upload)
            described = self._manifests.take_in(upload)
            self._join(upload, etags)
            try:
                return self._completed(described)
            except Stale:
                continue
        raise Conflict(f"Upload '{upload_id}' kept changing. Ask for its state and try again.")

    def abort(self, upload_id: str, by: Caller) -> Upload:
        upload = self._own(upload_id, by)
        if upload.state is UploadState.USED:
            raise Conflict(
                f"Upload '{upload.id}' belongs to job '{upload.job_id}'. Cancel that job; its data is deleted then."
            )
        return self._discard(upload)

    def expire(self, tenant: str, upload_id: str) -> None:
        """For the sweep: discards a session that no job took in time."""
        upload = self._uploads.get(tenant, upload_id)
        passing = (UploadState.OPEN, UploadState.COMPLETE, UploadState.DISCARDING)
        if upload.expires_at <= self._clock() and upload.state in passing:
            self._discard(upload)

    def _discard(self, upload: Upload) -> Upload:
        """First the row, so that no job can take what is about to be gone; it stays due, and the sweep goes on with a
        deletion that died half way."""
        if upload.state in (UploadState.ABORTED, UploadState.DELETED):
            return upload
        was_open = upload.state is UploadState.OPEN
        try:
            if upload.state is not UploadState.DISCARDING:
                upload = self._moved(upload, UploadState.DISCARDING)
            self._objects.abort_multipart("datasets", upload.key, upload.multipart_id)
            receipt = self._removal.everything(upload)
            self._removal.tell(upload, receipt)
            if not upload.kept_for:
                # Nobody trained with it, so nobody needs to know what it was.
                self._objects.delete("datasets", upload.manifest_key)
                upload = replace(upload, manifest_etag=None)
            return self._moved(upload, UploadState.ABORTED if was_open else UploadState.DELETED)
        except Stale:
            raise Conflict(f"Upload '{upload.id}' changed meanwhile. Ask for its state and try again.") from None

    def _moved(self, upload: Upload, state: UploadState) -> Upload:
        moved = replace(upload, state=state, expires_at=self._clock(), version=upload.version + 1)
        self._uploads.save(upload, moved)
        return moved

    def _join(self, upload: Upload, etags: dict[int, str]) -> None:
        if self._is_joined(upload):
            return
        parts = {part.number: part for part in self._parts(upload)}
        wrong = [
            number
            for number in range(1, upload.part_count + 1)
            if number not in parts
            or parts[number].size != upload.size_of_part(number)
            or etags.get(number, parts[number].etag).strip('"') != parts[number].etag
        ]
        if wrong:
            raise UploadNotReady(
                f"{len(wrong)} of {upload.part_count} parts are missing or differ from what was sent, the first is "
                f"part {wrong[0]}. "
                + ("Have it copied, " if wrong[0] <= len(upload.copies) else "Send them again, ")
                + "then complete.",
                upload_id=upload.id,
                missing_parts=wrong[:100],
            )
        self._objects.complete_multipart("datasets", upload.key, upload.multipart_id, parts.values())
        stored = self._objects.head("datasets", upload.key)
        if stored is None or stored.size != upload.archive_bytes:
            raise UploadNotReady(
                "The joined archive does not have the announced size. Abort the upload and start again."
            )

    def _completed(self, upload: Upload) -> Upload:
        done = replace(upload, state=UploadState.COMPLETE, version=upload.version + 1)
        self._uploads.save(upload, done)
        return done

    def _is_joined(self, upload: Upload) -> bool:
        """True also when we died after joining the parts, before we could write it down."""
        stored = self._objects.head("datasets", upload.key)
        return stored is not None and stored.size == upload.archive_bytes

    def _session(self, upload: Upload) -> Session:
        """The session with its parts. Raises ``NotFound`` when the store has thrown them away."""
        try:
            return Session(upload, self._parts(upload))
        except NotFound:
            if not self._is_joined(upload):
                raise
        try:
            return Session(self._completed(self._manifests.take_in(upload)), [])
        except Stale:
            return Session(self._uploads.get(upload.tenant, upload.id), [])

    def _parts(self, upload: Upload) -> list[UploadedPart]:
        if upload.state is not UploadState.OPEN:
            return []
        return self._objects.list_parts("datasets", upload.key, upload.multipart_id)

    def _start(self, wanted: Wanted, by: Caller, part_bytes: int) -> Upload:
        now = self._clock()
        upload_id = f"u-{self._new_id()}"
        key = f"data/{by.tenant}/{upload_id}/dataset.zip"
        return Upload(
            id=upload_id,
            tenant=by.tenant,
            owner=by.owner,
            state=UploadState.OPEN,
            root=wanted.root,
            archive_bytes=wanted.archive_bytes,
            part_bytes=part_bytes,
            file_count=wanted.file_count,
            image_count=wanted.image_count,
            key=key,
            multipart_id=self._objects.start_multipart("datasets", key, "application/zip"),
            created_at=now,
            expires_at=now + LIFETIME,
            source_id=wanted.source_id,
            copies=wanted.ranges,
        )

    def _resumable(self, upload: Upload, wanted: Wanted) -> bool:
        """Not in its last hour: a transfer that starts now must not be swept away under its sender's hands."""
        laid_out = (upload.archive_bytes, upload.source_id, upload.copies)
        wished = (wanted.archive_bytes, wanted.source_id, wanted.ranges)
        # Once it is complete, how it was laid out is nobody's concern: the same root is the same files.
        usable = upload.state is UploadState.COMPLETE or (upload.state is UploadState.OPEN and laid_out == wished)
        return usable and (upload.expires_at - self._clock()).total_seconds() > PART_LINK_SECONDS

    def _check_consent(self, wanted: Wanted, by: Caller) -> None:
        consent = self._settings.consent(by.tenant)
        if consent is Consent.DENY:
            raise _denied()
        if wanted.consented_root == wanted.root:
            self._consents.agree(by.tenant, by.owner, wanted.root, self._clock())
        elif consent is Consent.ASK and self._consents.agreed_at(by.tenant, by.owner, wanted.root) is None:
            raise ConsentRequired(
                "Nobody has agreed to send this data yet. Show what will be sent, ask, and send the manifest's root as "
                "consent.root; or choose 'allow' (PUT /api/cloud/data-consent/setting).",
                root=wanted.root,
            )

    def _check_open(self, upload: Upload) -> None:
        if upload.state is not UploadState.OPEN:
            raise UploadNotReady(
                f"Upload '{upload.id}' is {upload.state}, not open. Open a new one.", upload_id=upload.id
            )

    def _own(self, upload_id: str, by: Caller) -> Upload:
        upload = self._uploads.get(by.tenant, upload_id)
        if upload.owner != by.owner:
            raise no_such_upload(upload_id)
        return upload


def _denied() -> ConsentDenied:
    return ConsentDenied(
        "Uploads are switched off for everybody here (data consent is 'deny'). "
        "Change it with 'stcloud consent ask' or in the Cloud tab's settings."
    )
