from __future__ import annotations

import numpy as np
import pytest

from campaigns.structure import Structure
from surrogates.materials.crystals import from_pymatgen, structure_of, to_pymatgen
from surrogates.materials.deduplicate import clusters, duplicates, marks, same, same_as_any
from tests.surrogates.materials import chemsys

SALT, PEROVSKITE = chemsys.rocksalt(), chemsys.perovskite()
CAESIUM = chemsys.crystal(chemsys.cubic(3.4), "Na Cl", [[0, 0, 0], [0.5, 0.5, 0.5]])


def disguised(structure: Structure, seed: int, shaken: float = 0.01) -> Structure:
    """The same crystal: turned, shifted, in another and larger cell, its atoms in another order and slightly moved."""
    rng = np.random.default_rng(seed)
    crystal = to_pymatgen(structure)
    crystal.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    order = rng.permutation(len(crystal))
    frac = crystal.frac_coords + rng.random(3)
    frac += shaken / np.sqrt(3) * rng.uniform(-1, 1, frac.shape) @ np.linalg.inv(crystal.lattice.matrix)
    return structure_of(
        crystal.lattice.matrix @ turn, [crystal[int(k)].specie.symbol for k in order], frac[order]
    )


@pytest.mark.parametrize("structure", [SALT, PEROVSKITE, CAESIUM])
def test_a_disguised_crystal_is_the_same(structure: Structure) -> None:
    other = disguised(structure, 1)
    assert other.key != structure.key
    assert marks(other) == marks(structure)
    assert same(structure, other)
    assert same_as_any(other, [CAESIUM, PEROVSKITE, SALT])


def test_another_polymorph_composition_or_volume_is_another() -> None:
    assert SALT.formula == CAESIUM.formula
    assert not same(SALT, CAESIUM)
    assert not same(SALT, chemsys.rocksalt(species="K Cl"))
    assert not same(SALT, chemsys.rocksalt(5.64 * 1.2))
    assert same(SALT, chemsys.rocksalt(5.64 * 1.05))
    assert not same_as_any(SALT, [CAESIUM])
    # As the matcher sees them these are one; the distortion breaks the symmetry.
    tilted = chemsys.crystal(
        [[3.905, 0, 0], [0, 3.905, 0], [0, 0, 4.1]], "Sr Ti O O O",
        [[0, 0, 0], [0.5, 0.5, 0.55], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )  # fmt: skip
    assert not same(PEROVSKITE, tilted)


def test_duplicates_name_what_they_repeat() -> None:
    given = [disguised(SALT, 2), PEROVSKITE, disguised(PEROVSKITE, 3), CAESIUM, CAESIUM]
    assert duplicates(given, [CAESIUM, SALT]) == {0: -2, 2: 1, 3: -1, 4: -1}
    assert duplicates(given) == {2: 1, 4: 3}
    assert duplicates([]) == {}


def test_polymorphs_are_clustered_and_the_lowest_stands_for_them() -> None:
    given = [SALT, CAESIUM, disguised(SALT, 4), PEROVSKITE, disguised(CAESIUM, 5), disguised(SALT, 6)]
    found = clusters(given, [-3.0, None, -3.2, -8.0, None, float("nan")])
    assert [c.members for c in found] == [(0, 2, 5), (1, 4), (3,)]
    assert [c.representative for c in found] == [2, 1, 3]
    assert clusters([], []) == []


def test_known_crystals_in_other_cells_are_found_among_many() -> None:
    """A sample of the pool, disguised, each finds itself."""
    known = [k.structure for k in chemsys.known().values() if k.structure.n_atoms <= 14]
    picked = known[::6]
    found = duplicates([disguised(s, k, 0.0) for k, s in enumerate(picked)], known)
    for k, structure in enumerate(picked):
        assert k in found, structure.formula
        assert same(known[-1 - found[k]], structure)


def test_primitive_and_conventional_cells_are_one() -> None:
    crystal = to_pymatgen(SALT)
    assert same(SALT, from_pymatgen(crystal.to_conventional()))
