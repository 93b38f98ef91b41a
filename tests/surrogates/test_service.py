"""One JSON request, one JSON reply, the same every time."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from campaigns.aim import Aim
from campaigns.space import Space
from surrogates import constant, service
from surrogates.errors import SpaceExhausted
from surrogates.planner import Method, Planner
from surrogates.sampling import Sampler, design
from surrogates.search import Search
from surrogates.service import handle
from tests.surrogates.spaces import SCORE, box, mixed, mixture, pool

SPACES = {"box": box(3), "mixed": mixed(), "mixture": mixture(), "pool": pool()}


def request(space: Space, told: int = 6, **changes: Any) -> dict[str, Any]:
    values = np.random.default_rng(0).normal(size=told).tolist()
    rows = [
        {"candidate": c, "values": {} if i == 2 else {"score": {"value": v, "sigma": 0.1}}, "failed": i == 2}
        for i, (c, v) in enumerate(zip(design(space, told, seed=0), values, strict=True))
    ]
    whole = {
        "op": "propose",
        "aim": Aim(space=space, objectives=(SCORE,)).model_dump(mode="json"),
        "observations": rows,
        "pending": design(space, 1, seed=0, index=told),
        "n": 2,
        "method": {"mode": "optimise", "name": "ucb", "beta": 2.0},
        "seed": 5,
        "index": 7,
    } | changes
    return json.loads(json.dumps(whole, allow_nan=False))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_reply_is_json_and_repeatable(space: Space) -> None:
    asked = request(space)
    first, second = (json.dumps(handle(asked), allow_nan=False) for _ in range(2))
    assert first == second
    reply = json.loads(first)
    assert len(reply["proposals"]) == 2
    assert all(space.violations(p["candidate"]) == [] for p in reply["proposals"])
    assert all(p["n_observed"] == 5 and p["fallback"] is None for p in reply["proposals"])
    assert reply["diagnostics"]["n"] == 5


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_service_and_a_planner_agree(space: Space) -> None:
    asked = request(space)
    planner = Planner(space, [SCORE], seed=5, index=7)
    for row in asked["observations"]:
        planner.tell(
            row["candidate"],
            {name: found["value"] for name, found in row["values"].items()},
            sigma={name: found["sigma"] for name, found in row["values"].items()},
            failed=row["failed"],
        )
    planner.expect(asked["pending"][0])
    assert [p.to_json() for p in planner.ask(2, Method(**asked["method"]))] == handle(asked)["proposals"]


def test_a_table_is_read_once_and_never_mistaken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    class Counted(Search):
        def __init__(self, sampler: Sampler) -> None:
            read.append(sampler)
            super().__init__(sampler)

    monkeypatch.setattr(service, "Search", Counted)
    service._tables.clear()
    one, other = request(pool(30)), request(pool(30, seed=1))
    alone = []
    for asked in (one, other):
        service._tables.clear()
        alone.append(handle(asked))
    read.clear()
    # Equal content in other objects is the same table; one cell changed is another.
    replies = [handle(asked) for asked in (other, json.loads(json.dumps(other)), one, other)]
    assert replies == [alone[1], alone[1], alone[0], alone[1]]
    assert len(read) == 2
    one["aim"]["space"]["allowed"]["rows"][0][0] += 0.001
    handle(one)
    assert len(read) == 3 and len(service._tables) == 1


def test_nothing_told() -> None:
    reply = handle(request(box(2), 0, pending=[]))
    assert reply["diagnostics"] is None
    assert reply["proposals"][0]["fallback"] == "no result yet"


def test_a_request_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="op"):
        handle(request(box(2), op="rewind"))
    with pytest.raises(KeyError):
        handle({"op": "propose"})


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_constant_belief_avoids_what_it_is_told_to(space: Space) -> None:
    first = constant.propose(space, 3, seed=1, index=0)
    assert first == constant.propose(space, 3, seed=1, index=0)
    again = constant.propose(space, 3, seed=1, index=0, avoid=[p.candidate for p in first])
    assert all(p.candidate not in [q.candidate for q in first] for p in again)
    assert all(space.violations(p.candidate) == [] for p in first + again)


def test_the_constant_belief_says_when_nothing_is_left() -> None:
    space = pool(12)
    everything = constant.propose(space, 12, seed=0, index=5)
    with pytest.raises(SpaceExhausted):
        constant.propose(space, 1, seed=0, index=0, avoid=[p.candidate for p in everything])
