"""Labels in their order, what they train and when, and which come next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surrogates.errors import InvalidObservation
from surrogates.joint.choose import largest_variance
from surrogates.joint.labels import Labels, table, targets_of
from surrogates.joint.learner import FEWEST, Learner, by_composition
from surrogates.joint.representation import Representation
from tests.surrogates.joint.crystals import IDS, POOL, STRUCTURES, FakeTrainer, gap, heat, known

GAP, HEAT = gap(STRUCTURES), heat(STRUCTURES)


def labels(seeds: int, told: int, seed: int = 0) -> Labels:
    order = np.random.default_rng(seed).permutation(len(IDS))
    rows = [(IDS[k], {"gap": float(GAP[k]), "heat": float(HEAT[k])}) for k in order[: seeds + told]]
    return Labels(tuple(rows[:seeds]), tuple(rows[seeds:]))


def observation(candidate: dict[str, object], failed: bool = False, **values: float) -> dict[str, object]:
    found = {name: {"value": value, "sigma": None} for name, value in values.items()}
    return {"candidate": candidate, "values": found, "failed": failed}


def test_only_rows_that_are_a_material_and_nothing_else_are_labels() -> None:
    rows = [
        observation({"crystal": "BaTiO3"}, gap=1.0),
        observation({"crystal": "BaTiO3", "anneal": 300.0}, gap=9.0),
        observation({"crystal": "SrTiO3"}, failed=True),
        observation({"crystal": "BaTiO3"}, gap=2.0, heat=5.0),
        observation({"crystal": "CaTiO3"}),
    ]
    found = Labels.of("crystal", ("BaTiO3", "SrTiO3", "CaTiO3"), [{}, {"heat": 1.0}, {}], rows)
    assert found.whole == (("SrTiO3", {"heat": 1.0}), ("BaTiO3", {"gap": 1.5, "heat": 5.0}))
    assert found.first(1) == (("SrTiO3", {"heat": 1.0}), ("BaTiO3", {"gap": 1.0}))
    assert found.only(["SrTiO3"]).whole == (("SrTiO3", {"heat": 1.0}),)
    with pytest.raises(InvalidObservation, match=r"crystal: wanted a material of the pool \(1\), got 'UO2'"):
        Labels.of("crystal", ("BaTiO3",), [{}], [observation({"crystal": "UO2"}, gap=1.0)])


def test_values_that_are_not_known_are_nan_in_the_table() -> None:
    rows = (("a", {"x": 1.0}), ("b", {"x": 2.0, "y": 3.0}))
    assert np.array_equal(table(rows, ("x", "y")), [[1.0, np.nan], [2.0, 3.0]], equal_nan=True)
    assert np.array_equal(table(rows, ("y",), ("c", "b")), [[np.nan], [3.0]], equal_nan=True)
    assert table((), ("x",)).shape == (0, 1)
    assert targets_of(rows, 2) == ("x",) and targets_of(rows, 1) == ("x", "y") and targets_of((), 1) == ()


def test_what_is_known_does_not_depend_on_what_is_kept(tmp_path: Path) -> None:
    def members(directory: Path | None, told: int, learner: Learner | None = None) -> Representation:
        made = learner or Learner(FakeTrainer(), directory, 1)
        return made.representation(labels(20, told), IDS, STRUCTURES)

    alone = [members(None, told) for told in range(0, 26)]
    kept = Learner(FakeTrainer(), tmp_path, 1)
    for told in (25, 3, 0, 14, 14, 25, 11):  # in any order, from memory, from the folder, and from nothing
        for learner in (kept, Learner(FakeTrainer(), tmp_path, 1), None):
            found = members(tmp_path, told, learner)
            assert np.array_equal(found.members, alone[told].members)
            assert np.array_equal(found.places, alone[told].places)
    assert len({one.members.tobytes() for one in alone}) == len(alone)


def test_models_are_fitted_when_the_number_of_labels_says_so_and_warm_starts_begin_at_a_full_training() -> (
    None
):
    trainer = FakeTrainer()
    learner = Learner(trainer, None, 1)
    for told in range(0, 21):
        learner.representation(labels(40, told), IDS, STRUCTURES)
    full = [n for n, _, warm in trainer.fitted if not warm]
    assert full == [40, 60] and [n for n, _, warm in trainer.fitted if warm] == list(range(41, 60))


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    first = Learner(FakeTrainer(), tmp_path, 1).representation(labels(20, 3), IDS, STRUCTURES)
    files = sorted((tmp_path / "joint").iterdir())
    assert {file.suffix for file in files} == {".model", ".pool"}
    for file in files:
        file.write_bytes(file.read_bytes()[:40])
    trainer = FakeTrainer()
    again = Learner(trainer, tmp_path, 1).representation(labels(20, 3), IDS, STRUCTURES)
    assert trainer.fitted and np.array_equal(again.members, first.members)


def test_a_label_counts_before_the_next_training() -> None:
    many = labels(80, 1)
    name, values = many.told[0]
    found = Learner(FakeTrainer(), None, 1).representation(many, IDS, STRUCTURES)
    at = IDS.index(name)
    assert found.labelled[at].all() and found.mean[at, 0] == values["gap"]


def test_too_few_labels_leave_composition() -> None:
    few = labels(FEWEST - 1, 0)
    found = Learner(FakeTrainer(), None, 1).representation(few, IDS, STRUCTURES)
    assert found.targets == () and found.components().shape == (len(IDS), 4)
    assert np.array_equal(found.places, by_composition(IDS, STRUCTURES).places)
    # One property may have enough labels, another not.
    rows = tuple(
        (name, values if k < 5 else {"gap": values["gap"]})
        for k, (name, values) in enumerate(labels(20, 0).seeds)
    )
    assert Learner(FakeTrainer(), None, 1).representation(Labels(rows, ()), IDS, STRUCTURES).targets == (
        "gap",
    )


def test_alike_compositions_are_near_each_other() -> None:
    where = by_composition(IDS, STRUCTURES).components()
    calcium, strontium, niobium = (where[IDS.index(name)] for name in ("CaTiO3", "SrTiO3", "CaNbF3"))
    assert np.linalg.norm(calcium - strontium) < np.linalg.norm(calcium - niobium)


def test_labels_go_where_most_is_not_known_and_not_twice_to_the_same_lesson() -> None:
    whole = known(30, members=3.0)
    spread = np.array([GAP.std(), HEAT.std()])
    open_ = ~whole.labelled.any(axis=1)
    variance = ((whole.epistemic / spread) ** 2).sum(axis=1)
    nobody = np.zeros(0, int)
    chosen = largest_variance(whole, ("gap", "heat"), 5, open_, nobody, spread)
    assert chosen[0].at == np.argmax(np.where(open_, variance, 0)) and chosen[0].value == pytest.approx(
        variance.max()
    )
    assert [c.value for c in chosen] == sorted((c.value for c in chosen), reverse=True)
    assert len({c.at for c in chosen}) == 5 and all(open_[c.at] for c in chosen)
    # A twin of the first one is no second choice.
    first, twin = chosen[0].at, int(np.argmin(np.where(open_, variance, np.inf)))
    members, places = whole.members.copy(), whole.places.copy()
    members[:, twin], places[twin] = members[:, first], places[first]
    twins = Representation(
        IDS, whole.targets, members, np.zeros_like(whole.aleatoric), whole.labelled, places
    )
    after = [c.at for c in largest_variance(twins, ("gap", "heat"), 5, open_, nobody, spread)]
    assert len({first, twin} & set(after)) == 1
    # What is being labelled counts as labelled.
    begun = [c.at for c in largest_variance(twins, ("gap", "heat"), 5, open_, np.array([first]), spread)]
    assert twin not in begun


def test_labels_of_one_reading_look_at_that_reading_only() -> None:
    whole = known(30, members=3.0)
    open_ = ~whole.labelled.any(axis=1)
    for t, reading in enumerate(("gap", "heat")):
        chosen = largest_variance(whole, (reading,), 1, open_, np.zeros(0, int), np.ones(1))
        assert chosen[0].at == np.argmax(np.where(open_, whole.epistemic[:, t], 0))
    few = np.zeros(len(IDS), bool)
    few[[3, 5]] = True
    assert {c.at for c in largest_variance(whole, ("gap",), 9, few, np.zeros(0, int), np.ones(1))} == {3, 5}


def test_the_pool_is_the_one_that_was_made() -> None:
    assert len(POOL) == len(set(IDS)) == 108
