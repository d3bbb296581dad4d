"""Starts the Hub emulator as a real process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import web
from tests.emulator import ROOT

ANA, READER, FINE, MEMBER = (
    "hf_anaAnaAnaAnaAna",
    "hf_readerReaderReader",
    "hf_fineFineFineFine",
    "hf_memberMemberMember",
)
PEOPLE = (f"{ANA}=ana", f"{READER}=ana:read", f"{FINE}=ana:fineGrained:acme@acme=write", f"{MEMBER}=bo@acme=read")


@dataclass
class HubProcess:
    url: str

    def fault(self, path: str, status: int, **more: Any) -> None:
        web.post(f"{self.url}/_emu/faults", json={"path": path, "status": status, **more}).raise_for_status()

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [one for one in web.get(f"{self.url}/_emu/requests").json() if path in one["path"]]


@contextlib.contextmanager
def start_hub(*tokens: str) -> Iterator[HubProcess]:
    command = [sys.executable, "-m", "emulators.huggingface", "--port", "0"]
    for token in tokens or PEOPLE:
        command += ["--token", token]
    process = subprocess.Popen(command, cwd=Path(ROOT), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        assert "ready at http://" in ready, ready
        yield HubProcess(ready.split()[-1])
    finally:
        process.terminate()
        process.wait(15)
        process.stdout.close()
