"""The funnel of a campaign, through the language: what each way of promoting finds, where everything is known.

    python benchmarks/science/funnel_campaign.py [--seeds 3] [--quick 24] [--exact 6]
                                                 [--rules ucb together greedy rank random] [--beta 2] [--first 0]
                                                 [--truth FILE] [--out FILE] [--figure FILE]

180 ordered alloys of Cu, Ag, Au, Ni, Pd and Pt on the sites of the fcc lattice (L1_0, L1_1, L1_2, D0_22, MoPt2, and
ABC2 of the L1_0 kind), the campaign `thermal_funnel` of the library with its classical potential. All of them are
labelled by both stages beforehand (`--truth FILE` keeps that), so that regret is known; the campaign is told nothing of
it and runs as `alquimia run` runs it, once for each rule and seed.

    regret    by how much the expansion of the best finalist is above that of the best alloy of all, percent
    top       how many of the ten that expand least are among the finalists
    at quick  the same among those of the first stage that labels
    s         processor seconds of the labels

The last stage begins when the one before has ended (`pace: after`); `together` is `ucb` with that pace. Networks are
small (2 members, 24 wide, 30 epochs) so that all is done in minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from campaigns.pool import shipped_pool
from drivers.labelers.workers.bench import Bench
from orchestrator.history import read_records
from orchestrator.records import Records
from orchestrator.report.funnel_counts import agreement, crystal

ROOT = Path(__file__).resolve().parents[2]
METALS = ("Cu", "Ag", "Au", "Ni", "Pd", "Pt")
# Superlattices of the fcc lattice: rows of the cell and sites in half lattice constants, and who is on them.
ORDERS: dict[str, tuple[Any, Any, str]] = {
    "L10": (((1, 1, 0), (1, -1, 0), (0, 0, 2)), ((0, 0, 0), (1, 0, 1)), "AB"),
    "L11": (((1, 1, 2), (1, 2, 1), (2, 1, 1)), ((0, 0, 0), (1, 1, 0)), "AB"),
    "L12": (((2, 0, 0), (0, 2, 0), (0, 0, 2)), ((0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)), "ABBB"),
    "D022": (((2, 0, 0), (0, 2, 0), (1, 1, 2)), ((0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)), "ABBB"),
    "MoPt2": (((1, -1, 0), (2, 1, 1), (2, 1, -1)), ((0, 0, 0), (1, 0, 1), (1, 1, 0)), "ABB"),
    "ABC2": (((2, 0, 0), (0, 2, 0), (0, 0, 2)), ((0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)), "ABCC"),
}
COLOURS = {
    "ucb": "#d55e00",
    "together": "#e69f00",
    "greedy": "#009e73",
    "rank": "#0072b2",
    "random": "#98a2ad",
}
ARGUMENTS = {"temperature": 300.0, "grueneisen": "dugdale_macdonald", "strain": 0.1, "points": 11}


def alloys() -> list[dict[str, Any]]:
    """Rows of a pool; lattice constants as a mean of the elements', as Vegard has it."""
    sides = {}
    for line in shipped_pool("fcc_metals").path.read_text().splitlines():
        row = json.loads(line)
        sides[row["species"][0]] = 2 * max(abs(x) for x in row["lattice"][0])
    out = []
    for name, (cell, sites, pattern) in ORDERS.items():
        kinds = sorted(set(pattern))
        alike = len(kinds) == 2 and len(pattern) == 2  # AB is BA
        chosen = combinations(METALS, 2) if alike else permutations(METALS, len(kinds))
        for elements in chosen:
            if len(kinds) == 3 and elements[0] > elements[1]:
                continue
            of = dict(zip(kinds, elements, strict=True))
            species = [of[letter] for letter in pattern]
            half = float(np.mean([sides[symbol] for symbol in species])) / 2
            lattice = half * np.array(cell, float)
            frac = np.linalg.solve(np.array(cell, float).T, np.array(sites, float).T).T % 1.0
            out.append(
                {
                    "id": f"{''.join(elements)}-{name}",
                    "lattice": lattice.tolist(),
                    "species": species,
                    "frac": (frac + 0.0).tolist(),
                    "values": {},
                    "source": "made of fcc sites",
                }
            )
    return out


def truths(rows: list[dict[str, Any]], kept: Path | None) -> dict[str, dict[str, Any]]:
    """Of every alloy what the stages read; None where a label failed."""
    known: dict[str, dict[str, Any]] = (
        json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
    )
    bench = Bench()
    for row in rows:
        if row["id"] in known:
            continue
        structure = {key: row[key] for key in ("lattice", "species", "frac")}
        found: dict[str, Any] = {}
        for stage, more in (
            ("quick", {"poisson_ratio": 0.35, "elastic": False}),
            ("exact", {"poisson_ratio": 0.25, "elastic": True}),
        ):
            job = {
                "verb": "thermal", "structure": structure, "arguments": {**ARGUMENTS, **more},
                "worker": "drivers.labelers.workers.emt:EMTCode", "settings": {},
            }  # fmt: skip
            ended = bench.carry_out(job, lambda partial: None)
            found[stage] = ended.readings.get("expansion")
            found[f"{stage}_share"] = ended.readings.get("bound_share")
            found[f"{stage}_s"] = ended.record["cpu_s"]
        known[row["id"]] = found
    if kept is not None:
        kept.write_text(json.dumps(known))
    return known


def pool(rows: list[dict[str, Any]], known: dict[str, dict[str, Any]], path: Path) -> None:
    """The alloys with what the last stage reads, which the campaign is not told (`known: []`), for its report."""
    lines = [
        json.dumps({**row, "values": {"expansion": known[row["id"]]["exact"]}}, sort_keys=True)
        for row in sorted(rows, key=lambda row: str(row["id"]))
    ]
    path.write_text("".join(f"{line}\n" for line in lines))


def laboratory(folder: Path) -> Path:
    """The library's, its labels kept from run to run."""
    path = folder / "lab.yaml"
    settings = f"settings: {{cache: {folder / 'labels'}}}"
    path.write_text(
        "alquimia_lab: 1\nname: labelers/emt\nreality: simulated\nclock: wall\ndevices:\n"
        f"  labeler_1: {{driver: labeler.emt, host: labelers, {settings}}}\n"
        f"  labeler_2: {{driver: labeler.emt, host: labelers, {settings}}}\n"
        "groups: {labeler: [labeler_1, labeler_2]}\n"
    )
    return path


def run(folder: Path, rule: str, seed: int, args: argparse.Namespace) -> Records:
    """One campaign from its beginning to its end."""
    store = folder / f"{rule}-{seed}" / "log.db"
    overrides = {
        "space.crystal": "{material: orders, known: []}",
        "funnel.promote": "ucb" if rule == "together" else rule,
        "funnel.pace": "together" if rule == "together" else "after",
        "funnel.beta": args.beta,
        "funnel.stages.1.take": args.quick,
        "funnel.stages.2.take": args.exact,
        "surrogate.materials": "{members: 2, width: 24, epochs: 30}",
    }
    command = [
        sys.executable, "-m", "orchestrator.cli.main", "run", "thermal_funnel", "--seed", str(seed), "--store",
        f"sqlite:///{store}", "--lab", str(folder / "lab.yaml"), "--materials", f"orders={folder / 'orders.jsonl'}",
    ]  # fmt: skip
    for key, value in overrides.items():
        command += ["--set", f"{key}={value}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    return read_records(store)


def told(records: Records, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What one campaign found, against the truth; `course`: seconds of labels in all, regret (percent)."""
    truth = {id: row["exact"] for id, row in known.items() if row["exact"] is not None}
    ten = set(sorted(truth, key=truth.__getitem__)[:10])
    best = min(truth.values())
    funnel = records.campaign.funnel
    assert funnel is not None
    (quick,) = records.loops
    finalists = {
        crystal(e): e.values["expansion"].value for e in records.experiments if "expansion" in e.values
    }
    assert all(abs(value / truth[id] - 1) < 1e-6 for id, value in finalists.items() if id in truth)
    first = {crystal(e): e.values["quick_expansion"].value for e in quick.experiments if e.values}
    return {
        "regret": 100 * (min(finalists.values()) / best - 1),
        "top": len(ten & set(finalists)),
        "top_of_quick": len(ten & {crystal(e) for e in quick.experiments}),
        "r": agreement(first, finalists),
        "best": min(finalists, key=finalists.__getitem__),
        "counts": [len(known), len(quick.experiments), len(records.experiments)],
        # The labels are kept from run to run: what they took when they were made.
        "s": sum(known[id]["quick_s"] for id in first) + sum(known[id]["exact_s"] for id in finalists),
        "course": _course(records, known, best),
    }


def _course(records: Records, known: dict[str, dict[str, Any]], best: float) -> list[tuple[float, float]]:
    spent, lowest, out = 0.0, float("inf"), []
    (quick,) = records.loops
    for one in sorted((*quick.experiments, *records.experiments), key=lambda e: (e.ended_at or "", e.number)):
        spent += known[crystal(one)]["quick_s" if one.loop else "exact_s"]
        if not one.loop and "expansion" in one.values:
            lowest = min(lowest, one.values["expansion"].value)
            out.append((spent, 100 * (lowest / best - 1)))
    return out


def picture(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Regret over what the labels cost, each run; and how many of the ten best were reached."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(3, 2))
    for name, runs in found.items():
        for k, one in enumerate(runs):
            x, y = zip(*one["course"], strict=True)
            left.step(
                x, y, where="post", color=COLOURS[name], lw=1.3, alpha=0.8, label=name if k == 0 else None
            )
    left.set(xlabel="processor seconds of all labels", ylabel="regret (%)", ylim=(-0.5, None))
    left.legend(fontsize=8)
    at = np.arange(len(found))
    for k, (key, name, colour) in enumerate(
        (("top_of_quick", "at quick", "#56b4e9"), ("top", "at exact", "#0072b2"))
    ):
        values = [np.mean([one[key] for one in runs]) for runs in found.values()]
        right.bar(at + 0.4 * k - 0.2, values, 0.38, color=colour, label=name)
    right.set_xticks(at, list(found)), right.legend(fontsize=8)
    right.set_ylabel("of the ten best")
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("seeds", 3), ("quick", 24), ("exact", 6)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rules", nargs="+", default=["ucb", "together", "greedy", "rank", "random"])
    parser.add_argument("--beta", type=float, default=2.0)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    for name in ("truth", "out", "figure"):
        parser.add_argument(f"--{name}", type=Path)
    args = parser.parse_args()
    rows = alloys()
    known = truths(rows, args.truth)
    both = [(row["quick"], row["exact"]) for row in known.values() if row["quick"] and row["exact"]]
    r = np.corrcoef(np.array(both).T)[0, 1]
    print(f"{len(rows)} alloys, {len(both)} with both labels; r = {r:.3f} between the stages", flush=True)
    rows = [row for row in rows if known[row["id"]]["exact"] is not None]
    known = {row["id"]: known[row["id"]] for row in rows}
    found: dict[str, list[dict[str, Any]]] = {}
    print(f"{'rule':<8}{'regret':>8}{'top':>6}{'at quick':>10}{'s':>7}  best")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pool(rows, known, folder / "orders.jsonl")
        laboratory(folder)
        for rule in args.rules:
            found[rule] = [
                told(run(folder, rule, seed, args), known)
                for seed in range(args.first, args.first + args.seeds)
            ]
            mean = {
                key: np.mean([one[key] for one in found[rule]])
                for key in ("regret", "top", "top_of_quick", "s")
            }
            bests = ", ".join(one["best"] for one in found[rule])
            cells = f"{mean['regret']:>8.2f}{mean['top']:>6.1f}{mean['top_of_quick']:>10.1f}{mean['s']:>7.1f}"
            print(f"{rule:<8}{cells}  {bests}", flush=True)
    if args.out is not None:
        args.out.write_text(json.dumps({"rules": found, "r": r}, indent=1) + "\n")
    if args.figure is not None:
        picture(found, args.figure)


if __name__ == "__main__":
    main()
