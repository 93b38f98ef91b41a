"""Killing engine, hosts and brain at random moments, and comparing what physically happened with what the log says.

The comparison is made from two sources that know nothing of each other: the log, and the tally that the simulated world
keeps of every physical effect.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from drivers.sim.tally import read_facts
from orchestrator.errors import Refused
from orchestrator.lab import LabState, fold
from orchestrator.log.sqlite import LogReader
from orchestrator.places import store_url

FINISHED, DOUBTS = 0, 4

CAMPAIGN = """
alquimia: 1
campaign: killed-again-and-again
space:
  dopant_fraction:    {continuous: [0.0, 0.4]}
  anneal_temperature: {continuous: [350, 480], unit: K}
  anneal_time:        {continuous: [10, 100], unit: s, scale: log}
  solvent:            {categorical: [chlorobenzene, toluene, anisole]}
objectives:
  - {maximise: hole_mobility, unit: cm^2/V/s}
recipe:
  - {id: mix,    do: dispenser.mix, with: {dopant_fraction: $dopant_fraction, solvent: $solvent}}
  - {id: coat,   do: coater.spin,   with: {speed: 2000 rpm, duration: 30 s}}
  - {id: anneal, do: furnace.heat,  with: {temperature: $anneal_temperature, hold: $anneal_time}}
  - {id: probe,  do: probe.measure, gives: {hole_mobility: mobility}}
plan:
  - {explore: sobol, experiments: 12, batch: 4}
  - {optimise: ucb, batch: 4}
budget: {experiments: 100000}
lab: simulated/thin_film
seed: 3
"""

# Real milliseconds around every physical effect, so that kills fall between journal line, effect and reply.
LAB = """
alquimia_lab: 1
name: simulated/slow_thin_film
reality: simulated
clock: virtual
world: {model: thin_film, seed: 1, settings: {noise: 1.0, drift: 0.01}}
devices:
  dispenser: {driver: sim.dispenser, host: film_lab, settings: {dawdle_s: 0.12}}
  coater:    {driver: sim.coater,    host: film_lab, settings: {dawdle_s: 0.12}}
  furnace:   {driver: sim.furnace,   host: film_lab, settings: {dawdle_s: 0.12}}
  probe:     {driver: sim.probe,     host: film_lab, settings: {dawdle_s: 0.12}}
"""

# Builds that are broken on purpose: each takes away one of the three things without which an act is repeated.
SABOTAGE = {
    "a host that does not journal": """
import drivers.journal
async def forget(self, *args, **kwargs): pass
drivers.journal.Journal.begun = forget
""",
    "an engine that sends again what has begun": """
import drivers.host.server as server
ask = server.Host._ask
async def never(self, request):
    reply = await ask(self, request)
    if reply["state"] == "begun, no end":
        self.journal._begun.discard(request["id"])
        reply = {"state": "never begun"}
    return reply
server.Host._ask = never
""",
    "a log that is written after the act": """
import concurrent.futures, time
import orchestrator.engine as engine
from orchestrator.log.sqlite import SqliteLog
lane = concurrent.futures.ThreadPoolExecutor(1)
on_disk, close = engine.Engine._on_disk, SqliteLog.close
async def late(self, call, *args):
    if call != self.store.append:
        lane.submit(lambda: None).result()
        return await on_disk(self, call, *args)
    due = time.monotonic() + 0.4
    lane.submit(lambda: (time.sleep(max(0, due - time.monotonic())), call(*args)))
def last(self):
    lane.submit(lambda: None).result()
    close(self)
engine.Engine._on_disk, SqliteLog.close = late, last
""",
}


@dataclass
class Verdict:
    """What the comparison found. Every list must be empty; each entry says what and where."""

    kills: Counter[str] = field(default_factory=Counter)
    experiments: int = 0
    acts: int = 0
    doubts: int = 0
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing repeated, nothing silent."""
        return not (self.lost or self.repeated or self.silent)


class Ordeal:
    """One campaign under fire, in `directory`."""

    campaign, lab = CAMPAIGN, LAB
    once = ("mix", "spin", "heat")  # verbs that one sample sees once

    def __init__(self, directory: Path, *, seed: int, sabotage: str | None = None) -> None:
        self.log = directory / "run" / "log.db"
        self.tally = directory / "run" / "hosts" / "film_lab" / "world" / "tally.jsonl"
        self.verdict = Verdict()
        self._directory = directory
        self._dice = random.Random(seed)
        self._seen: list[str] = []  # ids of the events that were acknowledged before some kill
        self._env = os.environ | {"OMP_NUM_THREADS": "1"}
        (directory / "campaign.yaml").write_text(self.campaign)
        (directory / "lab.yaml").write_text(self.lab)
        if sabotage is not None:
            (directory / "sabotage").mkdir()
            (directory / "sabotage" / "sitecustomize.py").write_text(SABOTAGE[sabotage])
            self._env["PYTHONPATH"] = str(directory / "sabotage")

    def run(self, kills: int) -> Verdict:
        """Kill so often, then let the campaign end in peace, and compare."""
        self._engine = self._alquimia("run", "campaign.yaml", "--lab", "lab.yaml")
        try:
            self._endure(kills)
        finally:  # whatever went wrong, nothing of it lives on
            if self._engine.poll() is None:
                for pid in [*self._children(self._engine.pid).values(), self._engine.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self._engine.wait()
        self._compare()
        return self.verdict

    def _endure(self, kills: int) -> None:
        while not self._opened():
            assert self._engine.poll() is None, (self._directory / "output").read_text()[-3000:]
            time.sleep(0.01)
        while sum(self.verdict.kills.values()) < kills:
            self._await_a_moment()
            self._strike()
        self._calm()
        self._command("abort")
        while self._engine.wait(timeout=120) != FINISHED:
            self._calm()

    def _await_a_moment(self) -> None:
        """A random moment, by what has happened and not by the clock: a loaded machine is struck in its work too."""
        target = self._head() + self._dice.choice((0, 0, 1, 2, 4, 8, 16, 30))
        patience = time.monotonic() + 15
        while self._head() < target and self._engine.poll() is None and time.monotonic() < patience:
            time.sleep(0.005)
        time.sleep(self._dice.uniform(0, 0.3))

    def _head(self) -> int:
        with LogReader(self.log) as reader:
            return reader.head()[0]

    def _opened(self) -> bool:
        with contextlib.suppress(Refused), LogReader(self.log) as reader:
            return reader.head()[0] > 0
        return False

    # -- killing ----------------------------------------------------------------------------------------------
    def _strike(self) -> None:
        if self._engine.poll() is not None:
            self._calm()
            return
        victims = {"engine": self._engine.pid, **self._children(self._engine.pid)}
        name = self._dice.choice(sorted(victims))
        self._witness()
        with contextlib.suppress(ProcessLookupError):
            os.kill(victims[name], signal.SIGKILL)
            self.verdict.kills[name] += 1
        if name == "engine":
            self._engine.wait()
            self._engine = self._alquimia("resume")

    def _children(self, engine: int) -> dict[str, int]:
        """The brain, and the host, which is no child of an engine that came after it."""
        found = {}
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if "drivers.host" in line and str(self._directory) in line:
                found["host"] = process.pid
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(engine).children():
                if "brain" in " ".join(child.cmdline()):
                    found["brain"] = child.pid
        return found

    def _calm(self) -> None:
        """Where the engine waits for a person, be that person: look at the laboratory and say what was done."""
        if self._engine.poll() is None:
            return
        assert self._engine.returncode in (FINISHED, DOUBTS), (self._directory / "output").read_text()[-3000:]
        self._settle()
        self._engine = self._alquimia("resume")

    def _settle(self) -> None:
        done = {fact.action for fact in read_facts(self.tally)}
        for action in self._state().doubts:
            self.verdict.doubts += 1
            verdict = "done" if action.id in done else "not-done"
            self._command(
                "settle", action.id, "--verdict", verdict, "--note", "looked at it", "--by", "observer"
            )

    def _witness(self) -> None:
        """Remember what is on disk now: none of it may ever be gone."""
        if self.log.exists():
            with LogReader(self.log) as reader:
                self._seen = [event.event_id for event in reader.events()]

    def _state(self) -> LabState:
        with LogReader(self.log) as reader:
            return fold(reader.events())

    def _alquimia(self, *args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "orchestrator.cli.main", *args, "--store", store_url(self.log)]
        with (self._directory / "output").open("ab") as output:
            return subprocess.Popen(
                [*command, "--no-wait"],
                cwd=self._directory, env=self._env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def _command(self, *args: str) -> None:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "orchestrator.cli.main", *args, "--store", store_url(self.log)],
            cwd=self._directory, env=self._env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    # -- comparing --------------------------------------------------------------------------------------------
    def _compare(self) -> None:
        verdict, state = self.verdict, self._state()
        with LogReader(self.log) as reader:
            events = list(reader.events())
        missing = set(self._seen) - {event.event_id for event in events}
        verdict.lost += [f"event {event} was on disk and is gone" for event in missing]
        facts = read_facts(self.tally)
        effects = Counter(fact.action for fact in facts)
        touching = Counter((fact.sample, fact.verb) for fact in facts if fact.verb in self.once)
        verdict.experiments = sum(e.over for e in state.experiments.values())
        verdict.acts = len(facts)
        for (sample, verb), n in touching.items():
            if n > 1:
                verdict.repeated.append(f"{sample}: {verb} was done {n} times")
        for action in state.actions.values():
            if action.state == "succeeded" and not effects[action.id]:
                verdict.lost.append(f"{action.id} is logged as done and did not happen")
            if action.state == "not done" and effects[action.id]:
                verdict.silent.append(f"{action.id} is logged as not done and did happen")
            if action.open:
                verdict.silent.append(f"{action.id} is {action.state} at the end")
        for unknown in set(effects) - set(state.actions):
            verdict.silent.append(f"{unknown} happened and the log does not know it")


def describe(verdict: Verdict) -> str:
    """One line of figures."""
    return json.dumps(
        {
            "kills": dict(verdict.kills), "experiments": verdict.experiments, "acts": verdict.acts,
            "doubts": verdict.doubts, "lost": len(verdict.lost), "repeated": len(verdict.repeated),
            "silent": len(verdict.silent),
        }
    )  # fmt: skip
