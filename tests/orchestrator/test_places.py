"""Samples in places: of random campaigns with every kind of trouble, each sample is where the log says, or in doubt."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.errors import CampaignError
from orchestrator import guard, samples
from orchestrator.binding import BoundCampaign
from orchestrator.decide import decide
from orchestrator.decision import Around
from orchestrator.events import Event
from orchestrator.interlocks import Comparison, Rule
from orchestrator.labfile import bind_lab, read_lab
from orchestrator.lifecycle import Experiment, IllegalPassage
from orchestrator.log.sqlite import SqliteLog
from orchestrator.monitoring import Monitoring
from orchestrator.scheduling import dispatch
from orchestrator.scheduling.forecast import Forecast
from tests.orchestrator.builders import Log, enter, opened, propose
from tests.orchestrator.logs import Writer
from tests.orchestrator.place_walks import PlaceWalk, bound, with_windows
from tests.promises.carried import TABLE

BOUND = bound()
CLOSED = guard.closed


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(seed=st.integers(0, 10**9), trouble=st.sampled_from((0.0, 0.05, 0.2, 0.5)))
def test_every_sample_is_where_the_log_says_or_in_doubt(seed: int, trouble: float) -> None:
    walk = PlaceWalk(BOUND, seed, trouble=trouble)
    state = walk.run(steps=400, calm=4000)
    if not trouble:
        assert all(e.state is Experiment.MEASURED for e in state.experiments.values())
        assert not state.samples.here and set(state.samples.left.values()) == {"store"}


def test_the_oven_takes_what_wants_the_same_together() -> None:
    walks = [PlaceWalk(BOUND, seed, trouble=0.0) for seed in range(10)]
    for walk in walks:
        walk.run(steps=0, calm=4000)
    assert sum(walk.together for walk in walks) >= 10


def test_samples_in_each_others_way_do_not_wait_for_ever() -> None:
    """Six experiments, three slots, places for one: each has to go back into its own slot now and then."""
    walk = PlaceWalk(BOUND, 1, trouble=0.0)
    state = walk.run(steps=0, calm=4000)
    homeward = [a for a in state.actions.values() if a.moves and a.moves["to"].startswith("rack")]
    assert homeward and len(state.measured()) == 14


BROKEN: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "places that are not kept": lambda m: m.setattr(samples.Samples, "claimed", lambda self: {}),
    "a place that is only kept where the sample is": lambda m: m.setattr(
        samples.SampleState, "claims", property(lambda self: frozenset({self.at} - {None}))
    ),
    "a failed carriage that counts as done": lambda m: m.setattr(
        "orchestrator.folds.after", lambda kind, body, moves: moves["to"]
    ),
    "a sample that is carried and still in its place": lambda m: m.setattr(
        samples.Samples, "carry", lambda self, action, name, moves: None
    ),
    "devices that are reached into while they work": lambda m: (
        m.setattr(dispatch._Pass, "_at_work", lambda self, device: False),
        m.setattr(guard, "closed", lambda state, device, sample: CLOSED(replace(state, held={}), device, sample)),
    ),
    "a device that does not look what else is in it": lambda m: m.setattr(
        samples.SampleState, "may_be_in", lambda self, positions: False
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_the_walks_catch(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BROKEN[what](monkeypatch)
    with pytest.raises((AssertionError, IllegalPassage, KeyError)):
        for seed in range(60):
            PlaceWalk(BOUND, seed, trouble=0.1).run(steps=300, calm=2000)


def test_with_windows_walks_come_to_their_end_too() -> None:
    windowed = with_windows(BOUND, bake=(30.0, None), look=(None, 120.0))
    for seed in range(40):
        PlaceWalk(windowed, seed, trouble=0.2).run(steps=300, calm=6000)


@pytest.mark.parametrize(("within_s", "bakes"), [(80.0, 6), (130.0, 3), (400.0, 2)])
def test_no_more_are_taken_together_than_can_go_on_within_their_window(within_s: float, bakes: int) -> None:
    """The oven has three slots and waits to be filled; what comes out must be looked at soon by the only probe."""
    windowed = with_windows(BOUND, look=(None, within_s))
    lab = copy(windowed.laboratory)
    lab.fills = {"oven": 600.0}
    windowed = replace(windowed, laboratory=lab)
    log = opened(windowed)
    enter(log, 0, windowed)
    for _ in range(6):
        propose(log)
    rows = Forecast(log.state, windowed, 0.0).rows()
    baked = [row for row in rows if ".bake." in row.action]
    looked = {row.experiment: row.began_s for row in rows if ".look." in row.action}
    assert len(looked) == 6, "a window was missed"
    assert len(baked) == bakes
    assert max(looked.values()) <= max(row.ended_s for row in baked) + within_s


def test_none_is_taken_along_before_its_time_has_come() -> None:
    """Two samples that a person put into the oven have to wait for different times: both are heated at the later."""
    waiting = with_windows(BOUND, bake=(300.0, None))
    log = opened(waiting)
    enter(log, 0, waiting)
    names = [propose(log), propose(log)]
    now_s = 0.0
    while not all(log.state.experiments[name].step == 2 for name in names):
        begun = decided(log, waiting, now_s)
        assert begun, "nothing goes on"
        now_s += 10.0
        for action in begun:
            log.say(action, "action.succeeded", reason="", began_s=now_s - 10.0, ended_s=now_s)
    for position, name in enumerate(names, start=1):
        log.say(f"sample/{name}", "sample.placed", place=f"oven.{position}", last=False, many=False)
    first, last = sorted(log.state.actions[f"{name}.coat.1"].ended_s or 0.0 for name in names)
    assert first < last
    assert decided(log, waiting, last + 299.0) == []
    (heat,) = decided(log, waiting, last + 300.0)
    assert set(log.state.actions[heat].experiments) == set(names)


@pytest.mark.parametrize("refuse", [True, False])
def test_a_carriage_that_a_rule_refuses_ends_the_experiment(refuse: bool) -> None:
    """Only the arm goes to the mixer. A rule that does not refuse is waited for."""
    lab = copy(BOUND.laboratory)
    hot = Comparison("oven.temperature", ">", 400.0, "degC")
    lab.monitoring = Monitoring(rules=(Rule((hot,), ("arm",), None, refuse=refuse, why="it would melt"),))
    ruled = replace(BOUND, laboratory=lab)
    log = opened(ruled)
    enter(log, 0, ruled)
    name = propose(log)
    log.say(
        "signal/oven.temperature",
        "signal.read",
        signal="oven.temperature",
        value=500.0,
        unit="degC",
        reason="",
    )
    assert decided(log, ruled, 0.0) == []
    experiment = log.state.experiments[name]
    if not refuse:
        assert experiment.state is Experiment.QUEUED
        return
    assert experiment.state is Experiment.REJECTED
    reason = log.events[-1].body["reason"]
    assert (
        "its sample cannot be brought to mixer while oven.temperature > 400 degC" in reason
        and "melt" in reason
    )


def decided(log: Log, the_bound: BoundCampaign, now_s: float) -> list[str]:
    """Actions that are begun now."""
    begun: list[str] = []
    while events := decide(log.state, the_bound, Around(asking=True, now_s=now_s)).events:
        log.apply(*events)
        begun += [event.stream for event in events if event.kind == "action.intended"]
    return begun


def test_the_store_holds_the_same_places_as_the_state(tmp_path: Path) -> None:
    """Whatever the walks do the store takes, and its claims are those of the state; without its events it refuses."""
    for seed in range(8):
        walk = PlaceWalk(BOUND, seed, trouble=0.3)
        walk.turn()
        for _ in range(250):
            if walk.over:
                break
            walk.step()
        with closing(SqliteLog(tmp_path / f"{seed}.db", reality="simulated")) as store:
            Writer(store).write(*(Event(e.stream, e.kind, e.body) for e in walk.log.events))
            claims = {(place, name): bool(sure) for place, name, sure, _ in store.rows("claims")}
            here = walk.state.samples.here.values()
            assert claims == {(p, one.name): one.at == p for one in here for p in one.claims}
            before = store.rows("claims")
            store.rebuild()
            assert store.rows("claims") == before
            leases = {(kind, name) for kind, name, _ in store.rows("leases")}
            acts = walk.state.open_actions.values()
            assert leases == {("device", d) for a in acts for d in (a.device, *a.holds)} | {
                ("sample", name) for a in acts for name in a.experiments
            }


@pytest.mark.skipif(
    not TABLE.exists(), reason=f"{TABLE.name} is not in shared/data/materials/mp_chemsys_entries"
)
def test_the_laboratory_of_the_page_binds_as_printed(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs/samples.md"
    printed = page.read_text().split("```yaml\n")[1].split("```")[0].replace("table: null", f"table: {TABLE}")
    (tmp_path / "lab.yaml").write_text(printed)
    laboratory = bind_lab(*read_lab("", tmp_path / "lab.yaml"))
    assert laboratory.layout is not None and len(laboratory.layout.slots["rack"]) == 16
    assert laboratory.rests == {"furnace_1": {"heat": 600.0}} and laboratory.fills == {"furnace_1": 7200.0}
    (transport,) = laboratory.layout.transports
    assert transport.arguments("rack.1", "furnace_1.8") == {"place": "furnace_1.8"}


FAULTS = {
    "between: [rack, mill, store]": ("between: [rack, mil, store]", "there is no place 'mil'"),
    "samples: {begin: rack, end: store}": ("samples: {begin: rack, end: shelf}", "there is no place 'shelf'"),
    "do: arm.be_at": ("do: arm.go", "arm has no action 'go'"),
    "mill:  {device: mill}": ("mill:  {device: mixer}", "no device 'mixer'"),
    "store: {slots: many}": (
        "store: {slots: many}\n  attic: {device: arm}",
        "no transport leads from 'rack' to 'attic'",
    ),
    "rest: {mix: 1 min}": ("rest: {shake: 1 min}", "mill has no action 'shake'"),
    "fill: 5 min": ("fill: 5 kg", "kg"),
    "places:": ("pieces:", "pieces"),
    "to: place": ("to: spot", "arm.be_at has no argument 'spot'"),
}
SMALL = """\
alquimia_lab: 1
name: small
clock: virtual
world: {model: solid_state, seed: 1}
devices:
  mill: {driver: sim.mill, host: all, rest: {mix: 1 min}, fill: 5 min}
  arm:  {driver: sim.crucible_arm, host: all, settings: {stations: [mill]}}
places:
  rack:  {slots: 4}
  mill:  {device: mill}
  store: {slots: many}
samples: {begin: rack, end: store}
transports:
  - do: arm.be_at
    to: place
    between: [rack, mill, store]
"""


@pytest.mark.parametrize("right", FAULTS)
def test_what_does_not_fit_is_said_with_its_line(tmp_path: Path, right: str) -> None:
    wrong, said = FAULTS[right]
    path = tmp_path / "lab.yaml"
    path.write_text(SMALL)
    assert bind_lab(*read_lab("", path)).layout is not None
    assert right in SMALL
    path.write_text(SMALL.replace(right, wrong))
    with pytest.raises(CampaignError) as error:
        bind_lab(*read_lab("", path))
    assert said in str(error.value) and "lab.yaml:" in str(error.value)


def test_time_between_steps_needs_one_clock(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(
        SMALL.replace(
            "driver: sim.mill, host: all", "driver: sim.stand_in, host: other, settings: {driver: sim.mill}"
        )
    )
    with pytest.raises(CampaignError, match=r"E404.*no common time"):
        bind_lab(*read_lab("", path))
