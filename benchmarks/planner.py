"""What the planner costs and what it finds: one table per subject.

    python benchmarks/planner.py [speed growth learn calibration goals constraints transfer fidelity]
                                 [--seeds 10] [--data ../shared/data/bo] [--out FOLDER]

Without a subject: all of them. `--out` keeps the raw results, a JSON line each, in FOLDER/SUBJECT.jsonl.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.stats import wilcoxon

from campaigns.cost import Cost
from campaigns.fidelity import Fidelity
from campaigns.history import History
from campaigns.objective import Objective
from campaigns.outcome_constraint import OutcomeConstraint
from campaigns.space import Continuous, Ordinal, Space, Table
from surrogates.planner import Method, Planner

Array = np.ndarray
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "bo"
POOLS = {"p3ht_cnt": 1.0, "agnp": -1.0, "crossed_barrel": 1.0}  # -1: the table's value is to be small
MAXIMISED = [Objective(name="y", direction="maximise")]

# -- problems, all of them larger is better -------------------------------------------------------------------------
WIDTHS = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
CENTRES = 1e-4 * np.array([
    [1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
    [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381],
])  # fmt: skip
HARTMANN_BEST = 3.32237


def hartmann6(X: Array) -> Array:
    """(n,) from the first six columns of X (n, d >= 6) in the unit cube; 0 to 3.32."""
    apart = (X[:, None, :6] - CENTRES) ** 2
    return np.exp(-(WIDTHS * apart).sum(axis=2)) @ np.array([1.0, 1.2, 3.0, 3.2])


def branin(X: Array, accuracy: Array | float = 1.0) -> Array:
    """(n,) from X (n, 2) in the unit square, -308 to -0.398; at accuracy 0 with another bend (botorch's
    AugmentedBranin)."""
    x, y = 15 * X[:, 0] - 5, 15 * X[:, 1]
    bend = 5.1 / (4 * np.pi**2) - 0.1 * (1 - accuracy)
    return -((y - bend * x**2 + 5 / np.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


def branin_currin(X: Array) -> Array:
    x, y = X.T
    with np.errstate(divide="ignore"):
        factor = 1 - np.exp(-1 / (2 * y))
    ratio = (2300 * x**3 + 1900 * x**2 + 2092 * x + 60) / (100 * x**3 + 500 * x**2 + 4 * x + 20)
    return np.column_stack([branin(X), -factor * ratio])


def dtlz2(X: Array) -> Array:
    radius = 1 + ((X[:, 1:] - 0.5) ** 2).sum(axis=1)
    angle = 0.5 * np.pi * X[:, 0]
    return -np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def dyes(X: Array) -> Array:
    """Yield, waste and colour of X (n, 4): where waste is least the yield is poor and the colour is off."""
    made = np.exp(-4 * ((X - 0.3) ** 2).sum(axis=1))
    return np.column_stack([made, ((X - 0.7) ** 2).sum(axis=1), X[:, 0] + X[:, 1] * X[:, 2]])


# -- the planner, asked and told ------------------------------------------------------------------------------------
def box(d: int, *more: Any) -> Space:
    return Space(parameters=(*(Continuous(name=f"x{j}", low=0.0, high=1.0) for j in range(d)), *more))


def candidate(row: Array) -> dict[str, float]:
    return {f"x{j}": float(value) for j, value in enumerate(row)}


def row(given: dict[str, Any]) -> Array:
    return np.array([[value for name, value in given.items() if name.startswith("x")]], float)


def play(
    planner: Planner, measure: Callable[[Array], dict[str, float]], method: Method, start: Array, n: int
) -> list[tuple[Array, dict[str, float]]]:
    """What was measured, in order: the rows of `start`, then `n` candidates one at a time."""
    out = []
    for k in range(len(start) + n):
        here = candidate(start[k]) if k < len(start) else planner.ask(1, method)[0].candidate
        values = measure(row(here))
        planner.tell(here, values)
        out.append((row(here)[0], values))
    return out


def told(space: Space, f: Callable[[Array], Array], n: int, seed: int) -> Planner:
    planner = Planner(space, MAXIMISED, seed=seed)
    X = np.random.default_rng([seed, n]).random((n, len(space.free)))
    for x, y in zip(X, f(X), strict=True):
        planner.tell(candidate(x), float(y))
    return planner


def ask_seconds(
    planner: Planner, f: Callable[[Array], Array], *, n: int = 1, repeats: int = 5
) -> list[float]:
    """CPU seconds of asks, each after one more result; the first, which loads what is loaded late, is left out."""
    out = []
    for _ in range(repeats + 1):
        before = time.process_time()
        made = planner.ask(n)
        out.append(time.process_time() - before)
        planner.tell(made[0].candidate, float(f(row(made[0].candidate))[0]))
        for other in made[1:]:
            planner.forget(other.candidate)
    return out[1:]


# -- output ---------------------------------------------------------------------------------------------------------
class Report:
    """Prints tables, keeps raw results."""

    def __init__(self, subject: str, folder: Path | None) -> None:
        self._file = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / f"{subject}.jsonl").open("w", encoding="utf-8")

    def raw(self, **result: Any) -> None:
        if self._file is not None:
            self._file.write(json.dumps(result) + "\n")
            self._file.flush()

    @staticmethod
    def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
        for cells in rows:
            print("| " + " | ".join(str(cell) for cell in cells) + " |")
        sys.stdout.flush()


def quartiles(values: Sequence[float], digits: str = ".3g") -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], method="nearest")
    return f"{middle:{digits}} [{low:{digits}}, {high:{digits}}]"


def lower(a: Sequence[float], b: Sequence[float]) -> str:
    """One-sided p of Wilcoxon's signed-rank test that `a` is the lower of the pairs."""
    pairs = np.minimum(a, 1e9), np.minimum(b, 1e9)
    return f"{wilcoxon(*pairs, alternative='less').pvalue:.2g}" if (pairs[0] != pairs[1]).any() else "1"


def pools(folder: Path) -> dict[str, tuple[Array, Array]]:
    """Name -> different rows (n, d) and the mean of what was measured there (n,), larger is better."""
    out = {}
    for name, sign in POOLS.items():
        path = folder / name / "data.csv"
        if not path.exists():
            print(f"the measured table is not at {path}: name its folder with --data", file=sys.stderr)
            sys.exit(2)
        with path.open(encoding="utf-8-sig", newline="") as file:
            data = np.array([line for line in list(csv.reader(file))[1:] if line], float)
        X, which = np.unique(data[:, :-1], axis=0, return_inverse=True)
        out[name] = X, sign * np.bincount(which.ravel(), data[:, -1]) / np.bincount(which.ravel())
    return out


def pool_space(X: Array, rows: Array) -> Space:
    """The listed `rows` of X as the only candidates of a box around all of X."""
    names = tuple(f"x{j}" for j in range(X.shape[1]))
    low, high = X.min(axis=0).tolist(), X.max(axis=0).tolist()
    sides = (Continuous(name=n, low=a, high=b) for n, a, b in zip(names, low, high, strict=True))
    return Space(
        parameters=tuple(sides), allowed=Table(columns=names, rows=tuple(map(tuple, X[rows].tolist())))
    )


# -- subjects -------------------------------------------------------------------------------------------------------
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
        name = planner.ask()[0].model
        report.raw(n=n, seconds=taken, model=name)
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


def named(names: Sequence[str], values: Array) -> dict[str, float]:
    return dict(zip(names, values[0].tolist(), strict=True))


def sobol(d: int, n: int, seed: int) -> Array:
    return np.array(
        [
            row(p.candidate)[0]
            for p in Planner(box(d), MAXIMISED, seed=seed).ask(n, Method("explore", "sobol"))
        ]
    )


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
    cost, most, near = Cost(base=1.0, per=(("accuracy", 9.0),)), 400.0, 0.398 + 0.01 * 308
    two = {"cost": cost, "fidelity": Fidelity(parameter="accuracy", target=1.0)}
    kinds = {
        "two accuracies, ucb": (True, Method()),
        "two accuracies, knowledge_gradient": (True, Method("optimise", "knowledge_gradient")),
        "the dear one alone, ucb": (False, Method()),
        "the dear one alone, knowledge_gradient": (False, Method("optimise", "knowledge_gradient")),
    }
    rows = []
    for name, (both, method) in kinds.items():
        spent, cheap = [], []
        for seed in range(seeds):
            planner = Planner(
                box(2, accuracy) if both else box(2), MAXIMISED, seed=seed, **(two if both else {})
            )
            rough = [0.0] * 10 + [1.0] * 2 if both else [1.0] * 3
            X, paid, n_cheap, k, reached = sobol(2, len(rough), seed), 0.0, 0, 0, False
            while paid < most and not reached:
                if k < len(rough):
                    here = candidate(X[k]) | ({"accuracy": rough[k]} if both else {})
                else:
                    here = planner.ask(1, method)[0].candidate
                k, level = k + 1, float(here.get("accuracy", 1.0))
                value = float(branin(row(here), level)[0])
                planner.tell(here, value)
                paid, n_cheap = paid + (10 if level else 1), n_cheap + (not level)
                reached = level == 1.0 and -value <= near
            spent.append(paid if reached else math.inf)
            cheap.append(n_cheap)
            report.raw(kind=name, seed=seed, cost=spent[-1], cheap=n_cheap, experiments=k)
        rows.append([name, quartiles(spent, "g"), sum(map(math.isinf, spent)), quartiles(cheap, "g")])
    head = ["Branin, costs 1 and 10", "cost to 1 % of the range", f"not for {most:g}", "cheap measurements"]
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
