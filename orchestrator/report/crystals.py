"""What the report knows of the crystals that a campaign is about: their formulas, and the energies known beforehand.

pymatgen is loaded when the first formula is asked for: only campaigns over materials need it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from orchestrator.crystals import Crystals
from orchestrator.errors import Refused
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.findings import every

if TYPE_CHECKING:
    from campaigns.space import Value


class Known:
    """The crystals of the campaign's pools and of its log, by id.

    `lacking` says which pool could not be read, and is empty otherwise: the log alone still tells of what was proposed.
    """

    def __init__(self, records: Records, crystals: Crystals | None = None) -> None:
        """`crystals`: the pools beside the log; None where nobody said where they are."""
        self._records = records
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._formulas: dict[str, str] = {}
        self._values: list[Mapping[str, float]] = []  # all that the pool holds, known to the planner or not
        lacking = []
        for material in records.campaign.space.materials:
            try:
                rows = crystals.rows(material) if crystals is not None else {}
                self._values += [row.get("values", {}) for row in rows.values()]
                self._rows |= {
                    id: {**row, "values": material.knows(row.get("values", {}))} for id, row in rows.items()
                }
            except Refused as refusal:
                lacking.append(f"{refusal}.".replace("..", "."))
            if crystals is None:
                lacking.append(f"The pool {material.pool!r} was not at hand when this report was written.")
        self.lacking = " ".join(lacking)

    @cached_property
    def _met(self) -> dict[str, Mapping[str, Any]]:
        """Structures of the log."""
        return {id: record for e in every(self._records) for id, record in e.structures.items()}

    def in_pool(self, id: str) -> bool:
        return id in self._rows

    def hidden(self, name: str) -> list[float] | None:
        """The values of a reading that the pool holds of every crystal, told to the planner or not; None where it lacks
        one."""
        if not self._values or not all(name in values for values in self._values):
            return None
        return [float(values[name]) for values in self._values]

    def pool_ids(self) -> Iterator[str]:
        """Of all crystals of the pools."""
        yield from self._rows

    def counts(self, id: str) -> Mapping[str, int] | None:
        """Atoms of each element in the cell; None for a crystal that nobody described."""
        row = self._rows.get(id) or self._met.get(id)
        return None if row is None else Counter(row["species"])

    def formula(self, id: str) -> str:
        """The reduced formula as pymatgen writes it; empty for a crystal that nobody described."""
        if id not in self._formulas:
            counts = self.counts(id)
            self._formulas[id] = "" if counts is None else _reduced(counts)
        return self._formulas[id]

    def named(self, id: str) -> str:
        """`LiFePO4 (mp-19017)`; the id alone where the formula is not known."""
        formula = self.formula(id)
        return f"{formula} ({id})" if formula else id

    def seeds(self, reading: str) -> Iterator[tuple[str, float]]:
        """Ids of the pools with a value of a reading that was known beforehand."""
        for id, row in self._rows.items():
            value = row.get("values", {}).get(reading)
            if value is not None:
                yield id, float(value)


def named(records: Records, known: Known) -> Records:
    """The same records with crystals called as a person knows them: formula and id. For figures and tables only."""
    materials = {material.name for material in records.campaign.space.materials}
    if not materials:
        return records

    def renamed(candidate: Mapping[str, Value]) -> dict[str, Value]:
        return {n: known.named(str(v)) if n in materials else v for n, v in candidate.items()}

    def of(experiment: ExperimentRecord) -> ExperimentRecord:
        proposal = experiment.proposal
        if proposal.nearest is not None:
            nearest = replace(proposal.nearest, candidate=renamed(proposal.nearest.candidate))
            proposal = replace(proposal, nearest=nearest)
        if parents := proposal.material.get("parents"):
            names = [known.named(str(parent)) for parent in parents]
            proposal = replace(proposal, material={**proposal.material, "parents": names})
        return replace(experiment, candidate=renamed(experiment.candidate), proposal=proposal)

    return replace(
        records,
        experiments=tuple(map(of, records.experiments)),
        loops=[replace(loop, experiments=tuple(map(of, loop.experiments))) for loop in records.loops],
    )


def _reduced(counts: Mapping[str, int]) -> str:
    from pymatgen.core import Composition

    divisor = math.gcd(*counts.values())
    formula: str = Composition({symbol: n // divisor for symbol, n in counts.items()}).reduced_formula
    return formula
