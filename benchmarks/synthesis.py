"""Which way of choosing precursors makes most phases with fewest firings? In the simulated synthesis laboratory.

    python benchmarks/synthesis.py [--seeds 5] [--budget 20] [--wide] [--error 0] [--strategies NAME ...]

The chemistry is that of `../shared/data/materials/mp_chemsys_entries` (Fe-Li-O-P and Cl-Mn-Na-O-Y), the physics that of
`drivers.sim.synthesis`. Targets: every phase of three or more elements, phosphides aside, that is stable at one of the
temperatures, in air or else under argon. Precursors: the binary compounds and phosphates below. A recipe is a set of
them in the target's proportions, dosed with the balance's error, mixed, held for 4 h at one of 500 to 1100 degC, and
seen by X-rays with all errors; a target is made where the analysis says that it is the majority phase. A target is
given up after --budget recipes, or when none is left.

    arrows    `surrogates.synthesis`: pairwise reactions learned from what was seen, for this target alone; sets take
              800 degC first, then 1100, 600 and the others; whichever has most driving force left is next
    shared    the same, with the trials for all earlier targets of the same system and gas (order drawn by the seed)
    passes    sets by the driving force to the target, the largest first: all at 800 degC, then all at 1100, ...
    begun     the same, but a set in which the target has begun to form is fired hotter first, as in arrows: the rest of
              its lead is what pairwise reactions are worth
    arrows_up  arrows as published: each set from the lowest temperature upwards
    shared_up  the same, with the trials for all earlier targets
    ranked_up  sets by the driving force to the target, each from the lowest temperature upwards
    random    set and temperature at random, none twice

`truly`: targets of which a firing that was said to have made them had indeed at least half of it. Targets that none of
all recipes makes, without any error, are counted apart: nobody can make them. All draws come from the seed.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from materials.data import DATA
from planner.report import Report, lower

from drivers.sim.randomness import chance
from drivers.sim.synthesis.doser import GRAIN_G, RELATIVE
from drivers.sim.synthesis.furnace import CONTROL_ERROR_K
from drivers.sim.synthesis.gibbs import OXYGEN_BAR, formation_energy, gas_potential
from drivers.sim.synthesis.hull import hull
from drivers.sim.synthesis.identification import identify, library
from drivers.sim.synthesis.kinetics import heated
from drivers.sim.synthesis.phases import System, read_system
from drivers.sim.synthesis.powder import Powder
from drivers.sim.synthesis.recording import record
from surrogates.synthesis.chemistry import Chemistry, counts_of
from surrogates.synthesis.choose import choose, precursor_sets
from surrogates.synthesis.reactions import SEEN
from surrogates.synthesis.trials import Trial

FOLDER = DATA / "mp_chemsys_entries"
PRECURSORS = {
    "fe_li_o_p": "Fe2O3 Fe3O4 FeO Li2O Li2O2 P2O5 Li3PO4 LiPO3 FePO4 Fe3(PO4)2",
    "cl_mn_na_o_y": "MnO MnO2 Mn2O3 Mn3O4 Na2O Na2O2 Y2O3 NaCl YCl3 MnCl2 YClO NaYO2",
}
# With --wide, also ternary compounds, made beforehand.
MORE = {
    "fe_li_o_p": "LiFeO2 Li5FeO4 Li4P2O7 Fe2P2O7 Fe(PO3)3 LiFePO4",
    "cl_mn_na_o_y": "NaMnO2 Na2Mn3O7 Na3MnO4 YMnO3 YMn2O5 Na3YCl6",
}
LADDER = tuple(t + 273.15 for t in (500, 600, 700, 800, 900, 1000, 1100))  # K
PASSES = tuple(LADDER[k] for k in (3, 6, 1, 4, 5, 2, 0))
HOLD_S, MIXED, GRAMS = 4 * 3600.0, 0.99, 1.0
ERROR = [0.0]  # eV per atom: sd of the energies that planners are told, against those of the laboratory


@dataclass(frozen=True)
class Target:
    system: str
    formula: str
    atmosphere: str


class Laboratory:
    """One chemical system in one gas, its laboratory's errors drawn by `seed`."""

    def __init__(self, name: str, atmosphere: str) -> None:
        self.system: System = read_system(str(FOLDER / f"{name}.jsonl.gz"))
        self.atmosphere = atmosphere
        self.precursors = tuple(PRECURSORS[name].split())
        self.chemistry = Chemistry(self.potential, "O", supplied=atmosphere == "air")
        self.potential = lru_cache(maxsize=None)(self.potential)

    def potential(self, formula: str, temperature: float) -> float:
        phase, counts = self.system.phase(formula), counts_of(formula)
        oxygen = gas_potential(OXYGEN_BAR[self.atmosphere], temperature)
        per_atom = formation_energy(phase, temperature) - oxygen * phase.fractions.get("O", 0.0)
        off = ERROR[0] * chance(0, "energy", formula).gauss(0.0, 1.0)
        return (per_atom + off) * sum(counts.values())

    def fired(self, grams, temperature: float) -> dict[str, float]:
        """Weight fractions that are truly there."""
        moles = {f: g / self.system.phase(f).mass for f, g in grams.items()}
        course = heated(self.system, Powder(moles, MIXED), temperature, HOLD_S, self.atmosphere)
        return course[-1][1].weight_fractions(self.system)

    def tried(self, units, temperature: float, seed: int) -> tuple[Trial, dict[str, float]]:
        dosed = self.weights(units)

        def draw(purpose: str) -> random.Random:
            return chance(seed, repr((sorted(units), temperature)), purpose)

        error = {f: draw(f"dose {f}").gauss(0, 1) * (RELATIVE * g + GRAIN_G) for f, g in dosed.items()}
        true = self.fired(
            {f: max(g + error[f], 0.1 * g) for f, g in dosed.items()},
            temperature + draw("control").gauss(0, CONTROL_ERROR_K),
        )
        found = identify(record(self.system, true, draw, seed=seed), library(self.system))
        return Trial(dosed, temperature, found.fractions), true

    def weights(self, units) -> dict[str, float]:
        """Grams of each precursor, together GRAMS."""
        mass = {
            f: n * sum(counts_of(f).values()) * self.system.phase(f).mass for f, n in sorted(units.items())
        }
        whole = sum(mass.values())
        return {f: GRAMS * m / whole for f, m in mass.items()}


@cache
def laboratory(name: str, atmosphere: str) -> Laboratory:
    return Laboratory(name, atmosphere)


def targets() -> list[Target]:
    found = []
    for name in PRECURSORS:
        for atmosphere in ("air", "argon"):
            lab = laboratory(name, atmosphere)
            known = {t.formula for t in found}
            for phase in lab.system.phases:
                salt = len(phase.counts) > 2 and ("O" in phase.counts or "Cl" in phase.counts)
                at = [T for T in LADDER if hull(lab.system, T, atmosphere).above_hull(phase.formula) < 1e-6]
                usable = phase.formula not in (*known, *lab.precursors)
                if salt and usable and at and precursor_sets(phase.formula, lab.precursors, lab.chemistry):
                    found.append(Target(name, phase.formula, atmosphere))
    return found


def arrows(lab: Laboratory, target: str, history, seed: int, temperatures=PASSES, patient=False):
    recipes = choose(target, lab.precursors, history, lab.chemistry, temperatures, patient=patient)
    return (recipes[0].units, recipes[0].temperature) if recipes else None


def arrows_up(lab: Laboratory, target: str, history, seed: int):
    return arrows(lab, target, history, seed, LADDER, patient=True)


def ranked(lab: Laboratory, target: str, history, seed: int):
    return _next(lab, target, history, [(s, T) for s in _best_first(lab, target) for T in LADDER])


def passes(lab: Laboratory, target: str, history, seed: int):
    return _next(lab, target, history, [(s, T) for T in PASSES for s in _best_first(lab, target)])


def begun(lab: Laboratory, target: str, history, seed: int):
    done = {(t.precursors, t.temperature) for t in history}
    plan = [(s, T) for T in PASSES for s in _best_first(lab, target) if (s, T) not in done]
    promising = [(t.precursors, t.temperature) for t in history if t.phases.get(target, 0.0) >= SEEN]
    hotter = [(s, T) for s, T in plan if any(s == names and lower < T for names, lower in promising)]
    first = min(hotter, key=lambda one: [s for s, _ in promising].index(one[0])) if hotter else None
    names, temperature = first or (plan[0] if plan else (None, 0.0))
    return None if names is None else (_sets(lab, target)[names], temperature)


def at_random(lab: Laboratory, target: str, history, seed: int):
    sets = _sets(lab, target)
    plan = [(s, T) for s in sets for T in LADDER]
    chance(seed, "order", target).shuffle(plan)
    return _next(lab, target, history, plan)


@cache
def _sets(lab: Laboratory, target: str):
    return precursor_sets(target, lab.precursors, lab.chemistry)


def _best_first(lab: Laboratory, target: str):
    sets = _sets(lab, target)
    return sorted(sets, key=lambda s: (-round(lab.chemistry.driving(sets[s], target, LADDER[0]), 6), s))


def _next(lab: Laboratory, target: str, history, plan):
    if len(history) >= len(plan):
        return None
    names, temperature = plan[len(history)]
    return _sets(lab, target)[names], temperature


STRATEGIES = {
    "arrows": arrows, "shared": arrows, "begun": begun, "passes": passes,
    "arrows_up": arrows_up, "shared_up": arrows_up, "ranked_up": ranked, "random": at_random,
}  # fmt: skip


def play(strategy: str, all_targets, seed: int, budget: int, report: Report):
    """(made, truly made, recipes) of each target, in the order of `all_targets`."""
    results, pooled = {}, {}
    order = list(all_targets)
    chance(seed, "targets").shuffle(order)
    for target in order:
        lab, own = laboratory(target.system, target.atmosphere), []
        others = pooled.setdefault((target.system, target.atmosphere), [])
        made = truly = False
        while len(own) < budget and not made:
            known = own if not strategy.startswith("shared") else others + own
            recipe = STRATEGIES[strategy](lab, target.formula, known, seed)
            if recipe is None:
                break
            trial, true = lab.tried(*recipe, seed)
            own.append(trial)
            made = trial.made(target.formula)
            truly = made and true.get(target.formula, 0.0) >= 0.5
        others += own
        results[target] = (made, truly, len(own))
        report.raw(
            strategy=strategy, seed=seed, target=target.formula, gas=target.atmosphere, made=made, truly=truly,
            recipes=[[t.precursors, t.temperature, dict(t.phases)] for t in own],
        )  # fmt: skip
    return [results[target] for target in all_targets]


def makeable(target: Target) -> bool:
    """Whether any recipe makes it, without errors."""
    lab = laboratory(target.system, target.atmosphere)
    sets = _sets(lab, target.formula)
    return any(
        lab.fired(lab.weights(units), T).get(target.formula, 0.0) >= 0.5
        for units in sets.values()
        for T in reversed(LADDER)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=20)
    parser.add_argument("--wide", action="store_true", help="more precursors, so more sets to choose from")
    parser.add_argument("--error", type=float, default=0.0, help="sd of the planners' energies, eV per atom")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--strategies", nargs="*", choices=STRATEGIES, default=list(STRATEGIES))
    chosen = parser.parse_args()
    report, all_targets = Report("synthesis", chosen.out), targets()
    ERROR[0] = chosen.error
    if chosen.wide:
        for name, more in MORE.items():
            PRECURSORS[name] += f" {more}"
    laboratory.cache_clear()
    possible = [makeable(t) for t in all_targets]
    sets = [len(_sets(laboratory(t.system, t.atmosphere), t.formula)) for t in all_targets]
    print(f"{sum(sets)} sets of precursors, {min(sets)} to {max(sets)} a target")
    print(f"{len(all_targets)} targets, {sum(possible)} of which some recipe makes; the others:")
    print(", ".join(t.formula for t, can in zip(all_targets, possible, strict=True) if not can))
    runs, seconds = {}, {}
    for name in chosen.strategies:
        began = time.process_time()
        runs[name] = np.array(
            [play(name, all_targets, s, chosen.budget, report) for s in range(chosen.seeds)]
        )
        seconds[name] = (time.process_time() - began) / chosen.seeds
    can = np.array(possible)
    rows = []
    for name, run in runs.items():
        made, truly, spent = run[..., 0].astype(bool), run[..., 1].astype(bool), run[..., 2]
        until = [int(n) for n in spent[:, can].mean(axis=0)]
        against = ""
        if name != "arrows" and "arrows" in runs:
            against = lower(runs["arrows"][..., 2][:, can].mean(axis=0), spent[:, can].mean(axis=0))
        rows.append([
            name, _mean(made.sum(1)), _mean(truly.sum(1)), _mean(spent.sum(1)),
            f"{made.sum() / spent.sum():.1%}", _mean(spent[:, can].sum(1)), f"{np.median(until):g}",
            _mean(spent[:, ~can].sum(1)), against, f"{seconds[name]:.0f}",
        ])  # fmt: skip
    head = [
        "strategy", f"made of {len(all_targets)}", "truly", "recipes tried", "recipes that made their target",
        "recipes for targets that can be made", "their median", "recipes for the others",
        "p (arrows needs fewer)", "CPU s per seed",
    ]  # fmt: skip
    report.table(head, rows)
    detail = []
    for k, target in enumerate(all_targets):
        if can[k]:
            cells = [f"{run[:, k, 2].mean():.1f} ({int(run[:, k, 0].sum())})" for run in runs.values()]
            detail.append([target.formula, target.atmosphere, *cells])
    report.table(["target", "gas", *(f"{name}: recipes (seeds that made it)" for name in runs)], detail)


def _mean(values) -> str:
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.1f}"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
