"""The embedded log: SQLite in WAL mode, synchronous=FULL, one writing connection, one writing process.

A commit is on disk when `append` returns. A reader opens its own connection and can neither write nor checkpoint.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

from orchestrator.errors import Refused
from orchestrator.events import to_json
from orchestrator.log.projection import project, rebuild
from orchestrator.records import EventRecord

Reality = Literal["simulated", "real"]
COLUMNS = "seq, event_id, stream, version, kind, schema, epoch, at, actor, cause, body"


# An engine killed while it was starting a child leaves its lock with that child for a moment.
LEAVING_S = 1.0


class StaleEngine(Exception):
    """Another engine has taken the log over: this one must not write, nor act, any more."""


class LogReader:
    """Reads a log that may be in use. Nothing it does can disturb the writer."""

    def __init__(self, path: Path) -> None:
        """Open the log at `path`. Raises `Refused` where there is none, or no Alquimia log."""
        if not path.exists():
            raise Refused(
                "E510", f"there is no log at {path}", cure="name an existing one with --store sqlite:///PATH"
            )
        self.path = path
        try:
            # As a URI of the file, quoted: a folder may be called "50%" or "#3".
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise _no_log(path, error) from error
        try:
            if self._db.execute("SELECT seq FROM log_head").fetchone() is None:
                raise _no_log(path, "it has no head")
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise _no_log(path, error) from error
        except Refused:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @property
    def reality(self) -> Reality:
        """Whether this log is of a simulated or of a real laboratory."""
        return self._db.execute("SELECT reality FROM log_head").fetchone()[0]

    def head(self) -> tuple[int, int]:
        """(seq, epoch) of the last commit."""
        return self._db.execute("SELECT seq, epoch FROM log_head").fetchone()

    def events(self, after: int = 0) -> Iterator[EventRecord]:
        """Events with a sequence number above `after`, in order."""
        for row in self._db.execute(f"SELECT {COLUMNS} FROM events WHERE seq > ? ORDER BY seq", (after,)):
            fields = (*row[:-1], json.loads(row[-1]))
            yield EventRecord(*fields)

    def rows(self, table: str) -> list[tuple[object, ...]]:
        """All rows of a projection, in the order of their keys."""
        return self._db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


class SqliteLog(LogReader):
    """The writer. Holding it is holding the laboratory: a second process is refused at the lock."""

    def __init__(self, path: Path, *, reality: Reality) -> None:
        """Open or create the log at `path`. Raises `Refused` where another engine holds it, or of another reality."""
        self.path = path
        self._lock = _locked(path)
        try:
            # Appends run in a worker thread so that an fsync does not hold the loop; never two at once.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.DatabaseError as error:
            os.close(self._lock)
            raise _no_log(path, error) from error
        try:
            self._open(path, reality)
        except BaseException:
            self.close()
            raise

    def _open(self, path: Path, reality: Reality) -> None:
        try:
            # Looked at before anything is set: somebody else's database stays as it is. A file without any table is a
            # log whose making was broken off.
            tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
        except sqlite3.DatabaseError as error:
            raise _no_log(path, error) from error
        if tables and not {"log_head", "events"} <= tables:
            raise _no_log(path, f"it holds {', '.join(sorted(tables)[:5])}")
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            self._db.execute(f"PRAGMA {pragma}")
        if not tables:
            schema = files("orchestrator.log").joinpath("schema.sql").read_text()
            self._db.executescript(
                f"BEGIN IMMEDIATE;\n{schema}\nINSERT INTO log_head VALUES (1, 0, 0, '{reality}');\nCOMMIT;"
            )
        elif self.reality != reality:
            raise Refused(
                "E513",
                f"{path} is the log of a {self.reality} laboratory and this one is {reality}",
                cure="give each its own --store: simulated and real data never meet",
            )

    def take_over(self) -> int:
        """Begin a new epoch: from this commit on every older engine is stale. Returns the epoch."""
        with _transaction(self._db):
            self._db.execute("UPDATE log_head SET epoch = epoch + 1")
        return self.head()[1]

    def append(self, events: Sequence[EventRecord]) -> None:
        """Write events and what they change, in one transaction, on disk when this returns.

        Raises `StaleEngine` where the log has moved on under another epoch, sqlite3.IntegrityError where a
        constraint refuses an event; then nothing is written.
        """
        if not events:
            return
        first, last = events[0], events[-1]
        with _transaction(self._db):
            moved = self._db.execute(
                "UPDATE log_head SET seq = ? WHERE seq = ? AND epoch = ?",
                (last.seq, first.seq - 1, last.epoch),
            )
            if moved.rowcount != 1:
                raise StaleEngine(f"the log's head is {self.head()}, not ({first.seq - 1}, {last.epoch})")
            for event in events:
                self._db.execute(
                    f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        event.seq, event.event_id, event.stream, event.version, event.kind, event.schema,
                        event.epoch, event.at, event.actor, event.cause, to_json(event.body),
                    ),
                )  # fmt: skip
                project(self._db, event)

    def rebuild(self) -> None:
        """Write every projection anew from the events."""
        events = list(self.events())
        with _transaction(self._db):
            rebuild(self._db, events)

    def close(self) -> None:
        """Let go of the file and of the lock."""
        self._db.close()
        os.close(self._lock)


def _no_log(path: Path, why: object) -> Refused:
    return Refused("E511", f"{path} is not a log of Alquimia ({why})", cure="name another file")


def _locked(path: Path) -> int:
    """The lock of a log, held. Beside the file itself: two names of one log, by a link, are one log."""
    beside = path.resolve()
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(beside.with_name(beside.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused("E514", f"{path} cannot be written: {error}", cure="name another file") from error
    deadline = time.monotonic() + LEAVING_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError as error:
            if time.monotonic() > deadline:
                os.close(lock)
                raise Refused(
                    "E512",
                    f"another engine is running on {path}",
                    cure="watch it with `alquimia status`, or end it with `alquimia abort`",
                ) from error
            time.sleep(0.02)


class _transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK on any exception."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error:  # a full disk is often noticed only here
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
