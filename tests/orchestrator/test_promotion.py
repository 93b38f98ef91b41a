"""A funnel over one log: what goes up, what waits, and how stages end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from campaigns.load import loads
from campaigns.objective import Objective
from campaigns.pool import shipped_pool
from campaigns.space import Material, Space
from drivers.protocol import Action, ActionSpec, Outcome, ParameterSpec, Reading, Repeat, ResultSpec
from orchestrator.advice import Adviser, question
from orchestrator.binding import bind_campaign
from orchestrator.brain.client import BrainFailed
from orchestrator.crystals import Crystals
from orchestrator.decision import Ask
from orchestrator.engine import Engine
from orchestrator.hands import Fate
from orchestrator.lab import LabState, fold
from orchestrator.promotion import promotion
from tests.orchestrator.builders import laboratory, proposal
from tests.orchestrator.rig import Rig

POOL = shipped_pool("fcc_metals")
NUMBER = {"Cu": 1.0, "Ag": 2.0, "Au": 3.0, "Al": 4.0, "Ni": 5.0, "Pd": 6.0, "Pt": 7.0}
SHARE = {"Al": 1.4}  # beyond the bound
BENCH = {
    "labeler": {
        verb: ActionSpec(
            parameters={"structure": ParameterSpec(kind="structure")},
            results={"value": ResultSpec(unit="eV"), "share": ResultSpec()},
            repeat=Repeat.REPEATABLE,
        )
        for verb in ("guess", "calculate")
    }
}
TEXT = """
alquimia: 1
campaign: staged
lab: bench
space: {metal: {material: fcc_metals}}
objectives: [{minimise: energy, unit: eV}]
funnel:
  pace: together
  stages:
    - name: quick
      take: 6
      batch: 2
      explore: 6
      reading: guess
      plausible: [{reading: share, at_most: 1}]
      recipe: [{id: guess, do: labeler.guess, with: {structure: $metal}, gives: {guess: value, share: share}}]
    - name: exact
      take: 3
      reading: energy
      recipe: [{id: exact, do: labeler.calculate, with: {structure: $metal}, gives: {energy: value}}]
"""


def reading(action: Action) -> Fate:
    """Silver cannot be guessed; aluminium's guess is beyond the bound."""
    (species,) = action.args["structure"]["species"]
    if species == "Ag" and action.verb == "guess":
        return Fate(
            action.id,
            "ended",
            outcome=Outcome(status="failed", attribution="infeasible", reason="no volume in equilibrium"),
        )
    values = {
        "value": Reading(value=NUMBER[species], unit="eV"),
        "share": Reading(value=SHARE.get(species, 0.5), unit=""),
    }
    return Fate(
        action.id, "ended", outcome=Outcome(status="succeeded", readings=values, record={"code": "test"})
    )


def first_promoted(request: Mapping[str, Any]) -> dict[str, Any]:
    """A brain that takes what was passed on first."""
    why = proposal(mode=request["method"]["mode"])
    names, known = request["promoted"][: request["n"]], request["materials"]["structures"]
    made = [{**why, "candidate": {"metal": name}, "structures": {name: known[name]}} for name in names]
    return {"proposals": made, "diagnostics": None}


def staged(tmp_path: Path, *overrides: str, text: str = TEXT) -> Rig:
    bound = bind_campaign(loads(text, overrides=list(overrides)), laboratory(bench=BENCH))
    rig = Rig(tmp_path / "log.db", bound)
    crystals = Crystals(tmp_path)
    crystals.keep([POOL])
    rig.planner.reply, rig.hands.act = first_promoted, reading
    adviser = Adviser(rig.planner, crystals=crystals)  # type: ignore[arg-type]
    rig.engine = Engine(rig.store, rig.state, bound, rig.hands, adviser)  # type: ignore[arg-type]
    return rig


def metals(state: LabState, loop: str) -> list[str]:
    return [str(e.candidate["metal"])[:2] for e in state.of(loop).experiments.values()]


async def test_what_is_labelled_and_believed_goes_up_and_nothing_else(tmp_path: Path) -> None:
    rig = staged(tmp_path, "funnel.stages.0.take=7", "funnel.stages.0.explore=7", "funnel.stages.1.take=7")
    await rig.run()
    state = fold(rig.store.events())
    assert sorted(metals(state, "quick")) == sorted(NUMBER), "the last crystal of a pool is tried too"
    assert sorted(metals(state, "")) == sorted(set(NUMBER) - {"Ag", "Al"})
    assert state.reason == "funnel: quick passes on no other crystal"
    assert len(state.of("").measured()) == 5


async def test_what_failed_does_not_go_up_where_nothing_else_is_asked_of_it(tmp_path: Path) -> None:
    every = ("funnel.stages.0.take=7", "funnel.stages.0.explore=7", "funnel.stages.1.take=7")
    rig = staged(tmp_path, *every, "funnel.stages.0.plausible=[]")
    await rig.run()
    assert sorted(metals(fold(rig.store.events()), "")) == sorted(set(NUMBER) - {"Ag"})


async def test_a_stage_keeps_step_with_the_one_before(tmp_path: Path) -> None:
    """Of three in all, the n-th is asked for when 2 n of six are over, although more could be taken earlier."""
    rig = staged(tmp_path, "funnel.stages.0.plausible=[]")
    await rig.run()
    state, over, asked = fold(rig.store.events()), 0, 0
    for event in rig.store.events():
        experiment = state.experiments.get(event.stream)
        if event.kind in ("experiment.measured", "experiment.failed") and experiment is not None:
            over += experiment.loop == "quick"
        elif event.kind == "experiment.proposed" and experiment is not None and not experiment.loop:
            asked += 1
            assert over >= 2 * asked
    assert (asked, over) == (3, 6)
    asked_for = [r["promoted"] for r in rig.planner.requests]
    assert asked_for and all("Ag-fcc" not in ids for ids in asked_for)


async def test_after_it_a_stage_waits_for_all_of_the_one_before(tmp_path: Path) -> None:
    rig = staged(tmp_path, "funnel.pace=after")
    await rig.run()
    state = fold(rig.store.events())
    numbers = {loop: [e.number for e in state.of(loop).experiments.values()] for loop in ("", "quick")}
    assert len(numbers[""]) == 3 and min(numbers[""]) > max(numbers["quick"])


async def test_a_stage_between_takes_and_passes_on(tmp_path: Path) -> None:
    """Two labels of the middle stage at most go up of the four that it may take, and it ends with its own capacity."""
    middle = TEXT.replace(
        "    - name: exact\n",
        "    - name: better\n      take: 4\n      batch: 2\n      reading: better\n      recipe: [{id: better, do: "
        "labeler.calculate, with: {structure: $metal}, gives: {better: value}}]\n    - name: exact\n",
    )
    rig = staged(tmp_path, "funnel.pace=after", "funnel.stages.2.take=2", text=middle)
    await rig.run()
    state = fold(rig.store.events())
    passed = [metal for metal in metals(state, "quick") if metal not in ("Ag", "Al")]
    better = metals(state, "better")
    assert len(better) == min(4, len(passed)) and set(better) <= set(passed)
    assert len(metals(state, "")) == 2 and set(metals(state, "")) <= set(better)
    assert "quick" in state.loops_ended and "better" in state.loops_ended
    first = {
        loop: min(e.number for e in state.of(loop).experiments.values()) for loop in ("quick", "better", "")
    }
    assert first["quick"] < first["better"] < first[""]


async def test_without_the_brain_only_what_was_passed_on_is_drawn(tmp_path: Path) -> None:
    rig = staged(tmp_path)
    rig.planner.reply = lambda request: BrainFailed("it is gone")
    await rig.run()
    state = fold(rig.store.events())
    passed = {metal for metal in metals(state, "quick") if metal not in ("Ag", "Al")}
    assert len(metals(state, "")) == 3 and set(metals(state, "")) <= passed
    assert all(e.proposal["fallback"] for e in state.of("").experiments.values())


async def test_promotion_at_random_asks_no_brain(tmp_path: Path) -> None:
    rig = staged(tmp_path, "funnel.promote=random")
    await rig.run()
    state = fold(rig.store.events())
    assert not rig.planner.requests and len(state.of("").measured()) == 3
    assert not {"Ag", "Al"} & set(metals(state, ""))


async def test_a_stage_above_one_that_ended_early_takes_what_there_is(tmp_path: Path) -> None:
    rig = staged(tmp_path, "funnel.stages.0.failures=0", "funnel.stages.0.batch=6", "funnel.stages.1.take=6")
    await rig.run()
    state = fold(rig.store.events())
    quick = state.of("quick")
    if quick.n_failed:  # silver was among the six
        assert "failed" in state.loops_ended["quick"]
    assert len(metals(state, "")) == sum(m not in ("Ag", "Al") for m in metals(state, "quick"))
    assert "quick passes on no other crystal" in state.reason


async def test_what_may_be_taken_is_told_before_it_is_asked_for(tmp_path: Path) -> None:
    rig = staged(tmp_path)
    campaign = loads(TEXT)
    told = promotion(rig.state, campaign, "")
    assert told is not None and not told.ready and told.why == "waits for 1 crystals that quick passes on"
    assert promotion(rig.state, campaign, "quick") is None
    await rig.run()
    late = promotion(fold(rig.store.events()), campaign, "")
    assert late is not None and not set(late.ids) & {e for e in map(str, metals(rig.state, ""))}


async def test_a_question_is_the_same_after_a_restart(tmp_path: Path) -> None:
    rig = staged(tmp_path, "funnel.stages.1.take=2")
    await rig.run()
    events, campaign = list(rig.store.events()), loads(TEXT, overrides=["funnel.stages.1.take=2"])
    ask = Ask(0, 1, "", len(events), 5, False)
    asked = question(ask, rig.state, campaign)
    assert asked["promoted"] and json.dumps(asked) == json.dumps(question(ask, fold(events), campaign))


def test_a_recipe_of_a_stage_is_bound_where_it_is_written() -> None:
    from campaigns.errors import CampaignError

    wrong = TEXT.replace("labeler.guess", "labeler.dream")
    with pytest.raises(CampaignError, match=r"funnel\.stages\.0\.recipe\[guess\]\.do"):
        bind_campaign(loads(wrong), laboratory(bench=BENCH))


def test_a_value_that_the_planner_is_not_told_of_keeps_no_crystal_out(tmp_path: Path) -> None:
    content = b"".join(
        line.rstrip(b"}\n") + b',"values":{"guess":1.0}}\n' if b"values" not in line else line
        for line in POOL.path.read_bytes().splitlines(keepends=True)
    )
    digest = sha256(content).hexdigest()
    crystals = Crystals(tmp_path)
    crystals.folder.mkdir()
    hidden = Material(name="metal", pool="fcc_metals", digest=digest, n=POOL.n, known=())
    told = Material(name="metal", pool="fcc_metals", digest=digest, n=POOL.n)
    crystals.path(hidden).write_bytes(content)
    campaign = loads(TEXT)
    seek = campaign.model_copy(
        update={"objectives": (Objective(name="guess", direction="minimise", unit="eV"),)}
    )
    rows = crystals.untried(seek.model_copy(update={"space": Space(parameters=(hidden,))}), [])[1]
    assert len(rows) == POOL.n
    small = seek.model_copy(update={"space": Space(parameters=(hidden.model_copy(update={"max_atoms": 1}),))})
    crystals._rows[digest] = {**crystals.rows(hidden), "Ag-fcc": {**rows["Ag-fcc"], "species": ["Ag", "Ag"]}}
    assert set(rows) - set(crystals.untried(small, [])[1]) == {"Ag-fcc"}, "larger than the campaign takes"
    with pytest.raises(LookupError, match="no crystals of the pool"):
        crystals.untried(seek.model_copy(update={"space": Space(parameters=(told,))}), [])
