"""When a gate of the plan was shut, and which experiments were chosen otherwise because of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.records import ExperimentRecord, GateRecord, Records


@dataclass(frozen=True)
class Shut:
    """A stretch of time in which the gate of a phase was found shut at every question to the planner.

    `experiments` are those that a learning method chose meanwhile; none where a person was waited for. `now`: it still
    is, and its phase is on.
    """

    findings: tuple[GateRecord, ...]
    experiments: tuple[ExperimentRecord, ...]
    now: bool = False

    @property
    def first(self) -> GateRecord:
        return self.findings[0]

    @property
    def last(self) -> GateRecord:
        return self.findings[-1]


def stretches(records: Records) -> list[Shut]:
    """The stretches, in order."""
    found: list[Shut] = []
    for gate in records.gates:
        own = _chosen_otherwise(records, gate)
        if found and found[-1].last.phase == gate.phase and gate.after == _reaches(found[-1]):
            found[-1] = Shut((*found[-1].findings, gate), (*found[-1].experiments, *own))
        else:
            found.append(Shut((gate,), own))
    if found and _still(found[-1], records):
        found[-1] = replace(found[-1], now=True)
    return found


def _chosen_otherwise(records: Records, gate: GateRecord) -> tuple[ExperimentRecord, ...]:
    """The experiments of the very answer in which the gate was found shut: they share what the planner had read."""
    later = [e for e in records.experiments if e.number > gate.after]
    if gate.otherwise != "learn" or not later:
        return ()
    read_to = later[0].proposal.read_to
    return tuple(e for e in later if e.proposal.read_to == read_to)


def _reaches(shut: Shut) -> int:
    """The number of the last experiment proposed in a stretch, or before it where there is none."""
    return max([shut.last.after, *(e.number for e in shut.experiments)])


def _still(shut: Shut, records: Records) -> bool:
    on = records.phases[-1].index if records.phases else None
    over = records.state.lower() in ("ending", "finished")
    last = records.experiments[-1].number if records.experiments else 0
    return not over and on == shut.last.phase and _reaches(shut) == last
