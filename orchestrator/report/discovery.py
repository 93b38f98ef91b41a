"""What a search for stable crystals came to, round by round: a round is what was proposed with one question.

Energies are per atom and in the objective's unit, which is eV. The hull is that of `surrogates.materials.hull`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator import standing
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.crystals import Known
from orchestrator.report.findings import (
    Coverage,
    Prediction,
    coverage,
    measured,
    mode_of,
    predictions,
    state_of,
)

if TYPE_CHECKING:
    from surrogates.materials.hull import Entry, Hull


@dataclass(frozen=True)
class Labelled:
    """A crystal with the energy that was measured of it.

    `over` is how far that lies over the hull that was known when it was asked for (negative: below it), None where none
    was known; `decomposition` how far over the hull of everything else that is known at the end; `on_hull`: it is on
    the hull at the end; `new`: it had no energy before.
    """

    experiment: ExperimentRecord
    id: str
    energy: float
    over: float | None
    decomposition: float | None
    on_hull: bool
    new: bool

    @property
    def number(self) -> int:
        return self.experiment.number

    @property
    def is_hit(self) -> bool:
        return self.over is not None and self.over <= standing.ON_THE_HULL


@dataclass(frozen=True)
class Round:
    """`n_stable` phases are on the hull after it, `n_found` of them labelled by the campaign. `new_systems` of the
    labelled ones are of elements that no crystal known beforehand combines; None where those are not known."""

    index: int
    experiments: tuple[ExperimentRecord, ...]
    labelled: tuple[Labelled, ...]
    predicted: tuple[Prediction, ...]
    n_stable: int
    n_found: int
    new_systems: int | None

    @property
    def mode(self) -> str:
        return mode_of(self.experiments[0])

    @property
    def n_failed(self) -> int:
        return sum(state_of(experiment) == "failed" for experiment in self.experiments)

    @property
    def judged(self) -> tuple[Labelled, ...]:
        """Those of which a hull was known when they were asked for."""
        return tuple(each for each in self.labelled if each.over is not None)

    @property
    def hits(self) -> int:
        return sum(each.is_hit for each in self.labelled)

    @property
    def hit_rate(self) -> float | None:
        return self.hits / len(self.judged) if self.judged else None

    @property
    def precision(self) -> float | None:
        """Share of the labelled ones that are on the hull at the end."""
        return sum(each.on_hull for each in self.labelled) / len(self.labelled) if self.labelled else None

    @property
    def mean_error(self) -> float | None:
        """Mean absolute error of the energies predicted, against what was then measured."""
        errors = [abs(each.measured - each.mean) for each in self.predicted]
        return sum(errors) / len(errors) if errors else None

    @property
    def coverage(self) -> Coverage:
        return coverage(self.predicted)


@dataclass(frozen=True)
class Discovery:
    """`before` is the hull of the energies known beforehand, `hull` that of all; `energies` of all, by id; `seeds` had
    theirs before the campaign."""

    known: Known
    rounds: tuple[Round, ...]
    before: Hull
    hull: Hull
    energies: Mapping[str, float]
    seeds: frozenset[str]

    @cached_property
    def labelled(self) -> tuple[Labelled, ...]:
        return tuple(each for round_ in self.rounds for each in round_.labelled)

    @cached_property
    def found(self) -> tuple[Labelled, ...]:
        """The phases on the hull that the campaign labelled, each once, in the order of proposal."""
        once = {each.id: each for each in reversed(self.labelled) if each.on_hull and each.new}
        return tuple(sorted(once.values(), key=lambda each: each.number))

    @property
    def judged(self) -> int:
        return sum(len(round_.judged) for round_ in self.rounds)

    @property
    def hits(self) -> int:
        return sum(round_.hits for round_ in self.rounds)


def discovery(records: Records, known: Known) -> Discovery | None:
    """None where the campaign does not seek the hull."""
    if records.campaign.goal != "hull":
        return None
    return _Account(records, known).whole()


class _Account:
    """The hull as it grew."""

    def __init__(self, records: Records, known: Known) -> None:
        self.records, self.known = records, known
        (self.material,) = records.campaign.space.materials
        self.objective = records.campaign.objectives[0]
        self._told: dict[str, list[float]] = {}

    def whole(self) -> Discovery:
        self._tell([*self.known.seeds(self.objective.name), *self._history()])
        seeds = frozenset(self._told)
        systems = {system for id in seeds if (system := self._system(id))}
        growing = _Growing(self._entries(self._told))
        before, others = growing.hull, list(self._others())
        drafts = []
        for batch in _batches(self.records.experiments):
            asked_at = min(experiment.proposed_at for experiment in batch)
            self._grow(growing, [(id, energy) for at, id, energy in others if at <= asked_at])
            others = [each for each in others if each[0] > asked_at]
            asked = growing.hull
            labels = [(e, *label) for e in batch if (label := self._label(e)) is not None]
            overs = [self._over(e, id, energy, asked) for e, id, energy in labels]
            self._grow(growing, [(id, energy) for _, id, energy in labels])
            drafts.append((batch, labels, overs, len(growing.stable), len(growing.stable - seeds)))
        self._grow(growing, [(id, energy) for _, id, energy in others])
        by_number = {each.experiment.number: each for each in predictions(self.records)}
        rounds = []
        for index, (batch, labels, overs, n_stable, n_found) in enumerate(drafts, start=1):
            labelled = tuple(
                Labelled(
                    e,
                    id,
                    energy,
                    over,
                    self._decomposition(growing.hull, id) if id in growing.stable else None,
                    id in growing.stable,
                    id not in seeds,
                )
                for (e, id, energy), over in zip(labels, overs, strict=True)
            )
            predicted = tuple(by_number[e.number] for e in batch if e.number in by_number)
            fresh = sum(
                (system := self._system(each.id)) is not None and system not in systems for each in labelled
            )
            rounds.append(
                Round(index, batch, labelled, predicted, n_stable, n_found, fresh if seeds else None)
            )
        energies = {id: _mean(told) for id, told in self._told.items()}
        return Discovery(self.known, tuple(rounds), before, growing.hull, energies, seeds)

    def _label(self, experiment: ExperimentRecord) -> tuple[str, float] | None:
        got = measured(experiment, self.objective)
        return None if got is None else (str(experiment.candidate[self.material.name]), got.value)

    def _others(self) -> Iterator[tuple[str, str, float]]:
        """When the campaign's other loops measured which energy of what."""
        for loop in self.records.loops:
            for experiment in loop.experiments:
                label = self._label(experiment) if self.material.name in experiment.candidate else None
                if label is not None and experiment.ended_at is not None:
                    yield experiment.ended_at, *label

    def _history(self) -> Iterator[tuple[str, float]]:
        for part in self.records.campaign.history:
            if part.related or self.objective.name not in part.results:
                continue
            at, of = part.columns.index(self.material.name), part.results.index(self.objective.name)
            for row, values in zip(part.rows, part.values, strict=True):
                if (value := values[of]) is not None:
                    yield str(row[at]), value

    def _tell(self, labels: Iterable[tuple[str, float]]) -> None:
        for id, energy in labels:
            self._told.setdefault(id, []).append(energy)

    def _grow(self, growing: _Growing, labels: Sequence[tuple[str, float]]) -> None:
        again = any(id in self._told for id, _ in labels) or len({id for id, _ in labels}) < len(labels)
        self._tell(labels)
        if again:  # its energy is now the mean of several, which may have risen
            growing.restart(self._entries(self._told))
        else:
            growing.add(self._entries(id for id, _ in labels))

    def _entries(self, ids: Iterable[str]) -> list[Entry]:
        from surrogates.materials.hull import Entry

        return [
            Entry(id, counts, _mean(self._told[id]))
            for id in ids
            if (counts := self.known.counts(id)) is not None
        ]

    def _system(self, id: str) -> frozenset[str] | None:
        counts = self.known.counts(id)
        return None if counts is None else frozenset(counts)

    def _over(self, experiment: ExperimentRecord, id: str, energy: float, asked: Hull) -> float | None:
        """By what the proposal says of the hull; what was explored says nothing, and is held against the energies that
        were known then."""
        said = standing.over_hull(experiment, self.records.campaign)
        if said is not None:
            return said
        counts = self.known.counts(id)
        reference = None if counts is None else asked.reference(counts)
        return None if reference is None else energy - reference

    def _decomposition(self, hull: Hull, id: str) -> float | None:
        counts = self.known.counts(id)
        if counts is None or id not in hull:
            return None
        (found,) = hull.decomposition_energy([counts], [_mean(self._told[id])], ids=[id])
        return None if math.isnan(found) else float(found)  # NaN: the only entry of an element


class _Growing:
    """A hull, and which of its entries are on it.

    More entries only lower a hull, so that none comes onto it later, but for those that no hull was known for.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.restart(entries)

    def restart(self, entries: Sequence[Entry]) -> None:
        from surrogates.materials.hull import Hull

        self.hull = Hull(entries)
        self.stable: set[str] = set()
        self._entries = {entry.id: entry for entry in entries}
        self._unjudged = set(self._entries)
        self._judge()

    def add(self, entries: Sequence[Entry]) -> None:
        if entries:
            self.hull = self.hull.with_(entries)
            self._entries |= {entry.id: entry for entry in entries}
            self._unjudged |= {entry.id for entry in entries}
            self._judge()

    def _judge(self) -> None:
        looked_at = [self._entries[id] for id in sorted(self.stable | self._unjudged)]
        if not looked_at:
            return
        hull = self.hull.references([entry.counts for entry in looked_at]).tolist()
        above = {entry.id: entry.energy_per_atom - at for entry, at in zip(looked_at, hull, strict=True)}
        self._unjudged = {id for id, height in above.items() if math.isnan(height)}
        self.stable = {id for id, height in above.items() if height <= standing.ON_THE_HULL}


def _batches(experiments: Sequence[ExperimentRecord]) -> list[tuple[ExperimentRecord, ...]]:
    """Experiments that one question proposed share what the planner had read."""
    found: dict[int, list[ExperimentRecord]] = {}
    for experiment in experiments:
        found.setdefault(experiment.proposal.read_to, []).append(experiment)
    return [tuple(batch) for batch in found.values()]


def _mean(energies: Sequence[float]) -> float:
    return sum(energies) / len(energies)
