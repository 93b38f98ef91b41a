"""How far each particle of a glass is going to move, told from where the particles are: networks and a linear model.

    python benchmarks/science/glass.py [--labels FOLDER] [--time 50] [--runs 16] [--sizes 4 9 18] [--out FILE.json]
    python benchmarks/science/glass.py --draw FILE.json docs/figures/glass.png

The configurations are those of the campaign `glass_propensity`: 24 of 300 particles of the Kob-Andersen mixture at
T = 0.5, six from each of four melts. Labels are propensities of motion: means over `--runs` isoconfigurational runs at
`--points` times up to `--time` tau. They are kept in `--labels`, by default a folder that is removed.

Everything is learned from melts and tried on another one, each in turn (`--melts`): correlation (Pearson) over the
particles of one kind in a configuration, mean over the six of the melt. `bound` is the square root of the labels' own
reliability: no model can be expected above it.

    linear 0   a ridge on radial order parameters
    linear 1   and on their means over the surroundings
    network    the mean of `--members` graph networks (`--network`) with edges within 2 sigma and a head per node
    ... inherent   the same of the inherent structure, which is downhill from the configuration
    distance   from a particle's place to its place in the inherent structure: one number, and nothing is learned
    linear all     a ridge on both sets of parameters and on that distance
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from campaigns.structure import Structure
from drivers.labelers.kob_andersen_model import SIGMA, A, B
from drivers.labelers.workers.crystals import atoms_of
from drivers.labelers.workers.glass_former import inherent
from drivers.labelers.workers.isoconfigurational import displacements, logarithmic
from drivers.labelers.workers.kob_andersen import configuration_of, structure_of
from drivers.labelers.workers.lammps import Configuration
from surrogates.materials.atom_descriptors import RadialParameters, RidgePerAtom
from surrogates.materials.networks import NetworkSettings
from surrogates.materials.per_atom import PerAtomEnsemble
from surrogates.materials.settings import EnsembleSettings
from surrogates.materials.training import Training

ROOT = Path(__file__).resolve().parents[2]
POOL = ROOT / "campaigns/library/pools/kob_andersen.jsonl"
COMMAND = shutil.which(Path(sys.executable).parent / "lmp") or "lmp"
TEMPERATURE = 0.5


def pool() -> list[dict[str, Any]]:
    return [json.loads(line) for line in POOL.read_text().splitlines()]


def label(job: tuple[dict[str, Any], float, int, int, str]) -> str:
    """Labels one configuration, unless that was done before: a file with the means over the two halves of the runs."""
    row, last, points, runs, folder = job
    path = Path(folder) / f"{row['id']}-{last:g}-{points}-{runs}.npz"
    if not path.exists():
        start = configuration_of(atoms_of(row))
        seed = 1000 + sum(map(ord, row["id"]))
        found = displacements(COMMAND, start, TEMPERATURE, logarithmic(last, points), runs, seed)
        own = np.flatnonzero(start.kinds == 0)
        lengths, ground = found.lengths, inherent(COMMAND, start)
        halves = np.stack([lengths[0::2].mean(axis=0), lengths[1::2].mean(axis=0)])
        np.savez(
            path, times=found.times, halves=halves, inherent=ground.positions, propensity=found.propensity,
            scattering=found.scattering(own), squared=found.squared(own), non_gaussian=found.non_gaussian(own),
        )  # fmt: skip
    return str(path)


def correlation(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(T,) of two tables (n, T)."""
    said, true = said - said.mean(axis=0), true - true.mean(axis=0)
    return (said * true).sum(axis=0) / np.sqrt((said**2).sum(axis=0) * (true**2).sum(axis=0))


def settings(args: argparse.Namespace) -> EnsembleSettings:
    network = NetworkSettings(
        network=args.network, width=32, layers=3, cutoff=2.0 * SIGMA, neighbours=None, filters=32
    )
    training = Training(epochs=args.epochs, batch=1, rate=3e-3)
    return EnsembleSettings(members=args.members, network=network, training=training)


class Everything:
    """Parameters of a configuration and of its inherent structure, and how far each particle is from there."""

    elements = (A, B)

    def __init__(self, ground: dict[str, Structure], away: dict[str, np.ndarray]) -> None:
        self.ground, self.away, self.kept = ground, away, {}

    def __call__(self, structure: Structure) -> np.ndarray:
        key = structure.key
        if key not in self.kept:
            of = RadialParameters.in_units(SIGMA, (A, B))
            away = self.away[key][:, None]
            self.kept[key] = np.hstack([of(structure), of(self.ground[key]), away, away**2])
        return self.kept[key]


class Learned:
    """What is tried: all models, learned from the configurations `train`, asked for those of `test`."""

    names = (
        "linear 0", "linear 1", "network", "linear 1 inherent", "network inherent", "distance", "linear all",
    )  # fmt: skip

    def __init__(
        self,
        structures: list[Structure],
        ground: list[Structure],
        away: list[np.ndarray],
        atoms: list[np.ndarray],
    ) -> None:
        self.structures, self.ground, self.away, self.atoms = structures, ground, away, atoms
        keys = [s.key for s in structures]
        self.everything = Everything(dict(zip(keys, ground, strict=True)), dict(zip(keys, away, strict=True)))

    def said(
        self, name: str, train: np.ndarray, test: np.ndarray, seed: int, args: argparse.Namespace
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        n_times = self.atoms[0].shape[1]
        if name == "distance":
            return [np.repeat(self.away[i][:, None], n_times, axis=1) for i in test], None
        read = self.ground if name.endswith("inherent") else self.structures
        own = [read[i] for i in train], [self.atoms[i] for i in train]
        asked = [read[i] for i in test]
        if name == "linear all":
            return RidgePerAtom(self.everything).fit(*own).predict(asked), None
        if name.startswith("linear"):
            parameters = RadialParameters.in_units(SIGMA, (A, B), steps=int(name.split()[1]))
            return RidgePerAtom(parameters).fit(*own).predict(asked), None
        targets = [f"at {k}" for k in range(n_times)]
        ensemble = PerAtomEnsemble.fit(
            *own, targets, settings=settings(args), seed=seed, workers=args.workers
        )
        found = ensemble.predict(asked)
        return list(found.mean), list(found.epistemic)


def split(melts: np.ndarray, melt: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Configurations to learn from, of the other melts in turn, and those to be tried on."""
    others = [np.flatnonzero(melts == one) for one in sorted(set(melts)) if one != melt]
    order = np.array([one[k] for k in range(len(others[0])) for one in others])
    return order[:size], np.flatnonzero(melts == melt)


def measure(args: argparse.Namespace, folder: str) -> dict[str, Any]:
    rows = pool()
    began = time.perf_counter()
    jobs = [(row, args.time, args.points, args.runs, folder) for row in rows]
    with ProcessPoolExecutor(args.workers) as workers:
        files = [np.load(path) for path in workers.map(label, jobs)]
    labelling = time.perf_counter() - began
    structures = [Structure.from_json(row) for row in rows]
    atoms = [one["propensity"].T for one in files]
    boxes = [np.diag(s.lattice) for s in structures]
    ground, away = [], []
    for row, one, box in zip(rows, files, boxes, strict=True):
        quenched = Configuration(box / SIGMA, (np.array(row["species"]) == B).astype(int), one["inherent"])
        ground.append(Structure.from_json(structure_of(quenched, decimals=6)))
        step = one["inherent"] - np.array(row["frac"]) * box / SIGMA
        step -= box / SIGMA * np.round(step / box * SIGMA)
        away.append(np.linalg.norm(step, axis=1))
    melts = np.array([int(row["id"].removeprefix("chain").split("-")[0]) for row in rows])
    kinds = {A: np.array(rows[0]["species"]) == A, B: np.array(rows[0]["species"]) == B}
    times = files[0]["times"]
    mean = {
        key: np.mean([one[key] for one in files], axis=0) for key in ("scattering", "squared", "non_gaussian")
    }
    bound = {}
    for kind in (A, B):
        of = [[np.array(row["species"]) == kind for row in rows][k] for k in range(len(rows))]
        halves = [
            correlation(f["halves"][0].T[o], f["halves"][1].T[o]) for f, o in zip(files, of, strict=True)
        ]
        half = np.mean(halves, axis=0)
        bound[kind] = np.sqrt(np.clip(2 * half / (1 + half), 0, 1)).tolist()
    out: dict[str, Any] = {
        "args": {key: value for key, value in vars(args).items() if isinstance(value, int | float | list)},
        "times": times.tolist(), "labelling_s": labelling, "bound": bound, "found": [],
        **{key: value.tolist() for key, value in mean.items()},
    }  # fmt: skip
    print(f"labels of {len(rows)} configurations of {len(kinds[A])} particles: {labelling:.0f} s")
    print(f"{'tau':<40}" + "".join(f"{t:>8.3g}" for t in times))
    print(f"{'scattering function of A':<40}" + "".join(f"{x:>8.2f}" for x in mean["scattering"]))
    for kind in (A, B):
        print(f"{'bound, ' + kind:<40}" + "".join(f"{x:>8.2f}" for x in bound[kind]))
    learned = Learned(structures, ground, away, atoms)
    for size in args.sizes:
        for name in learned.names:
            if name not in args.models:
                continue
            scores: dict[str, list[np.ndarray]] = {A: [], B: []}
            ranks, began = [], time.process_time()
            for melt in range(args.melts):
                train, test = split(melts, melt, size)
                said, sd = learned.said(name, train, test, melt, args)
                for place, one in zip(test, said, strict=True):
                    for kind in (A, B):
                        of = np.array(rows[place]["species"]) == kind
                        scores[kind].append(correlation(one[of], atoms[place][of]))
                if sd is not None:
                    of = [np.array(rows[place]["species"]) == A for place in test]
                    error = np.concatenate(
                        [abs(s - atoms[p])[o] for s, p, o in zip(said, test, of, strict=True)]
                    )
                    spread = np.concatenate([s[o] for s, o in zip(sd, of, strict=True)])
                    ranks.append([correlation(spread, error), spread.mean(axis=0) / error.mean(axis=0)])
                if size == max(args.sizes) and melt == 0:
                    out.setdefault("slice", {"id": rows[test[0]]["id"], "true": atoms[test[0]].tolist()})[
                        name
                    ] = one_of(said)
            entry = {"name": name, "size": size, "s": time.process_time() - began}
            for kind in (A, B):
                per_melt = np.array(scores[kind]).reshape(args.melts, -1, len(times)).mean(axis=1)
                entry[kind] = per_melt.mean(axis=0).tolist()
                entry[f"{kind} of melts"] = per_melt.tolist()
            if ranks:
                entry["spread"] = np.mean(ranks, axis=0).tolist()
            out["found"].append(entry)
            for kind in (A, B):
                label_ = f"{name}, {size} learned from, {kind}"
                print(f"{label_:<40}" + "".join(f"{x:>8.2f}" for x in entry[kind]), flush=True)
            if ranks:
                print(f"{'  spread against error':<40}" + "".join(f"{x:>8.2f}" for x in entry["spread"][0]))
    if "network" in args.models and max(args.sizes) > 4:
        out["coverage"] = found = coverage(args, learned, melts, [np.array(row["species"]) for row in rows])
        name = f"within 90 %, {found['size']} learned from, {A}"
        print(f"{name:<40}" + "".join(f"{x:>8.2f}" for x in found["within"]))
        print(f"{'  half-width over their spread':<40}" + "".join(f"{x:>8.2f}" for x in found["widths"]))
    return out


def coverage(
    args: argparse.Namespace, learned: Learned, melts: np.ndarray, species: list[np.ndarray]
) -> dict[str, Any]:
    """Of the network's 90 % intervals on melts not learned from, where the last configuration that is learned from is
    first held out: the share of particles A within, and the mean half-width over that of what they are within."""
    size = sorted(args.sizes)[len(args.sizes) // 2]
    within, sizes = [], []
    for melt in range(args.melts):
        train, test = split(melts, melt, size)
        targets = [f"at {k}" for k in range(learned.atoms[0].shape[1])]
        said = PerAtomEnsemble.fit(
            [learned.structures[i] for i in train], [learned.atoms[i] for i in train], targets,
            settings=settings(args), seed=melt, held_out=1, workers=args.workers,
        ).predict([learned.structures[i] for i in test])  # fmt: skip
        assert said.half_widths is not None
        for place, mean, width in zip(test, said.mean, said.half_widths, strict=True):
            of = species[place] == A
            within.append((abs(mean - learned.atoms[place]) <= width)[of].mean(axis=0))
            sizes.append(width[of].mean(axis=0) / learned.atoms[place][of].std(axis=0))
    return {
        "size": size,
        "within": np.mean(within, axis=0).tolist(),
        "widths": np.mean(sizes, axis=0).tolist(),
    }


def one_of(said: list[np.ndarray]) -> list[list[float]]:
    return np.round(said[0], 4).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=Path, help="folder of labels, to go on with them")
    parser.add_argument("--time", type=float, default=50.0)
    parser.add_argument("--points", type=int, default=9)
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4, 9, 18])
    parser.add_argument("--melts", type=int, default=3)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--network", default="cgcnn", help="or edge_gated")
    parser.add_argument("--models", nargs="+", default=list(Learned.names))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--draw", type=Path, nargs=2, help="the file of an earlier run, and the picture")
    args = parser.parse_args()
    if args.draw is not None:
        from glass_figure import draw

        draw(*args.draw, pool())
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.labels is not None:
            args.labels.mkdir(parents=True, exist_ok=True)
        found = measure(args, str(args.labels or folder))
    if args.out is not None:
        args.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
