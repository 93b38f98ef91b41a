"""Every pair that no table has is impossible, and nothing that can be reached is stuck (promise P19)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from enum import StrEnum

import pytest

from orchestrator import lifecycle
from orchestrator.events import KINDS, Event
from orchestrator.lifecycle import Action, Campaign, Experiment, IllegalPassage, Table, passage

TABLES: dict[str, tuple[Table, type[StrEnum], frozenset[StrEnum]]] = {
    "experiment": (lifecycle.EXPERIMENT, Experiment, frozenset(lifecycle.OVER)),
    "action": (lifecycle.ACTION, Action, frozenset(Action) - lifecycle.OPEN_ACTIONS),
    "campaign": (lifecycle.CAMPAIGN, Campaign, frozenset({Campaign.FINISHED})),
}

# Who brings about each passage out of a state that is not final: a machine, or a person by a named command.
BY_MACHINE = {
    "experiment.queued", "experiment.rejected", "experiment.started", "experiment.measured", "experiment.failed",
    "experiment.resumed", "experiment.held", "experiment.cancelled", "action.succeeded", "action.failed",
    "action.refused", "action.not_done", "action.doubted", "action.late", "experiment.paused", "campaign.waiting",
    "campaign.ending", "campaign.finished",
}  # fmt: skip
BY_PERSON = {
    "settle": {"action.succeeded", "action.not_done", "action.discarded"},
    "pause": {"campaign.paused"},
    "continue": {"campaign.continued"},
    "continue --experiment": {"experiment.continued", "experiment.queued"},
    "abort": {"campaign.ending"},
}


def pairs() -> Iterable[tuple[str, StrEnum | None, str]]:
    for name, (table, states, _) in TABLES.items():
        for state, kind in itertools.product([None, *states], KINDS):
            if (state, kind) not in table:
                yield name, state, kind


@pytest.mark.parametrize("name", TABLES)
def test_a_pair_that_no_table_has_raises_with_the_story_of_the_thing(name: str) -> None:
    n = 0
    for house, state, kind in pairs():
        if house != name:
            continue
        n += 1
        with pytest.raises(IllegalPassage) as caught:
            passage(TABLES[name][0], state, kind, of=f"{name} x0001", story=["born", "grew up"])
        said = str(caught.value)
        assert f"{name} x0001" in said and kind in said and "born -> grew up" in said and str(state) in said
    assert n > 50


def test_without_a_story_the_thing_did_not_exist() -> None:
    with pytest.raises(IllegalPassage, match="did not exist"):
        passage(lifecycle.ACTION, None, "action.succeeded", of="action a1", story=[])


@pytest.mark.parametrize("name", TABLES)
def test_every_kind_of_event_in_a_table_is_known(name: str) -> None:
    for state, kind in TABLES[name][0]:
        assert kind in KINDS and kind.startswith(name)
        assert state is None or isinstance(state, TABLES[name][1])


def stuck(table: Table, final: frozenset[StrEnum]) -> set[StrEnum]:
    """Reachable states that are not final and from which no final state can be reached."""
    reached: set[StrEnum | None] = {None}
    while more := {after for (before, _), after in table.items() if before in reached} - reached:
        reached |= more
    ends: set[StrEnum] = set(final)
    while more := {before for (before, _), after in table.items() if after in ends and before} - ends:
        ends |= more
    return {state for state in reached if state is not None and state not in ends}


@pytest.mark.parametrize("name", TABLES)
def test_every_reachable_state_has_a_way_to_an_end(name: str) -> None:
    table, states, final = TABLES[name]
    assert stuck(table, final) == set()
    assert {after for after in table.values()} == set(states), "a state that nothing leads to"
    assert not [state for state, _ in table if state in final], "a way out of a final state"


@pytest.mark.parametrize("name", TABLES)
def test_the_search_finds_a_state_without_an_exit(name: str) -> None:
    """Control: without its ways out, a state is found to be stuck."""
    table, states, final = TABLES[name]
    for state in set(states) - final:
        blocked = {pair: after for pair, after in table.items() if pair[0] is not state}
        assert state in stuck(blocked, final)


@pytest.mark.parametrize("name", TABLES)
def test_every_exit_is_taken_by_a_machine_or_by_a_named_command(name: str) -> None:
    table, states, final = TABLES[name]
    for state in set(states) - final:
        kinds = {kind for before, kind in table if before is state}
        assert kinds & (BY_MACHINE | set().union(*BY_PERSON.values())), state
    # A doubt waits for a person, a paused campaign too: there the command must be among the exits.
    for state, command in (
        (Action.IN_DOUBT, "settle"),
        (Campaign.PAUSED, "continue"),
        (Experiment.PAUSED, "continue --experiment"),
        (Campaign.OPEN, "abort"),
    ):
        if state in states:
            assert BY_PERSON[command] <= {kind for before, kind in table if before is state}


@pytest.mark.parametrize("state", [s for s in Campaign if s is not Campaign.FINISHED])
def test_a_campaign_can_be_aborted_from_everywhere(state: Campaign) -> None:
    assert passage(lifecycle.CAMPAIGN, state, "campaign.ending", of="it", story=[]) is Campaign.ENDING


# Of the laboratory, its devices and its signals nothing is final: the one state rests, the other needs a way out.
RESTS: dict[str, tuple[Table, StrEnum, StrEnum, str]] = {
    "lab": (lifecycle.LAB, lifecycle.Lab.OPEN, lifecycle.Lab.STOPPED, "lab.released"),
    "device": (lifecycle.SERVICE, lifecycle.Service.IN, lifecycle.Service.OUT, "device.put_in"),
    "suspender": (
        lifecycle.SUSPENDER,
        lifecycle.Suspender.CLEAR,
        lifecycle.Suspender.TRIPPED,
        "suspender.cleared",
    ),
}


@pytest.mark.parametrize("name", RESTS)
def test_what_stands_still_can_go_on_by_one_event_and_by_no_other(name: str) -> None:
    table, rests, stands, way_out = RESTS[name]
    assert {kind for (before, kind), after in table.items() if before is stands and after is rests} == {
        way_out
    }
    for state, kind in itertools.product((rests, stands), KINDS):
        if (state, kind) not in table:
            with pytest.raises(IllegalPassage):
                passage(table, state, kind, of=name, story=[])


def test_an_event_of_an_unknown_kind_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="unknown event kind"):
        Event("a1", "action.forgotten", {})
