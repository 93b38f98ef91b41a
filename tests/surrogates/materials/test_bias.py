"""What crystals are made of: by hand, and the published-size figures of the shared sets."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from pathlib import Path

import pytest
from scipy.stats import hypergeom

from surrogates.materials.bias import Profile, enrichment, is_metal, profile

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "materials"


def test_a_profile_by_hand() -> None:
    found = profile(
        [{"Ni": 3, "Al": 1}, {"Na": 1, "Cl": 1}, {"H": 1, "Br": 35}, {"Fe": 2}, {"Al": 1, "Ni": 1}]
    )
    assert (
        found.n == 5 and found.metal_share == 3 / 5 and found.share("Al") == 2 / 5 and found.share("O") == 0
    )
    assert found.smallest == (0.25, 0.5, 1 / 36, 1.0, 0.5) and found.pinch_share == 1 / 5
    assert found.systems == {
        frozenset({"Ni", "Al"}): 2, frozenset({"Na", "Cl"}): 1, frozenset({"H", "Br"}): 1, frozenset({"Fe"}): 1,
    }  # fmt: skip


def test_new_systems_are_those_of_no_reference() -> None:
    one = profile([{"Na": 1, "Cl": 1}, {"Na": 2, "Cl": 1}, {"K": 1, "Cl": 1}, {"Fe": 1}])
    salt, iron = profile([{"Cl": 1, "Na": 1}]), profile([{"Fe": 4}])
    assert one.new_systems(salt) == pytest.approx(2 / 3) and one.new_systems(salt, iron) == pytest.approx(
        1 / 3
    )
    assert one.in_new_systems(salt) == 0.5 and one.in_new_systems(salt, iron) == 0.25
    assert one.new_systems() == 1.0 and one.new_systems(one) == 0.0


def test_metals_are_pymatgens() -> None:
    assert [symbol for symbol in ("Na", "Al", "Fe", "La", "U", "B", "Si", "Ge", "O", "H") if is_metal(symbol)] == [
        "Na", "Al", "Fe", "La", "U",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="Xx"):
        is_metal("Xx")


def test_enrichment_is_fishers() -> None:
    ours = profile([{"Ho": 1, "Rh": 1}] * 8 + [{"Na": 1, "O": 1}] * 2)
    theirs = profile([{"Ho": 1, "Rh": 1}] * 3 + [{"Na": 1, "O": 1}] * 17)
    found = {each.element: each for each in enrichment(ours, theirs)}
    assert list(found) == ["Ho", "Rh", "Na", "O"]
    rare = found["Ho"]
    assert (rare.share, rare.reference) == (0.8, 0.15)
    assert rare.log2 == pytest.approx(math.log2((8.5 / 11) / (3.5 / 21)))
    # Two-sided: all tables at most as likely as the one at hand.
    likely = hypergeom(30, 11, 10)
    at_hand = likely.pmf(8)
    expected = sum(likely.pmf(k) for k in range(11) if likely.pmf(k) <= at_hand * (1 + 1e-7))
    assert rare.p == pytest.approx(expected) and found["O"].log2 < 0


def test_nothing_to_compare_is_refused() -> None:
    empty = profile([])
    assert math.isnan(empty.metal_share) and math.isnan(empty.new_systems())
    with pytest.raises(ValueError, match="a crystal at least"):
        enrichment(empty, profile([{"Fe": 1}]))
    for bad in ({}, {"Fe": 0}):
        with pytest.raises(ValueError, match="composition 1: wanted atoms"):
            profile([bad])


def shared(name: str) -> Profile:
    path = next(SHARED.glob(f"*/{name}.jsonl.gz"), None)
    if path is None:
        pytest.skip(f"no shared data: {SHARED}/*/{name}.jsonl.gz")
    with gzip.open(path, "rt") as file:
        return profile(Counter(json.loads(line)["species"]) for line in file)


@pytest.mark.parametrize(
    ("name", "n", "metal", "oxygen", "pinch", "systems"),
    [
        ("mp_binary_elasticity", 3953, 0.454, 0.070, 0.007, 1747),
        ("wbm_random_972", 972, 0.423, 0.102, 0.075, 952),
        ("fe_li_o_p", 943, 0.022, 0.941, 0.375, 15),
    ],
)
def test_the_figures_of_the_shared_sets(
    name: str, n: int, metal: float, oxygen: float, pinch: float, systems: int
) -> None:
    found = shared(name)
    assert (found.n, len(found.systems)) == (n, systems)
    assert [round(x, 3) for x in (found.metal_share, found.share("O"), found.pinch_share)] == [
        metal, oxygen, pinch,
    ]  # fmt: skip


def test_new_systems_of_a_whole_chemical_space() -> None:
    sets = [shared(name) for name in ("mp_binary_elasticity", "wbm_random_972", "cl_mn_na_o_y")]
    assert shared("fe_li_o_p").new_systems(*sets) == 0.6  # 9 of 15
