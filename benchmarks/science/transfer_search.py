"""Finding the best of a pool by few labels: how many of its top 5 % are found with networks that start from a body,
from nothing, and at random.

    python benchmarks/science/transfer_search.py [--pool FILE --target NAME] [--pretrain FILE --pretrain-targets A,B]
        [--seeds 5] [--labels 120] [--first 40] [--batch 20] [--members 3] [--width 48] [--epochs 60] [--body-epochs 30]
        [--acquisition ucb] [--beta 0] [--keep FOLDER] [--out JSON] [--draw PNG]

Files are whatever `--materials` reads. By default the last phonon peak of 1,265 crystals is sought at its highest, and
the body has learned the moduli of 3,953 binaries: the campaign `phonons`. All labels are hidden, and what is asked for
is asked through the very function that a campaign asks. The first labels are drawn at random, the same for all of a
seed.
With `--out` a run that was broken off goes on; `--keep` keeps bodies and models. `--draw` draws what the file holds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from transfer import DATA, PHONONS

from surrogates.joint.service import handle as ask
from surrogates.materials.pool_file import PoolFile, write_pool
from surrogates.materials.sources.read import read
from surrogates.materials.sources.rows import PoolRow

MODULI = DATA / "mp_binary_elasticity" / "mp_binary_elasticity.jsonl.gz"
STRATEGIES = ("transfer", "nothing", "random")
TOP = 0.05
NAMES = {"transfer": "networks from a body", "nothing": "networks from nothing", "random": "at random"}
COLOURS = {"transfer": "#d55e00", "nothing": "#0072b2", "random": "#98a2ad"}


class World:
    """The pool, without its labels in `file`, and its truth."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        rows = sorted(read(str(args.pool), values={"sought": args.target}).rows, key=lambda row: row.id)
        rows = [row for row in rows if "sought" in row.values]
        self.ids = [row.id for row in rows]
        self.truth = np.array([row.values["sought"] for row in rows])
        self.place = {id: k for k, id in enumerate(self.ids)}
        self.file = write_pool([PoolRow(row.id, row.structure) for row in rows], folder)
        best = np.argsort(-self.truth)[: round(TOP * len(rows))]
        self.top = set(best.tolist())


def request(world: World, body: PoolFile, folder: Path, labelled: list[int], strategy: str, args) -> dict:
    """As the engine asks."""
    networks = {"members": args.members, "width": args.width, "layers": 3, "epochs": args.epochs}
    if strategy == "transfer":
        lesson = {"pool": "rich", "digest": body.digest, "n": body.n, "values": args.names}
        networks["pretrained"] = {
            "lessons": [lesson],
            "epochs": args.body_epochs,
            "frozen": "nothing",
            "rate": 1.0,
        }
    material = {"kind": "material", "name": "crystal", "pool": "crystals", "digest": world.file.digest}
    return {
        "op": "propose", "pending": [], "n": args.batch, "gate": None, "outlook": False, "seed": 1,
        "aim": {
            "space": {"parameters": [{**material, "n": len(world.ids)}]}, "surrogate": {"materials": networks},
            "objectives": [{"name": "sought", "direction": "maximise"}],
        },
        "observations": [
            {"candidate": {"crystal": world.ids[k]}, "failed": False,
             "values": {"sought": {"value": float(world.truth[k]), "sigma": None}}}
            for k in labelled
        ],
        "method": {"mode": "optimise", "name": args.acquisition, "beta": args.beta}, "index": len(labelled),
        "materials": {"pool": str(world.file.path), "directory": str(folder), "structures": {}},
    }  # fmt: skip


def run(world: World, body: PoolFile, folder: Path, strategy: str, seed: int, args) -> dict:
    """One campaign: what is found after each batch."""
    began = time.process_time()
    order = np.random.default_rng([seed, 1]).permutation(len(world.ids)).tolist()
    labelled, steps = order[: args.first], []
    while True:
        found = len(world.top & set(labelled)) / len(world.top)
        steps.append({"labels": len(labelled), "top": found, "best": float(world.truth[labelled].max())})
        if len(labelled) >= args.labels:
            return {"strategy": strategy, "seed": seed, "steps": steps, "cpu_s": time.process_time() - began}
        n = min(args.batch, args.labels - len(labelled))
        if strategy == "random":
            labelled = order[: len(labelled) + n]
            continue
        reply = ask(request(world, body, folder, labelled, strategy, args))
        for proposal in reply["proposals"]:
            if proposal["fallback"]:
                raise RuntimeError(f"{strategy}: {proposal['fallback']}")
        labelled = labelled + [world.place[p["candidate"]["crystal"]] for p in reply["proposals"]][:n]


def table(rows: list[dict]) -> None:
    labels = [step["labels"] for step in rows[0]["steps"]]
    print("\nshare of the top 5 % that is found: mean of the seeds [lowest, highest]\n")
    print(
        "| | "
        + " | ".join(f"{n} labels" for n in labels)
        + " | CPU s of a run |\n|"
        + "---|" * (len(labels) + 2)
    )
    for strategy in STRATEGIES:
        own = [row for row in rows if row["strategy"] == strategy]
        if not own:
            continue
        found = np.array([[step["top"] for step in row["steps"]] for row in own])
        cells = [f"{c.mean():.1%} [{c.min():.1%}, {c.max():.1%}]" for c in found.T]
        print(
            f"| {NAMES[strategy]} | " + " | ".join(cells) + f" | {np.mean([r['cpu_s'] for r in own]):.0f} |"
        )


def drawn(rows: list[dict], to: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(5, 3.4))
    for strategy in STRATEGIES:
        own = [row for row in rows if row["strategy"] == strategy]
        if own:
            at = [step["labels"] for step in own[0]["steps"]]
            found = 100 * np.array([[step["top"] for step in row["steps"]] for row in own])
            ax.plot(at, found.mean(axis=0), color=COLOURS[strategy], marker="o", ms=3, label=NAMES[strategy])
            ax.fill_between(
                at, found.min(axis=0), found.max(axis=0), color=COLOURS[strategy], alpha=0.12, lw=0
            )
    ax.set(xlabel="labels", ylabel="of the top 5 %, found (%)", ylim=(0, None))
    ax.legend(fontsize=7)
    fig.tight_layout()
    fig.savefig(to, dpi=130)


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--pool", type=Path, default=PHONONS)
    cli.add_argument("--target", default="last phdos peak")
    cli.add_argument("--pretrain", type=Path, default=MODULI)
    cli.add_argument("--pretrain-targets", default="k_vrh,g_vrh")
    for name, default in (
        ("seeds", 5), ("labels", 120), ("first", 40), ("batch", 20), ("members", 3), ("width", 48), ("epochs", 60),
        ("body-epochs", 30),
    ):  # fmt: skip
        cli.add_argument(f"--{name}", type=int, default=default)
    cli.add_argument("--acquisition", default="ucb")
    cli.add_argument("--beta", type=float, default=0.0, help="of ucb; 0 asks for the largest mean")
    for name in ("keep", "out", "draw"):
        cli.add_argument(f"--{name}", type=Path)
    args = cli.parse_args()
    args.names = args.pretrain_targets.split(",")
    for file in (args.pool, args.pretrain):
        if not file.exists():
            raise SystemExit(f"no data: {file}")
    about = {
        name: str(value) for name, value in vars(args).items() if name not in ("seeds", "keep", "out", "draw")
    }
    rows = []
    if args.out is not None and args.out.exists():
        before = json.loads(args.out.read_text())
        if before["args"] != about:
            raise SystemExit(f"{args.out}: is of other settings; give another --out")
        rows = before["rows"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        world = World(args, folder)
        body = write_pool(read(str(args.pretrain), values={name: name for name in args.names}).rows, folder)
        print(
            f"{len(world.ids)} crystals, {len(world.top)} in the top 5 %, from {min(world.truth[list(world.top)]):.4g}"
        )
        done = {(row["strategy"], row["seed"]) for row in rows}
        for seed in range(args.seeds):
            for strategy in STRATEGIES:
                if (strategy, seed) not in done:
                    rows.append(run(world, body, folder, strategy, seed, args))
                    print(
                        strategy,
                        seed,
                        rows[-1]["steps"][-1],
                        f"{rows[-1]['cpu_s']:.0f} s",
                        file=sys.stderr,
                        flush=True,
                    )
                    if args.out is not None:
                        args.out.write_text(json.dumps({"args": about, "rows": rows}, indent=1) + "\n")
    table(rows)
    if args.draw is not None:
        drawn(rows, args.draw)


if __name__ == "__main__":
    main()
