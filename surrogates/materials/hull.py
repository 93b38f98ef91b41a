"""The convex hull of formation energies, growing: what is stable, and how far above or below it anything else lies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition
from scipy.optimize import linprog

from campaigns.errors import shown
from campaigns.structure import NUMBER
from surrogates.encode import Array
from surrogates.errors import InvalidObservation

ON_HULL = 5e-5  # eV per atom: so near counts as on the hull (release of GNoME, Merchant et al., Nature 624, 80, 2023)
SUPPORT = 1e-6  # eV per atom: further below a facet's plane than this lies no entry

Elements = frozenset[str]
_Composition = tuple[tuple[str, float], ...]


class Entry(NamedTuple):
    """A material with an energy: `counts` atoms of each element (any multiple), energy in eV per atom."""

    id: str
    counts: Mapping[str, float]
    energy_per_atom: float


class _Space:
    """The hull over one set of elements: `planes` (f, d) hold the elements' chemical potentials on each facet."""

    def __init__(self, elements: Sequence[str], phases: Sequence[Entry]) -> None:
        self.elements = tuple(elements)
        self.column = {symbol: k for k, symbol in enumerate(self.elements)}
        made = [PDEntry(Composition(p.counts), p.energy_per_atom, name=p.id) for p in phases]
        self.diagram = PhaseDiagram(made)
        fractions = self.rows([p.counts for p in phases])
        energies = np.array([p.energy_per_atom for p in phases])
        number = {id(entry): k for k, entry in enumerate(made)}
        self.id_of = {id(entry): phase.id for entry, phase in zip(made, phases, strict=True)}
        facets = np.array(
            [[number[id(self.diagram.qhull_entries[v])] for v in f] for f in self.diagram.facets]
        )
        planes = np.linalg.solve(fractions[facets], energies[facets][..., None])[..., 0]
        # The plane of a facet that is almost a line can be anything: one that cuts off a phase bounds no hull.
        below = (fractions @ planes.T - energies[:, None]).max(axis=0)
        self.planes: Array = planes[below < SUPPORT]

    def rows(self, compositions: Iterable[Mapping[str, float]]) -> Array:
        """(m, d): the compositions as atomic fractions."""
        compositions = list(compositions)
        out = np.zeros((len(compositions), len(self.elements)))
        for row, counts in zip(out, compositions, strict=True):
            for symbol in _elements(counts):
                row[self.column[symbol]] = counts[symbol]
        return out / out.sum(axis=1, keepdims=True)

    def energies(self, compositions: Iterable[Mapping[str, float]]) -> Array:
        """Of the hull (m,), eV per atom: a convex function is the largest of its supporting planes."""
        out: Array = (self.rows(compositions) @ self.planes.T).max(axis=1)
        return out


class Hull:
    """The lower convex hull of energies over composition, as pymatgen's PhaseDiagram finds it; eV per atom throughout.

    Hulls are made when first asked for, one for each set of elements that no made one covers, so that entries of many
    elements cost only the sets that are asked about. A set of which an element has no entry of its own has no hull:
    what is asked there is None (or NaN in an array)."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """Raises InvalidObservation: an energy that is not finite, counts that are no composition, one id twice."""
        self._entries: dict[str, Entry] = {}
        self._at: dict[_Composition, list[Entry]] = {}  # of a composition all entries, the lowest first
        self._spaces: dict[Elements, _Space] = {}
        self._without: dict[str, float | None] = {}
        self._stable: tuple[str, ...] | None = None
        self._add(entries)

    def _add(self, entries: Iterable[Entry]) -> list[Entry]:
        """The phases that are new, or lower than before."""
        lower: dict[_Composition, Entry] = {}
        for entry in entries:
            checked = _checked(entry)
            if entry.id in self._entries:
                raise InvalidObservation(
                    f"hull: two entries have the id {shown(entry.id)}: wanted one energy for each"
                )
            self._entries[entry.id] = checked
            key = _key(checked.counts)
            at = self._at.get(key, [])
            if not at or checked.energy_per_atom < at[0].energy_per_atom:
                lower[key] = checked
            # A new list: hulls that this one grew from keep theirs.
            self._at[key] = sorted([*at, checked], key=lambda e: (e.energy_per_atom, e.id))
        return list(lower.values())

    def with_(self, entries: Iterable[Entry]) -> Hull:
        """The hull with these entries as well; this one stays as it is. Only hulls that an entry lies below are made
        anew. Raises InvalidObservation, also for an id that is there already."""
        grown = Hull()
        grown._entries, grown._at = dict(self._entries), dict(self._at)
        lower = grown._add(entries)
        for elements, space in self._spaces.items():
            inside = [phase for phase in lower if elements.issuperset(phase.counts)]
            hull = space.energies([p.counts for p in inside]) if inside else np.zeros(0)
            if all(phase.energy_per_atom >= energy for phase, energy in zip(inside, hull, strict=True)):
                grown._spaces[elements] = space
        return grown

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, id: object) -> bool:
        return id in self._entries

    @property
    def stable(self) -> tuple[str, ...]:
        """Ids of the entries on the hull (within 5e-5 eV per atom), sorted."""
        if self._stable is None:
            ids = list(self._entries)
            distance = self.decomposition_energy(
                [self._entries[id].counts for id in ids], [self._entries[id].energy_per_atom for id in ids]
            )
            self._stable = tuple(sorted(id for id, d in zip(ids, distance, strict=True) if d <= ON_HULL))
        return self._stable

    def reference(self, counts: Mapping[str, float]) -> float | None:
        """Energy of the hull at a composition, eV per atom; None where one of its elements has no entry."""
        space = self._space(_elements(counts))
        return None if space is None else float(space.energies([counts])[0])

    def references(self, compositions: Sequence[Mapping[str, float]]) -> Array:
        """`reference` of m compositions (m,), NaN where it is None. A thousand take milliseconds."""
        out = np.full(len(compositions), np.nan)
        of: dict[Elements, list[int]] = {}
        for k, counts in enumerate(compositions):
            of.setdefault(_elements(counts), []).append(k)
        # The largest set of elements first: the smaller ones are faces of its hull.
        for elements in sorted(of, key=lambda e: (-len(e), sorted(e))):
            if (space := self._space(elements)) is not None:
                out[of[elements]] = space.energies(compositions[k] for k in of[elements])
        return out

    def above(self, id: str) -> float | None:
        """Energy of an entry above the hull, eV per atom, 0 on it; None where an element has no entry. KeyError: no
        such entry."""
        entry = self._entries[id]
        reference = self.reference(entry.counts)
        return None if reference is None else max(entry.energy_per_atom - reference, 0.0)

    def formation_energy(self, counts: Mapping[str, float], energy_per_atom: float) -> float | None:
        """From the elements' lowest entries, eV per atom; None where an element has no entry."""
        elements = [self._at.get(_key({symbol: 1.0})) for symbol in counts]
        total = sum(counts.values())
        out = energy_per_atom
        for n, at in zip(counts.values(), elements, strict=True):
            if not at:
                return None
            out -= n / total * at[0].energy_per_atom
        return out

    def decomposition_energy(
        self,
        counts: Mapping[str, float] | Sequence[Mapping[str, float]],
        energies: Array | Sequence[float],
        ids: Sequence[str | None] | None = None,
    ) -> Array:
        """How far energies, eV per atom, lie above (below: negative) the hull of all other entries.

        `counts`: m compositions, or one for all; `energies` (m,) or (m, k), k values each; `ids`: the m entries that
        these energies belong to, where they are entries of this hull, which then count as absent. The result has the
        shape of `energies`; NaN where an element has no entry. Raises InvalidObservation: an energy is not finite."""
        values = np.asarray(energies, float)
        if not np.all(np.isfinite(values)):
            where = int(np.argwhere(~np.isfinite(values))[0][0])
            raise InvalidObservation(
                f"hull: energy {where} is {values[where]}: wanted a finite number, eV per atom"
            )
        compositions = [counts] * len(values) if isinstance(counts, Mapping) else counts
        if len(compositions) != len(values):
            raise ValueError(
                f"wanted an energy for each composition, got {len(values)} for {len(compositions)}"
            )
        hull = self.references(compositions)
        for k, id in enumerate(ids or ()):
            if id is not None and id in self._entries:
                without = self._reference_without(id)
                hull[k] = np.nan if without is None else without
        out: Array = values - hull.reshape(-1, *[1] * (values.ndim - 1))
        return out

    def products(self, counts: Mapping[str, float]) -> dict[str, float] | None:
        """What a composition decomposes into: id of each phase to its share of the atoms, sum 1; None where an element
        has no entry."""
        space = self._space(_elements(counts))
        if space is None:
            return None
        decomposition = space.diagram.get_decomposition(Composition(counts))
        return {space.id_of[id(entry)]: float(share) for entry, share in decomposition.items()}

    def _reference_without(self, id: str) -> float | None:
        """Energy at an entry's composition of the hull of all others."""
        if id not in self._without:
            self._without[id] = self._solved_without(self._entries[id])
        return self._without[id]

    def _solved_without(self, entry: Entry) -> float | None:
        reference = self.reference(entry.counts)
        key = _key(entry.counts)
        if (
            reference is None
            or self._at[key][0].id != entry.id
            or entry.energy_per_atom > reference + SUPPORT
        ):
            return reference  # no corner of the hull, so the hull is the same without it
        others = [p for p in self._inside(_elements(entry.counts)) if p.id != entry.id] + self._at[key][1:2]
        symbols = sorted(entry.counts)
        fractions = np.array([[phase.counts.get(symbol, 0.0) for symbol in symbols] for phase in others])
        if not len(fractions) or not np.all(np.any(fractions == 1.0, axis=0)):
            return None  # the only entry of an element
        # At one composition the mixture of least energy is a linear programme; no new hull is needed for it.
        energies = np.array([phase.energy_per_atom for phase in others])
        target = [entry.counts[symbol] for symbol in symbols]
        solved = linprog(energies, A_eq=fractions.T, b_eq=target, bounds=(0.0, None), method="highs")
        if solved.status != 0:
            raise RuntimeError(f"hull without {entry.id}: {solved.message}")
        return float(solved.fun)

    def _inside(self, elements: Elements) -> list[Entry]:
        """The lowest entry of each composition of these elements."""
        return [at[0] for at in self._at.values() if elements.issuperset(at[0].counts)]

    def _space(self, elements: Elements) -> _Space | None:
        if any(_key({symbol: 1.0}) not in self._at for symbol in elements):
            return None
        for covered, space in self._spaces.items():
            if covered.issuperset(elements):
                return space
        self._spaces[elements] = made = _Space(sorted(elements), self._inside(elements))
        return made


def _key(fractions: Mapping[str, float]) -> _Composition:
    """The same for every multiple of a composition."""
    return tuple((symbol, round(fractions[symbol], 9)) for symbol in sorted(fractions))


def _elements(counts: Mapping[str, float]) -> Elements:
    return frozenset(symbol for symbol, n in counts.items() if n > 0)


def _checked(entry: Entry) -> Entry:
    """The entry with its counts as atomic fractions."""
    id, counts, energy = entry
    if not math.isfinite(energy):
        raise InvalidObservation(
            f"hull: energy of {shown(id)} is {energy}: wanted a finite number, eV per atom"
        )
    kept = {symbol: float(n) for symbol, n in counts.items() if n != 0}
    if not kept or any(
        symbol not in NUMBER or not (math.isfinite(n) and n > 0) for symbol, n in kept.items()
    ):
        raise InvalidObservation(
            f"hull: {shown(id)} has the counts {shown(dict(counts))}: wanted atoms of known elements"
        )
    total = sum(kept.values())
    return Entry(id, {symbol: n / total for symbol, n in kept.items()}, float(energy))
