"""The S3-compatible object store of local mode."""

from local.s3.app import StorageEndpoint
from local.s3.disk import StorageInUse

__all__ = ["StorageEndpoint", "StorageInUse"]
