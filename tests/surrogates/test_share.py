"""What a batch shares: one furnace, one temperature, whatever chooses the candidates."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from campaigns.aim import Aim
from campaigns.cost import Cost
from campaigns.fidelity import Fidelity
from campaigns.space import Continuous, Space, Table, Value
from surrogates import constant, planner, shared
from surrogates.errors import SpaceExhausted
from surrogates.joint.planner import JointPlanner
from surrogates.planner import Method, Planner
from surrogates.proposal import Proposal
from surrogates.sampling import Sampler, design
from surrogates.service import handle
from tests.surrogates.joint.crystals import aim, known, truth
from tests.surrogates.spaces import LOSS, SCORE, blend, box, conditional, mixed, mixture, random_space

METHODS = [
    Method("explore", "sobol"),
    Method("explore", "random"),
    Method("learn", "variance"),
    Method("learn", "integrated_variance"),
    Method("optimise", "ucb"),
    Method("optimise", "ucb", trust_region="on"),
    Method("optimise", "log_ei"),
    Method("optimise", "thompson"),
]


def grid() -> Space:
    """Rows: every pair of four temperatures and five amounts."""
    parameters = (Continuous(name="t", low=0, high=3), Continuous(name="x", low=0, high=1))
    rows = tuple((float(t), x / 4) for t, x in product(range(4), range(5)))
    return Space(parameters=parameters, allowed=Table(columns=("t", "x"), rows=rows))


def around() -> Space:
    humidity = Continuous(name="humidity", low=0, high=100, role="context")
    return Space(parameters=(*box(3).parameters, humidity))


SPACES = {
    "box": box(3),
    "mixed": mixed(),
    "mixture": mixture(),
    "blend": blend(),
    "conditional": conditional(),
    "rows": grid(),
    "context": around(),
}


def shareable(space: Space) -> tuple[str, ...]:
    """The first parameter that is chosen and always there."""
    parents = {name for p in space.conditional for name, _ in p.when}
    names = [p.name for p in space.chosen if not p.when and p.name not in parents]
    return (names[0],)


def told(space: Space, n: int = 8, **more: Any) -> Planner:
    asked = Planner(space, [SCORE], seed=3, **more)
    rng = np.random.default_rng(0)
    for candidate in design(space, n, seed=0):
        asked.tell(candidate, float(rng.normal()))
    return asked


def values(proposals: list[Proposal], names: tuple[str, ...]) -> set[tuple[Value, ...]]:
    return {tuple(p.candidate[name] for name in names) for p in proposals}


def gaps(space: Space, proposals: list[Proposal]) -> list[float]:
    encoder = Sampler(space).encoder
    points = encoder.unit(encoder.codes(p.candidate for p in proposals))
    return [float(np.abs(a - b).max()) for i, a in enumerate(points) for b in points[:i]]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("method", METHODS, ids=lambda m: f"{m.name}-{m.trust_region}")
def test_a_batch_has_one_value_of_what_it_shares(space: Space, method: Method) -> None:
    names, n = shareable(space), 3 if space.allowed is not None else 4
    asked = replace(method, share=names)
    batch = told(space).ask(n, asked)
    assert len(batch) == n and len(values(batch, names)) == 1
    assert all(space.violations(p.candidate) == [] for p in batch)
    assert min(gaps(space, batch)) >= 0.009
    assert batch == told(space).ask(n, asked)
    # The first candidate is the one that would be chosen anyway.
    if method.mode != "explore":
        assert all(p.fallback is None for p in batch)
        assert batch[0].candidate == told(space).ask(1, method)[0].candidate


def test_what_is_said_here_would_be_seen_if_it_were_not_so() -> None:
    batch = told(box(3)).ask(4)
    assert len(values(batch, ("x0",))) == 4


def test_shared_values_differ_between_batches_and_cover_their_range() -> None:
    """Every eighth point of a Sobol sequence would have x0 in the same eighth of its range."""
    space, method = box(3), Method("explore", "sobol", share=("x0",))
    asked = Planner(space, [SCORE], seed=1)
    drawn = [asked.ask(8, method) for _ in range(8)]
    levels = sorted(batch[0].candidate["x0"] for batch in drawn)
    assert max(np.diff([0.0, *levels, 1.0])) < 0.35
    others = [np.array([[p.candidate["x1"], p.candidate["x2"]] for p in batch]) for batch in drawn]
    for (
        points
    ) in others:  # a quarter of the square without any of eight random points: one batch in three has one
        cells = {(bool(x > 0.5), bool(y > 0.5)) for x, y in points}
        assert len(cells) == 4


@pytest.mark.parametrize("design_", ["sobol", "random"])
def test_any_space_at_all(design_: Any) -> None:
    rng = np.random.default_rng(11)
    shared_ones = 0
    for _ in range(25):
        space = random_space(rng)
        names = [p.name for p in space.chosen if not p.when]
        if len(names) < 2:
            continue
        share = tuple(rng.choice(names, size=int(rng.integers(1, len(names))), replace=False).tolist())
        for n in (4, 3, 2, 1):
            try:
                found = constant.propose(space, n, seed=1, index=0, method=design_, share=share)
            except SpaceExhausted:
                continue
            break
        assert len(values(found, share)) == 1
        assert all(space.violations(p.candidate) == [] for p in found)
        assert len({tuple(sorted(p.candidate.items())) for p in found}) == len(found)
        shared_ones += len(found) > 1
    assert shared_ones >= 10


def test_rows_that_agree_and_a_smaller_batch_where_there_are_fewer() -> None:
    space, method = grid(), Method("explore", "sobol", share=("t",))
    assert len(values(Planner(space, [SCORE]).ask(5, method), ("t",))) == 1
    with pytest.raises(SpaceExhausted, match="with the same t"):
        Planner(space, [SCORE]).ask(6, method)
    with pytest.raises(SpaceExhausted):
        told(space).ask(6, replace(Method(), share=("t",)))


@pytest.mark.parametrize("mode", ["explore", "optimise"])
def test_the_service_answers_with_the_rows_that_are_left(mode: Any) -> None:
    space = grid()
    reply = handle(
        {
            "op": "propose",
            "aim": Aim(space=space, objectives=(SCORE,)).model_dump(mode="json"),
            "observations": [
                {"candidate": c, "values": {"score": {"value": y, "sigma": None}}, "failed": False}
                for c, y in (({"t": 0.0, "x": 0.0}, 1.0), ({"t": 1.0, "x": 0.5}, 2.0))
            ],
            "pending": [],
            "n": 8,
            "method": {"mode": mode, "name": "sobol" if mode == "explore" else "ucb", "share": ["t"]},
            "seed": 1,
            "index": 2,
        }
    )  # fmt: skip
    batch = [p["candidate"] for p in reply["proposals"]]
    assert len({c["t"] for c in batch}) == 1 and len(batch) in (4, 5)
    json.dumps(reply, allow_nan=False)


def test_a_fall_back_shares_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise FloatingPointError("broken")

    monkeypatch.setattr(planner, "learn", broken)
    batch = told(box(3)).ask(4, Method(share=("x1",)))
    assert all("broken" in str(p.fallback) for p in batch)
    assert len(values(batch, ("x1",))) == 1 and min(gaps(box(3), batch)) > 0.01


def test_a_shared_fidelity_is_the_first_candidates() -> None:
    space = box(3)
    cost = Cost(base=0.1, per=(("x2", 3.0),))
    asked = told(space, cost=cost, fidelity=Fidelity(parameter="x2", target=1.0))
    batch = asked.ask(4, Method(share=("x2",)))
    assert len(values(batch, ("x2",))) == 1 and len(values(batch, ("x0", "x1"))) == 4


def test_what_is_dear_to_change_is_not_changed_in_the_batch() -> None:
    asked = told(box(3), cost=Cost(changes=(("x0", 5.0),)))
    batch = asked.ask(4, Method(share=("x0",)))
    assert len(values(batch, ("x0",))) == 1
    assert [p.cost for p in batch[1:]] == [1.0] * 3


def test_two_or_all_but_one_may_be_shared_and_one_candidate_shares_with_nobody() -> None:
    batch = told(box(3)).ask(6, Method(share=("x0", "x2")))
    assert len(values(batch, ("x0", "x2"))) == 1 and min(gaps(box(3), batch)) >= 0.01
    assert told(box(3)).ask(1, Method(share=("x0",))) == told(box(3)).ask(1, Method())


@pytest.mark.parametrize("name", ["x9", "humidity"])
def test_only_what_is_chosen_can_be_shared(name: str) -> None:
    with pytest.raises(ValueError, match=f"wanted parameters that are chosen .*got '{name}'"):
        told(around()).ask(2, Method(share=(name,)))


def test_what_is_fixed_is_shared_anyway() -> None:
    space = mixed()
    fixed = [p.name for p in space.parameters if p.kind == "fixed"]
    assert shared.columns(Sampler(space).encoder, fixed) == []


def test_minimising_does_the_same() -> None:
    asked = Planner(box(2), [LOSS], seed=0)
    for candidate in design(box(2), 6, seed=0):
        asked.tell(candidate, float(candidate["x0"]))
    assert len(values(asked.ask(3, Method(share=("x0",))), ("x0",))) == 1


@pytest.mark.parametrize("method", [Method(), Method("explore", "sobol")], ids=lambda m: m.name)
def test_films_of_different_crystals_are_annealed_together(method: Method) -> None:
    made = JointPlanner(aim(), "crystal", known(), seed=4)
    for film in made.ask(10, Method("explore", "sobol")):
        made.tell(film.candidate, truth(film.candidate), sigma=0.1)
    batch = made.ask(4, replace(method, share=("anneal", "time")))
    assert all(p.fallback is None for p in batch)
    assert len(values(batch, ("anneal", "time"))) == 1 and len(values(batch, ("crystal",))) == 4
