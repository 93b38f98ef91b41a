"""The log: all or nothing, in order, by one writer, and its constraints refuse what no bug may write."""

from __future__ import annotations

import itertools
import math
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import Refused
from orchestrator.events import Event, Numbering, to_json
from orchestrator.lab import fold
from orchestrator.log import sqlite as module
from orchestrator.log.projection import TABLES
from orchestrator.log.sqlite import LogReader, SqliteLog, StaleEngine
from orchestrator.records import EventRecord

PROPOSAL = {"mode": "explore"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteLog]:
    store = SqliteLog(path, reality="simulated")
    yield store
    store.close()


class Writer:
    """Numbers events and appends them."""

    def __init__(self, store: SqliteLog) -> None:
        self.store = store
        with LogReader(store.path) as reader:
            versions = {e.stream: e.version for e in reader.events()}
            seq = reader.head()[0]
        self.numbering = Numbering(seq, store.take_over(), versions)

    def place(self, *events: Event) -> list[EventRecord]:
        return [self.numbering.place(event) for event in events]

    def write(self, *events: Event) -> list[EventRecord]:
        records = self.place(*events)
        self.store.append(records)
        return records


def opened() -> Event:
    return Event("campaign", "campaign.opened", {"reason": ""})


def proposed(n: int) -> Event:
    return Event(f"e{n}", "experiment.proposed", {"number": n, "candidate": {"x": 0.5}, "proposal": PROPOSAL})


def intended(
    n: int, *, experiment: int | None = None, device: str = "rig", sample: str | None = None
) -> Event:
    body = {
        "experiment": f"e{experiment or n}", "step": 0, "device": device, "verb": "spin", "args": {"x": 1.5},
        "sample": sample or f"s{n}", "repeat": "opaque", "attempt": 0, "deadline_s": 60.0,
    }  # fmt: skip
    return Event(f"a{n}", "action.intended", body)


def came(kind: str, n: int) -> Event:
    return Event(f"a{n}", f"action.{kind}", {"reason": "so", "began_s": 1.0, "ended_s": 2.0})


def recorded(n: int, value: Any = 1.5, *, reality: str = "simulated", sigma: Any = 0.1) -> Event:
    body = {
        "experiment": f"e{n}", "action": f"a{n}", "name": "mobility", "value": value, "unit": "K", "sigma": sigma,
        "device": "rig", "driver": "d", "driver_version": "1", "reality": reality,
    }  # fmt: skip
    return Event(f"measurement/a{n}", "measurement.recorded", body)


def story(n: int) -> list[Event]:
    """One experiment from its proposal to its measurement."""
    return [
        proposed(n), Event(f"e{n}", "experiment.queued", {}), intended(n), Event(f"e{n}", "experiment.started", {}),
        came("succeeded", n), recorded(n), Event(f"e{n}", "experiment.measured", {}),
    ]  # fmt: skip


def contents(path: Path) -> tuple[Any, ...]:
    with LogReader(path) as reader:
        return list(reader.events()), reader.head(), {table: reader.rows(table) for table in TABLES}


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
    assert rows["actions"] == [("a1", "e1", "rig", "s1", "spin", "succeeded", 1)]
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


def test_a_second_engine_is_refused_at_the_lock(store: SqliteLog, path: Path) -> None:
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


# -- what the tables refuse -----------------------------------------------------------------------------------
STATEMENTS = {
    "change an event": "UPDATE events SET body = '{}' WHERE seq = 1",
    "delete an event": "DELETE FROM events WHERE seq = 1",
    "delete them all": "DELETE FROM events",
    "leave a gap": "INSERT INTO events VALUES (99, 'x', 's', 1, 'k', 1, 1, 'at', 'a', NULL, '{}')",
    "go back": "INSERT INTO events VALUES (0, 'x', 's', 1, 'k', 1, 1, 'at', 'a', NULL, '{}')",
    "no json": "INSERT INTO events VALUES (9, 'x', 's', 1, 'k', 1, 1, 'at', 'a', NULL, 'so')",
    "replace by place": "INSERT OR REPLACE INTO events VALUES (1, 'x', 's', 1, 'k', 1, 1, 'at', 'a', NULL, '{}')",
    "replace by id": "INSERT OR REPLACE INTO events"
    " SELECT 9, event_id, 's', 1, kind, 1, 1, at, 'a', NULL, '{}' FROM events WHERE seq = 1",
    "replace by version": "INSERT OR REPLACE INTO events"
    " SELECT 9, 'x', stream, version, kind, 1, 1, at, 'a', NULL, '{}' FROM events WHERE seq = 1",
    "take the head back": "UPDATE log_head SET seq = seq - 1",
    "take the epoch back": "UPDATE log_head SET epoch = 0",
    "change reality": "UPDATE log_head SET reality = 'real'",
    "a third reality": "INSERT INTO log_head VALUES (1, 0, 0, 'dreamt')",
    "a second head": "INSERT INTO log_head VALUES (2, 0, 0, 'real')",
    "no head": "DELETE FROM log_head",
}
MEASUREMENTS = {
    "nan": (math.nan, None, "simulated"), "inf": (math.inf, None, "simulated"), "-inf": (-math.inf, None, "simulated"),
    "none": (None, None, "simulated"), "text": ("much", None, "simulated"), "huge": (1.75e308, None, "simulated"),
    "sigma inf": (1.0, math.inf, "simulated"), "sigma below zero": (1.0, -0.1, "simulated"),
    "real": (1.0, None, "real"), "nothing": (1.0, None, None),
}  # fmt: skip


def filled(store: SqliteLog) -> None:
    Writer(store).write(opened(), *story(1))


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=list(STATEMENTS))
def test_the_log_cannot_be_bent(store: SqliteLog, path: Path, statement: str) -> None:
    filled(store)
    before = contents(path)
    with pytest.raises(sqlite3.IntegrityError):
        store._db.execute(statement)
    assert contents(path) == before


@pytest.mark.parametrize(("value", "sigma", "reality"), MEASUREMENTS.values(), ids=list(MEASUREMENTS))
def test_only_finite_numbers_of_this_reality_are_measurements(
    store: SqliteLog, path: Path, value: Any, sigma: Any, reality: Any
) -> None:
    filled(store)
    before = contents(path)
    with pytest.raises(sqlite3.IntegrityError):
        store._db.execute(
            "INSERT INTO measurements VALUES (99, 'e1', 'a1', 'm', ?, 'K', ?, ?)", (value, sigma, reality)
        )
    assert contents(path) == before


@pytest.mark.parametrize(
    "bad", [{"value": None}, {"value": "1.5e"}, {"reality": "real"}, {"sigma": -1.0}], ids=str
)
def test_a_bad_measurement_is_refused_as_an_event_too(store: SqliteLog, bad: dict[str, Any]) -> None:
    writer = Writer(store)
    writer.write(opened(), *story(1)[:5])
    with pytest.raises(sqlite3.IntegrityError):
        writer.write(recorded(1, **bad))


def test_control_without_its_constraints_the_log_bends(path: Path) -> None:
    """Every statement above would go through, or is stopped by nothing but what is taken away here."""
    sane = [
        statement for name, statement in STATEMENTS.items()
        if name not in ("no json", "a third reality", "a second head", "go back")
    ]  # fmt: skip
    for n, statement in enumerate(sane):
        store = SqliteLog(path.with_name(f"{n}.db"), reality="simulated")
        filled(store)
        for (trigger,) in store._db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            store._db.execute(f"DROP TRIGGER {trigger}")
        store._db.execute(statement)
        store.close()


@pytest.mark.parametrize("doubted", [False, True])
def test_a_device_and_a_sample_have_one_open_action(store: SqliteLog, doubted: bool) -> None:
    writer = Writer(store)
    writer.write(opened(), proposed(1), proposed(2), intended(1, device="rig", sample="s"))
    if doubted:
        writer.write(came("doubted", 1))
    for second in (intended(2, device="rig", sample="other"), intended(2, device="other", sample="s")):
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            Writer(store).write(second)
    writer = Writer(store)
    writer.write(came("not_done" if doubted else "succeeded", 1))
    writer.write(intended(2, device="rig", sample="s"))


def test_control_without_the_index_two_hold_one_device(store: SqliteLog) -> None:
    Writer(store).write(opened(), proposed(1), proposed(2), intended(1))
    store._db.execute("DROP INDEX one_open_action_a_device")
    Writer(store).write(intended(2))


def test_a_doubt_stands_in_its_table_until_it_is_settled(store: SqliteLog) -> None:
    writer = Writer(store)
    writer.write(opened(), proposed(1), intended(1), came("doubted", 1))
    assert store.rows("doubts") == [("a1", 4, "so")]
    writer.write(came("discarded", 1))
    assert store.rows("doubts") == []
    assert store.rows("actions")[0][5] == "discarded"


def test_a_command_is_received_once(store: SqliteLog) -> None:
    body = {"key": "k", "kind": "pause", "by": "ana", "arguments": {}}
    writer = Writer(store)
    writer.write(opened(), Event("inbox", "command.received", body))
    with pytest.raises(sqlite3.IntegrityError):
        writer.write(Event("inbox", "command.received", body | {"by": "eve"}))


def test_projections_rebuilt_are_the_same_to_the_byte(store: SqliteLog, path: Path) -> None:
    writer = Writer(store)
    command = {"key": "k", "kind": "settle", "by": "ana", "arguments": {"note": "µ"}}
    writer.write(opened(), *itertools.chain.from_iterable(story(n) for n in range(1, 30)))
    writer.write(
        proposed(30), intended(30), came("doubted", 30), Event("e30", "experiment.held", {}),
        Event("inbox", "command.received", command), proposed(31), intended(31, device="other"), came("refused", 31),
        Event("e31", "experiment.failed", {"reason": "x"}),
    )  # fmt: skip
    before = contents(path)
    assert all(before[2].values())
    store.rebuild()
    assert contents(path) == before
    store._db.execute("DELETE FROM doubts")
    store._db.execute("UPDATE actions SET state = 'lost'")
    assert contents(path) != before  # a projection that drifted is seen
    store.rebuild()
    assert contents(path) == before


# -- what a crash leaves --------------------------------------------------------------------------------------
APPENDING = """
import itertools, sys
from pathlib import Path
from tests.orchestrator.test_log import Writer, proposed, intended, came, SqliteLog
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


def test_the_lock_is_for_this_user_alone(store: SqliteLog, path: Path) -> None:
    assert path.with_name("log.db.lock").stat().st_mode & 0o777 == 0o600
    assert os.get_inheritable(store._lock) is False
