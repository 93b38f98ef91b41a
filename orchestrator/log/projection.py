"""Which rows an event changes. Run inside the append's transaction, and again, in order, to rebuild the tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.events import to_json
from orchestrator.records import EventRecord
from orchestrator.samples import after, stops

TABLES = (
    "doubts",
    "measurements",
    "claims",
    "samples",
    "leases",
    "actions",
    "experiments",
    "commands",
)  # children before parents


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
    if state in ("asked", "approved"):
        return
    if state == "proposed":
        db.execute("INSERT INTO experiments VALUES (?, ?, 'proposed')", (event.stream, event.body["number"]))
    else:
        state = {"started": "running", "resumed": "running", "continued": "running"}.get(state, state)
        db.execute("UPDATE experiments SET state = ? WHERE id = ?", (state, event.stream))


def _action(db: sqlite3.Connection, event: EventRecord) -> None:
    body, kind = event.body, event.kind.partition(".")[2]
    if kind == "intended":
        moves = to_json(body["moves"]) if body.get("moves") else None
        db.execute(
            "INSERT INTO actions VALUES (?, ?, ?, ?, ?, 'intended', ?, ?)",
            (
                event.stream,
                body["experiment"],
                body["device"],
                body["sample"],
                body["verb"],
                event.epoch,
                moves,
            ),
        )
        leased = [("device", name) for name in (body["device"], *body.get("holds", ()))]
        leased += [("sample", name) for name in (body["sample"], *body.get("together", ()))]
        db.executemany("INSERT INTO leases VALUES (?, ?, ?)", [(*one, event.stream) for one in leased])
        if body.get("moves"):
            _carried(db, body["sample"], body["moves"])
        return
    if kind == "late":
        return
    state = {"doubted": "in doubt", "not_done": "not done"}.get(kind, kind)
    db.execute("UPDATE actions SET state = ? WHERE id = ?", (state, event.stream))
    if kind == "doubted":
        db.execute("INSERT INTO doubts VALUES (?, ?, ?)", (event.stream, event.seq, body["reason"]))
        return
    db.execute("DELETE FROM doubts WHERE action = ?", (event.stream,))
    if kind == "discarded":
        lost = "SELECT name FROM leases WHERE kind = 'sample' AND action = ?"
        for (name,) in db.execute(lost, (event.stream,)).fetchall():
            _gone(db, name)
    db.execute("DELETE FROM leases WHERE action = ?", (event.stream,))
    sample, moves = db.execute("SELECT sample, moves FROM actions WHERE id = ?", (event.stream,)).fetchone()
    if moves is not None and kind != "discarded":
        way = json.loads(moves)
        place = after(event.kind, body, way)
        there = place == way["to"]
        if place is not None:
            _stands(db, sample, place, way if there else {})


# -- samples ----------------------------------------------------------------------------------------------------
def _sample(db: sqlite3.Connection, event: EventRecord) -> None:
    name = event.stream.partition("/")[2]
    match event.kind:
        case "sample.entered":
            single = 0 if event.body.get("many") else 1
            db.execute("INSERT INTO samples VALUES (?, ?)", (name, event.body["place"]))
            db.execute("INSERT INTO claims VALUES (?, ?, 1, ?)", (event.body["place"], name, single))
        case "sample.placed":
            _stands(db, name, event.body["place"], event.body)
        case "sample.removed":
            _gone(db, name)


def _carried(db: sqlite3.Connection, name: str, way: Mapping[str, Any]) -> None:
    """It may be at every stop of the way now, and is nowhere for sure."""
    db.execute("UPDATE claims SET sure = 0 WHERE sample = ?", (name,))
    for place in (*stops(way), *([way["for"]] if "for" in way else [])):
        single = 0 if way.get("many") and place == way["to"] else 1
        db.execute(
            "INSERT INTO claims VALUES (?, ?, 0, ?) ON CONFLICT (place, sample) DO NOTHING",
            (place, name, single),
        )


def _stands(db: sqlite3.Connection, name: str, place: str, there: Mapping[str, Any]) -> None:
    """It is here for sure, and nowhere else; its home is kept for it, and what it is bound for (`there` says `for`).

    `last`: it is done with and needs its home no more; a place for `many` does not even hold it then.
    """
    if there.get("last") and there.get("many"):
        _gone(db, name)
        return
    if there.get("last"):
        db.execute("UPDATE samples SET home = ? WHERE name = ?", (place, name))
    db.execute(
        "DELETE FROM claims WHERE sample = ?1 AND place NOT IN (?2, coalesce(?3, ?2)) "
        "AND place <> (SELECT home FROM samples WHERE name = ?1)",
        (name, place, there.get("for")),
    )
    db.execute("UPDATE claims SET sure = 0 WHERE sample = ?", (name,))
    db.execute(
        "INSERT INTO claims VALUES (?, ?, 1, ?) ON CONFLICT (place, sample) DO UPDATE SET sure = 1",
        (place, name, int(not there.get("many"))),
    )


def _gone(db: sqlite3.Connection, name: str) -> None:
    db.execute("DELETE FROM claims WHERE sample = ?", (name,))
    db.execute("DELETE FROM samples WHERE name = ?", (name,))


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
    "sample": _sample,
    "command": _command,
}
