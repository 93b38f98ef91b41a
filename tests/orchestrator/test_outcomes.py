"""Readings become measurements, or are rejected with the reason: a broken number never gets into the log."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.campaign import Objective
from drivers.protocol import ActionSpec, Attribution, Outcome, Reading, Repeat, ResultSpec
from orchestrator import decide, outcomes
from orchestrator.binding import BoundCampaign, Gift, bind_campaign
from orchestrator.decision import Around
from orchestrator.events import Event, to_json
from orchestrator.hands import Fate
from orchestrator.lifecycle import Action, Experiment
from orchestrator.outcomes import learn
from tests.orchestrator.builders import BENCH, Log, bound, campaign, enter, laboratory, opened, propose

Verdict = Literal["ended", "not done", "doubt", "refused"]


def at_the_probe(the_bound: BoundCampaign) -> Log:
    """A log whose only experiment is being measured."""
    log = opened(the_bound)
    enter(log, 0, the_bound)
    propose(log)
    go_on(log, the_bound)
    for step in ("mix", "coat", "bake"):
        log.say(f"x0001.{step}.1", "action.succeeded", reason="")
        go_on(log, the_bound)
    assert log.state.open_actions["probe"].id == "x0001.look.1"
    return log


def go_on(log: Log, the_bound: BoundCampaign) -> None:
    while events := decide.decide(log.state, the_bound, Around(asking=True)).events:
        log.apply(*events)


def ended(readings: dict[str, Reading], action: str = "x0001.look.1", **outcome: Any) -> Fate:
    return Fate(action, "ended", outcome=Outcome(status="succeeded", readings=readings, **outcome))


def of(reading: Reading | None) -> Event:
    """The event that a reading of the probe leads to."""
    the_bound = bound()
    log = at_the_probe(the_bound)
    events = learn(ended({} if reading is None else {"signal": reading}), log.state, the_bound)
    assert [e.kind for e in events[:1]] == ["action.succeeded"] and len(events) == 2
    log.apply(*events)  # it can be folded
    to_json(events[1].body)  # and written
    return events[1]


@pytest.mark.parametrize(
    ("reading", "value", "sigma"),
    [
        (Reading(value=0.004, unit="S", sigma=0.001), 4.0, 1.0),
        (Reading(value=0.004, unit="S"), 4.0, None),
        (Reading(value=0.004), 4.0, None),  # in the unit that the device declared
        (Reading(value=4.0, unit="mS", sigma=0.5), 4.0, 0.5),
        (Reading(value=4000.0, unit="uS", sigma=100.0), 4.0, 0.1),
        (Reading(value=0.0, unit="S", sigma=0.0), 0.0, 0.0),
        (Reading(value=10.0, unit="S"), 10_000.0, None),
    ],
)
def test_a_good_reading_is_converted_and_recorded(
    reading: Reading, value: float, sigma: float | None
) -> None:
    event = of(reading)
    assert event.kind == "measurement.recorded" and event.cause == "x0001.look.1"
    assert event.body["value"] == pytest.approx(value, rel=1e-12) and event.body["unit"] == "mS"
    assert event.body["sigma"] == (None if sigma is None else pytest.approx(sigma, rel=1e-12))
    assert event.body["reality"] == "simulated" and event.body["driver"] == "probe"


BAD = {
    "not a number": (Reading(value=math.nan, unit="S"), "signal is nan"),
    "infinity": (Reading(value=math.inf, unit="S"), "signal is inf"),
    "minus infinity": (Reading(value=-math.inf, unit="S"), "signal is -inf"),
    "another dimension": (Reading(value=0.004, unit="m"), "m cannot be converted to S"),
    "a unit nobody knows": (Reading(value=0.004, unit="blob"), "blob cannot be converted to S"),
    "above what is possible": (Reading(value=10.1, unit="S"), "signal is 10.1 S, above the possible 10"),
    "above it in another unit": (Reading(value=10_100.0, unit="mS"), "signal is 10.1 S, above the possible 10"),
    "below what is possible": (Reading(value=-1e-9, unit="S"), "signal is -1e-09 S, below the possible 0"),
    "a negative uncertainty": (Reading(value=1.0, unit="S", sigma=-1.0), "the uncertainty of signal is -1.0"),
    "an uncertainty of NaN": (Reading(value=1.0, unit="S", sigma=math.nan), "the uncertainty of signal is nan"),
    "an infinite uncertainty": (Reading(value=1.0, unit="S", sigma=math.inf), "the uncertainty of signal is inf"),
    "an uncertainty beyond all numbers": (
        Reading(value=1.0, unit="S", sigma=1e308), "signal is 1 S, beyond every number that is kept"),
    "no reading": (None, "the device gave no 'signal'"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_reading_is_rejected_with_the_reason_and_never_a_measurement(what: str) -> None:
    reading, reason = BAD[what]
    event = of(reading)
    assert event.kind == "measurement.rejected" and str(event.body["reason"]).startswith(reason)
    assert (event.body["raw"] is None) == (reading is None)


@pytest.mark.parametrize("what", ["not a number", "infinity", "another dimension", "an infinite uncertainty"])
def test_without_the_look_at_the_reading_the_log_itself_would_refuse_it(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: the rejection is what keeps these out, and what lies behind it would stop the engine."""
    monkeypatch.setattr(outcomes, "_fault", lambda gift, reading: "")
    with pytest.raises((ValueError, AssertionError)):
        assert of(BAD[what][0]).kind == "measurement.rejected"


@settings(max_examples=300, deadline=None)
@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    sigma=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    unit=st.sampled_from(["", "S", "mS", "MS", "m", "degC", "%", "blob"]),
)
def test_whatever_is_read_what_is_recorded_is_finite_and_possible(
    value: float, sigma: float | None, unit: str
) -> None:
    event = of(Reading(value=value, unit=unit, sigma=sigma))
    if event.kind == "measurement.recorded":
        assert 0 <= event.body["value"] <= 10_000 and unit in ("", "S", "mS", "MS")
        assert event.body["sigma"] is None or 0 <= event.body["sigma"] <= 1.7e308


def without_unit(reading: Reading) -> Event:
    """A device that declares no unit, and an objective that has none."""
    action = ActionSpec(results={"signal": ResultSpec()}, repeat=Repeat.REPEATABLE)
    objectives = (Objective(name="conductance", direction="maximise"),)
    the_bound = bind_campaign(
        campaign(objectives=objectives), laboratory(bench={**BENCH, "probe": {"measure": action}})
    )
    log = at_the_probe(the_bound)
    return learn(ended({"signal": reading}), log.state, the_bound)[1]


def test_a_device_without_a_unit_gives_plain_numbers_and_nothing_else() -> None:
    assert without_unit(Reading(value=0.5)).body["value"] == 0.5
    assert without_unit(Reading(value=50.0, unit="%")).body["value"] == 0.5
    assert without_unit(Reading(value=1.0, unit="m")).kind == "measurement.rejected"


def test_a_temperature_keeps_its_offset_and_its_uncertainty_does_not_get_one() -> None:
    gift = Gift("t", "degC", "K", -50.0, 400.0)
    the_bound = bound()
    log = at_the_probe(the_bound)
    action = log.state.actions["x0001.look.1"]
    event = outcomes._measured(
        action, action.experiment, "t", gift, Reading(value=25.0, unit="degC", sigma=0.5), the_bound
    )
    assert event.body["value"] == pytest.approx(298.15) and event.body["sigma"] == 0.5


# -- a second chance ------------------------------------------------------------------------------------------
def test_a_rejected_reading_is_taken_again_three_times_and_then_it_is_a_bad_reading() -> None:
    the_bound = bound()
    log = at_the_probe(the_bound)
    for n in range(1, decide.ATTEMPTS + 1):
        assert log.state.experiments["x0001"].state is Experiment.RUNNING
        fate = ended({"signal": Reading(value=math.nan, unit="S")}, f"x0001.look.{n}")
        log.apply(*learn(fate, log.state, the_bound))
        go_on(log, the_bound)
    experiment = log.state.experiments["x0001"]
    assert experiment.failure == ("bad reading", "probe.measure gave no usable reading in 3 attempts")
    assert len([a for a in experiment.actions if ".look." in a]) == decide.ATTEMPTS and not experiment.values


@pytest.mark.parametrize("bad", [1, 2])
def test_a_good_reading_after_bad_ones_is_the_measurement(bad: int) -> None:
    the_bound = bound()
    log = at_the_probe(the_bound)
    for n in range(1, bad + 2):
        value = math.nan if n <= bad else 0.004
        log.apply(*learn(ended({"signal": Reading(value=value)}, f"x0001.look.{n}"), log.state, the_bound))
        go_on(log, the_bound)
    experiment = log.state.experiments["x0001"]
    assert experiment.state is Experiment.MEASURED and experiment.values["conductance"].value == 4.0


def test_busy_in_between_uses_up_no_attempt_at_reading() -> None:
    the_bound = bound()
    log = at_the_probe(the_bound)
    busy = Outcome(status="failed", attribution=Attribution.BUSY, reason="in use")
    for n in (1, 2):
        log.apply(*learn(Fate(f"x0001.look.{n}", "ended", outcome=busy), log.state, the_bound))
        go_on(log, the_bound)
    log.apply(*learn(ended({"signal": Reading(value=math.nan)}, "x0001.look.3"), log.state, the_bound))
    go_on(log, the_bound)
    assert log.state.experiments["x0001"].state is Experiment.RUNNING, "one bad reading is not three"


# -- fates ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("verdict", "kind"),
    [("not done", "action.not_done"), ("refused", "action.refused"), ("doubt", "action.doubted")],
)
def test_a_fate_becomes_its_event(verdict: Verdict, kind: str) -> None:
    the_bound = bound()
    log = at_the_probe(the_bound)
    (event,) = learn(Fate("x0001.look.1", verdict, "because"), log.state, the_bound)
    assert (event.kind, event.body) == (kind, {"reason": "because"})


@pytest.mark.parametrize(
    ("verdict", "n"), [("not done", 1), ("ended", 2), ("doubt", 0), ("refused", 0)]
)  # fmt: skip
def test_what_is_learnt_of_an_act_in_doubt_settles_it_or_leaves_it(verdict: Verdict, n: int) -> None:
    """A host that cannot be reached again, or refuses to send again, says nothing about what happened."""
    the_bound = bound()
    log = at_the_probe(the_bound)
    log.say("x0001.look.1", "action.doubted", reason="?")
    outcome = Outcome(status="succeeded", readings={"signal": Reading(value=0.001)})
    fate = Fate("x0001.look.1", verdict, "so", outcome if verdict == "ended" else None)
    events = learn(fate, log.state, the_bound)
    assert len(events) == n
    if n == 0:
        assert log.state.actions["x0001.look.1"].state is Action.IN_DOUBT


@pytest.mark.parametrize("verdict", ["not done", "refused", "doubt", "ended"])
def test_what_is_settled_stays_settled(verdict: Verdict) -> None:
    the_bound = bound()
    log = at_the_probe(the_bound)
    log.say("x0001.look.1", "action.not_done", reason="a person saw it")
    fate = Fate("x0001.look.1", verdict, "so", Outcome(status="succeeded") if verdict == "ended" else None)
    assert learn(fate, log.state, the_bound) == []


def test_a_failure_without_attribution_is_the_instruments() -> None:
    the_bound = bound()
    log = at_the_probe(the_bound)
    outcome = Outcome(status="failed", reason="broke", began_s=5.0, ended_s=7.0)
    (event,) = learn(Fate("x0001.look.1", "ended", outcome=outcome), log.state, the_bound)
    assert event.body == {"attribution": "instrument", "reason": "broke", "began_s": 5.0, "ended_s": 7.0}


def test_a_rejected_reading_says_that_an_objective_needs_it() -> None:
    event = of(BAD["not a number"][0])
    assert event.kind == "measurement.rejected" and event.body["sought"] is True
