"""Material and process together: four ways to look for the best film among 3,787 perovskites, in one table.

    python benchmarks/co_search.py [--seeds 10] [--experiments 60] [--strategies NAME ...] [--out FOLDER]

The laboratory is `drivers.sim.perovskite` over the compounds of `../shared/data/materials/perov_5`: 200 compounds are
labelled at the start (gap and heat of formation, drawn by the seed), and the loop beside the films labels 50 more,
where the ensemble knows least, after every ten films: a label is cheap beside a film. The first ten films are a Sobol
design, the same for all strategies that choose the process.

    joint      `surrogates.joint`: a process over the process parameters and what the ensemble says of the compound, for
               each member a process of its own
    side_by_side  the same with one process, that sees what all members say side by side
    mean       the same with one process, that sees the members' mean, and nothing of what they do not know
    one_hot    a Gaussian process, the compound a word like any other: no label is of any use to it. It is asked by
               thompson, by which it finds most: by ucb or log_ei it never takes up a compound after the first ten
    ensemble   the process stays in the middle of its range; an ensemble of the same networks learns gap, heat and the
               films' results, and the ten with the highest mean + sd are made next
    random     compound and process at random

Figures are of the best film so far, as it truly is without noise. `--out` keeps every run, a JSON line each, and the
models, so that a run goes on from them. All draws come from the seed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from materials.data import DATA, perovskites
from planner.report import Report, lower, quartiles

from campaigns.aim import Aim
from campaigns.objective import Objective
from campaigns.space import Categorical, Continuous, Material, Space
from drivers.sim.perovskite import current
from drivers.sim.perovskite_film import FLOOR, RELATIVE
from surrogates.joint.choose import largest_variance
from surrogates.joint.labels import Labels, table
from surrogates.joint.learner import Learner
from surrogates.joint.planner import JointPlanner
from surrogates.joint.representation import Representation
from surrogates.joint.trainer import Networks
from surrogates.learn import learn
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training
from surrogates.planner import Method, Planner

SETTINGS = EnsembleSettings(
    members=4, network=NetworkSettings(width=32, layers=2, cutoff=6.0), training=Training(epochs=60)
)
FIRST, LABELLED, MORE, EVERY = 10, 200, 50, 10
CURRENT = Objective(name="current", direction="maximise", unit="mA/cm^2")
PROCESS = (
    Continuous(name="temperature", low=400, high=800, unit="K"),
    Continuous(name="time", low=30, high=3600, unit="s", scale="log"),
    Continuous(name="thickness", low=100, high=1000, unit="nm", scale="log"),
)
MIDDLE = {"temperature": 600.0, "time": math.sqrt(30 * 3600), "thickness": math.sqrt(100 * 1000)}
READINGS = ("gap", "heat")


class Laboratory:
    """The compounds, what is true of them, and films with their noise."""

    def __init__(self) -> None:
        self.structures = perovskites().structures
        with gzip.open(DATA / "perov_5" / "val.csv.gz", "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.ids = tuple(row["material_id"] for row in rows)
        self.properties = np.array([[float(row["dir_gap"]), float(row["heat_all"])] for row in rows])
        self.place = {id: k for k, id in enumerate(self.ids)}

    def true(self, film) -> float:
        gap, heat = self.properties[self.place[film["compound"]]].tolist()
        return current(gap, heat, film["temperature"], film["time"], film["thickness"])

    def made(self, film, rng) -> tuple[float, float]:
        """What is read, and its standard uncertainty."""
        true = self.true(film)
        read = max(true * (1 + RELATIVE * rng.standard_normal()) + FLOOR * rng.standard_normal(), 0.0)
        return read, math.hypot(RELATIVE * read, FLOOR)

    def labels(self, seed: int) -> Labels:
        """The compounds that are labelled at the start."""
        rows = np.random.default_rng([seed, 77]).choice(len(self.ids), LABELLED, replace=False)
        return Labels(tuple(self.row(k) for k in rows), ())

    def row(self, k: int):
        return self.ids[k], dict(zip(READINGS, self.properties[k].tolist(), strict=True))


def labelled(lab: Laboratory, learner: Learner, labels: Labels, n: int) -> Labels:
    """With `n` more labels, where the ensemble knows least."""
    whole = learner.representation(labels, lab.ids, lab.structures)
    spread = table(labels.whole, READINGS).std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    open_ = ~whole.labelled.any(axis=1)
    chosen = largest_variance(whole, whole.targets, n, open_, np.zeros(0, int), spread)
    return Labels(labels.seeds, labels.told + tuple(lab.row(each.at) for each in chosen))


def space(compounds) -> Space:
    return Space(parameters=(compounds, *PROCESS))


class SideBySide(JointPlanner):
    def _learn(self):
        return learn(self.aim, self._sampler.encoder, self.observations, self.seed)


def together(
    lab: Laboratory, seed: int, n: int, folder: Path | None, kind=JointPlanner, said=lambda known: known
):
    """Films by a `kind` of planner to which is `said` something of what is known of the compounds."""
    learner, labels = Learner(Networks(SETTINGS), folder, seed), lab.labels(seed)
    compounds = Material(name="compound", pool="perov_5", digest="0" * 64, n=len(lab.ids))
    aim = Aim(space=space(compounds), objectives=(CURRENT,))
    told, rng = [], np.random.default_rng([seed, 5])
    for k in range(n):
        if k % EVERY == 0:
            labels = labels if k == 0 else labelled(lab, learner, labels, MORE)
            known = learner.representation(labels, lab.ids, lab.structures)
            planner = kind(aim, "compound", said(known), seed=seed, index=k)
            for film, read, sigma in told:
                planner.tell(film, read, sigma=sigma)
        method = Method("explore", "sobol") if k < FIRST else Method(name="ucb")
        film = planner.ask(1, method)[0].candidate
        read, sigma = lab.made(film, rng)
        planner.tell(film, read, sigma=sigma)
        told.append((film, read, sigma))
        yield film


def one_hot(lab: Laboratory, seed: int, n: int, folder: Path | None):
    """Compounds of which there is no film are all alike to this planner: one of them, drawn anew each time, stands
    for all, so that an ask sees as many choices as there were films."""
    compounds = Material(name="compound", pool="perov_5", digest="0" * 64, n=len(lab.ids))
    aim = Aim(space=space(compounds), objectives=(CURRENT,))
    labels = lab.labels(seed)
    known = Learner(Networks(SETTINGS), None, seed).representation(
        Labels(labels.seeds[:2], ()), lab.ids, lab.structures
    )
    first = JointPlanner(aim, "compound", known, seed=seed)
    told, rng, draw = [], np.random.default_rng([seed, 5]), np.random.default_rng([seed, 6])
    for k in range(n):
        if k < FIRST:
            film = first.ask(1, Method("explore", "sobol"))[0].candidate
        else:
            seen = sorted({film["compound"] for film, _, _ in told})
            fresh = str(draw.choice([id for id in lab.ids if id not in seen]))
            words = Categorical(name="compound", choices=(*seen, fresh))
            planner = Planner(space(words), [CURRENT], seed=seed, index=k)
            for film, read, sigma in told:
                planner.tell(film, read, sigma=sigma)
            film = planner.ask(1, Method(name="thompson"))[0].candidate
        read, sigma = lab.made(film, rng)
        told.append((film, read, sigma))
        yield film


def ensemble(lab: Laboratory, seed: int, n: int, folder: Path | None):
    """It has the labels that the joint search has had by then."""
    learner, labels = Learner(Networks(SETTINGS), folder, seed), lab.labels(seed)
    trainer, told = Networks(SETTINGS), {}
    rng, draw = np.random.default_rng([seed, 5]), np.random.default_rng([seed, 6])
    chosen = draw.choice(len(lab.ids), FIRST, replace=False).tolist()
    for k in range(n):
        if k and k % EVERY == 0:
            labels = labelled(lab, learner, labels, MORE)
            rows = dict(labels.whole)
            for id, read in told.items():
                rows[id] = rows.get(id, {}) | {"current": read}
            targets = (*READINGS, "current")
            values = table(tuple(rows.items()), targets)
            own = [lab.structures[lab.place[id]] for id in rows]
            said = trainer.fit(own, values, targets, seed=seed, start=None).predict(lab.structures)
            bound = said.mean[:, 2] + said.epistemic[:, 2]
            bound[[lab.place[id] for id in told]] = -np.inf
            chosen = np.argsort(-bound, kind="stable")[:EVERY].tolist()
        film = {"compound": lab.ids[chosen[k % EVERY]], **MIDDLE}
        told[film["compound"]] = lab.made(film, rng)[0]
        yield film


def random(lab: Laboratory, seed: int, n: int, folder: Path | None):
    rng = np.random.default_rng([seed, 5])
    for _ in range(n):
        share = rng.random(3)
        film = {p.name: p.low + u * (p.high - p.low) for p, u in zip(PROCESS, share, strict=True)}
        for p, u in zip(PROCESS[1:], share[1:], strict=True):
            film[p.name] = p.low * (p.high / p.low) ** u
        yield {"compound": lab.ids[rng.integers(len(lab.ids))], **film}


def only_mean(known: Representation) -> Representation:
    return replace(known, members=known.mean[None])


STRATEGIES = {
    "joint": together,
    "side_by_side": partial(together, kind=SideBySide),
    "mean": partial(together, said=only_mean),
    "one_hot": one_hot,
    "ensemble": ensemble,
    "random": random,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--experiments", type=int, default=60)
    parser.add_argument("--strategies", nargs="*", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    lab, report = Laboratory(), Report("co_search", chosen.out)
    at = sorted({max(1, chosen.experiments * k // 3) for k in (1, 2, 3)})
    best, taken = {}, {}
    for name in chosen.strategies:
        runs, began = [], time.process_time()
        for seed in range(chosen.seeds):
            folder = None if chosen.out is None else chosen.out / "models"
            films = list(STRATEGIES[name](lab, seed, chosen.experiments, folder))
            values = [lab.true(film) for film in films]
            report.raw(strategy=name, seed=seed, films=films, true=values)
            runs.append(np.maximum.accumulate(values))
        best[name] = np.array(runs)
        taken[name] = (time.process_time() - began) / chosen.seeds
    rows = []
    for name, runs in best.items():
        figures = [quartiles(runs[:, n - 1]) for n in at]
        against = "" if name == "joint" or "joint" not in best else lower(runs[:, -1], best["joint"][:, -1])
        rows.append([name, *figures, against, f"{taken[name]:.0f}"])
    head = [f"best current after {n}, mA/cm^2" for n in at]
    report.table(["strategy", *head, "p (lower than joint)", "CPU s per run"], rows)


if __name__ == "__main__":
    main()
