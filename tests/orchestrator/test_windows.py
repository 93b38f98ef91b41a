"""Times between the steps of a sample, devices that rest, and devices that are kept free for a window."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.decide import decide
from orchestrator.decision import Around, Send, Wake
from orchestrator.labfile import Laboratory
from orchestrator.lifecycle import Experiment
from orchestrator.scheduling import windows
from tests.orchestrator.builders import BENCH, GOOD, RECIPE, campaign, enter, laboratory, opened, propose
from tests.orchestrator.laboratory import CAMPAIGN, FINISHED, Bench, lab

BAKE_S, LOOK_S = 60.0, 10.0


def bound(rests: Any = None, **times: Any) -> BoundCampaign:
    """The campaign of four steps with what is said of some of them: `look={"within_s": 30.0}`."""
    recipe = tuple(step.model_copy(update=times.get(step.id, {})) for step in RECIPE)
    lab = laboratory()
    return bind_campaign(
        campaign(recipe=recipe), Laboratory(lab.file, lab.devices, lab.limits, rests=rests or {})
    )


class Played:
    """A log, what is decided of it, and a clock that is set by hand."""

    def __init__(self, the_bound: BoundCampaign, n: int) -> None:
        self.bound, self.log = the_bound, opened(the_bound)
        enter(self.log, 0, the_bound)
        self.names = [propose(self.log, GOOD) for _ in range(n)]
        self.now_s, self.wakes, self.sent = 0.0, [], list[str]()

    def decide(self) -> list[str]:
        """Actions that are begun now."""
        begun = []
        while True:
            decision = decide(self.log.state, self.bound, Around(asking=True, now_s=self.now_s))
            self.log.apply(*decision.events)
            begun += [effect.action for effect in decision.effects if isinstance(effect, Send)]
            self.wakes = [effect.at_s for effect in decision.effects if isinstance(effect, Wake)]
            if not decision.events:
                return begun

    def ends(self, action: str, at_s: float) -> list[str]:
        """An action ends well, and what is begun then."""
        self.now_s = at_s
        self.log.say(action, "action.succeeded", reason="", began_s=0.0, ended_s=at_s)
        return self.decide()


def test_a_step_that_has_to_wait_is_woken_for() -> None:
    played = Played(bound(look={"after_s": 100.0}), 1)
    played.decide()
    for step, at_s in (("mix", 1.0), ("coat", 2.0), ("bake", 62.0)):
        begun = played.ends(f"x0001.{step}.1", at_s)
    assert begun == [] and played.wakes == [162.0]
    played.now_s = 161.9
    assert played.decide() == []
    played.now_s = 162.0
    assert played.decide() == ["x0001.look.1"]


def test_a_window_that_was_missed_ends_the_experiment_and_says_by_how_much() -> None:
    played = Played(bound(look={"within_s": 30.0}), 1)
    played.decide()
    for step, at_s in (("mix", 1.0), ("coat", 2.0)):
        played.ends(f"x0001.{step}.1", at_s)
    played.log.say("probe", "device.taken_out", reason="lamp", now=False)
    played.ends("x0001.bake.1", 62.0)
    assert played.log.state.experiments["x0001"].state is Experiment.RUNNING and played.wakes
    played.now_s = 95.0
    played.decide()
    failed = played.log.state.experiments["x0001"]
    assert failed.state is Experiment.FAILED and failed.failure is not None
    assert (
        failed.failure[0] == "logistics"
        and "within 30 s" in failed.failure[1]
        and "3 s ago" in failed.failure[1]
    )


def two_at_the_oven_and_the_probe(the_bound: BoundCampaign) -> Played:
    """x0001 is being looked at until 100 s, x0002 is coated: may it be baked?"""
    played = Played(the_bound, 2)
    played.decide()
    played.ends("x0001.mix.1", 1.0)
    played.ends("x0001.coat.1", 2.0)
    played.ends("x0002.mix.1", 3.0)
    played.ends("x0001.bake.1", 20.0)
    assert "probe" in played.log.state.open_actions
    return played


def test_what_has_a_window_is_begun_when_its_next_device_will_be_free() -> None:
    # The look lasts 10 s: free at 30, the bake ends at 80.
    played = two_at_the_oven_and_the_probe(bound(look={"within_s": 5.0}))
    assert played.ends("x0002.coat.1", 21.0) == ["x0002.bake.1"]
    assert played.log.state.actions["x0002.bake.1"].promises == {"probe": 21.0 + BAKE_S + 5.0}


def test_what_has_a_window_waits_while_its_next_device_will_not_be_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = two_at_the_oven_and_the_probe(bound(look={"within_s": 5.0}))
    looking = played.log.state.open_actions["probe"]
    looking.ends_s = 500.0  # a long look
    assert played.ends("x0002.coat.1", 21.0) == []
    assert played.ends(looking.id, 40.0) == ["x0002.bake.1"]
    # The control: without the promise it begins at once, and its window would be missed.
    played = two_at_the_oven_and_the_probe(bound(look={"within_s": 5.0}))
    played.log.state.open_actions["probe"].ends_s = 500.0
    monkeypatch.setattr(windows, "promises", lambda *args: {})
    assert played.ends("x0002.coat.1", 21.0) == ["x0002.bake.1"]


def test_a_device_that_is_promised_takes_only_what_is_done_in_time() -> None:
    the_bound = bound(look={"within_s": 5.0})
    played = two_at_the_oven_and_the_probe(the_bound)
    played.ends("x0002.coat.1", 21.0)  # the probe is promised from 86 s on
    x1 = played.log.state.experiments["x0001"]
    played.log.say("x0001.look.1", "action.not_done", reason="power was out")
    played.now_s = 22.0
    by_s = windows.promised_to_others(x1, played.log.state)["probe"]
    assert by_s == 86.0
    played.now_s = by_s - LOOK_S + 1.0  # too late to be done before
    x1.step, played.log.state.actions["x0001.bake.1"].ended_s = 3, played.now_s
    assert "x0001.look.2" not in played.decide()
    played.now_s = by_s - LOOK_S - 1.0
    played.log.state.actions["x0001.bake.1"].ended_s = played.now_s
    assert "x0001.look.2" in played.decide()


@pytest.mark.parametrize(("within_s", "promised"), [(5.0, False), (12.0, True)])
def test_samples_that_end_together_are_promised_a_turn_each(within_s: float, promised: bool) -> None:
    """Two looks of 10 s by one probe: the second has to begin 10 s after the end of what they took together."""
    the_bound = bound(look={"within_s": within_s})
    played = Played(the_bound, 2)
    played.decide()
    mates = [played.log.state.experiments[name] for name in played.names]
    for one in mates:
        one.step = 2
    found = windows.promises(mates, 100.0, played.log.state, the_bound, 40.0)
    assert found == ({"probe": 100.0 + within_s} if promised else None)
    assert windows.promises(mates[:1], 100.0, played.log.state, the_bound, 40.0) == {
        "probe": 100.0 + within_s
    }


def test_a_device_rests_after_an_action_and_nothing_reaches_it_meanwhile() -> None:
    played = Played(bound(rests={"mixer": {"mix": 50.0}}), 2)
    assert played.decide() == ["x0001.mix.1"]
    assert played.ends("x0001.mix.1", 10.0) == ["x0001.coat.1"] and played.wakes == [60.0]
    played.now_s = 59.0
    assert played.decide() == []
    played.now_s = 60.0
    assert played.decide() == ["x0002.mix.1"]


WINDOWED = CAMPAIGN.replace(
    "do: furnace.heat,  with", "do: furnace.heat, after: 2 min, with"
).replace("do: probe.measure, gives", "do: probe.measure, within: 30 s, gives").replace(
    "{explore: sobol, experiments: 4}", "{explore: sobol, experiments: 6, batch: 6}"
)  # fmt: skip


def test_windows_and_rests_hold_on_the_clock_of_a_real_host(tmp_path: Path) -> None:
    """Seven films, six of them at once. By their hosts' own times every one is annealed two minutes after coating or
    later, and probed within half a minute after that; the furnace rests a minute after each."""
    resting = lab().replace("driver: sim.furnace,", "driver: sim.furnace, rest: {heat: 60},")
    bench = Bench(
        tmp_path,
        campaign=WINDOWED,
        laboratory=resting,
    )
    process = bench.run()
    assert process.wait(timeout=120) == FINISHED, bench.output()[-3000:]
    state = bench.state()
    assert len(state.measured()) == 7
    times = {a.id: (a.began_s, a.ended_s) for a in state.actions.values()}
    for name in state.experiments:
        (_, coated), (heated, done), (probed, _) = (
            times[f"{name}.{s}.1"] for s in ("coat", "anneal", "probe")
        )
        assert heated >= coated + 120 and probed <= done + 30
    fired = sorted((b, e) for name, (b, e) in times.items() if ".anneal." in name)
    assert all(later >= end + 60 for (_, end), (later, _) in itertools.pairwise(fired))


def test_devices_of_the_bench_are_what_these_tests_take_them_for() -> None:
    assert BENCH["oven"]["heat"].takes_s == BAKE_S and BENCH["probe"]["measure"].takes_s == LOOK_S
