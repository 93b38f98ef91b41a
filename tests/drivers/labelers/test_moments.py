"""What density-functional codes are started with: spins, k-points, rungs."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.labelers.workers.crystals import atoms_of
from drivers.labelers.workers.density_functional import DensityFunctionalCode
from tests.drivers.labelers.laboratory import cubic, fcc

SETTINGS = {
    "spin": "auto",
    "k_density": 2.5,
    "smearing_eV": 0.05,
    "ladder": [{"name": "b", "mixing": 0.1, "smearing_eV": None}],
}
OXIDE = cubic(["Fe", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]], 4.3)


@pytest.mark.parametrize(
    ("spin", "structure", "moments"),
    [
        ("auto", fcc("Al", 4.05), None),
        ("auto", OXIDE, [4.0, 0.0]),
        ("auto", OXIDE | {"magmoms": [-1.5, 0.2]}, [-1.5, 0.2]),
        ("none", OXIDE | {"magmoms": [-1.5, 0.2]}, None),
        ("collinear", fcc("Al", 4.05), [0.0]),
    ],
)
def test_moments_to_start_from(spin: str, structure: dict[str, Any], moments: Any) -> None:
    assert DensityFunctionalCode({**SETTINGS, "spin": spin}).moments(atoms_of(structure)) == moments


def test_a_rung_overrides_what_it_names_and_a_mesh_grows_with_the_density() -> None:
    code = DensityFunctionalCode(SETTINGS)
    assert [rung["name"] for rung in code.rungs] == ["as set", "b"]
    assert code.on(code.rungs[0], "mixing") is None and code.on(code.rungs[1], "mixing") == 0.1
    assert code.on(code.rungs[1], "smearing_eV") == 0.05
    atoms = atoms_of(fcc("Al", 4.05))
    dense = DensityFunctionalCode({**SETTINGS, "k_density": 5.0}).mesh(atoms)
    assert all(2 * a - 1 <= b <= 2 * a for a, b in zip(code.mesh(atoms), dense, strict=True))
