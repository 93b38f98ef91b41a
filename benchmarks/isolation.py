"""What good hosts get done beside one that crashes, floods or talks nonsense, against a neighbour that is well.

Real hosts under one engine's hands; every device acts for 0.1 s, again and again. Windows of a few seconds take
turns, so that the load of the machine is the same for all. A host that was given up is looked for again every 2 s.

python benchmarks/isolation.py [--good 8] [--windows 5] [--seconds 6] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import structlog

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.orchestrator.bad_host import WAYS, installed_in, side_by_side  # noqa: E402


def main() -> None:
    """Run, print the table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--good", type=int, default=8)
    cli.add_argument("--windows", type=int, default=5)
    cli.add_argument("--seconds", type=float, default=6.0)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="alq-", dir="/tmp") as text:
        folder = Path(text)
        os.environ["PYTHONPATH"] = os.pathsep.join([installed_in(folder / "installed"), str(ROOT)])
        found = asyncio.run(
            side_by_side(
                folder / "hosts",
                folder / "s",
                WAYS,
                good=args.good,
                windows=args.windows,
                seconds=args.seconds,
            )
        )
    well = float(np.mean(found["well"]))
    print(
        f"\n{args.good} good hosts beside one more, acts per second, {args.windows} windows of {args.seconds:g} s"
    )
    print(f"{'the neighbour':16s} {'acts/s':>8s} {'lowest':>8s} {'of well':>8s}")
    for how, values in found.items():
        print(f"{how:16s} {np.mean(values):8.1f} {min(values):8.1f} {100 * np.mean(values) / well:7.1f}%")
    if args.out:
        args.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
