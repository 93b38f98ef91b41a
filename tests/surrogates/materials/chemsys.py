"""The two chemical systems of the Materials Project that are known in full."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from campaigns.structure import Structure
from surrogates.materials.generators.protocol import Known

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "materials" / "mp_chemsys_entries"
SYSTEMS = ("fe_li_o_p", "cl_mn_na_o_y")


@cache
def rows(system: str) -> list[dict[str, Any]]:
    path = FOLDER / f"{system}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"the entries of the chemical system are not at {path}")
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


@cache
def known(system: str = "fe_li_o_p") -> dict[str, Known]:
    return {
        row["id"]: Known(row["id"], Structure.from_json(row), None, row["e_above_hull"])
        for row in rows(system)
    }


def crystal(lattice: object, species: str, frac: object) -> Structure:
    return Structure.from_json({"lattice": lattice, "species": species.split(), "frac": frac})


def cubic(a: float) -> list[list[float]]:
    return [[a, 0, 0], [0, a, 0], [0, 0, a]]


def perovskite(a: float = 3.905, species: str = "Sr Ti O O O") -> Structure:
    return crystal(
        cubic(a), species, [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    )


def rocksalt(a: float = 5.64, species: str = "Na Cl") -> Structure:
    half = a / 2
    return crystal([[0, half, half], [half, 0, half], [half, half, 0]], species, [[0, 0, 0], [0.5, 0.5, 0.5]])
