"""Splits by composition, and which compositions a member learns from."""

from __future__ import annotations

import numpy as np
import pytest

from campaigns.structure import Structure
from surrogates.materials.bootstrap import FEWEST_HELD, held_out, member_rows
from surrogates.materials.splits import compositions, md5_bucket, md5_split, reduced_formula

SYMBOLS = ("Li", "Na", "K", "Mg", "Ca", "Fe", "Mn", "O", "S", "Cl", "F", "N")


def cell(*species: str) -> Structure:
    """A cubic cell with its atoms along the diagonal."""
    n = len(species)
    edge = (3.0 * n, 0.0, 0.0), (0.0, 3.0 * n, 0.0), (0.0, 0.0, 3.0 * n)
    return Structure(lattice=edge, species=species, frac=tuple((i / n, i / n, i / n) for i in range(n)))


def table(n: int = 400, seed: int = 0) -> list[Structure]:
    """Random compositions, each as one formula unit and as two."""
    rng = np.random.default_rng(seed)
    drawn = [tuple(str(s) for s in rng.choice(SYMBOLS, rng.integers(1, 5))) for _ in range(n)]
    return [cell(*species) for species in drawn] + [cell(*species, *species) for species in drawn]


def test_buckets_are_those_of_gnomes_rule() -> None:
    """MD5 of the formula as pymatgen reduces it; LiFePO4 and NaCl are for training at 85 %, AlPO4 is not."""
    assert reduced_formula(cell("Fe", "Fe", "O", "O", "O")) == "Fe2O3"
    assert reduced_formula(cell("O")) == "O2"  # pymatgen's spelling of the element
    assert reduced_formula(cell("P", "O", "Fe", "O", "O", "O", "Li")) == "LiFePO4"
    assert [md5_bucket(f) for f in ("LiFePO4", "Fe2O3", "NaCl", "O2", "MgO")] == [6, 53, 73, 70, 64]
    training, test = md5_split([cell("Na", "Cl"), cell("Cl", "Cl", "Na", "Na")], share=0.74)
    assert training.tolist() == [0, 1] and not len(test)
    training, test = md5_split([cell("Na", "Cl"), cell("Mg", "O")], share=0.73)
    assert training.tolist() == [1] and test.tolist() == [0]


def test_no_composition_is_on_both_sides() -> None:
    structures = table()
    training, test = md5_split(structures)
    assert sorted([*training, *test]) == list(range(len(structures)))
    assert 0.10 < len(test) / len(structures) < 0.20
    assert not {structures[i].formula for i in training} & {structures[i].formula for i in test}


def test_a_share_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1, got 85"):
        md5_split([cell("O")], share=85)


def test_compositions_are_numbered_by_reduced_formula() -> None:
    assert compositions([cell("O", "Mg"), cell("O"), cell("Mg", "Mg", "O", "O")]).tolist() == [0, 1, 0]


@pytest.mark.parametrize("draw", ["subset", "bootstrap"])
def test_a_member_sees_a_composition_whole_or_not_at_all(draw) -> None:
    groups = compositions(table())
    rows = member_rows(groups, draw, 0.8, np.random.default_rng(3))
    out = np.setdiff1d(np.arange(len(groups)), rows)
    assert not set(groups[rows]) & set(groups[out])
    share = len(set(groups[rows])) / (groups.max() + 1)
    assert share == pytest.approx(0.8 if draw == "subset" else 1 - np.exp(-1), abs=0.05)
    assert len(rows) == pytest.approx((0.8 if draw == "subset" else 1.0) * len(groups), rel=0.1)
    if draw == "bootstrap":
        assert len(rows) > len(set(rows))


def test_what_is_held_out_was_always_held_out() -> None:
    """More labels must not put into training what calibrated the ensemble before, nor hold out what it was trained
    on: a warm start would be tested on what it knows."""
    structures = table()
    formulas = [s.formula for s in structures]
    chosen: set[str] = set()
    seen: set[str] = set()
    for n in (60, 120, 400, 800):
        held = held_out(formulas[:n], 0.1, salt=5)
        now = {f for f, out in zip(formulas[:n], held, strict=True) if out}
        assert not now & {f for f, out in zip(formulas[:n], held, strict=True) if not out}
        assert not {f for f in seen if f not in chosen} & now  # was learned from
        chosen, seen = now, set(formulas[:n])
    assert 0.06 < held.mean() < 0.14
    assert not np.array_equal(held, held_out(formulas, 0.1, salt=6))


def test_a_larger_share_is_held_out_of_few() -> None:
    formulas = [f"A{i}" for i in range(100)]
    shares = [np.mean([held_out(formulas[:n], 0.1, salt).mean() for salt in range(60)]) for n in (40, 100)]
    assert shares[0] == pytest.approx(0.25, abs=0.03) and shares[1] == pytest.approx(
        FEWEST_HELD / 100, abs=0.03
    )
    assert not held_out(formulas, 0.0, 0).any()


def test_one_composition_alone_is_not_split() -> None:
    assert not any(held_out(["LiFePO4"] * 50, 0.1, salt).any() for salt in range(40))
