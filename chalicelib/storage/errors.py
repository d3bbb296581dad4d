"""What a caller is told when AWS, or what stands for it, does not do what it was asked."""

from __future__ import annotations

from chalicelib.domain.errors import CloudError


class StorageDown(CloudError):
    """Nothing is known about the effect: every operation here may be asked again."""

    status, code, title = 503, "storage_unavailable", "The object store cannot be reached"


class StorageRefused(CloudError):
    """Asking again changes nothing: a key, a bucket or a permission is wrong, and an operator has to mend it."""

    status, code, title = 502, "storage_error", "The object store refused the request"
