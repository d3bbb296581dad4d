"""AWS X-Ray, through powertools. This file is imported only where tracing is switched on: it costs a second to load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools.tracing import Tracer


class XRayTraces:
    """Outside of Lambda, and with ``POWERTOOLS_TRACE_DISABLED``, powertools makes every span an empty one.

    Raises ``ImportError`` when the package has no ``aws-xray-sdk``.
    """

    def __init__(self, service: str) -> None:
        # Calls to AWS show up by themselves; those to vendors are spans of ours, which know what they are about.
        self._tracer = Tracer(service=service, patch_modules=("botocore",))

    @contextmanager
    def span(self, name: str, annotations: Mapping[str, str]) -> Iterator[None]:
        failure: BaseException | None = None
        recorder: Any = self._tracer.provider
        with recorder.in_subsegment(name=f"## {name}") as piece:
            for key, value in annotations.items():
                piece.put_annotation(key, value)
            try:
                yield
            except BaseException as error:
                # Told by its name alone: the recorder would send the text, and nobody has looked for secrets in it.
                piece.put_annotation("error", getattr(error, "code", None) or type(error).__name__)
                piece.add_error_flag()
                failure = error
        if failure is not None:
            raise failure
