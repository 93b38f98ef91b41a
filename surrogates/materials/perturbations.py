"""Crystals a little strained or with atoms a little moved: what a prediction should hardly notice."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import numpy as np

from campaigns.structure import Structure
from surrogates.materials.crystals import structure_of
from surrogates.materials.graph import Graph

Array = np.ndarray[Any, Any]
Kind = Literal["volume", "shear", "displacement"]


def perturbed(structure: Structure, kind: Kind, size: float, rng: np.random.Generator) -> Structure:
    """`volume`: all lengths times 1 + size; `shear`: a random symmetric strain of trace 0 whose largest principal value
    is `size`; `displacement`: atoms moved at random, `size` angstrom root mean square, the centre kept."""
    lattice, frac = np.array(structure.lattice), np.array(structure.frac)
    if kind == "volume":
        return structure_of(lattice * (1.0 + size), structure.species, frac)
    if kind == "shear":
        strain = rng.standard_normal((3, 3))
        strain = strain + strain.T
        strain -= np.eye(3) * np.trace(strain) / 3.0
        strain *= size / np.abs(np.linalg.eigvalsh(strain)).max()
        return structure_of(lattice @ (np.eye(3) + strain), structure.species, frac)
    moved = rng.standard_normal(frac.shape)
    if len(moved) > 1:
        moved -= moved.mean(axis=0)
    moved *= size / np.sqrt((moved**2).sum(axis=1).mean())
    return structure_of(lattice, structure.species, frac + moved @ np.linalg.inv(lattice))


def same_neighbours(a: Graph, b: Graph) -> bool:
    """Whether two graphs of the same atoms join the same pairs as often: if not, a prediction may jump between them."""
    return Counter(map(tuple, a.edges.T.tolist())) == Counter(map(tuple, b.edges.T.tolist()))
