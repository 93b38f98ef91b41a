"""New crystals by putting other ions in the places of known ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from campaigns.structure import Structure
from surrogates.materials.crystals import check, formula, scaled
from surrogates.materials.errors import StructureRejected
from surrogates.materials.generators.probability import (
    Direction,
    Ion,
    Substitution,
    guess_states,
    substitution_table,
)
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
from surrogates.materials.generators.volumes import ElementVolumes


class Choice(NamedTuple):
    """A parent and the element that takes each of its elements' places."""

    parent: Known
    becomes: Mapping[str, str]
    probability: float
    ions: str  # in words


def substitution(
    known: Sequence[Known],
    *,
    limit: int,
    rng: np.random.Generator,
    threshold: Share = 0.001,
    direction: Direction = "from",
    modified: bool = True,
    charge_balance: bool = False,
    elements: Sequence[ElementSymbol] | None = None,
    above_hull: Energy = 0.1,
    new_compositions: bool = True,
    per_composition: Count = 10,
    max_atoms: Count = 100,
) -> Iterator[Generated]:
    """Known crystals with ions exchanged, the most probable exchange first (ties in random order).

    Probabilities above `threshold`, from known to new ("from") or as if the new were given ("to"), as GNoME changed
    them (`modified`, see `probability`) or as pymatgen computes them. Oxidation states are guessed from the formula; a
    crystal without whole ones (metals, mixed valences) is treated by elements, and only where `charge_balance` is not
    asked for. `elements`: those that candidates may have, the known ones' by default. Parents lie within `above_hull`
    eV per atom of the hull, with at most `max_atoms` atoms. `new_compositions`: none that is known already; at most
    `per_composition` structures each, one per parent. Cells are scaled to the volume that the elements let expect."""
    choices = likely(
        [k for k in parents(known, above_hull) if k.structure.n_atoms <= max_atoms],
        allowed=elements_of(known, elements),
        threshold=threshold,
        direction=direction,
        modified=modified,
        charge_balance=charge_balance,
    )
    order = sorted(
        zip(choices, rng.random(len(choices)), strict=True), key=lambda x: (-x[0].probability, x[1])
    )
    volumes = ElementVolumes([k.structure for k in known])
    taken = compositions(known) if new_compositions else set()
    made: dict[str, int] = {}
    keys = {k.structure.key for k in known}
    for choice, _ in order:
        if sum(made.values()) >= limit:
            return
        structure = substituted(choice.parent.structure, choice.becomes, volumes)
        if structure is None or structure.key in keys or structure.formula in taken:
            continue
        if made.get(structure.formula, 0) >= per_composition:
            continue
        made[structure.formula] = made.get(structure.formula, 0) + 1
        keys.add(structure.key)
        how = (
            f"{formula(structure)} from {formula(choice.parent.structure)}: {choice.ions} "
            f"(probability {choice.probability:.3g})"
        )
        yield Generated(structure, (choice.parent.id,), how)


def likely(
    known: Sequence[Known],
    *,
    allowed: frozenset[str],
    threshold: float,
    direction: Direction,
    modified: bool,
    charge_balance: bool,
) -> list[Choice]:
    """All exchanges that are probable enough and leave the number of elements as it was."""
    found: dict[tuple[Ion, ...], list[Substitution]] = {}
    out = []
    for each in known:
        reduced = each.structure.reduced
        states = guess_states(tuple(reduced.items()))
        if states is None and charge_balance:
            continue
        ions = tuple(Ion(symbol) for symbol in reduced) if states is None else states
        table = substitution_table(floored=modified, elements=states is None)
        if any(ion not in table.number for ion in ions):
            continue  # an element that the table does not know: noble gases, actinides
        if ions not in found:
            found[ions] = table.substitutions(
                ions, threshold=threshold, modified=modified, direction=direction, allowed=allowed
            )
        for option in found[ions]:
            becomes = {a.element: b.element for a, b in zip(ions, option.ions, strict=True)}
            changed = {a: b for a, b in becomes.items() if a != b}
            # Two ions of one element are one element in the structure: no mere exchange any more.
            if (
                not changed
                or len(set(becomes.values())) < len(becomes)
                or not allowed.issuperset(becomes.values())
            ):
                continue
            charge = sum(n * (ion.state or 0) for n, ion in zip(reduced.values(), option.ions, strict=True))
            if charge_balance and charge != 0:
                continue
            words = ", ".join(f"{a} to {b}" for a, b in zip(ions, option.ions, strict=True) if a != b)
            out.append(Choice(each, becomes, option.probability, words))
    best: dict[tuple[str, tuple[tuple[str, str], ...]], Choice] = {}
    for choice in out:  # ions of several states give one crystal
        key = (choice.parent.id, tuple(sorted(choice.becomes.items())))
        if key not in best or choice.probability > best[key].probability:
            best[key] = choice
    return list(best.values())


def substituted(parent: Structure, becomes: Mapping[str, str], volumes: ElementVolumes) -> Structure | None:
    """The parent with its elements exchanged, its volume changed as the elements' volumes change; None where atoms
    would overlap."""
    species = [becomes.get(symbol, symbol) for symbol in parent.species]
    return resized(parent, species, volumes)


def resized(parent: Structure, species: Sequence[str], volumes: ElementVolumes) -> Structure | None:
    """The parent with other species on its sites and a volume to suit; None where atoms would overlap or be alone."""
    bare = Structure.model_construct(lattice=parent.lattice, species=tuple(species), frac=parent.frac)
    try:
        made = scaled(bare, parent.volume * volumes.of(bare.counts) / volumes.of(parent.counts))
        check(made)
    except StructureRejected:
        return None
    return made
