"""What the orchestrator itself costs: experiments a second on devices that take no time, beside the disk's own fsync.

    python benchmarks/overhead.py [--experiments 200] [--repeats 3] [--out FILE.json]

One device, four actions an experiment, one experiment at a time: nothing can be overlapped, so every fsync of the order
of writing is waited for. `repeatable` devices need no journal on disk, `testable` ones journal begun and ended.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from orchestrator.log.sqlite import LogReader

ALQUIMIA = str(Path(sys.executable).with_name("alquimia"))
LAB = """
alquimia_lab: 1
name: simulated/bench
reality: simulated
clock: virtual
devices:
  bench: {{driver: sim.instant, settings: {{repeat: {repeat}}}}}
"""


def fsync_ms(folder: Path, n: int = 200) -> float:
    """Median milliseconds of one append and fdatasync of 500 bytes on this disk."""
    taken = []
    with (folder / "fsync").open("ab", buffering=0) as file:
        for _ in range(n):
            began = time.perf_counter()
            file.write(b"x" * 500)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return 1000 * float(np.median(taken))


def run(folder: Path, name: str, repeat: str, experiments: int, batch: int) -> dict[str, float]:
    """One campaign; time from its first intent to its last measurement, as the log has it."""
    lab = folder / f"{name}.yaml"
    lab.write_text(LAB.format(repeat=repeat))
    log = folder / name / "log.db"
    subprocess.run(
        [ALQUIMIA, "run", "instant", "--lab", str(lab), "--store", f"sqlite:///{log}", "--set",
         f"budget.experiments={experiments}", "--set", f"plan.0.batch={batch}"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with LogReader(log) as reader:
        events = list(reader.events())
    times = [time_of(e.at) for e in events if e.kind in ("action.intended", "experiment.measured")]
    kinds = Counter(e.kind for e in events)
    seconds = times[-1] - times[0]
    return {
        "experiments_per_s": kinds["experiment.measured"] / seconds,
        "ms_per_action": 1000 * seconds / kinds["action.succeeded"],
        "events_per_experiment": len(events) / kinds["experiment.measured"],
    }


def time_of(at: str) -> float:
    """Seconds since 1970 of an event."""
    from datetime import datetime

    return datetime.fromisoformat(at).timestamp()


def main() -> None:
    """Run, print the table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--experiments", type=int, default=200)
    cli.add_argument("--repeats", type=int, default=3)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    cases = {
        "one at a time, repeatable device": ("repeatable", 1),
        "one at a time, testable device": ("testable", 1),
        "32 in flight, testable device": ("testable", 32),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    disk = []
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as text:
        folder = Path(text).absolute()
        for repeat in range(args.repeats):
            for name, (kind, batch) in cases.items():
                disk.append(fsync_ms(folder))
                found[name].append(run(folder, f"{kind}-{batch}-{repeat}", kind, args.experiments, batch))
    sync = float(np.median(disk))
    print(
        f"\nOverhead: {args.experiments} experiments of 4 actions on one zero-time device, median of {args.repeats}"
    )
    print(f"one fsync of this disk: {sync:.2f} ms")
    print(f"{'case':36s} {'experiments/s':>14s} {'ms/action':>10s} {'in fsyncs':>10s}")
    for name, runs in found.items():
        middle = {key: float(np.median([r[key] for r in runs])) for key in runs[0]}
        ms = middle["ms_per_action"]
        print(f"{name:36s} {middle['experiments_per_s']:14.1f} {ms:10.2f} {ms / sync:10.1f}")
    if args.out:
        args.out.write_text(json.dumps({"fsync_ms": disk, "runs": found}))


if __name__ == "__main__":
    main()
