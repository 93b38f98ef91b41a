"""Few labels: does it help to have learned something else first? Errors over the number of labels.

    python benchmarks/science/transfer.py [--pool FILE --target NAME] [--pretrain FILE... --pretrain-targets A,B]...
        [--sizes 50 100 200 400] [--seeds 3] [--members 2] [--width 48] [--body-epochs 30] [--workers 2]
        [--max-atoms 60] [--unit TEXT] [--methods NAME...] [--tune] [--together] [--out JSON] [--keep FOLDER]

Files are whatever `--materials` reads; NAME, A, B their columns. Each `--pretrain` is a body of its own, named after
its first file, and takes the `--pretrain-targets` that follows it. Without any: the last phonon peak (1/cm) of 1,265
crystals (Petretto et al. 2018), bodies from the moduli of 3,953 binaries and from 2,020 formation energies.

The test split is that of GNoME (MD5 of the reduced formula), made of nothing but formulas: no composition of it is
among the labels, and none among what a body learns from. Labels are drawn at random from the rest, for all methods
the same.

    forest       random forest or extra trees, 300 of them, on statistics of the elements' properties (as Magpie);
                 which, how many features, and whether by logarithm: by the out-of-bag error of the labels themselves
    composition  the network for formulas, from nothing
    graph        the graph network, from nothing
    NAME         the graph network from each body; `all`: from one that has learned everything together

`--tune` chooses, per network method, the learning rate, what is frozen, and the epochs by labels that are held out: of
the training side those of MD5 79 to 84 are what errors are measured on, and neither labels nor bodies see their
compositions. It prints the choices and goes on with them; without it the choices are those found so for phonons
(`CHOSEN`). Error: mean absolute; ratio: over that of the labels' mean; covers: share of the truths inside the 90 %
intervals.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from composition_forest import forest

from surrogates.materials.discovery.orbits import OrbitCache
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.pretraining import Lesson, by_logarithm, lesson, pretrained
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.sources.read import read
from surrogates.materials.splits import md5_bucket, reduced_formula
from surrogates.materials.training import Training
from surrogates.materials.transfer import Transfer

DATA = (
    Path(os.environ.get("ALQUIMIA_DATA", Path(__file__).resolve().parents[2].parent / "shared/data"))
    / "materials"
)
PHONONS = DATA / "matbench_phonons" / "matbench_phonons.json.gz"
BODIES = {
    "moduli": ([DATA / "mp_binary_elasticity" / "mp_binary_elasticity.jsonl.gz"], ["k_vrh", "g_vrh"]),
    "energies": (
        [
            DATA / "wbm_random_972" / "wbm_random_972.jsonl.gz",
            DATA / "mp_chemsys_entries" / "fe_li_o_p.jsonl.gz",
            DATA / "mp_chemsys_entries" / "cl_mn_na_o_y.jsonl.gz",
        ],
        ["e_form_corr"],
    ),
}
SEED, COVERAGE = 20231129, 0.9
TEST, VALIDATION = 85, 79  # MD5 buckets from which on a formula is held out
TUNED_AT = (150,)
# Of the graph network from a body, of one from nothing, and of the composition network: by --tune on phonons.
CHOSEN = {
    "transfer": {"frozen": "nothing", "share": 1.0, "epochs": 60, "rate": 1e-2},
    "graph": {"epochs": 60, "rate": 1e-2},
    "composition": {"epochs": 120, "rate": 1e-2},
}
FROM_NOTHING = [{"epochs": e, "rate": r} for e in (60, 120) for r in (3e-3, 1e-2)]
TRIED = {
    "transfer": [
        *(
            {"frozen": "nothing", "share": share, "epochs": 60, "rate": rate}
            for rate in (3e-3, 1e-2)
            for share in (0.1, 0.3, 1.0)
        ),
        {"frozen": "layers", "share": 1.0, "epochs": 60, "rate": 1e-2},
        {"frozen": "body", "share": 1.0, "epochs": 60, "rate": 1e-2},
    ],
    "graph": FROM_NOTHING,
    "composition": FROM_NOTHING,
}


def table(files: list[Path], columns: list[str], most_atoms: int) -> Lesson:
    """Structures and values of the files; of an id that is in several of them the last."""
    rows = {}
    for file in files:
        found = read(str(file), values={c: c for c in columns}, max_atoms=most_atoms)
        rows |= {row.id: row for row in found.rows}
    own = [rows[id] for id in sorted(rows)]
    tables = {"": ([row.structure for row in own], [row.values for row in own])}
    return lesson(tables, {"": columns})


def buckets(structures) -> np.ndarray:
    """(n,) 0 to 99, of each formula."""
    return np.array([md5_bucket(reduced_formula(s)) for s in structures])


def together(lessons: dict[str, Lesson]) -> Lesson:
    """One lesson of several: each structure has the values of its own."""
    widths = [len(one.targets) for one in lessons.values()]
    values = np.full((sum(len(one.structures) for one in lessons.values()), sum(widths)), np.nan)
    row, column = 0, 0
    for one in lessons.values():
        values[row : row + len(one.values), column : column + one.values.shape[1]] = one.values
        row, column = row + len(one.values), column + one.values.shape[1]
    targets = tuple(f"{name} {target}" for name, one in lessons.items() for target in one.targets)
    return Lesson([s for one in lessons.values() for s in one.structures], values, targets)


class World:
    """The pool, the bodies' lessons, and who is on which side. Filled before the processes fork."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.pool = table([args.pool], [args.target], args.max_atoms)
        self.truth = self.pool.values[:, 0]
        self.bucket = buckets(self.pool.structures)
        self.logarithm = by_logarithm(self.truth)
        self.lessons = {
            name: table(files, columns, args.max_atoms) for name, (files, columns) in args.bodies.items()
        }
        if args.together and len(self.lessons) > 1:
            self.lessons["all"] = together(self.lessons)
        self.bodies: dict[str, MaterialsEnsemble] = {}
        self.graphs: dict[str, OrbitCache] = {}
        self.limit = TEST

    def side(self) -> tuple[np.ndarray, np.ndarray]:
        """What labels are drawn from, and what errors are measured on."""
        held = (self.bucket >= self.limit) & (self.bucket < (TEST if self.limit < TEST else 100))
        return np.flatnonzero(self.bucket < self.limit), np.flatnonzero(held)

    def settings(self, method: str, choice: dict) -> EnsembleSettings:
        kind = "composition" if method == "composition" else "edge_gated"
        network = NetworkSettings(network=kind, width=self.args.width, layers=3, neighbours=12)
        training = Training(
            epochs=choice["epochs"], rate=choice["rate"], batch=16, warm_epochs=max(1, choice["epochs"] // 5)
        )
        transfer = Transfer(choice.get("frozen", "nothing"), choice.get("share", 1.0))
        return EnsembleSettings(
            members=self.args.members, network=network, training=training, transfer=transfer
        )

    def body(self, name: str) -> MaterialsEnsemble:
        """Learned from the compositions that are below the limit."""
        own = self.lessons[name]
        kept = own.only(np.flatnonzero(buckets(own.structures) < self.limit))
        settings = self.settings("graph", {"epochs": self.args.body_epochs, "rate": 3e-3})
        settings = replace(settings, training=replace(settings.training, batch=32))
        folder = None if self.args.keep is None else self.args.keep / f"{name}-{self.limit}"
        return pretrained(kept, settings, SEED, graphs=self.cache(settings), folder=folder)

    def cache(self, settings: EnsembleSettings) -> OrbitCache:
        """Graphs of different sites only: the same values with less work."""
        network = settings.network
        if network.kind not in self.graphs:
            self.graphs[network.kind] = OrbitCache(network.cutoff, network.neighbours, network.kind)
        return self.graphs[network.kind]

    def scaled(self, values: np.ndarray) -> np.ndarray:
        return np.log10(values) if self.logarithm else values

    def back(self, values: np.ndarray) -> np.ndarray:
        return 10.0**values if self.logarithm else values


WORLD: World


def body(name: str) -> tuple[str, MaterialsEnsemble]:
    torch.set_num_threads(1)
    return name, WORLD.body(name)


def trial(task: tuple[str, int, int, dict]) -> dict:
    """One method with n labels of a seed."""
    method, n, seed, choice = task
    asked_for = choice
    torch.set_num_threads(1)
    began = time.process_time()
    learn, test = WORLD.side()
    few = np.random.default_rng([SEED, seed]).permutation(learn)[:n]
    truth, told = WORLD.truth[test], WORLD.truth[few]
    known, asked = ([WORLD.pool.structures[k] for k in rows] for rows in (few, test))
    if method == "forest":
        mean, low, high, choice = forest(known, told, asked, seed, COVERAGE)
    else:
        start, settings = WORLD.bodies.get(method), WORLD.settings(method, choice)
        fitted = MaterialsEnsemble.fit(
            known, WORLD.scaled(told)[:, None], [WORLD.args.target], settings=settings, seed=seed, start=start,
            graphs=WORLD.cache(settings),
        )  # fmt: skip
        said = fitted.predict(asked)
        mean = WORLD.back(said.mean[:, 0])
        low, high = (WORLD.back(end[:, 0]) for end in said.interval(COVERAGE))
    error = np.abs(mean - truth)
    return {
        "method": method, "labels": n, "seed": seed, "mae": float(error.mean()),
        "ratio": float(error.mean() / np.abs(truth - told.mean()).mean()),
        "dummy": float(np.abs(truth - told.mean()).mean()),
        "covers": float(((truth >= low) & (truth <= high)).mean()), "width": float(np.median(high - low)),
        "asked": asked_for, "choice": choice, "cpu_s": time.process_time() - began,
    }  # fmt: skip


class Kept:
    """What is done, in the file `path` (None: nowhere), so that a run that was broken off goes on."""

    def __init__(self, path: Path | None, head: dict) -> None:
        self.path, self.head, self.parts = path, head, {"rows": [], "tuning": []}
        if path is not None and path.exists():
            before = json.loads(path.read_text())
            if {key: before[key] for key in head} != head:
                raise SystemExit(f"{path}: is of other settings; give another --out")
            self.parts = {part: before[part] for part in self.parts}

    def add(self, part: str, row: dict) -> None:
        self.parts[part].append(row)
        if self.path is not None:
            self.path.write_text(json.dumps(self.head | self.parts, indent=1) + "\n")


def run(pool, tasks: list, file: Kept, part: str) -> list[dict]:
    """The rows of the tasks, those that the file has and the others, done now."""
    keys = [(*task[:3], json.dumps(task[3])) for task in tasks]
    known = {key_of(row): row for row in file.parts[part]}
    left = [task for task, key in zip(tasks, keys, strict=True) if key not in known]
    for row in pool.imap_unordered(trial, left):
        known[key_of(row)] = row
        file.add(part, row)
        print(
            f"{row['method']} {row['labels']} labels, seed {row['seed']}: {row['mae']:.4g} ({row['cpu_s']:.0f} s) "
            f"{row['choice']}", file=sys.stderr, flush=True,
        )  # fmt: skip
    return [known[key] for key in keys]


def key_of(row: dict) -> tuple:
    return row["method"], row["labels"], row["seed"], json.dumps(row["asked"])


def tuned(methods: list[str], args: argparse.Namespace, file: Kept) -> dict:
    """Of each method the choice that errs least, as a share of the dummy's error, over TUNED_AT and the seeds."""
    WORLD.limit = VALIDATION
    taught(methods, args.workers)
    tasks = [
        (m, n, seed, choice) for m in methods if m != "forest" for n in TUNED_AT for seed in range(args.seeds)
        for choice in TRIED[kind_of(m)]
    ]  # fmt: skip
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        rows = run(pool, tasks, file, "tuning")
    chosen = {}
    for method in methods:
        tried = [] if method == "forest" else TRIED[kind_of(method)]
        ratios = [
            np.mean([r["ratio"] for r in rows if r["method"] == method and r["asked"] == c]) for c in tried
        ]
        for choice, ratio in zip(tried, ratios, strict=True):
            print(f"{method:<14}{ratio:.4f}  {json.dumps(choice)}", flush=True)
        if tried:
            chosen[method] = tried[int(np.argmin(ratios))]
    WORLD.limit = TEST
    return chosen


def taught(methods: list[str], workers: int) -> None:
    """The bodies, for the processes that fork next."""
    wanted = [name for name in WORLD.lessons if name in methods]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        for name, made in pool.imap_unordered(body, wanted):
            WORLD.bodies[name] = made
            print(f"body {name}: {made.provenance.labels} labels, {sum(made.seconds):.0f} s", file=sys.stderr)


def kind_of(method: str) -> str:
    return method if method in CHOSEN else "transfer"


def printed(rows: list[dict], methods: list[str], unit: str) -> None:
    sizes = sorted({row["labels"] for row in rows})
    for what, title, shown in (
        ("mae", f"mean absolute error{unit and f', {unit}'}: mean of the seeds [lowest, highest]", "{:.4g}"),
        ("ratio", "as a share of the dummy's error", "{:.3f}"),
        ("covers", "share of the truths inside the 90 % intervals", "{:.2f}"),
        ("width", "median width of these intervals", "{:.4g}"),
    ):
        print(
            f"\n{title}\n\n| | "
            + " | ".join(f"{n} labels" for n in sizes)
            + " |\n|"
            + "---|" * (len(sizes) + 1)
        )
        names = ["dummy", *methods] if what == "mae" else methods
        for name in names:
            key = "dummy" if name == "dummy" else what
            cells = []
            for n in sizes:
                own = [
                    r[key]
                    for r in rows
                    if r["labels"] == n and r["method"] == (methods[0] if name == "dummy" else name)
                ]
                cells.append(
                    f"{shown.format(np.mean(own))} [{shown.format(min(own))}, {shown.format(max(own))}]"
                )
            print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n| method | CPU s of all |\n|---|---|")
    for name in methods:
        print(f"| {name} | {sum(r['cpu_s'] for r in rows if r['method'] == name):.0f} |")


def parsed() -> argparse.Namespace:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--pool", type=Path, default=PHONONS)
    cli.add_argument("--target", default="last phdos peak")
    cli.add_argument("--unit", default=None)
    cli.add_argument("--pretrain", type=Path, nargs="+", action="append", default=[])
    cli.add_argument("--pretrain-targets", action="append", default=[])
    cli.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 400])
    for name, default in (
        ("seeds", 3),
        ("members", 2),
        ("width", 48),
        ("body-epochs", 30),
        ("workers", 2),
        ("max-atoms", 60),
    ):
        cli.add_argument(f"--{name}", type=int, default=default)
    cli.add_argument("--methods", nargs="+")
    cli.add_argument("--tune", action="store_true")
    cli.add_argument("--together", action="store_true", help="one more body, of all the others' lessons")
    cli.add_argument("--out", type=Path, help="a run that was broken off goes on from what this file holds")
    cli.add_argument(
        "--keep", type=Path, help="folder for the members of bodies, of these very settings alone"
    )
    args = cli.parse_args()
    if len(args.pretrain) != len(args.pretrain_targets):
        cli.error("wanted a --pretrain-targets for each --pretrain")
    own = zip(args.pretrain, args.pretrain_targets, strict=True)
    args.bodies = {f[0].name.partition(".")[0]: (f, targets.split(",")) for f, targets in own} or BODIES
    if args.unit is None:
        args.unit = "1/cm" if args.pool == PHONONS else ""
    return args


def main() -> None:
    global WORLD
    args = parsed()
    for file in [args.pool, *(file for files, _ in args.bodies.values() for file in files)]:
        if not file.exists():
            raise SystemExit(f"no data: {file}")
    torch.set_num_threads(1)
    WORLD = World(args)
    methods = args.methods or ["forest", "composition", "graph", *WORLD.lessons]
    learn, test = WORLD.side()
    print(
        f"{len(WORLD.truth)} crystals with {args.target}, {len(learn)} to draw labels from, {len(test)} to try on; "
        f"learned {'by its logarithm' if WORLD.logarithm else 'as it is'}"
    )
    about = ("pool", "target", "members", "width", "body_epochs", "max_atoms", "bodies", "together")
    head = {name: str(getattr(args, name)) for name in about} | {"unit": args.unit, "methods": methods}
    file = Kept(args.out, head)
    chosen = {m: CHOSEN[kind_of(m)] for m in methods if m != "forest"}
    if args.tune:
        chosen = tuned(methods, args, file)
    taught(methods, args.workers)
    sizes = [n for n in args.sizes if n <= len(learn)]
    tasks = [(m, n, seed, chosen.get(m, {})) for seed in range(args.seeds) for n in sizes for m in methods]
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        rows = run(pool, tasks, file, "rows")
    printed(rows, methods, args.unit)


if __name__ == "__main__":
    main()
