"""The accuracy funnel on real crystals: which binary has the highest Debye temperature, by few calculations.

    python benchmarks/science/funnel.py [--learn 400] [--quick 60] [--exact 20] [--seeds 2] [--atoms 4] [--most 1200]
                                        [--draw 0] [--rules ucb greedy rank random] [--cache FILE] [--json FILE]
                                        [--figure FILE]

Crystals of the Materials Project with moduli (`../shared/data/materials/mp_binary_elasticity`), those of at most
`atoms` atoms, at most `most` of them, `draw` the seed. Sought: the highest Debye temperature, and so the smallest heat
capacity; log10 of K. (Not the expansion: a table of elastic tensors says nothing of gamma, so that its truth is not
known.)

    stage 0  an ensemble of graph networks, learned from the moduli of `learn` other crystals; Debye temperature from
             predicted moduli (`surrogates.materials.debye`), uncertainty by draws of the moduli
    stage 1  `quick` crystals: CHGNet's equation of state (9 energies) and Debye's model (verb `thermal`), Poisson's
             ratio as predicted
    stage 2  `exact` crystals: from the elastic tensor that density-functional theory gave (the table)

Stage 2 is known of all crystals, so that regrets are: `regret`, how far the best of the finalists is below the best
of all, percent; `top`, how many of the twenty best of all are among the finalists; `of 1`, among those of stage 1;
`r01`, `r12`, correlations of neighbouring stages over what was labelled; `failed`, labels of stage 1; `beyond`, those
whose expansion is beyond the bound. Seconds are processor seconds of one core, of stage 1. `--cache`: labels of stage
1, kept between runs. The rate of stage 0 and what it needs for 10^5 to 10^7 follow.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
from pymatgen.core import Element

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from campaigns.structure import Structure
from drivers.labelers.workers.bench import Bench
from surrogates.materials import debye, mechanics
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.funnel import Belief, Passed, Stage, run
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training

DATA = Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
TABLE = DATA / "materials/mp_binary_elasticity/mp_binary_elasticity.jsonl.gz"
WARM = 300.0  # K
CHUNK = 256


def measures(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Volume and mass per atom; mean electronegativity."""
    volume = np.array([abs(np.linalg.det(row["lattice"])) / len(row["species"]) for row in rows])
    mass = np.array([np.mean([float(Element(e).atomic_mass) for e in row["species"]]) for row in rows])
    pull = np.array(
        [
            np.mean([Element(e).X if Element(e).X == Element(e).X else 1.5 for e in row["species"]])
            for row in rows
        ]
    )
    return volume, mass, pull


class World:
    """Candidates, what stage 0 says of them, and the truth."""

    def __init__(self, learn: int, atoms: int, most: int, draw: int) -> None:
        with gzip.open(TABLE, "rt") as file:
            rows = [json.loads(line) for line in file]
        rng = np.random.default_rng(draw)
        order = rng.permutation(len(rows)).tolist()
        stable = [rows[k] for k in order if rows[k]["k_vrh"] > 1 and rows[k]["g_vrh"] > 1]
        learned, rest = stable[:learn], stable[learn:]
        self.rows = [row for row in rest if len(row["species"]) <= atoms][:most]
        bulk, shear = (np.array([row[key] for row in learned]) for key in ("k_vrh", "g_vrh"))
        settings = EnsembleSettings(
            members=3, network=NetworkSettings(width=32, layers=3), training=Training(epochs=60)
        )
        began = time.process_time()
        ensemble = MaterialsEnsemble.fit(
            [structure(row) for row in learned], np.log10(np.column_stack([bulk, shear])), ["log_bulk", "log_shear"],
            settings=settings, seed=draw,
        )  # fmt: skip
        self.learn_s = time.process_time() - began
        self.volume, self.mass, pull = measures(self.rows)
        began = time.process_time()
        means, sds, members = [], [], []
        for at in range(0, len(self.rows), CHUNK):
            said = ensemble.predict([structure(row) for row in self.rows[at : at + CHUNK]])
            means.append(said.mean), sds.append(said.sd), members.append(said.members)
        self.screen_s = (time.process_time() - began) / len(self.rows)
        self.mean, sd = np.concatenate(means), np.concatenate(sds)
        draws = self.mean + sd * np.random.default_rng(1).standard_normal((64, *self.mean.shape))
        each = self.sought(10 ** draws[..., 0], 10 ** draws[..., 1])
        self.screened = Belief(np.nanmean(each, axis=0), np.nanstd(each, axis=0))
        self.features = np.column_stack([self.mean, np.log10(self.volume), np.log10(self.mass), pull])
        self.nu = np.clip(mechanics.poisson_ratio(10 ** self.mean[:, 0], 10 ** self.mean[:, 1]), 0.05, 0.45)
        bulk, shear = (np.array([row[key] for row in self.rows]) for key in ("k_vrh", "g_vrh"))
        self.truth = self.sought(bulk, shear)

    def sought(self, bulk: np.ndarray, shear: np.ndarray) -> np.ndarray:
        """- log10 of the Debye temperature: the smallest is the best."""
        return -np.log10(debye.debye_temperature(bulk, shear, self.volume, self.mass))


def structure(row: dict[str, Any]) -> Structure:
    return Structure.from_json({key: row[key] for key in ("lattice", "species", "frac")})


class Quick:
    """Stage 1: labels kept in a file, so that rules and seeds share them."""

    def __init__(self, world: World, cache: Path | None) -> None:
        self.world, self.cache, self.bench = world, cache, Bench()
        self.kept = json.loads(cache.read_text()) if cache is not None and cache.exists() else {}

    def __call__(self, asked: list[int]) -> np.ndarray:
        return np.array([self.one(at) for at in asked])

    def one(self, at: int) -> float:
        row = self.world.rows[at]
        if row["id"] not in self.kept:
            arguments = {
                "temperature": WARM, "poisson_ratio": float(self.world.nu[at]), "elastic": False,
                "grueneisen": "dugdale_macdonald", "strain": 0.08, "points": 9,
            }  # fmt: skip
            job = {
                "verb": "thermal", "structure": {key: row[key] for key in ("lattice", "species", "frac")},
                "arguments": arguments, "worker": "drivers.labelers.workers.chgnet:CHGNetCode",
                "settings": {"weights": "0.3.0"},
            }  # fmt: skip
            ended = self.bench.carry_out(job, lambda partial: None)
            self.kept[row["id"]] = {
                "theta": ended.readings.get("debye_temperature"), "bound_share": ended.readings.get("bound_share"),
                "cpu_s": ended.record["cpu_s"], "reason": ended.reason,
            }  # fmt: skip
            if self.cache is not None:
                self.cache.write_text(json.dumps(self.kept))
        value = self.kept[row["id"]]["theta"]
        return -float(np.log10(value)) if value is not None and value > 0 else float("nan")


def told(world: World, passed: Passed, quick: Quick) -> dict[str, Any]:
    finalists, first = passed.finalists(), np.array(passed.order[0], int)
    best = set(np.argsort(world.truth)[:20].tolist())
    known = first[np.isfinite(passed.labels[first, 0])]
    kept = [quick.kept[world.rows[i]["id"]] for i in passed.order[0]]
    top_of_first = len(best & set(passed.order[0]))
    return {
        "regret": float(100 * (1 - 10 ** (world.truth.min() - world.truth[finalists[0]]))),
        "best": structure(world.rows[int(finalists[0])]).formula,
        "top": len(best & set(finalists.tolist())),
        "top_of_first": top_of_first,
        "r01": float(np.corrcoef(world.screened.mean[known], passed.labels[known, 0])[0, 1]),
        "r12": float(np.corrcoef(passed.labels[finalists, 0], world.truth[finalists])[0, 1]),
        "failed": int(np.isnan(passed.labels[first, 0]).sum()),
        "beyond": sum(1 for one in kept if one["bound_share"] is not None and one["bound_share"] > 1),
        "stage1_s": float(np.sum([one["cpu_s"] for one in kept])),
        "counts": [len(world.rows), *(len(o) for o in passed.order)],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("learn", 400),
        ("quick", 60),
        ("exact", 20),
        ("seeds", 2),
        ("atoms", 4),
        ("most", 1200),
        ("draw", 0),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rules", nargs="+", default=["ucb", "greedy", "rank", "random"])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    world = World(args.learn, args.atoms, args.most, args.draw)
    quick = Quick(world, args.cache)
    off = world.screened.mean - world.truth
    r = np.corrcoef(world.screened.mean, world.truth)[0, 1]
    print(f"{len(world.rows)} candidates; stage 0: r = {r:.3f}, off by {np.mean(np.abs(off)):.3f} in log10, "
          f"{np.mean(np.abs(off) < 2 * world.screened.sd):.1%} within two sd")  # fmt: skip
    stages = (Stage("quick", args.quick, 1.0), Stage("exact", args.exact, 20.0))
    found: dict[str, Any] = {}
    print(
        f"{'rule':<9}{'regret':>8}{'top':>6}{'of 1':>6}{'r01':>7}{'r12':>7}{'failed':>8}{'beyond':>8}{'s':>7}  best"
    )
    for rule in args.rules:
        rows = []
        for seed in range(args.seeds if rule in ("random", "thompson") else 1):
            passed = run(
                world.screened, world.features, stages,
                lambda stage, asked: quick(asked) if stage == 0 else world.truth[asked], rule=rule, seed=seed,
            )  # fmt: skip
            rows.append(told(world, passed, quick))
        found[rule] = rows
        mean = {
            key: np.mean([row[key] for row in rows])
            for key in ("regret", "top", "top_of_first", "r01", "r12", "failed", "beyond", "stage1_s")
        }
        cells = (
            ("regret", 8, ".1f"),
            ("top", 6, ".1f"),
            ("top_of_first", 6, ".1f"),
            ("r01", 7, ".2f"),
            ("r12", 7, ".2f"),
        )
        cells += ("failed", 8, ".1f"), ("beyond", 8, ".1f"), ("stage1_s", 7, ".0f")
        said = "".join(f"{mean[key]:>{width}{form}}" for key, width, form in cells)
        print(f"{rule:<9}{said}  {rows[0]['best']}", flush=True)
    label_s = float(np.mean([one["cpu_s"] for one in quick.kept.values()]))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nstage 0: {1 / world.screen_s:.0f} structures/s and core, {world.learn_s:.0f} s of learning; "
          f"stage 1: {label_s:.2f} s a label; at most {memory:.1f} GiB, {CHUNK} structures at a time")  # fmt: skip
    for n in (10**5, 10**6, 10**7):
        print(f"  10^{np.log10(n):.0f}: {n * world.screen_s / 3600:.1f} core hours of stage 0")
    if args.json is not None:
        seconds = {"screen_s": world.screen_s, "label_s": label_s, "learn_s": world.learn_s}
        about = {"memory_gib": memory, "candidates": len(world.rows), "r0": float(r)}
        args.json.write_text(json.dumps({"rules": found, **seconds, **about}, indent=1) + "\n")
    if args.figure is not None:
        picture(world, found, label_s, args)


def picture(world: World, found: dict[str, Any], label_s: float, args: argparse.Namespace) -> None:
    """Bars of counts, widths on a logarithmic scale, costs beside; what each rule found."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    counts = found["ucb"][0]["counts"] if "ucb" in found else next(iter(found.values()))[0]["counts"]
    names = (
        "ensemble of graph networks",
        "equation of state + Debye",
        "elastic tensor (DFT), from the table",
    )
    costs = (f"{1000 * world.screen_s:.1f} ms each", f"{label_s:.1f} s each", "")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(3, 2))
    for k, (count, name, cost) in enumerate(zip(counts, names, costs, strict=True)):
        width = np.log10(count) + 0.3
        left.barh(-k, width, left=-width / 2, color=("#9ecae1", "#4292c6", "#084594")[k])
        left.text(
            0, -k, f"{count:,}", ha="center", va="center", color="black" if k == 0 else "white", fontsize=12
        )
        left.text(2.3, -k, f"{name}\n{cost}", va="center", fontsize=8)
    left.set_xlim(-2, 5), left.axis("off")
    rules = list(found)
    at = np.arange(len(rules))
    for k, (key, name) in enumerate((("top_of_first", "at stage 1"), ("top", "at stage 2"))):
        height = [np.mean([row[key] for row in found[rule]]) for rule in rules]
        right.bar(at + 0.4 * k - 0.2, height, 0.38, label=name, color=("#4292c6", "#084594")[k])
    right.set_xticks(at, rules), right.legend(fontsize=8)
    right.set_ylabel("of the twenty best of all", fontsize=8)
    right.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(args.figure, dpi=130)


if __name__ == "__main__":
    main()
