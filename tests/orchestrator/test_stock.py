"""What the log says of consumables: settled as each end of an action says, and nothing is lost or made."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.protocol import Attribution, Outcome, Reading
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.commands import Command, obey
from orchestrator.errors import Refused
from orchestrator.hands import Fate
from orchestrator.lab import fold
from orchestrator.lifecycle import IllegalPassage, Stock
from orchestrator.outcomes import learn
from orchestrator.stock import StockState
from tests.orchestrator.builders import Log, campaign, intend, laboratory, opened, propose

CONSUMABLES: dict[str, Any] = {
    "ink": {"amount": "50 mL", "low": "5 mL", "uses": {"mixer.mix": {"takes": "2 mL"}}},
    "tips": {"amount": 8},
}
VERBS = {"mixer": "mix", "coater": "spin", "oven": "heat", "probe": "measure"}


def the_bound(**consumables: Any) -> BoundCampaign:
    return bind_campaign(campaign(), laboratory(consumables=consumables or CONSUMABLES))


def a_log() -> tuple[Log, BoundCampaign, str]:
    bound = the_bound()
    log = opened(bound)
    name = propose(log)
    log.say(name, "experiment.queued")
    log.say(name, "experiment.started")
    return log, bound, name


def act(log: Log, name: str, amount: float = 2.0, device: str = "mixer") -> str:
    return intend(log, name, "do", device=device, verb=VERBS[device], reserves={"ink": amount})


def balanced(one: StockState) -> None:
    total = one.began + one.filled + one.unaccounted
    assert math.isclose(total, one.on_hand + one.held + one.used, rel_tol=1e-9, abs_tol=1e-9), one
    assert one.on_hand >= 0 and all(amount >= 0 for amount in one.reserved.values())


def ends(used: dict[str, Reading], failed: Attribution | None = None) -> Outcome:
    status = "succeeded" if failed is None else "failed"
    return Outcome(status=status, used=used, attribution=failed, reason="")


def ml(value: float, unit: str = "mL") -> dict[str, Reading]:
    return {"ink": Reading(value=value, unit=unit)}


@pytest.mark.parametrize(
    ("fate", "used", "said"),
    [
        ({"outcome": ends({})}, 2.0, {}),
        ({"outcome": ends(ml(1.5))}, 1.5, {}),
        ({"outcome": ends(ml(3.0))}, 3.0, {}),
        ({"outcome": ends(ml(0.0))}, 0.0, {}),
        ({"outcome": ends(ml(0.0025, "L"))}, 2.5, {}),
        ({"outcome": ends({}, Attribution.INSTRUMENT)}, 2.0, {}),
        ({"outcome": ends(ml(0.5), Attribution.INFEASIBLE)}, 0.5, {}),
        ({"outcome": ends({}, Attribution.BUSY)}, 0.0, {}),
        ({"outcome": ends(ml(math.nan))}, 2.0, {"used_unclear": "nan"}),
        ({"outcome": ends(ml(math.inf))}, 2.0, {"used_unclear": "inf"}),
        ({"outcome": ends(ml(-1.0))}, 2.0, {"used_unclear": "-1 mL"}),
        ({"outcome": ends(ml(1.0, "g"))}, 2.0, {"used_unclear": "g cannot be converted"}),
        ({"outcome": ends(ml(1.0, ""))}, 2.0, {"used_unclear": "without a unit"}),
        ({"outcome": ends(ml(1.0, "foobars"))}, 2.0, {"used_unclear": "foobars"}),
        ({"outcome": ends({"inc": Reading(value=1.0)})}, 2.0, {"used_unclear": "no such consumable"}),
        ({"outcome": ends(ml(60.0))}, 60.0, {"used_beyond": "10"}),
        ({"verdict": "not done"}, 0.0, {}),
        ({"verdict": "refused"}, 0.0, {}),
    ],
)
def test_the_end_of_an_action_says_what_it_used(
    fate: dict[str, Any], used: float, said: dict[str, str]
) -> None:
    log, bound, name = a_log()
    action = act(log, name)
    ink = log.state.stock["ink"]
    assert (ink.on_hand, ink.held, ink.used) == (48.0, 2.0, 0.0)
    log.apply(*learn(Fate(action, **{"verdict": "ended", **fate}), log.state, bound))
    log.restart()
    ink = log.state.stock["ink"]
    assert ink.used == pytest.approx(used) and ink.held == 0 and not ink.reserved
    assert ink.on_hand == pytest.approx(max(50.0 - used, 0.0))
    assert log.state.actions[action].used == ({"ink": pytest.approx(used)} if used else {})
    balanced(ink)
    end = next(e for e in log.events if e.stream == action and e.kind != "action.intended")
    assert {key: key in end.body for key in ("used_unclear", "used_beyond")} == {
        key: key in said for key in ("used_unclear", "used_beyond")
    }
    for key, text in said.items():
        assert text in str(end.body[key]), end.body


@pytest.mark.parametrize(("verdict", "used"), [("done", 2.0), ("discard", 2.0), ("not-done", 0.0)])
def test_what_is_in_doubt_stays_reserved_until_a_person_says(verdict: str, used: float) -> None:
    log, bound, name = a_log()
    action = act(log, name)
    log.apply(*learn(Fate(action, "doubt", "lost"), log.state, bound))
    log.restart()
    assert log.state.stock["ink"].reserved == {action: 2.0}, "a restart gives nothing back"
    said = {"action": action, "verdict": verdict, "note": "looked"}
    log.apply(*obey(log.state, Command("k", "settle", "ada", said)))
    ink = log.state.stock["ink"]
    assert (ink.used, ink.held, ink.on_hand) == (used, 0.0, 50.0 - used)


def refill(log: Log, amount: str, name: str = "ink", key: str = "k") -> dict[str, Any]:
    events = obey(
        log.state, Command(key, "refill", "ada", {"consumable": name, "amount": amount, "note": "lot 7"})
    )
    log.apply(*events)
    return dict(events[-1].body)


def test_a_person_says_what_is_there_or_what_was_added() -> None:
    log, _, name = a_log()
    act(log, name)
    body = refill(log, "+0.05 L", key="1")
    assert (body["consumable"], body["unit"], body["reason"]) == ("ink", "mL", "ada: lot 7")
    assert (body["added"], body["there"]) == (pytest.approx(50.0), pytest.approx(100.0))
    assert log.state.stock["ink"].on_hand == pytest.approx(98.0)
    added = refill(log, "20 mL", key="2")["added"]
    assert added == pytest.approx(-80.0), "with what the act in hand has reserved"
    ink = log.state.stock["ink"]
    assert (ink.on_hand, ink.held, ink.filled) == pytest.approx((18.0, 2.0, -30.0))
    refill(log, "1 mL", key="3")
    ink = log.state.stock["ink"]
    assert (ink.on_hand, ink.held) == (0.0, 2.0), "what is reserved stays so"
    balanced(ink)
    refill(log, "+3", "tips", key="4")
    assert log.state.stock["tips"].on_hand == 11.0
    log.restart()


@pytest.mark.parametrize(
    ("name", "amount", "said"),
    [
        ("inc", "1 mL", "did you mean 'ink'"),
        ("ink", "1 g", "cannot be converted"),
        ("ink", "5", "counted in mL"),
        ("tips", "5 mL", "counted in pieces"),
        ("ink", "plenty", "not a number"),
        ("ink", "-5 mL", "less than nothing"),
        ("ink", "+-5 mL", "less than nothing"),
        ("ink", "1e999 mL", "no amount"),
        ("ink", "", "no amount"),
    ],
)
def test_a_refill_that_makes_no_sense_changes_nothing(name: str, amount: str, said: str) -> None:
    log, _, _ = a_log()
    with pytest.raises(Refused, match="E505") as refused:
        refill(log, amount, name)
    assert said in refused.value.render()


def test_what_is_said_of_a_consumable_is_said_by_the_table() -> None:
    log, _, _ = a_log()
    log.say("consumable/ink", "consumable.low", consumable="ink")
    log.say("consumable/ink", "consumable.out", consumable="ink")
    assert log.state.stock["ink"].state is Stock.OUT
    refill(log, "+0 mL")
    assert log.state.stock["ink"].state is Stock.ENOUGH
    log.say("consumable/ink", "consumable.low", consumable="ink")
    with pytest.raises(IllegalPassage):
        log.say("consumable/ink", "consumable.low", consumable="ink")


amounts = st.one_of(st.floats(0, 60), st.sampled_from((0.0, 0.1, 0.3, 1e-9, 12345.678)))
words = st.one_of(st.none(), st.sampled_from((math.nan, -1.0, math.inf)), amounts)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("act"), st.integers(0, 3), amounts),
        st.tuples(st.just("end"), st.integers(0, 3), words),
        st.tuples(st.sampled_from(("fail", "busy", "not done", "refused", "doubt", "crash")), st.integers(0, 3), words),
        st.tuples(st.sampled_from(("done", "discard", "not-done")), st.integers(0, 3), st.none()),
        st.tuples(st.sampled_from(("fill", "there")), st.integers(0, 3), amounts),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(steps)
def test_nothing_is_lost_or_made_whatever_happens(course: list[tuple[str, int, float | None]]) -> None:
    """Against a bookkeeping of its own: what every act used, by the rules of docs/consumables.md."""
    log, bound, name = a_log()
    keys = iter(range(10**6))
    used = added = 0.0
    for what, n, amount in course:
        device = list(VERBS)[n]
        open_ = log.state.open_actions.get(device)
        ink = log.state.stock["ink"]
        if what == "act" and open_ is None:
            assert amount is not None
            act(log, name, amount, device)
        elif what in ("fill", "there"):
            assert amount is not None
            before = ink.there
            refill(log, f"{'+' if what == 'fill' else ''}{amount!r} mL", key=str(next(keys)))
            after = log.state.stock["ink"].there
            wanted = before + amount if what == "fill" else max(amount, ink.held)
            assert after == pytest.approx(wanted)
            added += after - before
        elif what == "crash":
            log.restart()
        elif open_ is not None and what in ("done", "discard", "not-done") and open_.state == "in doubt":
            said = {"action": open_.id, "verdict": what, "note": "looked"}
            log.apply(*obey(log.state, Command(str(next(keys)), "settle", "ada", said)))
            used += 0.0 if what == "not-done" else open_.reserves["ink"]
        elif open_ is not None and open_.state == "intended":
            reserved = open_.reserves["ink"]
            if what in ("end", "fail", "busy"):
                why = {"end": None, "fail": Attribution.INSTRUMENT, "busy": Attribution.BUSY}[what]
                told = {} if amount is None else ml(amount)
                fate = Fate(open_.id, "ended", outcome=ends(told, why))
                good = amount is not None and math.isfinite(amount) and amount >= 0
                used += amount if good else 0.0 if what == "busy" else reserved  # type: ignore[operator]
            elif what in ("not done", "refused", "doubt"):
                fate = Fate(open_.id, what, "so it was")  # type: ignore[arg-type]
            else:
                continue
            log.apply(*learn(fate, log.state, bound))
        ink = log.state.stock["ink"]
        balanced(ink)
        assert ink.used == pytest.approx(used, abs=1e-6)
        assert ink.filled == pytest.approx(added, abs=1e-6)
        open_now = {a.id: a.reserves["ink"] for a in log.state.open_actions.values()}
        assert ink.reserved == open_now, "every open act has its own put aside, and nobody else"
    assert fold(log.events) == log.state
