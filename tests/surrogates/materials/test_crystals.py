from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import DummySpecies, Lattice
from pymatgen.core import Structure as Crystal

from surrogates.materials.crystals import (
    check,
    covalent_radius,
    formula,
    from_pymatgen,
    neighbours,
    scaled,
    to_pymatgen,
)
from surrogates.materials.errors import StructureRejected
from surrogates.materials.filters import Filters
from tests.surrogates.materials import chemsys

SALT = chemsys.rocksalt()


def test_there_and_back_is_the_same_crystal() -> None:
    for structure in (SALT, chemsys.perovskite(), chemsys.known()["mp-1176703"].structure):
        back = from_pymatgen(to_pymatgen(structure))
        assert back.key == structure.key
        assert back.species == structure.species


def test_oxidation_states_and_isotopes_are_dropped() -> None:
    crystal = Crystal(Lattice.cubic(3.0), ["Fe3+", "D"], [[0, 0, 0], [1.5, -0.5, 0.5]])
    made = from_pymatgen(crystal)
    assert made.species == ("Fe", "H")
    assert made.frac[1] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("species", "code"),
    [
        ([{"Fe": 0.5, "Ni": 0.5}], "partial-occupancy"),
        ([{"Fe": 0.5}], "partial-occupancy"),
        ([DummySpecies("X")], "unknown-element"),
    ],
)
def test_what_no_model_can_treat_is_named(species: list[object], code: str) -> None:
    with pytest.raises(StructureRejected) as refused:
        from_pymatgen(Crystal(Lattice.cubic(3.0), species, [[0, 0, 0]]))
    assert refused.value.code == code
    assert "site 0" in refused.value.reason


def test_an_empty_cell_is_named() -> None:
    with pytest.raises(StructureRejected, match="empty"):
        from_pymatgen(Crystal(Lattice.cubic(3.0), [], []))


def codes(structure: chemsys.Structure, **limits: float) -> str:
    with pytest.raises(StructureRejected) as refused:
        check(structure, **limits)  # type: ignore[arg-type]
    return refused.value.code


def test_overlapping_and_isolated_atoms_are_named() -> None:
    check(SALT)
    limit = 0.6 * (covalent_radius("Na") + covalent_radius("Cl"))
    check(chemsys.rocksalt(2 * limit + 0.01))
    assert codes(chemsys.rocksalt(2 * limit - 0.01)) == "overlap"
    # The shortest distance may be to an atom's own image, or to one at the very same place.
    assert codes(chemsys.crystal([[0.9, 0, 0], [0, 9, 0], [0, 0, 9]], "Fe", [[0, 0, 0]])) == "overlap"
    assert codes(chemsys.crystal(chemsys.cubic(4.0), "Fe Fe", [[0, 0, 0], [1.0, 0, 0]])) == "overlap"
    assert codes(chemsys.crystal(chemsys.cubic(6.1), "Fe", [[0, 0, 0]])) == "isolated"
    check(chemsys.crystal(chemsys.cubic(5.9), "Fe", [[0, 0, 0]]))
    lonely = chemsys.crystal(chemsys.cubic(14.0), "Fe Fe O", [[0, 0, 0], [0.15, 0, 0], [0.6, 0.6, 0.6]])
    assert codes(lonely) == "isolated"


def test_a_large_cell_is_named() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(n) / n for n in (10, 10, 5)], indexing="ij"), axis=-1).reshape(
        -1, 3
    )
    big = chemsys.crystal([[30, 0, 0], [0, 30, 0], [0, 0, 15]], " ".join(["Fe"] * 500), grid.tolist())
    check(big)
    assert codes(big, max_atoms=200) == "too-large"


def test_known_crystals_pass_but_for_lone_atoms() -> None:
    refused = []
    for system in chemsys.SYSTEMS:
        for each in list(chemsys.known(system).values())[::3]:
            try:
                check(each.structure)
            except StructureRejected as fault:
                refused.append((each.id, fault.code))
    assert {code for _, code in refused} <= {"isolated"}
    assert len(refused) <= 3


def test_neighbours_are_those_of_pymatgen() -> None:
    structure = chemsys.known()["mp-1176703"].structure
    i, j, distances = neighbours(structure, 3.0)
    expected = to_pymatgen(structure).get_neighbor_list(3.0)
    assert sorted(zip(i, j, distances.round(6), strict=True)) == sorted(
        zip(expected[0], expected[1], expected[3].round(6), strict=True)
    )


def test_scaling_sets_the_volume() -> None:
    assert scaled(SALT, 100.0).volume == pytest.approx(100.0)
    with pytest.raises(StructureRejected, match="unreadable"):
        scaled(SALT, 0.0)


def test_formulas_are_written_as_chemists_do() -> None:
    assert formula(chemsys.known()["mp-1176703"].structure) == "LiFePO4"


def test_filters_say_why_not() -> None:
    assert Filters().why_not(SALT) is None
    assert Filters(max_atoms=1).why_not(SALT) == "too-large"
    assert Filters(elements=frozenset({"Na", "O"})).why_not(SALT) == "other-element"
    assert Filters(closest=1.2).why_not(SALT) == "overlap"
    assert Filters(charge_balance=True).why_not(SALT) is None
    assert (
        Filters(charge_balance=True).why_not(chemsys.rocksalt(5.0, "Na O")) is None
    )  # superoxides and O- are known
    assert Filters(charge_balance=True).why_not(chemsys.rocksalt(5.0, "Mg F")) == "charged"
