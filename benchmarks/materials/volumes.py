"""Volume augmentation on formation energies: as published, and learned from copies with minima at the edge rejected.

    python benchmarks/materials/accuracy.py volumes [--train 700] [--test 200] [--epochs 24] [--members 2]

Three ensembles: from relaxed cells alone; from copies at other volumes with the label of the relaxed cell; from copies
whose label rises by Birch and Murnaghan's equation with the bulk modulus that an ensemble on `mp_binary_elasticity`
predicts. Each is asked about test cells of 90, 100 and 110 % of their relaxed volume, in four ways.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from data import SETS

from campaigns.structure import Structure
from surrogates.materials.augmentation import Volumes
from surrogates.materials.ensemble import MaterialsEnsemble
from surrogates.materials.splits import md5_split
from surrogates.materials.volume_scan import scan_volumes

SHARES = (0.9, 1.0, 1.1)
SEED = 20231129


def scaled(structure: Structure, share: float) -> Structure:
    lattice = (np.array(structure.lattice) * share ** (1 / 3)).tolist()
    return Structure.from_json({"lattice": lattice, "species": structure.species, "frac": structure.frac})


def moduli_of(structures, settings, workers):
    """GPa, predicted from the bulk moduli of binaries."""
    data = SETS["log_k"]()
    learn = np.random.default_rng([SEED, 5]).permutation(md5_split(data.structures)[0])[:1000]
    found = MaterialsEnsemble.fit(
        [data.structures[i] for i in learn], data.values[learn, :1], ["log_k"], settings=settings, seed=SEED,
        workers=workers,
    )  # fmt: skip
    return 10.0 ** found.predict(structures).mean[:, 0]


def add_arguments(cli):
    cli.add_argument("--train", type=int, default=700)
    cli.add_argument("--test", type=int, default=200)
    cli.add_argument("--learned", default="relaxed,copies,strained", help="which of the three ensembles")


def main(arguments, settings) -> None:
    """Prints MAE, bias and how often the minimum was at the edge, of each model and way to ask."""
    data = SETS["e_form"]()
    rng = np.random.default_rng([SEED, 2])
    learn, test = md5_split(data.structures)
    known, held = (
        data.rows(rng.permutation(learn)[: arguments.train]),
        data.rows(rng.permutation(test)[: arguments.test]),
    )
    modulus = moduli_of(known.structures, settings, arguments.workers)
    print(f"{len(known.structures)} for training, {len(held.structures)} for test; bulk moduli predicted: "
          f"{np.percentile(modulus, [5, 50, 95]).round()} GPa (5, 50, 95 %)")  # fmt: skip
    copies = replace(settings, volumes=Volumes())
    learned = {
        "relaxed": ("relaxed cells", settings, {}),
        "copies": ("copies, relaxed label", copies, {}),
        "strained": ("copies, equation of state", copies, {"modulus": modulus, "energies": ["e_form"]}),
    }
    truth = held.values[:, 0]
    print(
        "| learned from | asked | "
        + " | ".join(f"MAE at {s:.0%} | bias | at edge" for s in SHARES)
        + " | CPU s |"
    )
    print("|---|---|" + "---|" * (3 * len(SHARES) + 1))
    for name, chosen, more in (learned[key] for key in arguments.learned.split(",")):
        found = MaterialsEnsemble.fit(
            known.structures,
            known.values,
            ["e_form"],
            settings=chosen,
            seed=SEED,
            workers=arguments.workers,
            **more,
        )
        asked = {"as given": [], "minimum": [], "minimum, edge rejected": []}
        for share in SHARES:
            cells = [scaled(structure, share) for structure in held.structures]
            given = found.predict(cells).mean[:, 0]
            scan = scan_volumes(found, cells, "e_form", reject=False)
            lowest = scan.prediction.mean[:, 0]
            sure = np.where(scan.edge, given, lowest)  # what `scan_volumes` gives by itself
            for way, said in zip(asked, (given, lowest, sure), strict=True):
                edge = np.nan if way == "as given" else scan.edge.mean()
                asked[way].append((np.abs(said - truth).mean(), (said - truth).mean(), edge))
        for way, cells in asked.items():
            row = " | ".join(f"{a:.4f} | {b:+.4f} | {'' if np.isnan(c) else f'{c:.0%}'}" for a, b, c in cells)
            print(f"| {name} | {way} | {row} | {np.sum(found.seconds):.0f} |", flush=True)
