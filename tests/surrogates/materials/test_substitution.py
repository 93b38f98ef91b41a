from __future__ import annotations

from functools import cache
from itertools import islice

import numpy as np
import pytest
from pymatgen.analysis.structure_prediction.substitution_probability import (
    SubstitutionPredictor,
    SubstitutionProbability,
)
from pymatgen.core import Species

from surrogates.materials.crystals import check
from surrogates.materials.generators.probability import Ion, guess_states, substitution_table
from surrogates.materials.generators.protocol import Known
from surrogates.materials.generators.substitution import substitution
from surrogates.materials.generators.volumes import ElementVolumes
from tests.surrogates.materials import chemsys

SR, TI, OXIDE = Ion("Sr", 2), Ion("Ti", 4), Ion("O", -2)
PEROVSKITE = (SR, TI, OXIDE)


def drawn(known: list[Known], seed: int = 0, **arguments: object) -> list[object]:
    limit = int(arguments.pop("limit", 50))  # type: ignore[call-overload]
    return list(substitution(known, limit=limit, rng=np.random.default_rng(seed), **arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize(("threshold", "n"), [(0.001, 147), (0.01, 4)])
def test_the_unmodified_rule_is_pymatgens(threshold: float, n: int) -> None:
    found = substitution_table(floored=False).substitutions(
        PEROVSKITE, threshold=threshold, modified=False, direction="to"
    )
    assert len(found) == n
    if threshold < 0.01:
        return  # pymatgen takes seconds
    for direction, to in (("to", True), ("from", False)):
        theirs = SubstitutionPredictor(threshold=threshold).list_prediction(["Sr2+", "Ti4+", "O2-"], to)
        own = substitution_table(floored=False).substitutions(
            PEROVSKITE,
            threshold=threshold,
            modified=False,
            direction=direction,  # type: ignore[arg-type]
        )
        assert sorted(s.probability for s in own) == pytest.approx(sorted(p["probability"] for p in theirs))


@cache
def floored() -> tuple[list[Species], np.ndarray]:
    """The ions of pymatgen's raw table and exp(lambda) of their pairs, lambda at least 0."""
    raw = SubstitutionProbability()
    ions = sorted(raw.species, key=str)
    half = [
        [np.exp(max(raw.get_lambda(a, b), 0.0)) if k >= n else 0.0 for k, b in enumerate(ions)]
        for n, a in enumerate(ions)
    ]
    return ions, np.triu(half) + np.triu(half, 1).T


@pytest.mark.parametrize(("direction", "n"), [("from", 1348), ("to", 347)])
def test_the_modified_rule_is_that_of_a_brute_force(direction: str, n: int) -> None:
    """From pymatgen's raw table: lambdas floored at 0, the product over what differs, no bound."""
    ions, weight = floored()
    own = [next(k for k, s in enumerate(ions) if str(s) == name) for name in ("Sr2+", "Ti4+", "O2-")]
    p, q, r = (
        np.where(
            np.arange(len(ions)) == k,
            1.0,
            weight[k] / (weight.sum(0) if direction == "from" else weight[k].sum()),
        )
        for k in own
    )
    chance = p[:, None, None] * q[:, None] * r
    a, b, c = np.indices(chance.shape)
    count = int(((chance > 0.001) & (a != b) & (a != c) & (b != c)).sum()) - 1  # the one that changes nothing
    found = substitution_table(floored=True).substitutions(PEROVSKITE, direction=direction)  # type: ignore[arg-type]
    assert len(found) == count == n
    assert all(s.ions != PEROVSKITE and s.probability > 0.001 for s in found)


def test_ions_that_stay_cost_nothing_where_modified() -> None:
    table = substitution_table(floored=True)
    barium = next(
        s for s in table.substitutions(PEROVSKITE, direction="to") if s.ions == (Ion("Ba", 2), TI, OXIDE)
    )
    alone = next(s for s in table.substitutions([SR], direction="to") if s.ions == (Ion("Ba", 2),))
    assert barium.probability == alone.probability
    kept = substitution_table(floored=False).substitutions(PEROVSKITE, modified=False, threshold=1e-4)
    assert next(s for s in kept if s.ions == PEROVSKITE).probability < 1.0


def test_the_probability_of_elements_is_the_largest_of_their_ions() -> None:
    ions, elements = substitution_table(floored=True), substitution_table(floored=True, elements=True)
    iron = [k for k, ion in enumerate(ions.ions) if ion.element == "Fe"]
    cobalt = [k for k, ion in enumerate(ions.ions) if ion.element == "Co"]
    found = elements.conditional[elements.number[Ion("Fe")], elements.number[Ion("Co")]]
    assert found == ions.conditional[np.ix_(iron, cobalt)].max()


@pytest.mark.parametrize(
    ("counts", "states"),
    [
        ({"O": 3, "Sr": 1, "Ti": 1}, "O2- Sr2+ Ti4+"),
        ({"Fe": 1, "Li": 1, "O": 4, "P": 1}, "Fe2+ Li1+ O2- P5+"),
        ({"Fe": 2, "O": 3}, "Fe3+ O2-"),
        ({"Fe": 3, "O": 4}, None),
        ({"Al": 1, "Fe": 1}, None),
        ({"Fe": 1}, None),
        ({"Ne": 1, "O": 1}, None),
    ],
)
def test_whole_states_are_guessed_or_none(counts: dict[str, int], states: str | None) -> None:
    found = guess_states(tuple(counts.items()))
    assert (None if found is None else " ".join(map(str, found))) == states


def test_candidates_are_new_sound_and_of_the_elements_that_are_known() -> None:
    known = [k for k in chemsys.known().values() if k.structure.n_atoms <= 40]
    made = drawn(known, limit=60)
    assert len(made) == 60
    formulas = {k.structure.formula for k in known}
    by_id = {k.id: k for k in known}
    for structure, parents, how in made:  # type: ignore[misc]
        check(structure)
        assert structure.formula not in formulas
        assert set(structure.elements) <= {"Fe", "Li", "O", "P"}
        [parent] = parents
        assert by_id[parent].above_hull <= 0.1  # type: ignore[operator]
        assert sorted(structure.counts.values()) == sorted(by_id[parent].structure.counts.values())
        assert structure.frac == pytest.approx(np.asarray(by_id[parent].structure.frac) % 1.0, abs=1e-6)
        assert "probability" in how
    assert drawn(known, limit=60) == made
    assert [m[0].key for m in drawn(known, 1, limit=60)] != [m[0].key for m in made]  # type: ignore[index]


def test_the_most_probable_exchange_comes_first_and_elements_may_be_asked_for() -> None:
    [first, *rest] = drawn(
        [Known("sto", chemsys.perovskite())], elements=["Sr", "Ti", "O", "Ba", "Zr", "S"], limit=9
    )
    assert first.how == "SrTiS3 from SrTiO3: O2- to S2- (probability 0.137)"  # type: ignore[attr-defined]
    chances = [float(m.how.rsplit(" ", 1)[1][:-1]) for m in (first, *rest)]  # type: ignore[attr-defined]
    assert chances == sorted(chances, reverse=True)
    grown = [m.structure.volume for m in rest if m.structure.formula == "BaO3Ti"]  # type: ignore[attr-defined]
    assert grown[0] > chemsys.perovskite().volume


def test_charges_balance_where_that_is_asked_for() -> None:
    known = [
        Known("sto", chemsys.perovskite()),
        Known("feal", chemsys.crystal(chemsys.cubic(2.9), "Fe Al", [[0, 0, 0], [0.5, 0.5, 0.5]])),
    ]
    elements = ["Sr", "Ti", "O", "Ba", "La", "F", "Fe", "Al", "Ga"]
    neutral = drawn(known, charge_balance=True, elements=elements)
    assert {m.structure.formula for m in neutral} >= {"BaO3Ti"}  # type: ignore[attr-defined]
    assert all(guess_states(tuple(m.structure.reduced.items())) for m in neutral)  # type: ignore[attr-defined]
    every = {m.structure.formula for m in drawn(known, elements=elements, limit=500)}  # type: ignore[attr-defined]
    assert {"F3SrTi", "FeGa"} <= every  # Ti would have to be 1+; a metal has no charges to balance
    assert not {"F3SrTi", "FeGa"} & {m.structure.formula for m in neutral}  # type: ignore[attr-defined]


def test_known_compositions_and_unstable_parents_are_left_out() -> None:
    barium = Known("bto", chemsys.perovskite(4.0, "Ba Ti O O O"))
    strontium = Known("sto", chemsys.perovskite())
    assert drawn([strontium, barium]) and not [
        m for m in drawn([strontium, barium]) if m.structure.formula in ("BaO3Ti", "O3SrTi")
    ]  # type: ignore[attr-defined]
    again = drawn([strontium, barium], new_compositions=False)
    assert {"BaO3Ti", "O3SrTi"} <= {m.structure.formula for m in again}  # type: ignore[attr-defined]
    assert drawn([strontium._replace(above_hull=0.2)], elements=["Ba", "Ti", "O"]) == []
    assert drawn([strontium], max_atoms=4, elements=["Ba", "Ti", "O"]) == []


def test_per_composition_bounds_the_structures_of_one_formula() -> None:
    known = list(chemsys.known().values())
    made = [m.structure.formula for m in islice(drawn(known, per_composition=2, limit=200), 200)]  # type: ignore[attr-defined]
    assert max(made.count(f) for f in set(made)) == 2


def test_volumes_of_known_elements_come_from_the_known_crystals() -> None:
    structures = [k.structure for k in list(chemsys.known().values())[::10]]
    error = lambda volumes: np.median([abs(volumes.of(s.counts) / s.volume - 1) for s in structures])  # noqa: E731
    assert error(ElementVolumes(structures)) < 0.6 * error(ElementVolumes())
    assert ElementVolumes().of({"Na": 2, "Cl": 2}) == pytest.approx(
        2 * ElementVolumes().of({"Na": 1, "Cl": 1})
    )
