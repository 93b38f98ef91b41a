"""Log noisy expected improvement: botorch's function, searched by the planner over any space."""

from __future__ import annotations

import numpy as np
import pytest

from campaigns.space import Space
from surrogates.acquisition.noisy_improvement import LogNoisyExpectedImprovement
from surrogates.planner import Method, Planner
from tests.surrogates.spaces import SCORE, box, mixed, mixture, pool

NEI = Method("optimise", "log_nei")


def told(space: Space, n: int = 8, noise: float = 0.0) -> Planner:
    planner = Planner(space, [SCORE], seed=2)
    rng = np.random.default_rng(0)
    for i, proposal in enumerate(planner.ask(n, Method("explore", "sobol"))):
        numbers = [v for v in proposal.candidate.values() if isinstance(v, float)]
        planner.tell(
            proposal.candidate, -sum((x - 0.3) ** 2 for x in numbers) + noise * rng.normal() + 1e-3 * i
        )
    return planner


@pytest.mark.parametrize("space", [box(2), mixed(), mixture(), pool()])
def test_it_proposes_in_every_kind_of_space(space: Space) -> None:
    for proposal in told(space).ask(2, NEI):
        assert space.violations(proposal.candidate) == []
        assert proposal.acquisition == "log_nei" and proposal.fallback is None
        assert proposal.value is not None and np.isfinite(proposal.value)


def test_the_same_seed_gives_the_same_proposal() -> None:
    assert told(box(2)).ask(1, NEI) == told(box(2)).ask(1, NEI)


def test_the_gradient_is_that_of_the_value() -> None:
    planner = told(box(2), noise=0.05)
    surrogate = planner._believe()
    assert not isinstance(surrogate, str)
    function = LogNoisyExpectedImprovement(seed=1, best=0.5)
    X, along = np.array([[0.21, 0.43], [0.8, 0.6]]), np.array([0, 1])
    value, slope = function.gradient(surrogate.sought, X, along)
    assert value == pytest.approx(function.value(surrogate.sought, X))
    for k in along:
        step = np.zeros(2)
        step[k] = 1e-5
        numeric = (
            function.value(surrogate.sought, X + step) - function.value(surrogate.sought, X - step)
        ) / 2e-5
        assert slope[:, k] == pytest.approx(numeric, rel=1e-3, abs=1e-4)


def test_without_noise_it_agrees_with_the_closed_form_on_where_to_go() -> None:
    """With next to no noise the best result is known, and both improvements mean the same."""
    noisy, plain = told(box(2)).ask(1, NEI)[0], told(box(2)).ask(1, Method("optimise", "log_ei"))[0]
    distance = np.hypot(*(float(noisy.candidate[x]) - float(plain.candidate[x]) for x in ("x0", "x1")))
    assert distance < 0.1
