"""Everything that outlives a crash, in one SQLite file and a folder of uploaded files.

The server is one thread, and every call here is one short transaction, so a reader never sees half a change. WAL with
``synchronous=NORMAL`` keeps what was answered through ``kill -9``.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

TERMINAL = frozenset({"succeeded", "failed", "canceled", "aborted"})
_TERMINAL_SQL = ", ".join(f"'{status}'" for status in sorted(TERMINAL))

_SCHEMA = """
CREATE TABLE IF NOT EXISTS predictions (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_at TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
    document TEXT NOT NULL, logs TEXT NOT NULL DEFAULT '', job TEXT);
CREATE INDEX IF NOT EXISTS predictions_by_owner ON predictions (owner, created_at);
CREATE TABLE IF NOT EXISTS files (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, created_at TEXT NOT NULL UNIQUE, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What may be shown. ``input`` is already redacted; ``origin`` is the address under which it was created."""

    id: str
    owner: str
    origin: str
    model: str
    version: str
    sku: str
    input: dict[str, Any]
    created_at: str
    webhook: str | None = None
    webhook_events_filter: list[str] | None = None
    deadline: str | None = None
    status: str = "starting"
    started_at: str | None = None
    completed_at: str | None = None
    output: Any = None
    error: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    data_removed: bool = False
    notified: bool = False
    faults: dict[str, Any] = field(default_factory=dict)
    logs: str | None = ""

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True, slots=True)
class StoredFile:
    id: str
    owner: str
    name: str
    content_type: str
    size: int
    md5: str
    sha256: str
    metadata: dict[str, Any]
    created_at: str
    expires_at: str


class Store:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.files_folder = folder / "files"
        self.files_folder.mkdir(exist_ok=True, mode=0o700)
        self.runs_folder = folder / "runs"
        self.runs_folder.mkdir(exist_ok=True, mode=0o700)
        path = folder / "replicate.sqlite"
        path.touch(mode=0o600)
        self._sql = sqlite3.connect(path, isolation_level=None)
        self._sql.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000;")
        self._sql.executescript(_SCHEMA)

    def close(self) -> None:
        self._sql.close()

    def setting(self, name: str, otherwise: str) -> str:
        """The value kept under ``name``; ``otherwise`` is kept when there is none yet."""
        self._sql.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, otherwise))
        return str(self._sql.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()[0])

    def last_moment(self) -> str:
        """The newest ``created_at`` of anything, or an empty text: new ones must be later, they order the pages."""
        query = "SELECT max(m) FROM (SELECT max(created_at) m FROM predictions UNION SELECT max(created_at) FROM files)"
        return self._sql.execute(query).fetchone()[0] or ""

    def clear(self) -> None:
        self._sql.executescript("DELETE FROM predictions; DELETE FROM files;")
        for path in self.files_folder.iterdir():
            path.unlink(missing_ok=True)

    # predictions

    def add(self, prediction: Prediction, job: dict[str, Any]) -> None:
        """``job`` is what the trainer gets, secrets included; it is forgotten when the prediction ends."""
        p = prediction
        row = (p.id, p.owner, p.created_at, p.status, _document(p), p.logs or "", json.dumps(job))
        self._sql.execute("INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def get(self, prediction_id: str) -> Prediction | None:
        row = self._sql.execute("SELECT document, logs FROM predictions WHERE id = ?", (prediction_id,)).fetchone()
        return None if row is None else _prediction(*row)

    def job(self, prediction_id: str) -> dict[str, Any] | None:
        row = self._sql.execute("SELECT job FROM predictions WHERE id = ?", (prediction_id,)).fetchone()
        return None if row is None or row[0] is None else dict(json.loads(row[0]))

    def change(self, prediction_id: str, **fields: Any) -> Prediction | None:
        """The prediction after the change; None when it is gone."""
        present = self.get(prediction_id)
        if present is None:
            return None
        after = replace(present, **fields)
        forget = ", job = NULL" if after.ended else ""
        self._sql.execute(
            f"UPDATE predictions SET status = ?, document = ?, logs = ?{forget} WHERE id = ?",  # noqa: S608
            (after.status, _document(after), after.logs or "", prediction_id),
        )
        return after

    def append_logs(self, prediction_id: str, text: str) -> None:
        self._sql.execute("UPDATE predictions SET logs = logs || ? WHERE id = ?", (text, prediction_id))

    def page(
        self, owner: str | None = None, before: str | None = None, after: str | None = None, limit: int = 100
    ) -> list[Prediction]:
        """Newest first, ``created_at`` strictly between ``after`` and ``before``."""
        rows = self._sql.execute(
            "SELECT document, logs FROM predictions WHERE (?1 IS NULL OR owner = ?1) "
            "AND (?2 IS NULL OR created_at < ?2) AND (?3 IS NULL OR created_at > ?3) "
            "ORDER BY created_at DESC LIMIT ?4",
            (owner, before, after, limit),
        )
        return [_prediction(*row) for row in rows]

    def unended(self) -> list[Prediction]:
        return self._where(f"status NOT IN ({_TERMINAL_SQL})")

    def unnotified(self) -> list[Prediction]:
        return self._where(f"status IN ({_TERMINAL_SQL}) AND NOT document ->> 'notified'")

    def kept_since_before(self, moment: str) -> list[Prediction]:
        """Those that ended at ``moment`` or before it and still have their data."""
        condition = f"status IN ({_TERMINAL_SQL}) AND NOT document ->> 'data_removed'"
        return self._where(f"{condition} AND document ->> 'completed_at' <= ?", moment)

    def _where(self, condition: str, *values: str) -> list[Prediction]:
        query = f"SELECT document, logs FROM predictions WHERE {condition} ORDER BY created_at"  # noqa: S608
        return [_prediction(*row) for row in self._sql.execute(query, values)]

    # files

    def path_of(self, file_id: str) -> Path:
        return self.files_folder / file_id.rstrip("=")

    def add_file(self, file: StoredFile) -> None:
        row = (file.id, file.owner, file.created_at, json.dumps(asdict(file)))
        self._sql.execute("INSERT INTO files VALUES (?, ?, ?, ?)", row)

    def get_file(self, file_id: str, now: str) -> StoredFile | None:
        """None when there is none, or it has expired."""
        row = self._sql.execute("SELECT document FROM files WHERE id = ?", (file_id,)).fetchone()
        file = None if row is None else StoredFile(**json.loads(row[0]))
        return file if file is not None and file.expires_at > now else None

    def files(self, owner: str, now: str, before: str | None = None, limit: int = 100) -> list[StoredFile]:
        rows = self._sql.execute(
            "SELECT document FROM files WHERE owner = ?1 AND (?2 IS NULL OR created_at < ?2) "
            "AND document ->> 'expires_at' > ?3 ORDER BY created_at DESC LIMIT ?4",
            (owner, before, now, limit),
        )
        return [StoredFile(**json.loads(row[0])) for row in rows]

    def delete_file(self, file_id: str) -> None:
        self._sql.execute("DELETE FROM files WHERE id = ?", (file_id,))
        self.path_of(file_id).unlink(missing_ok=True)

    def expired_files(self, now: str) -> list[str]:
        rows = self._sql.execute("SELECT id FROM files WHERE document ->> 'expires_at' <= ?", (now,))
        return [row[0] for row in rows]


def _document(prediction: Prediction) -> str:
    document = asdict(prediction)
    del document["logs"]
    return json.dumps(document)


def _prediction(document: str, logs: str) -> Prediction:
    prediction = Prediction(**json.loads(document), logs=logs)
    return replace(prediction, logs=None) if prediction.data_removed else prediction
