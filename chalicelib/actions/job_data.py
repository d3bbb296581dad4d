"""What a job is to be trained on: its upload, what is in that, and the ways by which it can reach the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.actions.lay_out import LayOut
from chalicelib.actions.promise import PromiseDelivery
from chalicelib.actions.ways import FindWays
from chalicelib.domain.callers import Caller
from chalicelib.domain.dataset_delivery import Ways, pictures_in
from chalicelib.domain.errors import NotFound, UploadNotReady, no_such_upload
from chalicelib.domain.listings import Listing
from chalicelib.domain.ports.jobs import Uploads
from chalicelib.domain.ports.trainers import Trainer
from chalicelib.domain.uploads import Upload, UploadState
from chalicelib.domain.workloads import Facts

if TYPE_CHECKING:
    from chalicelib.actions.plan_job import Submission


@dataclass(frozen=True, slots=True)
class Data:
    """``is_here``: it comes from the submitter's machine. ``told`` stands for an upload that is still to be made."""

    upload: Upload | None = None
    listing: Listing | None = None
    told: Facts | None = None

    @property
    def is_here(self) -> bool:
        return self.upload is not None or self.told is not None

    def facts(self, dataloader: list[dict[str, Any]]) -> Facts:
        if self.upload is None or self.listing is None:
            return self.told or Facts()
        return Facts(pictures_in(self.listing, dataloader), self.upload.file_count, self.upload.archive_bytes)


class JobData:
    def __init__(self, uploads: Uploads, lay_out: LayOut, find_ways: FindWays, promise: PromiseDelivery) -> None:
        self._uploads = uploads
        self._lay_out = lay_out
        self._find_ways = find_ways
        self._promise = promise

    def __call__(self, wanted: Submission, by: Caller, told: Facts | None) -> Data:
        """Raises ``NotFound``, ``UploadNotReady``, and ``BadArchive`` for an upload that no trainer could read."""
        if told is not None:
            return Data(told=told)
        upload = self._upload(wanted, by)
        if upload is None:
            return Data()
        try:
            return Data(upload, self._lay_out.listing(upload))
        except NotFound:
            raise UploadNotReady(
                f"The data of upload '{upload.id}' is gone. Upload it again.", upload_id=upload.id
            ) from None

    def ways(
        self, wanted: Submission, by: Caller, trainer: Trainer, version: str | None, hardware: str, launch_key: str
    ) -> Ways:
        account = self._promise.hub_account(by.tenant, wanted.destinations)
        return self._find_ways(by.tenant, trainer, version, hardware, wanted.delivery, account, launch_key)

    def _upload(self, wanted: Submission, by: Caller) -> Upload | None:
        """An unknown upload beside a dataloader is SimpleTuner's progress key: its UI names what it never sends."""
        if wanted.upload_id is None:
            return None
        try:
            upload = self._uploads.get(by.tenant, wanted.upload_id)
        except NotFound:
            if wanted.dataloader:
                return None
            raise
        if upload.owner != by.owner:
            raise no_such_upload(wanted.upload_id)
        if upload.state is not UploadState.COMPLETE:
            raise UploadNotReady(
                f"Upload '{upload.id}' is {upload.state}, not complete. "
                + ("Finish it first." if upload.state is UploadState.OPEN else "Upload the data again for this job."),
                upload_id=upload.id,
            )
        return upload
