"""Which fidelity is worth its cost."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.acquisition.fidelity import choose_fidelity
from surrogates.models.gp import GP, Columns
from surrogates.models.kernels import Matern52, Recipe, loose_noise, shared_lengths

LEVELS, COSTS = np.array([0.0, 0.5, 1.0]), np.array([1.0, 3.0, 10.0])
TARGET = np.array([0.4, 1.0])


def belief(length: float, U: list[list[float]], noise: float = 1e-3) -> GP:
    """A process of one parameter and the fidelity, whose length scale says how alike the fidelities are."""
    rows = np.array(U)
    columns, recipe = Columns(np.arange(2), np.ones(2, bool)), Recipe(Matern52(), shared_lengths, loose_noise)
    return GP(
        rows, np.zeros(len(rows)), np.zeros(len(rows)), columns, recipe, np.log([0.3, length, noise]), 0.0
    )


def choose(gp: GP, costs: np.ndarray = COSTS, least: float = 0.1) -> int:
    return choose_fidelity(gp, TARGET, np.array([1]), LEVELS, costs, gp.noise, least=least)


def test_cheap_where_the_fidelities_are_alike_and_the_target_where_they_are_not() -> None:
    assert choose(belief(5.0, [[0.9, 1.0]])) == 0
    assert choose(belief(0.1, [[0.9, 1.0]])) == 2
    assert choose(belief(0.1, [[0.9, 1.0]]), np.array([1e-9, 1e-9, 10.0])) == 2
    assert choose(belief(5.0, [[0.9, 1.0]]), np.full(3, 4.0)) == 2


def test_what_is_taken_is_what_the_process_loses() -> None:
    gp = belief(0.8, [[0.9, 1.0], [0.3, 0.0]], noise=0.3)
    X = np.array([[0.4, level] for level in LEVELS])
    before = gp.posterior(TARGET[None])[1][0] ** 2
    taken = [before - gp.condition(x[None]).posterior(TARGET[None])[1][0] ** 2 for x in X]
    for costs in np.random.default_rng(0).uniform(0.2, 5.0, (40, 3)):
        assert choose(gp, costs, least=0.0) == int(np.argmax(taken / costs))


def test_a_cheap_measurement_is_not_repeated_for_ever() -> None:
    gp, chosen = belief(1.0, [[0.9, 1.0]], noise=0.05), []
    for _ in range(30):
        k = choose(gp, np.array([0.1, 3.0, 10.0]))
        chosen.append(k)
        gp = gp.condition(np.array([[0.4, LEVELS[k]]]))
    assert chosen[0] == 0 and 2 in chosen


def test_costs_must_be_positive_and_one_per_level() -> None:
    for costs in (np.array([0.0, 1.0, 2.0]), np.ones(2)):
        with pytest.raises(ValueError, match="positive costs"):
            choose(belief(1.0, [[0.9, 1.0]]), costs)
