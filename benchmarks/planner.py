"""What the planner costs and what it finds: one table per subject.

    python benchmarks/planner.py [speed growth learn calibration goals constraints transfer fidelity]
                                 [--seeds 10] [--data ../shared/data/bo] [--out FOLDER]

Without a subject: all of them. `--out` keeps the raw results, a JSON line each, in FOLDER/SUBJECT.jsonl.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from planner.asking import MAXIMISED, ask_seconds, box, candidate, named, play, row, sobol, told
from planner.problems import (
    HARTMANN_BEST,
    Array,
    branin,
    branin_currin,
    dtlz2,
    dyes,
    hartmann6,
    pool_space,
    pools,
)
from planner.report import Report, lower, quartiles
from scipy.optimize import minimize

from campaigns.cost import Cost
from campaigns.fidelity import Fidelity
from campaigns.history import History
from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.space import Ordinal
from surrogates.planner import Method, Planner

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "bo"


def speed(report: Report, seeds: int, data: Path) -> None:
    rows: list[list[Any]] = []
    ask_seconds(told(box(6), hartmann6, 5, 0), hartmann6)
    cases = [(6, 10), (6, 20), (6, 40), (6, 80), (10, 500)]
    for d, n in cases:
        taken = ask_seconds(told(box(d), hartmann6, n, 1), hartmann6)
        report.raw(case="ask", d=d, n=n, seconds=taken)
        rows.append([f"d = {d}, n = {n}, q = 1", f"{np.median(taken):.3f}", ""])
    eight, one = [], []
    for seed in range(5):  # side by side, so that other work falls on both
        one += ask_seconds(told(box(6), hartmann6, 40, seed), hartmann6, repeats=1)
        eight += ask_seconds(told(box(6), hartmann6, 40, seed), hartmann6, n=8, repeats=1)
    report.raw(case="q", one=one, eight=eight)
    ratio = np.median(eight) / np.median(one)
    rows.append(
        ["d = 6, n = 40, q = 8", f"{np.median(eight):.3f}", f"{ratio:.1f} times q = 1 ({np.median(one):.3f})"]
    )
    for size in (10_000, 100_000, 1_000_000):
        found = json.loads(
            subprocess.check_output([sys.executable, __file__, "--pool", str(size)], text=True)
        )
        report.raw(case="pool", **found)
        note = f"peak {found['peak_MiB']:.0f} MiB, of which {found['table_MiB']:.0f} before the planner; "
        note += f"first ask with the encoding of the table {found['first']:.2f} s"
        rows.append([f"pool of {size:,} rows, d = 6, n = 40", f"{np.median(found['asks']):.3f}", note])
    report.table(["ask", "CPU s, median of 5", ""], rows)
    alone = {code: started(code) for code in ("pass", "import surrogates.planner", "import botorch")}
    both, botorch = started("import botorch, surrogates.planner"), alone["import botorch"]
    report.raw(case="import", both=both, **alone)
    shown = [[f"`{code}`", f"{np.median(taken):.3f}"] for code, taken in alone.items()]
    above = f"{np.median(both):.3f} ({np.median(both) - np.median(botorch):+.3f} above botorch)"
    report.table(
        ["start of Python and", "CPU s, median of 5"],
        [*shown, ["`import botorch, surrogates.planner`", above]],
    )


def started(code: str) -> list[float]:
    out = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        out.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return out[1:]


def pool(size: int) -> None:
    """Prints what a pool of so many rows of a grid with 21 levels a side costs; a process of its own for the memory."""
    ask_seconds(told(box(6), hartmann6, 5, 0), hartmann6)
    chosen = np.random.default_rng(0).choice(21**6, size, replace=False)
    X = np.column_stack(np.unravel_index(chosen, (21,) * 6)) / 20
    space = pool_space(X, np.arange(size))
    before_MiB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before = time.process_time()
    planner = Planner(space, MAXIMISED, seed=0)
    for x, y in zip(X[:40], hartmann6(X[:40]), strict=True):
        planner.tell(candidate(x), float(y))
    made = planner.ask()[0].candidate
    first = time.process_time() - before
    planner.tell(made, float(hartmann6(row(made))[0]))
    asks = ask_seconds(planner, hartmann6)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"size": size, "first": first, "asks": asks, "table_MiB": before_MiB, "peak_MiB": peak}))


def growth(report: Report, seeds: int, data: Path) -> None:
    rows = []
    for n in (50, 100, 200, 500, 1000, 2000, 5000):
        planner = told(box(6), hartmann6, n, 0)
        taken = ask_seconds(planner, hartmann6, repeats=3)
        made = planner.ask()[0]
        name = made.model if made.fallback is None else f"{made.model}: {made.fallback}"
        report.raw(n=n, seconds=taken, model=made.model, fallback=made.fallback)
        rows.append([n, name, f"{np.median(taken):.3f}"])
    report.table(["results, d = 6", "model", "CPU s of one ask, median of 3"], rows)


def learn(report: Report, seeds: int, data: Path) -> None:
    methods = {"learn": Method("learn", "integrated_variance"), "optimise": Method()}
    rows = []
    for name, (X, y) in pools(data).items():
        regret: dict[str, list[float]] = {key: [] for key in methods}
        error: dict[str, list[float]] = {key: [] for key in methods}
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(X))
            train, held = np.split(order, [round(0.7 * len(X))])
            values = {tuple(X[i].tolist()): float(y[i]) for i in train}
            for key, method in methods.items():
                planner = Planner(pool_space(X, train), MAXIMISED, seed=seed)
                seen = play(
                    planner, lambda x, v=values: {"y": v[tuple(x[0].tolist())]}, method, X[train[:5]], 35
                )
                best = max(v["y"] for _, v in seen)
                mean, _ = planner.predict([candidate(x) for x in X[held]])
                regret[key].append((y[train].max() - best) / y.std())
                error[key].append(float(np.sqrt(((mean - y[held]) ** 2).mean()) / y[held].std()))
                report.raw(pool=name, seed=seed, method=key, regret=regret[key][-1], error=error[key][-1])
        rows += [[name, key, quartiles(regret[key]), quartiles(error[key])] for key in methods]
        p = lower(regret["optimise"], regret["learn"]), lower(error["learn"], error["optimise"])
        rows.append([name, "p", f"{p[0]} (optimise lower)", f"{p[1]} (learn lower)"])
    report.table(["pool", "phase", "simple regret, sd of y", "held-out error, sd of y"], rows)


def calibration(report: Report, seeds: int, data: Path) -> None:
    rows = []
    for name, (X, y) in pools(data).items():
        shares = []
        for n in (20, 40, 80):
            found = []
            for seed in range(seeds):
                drawn = np.random.default_rng([seed, n]).permutation(len(X))[:n]
                planner = Planner(pool_space(X, np.arange(len(X))), MAXIMISED, seed=seed)
                for i in drawn:
                    planner.tell(candidate(X[i]), float(y[i]))
                found.append(planner.diagnose().coverage_90 or math.nan)
                report.raw(pool=name, n=n, seed=seed, coverage=found[-1])
            shares.append(f"{np.mean(found):.3f}")
        rows.append([name, *shares])
    report.table(["share inside the 90 % interval", "n = 20", "n = 40", "n = 80"], rows)


def goals(report: Report, seeds: int, data: Path) -> None:
    from surrogates.goals.desirability import Desirability
    from surrogates.goals.pareto import hypervolume

    up = ("maximise", "maximise")
    problems = {
        "Branin-Currin, d = 2": (branin_currin, 2, np.array([-18.0, -6.0])),
        "DTLZ2, d = 6": (dtlz2, 6, np.array([-1.1, -1.1])),
    }
    methods = {name: Method("optimise", name) for name in ("log_nehvi", "parego")}
    methods |= {name: Method("explore", name) for name in ("random", "sobol")}
    rows = []
    for problem, (f, d, reference) in problems.items():
        sought = [
            Objective(name=n, direction="maximise", reference=float(r))
            for n, r in zip("ab", reference, strict=True)
        ]
        for name, method in methods.items():
            volumes = []
            for seed in range(seeds):
                planner = Planner(box(d), sought, goal="pareto", seed=seed)
                seen = play(planner, lambda x, f=f: named("ab", f(x)), method, sobol(d, 12, seed), 28)
                volumes.append(hypervolume(f(np.array([x for x, _ in seen])), reference, up))
                report.raw(problem=problem, method=name, seed=seed, hypervolume=volumes[-1])
            rows.append([problem, name, quartiles(volumes, ".4g")])
    report.table(["problem", "method", "hypervolume after 40"], rows)
    three = [
        Objective(name="yield", direction="maximise", worst=0.0, best=1.0),
        Objective(name="waste", direction="minimise", worst=1.0, best=0.0),
        Objective(name="colour", direction="match", target=0.8, tolerance=0.5),
    ]
    names, rows = [o.name for o in three], []
    for name in ("ucb", "log_ei", "random"):
        best = []
        for seed in range(seeds):
            planner = Planner(box(4), three, goal="desirability", seed=seed)
            method = Method("explore" if name == "random" else "optimise", name)
            seen = play(planner, lambda x: named(names, dyes(x)), method, sobol(4, 8, seed), 22)
            best.append(float(Desirability(three).exact(dyes(np.array([x for x, _ in seen]))).max()))
            report.raw(problem="desirability", method=name, seed=seed, best=best[-1])
        rows.append([name, quartiles(best, ".4f")])
    report.table(["method", "best desirability after 30 (yield, waste, colour; d = 4)"], rows)


def constraints(report: Report, seeds: int, data: Path) -> None:
    bound, (start, more) = OutcomeConstraint(name="load", at_most=1.5), (10, 30)
    best = constrained_best()
    kinds = {
        "outcome constraint": ((bound,), Method()),
        "outcome constraint, log_ei": ((bound,), Method("optimise", "log_ei")),
        "without": ((), Method()),
        "random": ((), Method("explore", "random")),
    }
    rows = []
    for name, (bounds, method) in kinds.items():
        regret, first = [], []
        for seed in range(seeds):
            X = np.random.default_rng(seed).random((200, 6))
            planner = Planner(box(6), MAXIMISED, outcome_constraints=bounds, seed=seed)
            told_as = (lambda x: {"y": float(hartmann6(x)[0]), "load": float(x.sum())}) if bounds else (
                lambda x: {"y": float(hartmann6(x)[0])}
            )  # fmt: skip
            seen = play(planner, told_as, method, X[X.sum(axis=1) > 1.5][:start], more)
            good = [(k, v["y"]) for k, (x, v) in enumerate(seen) if x.sum() <= 1.5]
            regret.append(best - max(y for _, y in good) if good else math.inf)
            first.append(good[0][0] + 1 - start if good else math.inf)
            report.raw(kind=name, seed=seed, regret=regret[-1], first=first[-1], feasible=len(good))
        none = sum(map(math.isinf, first))
        rows.append([name, quartiles(first, "g"), quartiles(regret), none])
    head = [
        "Hartmann6 with sum(x) <= 1.5",
        "experiments to the first feasible",
        "best feasible regret",
        "never feasible",
    ]
    report.table(head, rows)
    print(
        f"\nbest feasible value {best:.3f}; {start} infeasible random points first, then {more} experiments"
    )


def constrained_best() -> float:
    def solved(x: Array) -> Any:
        limit = {"type": "ineq", "fun": lambda x: 1.5 - x.sum()}
        return minimize(
            lambda x: -hartmann6(x[None])[0], x, bounds=[(0, 1)] * 6, constraints=limit, method="SLSQP"
        )

    found = [solved(x) for x in np.random.default_rng(0).random((60, 6)) * 0.5]
    return max(-s.fun for s in found if s.success and s.x.sum() <= 1.5 + 1e-6)


def transfer(report: Report, seeds: int, data: Path) -> None:
    kinds = {"without history": 0.0, "related (shifted by 0.05, scaled by 1.5)": 1.5, "negated": -1.0}
    budget, start, rows = 40, 3, []
    found: dict[str, tuple[list[float], list[float]]] = {}
    for name, scale in kinds.items():
        regret, first = found[name] = [], []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            X, here, way = rng.random((50, 6)), rng.random((start, 6)), rng.choice([-0.05, 0.05], 6)
            past = 2.0 + scale * hartmann6(X + (way if scale > 0 else 0.0))
            history = History(
                name="past",
                columns=tuple(f"x{j}" for j in range(6)),
                rows=tuple(map(tuple, X.tolist())),
                results=("y",),
                values=tuple((v,) for v in past.tolist()),
                related=True,
            )
            planner = Planner(box(6), MAXIMISED, history=(history,) if scale else (), seed=seed)
            seen = play(planner, lambda x: {"y": float(hartmann6(x)[0])}, Method(), here, budget - start)
            values = np.array([v["y"] for _, v in seen])
            hits = np.flatnonzero(values >= 0.95 * HARTMANN_BEST)
            regret.append(float(HARTMANN_BEST - values.max()))
            first.append(float(hits[0] + 1) if len(hits) else math.inf)
            report.raw(kind=name, seed=seed, regret=regret[-1], first=first[-1], values=values.tolist())
        alone = found["without history"]
        p = ["", ""] if not scale else [
            f"{lower(mine, theirs)} / {lower(theirs, mine)}" for mine, theirs in zip(found[name], alone, strict=True)
        ]  # fmt: skip
        rows.append([name, quartiles(first, "g"), p[1], quartiles(regret), p[0]])
    head = [
        f"Hartmann6, {budget} experiments",
        "to 5 % of the range",
        "p better / worse",
        "final regret",
        "p better / worse",
    ]
    report.table(head, rows)


def fidelity(report: Report, seeds: int, data: Path) -> None:
    accuracy = Ordinal(name="accuracy", levels=(0.0, 1.0))
    cost, most, shares = Cost(base=1.0, per=(("accuracy", 9.0),)), 400.0, (0.01, 0.001)
    two = {"cost": cost, "fidelity": Fidelity(parameter="accuracy", target=1.0)}
    kinds = {
        "two accuracies, ucb": (True, Method()),
        "two accuracies, knowledge_gradient": (True, Method("optimise", "knowledge_gradient")),
        "the dear one alone, ucb": (False, Method()),
        "the dear one alone, knowledge_gradient": (False, Method("optimise", "knowledge_gradient")),
    }
    rows = []
    for name, (both, method) in kinds.items():
        spent: dict[float, list[float]] = {share: [] for share in shares}
        cheap = []
        for seed in range(seeds):
            planner = Planner(
                box(2, accuracy) if both else box(2), MAXIMISED, seed=seed, **(two if both else {})
            )
            rough = [0.0] * 10 + [1.0] * 2 if both else [1.0] * 3
            X, paid, n_cheap, k = sobol(2, len(rough), seed), 0.0, 0, 0
            at = dict.fromkeys(shares, math.inf)
            while paid < most and math.inf in at.values():
                if k < len(rough):
                    here = candidate(X[k]) | ({"accuracy": rough[k]} if both else {})
                else:
                    here = planner.ask(1, method)[0].candidate
                k, level = k + 1, float(here.get("accuracy", 1.0))
                value = float(branin(row(here), level)[0])
                planner.tell(here, value)
                paid, n_cheap = paid + (10 if level else 1), n_cheap + (not level)
                for share in shares:
                    if level == 1.0 and -value <= 0.398 + share * 308:
                        at[share] = min(at[share], paid)
            for share in shares:
                spent[share].append(at[share])
            cheap.append(n_cheap)
            report.raw(kind=name, seed=seed, cost=list(at.values()), cheap=n_cheap, experiments=k)
        reached = [f"{quartiles(spent[share], 'g')}" for share in shares]
        rows.append([name, *reached, quartiles(cheap, "g")])
    head = ["Branin, costs 1 and 10", "cost to 1 % of the range", "to 0.1 %", "cheap measurements"]
    report.table(head, rows)


SUBJECTS = (speed, growth, learn, calibration, goals, constraints, transfer, fidelity)


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = {subject.__name__: subject for subject in SUBJECTS}
    cli.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(names))
    cli.add_argument("--seeds", type=int, default=10)
    cli.add_argument("--data", type=Path, default=DATA)
    cli.add_argument("--out", type=Path)
    cli.add_argument("--pool", type=int, help=argparse.SUPPRESS)
    args = cli.parse_args()
    if args.pool:
        return pool(args.pool)
    unknown = [name for name in args.subjects if name not in names]
    if unknown:
        cli.error(f"no subject {', '.join(unknown)}; there are {', '.join(names)}")
    for name in args.subjects or names:
        before = time.process_time()
        print(f"\n### {name}")
        names[name](Report(name, args.out), args.seeds, args.data)
        print(f"\n{time.process_time() - before:.0f} CPU s", file=sys.stderr)
    return None


if __name__ == "__main__":
    main()
