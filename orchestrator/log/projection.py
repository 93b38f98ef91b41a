"""Which rows an event changes. Run inside the append's transaction, and again, in order, to rebuild the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from orchestrator.events import to_json
from orchestrator.records import EventRecord

TABLES = ("doubts", "measurements", "actions", "experiments", "commands")  # children before parents


def project(db: sqlite3.Connection, event: EventRecord) -> None:
    """Bring the projections up to `event`. sqlite3.IntegrityError where a constraint refuses it."""
    house = event.kind.partition(".")[0]
    if house in _PROJECTIONS:
        _PROJECTIONS[house](db, event)


def rebuild(db: sqlite3.Connection, events: list[EventRecord]) -> None:
    """Drop the rows of every projection and write them anew from the events."""
    for table in TABLES:
        db.execute(f"DELETE FROM {table}")
    for event in events:
        project(db, event)


def _experiment(db: sqlite3.Connection, event: EventRecord) -> None:
    state = event.kind.partition(".")[2]
    if state == "asked":
        return
    if state == "proposed":
        db.execute("INSERT INTO experiments VALUES (?, ?, 'proposed')", (event.stream, event.body["number"]))
    else:
        state = {"started": "running", "resumed": "running", "continued": "running"}.get(state, state)
        db.execute("UPDATE experiments SET state = ? WHERE id = ?", (state, event.stream))


def _action(db: sqlite3.Connection, event: EventRecord) -> None:
    body, kind = event.body, event.kind.partition(".")[2]
    if kind == "intended":
        db.execute(
            "INSERT INTO actions VALUES (?, ?, ?, ?, ?, 'intended', ?)",
            (event.stream, body["experiment"], body["device"], body["sample"], body["verb"], event.epoch),
        )
        return
    if kind == "late":
        return
    state = {"doubted": "in doubt", "not_done": "not done"}.get(kind, kind)
    db.execute("UPDATE actions SET state = ? WHERE id = ?", (state, event.stream))
    if kind == "doubted":
        db.execute("INSERT INTO doubts VALUES (?, ?, ?)", (event.stream, event.seq, body["reason"]))
    else:
        db.execute("DELETE FROM doubts WHERE action = ?", (event.stream,))


def _measurement(db: sqlite3.Connection, event: EventRecord) -> None:
    if event.kind != "measurement.recorded":
        return
    b = event.body
    db.execute(
        "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (event.seq, b["experiment"], b["action"], b["name"], b["value"], b["unit"], b["sigma"], b["reality"]),
    )


def _command(db: sqlite3.Connection, event: EventRecord) -> None:
    b = event.body
    db.execute(
        "INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?)",
        (b["key"], b["kind"], b["by"], event.at, event.seq, to_json(b["arguments"])),
    )


_PROJECTIONS: dict[str, Callable[[sqlite3.Connection, EventRecord], None]] = {
    "experiment": _experiment,
    "action": _action,
    "measurement": _measurement,
    "command": _command,
}
