"""The one owner of everything here, as S3's XML wants to name it."""

from __future__ import annotations

from local.s3 import xml

OWNER: list[xml.Element] = [("ID", "simpletuner"), ("DisplayName", "simpletuner")]
