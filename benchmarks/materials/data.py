"""The shared data sets as structures and values; what each is and where it comes from: its own README."""

from __future__ import annotations

import csv
import gzip
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from campaigns.structure import Structure

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "materials"
MOST_ATOMS = 60  # of the formation energies: as in the prototype that set the bar


@dataclass(frozen=True)
class DataSet:
    """n structures; `values` (n, t), NaN where a target was not computed."""

    name: str
    structures: list[Structure]
    values: np.ndarray
    targets: tuple[str, ...]
    units: tuple[str, ...]

    def rows(self, which):
        """The same set, of those rows alone."""
        some = [self.structures[i] for i in which]
        return DataSet(self.name, some, self.values[which], self.targets, self.units)


def _lines(*path: str) -> Iterator[dict]:
    with gzip.open(DATA.joinpath(*path), "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def moduli() -> DataSet:
    """log10 of the bulk and shear modulus (GPa) of 3,953 binaries; 1 GPa and less is left out, as in matbench: a
    crystal that soft is a failed calculation or about to fall apart, and its logarithm says nothing."""
    structures, values = [], []
    for row in _lines("mp_binary_elasticity", "mp_binary_elasticity.jsonl.gz"):
        both = np.array([row["k_vrh"], row["g_vrh"]])
        if (both > 1.0).any():
            structures.append(Structure.from_json(row))
            values.append(np.log10(np.where(both > 1.0, both, np.nan)))
    return DataSet("log_k", structures, np.array(values), ("log_k", "log_g"), ("log10 GPa", "log10 GPa"))


def perovskites() -> DataSet:
    """Heat of formation of 3,787 cubic perovskites, eV per cell of five atoms."""
    structures, values = [], []
    with gzip.open(DATA / "perov_5" / "val.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            structures.append(_from_p1(row["cif"]))
            values.append([float(row["heat_all"])])
    return DataSet("perov", structures, np.array(values), ("heat_all",), ("eV/cell",))


def _from_p1(text: str) -> Structure:
    """A CIF as pymatgen writes it in P 1: a cell, and a site per line with 7 columns."""
    from pymatgen.core import Lattice

    cell, species, frac = {}, [], []
    for line in text.splitlines():
        words = shlex.split(line)
        if line.startswith("_cell_"):
            cell[words[0]] = float(words[1])
        elif len(words) == 7:
            species.append(words[0])
            frac.append([float(x) for x in words[3:6]])
    lengths = [cell[f"_cell_length_{x}"] for x in "abc"]
    angles = [cell[f"_cell_angle_{x}"] for x in ("alpha", "beta", "gamma")]
    lattice = Lattice.from_parameters(*lengths, *angles).matrix.tolist()
    if len(species) != 5:
        raise ValueError(f"wanted five sites, got {len(species)} in {text[:60]!r}")
    return Structure.from_json({"lattice": lattice, "species": species, "frac": frac})


def formation_energies() -> DataSet:
    """Corrected formation energies, eV per atom, of two chemical systems and a random draw of WBM: cells of 60 atoms
    at most, an id that is in both systems once."""
    found: dict[str, tuple[Structure, float]] = {}
    files = (
        ("mp_chemsys_entries", "fe_li_o_p.jsonl.gz"), ("mp_chemsys_entries", "cl_mn_na_o_y.jsonl.gz"),
        ("wbm_random_972", "wbm_random_972.jsonl.gz"),
    )  # fmt: skip
    for path in files:
        for row in _lines(*path):
            if len(row["species"]) <= MOST_ATOMS:
                found.setdefault(row["id"], (Structure.from_json(row), row["e_form_corr"]))
    structures = [structure for structure, _ in found.values()]
    return DataSet(
        "e_form", structures, np.array([[y] for _, y in found.values()]), ("e_form",), ("eV/atom",)
    )


def phonons() -> DataSet:
    """log10 of the last peak of the phonon density of states (1/cm) of 1,265 crystals."""
    with gzip.open(DATA / "matbench_phonons" / "matbench_phonons.json.gz", "rt", encoding="utf-8") as file:
        data = json.load(file)["data"]
    structures, values = [], []
    for crystal, peak in data:
        sites = crystal["sites"]
        record = {
            "lattice": crystal["lattice"]["matrix"], "species": [s["species"][0]["element"] for s in sites],
            "frac": [s["abc"] for s in sites],
        }  # fmt: skip
        structures.append(Structure.from_json(record))
        values.append([np.log10(peak)])
    return DataSet("phonons", structures, np.array(values), ("log_peak",), ("log10 1/cm",))


SETS = {"log_k": moduli, "perov": perovskites, "e_form": formation_energies, "phonons": phonons}
