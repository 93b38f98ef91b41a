"""The campaign as a value: the library, the round trip through JSON, the fingerprint."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from campaigns.campaign import Campaign
from campaigns.load import library, library_text, loads

Shipped = Callable[[str], Campaign]
FULL = """\
constraints: [{linear: {x: 1, t: 0.001}, at_most: 1.4, at_least: 0.1}]
limits: {rig.temperature: {at_most: 500 K}}
schedule: {start: 2026-12-01T08:00:00.5+01:00, quiet_hours: {from: '22:00', to: '06:30', zone: UTC}}
description: Everything that a file can say.
seed: 7
goal: hierarchy
outcome_constraints: [{reading: y, at_most: 90, unit: '%'}, {reading: z, at_least: 3 um, unit: nm}]
cost: {base: 10, unit: min, per: {x: 30}, changes: {t: 25}}
fidelity: {parameter: x, target: 1}
surrogate: {model: auto, noise: heteroscedastic}
"""
NEWER = ("goal", "outcome_constraints", "cost", "fidelity", "surrogate", "history", "funnel")
FULLER = [
    "recipe.0.gives.z=other",
    "objectives=[{maximise: y, unit: '%', tolerance: 0.1}, {match: z, target: 0.5 um, tolerance: 20, unit: nm}]",
    "plan=[{explore: sobol, experiments: 5},"
    " {alternate: [{learn: straddle, level: 50, experiments: 2}, {optimise: ucb, beta: scheduled, experiments: 3}],"
    " at_most: 30, replicates: 2},"
    " {optimise: log_ei, trust_region: off, gate: {coverage: [0.75, 1], otherwise: approval},"
    " until: {improvement_below: 0.01, stalled_for: 15, share: 0.5, error_below: 0.3, mean_variance_below: 2}}]",
]


@pytest.mark.parametrize("name", library())
def test_every_campaign_of_the_library_is_valid(shipped: Shipped, name: str) -> None:
    campaign = shipped(name)
    assert campaign.description and campaign.objectives and campaign.lab
    assert library_text(name).startswith("# ")


def test_the_library_is_complete() -> None:
    assert library() == (
        "ada",
        "agnp",
        "attacked_cells",
        "co_search",
        "colours",
        "composite_film",
        "crossed_barrel",
        "discover_cu_au_pd",
        "discover_oxides",
        "discover_where_unsure",
        "glass_propensity",
        "instant",
        "p3ht_cnt",
        "phonons",
        "solid_state",
        "solid_state_routes",
        "superhard",
        "superhard_makeable",
        "thermal_funnel",
        "thermal_funnel_dft",
        "thin_film",
        "thin_film_careful",
        "thin_film_tradeoff",
    )
    with pytest.raises(KeyError, match="did you mean 'agnp'"):
        library_text("agnpp")


@pytest.mark.parametrize("name", [*library(), "full"])
def test_round_trip_through_json(shipped: Shipped, base: str, name: str) -> None:
    campaign = loads(base + FULL, overrides=FULLER) if name == "full" else shipped(name)
    data = json.loads(json.dumps(campaign.to_json(), allow_nan=False))
    again = Campaign.from_json(data)
    assert again == campaign
    assert again.to_json() == campaign.to_json()
    assert again.fingerprint == campaign.fingerprint
    for part in set(type(campaign).model_fields) - {"schedule"}:
        assert repr(getattr(again, part)) == repr(getattr(campaign, part)), "types too: 1 is not 1.0"


def test_the_fingerprint_follows_all_that_defines_the_search(base: str) -> None:
    original = loads(base).fingerprint
    assert len(original) == 64
    for override in (
        "seed=1",
        "budget.experiments=21",
        "lab=simulated/other",
        "campaign=other",
        "space.x.continuous=[0, 2]",
        "space.x.scale=linear",
        "objectives.0.unit=mol %",
        "recipe.0.do=rig.go",
        "plan.1.beta=3",
        "outcome_constraints=[{reading: y, at_most: 2, unit: '%'}]",
        "cost={base: 2}",
        "fidelity={parameter: x, target: 1}",
        "surrogate=forest",
        "plan.1.gate={coverage: [0.5, 1]}",
    ):
        same = override == "space.x.scale=linear"  # the default, written out
        assert (loads(base, overrides=[override]).fingerprint == original) is same, override


def test_the_fingerprint_follows_the_goal(base: str) -> None:
    two = loads(base + FULL, overrides=FULLER)
    other = {**two.to_json(), "goal": "desirability"}
    other["objectives"][0] |= {"tolerance": None, "worst": 0.0, "best": 100.0}
    again = Campaign.from_json(other)
    assert len({two.fingerprint, again.fingerprint}) == 2


def test_what_no_file_need_say_has_defaults(base: str) -> None:
    campaign = loads(base)
    assert (campaign.goal, campaign.outcome_constraints, campaign.history) == ("single", (), ())
    assert (campaign.cost, campaign.fidelity) == (None, None)
    assert (campaign.surrogate.model, campaign.surrogate.noise) == ("gp", "normal")
    old = {key: value for key, value in campaign.to_json().items() if key not in NEWER}
    assert Campaign.from_json(old) == campaign


def test_when_and_how_it_is_described_define_no_search(base: str) -> None:
    text = base + "description: words\nschedule: {start: '2026-12-01T08:00Z'}\n"
    assert loads(text).fingerprint == loads(base).fingerprint


def test_the_order_of_keys_and_the_layout_do_not_matter(base: str) -> None:
    lines = base.splitlines(keepends=True)
    head, rest = lines[:2], lines[2:]
    assert loads("".join(rest + head[::-1])).fingerprint == loads(base).fingerprint


def test_json_that_is_no_campaign_is_refused(base: str) -> None:
    good = loads(base).to_json()
    for bad in (
        {},
        {**good, "extra": 1},
        {**good, "lab": "../x"},
        {**good, "objectives": []},
        {**good, "recipe": []},
        {**good, "seed": -1},
        {**good, "plan": [{"mode": "explore", "method": "ucb"}]},
        {**good, "goal": "pareto"},
        {**good, "outcome_constraints": [{"name": "why", "at_most": 2.0}]},
        {**good, "cost": {"per": [["why", 2.0]]}},
        {**good, "fidelity": {"parameter": "x", "target": 2.0}},
        {**good, "plan": [good["plan"][0], {"mode": "optimise", "method": "log_nehvi"}]},
    ):
        with pytest.raises(ValidationError):
            Campaign.from_json(bad)
