"""What the planner of routes is told beside the results: phases seen in earlier experiments, and where energies are.

The phases stand in the record of whatever action saw them (`record: {phases: {formula: {fraction}}}`), and so in the
log; they are read from there when a planner asks for them, up to the event that its question has read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from campaigns.campaign import Campaign
from campaigns.errors import CampaignError, Path
from campaigns.plan import ROUTE_METHODS, Phase
from campaigns.synthesis import powders
from campaigns.yaml_reader import Document
from drivers.errors import SettingsError
from orchestrator.labfile import Laboratory
from orchestrator.log.sqlite import LogReader


class Routes:
    """One run's phases and energies."""

    def __init__(self, log: FilePath, energies: str) -> None:
        self._log, self._energies = log, energies
        self._read_to = 0
        self._candidates: dict[str, Mapping[str, Any]] = {}
        self._phases: dict[str, dict[str, float]] = {}

    def told(self, read_to: int) -> dict[str, Any]:
        """Of every experiment that was looked at the candidate and weight fractions of its phases, in the order of
        proposing; the path of the energies. Raises OSError where the log cannot be read."""
        try:
            with LogReader(self._log) as log:
                for event in log.events(self._read_to):
                    if event.seq > read_to:
                        break
                    self._take(event.kind, event.stream, event.body)
                    self._read_to = event.seq
        except sqlite3.Error as error:
            raise OSError(f"{self._log}: {error}") from error
        records = [
            {"candidate": candidate, "phases": self._phases[name]}
            for name, candidate in self._candidates.items()
            if name in self._phases
        ]
        return {"records": records, "energies": self._energies}

    def _take(self, kind: str, stream: str, body: Mapping[str, Any]) -> None:
        if kind == "experiment.proposed":
            self._candidates[stream] = body["candidate"]
        elif kind == "action.succeeded" and (phases := body.get("record", {}).get("phases")):
            # Of what was seen several times the last counts.
            experiment = stream.partition(".")[0]
            self._phases[experiment] = {formula: float(one["fraction"]) for formula, one in phases.items()}


def chooses_routes(campaign: Campaign) -> bool:
    """Whether a phase of the plan chooses by pairwise reactions."""
    return any(_chooses(phase) for phase in campaign.plan)


def _chooses(phase: Phase) -> bool:
    return any(method in ROUTE_METHODS for method in (phase.method, *(turn.method for turn in phase.turns)))


def energies_of(laboratory: Laboratory) -> str | None:
    """The table of calculated entries that the laboratory's devices have; None where they have none, or several."""
    said = {device.settings.get("table") for device in laboratory.file.devices.values()} - {None}
    return str(said.pop()) if len(said) == 1 else None


def check_routes(campaign: Campaign, laboratory: Laboratory, document: Document) -> None:
    """Raises CampaignError (E255, E284) where the planner would lack the energies, or those of a powder."""
    if not chooses_routes(campaign):
        return
    from drivers.sim.synthesis.phases import read_system  # of a laboratory with such a table loaded already

    table, faults = energies_of(laboratory), []
    try:
        system = read_system(table)
    except SettingsError as error:
        index = next(i for i, phase in enumerate(campaign.plan) if _chooses(phase))
        wanted = "one table of calculated entries in the laboratory, for the energies of the phases"
        got = "none, or several" if table is None else str(error)
        cure = "bind it with --table PATH"
        fault = document.fault("E255", ("plan", index), wanted=wanted, got=got, cure=cure)
        raise CampaignError([fault]) from error
    assert campaign.synthesis is not None
    precursors = campaign.space.parameter(campaign.synthesis.precursors)
    needed: list[tuple[Path, str]] = [(("synthesis", "target"), campaign.synthesis.target)]
    for k, choice in enumerate(getattr(precursors, "choices", ())):
        needed += [(("space", precursors.name, "categorical", k), formula) for formula in powders(choice)]
    for place, formula in needed:
        if formula not in system.number:
            faults.append(
                document.fault(
                    "E284", place, wanted=f"phases of {table}", got=repr(formula),
                    cure=f"it has {', '.join(system.formulas)}",
                )
            )  # fmt: skip
    if faults:
        raise CampaignError(faults)
