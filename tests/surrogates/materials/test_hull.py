from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from surrogates.errors import InvalidObservation
from surrogates.materials.hull import ON_HULL, Entry, Hull
from tests.surrogates.materials import chemsys

# Elements at 0; AB at -1, A3B above the line from A to AB, AB2 below the line from AB to B.
A, B = Entry("a", {"Li": 2}, 0.0), Entry("b", {"O": 1}, 0.0)
AB, A3B, AB2 = (
    Entry("ab", {"Li": 1, "O": 1}, -1.0),
    Entry("a3b", {"Li": 3, "O": 1}, -0.4),
    Entry("ab2", {"Li": 1, "O": 2}, -0.8),
)
BINARY = (A, B, AB, A3B, AB2)


def entries(system: str) -> list[Entry]:
    return [
        Entry(r["id"], Counter(r["species"]), (r["energy"] + r["correction"]) / len(r["species"]))
        for r in chemsys.rows(system)
    ]


@pytest.mark.parametrize(("system", "n_stable"), [("fe_li_o_p", 40), ("cl_mn_na_o_y", 44)])
def test_a_whole_chemical_system_has_the_published_distances(system: str, n_stable: int) -> None:
    hull = Hull(entries(system))
    for row, entry in zip(chemsys.rows(system), entries(system), strict=True):
        assert hull.above(entry.id) == pytest.approx(row["e_above_hull"], abs=1e-6)
        formed = hull.formation_energy(entry.counts, entry.energy_per_atom)
        assert formed == pytest.approx(row["e_form_corr"], abs=1e-6)
    assert len(hull.stable) == n_stable
    assert set(hull.stable) == {r["id"] for r in chemsys.rows(system) if r["e_above_hull"] <= ON_HULL}


def test_random_compositions_of_all_subsystems_agree_with_pymatgen() -> None:
    given = entries("fe_li_o_p")
    diagram = PhaseDiagram(
        [PDEntry(Composition(e.counts), e.energy_per_atom * sum(e.counts.values())) for e in given]
    )
    rng = np.random.default_rng(0)
    asked = []
    for _ in range(60):
        symbols = rng.choice(["Fe", "Li", "O", "P"], int(rng.integers(1, 5)), replace=False)
        asked.append(
            {str(s): float(n) for s, n in zip(symbols, rng.dirichlet(np.ones(len(symbols))), strict=True)}
        )
    expected = [diagram.get_hull_energy_per_atom(Composition(counts)) for counts in asked]
    assert Hull(given).references(asked) == pytest.approx(expected, abs=1e-9)


def test_an_entry_is_measured_against_the_hull_without_it() -> None:
    """Of each stable phase, a hull rebuilt without it says the same."""
    given = entries("cl_mn_na_o_y")
    hull = Hull(given)
    picked = [e for e in given if e.id in hull.stable and len(e.counts) > 1]
    found = hull.decomposition_energy(
        [e.counts for e in picked], [e.energy_per_atom for e in picked], [e.id for e in picked]
    )
    for entry, energy in zip(picked, found, strict=True):
        without = Hull(e for e in given if e.id != entry.id and set(e.counts) <= set(entry.counts))
        reference = without.reference(entry.counts)
        assert reference is not None
        assert energy == pytest.approx(entry.energy_per_atom - reference, abs=1e-8)
        assert energy < 0


def test_by_hand() -> None:
    hull = Hull(BINARY)
    assert hull.stable == ("a", "ab", "ab2", "b")
    assert hull.above("a3b") == pytest.approx(0.1)
    assert hull.above("ab2") == 0.0
    assert hull.products({"Li": 6, "O": 2}) == pytest.approx({"a": 0.5, "ab": 0.5})
    below = hull.decomposition_energy({"Li": 3, "O": 1}, [-0.4, -0.7])
    assert below == pytest.approx([0.1, -0.2])
    members = hull.decomposition_energy([{"Li": 3, "O": 1}, {"Li": 1, "O": 1}], [[-0.4, -0.5], [-1.0, -1.1]])
    assert members == pytest.approx(np.array([[0.1, 0.0], [0.0, -0.1]]))
    # Without AB2, the line from AB to O lies at -2/3 there; a3b is no corner, so the hull is the same without it.
    alone = hull.decomposition_energy([AB2.counts, A3B.counts], [-0.8, -0.4], ["ab2", "a3b"])
    assert alone == pytest.approx([-0.8 + 2 / 3, 0.1])


def test_a_polymorph_competes() -> None:
    hull = Hull([*BINARY, Entry("ab'", {"Li": 4, "O": 4}, -0.9)])
    assert hull.above("ab'") == pytest.approx(0.1)
    assert hull.decomposition_energy([AB.counts], [-1.0], ["ab"]) == pytest.approx([-0.1])


def test_within_the_tolerance_counts_as_on_the_hull() -> None:
    hull = Hull(
        [*BINARY, Entry("near", {"Li": 1, "O": 1}, -1.0 + 4e-5), Entry("off", {"Li": 1, "O": 1}, -1.0 + 6e-5)]
    )
    assert "near" in hull.stable
    assert "off" not in hull.stable


def test_it_grows_and_the_old_one_stays() -> None:
    """In random order, the elements first, so that each step finds hulls to keep or to make anew."""
    shuffled = [entries("fe_li_o_p")[int(k)] for k in np.random.default_rng(0).permutation(943)]
    given = sorted(shuffled, key=lambda e: len(e.counts) > 1)
    whole, grown, first = Hull(given), Hull(given[:500]), Hull(given[:500])
    before = first.stable
    for k in range(500, len(given), 90):
        assert grown.stable  # makes its hulls, which the next one may keep
        grown = grown.with_(given[k : k + 90])
    assert grown.stable == whole.stable
    assert [grown.above(e.id) for e in given] == pytest.approx([whole.above(e.id) for e in given])
    assert first.stable == before
    assert len(first) == 500


def test_an_element_without_an_entry_gives_no_number() -> None:
    hull = Hull([A, AB, A3B])
    assert hull.reference({"Li": 1, "O": 1}) is None
    assert hull.above("ab") is None
    assert hull.formation_energy({"Li": 1, "O": 1}, -1.0) is None
    assert hull.products({"Li": 1, "O": 1}) is None
    assert hull.stable == ("a",)
    distance = hull.decomposition_energy([{"Li": 1, "O": 1}, {"Li": 1, "O": 0}], [-1.0, 0.5])
    assert np.isnan(distance[0])
    assert distance[1] == pytest.approx(0.5)
    assert np.isnan(hull.decomposition_energy([A.counts], [0.0], ["a"])[0])
    assert hull.with_([B]).above("a3b") == pytest.approx(0.1)


@pytest.mark.parametrize(
    "entry",
    [
        Entry("x", {"Li": 1}, float("nan")),
        Entry("x", {"Li": 1}, float("inf")),
        Entry("x", {}, 0.0),
        Entry("x", {"Li": -1.0}, 0.0),
        Entry("x", {"Li": float("nan")}, 0.0),
        Entry("x", {"Xx": 1}, 0.0),
        Entry("a", {"Li": 1}, -1.0),
    ],
)
def test_what_is_no_entry_is_refused(entry: Entry) -> None:
    with pytest.raises(InvalidObservation, match=r"'[xa]'"):
        Hull([A, entry])


def test_an_energy_asked_about_must_be_a_number() -> None:
    with pytest.raises(InvalidObservation, match="energy 1 is nan"):
        Hull(BINARY).decomposition_energy({"Li": 1, "O": 1}, [0.0, float("nan")])
    with pytest.raises(ValueError, match="an energy for each composition"):
        Hull(BINARY).decomposition_energy([{"Li": 1}], [0.0, 1.0])
