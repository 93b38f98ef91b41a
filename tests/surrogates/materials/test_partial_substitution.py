from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from surrogates.materials.crystals import check
from surrogates.materials.deduplicate import same
from surrogates.materials.generators.partial_substitution import partial_substitution, repeated
from surrogates.materials.generators.protocol import Known
from surrogates.materials.generators.site_group import SiteGroup, site_group
from tests.surrogates.materials import chemsys

SMALL = (1, 1, 3, 3, 6, 3, 3, 1, 1)


def group_of(structure: chemsys.Structure, element: str) -> SiteGroup:
    return site_group(structure, [k for k, symbol in enumerate(structure.species) if symbol == element])


def enumerated(group: SiteGroup) -> tuple[int, ...]:
    rng = np.random.default_rng(0)
    return tuple(len(group.arrangements(k, most=10**6, rng=rng)) for k in range(group.n + 1))


def test_the_eight_b_sites_of_a_perovskite() -> None:
    group = group_of(repeated(chemsys.perovskite(), (2, 2, 2)), "Ti")
    assert len(group) == 48
    assert enumerated(group) == group.counts == SMALL


def test_the_two_b_sites_of_a_perovskite() -> None:
    group = group_of(repeated(chemsys.perovskite(), (2, 1, 1)), "Ti")
    assert enumerated(group) == group.counts == (1, 1, 1)


def test_the_iron_of_a_lithium_iron_phosphate() -> None:
    group = group_of(chemsys.known()["mp-1176703"].structure, "Fe")
    assert [len(orbit) for orbit in group.orbits] == [4, 4]
    assert enumerated(group) == group.counts == (1, 2, 10, 14, 22, 14, 10, 2, 1)


def test_arrangements_are_one_of_each_orbit_of_subsets() -> None:
    """Against all subsets, merged by every permutation."""
    group = group_of(repeated(chemsys.perovskite(), (2, 2, 1)), "O")
    rng = np.random.default_rng(0)
    for k in (1, 2, 3, 9, 11):
        found = group.arrangements(k, most=10**6, rng=rng)
        orbits = {
            frozenset(frozenset(row[list(chosen)].tolist()) for row in group.permutations)
            for chosen in combinations(range(group.n), k)
        }
        assert len(found) == len(orbits) == group.counts[k]
        assert all(sum(frozenset(chosen) in orbit for chosen in found) == 1 for orbit in orbits)


def test_a_large_group_is_counted_and_sampled() -> None:
    group = group_of(repeated(chemsys.perovskite(), (2, 2, 2)), "O")
    assert len(group) == 384
    assert group.counts[:7] == (1, 1, 7, 19, 80, 207, 603)
    assert group.counts == group.counts[::-1]
    few = group.arrangements(12, most=20, rng=np.random.default_rng(1))
    assert len(set(few)) == 20
    least = {group._least(np.array([chosen]))[0] for chosen in few}
    assert len(least) == 20  # no two are images of each other
    assert few == group.arrangements(12, most=20, rng=np.random.default_rng(1))


def test_what_is_no_group_is_refused() -> None:
    with pytest.raises(ValueError, match="name a site twice"):
        SiteGroup(np.array([[0, 0]]))
    with pytest.raises(ValueError, match="no group"):
        _ = SiteGroup(np.array([[1, 2, 0], [0, 1, 2]])).counts
    with pytest.raises(ValueError, match="at most 62"):
        SiteGroup(np.arange(63)[None])


def test_every_level_of_an_ion_is_made_once() -> None:
    cell = Known("sto", chemsys.perovskite())
    made = list(
        partial_substitution(
            [cell],
            limit=1000,
            rng=np.random.default_rng(0),
            elements=["Ti", "Zr"],
            threshold=0.02,
            supercell=(2, 2, 2),
        )
    )
    zirconium = [m for m in made if "Zr4+ on" in m.how and "sites of Ti4+" in m.how]
    levels = [m.structure.counts.get("Zr", 0) for m in zirconium]
    assert [levels.count(k) for k in range(9)] == [0, *SMALL[1:]]
    for k in (2,):
        level = [m.structure for m in zirconium if m.structure.counts["Zr"] == k]
        assert not any(same(a, b) for a, b in combinations(level, 2))
    for m in made:
        check(m.structure)
        assert m.parents == ("sto",)


def test_candidates_are_new_repeatable_and_lazy() -> None:
    known = list(chemsys.known().values())

    def some(seed: int) -> list[str]:
        given = partial_substitution(known, limit=40, rng=np.random.default_rng(seed), max_atoms=40)
        return [m.structure.key for m in given if m.structure.n_atoms <= 40]

    first = some(1)
    assert len(set(first)) == 40
    assert first == some(1) != some(2)
    formulas = {k.structure.formula for k in known}
    given = partial_substitution(known, limit=10, rng=np.random.default_rng(0))
    assert not any(m.structure.formula in formulas for m in given)


def test_charge_balance_takes_ions_of_one_charge() -> None:
    known = [chemsys.known()["mp-1176703"]]
    made = partial_substitution(
        known,
        limit=200,
        rng=np.random.default_rng(0),
        charge_balance=True,
        elements=["Li", "Fe", "P", "O", "Mn", "Na"],
    )
    exchanged = {
        (m.how.split(": ")[1].split(" on ")[0], m.how.split("sites of ")[1].split(" (")[0]) for m in made
    }
    assert {("Mn2+", "Fe2+"), ("Na1+", "Li1+")} <= exchanged
    assert all(new[-2:] == old[-2:] for new, old in exchanged)
