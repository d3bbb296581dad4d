"""Short addresses of ours for a job's data: signed, for one upload, for a while.

A vendor may fetch the data days after the launch, when it leaves its queue. A presigned address of the object store
dies with the credentials that signed it, which in Lambda last hours. So a vendor gets an address of ours, which
redirects to a presigned one made at that moment, and to nothing once the data has been deleted.

    <tenant>.<upload id>.<unix seconds it lasts to>[.<digest of one dataset>].<HMAC-SHA256, base64url>
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field

from chalicelib.domain.errors import BadLink

_NAME = r"([A-Za-z0-9_-]{1,64})"
_TOKEN = re.compile(rf"{_NAME}\.{_NAME}\.([0-9]{{1,12}})(?:\.([0-9a-f]{{64}}))?\.([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, slots=True)
class DataLink:
    """``until``: unix seconds. ``digest`` names one dataset that was laid out; None stands for the whole archive."""

    tenant: str
    upload_id: str
    until: int
    digest: str | None = None

    def token(self, secret: bytes) -> str:
        return f"{self._told}.{self._mac(secret)}"

    @property
    def _told(self) -> str:
        told = f"{self.tenant}.{self.upload_id}.{self.until}"
        return f"{told}.{self.digest}" if self.digest else told

    def _mac(self, secret: bytes) -> str:
        digest = hmac.new(secret, f"data-link:{self._told}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class LinkMaker:
    """``base_url`` is how a vendor reaches this system."""

    base_url: str
    secret: bytes = field(repr=False)

    def address(self, link: DataLink) -> str:
        """Ends like the file that it leads to, because trainers tell an archive by its name."""
        return f"{self.base_url}/api/cloud/data/{link.token(self.secret)}/dataset.zip"


def read_link(token: str, secret: bytes, now: int) -> DataLink:
    """Raises ``BadLink`` for a token that is not ours or has had its time."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise BadLink("This is not an address that was made here.")
    link = DataLink(match[1], match[2], int(match[3]), match[4])
    if not hmac.compare_digest(link.token(secret), token):
        raise BadLink("This is not an address that was made here.")
    if now >= link.until:
        raise BadLink("This address has had its time. Launch the job again.")
    return link
