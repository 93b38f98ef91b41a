from __future__ import annotations

import numpy as np
import pytest
import spglib

from campaigns.structure import NUMBER
from surrogates.materials.crystals import check
from surrogates.materials.generators.protocol import Known
from surrogates.materials.generators.random_symmetric import (
    Drawing,
    formula_counts,
    random_symmetric,
    share_out,
)
from surrogates.materials.generators.soft_spheres import SLACK, Separations, Symmetry, least_volume, relax
from surrogates.materials.generators.wyckoff import space_group
from tests.surrogates.materials import chemsys

STRONTIUM_TITANATE = {"Sr": 1, "Ti": 1, "O": 3}


def symmetry_of(structure: chemsys.Structure) -> int:
    cell = (structure.lattice, structure.frac, [NUMBER[s] for s in structure.species])
    found = spglib.get_symmetry(cell, symprec=0.01)
    assert found is not None
    return len(np.unique(found["rotations"], axis=0))


@pytest.mark.slow
def test_the_230_groups_have_1731_wyckoff_positions() -> None:
    """The number of the International Tables for Crystallography, volume A."""
    groups = [space_group(n) for n in range(1, 231)]
    assert sum(len(g.positions) for g in groups) == 1731
    for g in groups:
        general = g.positions[-1]
        assert general.multiplicity == len(g.rotations) == max(p.multiplicity for p in g.positions)
        assert abs(np.linalg.det(g.primitive)) * g.centring == pytest.approx(1.0)
        for p in g.positions:
            point = p.origin + p.directions @ np.array([0.1234, 0.2718, 0.3141])[: p.directions.shape[1]]
            assert len(g.orbit(point)) == p.multiplicity


@pytest.mark.parametrize(
    ("number", "multiplicities"),
    [
        (1, [1]),
        (14, [2, 2, 2, 2, 4]),
        (62, [4, 4, 4, 8]),
        (166, [3, 3, 6, 9, 9, 18, 18, 18, 36]),
        (221, [1, 1, 3, 3, 6, 6, 8, 12, 12, 12, 24, 24, 24, 48]),
        (227, [8, 8, 16, 16, 32, 48, 96, 96, 192]),
    ],
)
def test_multiplicities_are_those_of_the_tables(number: int, multiplicities: list[int]) -> None:
    assert [p.multiplicity for p in space_group(number).positions] == multiplicities


def test_there_are_230_groups() -> None:
    with pytest.raises(ValueError, match="1 to 230"):
        space_group(231)


def test_atoms_are_shared_out_in_full_and_fixed_points_once() -> None:
    group, rng = space_group(225), np.random.default_rng(0)
    for _ in range(50):
        chosen = share_out(group, {"Na": 2, "Cl": 2}, rng)
        assert chosen is not None
        for symbol in ("Na", "Cl"):
            assert sum(p.multiplicity for s, p in chosen if s == symbol) == 8
        fixed = [tuple(p.origin) for _, p in chosen if p.fixed]
        assert len(set(fixed)) == len(fixed)
    assert (
        share_out(space_group(227), {"C": 1}, rng) is None
    )  # 4 atoms in the cell, but the smallest orbit has 8


@pytest.mark.parametrize(
    ("number", "units"),
    [(2, 2), (14, 2), (62, 4), (139, 2), (148, 2), (166, 2), (194, 2), (216, 2), (221, 1), (225, 2)],
)
def test_crystals_have_the_symmetry_the_composition_and_room(number: int, units: int) -> None:
    group, drawing, made = space_group(number), Drawing(), 0
    for seed in range(40):
        counts = {s: units * n for s, n in STRONTIUM_TITANATE.items()}
        drawn = drawing.attempt(group, counts, np.random.default_rng([number, seed]))
        if isinstance(drawn, str):
            continue
        made += 1
        check(drawn)
        assert drawn.counts == dict(sorted(counts.items()))
        assert symmetry_of(drawn) >= len(group.rotations) // group.centring
        assert 0.39 < drawn.volume / drawing.sizes.of(counts) < 1.21
        if made == 2:
            break
    assert made == 2


def test_soft_spheres_keep_their_distance_volume_and_symmetry() -> None:
    """Two atoms on a line of a square cell are pushed to the middle; one alone, in too flat a cell, shears it."""
    lattice, frac = np.diag([4.0, 4.0, 4.0]), np.array([[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
    turns = np.array(
        [np.eye(3), np.diag([1.0, -1.0, 1.0]), np.diag([1.0, 1.0, -1.0]), np.diag([1.0, -1.0, -1.0])]
    )
    symmetry = Symmetry(turns, turns, np.tile([0, 1], (4, 1)))
    moved, places, lacking = relax(lattice, frac, np.full((2, 2), 2.0), symmetry)
    assert lacking <= SLACK
    assert abs(np.linalg.det(moved)) == pytest.approx(64.0)
    away = (places[1] - places[0] + 0.5) % 1.0 - 0.5
    assert np.linalg.norm(away @ moved) >= 2.0 * (1.0 - SLACK)
    assert away[1:] == pytest.approx(0.0, abs=1e-12)
    flat = np.diag([2.0, 4.0, 4.0])
    alone = Symmetry(np.eye(3)[None], np.eye(3)[None], np.zeros((1, 1), int))
    moved, _, lacking = relax(flat, np.zeros((1, 3)), np.full((1, 1), 2.8), alone)
    assert lacking <= SLACK
    assert abs(np.linalg.det(moved)) == pytest.approx(32.0)
    *_, lacking = relax(flat, np.zeros((1, 3)), np.full((1, 1), 4.0), alone)
    assert lacking > SLACK  # 32 A^3 cannot hold it: the densest packing needs 45
    assert least_volume(np.full((1, 1), 4.0)) == pytest.approx(4.0**3 / np.sqrt(2), rel=0.01)


def test_least_distances_come_from_known_crystals() -> None:
    salts = [chemsys.rocksalt(a) for a in (5.5, 5.6, 5.7)]
    known = Separations(salts)
    assert known.of("Na", "Cl") == known.of("Cl", "Na") == pytest.approx(0.9 * (2.75 + 0.2 * 0.05))
    assert known.of("K", "Cl") == Separations().of("K", "Cl")
    assert Separations(salts[:2]).of("Na", "Cl") == Separations().of("Na", "Cl")


def test_formulas_take_turns_and_a_seed_is_a_sequence() -> None:
    known = [Known("salt", chemsys.rocksalt())]

    def made(seed: int) -> list[object]:
        given = random_symmetric(
            known, limit=6, rng=np.random.default_rng(seed), formulas=["NaCl", "TiO2", "Fe"]
        )
        return list(given)

    first = made(0)
    assert [m.structure.formula for m in first] == ["ClNa", "O2Ti", "Fe"] * 2  # type: ignore[attr-defined]
    assert first == made(0)
    assert first != made(1)
    for m in first:
        check(m.structure, max_atoms=20)  # type: ignore[attr-defined]
    only = list(
        random_symmetric(known, limit=2, rng=np.random.default_rng(0), formulas=["NaCl"], groups=[225])
    )
    assert all(symmetry_of(m.structure) == 48 for m in only)
    assert only[0].how.endswith("space group 225")


def test_what_cannot_be_made_ends() -> None:
    assert not list(
        random_symmetric([], limit=2, rng=np.random.default_rng(0), formulas=["C"], groups=[227], units=1)
    )


@pytest.mark.parametrize("text", ["", "Xx2O", "Fe0.5O", "Li15Si44"])
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wanted"):
        formula_counts(text, 20)
