"""Hard and tough binaries by few elastic tensors: hypervolume against labels, for several ways of asking.

    python benchmarks/science/superhard.py [--seeds 5] [--labels 300] [--workers 2] [--strategies NAME ...]
                                           [--crystals N] [--json FILE]

The 3,953 binaries of the Materials Project with moduli (`../shared/data/materials/mp_binary_elasticity`). All moduli
are hidden; a label shows those of one crystal, and the hardness and fracture toughness that follow (Mazhnik and
Oganov). The first 100 are drawn at random, the same for all strategies of a seed; then batches of 40 are asked for
through the very function that a campaign asks.

    pareto    expected hypervolume improvement; the networks learn the moduli, each one's word goes through the formulas
    direct    the same, the networks learning hardness and toughness themselves
    parego    improvement along a random direction of trade-off; moduli learned
    greedy    the hypervolume that the members' mean would win: no uncertainty; moduli learned
    learn     where the members differ most in hardness and toughness; moduli learned
    random    at random

Hypervolume is measured from (0 GPa, 0 MPa m^(1/2)) over labelled crystals with a Poisson's ratio of at least 0, below
which the formulas were not made, as a share of that of all such crystals. Beside it, of the crystals on the first five
fronts of the whole table, the share that was found. Seconds are of one core. With
`--json` a run that was broken off goes on from what the file holds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from surrogates.goals.pareto import front, hypervolume
from surrogates.joint import labelling
from surrogates.joint.service import Known
from surrogates.joint.service import handle as ask
from surrogates.materials import mechanics
from surrogates.materials.pool_file import PoolFile, write_pool
from surrogates.materials.sources.read import read

DATA = Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
TABLE = DATA / "materials/mp_binary_elasticity/mp_binary_elasticity.jsonl.gz"
FIRST, BATCH, LAYERS = 100, 40, 5
BOTH = ["maximise", "maximise"]
READINGS = ("bulk_modulus", "shear_modulus", "hardness", "toughness", "poisson_ratio")
STRATEGIES = {
    "pareto": ("optimise", "log_nehvi"),
    "direct": ("optimise", "log_nehvi"),
    "parego": ("optimise", "parego"),
    "greedy": ("optimise", "log_nehvi"),
    "learn": ("learn", "variance"),
    "random": ("explore", "random"),
}


class World:
    """Every crystal and its truth (n, 5), in the order of READINGS."""

    def __init__(self, crystals: int | None = None) -> None:
        """`crystals`: so many, the same for all seeds, drawn at random; None for all."""
        with gzip.open(TABLE, "rt") as file:
            rows = [json.loads(line) for line in file]
        drawn = np.random.default_rng(0).permutation(len(rows))[:crystals]
        self.rows = [rows[k] for k in sorted(drawn)]
        self.ids = [row["id"] for row in self.rows]
        self.place = {id: k for k, id in enumerate(self.ids)}
        bulk = np.array([row["k_vrh"] for row in self.rows])
        shear = np.array([row["g_vrh"] for row in self.rows])
        volume = np.array([abs(np.linalg.det(row["lattice"])) / len(row["species"]) for row in self.rows])
        tough = mechanics.fracture_toughness(bulk, shear, volume)
        hard = mechanics.hardness(bulk, shear).value
        self.truth = np.stack([bulk, shear, hard, tough.value, mechanics.poisson_ratio(bulk, shear)], axis=1)
        self.inside, self.sensitive = tough.inside, tough.sensitive
        self.whole = self.volume(np.arange(len(self.ids)))
        left, self.layer = np.flatnonzero(self.inside), set[int]()
        for _ in range(LAYERS):
            on = front(self.truth[left, 2:4], BOTH)
            self.layer |= set(left[on].tolist())
            left = left[~on]

    def volume(self, at) -> float:
        kept = [k for k in at if self.inside[k]]
        return hypervolume(self.truth[kept, 2:4], np.zeros(2), BOTH) if kept else 0.0


def request(world: World, pool: PoolFile, labelled: list[int], strategy: str, seed: int, args: dict) -> dict:
    """As the engine asks."""
    mode, name = STRATEGIES[strategy]
    derive = None if strategy == "direct" else "mechanics"
    told = [2, 3, 4] if derive is None else [0, 1, 2, 3, 4]
    material = {
        "kind": "material",
        "name": "crystal",
        "pool": "crystals",
        "digest": pool.digest,
        "n": len(world.ids),
    }
    objectives = [
        {"name": "hardness", "direction": "maximise", "unit": "GPa", "reference": 0.0},
        {"name": "toughness", "direction": "maximise", "unit": "MPa*m^0.5", "reference": 0.0},
    ]
    networks = {key: args[key] for key in ("members", "width", "epochs")} | {"derive": derive}
    return {
        "op": "propose",
        "aim": {
            "space": {"parameters": [{**material, "known": []}]}, "objectives": objectives, "goal": "pareto",
            "outcome_constraints": [{"name": "poisson_ratio", "at_least": 0.0}],
            "surrogate": {"materials": networks},
        },
        "observations": [
            {
                "candidate": {"crystal": world.ids[k]},
                "values": {READINGS[j]: {"value": float(world.truth[k, j]), "sigma": None} for j in told},
                "failed": False,
            }
            for k in labelled
        ],
        "pending": [], "n": BATCH, "method": {"mode": mode, "name": name}, "gate": None, "outlook": False,
        "seed": seed, "index": len(labelled),
        "materials": {"pool": str(pool.path), "directory": None, "structures": {}},
    }  # fmt: skip


def next_of(world: World, asked: dict, strategy: str, n: int) -> list[int]:
    if strategy == "greedy":
        known = Known.of(asked, None)
        whole = known.representation
        only = replace(
            whole, members=whole.mean[None], aleatoric=np.zeros_like(whole.aleatoric), derived=None
        )
        vars(known)["representation"] = only
        reply = labelling.answer(known, asked)
    else:
        reply = ask(asked)
    for proposal in reply["proposals"]:
        if proposal["fallback"]:
            raise RuntimeError(f"{strategy}: {proposal['fallback']}")
    return [world.place[p["candidate"]["crystal"]] for p in reply["proposals"]][:n]


def run(strategy: str, seed: int, args: dict) -> dict:
    """One campaign: hypervolume and the share of the best layer after each batch."""
    began, world = time.process_time(), World(args["crystals"])
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(world.ids))
    labelled = order[:FIRST].tolist()
    with tempfile.TemporaryDirectory() as folder:
        pool = write_pool([row for row in read(str(TABLE)) if row.id in world.place], Path(folder))
        steps = []
        while True:
            best = world.volume(labelled)
            found = len(world.layer & set(labelled)) / len(world.layer)
            steps.append({"labels": len(labelled), "hypervolume": best / world.whole, "layer": found})
            if len(labelled) >= args["labels"]:
                break
            n = min(BATCH, args["labels"] - len(labelled))
            if strategy == "random":
                labelled += order[len(labelled) : len(labelled) + n].tolist()
            else:
                labelled += next_of(world, request(world, pool, labelled, strategy, seed, args), strategy, n)
    on = front(world.truth[labelled, 2:4], BOTH)
    best = [world.rows[labelled[k]]["formula"] for k in np.flatnonzero(on) if world.inside[labelled[k]]]
    return {
        "strategy": strategy, "seed": seed, "steps": steps, "front": best,
        "cpu_s": time.process_time() - began, **args,
    }  # fmt: skip


def table(results: list[dict]) -> None:
    names = [name for name in STRATEGIES if any(r["strategy"] == name for r in results)]
    labels = [step["labels"] for step in results[0]["steps"]]
    shown = labels
    for what, title in (
        ("hypervolume", "share of the hypervolume"),
        ("layer", "share of the first five fronts"),
    ):
        print(f"\n{title}, mean of the seeds [lowest, highest]\n")
        print(
            "| strategy | " + " | ".join(f"{n} labels" for n in shown) + " |\n|" + "---|" * (len(shown) + 1)
        )
        for name in names:
            cells = []
            for n in shown:
                at = [r["steps"][labels.index(n)][what] for r in results if r["strategy"] == name]
                cells.append(f"{np.mean(at):.3f} [{min(at):.3f}, {max(at):.3f}]")
            print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n| strategy | labels to 90 % of the hypervolume, each seed | CPU s of a run |\n|---|---|---|")
    for name in names:
        reached, seconds = [], []
        for r in (r for r in results if r["strategy"] == name):
            at = [s["labels"] for s in r["steps"] if s["hypervolume"] >= 0.9]
            reached.append(str(at[0]) if at else f"> {r['steps'][-1]['labels']}")
            seconds.append(r["cpu_s"])
        print(f"| {name} | {', '.join(reached)} | {np.mean(seconds):.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--labels", type=int, default=300)
    parser.add_argument("--crystals", type=int, help="a random draw of so many, in place of all")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not TABLE.exists():
        raise SystemExit(f"no data: {TABLE}")
    world = World(args.crystals)
    print(
        f"{len(world.ids)} crystals, hypervolume {world.whole:.1f} GPa MPa m^(1/2), {len(world.layer)} on the first "
        f"five fronts; {int((~world.inside).sum())} outside the formulas' domain, {int(world.sensitive.sum())} where "
        "the toughness is sensitive to their rounded coefficients"
    )
    given = {key: getattr(args, key) for key in ("labels", "crystals", "members", "width", "epochs")}
    results = json.loads(args.json.read_text()) if args.json is not None and args.json.exists() else []
    results = [r for r in results if given.items() <= r.items()]
    done_before = {(r["strategy"], r["seed"]) for r in results}
    with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as pool:
        tasks = [(s, seed) for seed in range(args.seeds) for s in args.strategies]
        tasks = [task for task in tasks if task not in done_before]
        for done in as_completed([pool.submit(run, s, seed, given) for s, seed in tasks]):
            results.append(done.result())
            print(
                f"{results[-1]['strategy']} {results[-1]['seed']}: {results[-1]['steps'][-1]}",
                file=sys.stderr,
            )
            if args.json is not None:
                results.sort(key=lambda r: (list(STRATEGIES).index(r["strategy"]), r["seed"]))
                args.json.write_text(json.dumps(results, indent=1))
    table(results)


if __name__ == "__main__":
    main()
