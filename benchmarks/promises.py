"""The promises at full size, in one table: kills, builds that must not survive them, a long log, many spaces.

python benchmarks/promises.py [--kills 50] [--rounds 3] [--events 100000] [--spaces 20000] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchestrator.events import Event, Numbering
from orchestrator.lab import fold
from orchestrator.log.sqlite import LogReader, SqliteLog
from surrogates.errors import SpaceExhausted
from surrogates.planner import Method, Planner
from surrogates.sampling import Sampler, design
from surrogates.search import Search
from tests.promises.kills import SABOTAGE, Ordeal, describe
from tests.surrogates.beliefs import Blank, Ridge
from tests.surrogates.spaces import SCORE, random_space


def under_fire(kills: int, seed: int, sabotage: str | None) -> dict[str, object]:
    """One ordeal's figures."""
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(describe(Ordeal(Path(folder), seed=seed, sabotage=sabotage).run(kills)))


def long_log(n: int) -> dict[str, float]:
    """Seconds until the state of a log of `n` events stands again, as at an engine's start."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=".") as folder:
        path = Path(folder) / "log.db"
        store = SqliteLog(path, reality="simulated")
        numbering = Numbering(0, store.take_over(), {})
        body = {
            "campaign": {},
            "fingerprint": "",
            "lab": {"name": ""},
            "reality": "simulated",
            "versions": {},
        }
        store.append([numbering.place(Event("campaign", "campaign.opened", body))])
        experiment = 0
        while numbering.seq < n:
            batch = []
            for _ in range(200):
                experiment += 1
                batch += [numbering.place(event) for event in _life(experiment)]
            store.append(batch)
        store.close()
        began = time.perf_counter()
        with LogReader(path) as reader:
            state = fold(reader.events())
        return {"events": state.seq, "seconds": time.perf_counter() - began}


def _life(number: int) -> list[Event]:
    """The events of one experiment with four actions."""
    name = f"x{number:06d}"
    why = {
        "mode": "explore",
        "phase": 0,
        "acquisition": "sobol",
        "rule": "the plan begins",
        "seed": 0,
        "read_to": 0,
    }
    events = [
        Event(
            name,
            "experiment.proposed",
            {"number": number, "candidate": {"x": 0.1, "y": 0.2}, "proposal": why},
        ),
        Event(name, "experiment.queued", {}),
        Event(name, "experiment.started", {}),
    ]
    for step in range(4):
        action = f"{name}.s{step}.1"
        intent = {
            "experiment": name, "step": step, "step_id": f"s{step}", "device": "bench", "verb": "step",
            "args": {"x": 0.1}, "sample": name, "repeat": "repeatable", "attempt": 1, "deadline_s": 60.0,
        }  # fmt: skip
        events += [
            Event(action, "action.intended", intent),
            Event(action, "action.succeeded", {"reason": "", "began_s": 1.0, "ended_s": 2.0}),
        ]
    return [*events, Event(name, "experiment.measured", {"values": {"score": 0.5}})]


def outside(n: int, every: int = 100) -> tuple[int, int, list[str]]:
    """Spaces tried, candidates proposed, and what lay outside: designs in all; in one of `every` the planner's asks,
    and what a search finds for an arbitrary acquisition, with gradients and without."""
    proposals, faults = 0, []
    for seed in range(n):
        space = random_space(np.random.default_rng(seed))
        sampler = Sampler(space)
        candidates = sampler.design(1, seed=seed, method="random")
        if seed % every == 0:
            rng, encoder = np.random.default_rng([seed, 1]), sampler.encoder
            codes = encoder.codes(candidates)
            for smooth in (True, False):
                ridge = Ridge(rng.normal(size=encoder.n_columns))
                with contextlib.suppress(SpaceExhausted):
                    candidates.append(Search(sampler).best(ridge, Blank(smooth), codes, codes, rng).candidate)
            planner = Planner(space, [SCORE], seed=seed)
            for k, candidate in enumerate(design(space, 4, seed=seed, method="sobol")):
                planner.tell(candidate, float(k % 3))
            with contextlib.suppress(SpaceExhausted):  # some of these spaces hold a single candidate
                candidates += [p.candidate for p in planner.ask(1, Method("optimise", "ucb"))]
        proposals += len(candidates)
        faults += [f"space {seed}: {fault}" for c in candidates for fault in space.violations(c)]
    return n, proposals, faults


def main() -> None:
    """Run all, print the table; exit 1 where a promise is broken."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--kills", type=int, default=50)
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--events", type=int, default=100_000)
    cli.add_argument("--spaces", type=int, default=20_000)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    found: dict[str, object] = {}
    broken = []

    print(
        f"{'build':44s} {'kills':>6s} {'acts':>6s} {'doubts':>7s} {'lost':>5s} {'repeated':>9s} {'silent':>7s}"
    )
    for name in [None] * args.rounds + list(SABOTAGE):
        seed = len(found) + 1
        figures = under_fire(args.kills, seed, name)
        found[f"{name or 'as shipped'}, seed {seed}"] = figures
        kills = sum(figures["kills"].values())  # type: ignore[attr-defined]
        line = "".join(f"{figures[key]:>{w}}" for key, w in
                       (("acts", 7), ("doubts", 8), ("lost", 6), ("repeated", 10), ("silent", 8)))  # fmt: skip
        print(f"{name or f'as shipped, seed {seed}':44s} {kills:6d}{line}", flush=True)
        clean = not (figures["lost"] or figures["repeated"] or figures["silent"])
        if clean == (name is not None):
            broken.append(f"{name or 'as shipped'}: {figures}")

    log = found["long log"] = long_log(args.events)
    print(f"\na log of {log['events']} events is read and folded in {log['seconds']:.2f} s (promised: 5 s)")
    if log["seconds"] > 5:
        broken.append("P14: the log took too long")

    tried, proposals, faults = outside(args.spaces)
    found["spaces"] = {"spaces": tried, "proposals": proposals, "outside": len(faults)}
    print(f"{tried} random constrained spaces, {proposals} proposals: {len(faults)} outside")
    broken += faults[:5]

    if args.out:
        args.out.write_text(json.dumps(found))
    if broken:
        sys.exit("broken: " + "; ".join(map(str, broken)))
    print("\nall kept; every broken build was caught")


if __name__ == "__main__":
    main()
