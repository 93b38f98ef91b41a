"""What a person may ask for: obeyed once, refused where it does not fit, and never a reason for the engine to break."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator import decide
from orchestrator.commands import Command, obey
from orchestrator.decision import Around, Send
from orchestrator.errors import Refused
from orchestrator.lifecycle import Action, Campaign, Experiment
from tests.orchestrator.builders import Log, bound, enter, opened, propose


def go_on(log: Log, the_bound: Any) -> list[Any]:
    effects: list[Any] = []
    while True:
        decision = decide.decide(log.state, the_bound, Around(asking=True))
        log.apply(*decision.events)
        effects += decision.effects
        if not decision.events:
            return effects


def running(n: int = 1) -> tuple[Log, Any]:
    the_bound = bound()
    log = opened(the_bound)
    enter(log, 0, the_bound)
    for _ in range(n):
        propose(log)
    go_on(log, the_bound)
    return log, the_bound


def say(log: Log, kind: Any, key: str = "k1", by: str = "ada", **arguments: Any) -> list[str]:
    """The kinds of the events that follow, folded in."""
    events = obey(log.state, Command(key, kind, by, arguments))
    log.apply(*events)
    return [event.kind for event in events]


@pytest.mark.parametrize("kind", ["pause", "abort", "timer"])
def test_the_same_key_is_one_command(kind: str) -> None:
    log, _ = running()
    assert say(log, kind)[0] == "command.received"
    n = len(log.events)
    assert say(log, kind) == [] and len(log.events) == n
    assert say(log, "continue", key="k1") == [], "whatever is said under the same key"


def test_the_log_keeps_who_asked_for_what() -> None:
    log, _ = running()
    say(log, "pause", key="k9", by="grace")
    received, paused = log.events[-2:]
    assert received.stream == "inbox" and received.actor == "grace"
    assert received.body == {"key": "k9", "kind": "pause", "by": "grace", "arguments": {}}
    assert (paused.kind, paused.actor, paused.cause) == ("campaign.paused", "grace", "k9")
    assert paused.body == {"reason": "paused by grace"}


STATES = {
    Campaign.OPEN: (),
    Campaign.WAITING: ("campaign.waiting",),
    Campaign.PAUSED: ("campaign.paused",),
    Campaign.ENDING: ("campaign.ending",),
    Campaign.FINISHED: ("campaign.ending", "campaign.finished"),
}
# What follows: the event, nothing (it is so already), or a refusal.
FOLLOWS = {
    "pause": {Campaign.OPEN: "campaign.paused", Campaign.WAITING: "campaign.paused", Campaign.PAUSED: ""},
    "continue": {Campaign.PAUSED: "campaign.continued", Campaign.OPEN: ""},
    "abort": {
        state: "campaign.ending" for state in (Campaign.OPEN, Campaign.WAITING, Campaign.PAUSED, Campaign.ENDING)
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", FOLLOWS)
@pytest.mark.parametrize("state", STATES)
def test_what_follows_from_a_command_in_each_state(kind: str, state: Campaign) -> None:
    log, _ = running()
    for event in STATES[state]:
        log.say("campaign", event, reason="budget: it is used up")
    assert log.state.campaign is state
    if state not in FOLLOWS[kind]:
        with pytest.raises(Refused, match=r"^E505 .*No action was sent") as caught:
            say(log, kind)
        assert str(state) in str(caught.value) or "finished already" in str(caught.value)
        assert "k1" not in log.state.commands, "a refusal leaves no trace"
        return
    then = FOLLOWS[kind][state]
    assert say(log, kind) == ["command.received", *([then] if then else [])]


def test_a_campaign_that_ends_by_its_budget_can_still_be_aborted() -> None:
    """The experiments in hand would otherwise go on to their end, for hours, whatever anybody says."""
    log, the_bound = running(2)
    log.say("campaign", "campaign.ending", reason="budget: 3 experiments failed")
    go_on(log, the_bound)
    assert say(log, "abort") == ["command.received", "campaign.ending"]
    assert say(log, "abort", key="k2") == ["command.received"], "aborted is aborted"
    log.say("x0001.mix.1", "action.succeeded", reason="")
    assert go_on(log, the_bound) == []
    assert log.state.experiments["x0001"].failure == ("cancelled", "aborted by ada")
    assert log.state.campaign is Campaign.FINISHED


# -- settling a doubt -----------------------------------------------------------------------------------------
def in_doubt() -> tuple[Log, Any]:
    log, the_bound = running(2)
    log.say("x0001.mix.1", "action.doubted", reason="the line was cut")
    go_on(log, the_bound)
    assert log.state.experiments["x0001"].state is Experiment.HELD
    return log, the_bound


def settle(log: Log, verdict: str, action: str = "x0001.mix.1", key: str = "k1") -> list[str]:
    return say(log, "settle", key=key, action=action, verdict=verdict, note="I looked")


def test_done_leads_to_the_next_step() -> None:
    log, the_bound = in_doubt()
    assert settle(log, "done") == ["command.received", "action.succeeded"]
    assert log.events[-1].body == {"reason": "ada: I looked"} and log.events[-1].actor == "ada"
    assert set(go_on(log, the_bound)) == {Send("x0001.coat.1"), Send("x0002.mix.1")}


def test_not_done_leads_to_the_same_step_anew() -> None:
    log, the_bound = in_doubt()
    assert settle(log, "not-done") == ["command.received", "action.not_done"]
    assert go_on(log, the_bound) == [Send("x0001.mix.2")]
    assert log.state.actions["x0001.mix.1"].state is Action.NOT_DONE


def test_discard_gives_the_experiment_up_and_frees_the_device() -> None:
    log, the_bound = in_doubt()
    assert settle(log, "discard") == ["command.received", "action.discarded"]
    assert go_on(log, the_bound) == [Send("x0002.mix.1")]
    experiment = log.state.experiments["x0001"]
    assert experiment.state is Experiment.CANCELLED
    assert experiment.failure == ("cancelled", "x0001.mix.1 was given up: ada: I looked")
    assert log.state.n_failed == 0


@pytest.mark.parametrize("action", ["x0002.mix.1", "x0001.coat.1", "", "nothing"])
def test_only_a_doubt_can_be_settled_and_the_refusal_names_the_open_ones(action: str) -> None:
    log, _ = in_doubt()
    with pytest.raises(Refused, match=r"E505 .* is not in doubt.*the open doubts are: x0001\.mix\.1"):
        settle(log, "done", action=action)


def test_a_doubt_is_settled_once() -> None:
    log, _ = in_doubt()
    settle(log, "not-done")
    with pytest.raises(Refused, match=r"not in doubt.*are: none"):
        settle(log, "done", key="k2")


def test_an_unknown_verdict_is_refused() -> None:
    log, _ = in_doubt()
    with pytest.raises(Refused, match=r"'perhaps' is no verdict.*done, not-done or discard"):
        settle(log, "perhaps")


@pytest.mark.parametrize(
    "command",
    [
        ("k", "dance", "ada", {}), ("", "pause", "ada", {}), (5, "pause", "ada", {}), ("k", "pause", None, {}),
        ("k", ["pause"], "ada", {}), ("k", "pause", "ada", []), ("k", "settle", "ada", {}),
        ("k", "settle", "ada", {"action": "x", "verdict": "done"}),
        ("k", "settle", "ada", {"action": "x", "verdict": 1, "note": ""}),
        ("k", "settle", "ada", {"action": ["x"], "verdict": "done", "note": ""}),
    ],
)  # fmt: skip
def test_what_is_no_command_is_refused_before_an_engine_sees_it(command: tuple[Any, ...]) -> None:
    with pytest.raises(Refused, match="E505"):
        Command(*command)


# -- the laboratory, its devices, one experiment --------------------------------------------------------------
@pytest.mark.parametrize("state", STATES)
def test_a_stop_is_obeyed_in_every_state_and_a_release_only_after_it(state: Campaign) -> None:
    log, the_bound = running()
    for event in STATES[state]:
        log.say("campaign", event, reason="so")
    with pytest.raises(Refused, match=r"^E505 .*not stopped"):
        say(log, "release", note="all is well")
    assert say(log, "stop", note="smoke") == ["command.received", "lab.stopped"]
    assert log.state.stopped["by"] == "ada" and log.state.stopped["reason"] == "ada: smoke"
    assert say(log, "stop", key="k2", by="bea", note="flood") == ["command.received", "lab.stopped"]
    log.restart()
    assert log.state.stopped["reason"] == "bea: flood"
    assert not [e for e in go_on(log, the_bound) if e.__class__.__name__ == "Send"]
    assert say(log, "release", key="k3", note="dry again") == ["command.received", "lab.released"]
    assert log.events[-1].actor == "ada" and not log.state.stopped


def test_a_stopped_laboratory_asks_no_planner_and_plans_nothing() -> None:
    log, the_bound = running(0)
    say(log, "stop", note="smoke")
    assert go_on(log, the_bound) == []


def test_a_device_goes_out_and_in_and_is_known_by_its_name() -> None:
    log, _ = running()
    with pytest.raises(Refused, match=r"no device 'ovn'.*did you mean 'oven'"):
        say(log, "device", device="ovn", to="out", note="")
    with pytest.raises(Refused, match="not 'away'"):
        say(log, "device", device="oven", to="away", note="")
    assert say(log, "device", device="oven", to="in", note="") == ["command.received"]
    assert say(log, "device", key="k2", device="oven", to="out", note="hot") == [
        "command.received",
        "device.taken_out",
    ]
    assert say(log, "device", key="k3", device="oven", to="out", note="hot") == ["command.received"]
    assert say(log, "device", key="k4", device="oven", to="out", note="", now="yes")[-1] == "device.taken_out"
    log.restart()
    assert log.state.out["oven"]["now"] is True
    assert (
        say(log, "device", key="k5", device="oven", to="in", note="")[-1] == "device.put_in"
        and not log.state.out
    )


def test_what_is_asked_of_an_experiment_is_said_once_and_can_be_taken_back() -> None:
    log, the_bound = running()
    one = log.state.experiments["x0001"]
    asked = ["command.received", "experiment.asked"]
    assert say(log, "pause", experiment="x0001") == asked
    assert say(log, "pause", key="k2", experiment="x0001") == ["command.received"]
    assert say(log, "continue", key="k3", experiment="x0001") == asked and one.asked == ""
    assert say(log, "continue", key="k4", experiment="x0001") == ["command.received"]
    log.say("x0001.mix.1", "action.succeeded", reason="")
    say(log, "pause", key="k5", experiment="x0001")
    go_on(log, the_bound)
    assert one.state == "paused" and one.asked == ""
    say(log, "abort", key="k6", experiment="x0001")
    go_on(log, the_bound)
    assert one.state == "cancelled"
    with pytest.raises(Refused, match="it is cancelled"):
        say(log, "pause", key="k7", experiment="x0001")


@pytest.mark.parametrize(
    ("kind", "arguments", "halted"),
    [("stop", {"note": ""}, {"a", "b"}), ("pause", {}, set()), ("pause", {"now": "yes"}, {"a", "b"}),
     ("pause", {"now": "yes", "experiment": "x"}, set()), ("abort", {}, set()), ("release", {"note": ""}, set()),
     ("device", {"device": "a", "to": "out", "note": ""}, set()),
     ("device", {"device": "a", "to": "out", "note": "", "now": "yes"}, {"a"}),
     ("device", {"device": "a", "to": "in", "note": "", "now": "yes"}, set()),
     ("device", {"device": "c", "to": "out", "note": "", "now": "yes"}, set())],
)  # fmt: skip
def test_what_a_command_halts(kind: Any, arguments: dict[str, str], halted: set[str]) -> None:
    assert Command("k", kind, "ada", arguments).halts(["a", "b"]) == halted
