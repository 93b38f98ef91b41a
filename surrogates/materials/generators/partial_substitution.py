"""Symmetry-aware partial substitution (SAPS; Merchant et al., Nature 624, 80, 2023): some of an ion's sites take
another ion, each arrangement once up to the crystal's symmetry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from campaigns.structure import Structure
from surrogates.materials.crystals import formula, structure_of
from surrogates.materials.generators.probability import Direction, Ion, guess_states, substitution_table
from surrogates.materials.generators.protocol import (
    Count,
    ElementSymbol,
    Energy,
    Generated,
    Known,
    Share,
    compositions,
    elements_of,
    parents,
)
from surrogates.materials.generators.site_group import MOST_SITES, site_group
from surrogates.materials.generators.substitution import resized
from surrogates.materials.generators.volumes import ElementVolumes


def partial_substitution(
    known: Sequence[Known],
    *,
    limit: int,
    rng: np.random.Generator,
    threshold: Share = 0.001,
    direction: Direction = "from",
    charge_balance: bool = False,
    elements: Sequence[ElementSymbol] | None = None,
    above_hull: Energy = 0.1,
    new_compositions: bool = True,
    per_level: Count = 20,
    max_atoms: Count = 60,
    supercell: tuple[Count, Count, Count] = (1, 1, 1),
) -> Iterator[Generated]:
    """Known crystals in which 1 to all sites of an ion hold another one, the pairs of ions with a probability above
    `threshold` (see `substitution`, which also explains the arguments with the same names).

    Each number of sites gives its arrangements that symmetry tells apart, at most `per_level`, drawn at random where
    there are more. `supercell`: of the parent; `max_atoms` bounds what results. `charge_balance`: only arrangements
    that are neutral with the guessed states. Parents and pairs of ions take turns, in random order, so that one large
    cell does not fill the limit."""
    volumes = ElementVolumes([k.structure for k in known])
    taken = compositions(known) if new_compositions else set()
    keys = {k.structure.key for k in known}
    allowed = elements_of(known, elements)
    waiting: list[Iterator[Generated]] = []
    for parent in parents(known, above_hull):
        if parent.structure.n_atoms * int(np.prod(supercell)) > max_atoms:
            continue
        for old, new, chance in pairs(parent.structure, allowed, threshold, direction, charge_balance):
            seed = np.random.default_rng(rng.integers(2**63))
            waiting.append(_arranged(parent, old, new, chance, volumes, seed, per_level, supercell))
    rng.shuffle(waiting)
    made = 0
    while waiting:
        for source in list(waiting):
            given = next(source, None)
            if given is None:
                waiting.remove(source)
            elif given.structure.key not in keys and given.structure.formula not in taken:
                keys.add(given.structure.key)
                made += 1
                yield given
                if made >= limit:
                    return


def pairs(
    structure: Structure,
    allowed: frozenset[str],
    threshold: float,
    direction: Direction,
    charge_balance: bool,
) -> list[tuple[Ion, Ion, float]]:
    """Single ions of the structure and what may take their place, with the probability: of an element's ions the most
    probable one. By elements where no whole oxidation states are there; none then where charges must balance.

    One charge in place of another leaves the sum of charges as it was only where the two are equal."""
    reduced = structure.reduced
    states = guess_states(tuple(reduced.items()))
    table = substitution_table(elements=states is None)
    ions = tuple(Ion(symbol) for symbol in reduced) if states is None else states
    out: list[tuple[Ion, Ion, float]] = []
    for ion in ions:
        if ion not in table.number:
            continue
        found = table.substitutions([ion], threshold=threshold, direction=direction, allowed=allowed)
        best: dict[str, tuple[Ion, Ion, float]] = {}
        for option in found:  # most probable first
            [new] = option.ions
            if new.element != ion.element and not (
                charge_balance and (new.state is None or new.state != ion.state)
            ):
                best.setdefault(new.element, (ion, new, option.probability))
        out += best.values()
    return out


def _arranged(
    parent: Known,
    old: Ion,
    new: Ion,
    chance: float,
    volumes: ElementVolumes,
    rng: np.random.Generator,
    per_level: int,
    supercell: tuple[int, int, int],
) -> Iterator[Generated]:
    cell = repeated(parent.structure, supercell)
    sites = [k for k, symbol in enumerate(cell.species) if symbol == old.element]
    if len(sites) > MOST_SITES:
        return
    group = site_group(cell, sites)
    for k in range(1, len(sites) + 1):
        for chosen in group.arrangements(k, most=per_level, rng=rng):
            species = list(cell.species)
            for at in chosen:
                species[sites[at]] = new.element
            structure = resized(cell, species, volumes)
            if structure is None:
                continue
            how = (
                f"{formula(structure)} from {formula(parent.structure)}: {new} on {k} of {len(sites)} sites of {old} "
                f"(probability {chance:.3g})"
            )
            yield Generated(structure, (parent.id,), how)


def repeated(structure: Structure, times: tuple[int, int, int]) -> Structure:
    """A supercell."""
    if tuple(times) == (1, 1, 1):
        return structure
    shifts = np.array(list(np.ndindex(*times)), float)
    frac = (np.asarray(structure.frac)[:, None] + shifts).reshape(-1, 3) / times
    species = [symbol for symbol in structure.species for _ in shifts]
    return structure_of(np.asarray(structure.lattice) * np.array(times)[:, None], species, frac)
