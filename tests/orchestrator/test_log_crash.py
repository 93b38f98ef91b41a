"""What a kill, a cut and a full disk leave of a log: whole turns, and every one that was acknowledged."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Refused
from orchestrator.lab import fold
from orchestrator.log.sqlite import LogReader, SqliteLog
from tests.orchestrator.logs import Writer, came, contents, intended, opened, proposed, story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteLog]:
    store = SqliteLog(path, reality="simulated")
    yield store
    store.close()


# -- what a crash leaves --------------------------------------------------------------------------------------
APPENDING = """
import itertools, sys
from pathlib import Path
from orchestrator.log.sqlite import SqliteLog
from tests.orchestrator.logs import Writer, came, intended, proposed
store = SqliteLog(Path(sys.argv[1]), reality="simulated")
start = store._db.execute("SELECT count(*) FROM experiments").fetchone()[0]
writer = Writer(store)
for n in itertools.count(start + 1):
    writer.write(proposed(n), intended(n), came("succeeded", n))
    print(n, flush=True)
"""


def appending(path: Path, **kwargs: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPENDING, str(path)],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], **kwargs,
    )  # fmt: skip


def whole(path: Path, acknowledged: int) -> None:
    """Every turn is there as a whole, and every one that was acknowledged."""
    events, head, rows = contents(path)
    assert len(events) == head[0] == 3 * len(rows["experiments"])
    assert len(rows["experiments"]) - acknowledged in (0, 1)  # one may be on disk that nobody was told of
    assert len(rows["actions"]) == len(rows["experiments"])
    assert all(row[5] == "succeeded" for row in rows["actions"])
    with LogReader(path) as reader:
        assert reader._db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_kill_loses_nothing_that_was_acknowledged(path: Path) -> None:
    for n_turns in (1, 7, 30, 80):
        with appending(path) as process:
            assert process.stdout is not None
            for _ in range(n_turns):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            for line in process.stdout:  # said before the kill and not yet read
                acknowledged = int(line)
        whole(path, acknowledged)  # a reader alone, before any writer has recovered it
        with LogReader(path) as reader:
            acknowledged = len(reader.rows("experiments"))
        store = SqliteLog(path, reality="simulated")
        store.close()
        whole(path, acknowledged)


def test_a_log_cut_short_loses_whole_turns_only(path: Path) -> None:
    with appending(path) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.kill()
    wal = path.with_name("log.db-wal")
    data, main = wal.read_bytes(), path.read_bytes()
    last = -1
    for cut in sorted({*range(0, len(data), len(data) // 40), len(data) - 1, len(data)}):
        path.write_bytes(main)
        path.with_name("log.db-shm").unlink(missing_ok=True)
        wal.write_bytes(data[:cut])
        try:
            with LogReader(path) as reader:
                n = len(reader.rows("experiments"))
        except Refused:
            n = -1  # cut before the tables were made
        assert n >= last
        last = n
        if n >= 0:
            whole(path, n)
    assert last >= 20


def test_a_full_disk_is_all_or_nothing(path: Path) -> None:
    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    with appending(path, preexec_fn=small, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "OperationalError" in err
    acknowledged = int(out.split()[-1])
    assert acknowledged >= 5
    whole(path, acknowledged)
    store = SqliteLog(path, reality="simulated")  # with room again it goes on
    n = len(store.rows("experiments"))
    Writer(store).write(proposed(n + 1), intended(n + 1), came("succeeded", n + 1))
    store.close()
    whole(path, n + 1)


class FullAtTheEnd:
    """A connection on which the COMMIT finds no room."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, statement: str, *args: Any) -> Any:
        if statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._db.execute(statement, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def test_a_commit_that_fails_leaves_nothing_behind(store: SqliteLog, path: Path) -> None:
    writer = Writer(store)
    writer.write(opened())
    before, db = contents(path), store._db
    store._db = FullAtTheEnd(db)  # type: ignore[assignment]
    with pytest.raises(sqlite3.OperationalError):
        writer.write(proposed(1))
    store._db = db
    assert not db.in_transaction
    assert contents(path) == before
    Writer(store).write(proposed(1))


def test_a_hundred_thousand_events_are_folded(path: Path) -> None:
    store = SqliteLog(path, reality="simulated")
    store._db.execute("PRAGMA synchronous=OFF")  # in this test nothing is promised of the disk
    writer = Writer(store)
    for first in range(1, 16_001, 4000):
        turn = [event for n in range(first, first + 4000) for event in story(n)]
        writer.write(*([opened()] if first == 1 else []), *turn)
    with LogReader(path) as reader:
        state = fold(reader.events())
    store.close()
    assert state.seq == 112_001
    assert len(state.experiments) == 16_000
    assert not state.live
    assert not state.open_actions
