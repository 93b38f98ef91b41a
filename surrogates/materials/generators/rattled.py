"""Known arrangements of atoms with every atom displaced at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from surrogates.materials.crystals import structure_of
from surrogates.materials.generators.protocol import Count, Generated, Known, Scale, arranges


@arranges
def rattled(
    known: Sequence[Known],
    *,
    limit: int,
    rng: np.random.Generator,
    amplitude: Scale = 0.05,
    count: Count = 20,
    until: Count | None = None,
) -> Iterator[Generated]:
    """`count` cells, each a known one that was not generated, with displacements drawn from a normal distribution of
    standard deviation `amplitude` (angstrom) along each axis; none once `until` are known."""
    given = [each for each in known if not each.made]
    if not given or (until is not None and len(known) >= until):
        return
    for _ in range(min(count, limit)):
        one = given[int(rng.integers(len(given)))]
        lattice = np.array(one.structure.lattice)
        moved = rng.normal(0.0, amplitude, (one.structure.n_atoms, 3)) @ np.linalg.inv(lattice)
        structure = structure_of(lattice, one.structure.species, np.array(one.structure.frac) + moved)
        yield Generated(structure, (one.id,), f"rattled by {amplitude:g} angstrom")
