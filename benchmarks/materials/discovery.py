"""Discovery on a hull that is known in full: which way of asking finds the stable crystals with the fewest energies?

    python benchmarks/materials/discovery.py [--seeds 5] [--rounds 5] [--strategies NAME ...] [--out FILE.json]

The 943 crystals of the Fe-Li-O-P system (Materials Project). Hidden: a random 60 %, never the lowest crystal of each
element, without which no energy above a hull has a meaning. Structures are visible to all. Each strategy is asked for
energies of 20 % of the hidden ones, in rounds, through the very function that a campaign asks. Found is a crystal that
is one of the 40 on the true hull: a polymorph 1 meV above it does not count. Chance is the expected number of a random
choice, which has no noise; `random` draws are shown beside it. Error: mean absolute error of the predicted energy above
the hull, against the true one, over all crystals that are still hidden at the end. CPU seconds, one thread.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from surrogates.materials.discovery.service import handle
from surrogates.materials.discovery.trainer import GraphTrainer
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training

DATA = (
    Path(__file__).resolve().parents[2].parent / "shared/data/materials/mp_chemsys_entries/fe_li_o_p.jsonl.gz"
)
HIDDEN, LABELS = 0.6, 0.2
STABLE = 1e-6  # eV per atom above the true hull, as it is in the table

# name -> (mode, method, beta, members: None for all)
STRATEGIES = {
    "probability": ("optimise", "probability", "auto", None),
    "ucb, beta 1": ("optimise", "ucb", 1.0, None),
    "no uncertainty (ucb, beta 0)": ("optimise", "ucb", 0.0, None),
    "no ensemble (one network, beta 0)": ("optimise", "ucb", 0.0, 1),
    "thompson": ("optimise", "thompson", "auto", None),
    "learn: variance": ("learn", "variance", "auto", None),
    "learn: integrated_variance": ("learn", "integrated_variance", "auto", None),
    "learn, then probability": ("learn", "variance", "auto", None),
    "random": ("explore", "random", "auto", None),
}
USUAL = ("probability", "no uncertainty (ucb, beta 0)", "learn: variance", "random")


class World:
    """All crystals, their true energies, and what one seed hides."""

    def __init__(self, seed: int, folder: Path) -> None:
        with gzip.open(DATA, "rt") as file:
            rows = [json.loads(line) for line in file]
        self.energy = {r["id"]: (r["energy"] + r["correction"]) / len(r["species"]) for r in rows}
        self.above = {r["id"]: r["e_above_hull"] for r in rows}
        self.stable = {r["id"] for r in rows if r["e_above_hull"] < STABLE}
        elements = {r["id"] for r in rows if r["id"] in self.stable and len(set(r["species"])) == 1}
        others = [r["id"] for r in rows if r["id"] not in elements]
        drawn = np.random.default_rng([seed, 1]).permutation(len(others))[: round(HIDDEN * len(rows))]
        self.hidden = {others[k] for k in drawn}
        self.seed, self.folder = seed, folder
        self.budget = round(LABELS * len(self.hidden))
        self.path = folder / f"pool-{seed}.jsonl"
        with self.path.open("w") as out:
            for r in rows:
                row = {key: r[key] for key in ("id", "lattice", "species", "frac")}
                known = {} if r["id"] in self.hidden else {"values": {"energy": self.energy[r["id"]]}}
                out.write(json.dumps(row | known) + "\n")

    def request(self, observed: list[str], n: int, mode: str, name: str, beta: object) -> dict:
        """As the engine asks."""
        material = {
            "kind": "material",
            "name": "crystal",
            "pool": "fe_li_o_p",
            "digest": f"{self.seed:064x}",
            "n": 943,
        }
        return {
            "op": "propose",
            "aim": {
                "space": {"parameters": [{**material, "generate": [], "max_atoms": 200}]},
                "objectives": [{"name": "energy", "direction": "minimise"}],
            },
            "observations": [
                {
                    "candidate": {"crystal": id},
                    "values": {"energy": {"value": self.energy[id], "sigma": None}},
                    "failed": False,
                }
                for id in observed
            ],
            "pending": [], "n": n, "method": {"mode": mode, "name": name, "beta": beta}, "gate": None,
            "outlook": False, "seed": self.seed, "index": len(observed),
            "materials": {"pool": str(self.path), "directory": str(self.folder), "structures": {}},
        }  # fmt: skip


def trainer_of(args: argparse.Namespace, members: int | None) -> GraphTrainer:
    network = NetworkSettings(width=args.width, layers=args.layers, cutoff=8.0, neighbours=8)
    training = Training(epochs=args.epochs, batch=32, warm_epochs=args.warm)
    return GraphTrainer(EnsembleSettings(members=members or args.members, network=network, training=training))


def run(world: World, strategy: str, args: argparse.Namespace, trainer: GraphTrainer) -> dict:
    """One campaign: what each round found, and how good the model is at its end."""
    mode, name, beta, _ = STRATEGIES[strategy]
    began, observed, found = time.process_time(), [], []
    sizes = [len(part) for part in np.array_split(np.arange(world.budget), args.rounds)]
    for k, n in enumerate(sizes):
        if strategy == "learn, then probability" and k >= args.rounds // 2:
            mode, name = "optimise", "probability"
        if strategy == "random":  # no model is needed to draw
            left = sorted(world.hidden - set(observed))
            picked = [left[i] for i in np.random.default_rng([world.seed, k, 2]).permutation(len(left))[:n]]
        else:
            reply = handle(world.request(observed, n, mode, name, beta), trainer)
            picked = [proposal["candidate"]["crystal"] for proposal in reply["proposals"]]
        observed += picked
        found.append(len(set(picked) & world.stable))
    left = len(world.hidden) - len(observed)
    reply = handle(world.request(observed, left, "optimise", "probability", "auto"), trainer)
    said = {p["candidate"]["crystal"]: p for p in reply["proposals"] if p["mean"] is not None}
    ids = sorted(said)
    material = [said[id]["material"] for id in ids]
    above = np.array([max(m["decomposition_energy"], 0.0) for m in material])
    truth = np.array([world.above[id] for id in ids])
    energy = np.array([world.energy[id] for id in ids])
    low, high = np.array([m["interval_90"] for m in material]).T
    error = np.abs(above - truth)
    return {
        "seed": world.seed, "strategy": strategy, "found": sum(found), "by_round": found,
        "hidden_stable": len(world.hidden & world.stable), "budget": world.budget, "hidden": len(world.hidden),
        "error": float(error.mean()), "error_median": float(np.median(error)),
        "error_near": float(error[truth < 0.1].mean()),
        "coverage_90": float(((low <= energy) & (energy <= high)).mean()),
        "coverage_before": reply["diagnostics"]["coverage_90"], "judged": len(ids), "left": left,
        "cpu_s": time.process_time() - began,
    }  # fmt: skip


def table(results: list[dict]) -> None:
    """Means over seeds, with the median of found."""
    seeds = sorted({r["seed"] for r in results})
    chance = np.mean([r["hidden_stable"] * r["budget"] / r["hidden"] for r in results])
    ceiling = np.mean([r["hidden_stable"] for r in results])
    print(
        f"\nFe-Li-O-P, {len(seeds)} seeds: {ceiling:.1f} stable crystals hidden, {chance:.2f} found by chance"
    )
    plain = [r["found"] for r in results if r["strategy"] == "no uncertainty (ucb, beta 0)"]
    print(
        f"{'strategy':36s} {'found':>6s} {'median':>6s} {'x chance':>9s} {'x no unc.':>9s} {'error':>7s} "
        f"{'median':>7s} {'<0.1':>7s} {'cover':>6s} {'CPU s':>6s}  found by round, seeds"
    )
    for name in STRATEGIES:
        rows = [r for r in results if r["strategy"] == name]
        if not rows:
            continue
        mean = {
            key: float(np.mean([r[key] for r in rows]))
            for key in ("found", "error", "error_median", "error_near", "coverage_90", "cpu_s")
        }
        rounds = " ".join(f"{x:.1f}" for x in np.mean([r["by_round"] for r in rows], axis=0))
        over = f"{mean['found'] / np.mean(plain):9.2f}" if plain else f"{'':9s}"
        print(
            f"{name:36s} {mean['found']:6.1f} {np.median([r['found'] for r in rows]):6.0f} "
            f"{mean['found'] / chance:9.2f} {over} {1000 * mean['error']:7.1f} {1000 * mean['error_median']:7.1f} "
            f"{1000 * mean['error_near']:7.1f} {100 * mean['coverage_90']:5.1f}% {mean['cpu_s']:6.0f}  {rounds}; "
            f"{[r['found'] for r in rows]}"
        )
    most = ceiling / np.mean(plain) if plain else float("nan")
    print(
        f"the most that is possible: {ceiling / chance:.1f} x chance, {most:.2f} x no uncertainty; errors in meV/atom"
    )


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument(
        "--seeds", type=int, nargs="+", default=[5], help="how many, or which: --seeds 3, --seeds 0 4"
    )
    cli.add_argument("--rounds", type=int, default=5)
    cli.add_argument("--strategies", nargs="+", default=list(USUAL), choices=list(STRATEGIES))
    cli.add_argument("--members", type=int, default=3)
    cli.add_argument("--width", type=int, default=32)
    cli.add_argument("--layers", type=int, default=2)
    cli.add_argument("--epochs", type=int, default=20)
    cli.add_argument("--warm", type=int, default=4)
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    seeds = range(args.seeds[0]) if len(args.seeds) == 1 else args.seeds
    results: list[dict] = []
    trainers = {members: trainer_of(args, members) for members in (None, 1)}
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            world = World(seed, Path(folder))
            for strategy in args.strategies:
                results.append(run(world, strategy, args, trainers[STRATEGIES[strategy][3]]))
                print(json.dumps(results[-1]), flush=True)
                if args.out:
                    args.out.write_text(json.dumps(results))
    table(results)


if __name__ == "__main__":
    main()
