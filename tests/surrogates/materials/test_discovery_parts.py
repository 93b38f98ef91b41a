"""The parts of the discovery planner: hull of draws, schedule, batches, believed reduction of variance."""

import numpy as np
import pytest

from campaigns.structure import Structure
from surrogates.errors import UnsupportedMethod
from surrogates.materials.discovery.belief import Belief, Said, groups_of
from surrogates.materials.discovery.choose import choose
from surrogates.materials.discovery.reduction import Reduction
from surrogates.materials.discovery.schedule import turn
from surrogates.materials.discovery.spread import elements_first, spread
from surrogates.materials.discovery.squeeze import slope, squeeze, stretch
from surrogates.materials.hull import Entry, Hull
from surrogates.proposal import Method

ELEMENTS = [Entry("Li", {"Li": 1}, -1.0), Entry("O", {"O": 1}, -4.0), Entry("Fe", {"Fe": 1}, -8.0)]


def crystal(n, **counts):
    """A cell of these atoms; `n` makes it another polymorph."""
    species = [symbol for symbol, k in counts.items() for _ in range(k)]
    frac = [[(0.37 * k) % 1, (0.11 * k * k) % 1, 0.02 * n] for k in range(len(species))]
    edge = 3.0 * len(species) ** (1 / 3)
    return Structure.from_json(
        {"lattice": [[edge, 0, 0], [0, edge, 0], [0, 0, edge]], "species": species, "frac": frac}
    )


def belief(structures, decomposition, epistemic, aleatoric, *, hull=None, deviations=None, places=None):
    """Standard deviations as they are near the hull; further away they are worth more eV."""
    hull = hull or Hull(ELEMENTS)
    n = len(structures)
    ground = hull.references([s.counts for s in structures])
    epistemic = np.broadcast_to(np.asarray(epistemic, float), (n,)).copy()
    if deviations is None:
        rng = np.random.default_rng([7, n])
        deviations = rng.standard_normal((8, n))
        deviations = (deviations - deviations.mean(0)) / deviations.std(0) * epistemic
    said = Said(
        {f"c{k}": k for k in range(n)}, squeeze(np.asarray(decomposition, float)), epistemic,
        np.broadcast_to(np.asarray(aleatoric, float), (n,)).copy(), deviations,
        np.zeros((n, 1)) if places is None else np.asarray(places, float), np.zeros(n), np.zeros(n),
    )  # fmt: skip
    return Belief(tuple(structures), said, ground, ground, groups_of(structures))


def picked(found):
    return [choice.at for choice in found]


def chosen(of, n, name, mode="optimise", *, hull=None, begun=(), beta="auto", per_composition=2):
    hull = hull or Hull(ELEMENTS)
    method = Method(mode=mode, name=name, beta=beta)
    rng = np.random.default_rng([1, 2])
    return choose(of, n, method, hull=hull, rng=rng, begun=begun, per_composition=per_composition)


# -- when to train ---------------------------------------------------------------------------------------------------
def test_the_schedule_never_learns_from_what_is_not_told_and_trains_at_most_twice():
    for seeds in (0, 1, 4, 40, 377):
        last = (0, 0)
        for told in range(200):
            full, warm = turn(seeds, told)
            assert 0 <= full <= warm <= told
            assert (full, warm) >= last, "more labels never lead back to an earlier training"
            assert seeds + told < 1.5 * (seeds + full) + 1 or seeds + full <= 1
            assert told - warm < max(1, round(0.025 * (seeds + full)))
            last = (full, warm)


def test_who_asks_for_a_batch_has_every_label_learned_from():
    assert turn(400, 23, 20) == (0, 23) and turn(400, 23, 1) == (0, 20) and turn(400, 220, 20) == (200, 220)


def test_the_schedule_of_one_after_another():
    assert [tuple(turn(400, told)) for told in (0, 9, 10, 20, 29, 199, 200)] == [
        (0, 0), (0, 0), (0, 10), (0, 20), (0, 20), (0, 190), (200, 200)
    ]  # fmt: skip


# -- probability -----------------------------------------------------------------------------------------------------
def test_the_probability_is_that_of_lying_below_the_hull():
    of = belief([crystal(0, Li=1, O=1)] * 3, [-0.02, 0.0, 0.03], 0.03, 0.04)
    drawn = np.random.default_rng([3]).normal(of.said.level[:, None], 0.05, (3, 20000))
    np.testing.assert_allclose(of.below(of.hull), (stretch(drawn) < 0).mean(1), atol=0.01)
    np.testing.assert_allclose(of.below(of.hull + 0.03)[2], 0.5, atol=1e-9)


def test_probability_prefers_the_certain_to_the_deep_and_ucb_without_sd_does_not():
    of = belief([crystal(0, Li=1, Fe=1), crystal(0, O=1, Fe=1)], [-0.02, -0.03], [0.002, 0.2], [0.002, 0.2])
    assert picked(chosen(of, 1, "probability")) == [0]
    assert picked(chosen(of, 1, "ucb", beta=0.0)) == [1]


def test_ucb_without_sd_ignores_the_sd_and_with_it_does_not():
    of = belief([crystal(0, Li=1, Fe=1), crystal(0, O=1, Fe=1)], [-0.02, -0.01], [0.001, 0.2], 0.001)
    assert picked(chosen(of, 2, "ucb", beta=0.0)) == [0, 1]
    assert picked(chosen(of, 2, "ucb", beta=2.0)) == [1, 0]


def test_thompson_follows_the_members():
    structures = [crystal(0, Li=1, Fe=1), crystal(0, O=1, Fe=1)]
    of = belief(structures, [0.0, 0.0], 0.1, 0.001, deviations=np.array([[0.1, -0.1], [-0.1, 0.1]]))
    seen = {
        picked(choose(of, 1, Method(name="thompson"), hull=Hull(ELEMENTS), rng=np.random.default_rng([k])))[0]
        for k in range(20)
    }
    assert seen == {0, 1}


@pytest.mark.parametrize("name", ["log_ei", "parego"])
def test_a_method_that_seeks_no_hull_is_refused_by_name(name):
    with pytest.raises(UnsupportedMethod, match=name):
        chosen(belief([crystal(0, Li=1, Fe=1)], [0.0], 0.1, 0.1), 1, name)


# -- batches ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["probability", "ucb", "thompson"])
def test_a_batch_has_few_polymorphs_of_one_composition(name):
    structures = [crystal(k, Li=1, O=1) for k in range(10)] + [crystal(k, Fe=1, O=1) for k in range(3)]
    of = belief(structures, [-0.2] * 10 + [0.01] * 3, 0.01, 0.01)
    found = picked(chosen(of, 4, name))
    assert sum(at < 10 for at in found) == 2 and len(set(found)) == 4
    found = picked(chosen(of, 13, name))
    assert sorted(found) == list(range(13)), "a batch is filled with more of each rather than cut short"


@pytest.mark.parametrize("name", ["probability", "ucb"])
def test_what_is_being_measured_counts_for_its_composition_and_is_not_asked_again(name):
    structures = [crystal(k, Li=1, O=1) for k in range(4)] + [crystal(0, Fe=1, O=1)]
    of = belief(structures, [-0.2, -0.2, -0.2, -0.2, 0.01], 0.01, 0.01)
    assert picked(chosen(of, 1, name, begun=(0, 1))) == [4]


def test_a_batch_sees_the_hull_as_those_chosen_before_are_believed_to_make_it():
    of = belief(
        [crystal(0, Li=1, O=1), crystal(0, Li=2, O=1), crystal(0, Fe=1, O=1)], [-0.3, -0.1, -0.05], 0, 0
    )
    found = chosen(of, 3, "ucb", beta=0.0)
    assert picked(found) == [0, 2, 1], "beside LiO, Li2O is no longer below the hull"
    assert found[2].value == pytest.approx(-0.1, abs=1e-6)
    assert found[2].hull == pytest.approx(of.hull[1] - 0.2, abs=1e-6)


# -- learning --------------------------------------------------------------------------------------------------------
def test_a_twin_of_what_is_chosen_is_left_for_later():
    structures = [crystal(k, Li=1 + k, O=1) for k in range(4)]
    places = [[0.0], [0.001], [5.0], [9.0]]
    of = belief(structures, [0.0] * 4, [0.2, 0.199, 0.1, 0.12], 0.01, places=places)
    assert picked(chosen(of, 3, "variance", "learn")) == [0, 3, 2]


def test_the_believed_reduction_is_that_of_a_gaussian_process():
    rng = np.random.default_rng([4])
    n = 12
    structures = [crystal(k, Li=1 + k, O=1) for k in range(n)]
    of = belief(
        structures,
        np.zeros(n),
        rng.uniform(0.05, 0.2, n),
        rng.uniform(0.01, 0.05, n),
        places=rng.random((n, 3)),
    )
    reduction = Reduction(of)
    alike = reduction._alike(np.arange(n))
    prior = of.epistemic[:, None] * alike * of.epistemic
    taken = []
    for step in range(4):
        posterior = prior
        if taken:
            inner = prior[np.ix_(taken, taken)] + np.diag(of.aleatoric[taken] ** 2)
            posterior = prior - prior[:, taken] @ np.linalg.solve(inner, prior[taken])
        gain = (posterior**2).sum(1) / (np.diag(posterior) + of.aleatoric**2) / np.diag(posterior).sum()
        for integrated, wanted in ((False, np.diag(posterior)), (True, gain)):
            at, value = reduction.best(integrated=integrated)
            wanted = np.delete(wanted, taken)
            assert value == pytest.approx(wanted.max(), rel=1e-6), (step, integrated)
        reduction.take(at)
        taken.append(at)


def test_the_squeezed_scale_is_the_energy_near_the_hull_and_can_be_undone():
    energy = np.array([-3.0, -0.5, -0.01, 0.0, 0.001, 0.2, 4.0])
    np.testing.assert_allclose(stretch(squeeze(energy)), energy, rtol=1e-12)
    np.testing.assert_allclose(squeeze(np.array([0.01])), [0.01], rtol=2e-3)
    step = 1e-7
    level = squeeze(energy)
    np.testing.assert_allclose(
        slope(level), (stretch(level + step) - stretch(level - step)) / (2 * step), rtol=1e-6
    )
    assert np.isfinite(stretch(np.array([1e9, -1e9]))).all()


def test_learning_ignores_stability():
    of = belief(
        [crystal(0, Li=1, O=1), crystal(0, Li=2, O=1)], [-0.5, 3.0], [0.01, 0.3], 0.01, places=[[0.0], [1.0]]
    )
    for name in ("variance", "integrated_variance"):
        assert picked(chosen(of, 1, name, "learn")) == [1]


# -- without a model -------------------------------------------------------------------------------------------------
def test_spreading_takes_each_composition_once_before_a_second_polymorph():
    structures = {f"a{k}": crystal(k, Li=1, O=1) for k in range(20)}
    structures |= {f"b{k}": crystal(0, Li=k + 2, O=1) for k in range(4)}
    ids = list(structures)
    found = spread(ids, structures, 5, design="sobol", rng=np.random.default_rng([1]))
    assert len({structures[id].formula for id in found}) == 5
    drawn = [spread(ids, structures, 5, design="random", rng=np.random.default_rng([k])) for k in range(50)]
    assert np.mean([sum(id[0] == "a" for id in ids) for ids in drawn]) == pytest.approx(5 * 20 / 24, abs=0.5)


def test_elements_without_an_energy_come_first_the_smallest_cell_of_each():
    structures = {
        "big": crystal(0, Fe=4), "small": crystal(0, Fe=1), "O": crystal(0, O=2), "x": crystal(0, Fe=1, O=1),
        "Li": crystal(0, Li=1),
    }  # fmt: skip
    ids = list(structures)
    assert elements_first(ids, structures, (), ()) == ["small", "Li", "O"]
    assert elements_first(ids, structures, ("O",), ("big",)) == ["Li"]
