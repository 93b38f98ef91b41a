"""How long a stop takes to reach devices: from `stop` to the beginning of the halt on every live host (promise P6).

A real engine runs a campaign on 32 devices, each with a host process of its own, over Unix sockets; acts take 0.4 s
and are journaled. `stop` goes the way of the command line: to every host's socket, then to the engine and the log; a
release follows. Idle: the campaign is paused. Busy: acts on all devices, and a Gaussian process of 200 results in six
dimensions is fitted without a break by the brain's own process.

python benchmarks/stop_latency.py [--devices 32] [--stops 40] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from campaigns.aim import Aim
from campaigns.objective import Objective
from campaigns.space import Continuous, Space
from orchestrator.commands import Command
from orchestrator.control import send, stop_laboratory
from orchestrator.errors import Refused
from orchestrator.lab import LabState, fold
from orchestrator.log.sqlite import LogReader

ALQUIMIA = [sys.executable, "-P", "-m", "orchestrator.cli.main"]
START_S = 180.0


def laboratory(devices: int) -> str:
    """One group of devices, each in a host of its own; 0.2 s before and after each effect."""
    names = [f"d{n:02d}" for n in range(devices)]
    entries = "\n".join(f"  {name}: {{driver: sim.instant, settings: {{dawdle_s: 0.2}}}}" for name in names)
    return (
        "alquimia_lab: 1\nname: many\nreality: simulated\nclock: virtual\n"
        f"devices:\n{entries}\ngroups: {{bench: [{', '.join(names)}]}}\n"
    )


@contextlib.contextmanager
def campaign(folder: Path, devices: int) -> Iterator[Path]:
    """An engine on that laboratory, in a process of its own; its log."""
    (folder / "lab.yaml").write_text(laboratory(devices))
    log = folder / "run" / "log.db"
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [*ALQUIMIA, "run", "instant", "--lab", "lab.yaml", "--store", f"sqlite:///{log}", "--set",
             "budget.experiments=100000", "--set", f"plan.0.batch={devices}"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    try:
        yield log
    finally:
        for _ in range(2):
            process.terminate()
            time.sleep(0.5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


@contextlib.contextmanager
def fits(folder: Path) -> Iterator[None]:
    """The brain's process, fitting without a break."""
    dice = np.random.default_rng(1)
    names = [f"x{n}" for n in range(6)]
    space = Space(parameters=tuple(Continuous(name=name, low=0.0, high=1.0) for name in names))
    aim = Aim(space=space, objectives=(Objective(name="y", direction="maximise"),))
    observations = []
    for point in dice.random((200, 6)):
        value = float(-np.sum((point - 0.4) ** 2) + 0.05 * dice.standard_normal())
        candidate = dict(zip(names, map(float, point), strict=True))
        observations.append(
            {"candidate": candidate, "values": {"y": {"value": value, "sigma": None}}, "failed": False}
        )
    request = {
        "op": "propose", "aim": aim.model_dump(mode="json"), "observations": observations, "pending": [], "n": 4,
        "method": {"mode": "optimise", "name": "ucb", "beta": 2.0}, "index": 200,
    }  # fmt: skip
    asked = folder / "requests"
    asked.write_text("".join(json.dumps({**request, "seed": seed}) + "\n" for seed in range(2000)))
    with asked.open() as lines, (folder / "brain").open("w") as replies:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestrator.brain.child"], stdin=lines, stdout=replies, stderr=replies,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
    try:
        wait(lambda: (folder / "brain").stat().st_size > 0)
        yield
        assert child.poll() is None, (folder / "brain").read_text()[-2000:]
    finally:
        child.kill()
        child.wait()


def wait(holds: object) -> None:
    """Until `holds()`; TimeoutError where it does not in time."""
    assert callable(holds)
    deadline = time.monotonic() + START_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come to pass")
        time.sleep(0.05)


def state(log: Path) -> LabState:
    """What the log says; nothing while it is being made."""
    with contextlib.suppress(Refused), LogReader(log) as reader:
        return fold(reader.events())
    return LabState()


def say(log: Path, kind: str, **arguments: str) -> None:
    """A command through the engine."""
    send(log, Command(uuid.uuid4().hex, kind, "bench", arguments))  # type: ignore[arg-type]


def stops(log: Path, n: int, devices: int, *, busy: bool) -> dict[str, object]:
    """So many stops: ms to the halt's beginning on each host, to the last one's, to the word in the log."""
    hosts: list[float] = []
    last: list[float] = []
    written: list[float] = []
    in_hand: list[int] = []
    for _ in range(n):
        time.sleep(float(np.random.default_rng().uniform(0.8, 1.6)) if busy else 0.2)
        command = Command(uuid.uuid4().hex, "stop", "bench", {"note": "measured"})
        asked = time.monotonic()
        halted, unwritten = asyncio.run(stop_laboratory(log, command))
        written.append(1000 * (time.monotonic() - asked))
        assert len(halted) == devices and not unwritten, (len(halted), unwritten)
        begun = [1000 * (one.begun_s - asked) for one in halted if one.begun_s is not None]
        assert len(begun) == devices, [one.silence for one in halted]
        hosts += begun
        last.append(max(begun))
        in_hand.append(sum(bool(one.in_hand) for one in halted))
        say(log, "release", note="measured")
    return {"hosts_ms": hosts, "last_ms": last, "log_ms": written, "in_hand": float(np.mean(in_hand))}


def command_line(folder: Path, log: Path, n: int) -> list[float]:
    """Seconds that `alquimia stop` takes as a command, Python's start included."""
    taken = []
    for _ in range(n):
        began = time.monotonic()
        subprocess.run(
            [*ALQUIMIA, "stop", "--store", f"sqlite:///{log}"], cwd=folder, check=True, capture_output=True
        )
        taken.append(time.monotonic() - began)
        say(log, "release", note="measured")
    return taken


def main() -> None:
    """Run, print the table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--devices", type=int, default=32)
    cli.add_argument("--stops", type=int, default=40)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as text:
        folder = Path(text).absolute()
        with campaign(folder, args.devices) as log:
            wait(lambda: len(state(log).actions) > 4 * args.devices)
            say(log, "pause")
            wait(lambda: not state(log).open_actions)
            found["idle"] = stops(log, args.stops, args.devices, busy=False)
            say(log, "continue")
            with fits(folder):
                found["busy, a model being fitted"] = stops(log, args.stops, args.devices, busy=True)
                command = command_line(folder, log, 5)
    print(f"\nFrom stop to the halt's beginning, {args.devices} hosts, {args.stops} stops, ms")
    print(
        f"{'':28s} {'p50':>7s} {'p99':>7s} {'max':>7s}   {'last host p50':>13s} {'in the log p50':>15s} {'acting':>7s}"
    )
    for name, one in found.items():
        p50, p99 = np.percentile(one["hosts_ms"], [50, 99])  # type: ignore[call-overload]
        most = max(one["hosts_ms"])  # type: ignore[call-overload]
        last, log_ms = np.median(one["last_ms"]), np.median(one["log_ms"])  # type: ignore[call-overload]
        print(
            f"{name:28s} {p50:7.1f} {p99:7.1f} {most:7.1f}   {last:13.1f} {log_ms:15.1f} {one['in_hand']:7.1f}"
        )
    print(
        f"`alquimia stop` as a command, under the same load: {np.median(command):.2f} s, Python's start included"
    )
    if args.out:
        args.out.write_text(json.dumps({**found, "command_s": command}))


if __name__ == "__main__":
    main()
