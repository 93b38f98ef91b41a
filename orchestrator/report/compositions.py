"""Crystals of two or three elements as points over composition, and the lines between phases that coexist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from orchestrator.report.discovery import Discovery, Labelled

MOST = 3  # elements that a hull is drawn for


@dataclass(frozen=True)
class Point:
    """A crystal with an energy: atomic fractions of the elements, formation energy and energy above the hull, both per
    atom; `labelled` where the campaign measured it."""

    id: str
    formula: str
    fractions: tuple[float, ...]
    formation: float
    above: float
    on_hull: bool
    labelled: Labelled | None


def elements_of(found: Discovery) -> tuple[str, ...]:
    """All elements of the crystals whose energies are known, from the least electronegative on."""
    from pymatgen.core import Element

    met = {symbol for id in found.energies for symbol in found.known.counts(id) or ()}

    def order(symbol: str) -> tuple[float, str]:
        chi = Element(symbol).X
        return (chi if chi == chi else 10.0, symbol)  # NaN: a noble gas

    return tuple(sorted(met, key=order))


def points(found: Discovery, elements: Sequence[str]) -> list[Point]:
    """Every crystal whose energy is known; empty where an element has no energy of its own, and so nothing a hull."""
    labelled = {each.id: each for each in reversed(found.labelled)}
    stable = set(found.hull.stable)
    out = []
    for id, energy in found.energies.items():
        counts = found.known.counts(id)
        if counts is None:
            continue
        formation = found.hull.formation_energy(counts, energy)
        above = found.hull.above(id)
        if formation is None or above is None:
            return []
        out.append(
            Point(
                id,
                found.known.formula(id),
                _fractions(counts, elements),
                formation,
                above,
                id in stable,
                labelled.get(id),
            )
        )
    return out


def tie_lines(found: Discovery, shown: Sequence[Point]) -> list[tuple[Point, Point]]:
    """Pairs of phases on the hull that coexist, each once: the edges of the facets that pymatgen finds."""
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    stable = {each.id: each for each in shown if each.on_hull}
    made = [
        PDEntry(Composition(found.known.counts(id)), found.energies[id] * _atoms(found, id), name=id)
        for id in stable
    ]
    diagram = PhaseDiagram(made)
    edges = {
        tuple(sorted(pair))
        for facet in diagram.facets
        for pair in combinations([diagram.qhull_entries[vertex].name for vertex in facet], 2)
    }
    return [(stable[a], stable[b]) for a, b in sorted(edges)]


def lower_line(at: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Phases on the hull of a binary, from one element to the other; of several at one composition the lowest."""
    lowest: dict[float, float] = {}
    for x, y in at:
        lowest[x] = min(y, lowest.get(x, y))
    return sorted(lowest.items())


def _atoms(found: Discovery, id: str) -> int:
    return sum((found.known.counts(id) or {}).values())


def _fractions(counts: Mapping[str, int], elements: Sequence[str]) -> tuple[float, ...]:
    total = sum(counts.values())
    return tuple(counts.get(symbol, 0) / total for symbol in elements)
