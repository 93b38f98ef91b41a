"""Signals, rules and suspenders of a lab.yaml: bound in their units, or refused with line and column."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from campaigns.errors import CampaignError, Fault
from orchestrator.interlocks import Comparison, InHand
from orchestrator.labfile import Laboratory, bind_lab, read_lab
from orchestrator.lifecycle import Suspender as States
from orchestrator.monitoring import unbound_rules
from orchestrator.sentry import Seen, Sentry
from tests.orchestrator.builders import bound, opened

LAB = """\
alquimia_lab: 1
name: watched
clock: virtual
devices:
  arm: {driver: sim.instant}
  furnace: {driver: sim.instant}
  sensors: {driver: sim.instant}
groups: {any: [arm, furnace]}
signals:
  o2: {device: sensors, action: step_d, reading: score, every: 2 s}
rules:
  - when: o2 > 20 %
    forbid: arm.step_a
    with: {x: 0.5}
    then: refuse
    why: it would burn
  - {when: [furnace.score >= 0.5, any.step_b in hand], forbid: any.*, unknown: pass}
suspenders:
  - {signal: o2, band: [0, 10 ppm], resume_after: 1 min, devices: [arm]}
  - signal: water
    source: {device: sensors, action: step_d, reading: score, every: 100 ms, stale_after: 4}
    band: [0.2, null]
"""


def read(tmp_path: Path, text: str) -> Laboratory:
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    return bind_lab(*read_lab("whatever", path))


def faults(tmp_path: Path, text: str) -> tuple[Fault, ...]:
    with pytest.raises(CampaignError) as caught:
        read(tmp_path, text)
    return caught.value.faults


def test_what_is_watched_is_bound_in_its_units(tmp_path: Path) -> None:
    watched = read(tmp_path, LAB).monitoring
    water, o2 = watched.sources
    assert (o2.signal, o2.device, o2.verb, o2.reading, o2.every_s, o2.stale_s) == (
        "o2", "sensors", "step_d", "score", 2.0, 6.0,
    )  # fmt: skip
    assert (water.every_s, water.stale_s) == (0.1, 4.0)
    first, second = watched.rules
    assert first.when == (Comparison("o2", ">", 20.0, "%"),) and first.refuse and first.unknown_forbids
    assert (first.devices, first.verb, first.arguments) == (("arm",), "step_a", {"x": 0.5})
    assert second.when[0] == Comparison("furnace.score", ">=", 0.5, "")
    assert second.when[1] == InHand(("arm", "furnace"), "step_b", "any.step_b in hand")
    assert (second.devices, second.verb, second.unknown_forbids) == (("arm", "furnace"), None, False)
    bands = {s.signal: (s.low, s.high, s.unit, s.resume_s, s.devices) for s in watched.suspenders}
    assert bands == {"o2": (0.0, 10.0, "ppm", 60.0, ("arm",)), "water": (0.2, math.inf, "", 60.0, ())}
    assert watched.logged == {("furnace", "score")}, "a polled signal need not be kept with every action"


def test_what_the_log_keeps_of_the_rules_says_the_same(tmp_path: Path) -> None:
    lab = read(tmp_path, LAB)
    again = lab.file.model_validate(lab.to_json())
    assert bind_lab(again).monitoring == lab.monitoring
    said = [[str(condition) for rule in rules for condition in rule.when]
            for rules in (unbound_rules(again), lab.monitoring.rules)]  # fmt: skip
    assert said[0] == said[1]


CASES = {
    "a signal of an unknown device": ("device: sensors, action: step_d, reading: score, every: 2 s",
                                      "device: sensor, action: step_d, reading: score", "E403", 10, "device"),
    "a signal of an unknown action": ("o2: {device: sensors, action: step_d", "o2: {device: sensors, action: look",
                                      "E403", 10, "action"),
    "a signal of an unknown reading": ("step_d, reading: score, every: 2", "step_d, reading: scare, every: 2", "E403",
                                       10, "reading"),
    "a signal that lacks an argument": ("o2: {device: sensors, action: step_d, reading: score",
                                        "o2: {device: sensors, action: step_a, reading: score", "E403", 10, "reading"),
    "a signal read at every length": ("every: 2 s", "every: 2 m", "E403", 10, "every"),
    "a signal read all the time": ("every: 2 s", "every: 0", "E403", 10, "every"),
    "a signal that is stale at once": ("stale_after: 4", "stale_after: 50 ms", "E403", 21, "stale_after"),
    "a rule that is no condition": ("when: o2 > 20 %", "when: o2 is 20 %", "E401", 12, "rules"),
    "a rule on an unknown signal": ("when: o2 > 20 %", "when: o3 > 20 %", "E403", 12, "when"),
    "a rule on an unknown reading": ("furnace.score >=", "furnace.heat >=", "E403", 17, "when"),
    "a rule of the wrong dimension": ("when: o2 > 20 %", "when: o2 > 20 K", "E403", 12, "when"),
    "a rule in an unknown unit": ("when: o2 > 20 %", "when: o2 > 20 foobars", "E403", 12, "when"),
    "a rule that forbids nothing": ("forbid: arm.step_a", "forbid: arm", "E401", 13, "forbid"),
    "a rule on an unknown device": ("forbid: arm.step_a", "forbid: amr.step_a", "E403", 13, "forbid"),
    "a rule on an unknown action": ("forbid: arm.step_a", "forbid: arm.step_e", "E403", 13, "forbid"),
    "a rule on an unknown argument": ("with: {x: 0.5}", "with: {z: 0.5}", "E403", 14, "with"),
    "a rule on an impossible argument": ("with: {x: 0.5}", "with: {x: 2.5}", "E403", 14, "with"),
    "a rule that shouts": ("then: refuse", "then: shout", "E401", 15, "then"),
    "a device in hand that is none": ("any.step_b in hand", "all.step_b in hand", "E403", 17, "when"),
    "a suspender of a signal that nobody reads": ("signal: o2, band", "signal: o3, band", "E403", 19, "signal"),
    "a band of the wrong dimension": ("10 ppm]", "10 K]", "E403", 19, "band"),
    "a band that is upside down": ("[0, 10 ppm]", "[20, 10 ppm]", "E403", 19, "band"),
    "a band without an end": ("[0, 10 ppm]", "[null, null]", "E401", 19, "band"),
    "a band with three ends": ("[0, 10 ppm]", "[0, 5, 10 ppm]", "E401", 19, "band"),
    "a suspender of an unknown device": ("devices: [arm]", "devices: [amr]", "E403", 19, "devices"),
    "a suspender that never resumes": ("resume_after: 1 min", "resume_after: -1 min", "E403", 19, "resume_after"),
    "two suspenders of a signal": ("signal: water", "signal: o2", "E401", None, ""),
    "a signal with a strange name": ("  o2: {device", "  O 2: {device", "E401", 10, "signals"),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_a_fault_has_its_code_line_and_path(tmp_path: Path, what: str) -> None:
    before, after, code, line, path = CASES[what]
    assert before in LAB
    found = [f for f in faults(tmp_path, LAB.replace(before, after)) if f.code == code]
    assert found, what
    if line is not None:
        assert found[0].line == line and path in found[0].path, found[0].render()
    assert found[0].message


def test_what_is_read_on_and_on_must_be_repeatable(tmp_path: Path) -> None:
    text = LAB.replace(
        "sensors: {driver: sim.instant}", "sensors: {driver: sim.instant, settings: {repeat: testable}}"
    )
    assert {(f.code, f.line) for f in faults(tmp_path, text)} == {("E403", 10), ("E403", 21)}


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    text = LAB.replace("forbid: arm.step_a", "forbid: arm.step_e").replace("10 ppm", "10 K")
    assert [f.line for f in faults(tmp_path, text)] == [13, 19]


# -- what a look means ----------------------------------------------------------------------------------------
def seen(value: float | None, at_s: float, unit: str = "ppm") -> Seen:
    return Seen("o2", value, unit, "" if value is not None else "no answer", at_s)


def test_a_suspender_trips_at_once_and_clears_after_its_dwell(tmp_path: Path) -> None:
    sentry = Sentry(read(tmp_path, LAB).monitoring)
    log = opened(bound())

    def look(value: float | None, at_s: float, unit: str = "ppm") -> list[str]:
        events = [e for e in sentry.judge(seen(value, at_s, unit), log.state) if e.kind != "signal.read"]
        log.apply(*events)
        return [e.kind for e in events]

    trip, clear = ["suspender.tripped"], ["suspender.cleared"]
    assert look(10.0, 0) == [], "the end of the band is within it"
    assert look(10.001, 1) == trip
    assert log.state.suspended["o2"]["value"] == 10.001 and "above 10" in log.state.suspended["o2"]["reason"]
    assert look(11.0, 2) == [], "said once"
    assert look(5.0, 3) == [] and look(5.0, 62.9) == [], "the dwell is a minute"
    assert look(12.0, 63) == [] and look(5.0, 64) == [] and look(5.0, 123) == [], "and begins anew"
    assert look(5.0, 124) == clear and not log.state.suspended
    assert look(None, 125) == trip, "what cannot be read is out of band"
    assert look(0.0005, 126, "%") == [] and look(5e-6, 186, "") == clear, "in whatever unit it comes"
    assert look(5e-5, 187, "") == trip and look(5e-6, 188, "") == [] and look(5e-6, 248, "") == clear
    assert look(1.0, 249, "K") == trip
    log.restart()
    assert "o2" in log.state.suspended, "and survives a restart"
    assert States.TRIPPED  # by the table: a second trip is impossible
    with pytest.raises(Exception, match="not possible in state tripped"):
        log.say("suspender/o2", "suspender.tripped", signal="o2", reason="", value=None, unit="", devices=[])


def test_the_log_is_told_of_a_signal_only_when_it_changes_sides(tmp_path: Path) -> None:
    sentry = Sentry(read(tmp_path, LAB).monitoring)
    log = opened(bound())
    told = []
    for at_s, value in enumerate((0.1, 0.15, 0.1999, 0.2001, 0.5, None, None, 0.3, 0.1)):
        events = [e for e in sentry.judge(seen(value, at_s, ""), log.state) if e.kind == "signal.read"]
        log.apply(*events)
        told += [e.body["value"] for e in events]
    assert told == [0.1, 0.2001, None, 0.3, 0.1]
