"""Logs for tests: events that make up an experiment, and a writer that numbers them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.events import Event, Numbering
from orchestrator.log.projection import TABLES
from orchestrator.log.sqlite import LogReader, SqliteLog
from orchestrator.records import EventRecord

PROPOSAL = {"mode": "explore"}


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


def carried(n: int, moves: dict[str, Any], *, holds: list[str] | None = None) -> Event:
    """An action of an arm that carries sample s{n}."""
    made = intended(n, device="arm")
    return Event(made.stream, made.kind, {**made.body, "step": None, "moves": moves, "holds": holds or []})


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
