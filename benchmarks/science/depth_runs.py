"""What `depth.py` trains and measures: one network from one seed, and crystals with labels that it is held to."""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "materials"))
from data import moduli

from campaigns.structure import Structure
from surrogates.materials.bootstrap import held_out
from surrogates.materials.graph import Graph, structure_graph
from surrogates.materials.networks import NetworkSettings, build
from surrogates.materials.oversmoothing import alikeness
from surrogates.materials.perturbations import perturbed, same_neighbours
from surrogates.materials.splits import md5_split
from surrogates.materials.training import Training, predict, train

SEED = 20231129
NEIGHBOURS, ATOMS = 12, 12  # atoms: most in a cell; labels by CHGNet take the longest
KINDS = {"volume": (0.001, 0.003, 0.01), "shear": (0.001, 0.003, 0.01), "displacement": (0.003, 0.01, 0.03)}
VOLUMES = (-0.02, -0.01, 0.0, 0.01, 0.02)  # strains of an equation of state
TARGETS = ("log K", "log G", "energy")


class Case(NamedTuple):
    """A network of the comparison: name, layers, falloff of its graphs, place and norm (None: its own)."""

    network: str
    layers: int
    falloff: float
    place: str | None = None
    norm: str | None = None


class Data(NamedTuple):
    """Crystals and targets (n, 3; NaN where missing) of training, validation and test, standardised by `scale`;
    `probes`: strained and displaced copies of the first of the validation set, one list for each kind and size in the
    order of KINDS; `rises` (k, n): what CHGNet says that each does to the energy, eV per atom; `stiffening` (n,): K'
    of each probed crystal."""

    structures: dict[str, list[Structure]]
    targets: dict[str, np.ndarray]
    probes: list[list[Structure]]
    rises: np.ndarray
    stiffening: np.ndarray
    scale: np.ndarray


def energies(structures: list[Structure]) -> np.ndarray:
    """eV per atom, by CHGNet's own weights: a learned potential, not density-functional theory."""
    from chgnet.model.model import CHGNet
    from pymatgen.core import Structure as Crystal

    torch.set_num_threads(1)
    network = CHGNet.load(use_device="cpu", verbose=False)
    crystals = [Crystal(s.lattice, s.species, s.frac) for s in structures]
    found = network.predict_structure(crystals, task="e", batch_size=16)
    return np.array([float(np.asarray(one["e"]).ravel()[0]) for one in found])


def prepare(train_on: int, others: int, probed: int, workers: int) -> Data:
    """Binaries of at most ATOMS atoms: moduli of the Materials Project, energies of CHGNet less what the elements
    explain (a linear fit to the training set)."""
    everything = moduli()
    small = [i for i, s in enumerate(everything.structures) if s.n_atoms <= ATOMS]
    data = everything.rows(small)
    learn, test = md5_split(data.structures)
    rng = np.random.default_rng([SEED, 8])
    learn, test = rng.permutation(learn), rng.permutation(test)
    aside = held_out([data.structures[i].formula for i in learn], 0.2, SEED)
    parts = {"train": learn[~aside][:train_on], "validation": learn[aside][:others], "test": test[:others]}
    structures = {name: [data.structures[i] for i in rows] for name, rows in parts.items()}
    base = structures["validation"][:probed]
    moved = [
        [perturbed(s, kind, size, np.random.default_rng([SEED, k])) for k, s in enumerate(base)]
        for kind, sizes in KINDS.items() for size in sizes
    ]  # fmt: skip
    stretched = [[perturbed(s, "volume", e, rng) for s in base] for e in VOLUMES]
    lists = [*structures.values(), *moved, *stretched]
    flat = [one for part in lists for one in part]
    pieces = [list(piece) for piece in np.array_split(np.array(flat, dtype=object), 2 * workers)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        found = np.concatenate(list(pool.map(energies, pieces)))
    ends = np.cumsum([len(part) for part in lists])[:-1]
    labels = np.split(found, ends)
    own, said, volumes = labels[:3], np.array(labels[3 : 3 + len(moved)]), np.array(labels[3 + len(moved) :])
    known = dict(zip(structures, own, strict=True))
    elements = sorted({e for part in structures.values() for s in part for e in s.counts})
    shares = {
        name: np.array([[s.counts.get(e, 0) / s.n_atoms for e in elements] for s in part])
        for name, part in structures.items()
    }
    reference = np.linalg.lstsq(shares["train"], known["train"], rcond=1e-3)[0]
    targets = {
        name: np.column_stack([data.values[parts[name]], known[name] - shares[name] @ reference])
        for name in parts
    }
    location, scale = np.nanmean(targets["train"], axis=0), np.nanstd(targets["train"], axis=0)
    return Data(
        structures, {name: (t - location) / scale for name, t in targets.items()}, moved,
        said - known["validation"][:probed], stiffening(base, volumes), scale,
    )  # fmt: skip


def jumps(data: Data) -> np.ndarray:
    """(k,) share of the probed crystals whose twelve nearest neighbours are other ones after each change."""
    base = [structure_graph(s, neighbours=NEIGHBOURS) for s in data.structures["validation"]]
    out = []
    for probe in data.probes:
        after = [structure_graph(s, neighbours=NEIGHBOURS) for s in probe]
        out.append(np.mean([not same_neighbours(a, b) for a, b in zip(base, after, strict=False)]))
    return np.array(out)


def stiffening(structures: list[Structure], energies_at: np.ndarray) -> np.ndarray:
    """(n,) K' of Birch and Murnaghan's equation of state through `energies_at` (v, n) eV per atom; NaN where there is
    no minimum within twice the strains."""
    from pymatgen.analysis.eos import EOS, EOSError

    out = np.full(len(structures), np.nan)
    for k, one in enumerate(structures):
        volumes = one.volume / one.n_atoms * (1.0 + np.array(VOLUMES)) ** 3
        try:
            fit = EOS("birch_murnaghan").fit(volumes, energies_at[:, k])
        except EOSError:
            continue
        if fit.b0 > 0 and abs(fit.v0 / volumes[2] - 1.0) < 0.12 and 0.0 < fit.b1 < 12.0:
            out[k] = fit.b1
    return out


class Graphs(NamedTuple):
    """Of one falloff."""

    parts: dict[str, list[Graph]]
    probes: list[list[Graph]]


_DATA: Data | None = None
_GRAPHS: dict[float, Graphs] = {}


def begin(data: Data) -> None:
    """In a worker."""
    global _DATA
    torch.set_num_threads(1)
    _DATA = data


def graphs_of(data: Data, falloff: float) -> Graphs:
    if falloff not in _GRAPHS:

        def made(structures: list[Structure]) -> list[Graph]:
            return [structure_graph(s, neighbours=NEIGHBOURS, falloff=falloff) for s in structures]

        parts = {name: made(part) for name, part in data.structures.items()}
        _GRAPHS[falloff] = Graphs(parts, [made(probe) for probe in data.probes])
    return _GRAPHS[falloff]


def run(job: tuple[Case, int, int, int]) -> dict[str, Any]:
    """(case, seed, width, epochs) -> what one network of that seed says, in standardised units."""
    case, seed, width, epochs = job
    data = _DATA
    assert data is not None
    graphs = graphs_of(data, case.falloff)
    then = time.process_time()
    settings = NetworkSettings(
        case.network, width=width, layers=case.layers, neighbours=NEIGHBOURS, falloff=case.falloff,
        normalise=case.place, norm=case.norm,
    )  # fmt: skip
    network = build(settings, len(TARGETS), seed=seed)
    train(network, graphs.parts["train"], data.targets["train"], training=Training(epochs=epochs), seed=seed)
    took = time.process_time() - then
    own = graphs.parts["validation"]
    said, alike = predict(network, own).mean, alikeness(network, own)
    before = said[: len(data.probes[0])]
    return {
        **case._asdict(), "seed": seed, "seconds": took,
        "validation": said, "test": predict(network, graphs.parts["test"]).mean,
        "changes": np.array([predict(network, probe).mean - before for probe in graphs.probes]),
        "distance": [a.distance for a in alike], "within": [a.within for a in alike],
    }  # fmt: skip
