"""The laboratory-wide stop, on real engines and hosts: nothing begins before a named person releases it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.client import holder
from orchestrator import stopping
from orchestrator.places import sockets
from orchestrator.stopping import FILE, halt_hosts, word_left
from tests.orchestrator.laboratory import (
    CAMPAIGN,
    DOUBTS,
    FINISHED,
    REFUSED,
    Bench,
    at_last_ended,
    ended,
    lab,
    wait_until,
)

SHORT = CAMPAIGN.replace("  - {optimise: ucb}\n", "").replace("experiments: 7", "experiments: 4")
# Half a second of real time before and after each effect, so that there is an act in hand to be met.
SLOW = "dawdle_s: 0.5"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path, campaign=SHORT, laboratory=lab(furnace=SLOW, coater=SLOW))
    yield one
    for held in one.folder.glob("run/hosts/*/journal.lock"):  # an engine that was killed leaves its host
        if (pid := holder(held.parent)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def heating(bench: Bench, process: subprocess.Popen[str]) -> None:
    """Wait until the second experiment is in the furnace."""
    bench.wait_for(
        lambda s: any(a.verb == "heat" and a.experiment == "x0002" for a in s.actions.values()), process
    )


def stop(bench: Bench, *args: str, code: int = 0) -> str:
    done = bench.say("stop", "--by", "ada", "--note", "smoke", *args)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout


def release(bench: Bench) -> None:
    done = bench.say("release", "--by", "bea", "--note", "the window is open")
    assert done.returncode == 0, done.stderr


def settled(bench: Bench) -> None:
    """A person settles what the stop left in doubt."""
    for doubt in bench.state().doubts:
        assert bench.say("settle", doubt.id, "--verdict", "not-done", "--note", "looked").returncode == 0


def nothing_began_while_stopped(bench: Bench) -> int:
    """How often the laboratory was stopped; AssertionError where an action was intended meanwhile."""
    stops, stopped = 0, False
    for event in bench.events():
        stops += event.kind == "lab.stopped" and not stopped
        stopped = {"lab.stopped": True, "lab.released": False}.get(event.kind, stopped)
        assert not (stopped and event.kind == "action.intended"), f"{event.stream} was begun while stopped"
    return stops


def only_acts_in_hand_were_lost(bench: Bench) -> None:
    """A film that was half annealed when its furnace was halted is spoilt; all others go on as if nothing had been."""
    ends = bench.state().experiments.values()
    assert len(ends) == 4 and {str(e.state) for e in ends} <= {"measured", "failed"}
    spoilt = [e.failure for e in ends if e.failure]
    assert len(spoilt) <= 2 and all("halt" in why for _, why in spoilt), spoilt


def host_facts(bench: Bench) -> list[str]:
    """What the hosts began, in order."""
    lines = [
        line.partition(" ")[2]
        for path in bench.folder.glob("run/hosts/*/journal.jsonl")
        for line in path.read_text().splitlines()
    ]
    return [fact["id"] for line in lines if (fact := json.loads(line))["fact"] == "begun"]


def test_a_stop_holds_until_a_named_person_releases_the_laboratory(bench: Bench) -> None:
    with at_last_ended(process := bench.run()):
        heating(bench, process)
        said = stop(bench)
        assert "halted film_lab" in said and "in hand" in said and "release" in said
        state = bench.state()
        assert state.lab == "stopped" and state.stopped["by"] == "ada" and "smoke" in state.stopped["reason"]
        assert state.stopped["halted"] == "film_lab" and state.stopped["silent"] == ""
        bench.wait_for(lambda s: not [a for a in s.open_actions.values() if a.state == "intended"], process)
        shown = json.loads(bench.say("status", "--json").stdout)
        assert shown["stopped"] and any("smoke" in text for text in shown["waits"])
        assert bench.say("release", "--note", "no name").returncode == REFUSED
        settled(bench)
        release(bench)
        assert ended(process) == FINISHED, bench.output()[-3000:]
    assert nothing_began_while_stopped(bench) == 1
    only_acts_in_hand_were_lost(bench)
    assert "WAITS the laboratory is stopped (ada: smoke)" in bench.output()


def test_a_stop_survives_the_engine_and_the_next_one_only_waits(bench: Bench) -> None:
    with at_last_ended(process := bench.run()):
        heating(bench, process)
        stop(bench)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = bench.state()
    with at_last_ended(again := bench.start("resume")):
        bench.wait_for(lambda s: s.epoch > before.epoch and "furnace" in s.devices, again)
        bench.wait_for(lambda s: not [a for a in s.open_actions.values() if a.state == "intended"], again)
        settled(bench)
        assert again.poll() is None, "it waits"
        release(bench)
        assert ended(again) == FINISHED, bench.output()[-3000:]
    assert nothing_began_while_stopped(bench) == 1
    only_acts_in_hand_were_lost(bench)


@pytest.mark.parametrize("then", ["it wakes", "it is killed"])
def test_a_stop_does_not_need_an_engine_that_answers(bench: Bench, then: str) -> None:
    with at_last_ended(first := bench.run()), contextlib.ExitStack() as at_the_end:
        heating(bench, first)
        first.send_signal(signal.SIGSTOP)
        said = stop(bench)
        assert "halted film_lab" in said and "does not know it yet" in said
        assert (bench.log.parent / FILE).exists()
        assert bench.state().lab == "open", "the log is the engine's, and it hangs"
        begun = len(host_facts(bench))
        first.send_signal(signal.SIGCONT if then == "it wakes" else signal.SIGKILL)
        process = first
        if then == "it is killed":
            first.wait()
            process = bench.start("resume")
            at_the_end.enter_context(at_last_ended(process))
        bench.wait_for(lambda s: s.lab == "stopped", process)
        wait_until(lambda: not (bench.log.parent / FILE).exists())
        bench.wait_for(lambda s: not [a for a in s.open_actions.values() if a.state == "intended"], process)
        assert len(host_facts(bench)) <= begun, "something was begun after the stop"
        settled(bench)
        release(bench)
        assert ended(process) == FINISHED, bench.output()[-3000:]
    assert nothing_began_while_stopped(bench) == 1
    only_acts_in_hand_were_lost(bench)


def test_without_an_engine_hosts_are_halted_and_the_log_is_written(bench: Bench) -> None:
    with at_last_ended(process := bench.run()):
        heating(bench, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert "halted film_lab" in stop(bench, code=0)
    assert bench.state().lab == "stopped" and not (bench.log.parent / FILE).exists()
    with at_last_ended(again := bench.start("resume", "--no-wait")):
        assert ended(again) in (DOUBTS, 3), "it ends, as only a person can let it go on"
    assert nothing_began_while_stopped(bench) == 1
    settled(bench)
    release(bench)
    with at_last_ended(last := bench.start("resume")):
        assert ended(last) == FINISHED, bench.output()[-3000:]
    only_acts_in_hand_were_lost(bench)


def test_a_host_that_does_not_confirm_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(stopping, "CONFIRM_S", 1.0)
    with at_last_ended(process := bench.run()):
        heating(bench, process)

        pid = holder(bench.log.parent / "hosts" / "film_lab")
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            answers = asyncio.run(stopping.halt_hosts(bench.log))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert [(a.host, a.begun_s) for a in answers] == [("film_lab", None)] and "1 s" in answers[0].silence
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_socket_that_nobody_listens_on_is_no_live_host(tmp_path: Path) -> None:

    log = tmp_path / "log.db"
    path = sockets(log) / "gone.sock"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    assert asyncio.run(halt_hosts(log)) == []


def test_a_stop_that_cannot_be_read_is_a_stop(tmp_path: Path) -> None:

    log = tmp_path / "log.db"
    assert word_left(log) is None
    for text in ("", "{", "[]", '{"key": 3, "by": "x", "arguments": {}}', "null"):
        (tmp_path / FILE).write_text(text)
        word = word_left(log)
        assert word is not None and word.kind == "stop"
