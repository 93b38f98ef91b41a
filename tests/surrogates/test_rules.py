"""Rules by name: where they come from, what goes wrong with them, and that nothing proposed breaks one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from campaigns import rules
from campaigns.errors import CampaignError
from campaigns.load import loads
from campaigns.rules import Rule, RuleError
from campaigns.space import Space, Value
from surrogates.errors import InfeasibleSpace
from surrogates.sampling import Sampler
from surrogates.search import Search
from tests.surrogates.beliefs import Blank, Ridge
from tests.surrogates.spaces import blend, box, mixture, pool


def ring(candidate: Mapping[str, Value], *, radius: float, width: float = 0.1) -> float:
    x, y = float(candidate["x0"]), float(candidate["x1"])
    return width - abs((x**2 + y**2) ** 0.5 - radius)


def warm(candidate: Mapping[str, Value]) -> float:
    return float(candidate["heat"]) * float(candidate["a"]) - 0.5


def shy(candidate: Mapping[str, Value]) -> float:
    raise ZeroDivisionError("no pressure")


def vague(candidate: Mapping[str, Value]) -> str:
    return "yes"


def never(candidate: Mapping[str, Value]) -> float:
    return -1.0


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    points = [
        EntryPoint(f.__name__, f"{__name__}:{f.__name__}", rules.GROUP)
        for f in (ring, warm, shy, vague, never)
    ]
    points.append(EntryPoint("gone", "no_such_module:f", rules.GROUP))
    monkeypatch.setattr(rules, "entry_points", lambda group: points if group == rules.GROUP else [])
    rules.function_of.cache_clear()
    yield
    rules.function_of.cache_clear()


RING = Rule(plugin="ring", arguments=(("radius", 0.8),))


def ruled(space: Space, *some: Rule) -> Space:
    made: Space = Space.model_validate_json(space.model_copy(update={"rules": some}).model_dump_json())
    return made


WARM = Rule(plugin="warm")
SPACES: dict[str, Callable[[], Space]] = {
    "box": lambda: ruled(box(3), RING),
    "mixture": lambda: ruled(mixture(), WARM),
    "blend": lambda: ruled(blend(), WARM),
    "pool": lambda: ruled(pool(300), RING),
}


@pytest.mark.parametrize("make", SPACES.values(), ids=SPACES)
def test_no_proposal_breaks_a_rule(make: Callable[[], Space]) -> None:
    space = make()
    sampler = Sampler(space)
    e = sampler.encoder
    candidates = sampler.design(20, seed=0) + sampler.design(10, seed=0, method="random")
    for seed in range(4):
        rng = np.random.default_rng(seed)
        known = e.codes(candidates[:3])
        for smooth in (True, False):
            acquisition = Ridge(rng.normal(size=e.n_columns))
            candidates.append(Search(sampler).best(acquisition, Blank(smooth), known, known, rng).candidate)
    assert all(space.violations(c) == [] for c in candidates)


def test_the_best_on_a_ring_is_found() -> None:
    sampler = Sampler(ruled(box(2), RING))
    for smooth in (True, False):
        found = Search(sampler).best(
            Ridge(np.array([0.1, 0.3])),
            Blank(smooth),
            np.zeros((0, 2)),
            np.zeros((0, 2)),
            np.random.default_rng(0),
        )
        fine = np.stack(np.meshgrid(np.linspace(0, 1, 201), np.linspace(0, 1, 201)), -1).reshape(-1, 2)
        inside = fine[np.abs(np.hypot(*fine.T) - 0.8) <= 0.1]
        assert found.value > Ridge(np.array([0.1, 0.3])).value(Blank(), inside).max() - 0.01


def test_a_rule_that_allows_nothing_is_said() -> None:
    with pytest.raises(InfeasibleSpace, match="never"):
        Sampler(ruled(box(2), Rule(plugin="never"))).design(1, seed=0)


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("shy", "'shy' failed with ZeroDivisionError: no pressure"),
        ("vague", "'vague': wanted a number.*got 'yes'"),
        ("gone", "'gone'.*cannot be loaded"),
        ("rong", "'rong' is not installed; did you mean 'ring'"),
    ],
)
def test_what_goes_wrong_is_said_with_its_name(plugin: str, said: str) -> None:
    space = ruled(box(2), Rule(plugin=plugin))
    with pytest.raises(RuleError, match=said):
        space.violations({"x0": 0.5, "x1": 0.5})


def test_arguments_that_a_rule_does_not_take() -> None:
    with pytest.raises(RuleError, match=r"ring.*raduis"):
        ruled(box(2), Rule(plugin="ring", arguments=(("raduis", 1.0),))).violations({"x0": 0.5, "x1": 0.5})


YAML = """\
alquimia: 1
campaign: ruled
space: {x0: {continuous: [0, 1]}, x1: {continuous: [0, 1]}}
constraints: [{linear: {x0: 1}, at_most: 0.9}, {plugin: ring, with: {radius: 0.8}}]
objectives: [{maximise: y}]
recipe: [{id: run, do: rig.run, with: {a: $x0, b: $x1}, gives: {y: reading}}]
plan: [{explore: sobol, experiments: 5}]
budget: {experiments: 20}
lab: simulated/rig
"""


def test_a_campaign_names_a_rule_and_runs_nothing() -> None:
    campaign = loads(YAML)
    assert campaign.space.rules == (RING,)
    assert type(campaign).from_json(campaign.to_json()) == campaign
    assert loads(YAML.replace("ring", "gone")).space.rules, "to load is not to import"
    with pytest.raises(CampaignError, match=r"E235.*did you mean 'ring'"):
        loads(YAML.replace("ring", "rong"))
    (sentence,) = campaign.space.violations({"x0": 0.1, "x1": 0.1})
    assert sentence.startswith("constraint ring(radius=0.8)")
