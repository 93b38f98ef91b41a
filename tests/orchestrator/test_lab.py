"""The fold: the same events, the same state; no gap; what no table allows is not folded either."""

from __future__ import annotations

import dataclasses
import json
import random
import sqlite3
from importlib.resources import files

import pytest

from campaigns.campaign import Budget
from orchestrator.events import to_json
from orchestrator.history import records
from orchestrator.lab import LabState, fold
from orchestrator.lifecycle import IllegalPassage
from orchestrator.log.projection import project
from tests.orchestrator.builders import bound, intend, opened, propose, run_one
from tests.orchestrator.walks import Walk, plan_of


def walk(seed: int) -> Walk:
    dice = random.Random(seed)
    the_walk = Walk(bound(plan=plan_of(dice), budget=Budget(experiments=20, failures=5)), seed, trouble=0.4)
    the_walk.run(steps=60)
    return the_walk


def test_the_same_events_give_the_same_state_at_once_and_one_by_one() -> None:
    for seed in range(40):
        events = walk(seed).log.events
        one_by_one = LabState()
        for n, event in enumerate(events, start=1):
            one_by_one.apply(event)
            if n % 17 == 0:
                assert fold(events[:n]) == one_by_one
        assert fold(events) == fold(events) == one_by_one


def test_the_fold_needs_nothing_but_what_is_on_disk() -> None:
    """Bodies go through JSON: what a restart reads is what was written."""
    for seed in range(20):
        events = walk(seed).log.events
        read = [dataclasses.replace(e, body=json.loads(to_json(e.body))) for e in events]
        assert fold(read) == fold(events)


def test_a_gap_is_refused() -> None:
    events = walk(1).log.events
    for missing in (0, 5, len(events) - 2):
        with pytest.raises(ValueError, match="gap"):
            fold(events[:missing] + events[missing + 1 :])
    with pytest.raises(ValueError, match="gap"):
        fold([*events, events[-1]])


def test_what_no_table_allows_is_refused_with_its_story() -> None:
    log = opened(bound())
    name = run_one(log, 1.0)
    with pytest.raises(
        IllegalPassage, match=r"experiment x0001: experiment.started .*experiment.proposed -> "
    ):
        log.say(name, "experiment.started")
    with pytest.raises(IllegalPassage, match=r"action x0001.look.1: .*probe.measure intended"):
        log.say(f"{name}.look.1", "action.failed", attribution="instrument", reason="too late")


def test_an_open_action_holds_its_device_until_it_is_settled() -> None:
    log = opened(bound())
    name = propose(log)
    log.say(name, "experiment.queued")
    log.say(name, "experiment.started")
    action = intend(log, name, "look", device="probe", verb="measure", step=3)
    assert log.state.open_actions["probe"].id == action and not log.state.doubts
    log.say(action, "action.doubted", reason="the line was cut")
    assert [a.id for a in log.state.doubts] == [action] and "probe" in log.state.open_actions
    log.say(action, "action.not_done", reason="nothing was there")
    assert not log.state.open_actions and log.state.experiments[name].step == 0


@pytest.mark.parametrize("sought", [True, False])
def test_a_rejected_reading_takes_the_step_back_where_an_objective_needs_it(sought: bool) -> None:
    log = opened(bound())
    name = propose(log)
    log.say(name, "experiment.queued")
    log.say(name, "experiment.started")
    action = intend(log, name, "look", device="probe", verb="measure", step=3)
    log.say(action, "action.succeeded", reason="")
    assert log.state.experiments[name].step == 4
    log.say(
        f"measurement/{action}", "measurement.rejected", experiment=name, action=action, name="conductance",
        raw=None, reason="NaN", sought=sought,
    )  # fmt: skip
    assert log.state.experiments[name].step == (3 if sought else 4)
    assert log.state.actions[action].again == sought
    assert not log.state.experiments[name].values


def test_lab_time_is_counted_from_the_first_act() -> None:
    log = opened(bound())
    for began_s, ended_s in ((1.7e9 + 20, 1.7e9 + 30), (1.7e9, 1.7e9 + 100)):  # the second began first
        name = propose(log)
        log.say(name, "experiment.queued")
        log.say(name, "experiment.started")
        action = intend(log, name, "look", device="probe", verb="measure", step=3)
        log.say(action, "action.succeeded", reason="", began_s=began_s, ended_s=ended_s)
        log.say(name, "experiment.cancelled", reason="enough")
    assert log.state.lab_elapsed_s == 100.0
    told = records(log.state).experiments
    assert [(e.lab_began_s, e.lab_ended_s) for e in told] == [(20.0, 30.0), (0.0, 100.0)]


def test_only_what_teaches_is_told_and_every_failure_counts() -> None:
    log = opened(bound())
    run_one(log, 1.0)
    run_one(log, None, attribution="infeasible")
    run_one(log, None, attribution="instrument")
    assert (log.state.n_told, log.state.n_failed) == (2, 2)


def projected(the_walk: Walk) -> sqlite3.Connection:
    """The walk's events written as the log writes them, under all constraints of its tables."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("PRAGMA foreign_keys=ON")
    db.executescript(files("orchestrator.log").joinpath("schema.sql").read_text())
    db.execute("INSERT INTO log_head VALUES (1, 0, 0, 'simulated')")
    for event in the_walk.log.events:
        project(db, event)
    return db


def test_no_constraint_of_the_log_refuses_what_is_decided() -> None:
    for seed in range(100, 160):
        the_walk = walk(seed)
        db = projected(the_walk)
        states = dict(db.execute("SELECT id, state FROM actions"))
        assert states == {a.id: str(a.state) for a in the_walk.state.actions.values()}
        states = dict(db.execute("SELECT id, state FROM experiments"))
        assert states == {e.id: str(e.state) for e in the_walk.state.experiments.values()}
        db.close()


def test_the_constraints_refuse_a_second_open_action() -> None:
    """Control: the tables that the walks pass would not take two open actions on a device."""
    the_walk = walk(100)
    db = projected(the_walk)
    intended = next(e for e in the_walk.log.events if e.kind == "action.intended")
    with pytest.raises(sqlite3.IntegrityError):
        for n in range(2):
            project(db, dataclasses.replace(intended, stream=f"again{n}"))
    db.close()
