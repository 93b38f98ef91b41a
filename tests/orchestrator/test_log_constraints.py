"""What no bug may write: the log's constraints refuse it, and its projections are what the events say."""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.events import Event
from orchestrator.log.sqlite import SqliteLog
from tests.orchestrator.logs import (
    Writer,
    came,
    carried,
    contents,
    intended,
    opened,
    proposed,
    recorded,
    story,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteLog]:
    store = SqliteLog(path, reality="simulated")
    yield store
    store.close()


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


def test_control_without_leases_two_hold_one_device(store: SqliteLog) -> None:
    Writer(store).write(opened(), proposed(1), proposed(2), intended(1))
    store._db.execute("DELETE FROM leases")
    Writer(store).write(intended(2))


def test_a_place_holds_one_sample_and_a_sample_is_in_one_place_for_sure(store: SqliteLog) -> None:
    writer = Writer(store)
    entered = Event("sample/s1", "sample.entered", {"place": "rack.1", "many": False})
    writer.write(opened(), proposed(1), proposed(2), entered)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        Writer(store).write(Event("sample/s2", "sample.entered", {"place": "rack.1", "many": False}))
    Writer(store).write(Event("sample/s2", "sample.entered", {"place": "rack.2", "many": False}))
    way = {"from": "rack.1", "to": "mill", "via": "gripper"}
    Writer(store).write(carried(1, way))
    for place in ("rack.1", "gripper", "mill"):  # while it is carried it may be at each of them
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            Writer(store).write(Event("sample/s2", "sample.placed", {"place": place, "many": False}))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        store._db.execute("UPDATE claims SET sure = 1 WHERE sample = 's1'")
    Writer(store).write(came("succeeded", 1))
    assert {row[:3] for row in store.rows("claims") if row[1] == "s1"} == {
        ("rack.1", "s1", 0),
        ("mill", "s1", 1),
    }
    Writer(store).write(Event("sample/s2", "sample.placed", {"place": "gripper", "many": False}))


def test_a_device_that_is_kept_still_takes_no_action(store: SqliteLog) -> None:
    writer = Writer(store)
    writer.write(
        opened(), proposed(1), proposed(2), Event("sample/s1", "sample.entered", {"place": "rack.1"})
    )
    writer.write(carried(1, {"from": "rack.1", "to": "mill"}, holds=["mill"]))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        Writer(store).write(intended(2, device="mill"))
    Writer(store).write(came("succeeded", 1), intended(2, device="mill"))


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
        Event("e31", "experiment.failed", {"reason": "x"}), proposed(32),
        Event("sample/s32", "sample.entered", {"place": "rack.1", "many": False}),
        carried(32, {"from": "rack.1", "to": "mill", "via": "gripper"}),
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
