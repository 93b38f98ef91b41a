"""The log: all or nothing, in order, by one writer."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import Refused
from orchestrator.events import Event, to_json
from orchestrator.log import sqlite as module
from orchestrator.log.sqlite import LogReader, SqliteLog, StaleEngine
from tests.orchestrator.logs import Writer, came, contents, intended, opened, proposed, recorded, story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteLog]:
    store = SqliteLog(path, reality="simulated")
    yield store
    store.close()


# -- appending ------------------------------------------------------------------------------------------------
def test_what_was_appended_is_there_for_every_reader(store: SqliteLog, path: Path) -> None:
    writer = Writer(store)
    records = writer.write(opened(), *story(1))
    body = {"reason": "µ \n\x00 ✓", "n": -0.0, "deep": {"a": [1, None, True]}}
    records += writer.write(Event("engine", "engine.started", body, actor="Ана", cause="c"))
    events, head, rows = contents(path)
    assert events == records
    assert head == (9, 1)
    assert rows["experiments"] == [("e1", 1, "measured")]
    assert rows["actions"] == [("a1", "e1", "rig", "s1", "spin", "succeeded", 1, None)]
    assert rows["measurements"] == [(7, "e1", "a1", "mobility", 1.5, "K", 0.1, "simulated")]
    with LogReader(path) as reader:
        assert [event.seq for event in reader.events(after=6)] == [7, 8, 9]
    store.append([])
    assert contents(path)[1] == (9, 1)


def test_a_refused_event_takes_its_whole_turn_with_it(store: SqliteLog, path: Path) -> None:
    writer = Writer(store)
    writer.write(opened(), proposed(1), intended(1))
    before = contents(path)
    for bad in (intended(1), recorded(7), intended(2), proposed(1)):
        records = Writer(store).place(proposed(9), bad, came("failed", 1))
        with pytest.raises(sqlite3.IntegrityError):
            store.append(records)
        after = contents(path)
        assert (after[0], after[1][0], after[2]) == (before[0], before[1][0], before[2])
    Writer(store).write(came("failed", 1))  # and it can go on


def test_control_without_a_transaction_half_a_turn_stays(
    store: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Writer(store).write(opened(), proposed(1), intended(1))
    records = Writer(store).place(proposed(9), intended(1))
    monkeypatch.setattr(module._transaction, "__enter__", lambda self: None)
    monkeypatch.setattr(module._transaction, "__exit__", lambda self, *exc: None)
    before = len(contents(path)[0])
    with pytest.raises(sqlite3.IntegrityError):
        store.append(records)
    assert len(contents(path)[0]) > before


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_event_holds_what_is_no_number(store: SqliteLog, path: Path, value: float) -> None:
    writer = Writer(store)
    writer.write(opened(), *story(1)[:5])
    records = writer.place(recorded(1, value))
    with pytest.raises(ValueError, match="JSON"):
        store.append(records)
    with pytest.raises(ValueError, match="JSON"):
        to_json({"deep": [{"x": value}]})
    assert contents(path)[1][0] == 6


def test_an_event_of_no_known_kind_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="unknown event kind"):
        Event("a", "action.vanished", {})


# -- epochs and locks -----------------------------------------------------------------------------------------
def test_an_engine_of_an_older_epoch_is_refused(store: SqliteLog, path: Path) -> None:
    old = Writer(store)
    old.write(opened())
    new = Writer(store)
    with pytest.raises(StaleEngine):
        old.write(proposed(1))
    new.write(proposed(1))
    with pytest.raises(StaleEngine):
        old.write(proposed(2))
    assert [event.epoch for event in contents(path)[0]] == [1, 2]


@pytest.mark.parametrize("change", [{"seq": 1}, {"seq": 3}, {"seq": 99}, {"epoch": 2}, {"epoch": 0}])
def test_what_does_not_follow_the_head_is_refused(
    store: SqliteLog, path: Path, change: dict[str, int]
) -> None:
    writer = Writer(store)
    writer.write(opened())
    (record,) = writer.place(proposed(1))
    with pytest.raises(StaleEngine):
        store.append([replace(record, **change)])
    assert contents(path)[1] == (1, 1)


def test_a_gap_within_a_turn_is_refused(store: SqliteLog, path: Path) -> None:
    first, second, third = Writer(store).place(opened(), proposed(1), proposed(2))
    for turn in ([first, third], [first, third, second], [first, first]):
        with pytest.raises((sqlite3.IntegrityError, StaleEngine)):
            store.append(turn)
    assert contents(path)[1][0] == 0


def test_a_second_engine_is_refused_at_the_lock(
    store: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAVING_S", 0.0)
    link = path.parent / "elsewhere" / "log.db"
    link.parent.mkdir()
    link.symlink_to(path)
    for name in (path, path.parent / "elsewhere" / ".." / "log.db", link):
        with pytest.raises(Refused) as refused:
            SqliteLog(name, reality="simulated")
        assert refused.value.code == "E512"
    Writer(store).write(opened())  # and the first goes on


def test_two_logs_side_by_side_do_not_hold_each_other(store: SqliteLog, path: Path) -> None:
    SqliteLog(path.with_suffix(".sqlite"), reality="real").close()


def test_a_log_of_the_other_reality_is_refused_and_let_go(path: Path) -> None:
    SqliteLog(path, reality="real").close()
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            SqliteLog(path, reality="simulated")
        assert refused.value.code == "E513"
    SqliteLog(path, reality="real").close()


# -- the file -------------------------------------------------------------------------------------------------
def test_a_file_that_is_no_log_is_refused_and_left_as_it_is(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE cats (name TEXT)")
    other.close()
    (path.parent / "text.db").write_text("somebody's notes, long enough to be no empty file\n" * 10)
    (path.parent / "folder.db").mkdir()
    for name in ("log.db", "text.db", "folder.db"):
        file = path.parent / name
        before = file.read_bytes() if file.is_file() else None
        opens: list[Callable[[], object]] = [
            lambda f=file: SqliteLog(f, reality="simulated"), lambda f=file: LogReader(f),
        ]  # fmt: skip
        for attempt in opens * 2:
            with pytest.raises(Refused) as refused:
                attempt()
            assert refused.value.code == "E511", name
        assert (file.read_bytes() if file.is_file() else None) == before


def test_there_is_no_log(path: Path) -> None:
    with pytest.raises(Refused) as refused:
        LogReader(path)
    assert refused.value.code == "E510"
    assert not path.exists()


@pytest.mark.parametrize("name", ["a?b", "50%20", "#3", "ü x", "a&mode=rw"])
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "log.db"
    store = SqliteLog(path, reality="simulated")
    Writer(store).write(opened())
    store.close()
    assert contents(path)[1] == (1, 1)


def test_a_log_whose_making_was_broken_off_is_made_anew(path: Path) -> None:
    half = sqlite3.connect(path)
    half.execute("PRAGMA journal_mode=WAL")
    half.close()
    assert path.stat().st_size > 0
    with pytest.raises(Refused):
        LogReader(path)
    store = SqliteLog(path, reality="simulated")
    Writer(store).write(opened())
    store.close()
    path.with_name("empty.db").touch()
    SqliteLog(path.with_name("empty.db"), reality="real").close()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused) as refused:
        SqliteLog(tmp_path / "file" / "log.db", reality="simulated")
    assert refused.value.code == "E514"


def test_a_reader_cannot_write_nor_disturb(store: SqliteLog, path: Path) -> None:
    writer = Writer(store)
    writer.write(opened())
    with LogReader(path) as reader:
        for statement in ("DELETE FROM actions", "UPDATE log_head SET seq = 0", "CREATE TABLE x (y)"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader._db.execute(statement)
        seen = reader.events()
        next(seen)  # a reader in the middle of its reading
        writer.write(*story(1))
        assert reader.head() == (8, 1)
        with pytest.raises(sqlite3.OperationalError):
            reader._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert len(contents(path)[0]) == 8


def test_every_commit_is_fsynced(store: SqliteLog) -> None:
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    assert [store._db.execute(f"PRAGMA {p}").fetchone()[0] for p in pragmas] == ["wal", 2, 1]


def test_the_lock_is_for_this_user_alone(store: SqliteLog, path: Path) -> None:
    assert path.with_name("log.db.lock").stat().st_mode & 0o777 == 0o600
    assert os.get_inheritable(store._lock) is False
