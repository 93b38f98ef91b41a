"""Asks over (material, process): nothing better is left lying in the pool, uncertainties add up, what is required
weighs, and every method answers."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from campaigns.cost import Cost
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.space import Categorical, Integer, LinearConstraint, Space
from surrogates.acquisition.confidence_bound import UpperConfidenceBound
from surrogates.joint import search as joint_search
from surrogates.joint.members import Members
from surrogates.joint.planner import JointPlanner
from surrogates.joint.representation import Representation
from surrogates.joint.search import JointSearch
from surrogates.models import exact
from surrogates.planner import Method
from surrogates.region import Region
from tests.surrogates.joint.crystals import IDS, STRUCTURES, aim, known, places, space, truth


def planner(
    told: int = 12, *, seed: int = 4, representation: Representation | None = None, **more: Any
) -> JointPlanner:
    made = JointPlanner(more.pop("aim", aim()), "crystal", representation or known(), seed=seed, **more)
    rng = np.random.default_rng(7)
    for _ in range(told):
        candidate = {
            "anneal": float(rng.uniform(300, 700)), "crystal": str(rng.choice(IDS)), "time": float(rng.uniform(1, 5)),
        }  # fmt: skip
        made.tell(candidate, truth(candidate), sigma=0.1)
    return made


@pytest.mark.parametrize("beta", [0.0, 2.0])
def test_no_material_at_any_process_of_a_fine_grid_is_better_than_the_one_asked_for(beta: float) -> None:
    made = planner()
    found = made.ask(1, Method(name="ucb", beta=beta))[0]
    encoder, knowledge = made._sampler.encoder, made._knowledge
    rows = [
        {"anneal": a, "crystal": c, "time": t}
        for a, c, t in itertools.product(np.linspace(300, 700, 21), IDS, np.linspace(1, 5, 9))
    ]
    values = UpperConfidenceBound(beta).value(knowledge.sought, encoder.unit(encoder.codes(rows)))
    assert found.value >= values.max() - 1e-6 and found.fallback is None
    at = UpperConfidenceBound(beta).value(knowledge.sought, encoder.unit(encoder.codes([found.candidate])))
    assert at[0] == pytest.approx(found.value)


def test_few_processes_for_all_and_the_rest_for_the_best_lose_little(monkeypatch: pytest.MonkeyPatch) -> None:
    made, method = planner(), Method(name="ucb", beta=2.0)
    whole = made.ask(1, method)[0].value
    monkeypatch.setattr(joint_search, "WORK", 1.0)
    monkeypatch.setattr(joint_search, "SHORTLIST", 20)
    monkeypatch.setattr(joint_search, "REFINED", 10)
    short = planner().ask(1, method)[0].value
    assert whole is not None and short == pytest.approx(whole, abs=0.05)


def test_every_material_is_looked_at() -> None:
    made = planner(2)
    search = made._search
    assert isinstance(search, JointSearch)
    seen: set[float] = set()

    class Watching(UpperConfidenceBound):
        def value(self, belief: Any, X: Any) -> Any:
            seen.update(made.axis.found(X[:, made._columns]).tolist())
            return super().value(belief, X)

    made.ask(1, Method("explore", "sobol"))
    knowledge = made._believe()
    empty = np.zeros((0, 3))
    search.best(Watching(2.0), knowledge.sought, empty, empty, np.random.default_rng(0))
    assert seen == set(range(len(IDS)))


def test_a_batch_has_no_two_alike_and_the_same_request_has_the_same_answer() -> None:
    method = Method(name="ucb", beta=2.0)
    batch = planner().ask(6, method)
    keys = {tuple(sorted(p.candidate.items())) for p in batch}
    assert len(keys) == 6 and all(space().violations(p.candidate) == [] for p in batch)
    again = [p.candidate for p in planner().ask(6, method)]
    assert again == [p.candidate for p in batch]
    # A batch is believed, point by point: asked singly with the others pending it is the same.
    other = planner()
    singly = [other.ask(1, method)[0].candidate["crystal"] for _ in range(3)]
    assert len({p.candidate["crystal"] for p in batch}) > 1 and singly[0] == batch[0].candidate["crystal"]


def test_what_is_pending_is_believed_to_give_what_all_members_expect_together() -> None:
    sought = planner()._believe().sought
    X = sought.U[:3] + 0.01
    told = sought.condition(X)
    assert np.allclose(
        told.posterior(sought.U)[0], sought.condition(X, sought.posterior(X)[0]).posterior(sought.U)[0]
    )
    assert (told.posterior(X)[1] < sought.posterior(X)[1]).all() and len(told.U) == len(sought.U) + 3


def test_only_the_measured_candidate_is_avoided_not_its_material() -> None:
    made = planner(0)
    best = max(
        ({"anneal": a, "crystal": c, "time": 2.0} for a in range(300, 701, 20) for c in IDS),
        key=lambda c: truth(c),
    )
    for shift in (-100.0, 0.0, 100.0):
        candidate = best | {"anneal": min(max(best["anneal"] + shift, 300.0), 700.0)}
        made.tell(candidate, truth(candidate), sigma=0.01)
    found = made.ask(1, Method(name="ucb", beta=0.0))[0].candidate
    assert found["crystal"] == best["crystal"] and found != best


def widened(whole: Representation, id: str, by: float) -> Representation:
    """With members that differ `by` times as much about one material."""
    members, k = whole.members.copy(), whole.ids.index(id)
    members[:, k] = members[:, k].mean(axis=0) + by * (members[:, k] - members[:, k].mean(axis=0))
    return replace(whole, members=members)


def test_what_is_not_known_of_a_material_adds_to_the_uncertainty() -> None:
    whole = known(30)
    films = {row.candidate["crystal"] for row in planner(60).observations.rows}
    free = [k for k, id in enumerate(IDS) if id not in films and not whole.labelled[k].any()]
    wide = max(free, key=lambda k: float((whole.unit().std(axis=0)[k] ** 2).sum()))
    candidate = {"anneal": 500.0, "crystal": IDS[wide], "time": 2.0}
    sds, shares = [], []
    for by in (0.0, 3.0, 10.0):
        made = planner(60, representation=widened(whole, IDS[wide], by))
        parts, sd = made.parts(candidate), float(made.predict([candidate])[1][0])
        assert parts is not None and parts.material**2 + parts.process**2 == pytest.approx(sd**2)
        sds.append(sd)
        shares.append((parts.material / sd) ** 2)
    assert min(sds[1:]) > 1.05 * sds[0]
    assert shares[0] < 0.01 and min(shares[1:]) > 5 * shares[0]


def test_labels_leave_nothing_that_the_members_do_not_agree_on() -> None:
    made = planner(representation=known(len(IDS)))
    parts = made.parts({"anneal": 500.0, "crystal": IDS[3], "time": 2.0})
    assert parts is not None and parts.material < 1e-9 < parts.process
    assert planner(0).parts({"anneal": 500.0, "crystal": IDS[0], "time": 2.0}) is None


def test_each_member_has_a_model_of_what_it_says_itself() -> None:
    made = planner(30)
    sought, encoder = made._believe().sought, made._sampler.encoder
    assert isinstance(sought, Members) and len(sought.models) == 4
    units = made.axis.known.unit()
    for k, (view, model) in enumerate(zip(sought.views, sought.models, strict=True)):
        seen = view.of(encoder.unit(encoder.codes([{"anneal": 400.0, "crystal": IDS[9], "time": 2.0}])))
        assert seen.shape == (1, 6) and np.allclose(seen[0, 1:3], units[k, 9])
        assert np.array_equal(model.U, view.of(sought.U))
    # Moments by the laws of total expectation and variance, their slopes by differences.
    X = encoder.unit(encoder.codes([row.candidate for row in made.observations.rows[:8]]))
    X[:, 0] = np.linspace(0.1, 0.9, 8)
    each = [m.posterior(v.of(X)) for m, v in zip(sought.models, sought.views, strict=True)]
    means, sds = np.array([e[0] for e in each]), np.array([e[1] for e in each])
    mean, sd, mean_slope, sd_slope = sought.posterior_gradient(X, encoder.continuous_columns)
    assert np.allclose(mean, means.mean(axis=0)) and np.allclose(
        sd**2, (sds**2).mean(axis=0) + means.var(axis=0)
    )
    assert np.allclose(sum(sought.parts(X)), sd**2)
    for k, column in enumerate(encoder.continuous_columns):
        up, down = X.copy(), X.copy()
        up[:, column] += 1e-5
        down[:, column] -= 1e-5
        (a, b), (c, d) = sought.posterior(up), sought.posterior(down)
        assert np.allclose(mean_slope[:, k], (a - c) / 2e-5, atol=1e-4)
        assert np.allclose(sd_slope[:, k], (b - d) / 2e-5, atol=1e-4)
    assert np.allclose(np.diag(sought.covariance(X, X)), sd**2)


def test_a_draw_is_a_function_of_one_member_and_draws_have_the_moments_of_all() -> None:
    sought = planner(8)._believe().sought
    view = sought.views[0]
    against = exact.fit(view.of(sought.U), -sought.z, np.zeros(8), sought.models[0].columns)
    both = Members([sought.models[0], against], [view, view], sought.U)
    X = sought.U[:6]
    drawn = np.array([both.sample(seed)(X) for seed in range(1500)])
    mean, sd = both.posterior(X)
    assert np.allclose(drawn.mean(axis=0), mean, atol=4 * sd.max() / 1500**0.5)
    assert np.allclose(drawn.std(axis=0), sd, rtol=0.12)
    assert np.array_equal(both.sample(3)(X), both.sample(3)(X))


def test_a_film_of_a_material_says_what_films_of_it_are_like_however_little_is_known_of_it() -> None:
    whole = known(10, members=6.0)
    wide = IDS[max(range(len(IDS)), key=lambda k: whole.epistemic[k].sum())]
    made = planner(representation=whole)
    near = {"anneal": 505.0, "crystal": wide, "time": 2.0}
    before = made.predict([near])[1][0]
    made.tell(near | {"anneal": 500.0}, 3.0, sigma=0.01)
    assert made.predict([near])[1][0] < 0.6 * before


def test_what_is_required_of_a_material_weighs_and_is_said() -> None:
    heats = known(len(IDS)).mean[:, 1]
    free = planner(14, representation=known(len(IDS))).ask(1, Method(name="ucb", beta=0.0))[0]
    limit = float(heats[IDS.index(free.candidate["crystal"])])
    inside = limit + 0.01 > np.median(heats)
    bound = OutcomeConstraint(
        name="heat", **({"at_most": limit - 0.01} if inside else {"at_least": limit + 0.01})
    )
    for name in ("ucb", "log_ei"):
        made = planner(14, representation=known(len(IDS)), required=[("heat", bound)])
        found = made.ask(3, Method(name=name, beta=0.0))
        assert all(p.fallback is None and p.feasible == pytest.approx(1.0) for p in found)
        assert all(bound.met(heats[IDS.index(p.candidate["crystal"])]) for p in found)
    chances = made.chance()
    assert chances is not None and sorted(set(np.round(chances, 8))) == [pytest.approx(0.0), 1.0]
    with pytest.raises(ValueError, match="density"):
        planner(required=[("density", bound)])


METHODS = [
    *(Method("optimise", name) for name in ("ucb", "log_ei", "log_nei", "thompson", "knowledge_gradient")),
    *(
        Method("learn", name)
        for name in ("variance", "integrated_variance", "model_change", "bald", "novelty")
    ),
    Method("learn", "straddle", level=3.0),
    Method("explore", "sobol"),
    Method("explore", "random"),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_every_method_answers_over_material_and_process(method: Method) -> None:
    made = planner()
    first, second = made.ask(2, method)
    words = {"log_nei": "log_nei needs one Gaussian process", "bald": "bald needs Gaussian processes"}
    for proposal in (first, second):
        assert (proposal.fallback or "").startswith(words.get(method.name, ""))
        assert (proposal.fallback is None) == (method.name not in words)
    assert first.candidate != second.candidate and space().violations(first.candidate) == []
    if method.mode != "explore":
        assert first.predictions["current"][1] > 0 and set(first.sensitivity) == {"anneal", "crystal", "time"}


def test_thompson_looks_at_every_material_for_each_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joint_search, "SHORTLIST", 2)
    drawn = planner(4).ask(6, Method(name="thompson"))
    assert len({p.candidate["crystal"] for p in drawn}) >= 4


def test_the_survey_has_the_best_process_of_each_material_and_the_best_material_first() -> None:
    made, ucb = planner(), UpperConfidenceBound(2.0)
    knowledge, search = made._believe(), made._search
    encoder, levels = search.encoder, search.encoder.levels[1]
    processes = search.crowd(knowledge.incumbents(2), np.random.default_rng(0)).codes
    codes = search._survey(ucb, knowledge.sought, processes, levels, 12)
    values = ucb.value(knowledge.sought, encoder.unit(codes))
    assert (np.diff(values) <= 1e-12).all() and np.array_equal(np.sort(codes[:, 1]), levels)
    for code, value in zip(codes[::10], values[::10], strict=True):
        every = processes.copy()
        every[:, 1] = code[1]
        assert value == pytest.approx(ucb.value(knowledge.sought, encoder.unit(every)).max())


def test_processes_with_ties_and_choices_are_searched_as_well() -> None:
    parameters = (
        *space().parameters, Integer(name="coats", low=1, high=4), Categorical(name="gas", choices=("air", "argon")),
    )  # fmt: skip
    tied = Space(
        parameters=parameters,
        constraints=(LinearConstraint(terms=(("anneal", 1.0), ("time", 100.0)), at_most=700.0),),
    )
    made = JointPlanner(replace_space(tied), "crystal", known(), seed=1)
    rng = np.random.default_rng(0)
    for one in made.ask(8, Method("explore", "sobol")):
        made.tell(
            one.candidate, truth(one.candidate) + (one.candidate["gas"] == "argon") + 0.01 * rng.normal()
        )
    found = made.ask(2, Method(name="ucb", beta=1.0))
    assert all(p.fallback is None and tied.violations(p.candidate) == [] for p in found)


def test_costs_and_a_trust_region_hold_over_materials_too() -> None:
    made = planner(30, aim=aim(cost=Cost(per=(("time", 1.0),), base=1.0)))
    found = made.ask(1, Method(name="log_ei", trust_region="on"))[0]
    assert found.fallback is None and found.cost == pytest.approx(1.0 + found.candidate["time"])


def replace_space(new: Space) -> Any:
    return aim().model_copy(update={"space": new})


def test_a_region_pins_the_material_too() -> None:
    made = planner()
    knowledge, search = made._believe(), made._search
    encoder = search.encoder
    low, high = encoder.low.copy(), encoder.high.copy()
    low[1] = high[1] = 7.0
    found = search.best(
        UpperConfidenceBound(2.0), knowledge.sought, knowledge.incumbents(2), np.zeros((0, 3)),
        np.random.default_rng(0), within=Region(low, high),
    )  # fmt: skip
    assert found.candidate["crystal"] == IDS[7]


def test_without_properties_materials_are_told_apart_by_where_they_are() -> None:
    n = len(IDS)
    nothing = np.zeros((n, 0))
    bare = Representation(IDS, (), nothing[None], nothing, nothing.astype(bool), places(STRUCTURES))
    found = planner(representation=bare).ask(1, Method(name="ucb", beta=0.0))[0]
    assert found.fallback is None
    parts = planner(representation=bare).parts(found.candidate)
    assert parts is not None and parts.material == 0.0


def test_it_finds_the_best_films_in_forty_experiments() -> None:
    made = JointPlanner(aim(), "crystal", known(40), seed=2)
    best = 0.0
    for k in range(40):
        method = Method("explore", "sobol") if k < 6 else Method(name="ucb")
        candidate = made.ask(1, method)[0].candidate
        made.tell(candidate, truth(candidate), sigma=0.05)
        best = max(best, truth(candidate))
    grid = (
        truth({"anneal": a, "crystal": c, "time": 2.0}) for a, c in itertools.product(range(300, 701, 5), IDS)
    )
    assert best > 0.95 * max(grid)
