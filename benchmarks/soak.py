"""Minutes of steady work: experiments a second, how long an append takes, how late the engine's loop is (promise P17).

    python benchmarks/soak.py [--minutes 10] [--devices 32] [--hosts 8] [--act-s 0.2] [--batch 128] [--out FILE.json]

A real engine runs the campaign `instant` (four actions an experiment) on one group of simulated devices in real host
processes, over Unix sockets; acts are journaled (`testable`) and take --act-s of real time, so that 32 devices offer
40 experiments a second. Proposals are random draws; no model is fitted. In the engine's process every append to the
log is timed, fsync included, and a task that wants to wake every 10 ms notes by how much it is late, and how much of
that the loop's thread was computing (the rest it waited for a core). Memory and CPU time are those of engine and
hosts, from the machine. Promised on two cores that do nothing else: 20 experiments a second for 10 minutes, append
within 50 ms and loop within 20 ms (p99).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from overhead import fsync_ms, time_of

from orchestrator.log.sqlite import LogReader

WINDOW_S = 10.0
WAKE_S = 0.01
WARM_S = 10.0  # hosts start, the first batch is drawn: not counted
ROWS = (
    ("append to the log, ms", "append_ms"),
    ("loop is late by, ms", "lag_ms"),
    ("by its own work at most, ms", "own_ms"),
)
PROMISED = {"experiments_per_s": 20.0, "append_ms": 50.0, "lag_ms": 20.0}


def laboratory(devices: int, hosts: int, act_s: float) -> str:
    """One group of devices, spread over the hosts; half of an act's time before its effect, half after it."""
    names = [f"d{n:02d}" for n in range(devices)]
    entries = "\n".join(
        f"  {name}: {{driver: sim.instant, host: h{n % hosts}, settings: {{repeat: testable, dawdle_s: {act_s / 2}}}}}"
        for n, name in enumerate(names)
    )
    return (
        "alquimia_lab: 1\nname: simulated/soak\nreality: simulated\nclock: virtual\n"
        f"devices:\n{entries}\ngroups: {{bench: [{', '.join(names)}]}}\n"
    )


def work(folder: Path, batch: int) -> None:
    """The engine, with its clocks on; runs until it is told to stop, then writes `measured.json`."""
    from campaigns.load import library_text, loads
    from orchestrator import opening
    from orchestrator.binding import bind_campaign
    from orchestrator.labfile import bind_lab, read_lab
    from orchestrator.log.sqlite import SqliteLog

    appends: list[tuple[float, float, int]] = []  # when it began, ms, events
    lags: list[tuple[float, float, float]] = []  # when, ms, ms of which this thread was computing
    append = SqliteLog.append

    def timed(self, events) -> None:
        began = time.perf_counter()
        append(self, events)
        if events:
            appends.append((time.time(), 1000 * (time.perf_counter() - began), len(events)))

    SqliteLog.append = timed  # type: ignore[method-assign]

    async def watched() -> None:
        while True:
            wanted, spent = time.perf_counter() + WAKE_S, time.thread_time()
            await asyncio.sleep(WAKE_S)
            late = max(0.0, time.perf_counter() - wanted)
            lags.append((time.time(), 1000 * late, 1000 * min(late, time.thread_time() - spent)))

    async def run() -> None:
        watch = asyncio.create_task(watched())
        await opening.conduct(folder / "run" / "log.db", wait_for_people=False)
        watch.cancel()

    overrides = ["budget.experiments=1000000", f"plan.0.batch={batch}"]
    campaign = loads(library_text("instant"), overrides=overrides)
    bound = bind_campaign(campaign, bind_lab(read_lab("simulated/soak", folder / "lab.yaml")[0]))
    (folder / "run").mkdir()
    opening.open_campaign(folder / "run" / "log.db", bound)
    asyncio.run(run())
    (folder / "measured.json").write_text(json.dumps({"appends": appends, "lags": lags}))


def soaked(folder: Path, minutes: float, batch: int) -> dict[str, object]:
    """Run the engine for so long; what was measured, the warm-up left out."""
    with (folder / "output").open("w") as output:
        engine = subprocess.Popen(
            [sys.executable, __file__, "--worker", str(folder), "--batch", str(batch)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    seen: list[dict[str, float]] = []
    try:
        _wait(engine, WARM_S, folder / "output")
        began, cpu = time.time(), _cpu(folder, engine.pid)
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until:
            _wait(engine, min(WINDOW_S, max(0.0, until - time.monotonic())), folder / "output")
            load = os.getloadavg()[0]
            seen.append({"load": load, "engine_mb": psutil.Process(engine.pid).memory_info().rss / 1e6})
        ended, spent = time.time(), _cpu(folder, engine.pid)
    finally:
        engine.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            engine.wait(60)
        engine.kill()
    assert (folder / "measured.json").exists(), (folder / "output").read_text()[-3000:]
    measured = json.loads((folder / "measured.json").read_text())
    with LogReader(folder / "run" / "log.db") as reader:
        events = list(reader.events())
    done = np.array([time_of(e.at) for e in events if e.kind == "experiment.measured"])
    done = done[(done >= began) & (done < ended)]
    windows, _ = np.histogram(done, np.arange(began, ended + 1e-6, WINDOW_S))
    return {
        "seconds": ended - began,
        "experiments": len(done),
        "failed": sum(e.kind == "experiment.failed" for e in events),
        "doubts": sum(e.kind == "action.in_doubt" for e in events),
        "per_s": len(done) / (ended - began),
        "lowest_window_per_s": float(windows.min() / WINDOW_S) if len(windows) else 0.0,
        "append_ms": [ms for at, ms, _ in measured["appends"] if began <= at < ended],
        "events_an_append": float(np.mean([n for at, _, n in measured["appends"] if began <= at < ended])),
        "lag_ms": [ms for at, ms, _ in measured["lags"] if began <= at < ended],
        "own_ms": [ms for at, _, ms in measured["lags"] if began <= at < ended],
        "cpu": {name: (spent[name] - cpu[name]) / (ended - began) for name in cpu},
        "events": len(events),
        "log_mb": (folder / "run" / "log.db").stat().st_size / 1e6,
        "seen": seen,
    }


def _wait(engine: subprocess.Popen[bytes], seconds: float, said: Path) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        engine.wait(seconds)
        raise RuntimeError(f"the engine ended early, code {engine.returncode}: {said.read_text()[-3000:]}")


def _cpu(folder: Path, engine: int) -> dict[str, float]:
    """CPU seconds so far of the engine (and its brain), and of all hosts."""
    spent = {"engine": 0.0, "hosts": 0.0}
    for process in psutil.process_iter(["pid", "ppid", "cmdline", "cpu_times"]):
        line = " ".join(process.info["cmdline"] or ())
        times = process.info["cpu_times"]
        if engine in (process.info["pid"], process.info["ppid"]) and "drivers.host" not in line:
            spent["engine"] += times.user + times.system
        elif "drivers.host" in line and str(folder) in line:
            spent["hosts"] += times.user + times.system
    return spent


def main() -> None:
    """Run, print the table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--minutes", type=float, default=10.0)
    cli.add_argument("--devices", type=int, default=32)
    cli.add_argument("--hosts", type=int, default=8)
    cli.add_argument("--act-s", type=float, default=0.2)
    cli.add_argument("--batch", type=int, default=128)
    cli.add_argument("--out", type=Path)
    cli.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = cli.parse_args()
    if args.worker:
        work(args.worker, args.batch)
        return
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as text:
        folder = Path(text).absolute()
        (folder / "lab.yaml").write_text(laboratory(args.devices, args.hosts, args.act_s))
        sync = fsync_ms(folder)
        found = soaked(folder, args.minutes, args.batch)
    seen = found["seen"]
    loads, memory = ([one[key] for one in seen] for key in ("load", "engine_mb"))  # type: ignore[attr-defined]
    cpu = found["cpu"]
    print(
        f"\n{found['seconds']:.0f} s, {args.devices} devices in {args.hosts} hosts, {found['experiments']} experiments"
        f" measured, {found['failed']} failed, {found['doubts']} doubts, {found['events']} events"
    )
    print(f"{'':34s} {'p50':>8s} {'p99':>8s} {'max':>8s} {'promised p99':>13s}")
    for name, key in ROWS:
        p50, p99 = np.percentile(found[key], [50, 99])  # type: ignore[call-overload]
        worst = max(found[key])  # type: ignore[call-overload]
        promised = f"{PROMISED[key]:13.0f}" if key in PROMISED else ""
        print(f"{name:34s} {p50:8.1f} {p99:8.1f} {worst:8.1f} {promised}")
    offered = args.devices / 4 / args.act_s
    print(
        f"experiments a second: {found['per_s']:.1f} (promised {PROMISED['experiments_per_s']:.0f}, offered"
        f" {offered:.1f}); in the worst {WINDOW_S:.0f} s {found['lowest_window_per_s']:.1f}"
    )
    print(
        f"cores used: engine {cpu['engine']:.2f}, hosts {cpu['hosts']:.2f} of {os.cpu_count()};"  # type: ignore[index]
        f" load average {np.mean(loads):.1f} ({min(loads):.1f} to {max(loads):.1f}); one fsync {sync:.2f} ms;"
        f" engine {memory[0]:.0f} to {memory[-1]:.0f} MB; log {found['log_mb']:.0f} MB;"
        f" {found['events_an_append']:.1f} events an append"
    )
    if args.out:
        args.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
