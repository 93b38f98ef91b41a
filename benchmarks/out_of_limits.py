"""Actions beyond the limits, in whole laboratories: how many reach a driver (promise P5).

    python benchmarks/out_of_limits.py [--actions 10000] [--seed 1] [--out FILE.json]

For simulated/ada and simulated/solid_state (with limits on its furnaces; its table from ../shared/data); the actions
are those of `tests/promises/limits.py`. Each is put to the guard, and then, past the guard, sent over the socket of
the real host process that has the devices.

Controls: allowed actions do reach the drivers; and where the laboratory's limits are left out, actions that only they
forbid do, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.promises.limits import LABORATORIES, TABLE, broken, places, tried  # noqa: E402


def main() -> None:
    """Run, print the table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--actions", type=int, default=10_000)
    cli.add_argument("--seed", type=int, default=1)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    found, wrong = {}, []
    for name, made in LABORATORIES.items():
        if name == "simulated/solid_state" and not TABLE.exists():
            print(f"{name} is left out: its table is not at {TABLE}")
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="alq-", dir="/tmp") as text:
            laboratory, folder = made(), Path(text)
            found[name] = asyncio.run(tried(laboratory, args.actions, args.seed, folder))
        wrong += [f"{name}: {what}" for what in broken(found[name])]
        devices = Counter(one for one, *_ in places(laboratory))
        print(f"\n{name}: {len(devices)} devices with arguments, {time.monotonic() - began:.0f} s")
        for what, n in found[name].items():
            print(f"  {what:46s} {n:6d}")
    if args.out:
        args.out.write_text(json.dumps(found))
    if wrong:
        raise SystemExit("; ".join(wrong))


if __name__ == "__main__":
    main()
