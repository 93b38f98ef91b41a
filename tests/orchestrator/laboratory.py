"""Campaigns on simulated laboratories in processes of their own, as a user runs them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from orchestrator.errors import Refused
from orchestrator.lab import LabState, fold
from orchestrator.log.sqlite import LogReader
from orchestrator.places import store_url
from orchestrator.records import EventRecord

FINISHED, REFUSED, STOPPED, DOUBTS = 0, 2, 3, 4
LONG_S = 120.0

CAMPAIGN = """\
alquimia: 1
campaign: film
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
  - {explore: sobol, experiments: 4}
  - {optimise: ucb}
budget: {experiments: 7}
lab: simulated/thin_film
seed: 3
"""

LAB = """\
alquimia_lab: 1
name: simulated/film
reality: simulated
clock: virtual
world: {model: thin_film, seed: 1, settings: {noise: 1.0, drift: 0.01}}
devices:
  dispenser: {driver: sim.dispenser, host: film_lab, settings: {DISPENSER}}
  coater:    {driver: sim.coater,    host: film_lab, settings: {COATER}}
  furnace:   {driver: sim.furnace,   host: film_lab, settings: {FURNACE}}
  probe:     {driver: sim.probe,     host: film_lab, settings: {PROBE}}
"""


def lab(**settings: str) -> str:
    """A thin-film laboratory; what each device is set to, as in `probe="faults: {busy: 0.5}"`."""
    text = LAB
    for device in ("dispenser", "coater", "furnace", "probe"):
        text = text.replace(f"{{{device.upper()}}}", f"{{{settings.get(device, '')}}}")
    return text


class Bench:
    """A folder with a campaign, a laboratory and a log, and the command line in it."""

    def __init__(self, folder: Path, *, campaign: str = CAMPAIGN, laboratory: str | None = None) -> None:
        self.folder, self.log = folder, folder / "run" / "log.db"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "film.yaml").write_text(campaign)
        (folder / "lab.yaml").write_text(laboratory or lab())
        self.store = ("--store", store_url(self.log))

    def start(self, *args: str) -> subprocess.Popen[str]:
        """A command whose end is not waited for."""
        with (self.folder / "output").open("a") as output:
            return subprocess.Popen(
                command(*args, *self.store), cwd=self.folder, env=environment(), stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, text=True,
            )  # fmt: skip

    def run(self, *args: str, lab: bool = True) -> subprocess.Popen[str]:
        return self.start("run", "film.yaml", *(("--lab", "lab.yaml") if lab else ()), *args)

    def say(self, *args: str) -> subprocess.CompletedProcess[str]:
        """A command and its end."""
        return alquimia(*args, *self.store, cwd=self.folder)

    def output(self) -> str:
        return (self.folder / "output").read_text()

    def events(self) -> list[EventRecord]:
        with contextlib.suppress(Refused), LogReader(self.log) as reader:
            return list(reader.events())
        return []

    def state(self) -> LabState:
        return fold(self.events())

    def wait_for(self, holds: Callable[[LabState], bool], process: subprocess.Popen[str]) -> None:
        """Look at the log until something holds of it."""
        wait_until(lambda: process.poll() is not None or holds(self.state()))
        assert holds(self.state()), self.output()[-3000:]


def command(*args: str) -> list[str]:
    return [sys.executable, "-P", "-m", "orchestrator.cli.main", *args]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"} | more


def alquimia(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), cwd=cwd, env=environment(**env), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=LONG_S, check=False,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> int:
    return process.wait(timeout=LONG_S)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@contextlib.contextmanager
def at_last_ended(*processes: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever becomes of the test, its processes do not outlive it."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
