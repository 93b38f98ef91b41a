"""Every method, goal and model: an answer inside the space whatever was told, the same for the same tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from campaigns.cost import Cost
from campaigns.fidelity import Fidelity
from campaigns.history import History
from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.plan import METHODS, PARETO_METHODS, PERSON, ROUTE_METHODS
from campaigns.space import Categorical, Continuous, Integer, Space, Table, Value
from campaigns.surrogate_choice import SurrogateChoice
from surrogates import pool as pool_search
from surrogates.planner import Method, Planner
from surrogates.sampling import Sampler, design
from tests.surrogates.spaces import pool

MIXED = Space(
    parameters=(
        Continuous(name="a", low=0.0, high=1.0),
        Continuous(name="b", low=0.01, high=1.0, scale="log"),
        Categorical(name="c", choices=("p", "q", "r")),
        Integer(name="k", low=1, high=9),
        Continuous(name="wet", low=0.0, high=1.0, role="context"),
    )
)
LISTED = pool(60, 3)
ONE = (Objective(name="y", direction="maximise"),)
TWO = (Objective(name="y", direction="maximise"), Objective(name="z", direction="minimise"))
WISHES = (
    Objective(name="y", direction="maximise", worst=-2.0, best=0.0),
    Objective(name="z", direction="match", target=0.4, tolerance=0.5),
)
RANKED = (Objective(name="y", direction="maximise", tolerance=0.2), Objective(name="z", direction="minimise"))
PHASES = "phase_boundary"

SINGLE = [
    Method(mode, name, level=-0.5 if name == "straddle" else None)
    for mode, names in METHODS.items()
    for name in names
    if name
    # Of being on the convex hull: surrogates.materials.discovery; of routes: surrogates.synthesis.
    not in (*PARETO_METHODS, *ROUTE_METHODS, "probability", PERSON)
]
PARETO = [Method("optimise", name) for name in PARETO_METHODS] + [Method("learn", "integrated_variance")]
ASKED: dict[str, tuple[tuple[Objective, ...], dict[str, Any], Method]] = {
    **{f"one {m.name}": (ONE, {}, m) for m in SINGLE},
    **{f"pareto {m.name}": (TWO, {"goal": "pareto"}, m) for m in PARETO},
    **{
        f"wishes {n}": (WISHES, {"goal": "desirability"}, Method("optimise", n))
        for n in ("ucb", "log_ei", "thompson")
    },
    **{f"ranked {n}": (RANKED, {"goal": "hierarchy"}, Method("optimise", n)) for n in ("ucb", "log_ei")},
    "match": ((Objective(name="y", direction="match", target=-0.3),), {}, Method("optimise", "log_ei")),
    "bounded": (
        ONE,
        {"outcome_constraints": (OutcomeConstraint(name="z", at_most=0.3),)},
        Method("optimise", "log_ei"),
    ),
    "out of reach": (ONE, {"outcome_constraints": (OutcomeConstraint(name="z", at_least=1e6),)}, Method()),
    "scheduled": (ONE, {}, Method("optimise", "ucb", beta="scheduled")),
    "near the best": (ONE, {}, Method("optimise", "ucb", trust_region="on")),
    **{
        f"{model} {m.name}": (ONE, {"surrogate": SurrogateChoice(model=model)}, m)
        for model in ("forest", "trees", "saas", "auto")
        for m in (Method(), Method("learn", "integrated_variance"))
    },
    **{
        noise: (ONE, {"surrogate": SurrogateChoice(noise=noise)}, Method("optimise", "log_ei"))
        for noise in ("robust", "heteroscedastic")
    },
}


def truth(candidate: Mapping[str, Value], *, labels: bool = False) -> dict[str, float]:
    x = [float(v) for v in candidate.values() if not isinstance(v, str)]
    y = -sum((v - 0.4) ** 2 for v in x[:2])
    return {"y": float(y > -0.1) if labels else y, "z": abs(x[0] - 0.8)}


def told(space: Space, name: str, n: int = 9) -> Planner:
    objectives, more, method = ASKED[name]
    planner = Planner(space, objectives, seed=3, **more)
    for candidate in design(space, n, seed=0):
        planner.tell(candidate, truth(candidate, labels=method.name == PHASES))
    return planner


def text(planner: Planner, method: Method, n: int = 2) -> str:
    return json.dumps([proposal.to_json() for proposal in planner.ask(n, method)], allow_nan=False)


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("space", [MIXED, LISTED], ids=["mixed", "listed"])
def test_the_same_tells_give_the_same_candidates_of_the_space(space: Space, name: str) -> None:
    method = ASKED[name][2]
    first, second = told(space, name), told(space, name)
    said = text(first, method)
    assert said == text(second, method)
    proposals = json.loads(said)
    assert [p["fallback"] for p in proposals] == [None, None]
    assert all(space.violations(p["candidate"]) == [] for p in proposals)
    assert proposals[0]["candidate"] != proposals[1]["candidate"]
    if method.mode != "explore":
        assert all(p["acquisition"] == method.name and np.isfinite(p["value"]) for p in proposals)
        assert all(set(p["sensitivity"]) == {q.name for q in space.free} for p in proposals)
        assert set(proposals[0]["predictions"]) == set(first.aim.readings)


def constant(c: Mapping[str, Value]) -> dict[str, float]:
    return {"y": 1.0, "z": 1.0}


def huge(c: Mapping[str, Value]) -> dict[str, float]:
    return {name: 1e300 * value for name, value in truth(c).items()}


ODD: dict[str, tuple[int, Callable[[Mapping[str, Value]], dict[str, float]]]] = {
    "one result": (1, truth),
    "two": (2, truth),
    "constant": (6, constant),
    "huge": (6, huge),
}


@pytest.mark.parametrize("name", [n for n in ASKED if not n.startswith("one " + PHASES)])
@pytest.mark.parametrize("odd", ODD)
def test_an_answer_comes_whatever_was_told(name: str, odd: str) -> None:
    objectives, more, method = ASKED[name]
    n, measure = ODD[odd]
    planner = Planner(MIXED, objectives, seed=3, **more)
    for candidate in design(MIXED, n, seed=0):
        planner.tell(candidate, measure(candidate))
        planner.tell(candidate, measure(candidate))
    for proposal in planner.ask(2, method):
        assert MIXED.violations(proposal.candidate) == []
    planner.tell(design(MIXED, 1, seed=0, index=n)[0], None, failed=True)
    assert MIXED.violations(planner.ask(1, method)[0].candidate) == []


# -- what is measured but not chosen ----------------------------------------------------------------------------
def test_candidates_are_chosen_for_the_context_that_was_measured_last() -> None:
    """The best `a` is where it is as wet: what the context is now decides what to try."""
    space = Space(
        parameters=(
            Continuous(name="a", low=0.0, high=1.0),
            Continuous(name="wet", low=0.0, high=1.0, role="context"),
        )
    )
    planner = Planner(space, ONE, seed=0)
    rng = np.random.default_rng(0)
    for a, wet in rng.random((30, 2)).tolist():
        planner.tell({"a": a, "wet": wet}, -((a - wet) ** 2))
    for now in (0.2, 0.8):
        planner.tell({"a": 0.5, "wet": now}, -((0.5 - now) ** 2))
        chosen = planner.ask(1, Method("optimise", "ucb", beta=0.0))[0].candidate
        assert chosen["wet"] == pytest.approx(now) and chosen["a"] == pytest.approx(now, abs=0.1)


# -- cost -------------------------------------------------------------------------------------------------------
def test_of_two_equally_good_the_cheap_one_is_tried() -> None:
    space = Space(
        parameters=(Continuous(name="a", low=0.0, high=1.0), Continuous(name="b", low=0.0, high=1.0))
    )
    cost = Cost(base=1.0, per=(("b", 50.0),))
    chosen = []
    for stated in (None, cost):
        planner = Planner(space, ONE, seed=0, cost=stated)
        for candidate in design(space, 12, seed=1):
            planner.tell(candidate, -((float(candidate["a"]) - 0.5) ** 2))
        proposals = planner.ask(3, Method("learn", "variance"))
        chosen.append(np.mean([float(p.candidate["b"]) for p in proposals]))
        assert (proposals[0].cost is None) == (stated is None)
    assert chosen[1] < chosen[0] - 0.2


def test_what_is_dear_to_change_stays_as_it_was_where_that_costs_little() -> None:
    space = Space(
        parameters=(Continuous(name="a", low=0.0, high=1.0), Continuous(name="b", low=0.0, high=1.0))
    )
    cost = Cost(base=1.0, changes=(("b", 200.0),))
    planner = Planner(space, ONE, seed=0, cost=cost)
    for candidate in design(space, 10, seed=1):
        planner.tell(candidate, -((float(candidate["a"]) - 0.5) ** 2))
    before = planner.observations.rows[-1].candidate
    proposals = planner.ask(3, Method("optimise", "log_ei"))
    assert [p.candidate["b"] for p in proposals] == [before["b"]] * 3
    assert len({p.candidate["a"] for p in proposals}) == 3


@pytest.mark.parametrize("name", ["ucb", "thompson"])
def test_a_batch_of_a_list_is_ranked_anew_where_the_ranking_changes_from_one_to_the_next(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a row was worth under another draw, or before another experiment, is no bound on what it is worth now."""
    monkeypatch.setattr(pool_search, "SCREENED", 4)  # a list that is longer than what is looked at together
    rows = tuple((x, y) for x in (0.0, 0.5, 1.0) for y in np.linspace(0, 1, 20).tolist())
    axes = (Continuous(name="x", low=0.0, high=1.0), Continuous(name="y", low=0.0, high=1.0))
    space = Space(parameters=axes, allowed=Table(columns=("x", "y"), rows=rows))
    cost = Cost(base=1.0, changes=(("x", 20.0),)) if name == "ucb" else None
    planner, other = (Planner(space, ONE, seed=0, cost=cost) for _ in range(2))
    for each in (planner, other):
        for candidate in design(space, 5, seed=1):
            each.tell(candidate, truth(candidate))
    batch = [p.candidate for p in planner.ask(4, Method("optimise", name))]
    assert batch == [other.ask(1, Method("optimise", name))[0].candidate for _ in range(4)]


# -- fidelity ---------------------------------------------------------------------------------------------------
def test_a_cheap_fidelity_is_used_and_the_best_is_that_of_the_target() -> None:
    """Two cheap results say how much they tell of the target; then they are taken where they tell enough."""
    space = Space(
        parameters=(Continuous(name="a", low=0.0, high=1.0), Continuous(name="f", low=0.0, high=1.0))
    )
    more: dict[str, Any] = {
        "cost": Cost(base=1.0, per=(("f", 30.0),)),
        "fidelity": Fidelity(parameter="f", target=1.0),
    }

    def measure(a: float, f: float) -> float:
        return float(np.sin(12 * a) * a - 0.05 * (1 - f) * np.cos(5 * a))

    for name in ("ucb", "log_ei", "knowledge_gradient"):
        planner = Planner(space, ONE, seed=0, **more)
        for a, f in ((0.1, 1.0), (0.5, 1.0), (0.9, 1.0), (0.3, 0.0), (0.7, 0.0)):
            planner.tell({"a": a, "f": f}, measure(a, f))
        fidelities = []
        for _ in range(10):
            proposal = planner.ask(1, Method("optimise", name))[0]
            a, f = float(proposal.candidate["a"]), float(proposal.candidate["f"])
            fidelities.append(f)
            planner.tell(proposal.candidate, measure(a, f))
        assert min(fidelities) < 0.5, f"{name}: cheap measurements that tell of the target are made"
        grid = np.linspace(0, 1, 201)
        mean = planner.predict([{"a": a, "f": 1.0} for a in grid.tolist()])[0]
        best = grid[int(np.argmax([measure(a, 1.0) for a in grid]))]
        assert grid[int(np.argmax(mean))] == pytest.approx(best, abs=0.05), name


# -- history ----------------------------------------------------------------------------------------------------
def past(related: bool, n: int = 25, scale: float = 3.0) -> History:
    space = Space(
        parameters=(Continuous(name="a", low=0.0, high=1.0), Continuous(name="b", low=0.0, high=1.0))
    )
    rows = tuple((float(c["a"]), float(c["b"])) for c in design(space, n, seed=5))
    values = tuple((-scale * ((a - 0.3) ** 2 + (b - 0.7) ** 2) + 5.0,) for a, b in rows)
    return History(name="old", columns=("a", "b"), rows=rows, results=("y",), values=values, related=related)


def test_history_of_the_same_set_up_counts_as_results_and_is_not_measured_again() -> None:
    space = Space(
        parameters=(Continuous(name="a", low=0.0, high=1.0), Continuous(name="b", low=0.0, high=1.0))
    )
    planner = Planner(space, ONE, seed=0, history=(past(related=False),))
    assert planner.diagnose().n == 25
    best = planner.ask(1, Method("optimise", "ucb", beta=0.0))[0]
    assert best.candidate["a"] == pytest.approx(0.3, abs=0.1) and best.n_observed == 25


def test_related_history_leads_the_first_proposal_and_results_overrule_it() -> None:
    space = Space(
        parameters=(Continuous(name="a", low=0.0, high=1.0), Continuous(name="b", low=0.0, high=1.0))
    )
    planner = Planner(space, ONE, seed=0, history=(past(related=True),))
    first = planner.ask(1, Method("optimise", "ucb", beta=0.0))[0]
    assert first.fallback is None and "history" in first.model
    assert first.candidate["a"] == pytest.approx(0.3, abs=0.1)
    assert first.candidate["b"] == pytest.approx(0.7, abs=0.1)
    for candidate in design(space, 14, seed=1):  # here it is the other way round
        planner.tell(candidate, (float(candidate["a"]) - 0.3) ** 2 + (float(candidate["b"]) - 0.7) ** 2)
    later = planner.ask(1, Method("optimise", "ucb", beta=0.0))[0]
    assert "set aside" in later.model
    assert float(later.candidate["a"]) > 0.8 and float(later.candidate["b"]) < 0.2


# -- partial results --------------------------------------------------------------------------------------------
def test_a_result_that_lacks_one_reading_teaches_the_other() -> None:
    space = Space(parameters=(Continuous(name="a", low=0.0, high=1.0),))
    planner = Planner(space, TWO, seed=0, goal="pareto")
    for a in np.linspace(0, 1, 5).tolist():
        planner.tell({"a": a}, {"y": a, "z": a})
    mean = planner.predict([{"a": 0.6}], "z")[0]
    planner.tell({"a": 0.6}, {"y": None, "z": 4.0})
    assert planner.predict([{"a": 0.6}], "z")[0] > mean + 1.0
    assert planner.predict([{"a": 0.6}], "y")[0] == pytest.approx(0.6, abs=0.1)
    assert planner.ask(1, Method("optimise", "log_nehvi"))[0].fallback is None


def test_a_reading_that_nobody_wants_is_no_result() -> None:
    planner = Planner(LISTED, ONE, seed=0)
    candidate = Sampler(LISTED).design(1, seed=0)[0]
    with pytest.raises(ValueError, match="no value for y"):
        planner.tell(candidate, {"other": 1.0})


# -- constraints that no result meets yet -------------------------------------------------------------------------
def test_before_any_result_meets_the_constraints_the_search_goes_towards_them() -> None:
    space = Space(
        parameters=(Continuous(name="a", low=0.0, high=1.0), Continuous(name="b", low=0.0, high=1.0))
    )
    bound = (OutcomeConstraint(name="z", at_least=0.95),)
    planner = Planner(space, ONE, seed=0, outcome_constraints=bound)

    def measure(c: Mapping[str, Value]) -> dict[str, float]:
        a, b = float(c["a"]), float(c["b"])
        return {"y": -a, "z": float(np.exp(-8 * ((a - 0.8) ** 2 + (b - 0.2) ** 2)))}

    for candidate in design(space, 6, seed=2):
        planner.tell(candidate, measure(candidate))
    assert max(row.values["z"] for row in planner.observations.rows) < 0.9
    met, chances = [], []
    for _ in range(12):
        proposal = planner.ask(1, Method("optimise", "log_ei"))[0]
        planner.tell(proposal.candidate, measure(proposal.candidate))
        met.append(measure(proposal.candidate)["z"] >= 0.95)
        chances.append(proposal.feasible)
    assert any(met)
    assert chances[0] is not None and chances[0] < 0.5, "how likely it is to meet them is said from the first"
    assert planner.ask(1, Method("optimise", "log_ei"))[0].feasible > 0.3  # type: ignore[operator]
