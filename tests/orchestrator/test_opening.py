"""Whole campaigns on simulated laboratories: to the end, through stops and crashes, the same candidates each time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from orchestrator.lab import LabState
from tests.orchestrator.laboratory import (
    CAMPAIGN,
    DOUBTS,
    FINISHED,
    STOPPED,
    Bench,
    at_last_ended,
    ended,
    environment,
    lab,
    wait_until,
)

SLOW = "dawdle_s: 0.3"  # real seconds around every effect, so that a moment can be met
HEAVY = {"torch", "botorch", "gpytorch"}

# The engine, with somebody who looks at what it has loaded whenever the log has grown.
OBSERVED = """
import asyncio, json, sys
from pathlib import Path
from orchestrator.opening import conduct
loaded, brains = set(), set()
def watch(state):
    if len(state.phases) > 1:
        loaded.update(name.partition(".")[0] for name in sys.modules)
        brains.update(e.proposal["model"] for e in state.experiments.values())
ended = asyncio.run(conduct(Path(sys.argv[1]), watch=watch))
print(json.dumps({"finished": ended.finished, "loaded": sorted(loaded), "brains": sorted(brains)}))
"""


def maps(pid: int) -> str:
    """The files that a process has in its memory."""
    return Path(f"/proc/{pid}/maps").read_text()


def told(state: LabState) -> list[tuple[Any, ...]]:
    return [
        (e.candidate, e.proposal["mode"], e.proposal["fallback"], e.values["hole_mobility"].value)
        for e in state.measured()
    ]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A campaign that ran to its end undisturbed."""
    bench = Bench(tmp_path_factory.mktemp("reference"))
    assert ended(bench.run()) == FINISHED, bench.output()
    return bench


def test_a_campaign_runs_to_its_end(reference: Bench) -> None:
    state = reference.state()
    assert state.reason == "budget: 7 experiments (budget.experiments: 7)"
    assert [row[1:3] for row in told(state)] == [("explore", None)] * 4 + [("optimise", None)] * 3
    assert "7 measured, 0 failed" in reference.output() and "best: hole_mobility" in reference.output()
    assert "report: alquimia report --store" in reference.output()


def test_the_same_seed_gives_the_same_campaign_and_no_torch_is_in_the_engine(
    reference: Bench, tmp_path: Path
) -> None:
    """Looked at while the planner proposes: from inside (modules) and from outside (files in its memory)."""
    bench = Bench(tmp_path)
    first = bench.run("--set", "budget.experiments=7")
    ended_early = False
    with at_last_ended(first):
        bench.wait_for(lambda state: bool(state.experiments), first)
        first.send_signal(signal.SIGINT)
        ended_early = ended(first) == STOPPED
    engine = subprocess.Popen(
        [sys.executable, "-P", "-c", OBSERVED, str(bench.log)], cwd=tmp_path, env=environment(),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen, brains = [], set()
    with at_last_ended(engine):

        def look() -> bool:
            if engine.poll() is None:
                for child in psutil.Process(engine.pid).children():
                    if "orchestrator.brain.child" in " ".join(child.cmdline()) and "libtorch" in maps(
                        child.pid
                    ):
                        brains.add(child.pid)
                if brains:
                    seen.append(maps(engine.pid))
            return engine.poll() is not None

        wait_until(lambda: _quietly(look))
        out, _ = engine.communicate()
    said = json.loads(out.splitlines()[-1])
    assert said["finished"] and ended_early
    assert brains and seen, "a brain with torch was at work while the engine was looked at"
    assert not [one for one in seen if "libtorch" in one], "torch is in the engine's memory"
    assert "orchestrator" in said["loaded"] and not HEAVY & set(said["loaded"])
    assert "constant" in said["brains"] and len(said["brains"]) > 1, "the brain proposed"
    assert told(bench.state()) == told(reference.state())


def _quietly(look: Any) -> bool:
    try:
        return bool(look())
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def test_the_look_into_memory_finds_torch_where_it_is() -> None:
    """Control: both ways of looking see a process that imports torch."""
    code = "import sys, torch; print('torch' in sys.modules, flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with at_last_ended(process):
        assert process.stdout.readline() == "True\n"
        assert "libtorch" in maps(process.pid)
        process.communicate("")


def test_after_a_crash_the_proposals_are_those_without_one(reference: Bench, tmp_path: Path) -> None:
    """kill -9 of the engine in each phase, and of the brain between two questions."""
    bench = Bench(tmp_path, laboratory=lab(coater="dawdle_s: 0.05"))
    for n in (2, 5):
        engine = bench.run() if n == 2 else bench.start("resume")
        with at_last_ended(engine):
            bench.wait_for(lambda state, n=n: len(state.experiments) >= n, engine)
            engine.send_signal(signal.SIGKILL)
            engine.wait()
    engine = bench.start("resume")
    with at_last_ended(engine):
        assert ended(engine) == FINISHED, bench.output()
    assert told(bench.state()) == told(reference.state())
    assert bench.state().epoch >= 3


def test_faults_of_the_laboratory_end_experiments_and_not_the_campaign(tmp_path: Path) -> None:
    settings = {
        "dispenser": "faults: {busy: 0.5}", "coater": "faults: {instrument: 0.3}",
        "furnace": "faults: {infeasible: 0.2}", "probe": "faults: {not_a_number: 0.3, out_of_range: 0.2}",
    }  # fmt: skip
    bench = Bench(tmp_path, campaign=_explore_only(12), laboratory=lab(**settings))
    assert ended(bench.run()) == FINISHED, bench.output()
    state = bench.state()
    ends = [e.failure[0] if e.failure else str(e.state) for e in state.experiments.values()]
    assert len(ends) == 12 and {"measured", "instrument", "infeasible"} <= set(ends)
    assert "busy" not in ends and state.n_failed == 12 - ends.count("measured")
    busy = [a for a in state.actions.values() if a.attribution == "busy"]
    assert busy and state.campaign == "finished"
    kinds = [e.kind for e in bench.events()]
    assert "measurement.rejected" in kinds
    for event in bench.events():
        if event.kind == "measurement.recorded":
            assert 0 <= event.body["value"] <= 1


def _explore_only(n: int) -> str:
    plan = f"  - {{explore: random, experiments: {n}, batch: 2}}\n"
    begin, _, rest = CAMPAIGN.partition("  - {explore: sobol, experiments: 4}\n  - {optimise: ucb}\n")
    return (begin + plan + rest).replace("experiments: 7", f"experiments: {n}")


def test_the_budget_of_failures_ends_it(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path, laboratory=lab(coater="faults: {instrument: 1.0}"),
        campaign=_explore_only(12).replace("{experiments: 12}", "{experiments: 12, failures: 2}"),
    )  # fmt: skip
    assert ended(bench.run()) == FINISHED, bench.output()
    state = bench.state()
    assert state.reason == "budget: 3 experiments failed (budget.failures: 2)"
    # The third failure ends it: of its batch, what had not begun is never begun.
    assert state.n_failed <= 4 and not state.measured()


def test_one_interrupt_ends_with_nothing_in_hand_and_a_resumed_one_finishes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, campaign=_explore_only(4), laboratory=lab(coater=SLOW))
    engine = bench.run()
    with at_last_ended(engine):
        bench.wait_for(lambda state: "coater" in state.open_actions, engine)
        engine.send_signal(signal.SIGINT)
        assert ended(engine) == STOPPED, bench.output()
    assert "stopping after the acts in hand" in bench.output()
    assert "stopped; go on with: alquimia resume --store" in bench.output()
    assert not bench.state().open_actions and bench.state().campaign == "open"
    assert ended(bench.start("resume")) == FINISHED
    assert len(bench.state().measured()) == 4


def test_two_interrupts_halt_and_what_is_in_doubt_can_be_settled(tmp_path: Path) -> None:
    bench = Bench(tmp_path, campaign=_explore_only(3), laboratory=lab(coater="dawdle_s: 1"))
    engine = bench.run("--no-wait")
    with at_last_ended(engine):
        bench.wait_for(lambda state: "coater" in state.open_actions, engine)
        engine.send_signal(signal.SIGINT)
        wait_until(lambda: "stopping after the acts" in bench.output())
        engine.send_signal(signal.SIGINT)
        assert ended(engine) in (DOUBTS, STOPPED), bench.output()
    doubts = bench.state().doubts
    assert doubts and "halting every device" in bench.output()
    said = bench.say("doubts").stdout
    assert all(a.id in said and f"alquimia settle {a.id}" in said for a in doubts)
    for action in doubts:
        done = bench.say("settle", action.id, "--verdict", "discard", "--note", "thrown away", "--by", "ada")
        assert done.returncode == 0 and "resume" in done.stdout, done.stderr
    assert bench.say("doubts").stdout == "no doubts\n"
    assert ended(bench.start("resume", "--no-wait")) == FINISHED, bench.output()
    state = bench.state()
    assert len(state.measured()) == 3 - len(doubts)
    settled = [e for e in bench.events() if e.kind == "action.discarded"]
    assert [e.actor for e in settled] == ["ada"] * len(doubts)
    assert settled[0].body["reason"] == "ada: thrown away"


def test_another_terminal_pauses_continues_and_aborts_while_it_runs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, campaign=_explore_only(40), laboratory=lab(coater="dawdle_s: 0.1"))
    engine = bench.run()
    with at_last_ended(engine):
        bench.wait_for(lambda state: bool(state.actions), engine)
        paused = bench.say("pause", "--by", "ada")
        assert (paused.returncode, paused.stdout) == (0, "pause: done\n"), paused.stderr
        bench.wait_for(lambda state: not state.open_actions, engine)
        n = len(bench.events())
        refused = bench.say("settle", "x0001.mix.1", "--verdict", "done", "--note", "no")
        assert refused.returncode == 2 and refused.stderr.startswith("E505 x0001.mix.1 is not in doubt")
        second = bench.say("resume")
        assert second.returncode == 2 and second.stderr.startswith("E512 another engine"), second.stderr
        assert not [e for e in bench.events()[n:] if e.kind == "action.intended"], "paused is paused"
        assert bench.say("continue").returncode == 0
        bench.wait_for(lambda state: bool(state.measured()), engine)
        assert bench.say("abort", "--by", "grace").returncode == 0
        assert ended(engine) == FINISHED
    state = bench.state()
    assert state.reason == "aborted by grace" and not state.live and not state.open_actions
    again = bench.say("abort")
    assert again.returncode == 2 and "finished already" in again.stderr
