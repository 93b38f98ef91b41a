"""What is calculated: held to ASE's own numbers, to differences of energies, and to what is known of metals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.units import GPa, kB

from drivers.labelers.workers.bench import Bench
from drivers.labelers.workers.crystals import atoms_of, check_overlap, record_of
from drivers.labelers.workers.equation_of_state import _fitted
from drivers.labelers.workers.errors import NotReached, NotTreatable
from drivers.labelers.workers.relaxation import relax
from drivers.protocol import Attribution
from surrogates.materials.mechanics import fracture_toughness, hardness
from tests.drivers.labelers.laboratory import COPPER, cubic, fcc

RELAX = {"fmax": 0.005, "max_steps": 300, "cell": "free", "keep_symmetry": False, "optimiser": "FIRE"}


def label(
    verb: str, structure: dict[str, Any], settings: dict[str, Any] | None = None, **arguments: Any
) -> Any:
    job = {
        "verb": verb, "structure": structure, "arguments": arguments, "settings": settings or {},
        "worker": "drivers.labelers.workers.emt:EMTCode",
    }  # fmt: skip
    ended = Bench().carry_out(job, lambda partial: None)
    json.dumps(ended.to_json(), allow_nan=False)
    return ended


def rattled(**changes: Any) -> dict[str, Any]:
    """Four atoms of an alloy, off their places in a skewed cell."""
    frac = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    frac = frac + np.random.default_rng(7).normal(0, 0.02, (4, 3))
    lattice = [[3.8, 0.1, 0.0], [0.0, 3.7, 0.2], [0.1, 0.0, 3.9]]
    return {"lattice": lattice, "species": ["Cu", "Au", "Cu", "Pt"], "frac": frac.tolist(), **changes}


def test_a_single_point_is_ases() -> None:
    structure = rattled()
    atoms = atoms_of(structure)
    atoms.calc = EMT()
    ended = label("energy", structure)
    assert ended.readings["energy"] == pytest.approx(atoms.get_potential_energy() / 4, abs=1e-12)
    assert np.allclose(ended.record["forces"], atoms.get_forces())
    assert ended.readings["max_force"] == pytest.approx(np.linalg.norm(atoms.get_forces(), axis=1).max())
    assert record_of(atoms)["frac"] == pytest.approx(np.array(structure["frac"]))


def test_the_pressure_is_minus_the_slope_of_the_energy() -> None:
    structure, h = rattled(), 1e-4
    ends = [
        label("energy", {**structure, "lattice": (np.array(structure["lattice"]) * s).tolist()})
        for s in (1 - h, 1 + h)
    ]
    volume = abs(np.linalg.det(structure["lattice"]))
    slope = 4 * (ends[1].readings["energy"] - ends[0].readings["energy"]) / (volume * 6 * h)
    assert label("energy", structure).readings["pressure"] == pytest.approx(-slope / GPa, rel=1e-4)


def test_a_relaxed_crystal_has_no_force_and_is_given_back() -> None:
    ended = label("relax", rattled(), **RELAX)
    assert ended.attribution is None and ended.record["converged"]
    again = label("energy", ended.record["relaxed"])
    assert again.readings["max_force"] <= 0.005 and abs(again.readings["pressure"]) < 0.5
    assert again.readings["energy"] == pytest.approx(ended.readings["energy"], abs=1e-9)
    trajectory = ended.record["trajectory"]
    assert trajectory[0]["energy"] > trajectory[-1]["energy"] == pytest.approx(ended.readings["energy"])
    assert len(trajectory) <= 51 and trajectory[-1]["step"] == ended.readings["steps"]


def test_a_fixed_cell_stays_and_a_fixed_volume_keeps_its_volume() -> None:
    structure = rattled()
    fixed = label("relax", structure, **RELAX | {"cell": "fixed"}).record["relaxed"]
    assert np.allclose(fixed["lattice"], structure["lattice"])
    volume = label("relax", structure, **RELAX | {"cell": "volume"})
    assert volume.readings["volume"] * 4 == pytest.approx(abs(np.linalg.det(structure["lattice"])), rel=1e-5)
    assert not np.allclose(volume.record["relaxed"]["lattice"], structure["lattice"])


def test_a_symmetry_is_kept_where_it_is_asked_for() -> None:
    # Body-centred copper is a saddle point on Bain's path: what is not held to its symmetry goes down to fcc.
    frac = [[0, 0, 0], [0.5, 0.5, 0.5]]
    bcc = {"lattice": [[2.86, 0, 0], [0, 2.86, 0], [0, 0, 2.865]], "species": ["Cu", "Cu"], "frac": frac}
    axes = {}
    for kept in (True, False):
        relaxed = label("relax", bcc, **RELAX | {"keep_symmetry": kept, "fmax": 1e-4}).record["relaxed"]
        axes[kept] = np.linalg.norm(relaxed["lattice"], axis=1)
    assert axes[True][2] / axes[True][0] == pytest.approx(1.0, abs=0.003)
    assert axes[False][2] / axes[False][0] == pytest.approx(2**0.5, abs=0.03)


def test_a_relaxation_that_runs_out_of_steps_has_failed_and_keeps_its_last_geometry() -> None:
    ended = label("relax", rattled(), **RELAX | {"max_steps": 3})
    assert ended.attribution is Attribution.INSTRUMENT and ended.lasting
    assert "not relaxed to 0.005 eV/angstrom in 3 steps: largest force" in ended.reason
    assert ended.record["partial"]["step"] == 3
    atoms_of(ended.record["partial"]["structure"])


def test_a_crystal_that_comes_apart_is_infeasible() -> None:
    ended = label("relax", fcc("H", 1.0), **RELAX)
    assert ended.attribution is Attribution.INFEASIBLE and "came apart" in ended.reason


@pytest.mark.parametrize("element", ["Al"])
def test_the_equation_of_state_finds_the_relaxed_volume_and_the_curvature(element: str) -> None:
    a = bulk(element).cell[0, 1] * 2
    ended = label("equation_of_state", fcc(element, a * 1.03), strain=0.06, points=9)
    assert ended.record["windows"] == 2  # nine percent off in volume: the first window has no minimum
    relaxed = label("relax", fcc(element, a), **RELAX | {"fmax": 0.0005})
    assert ended.readings["volume"] == pytest.approx(relaxed.readings["volume"], rel=2e-3)
    assert ended.readings["energy"] == pytest.approx(relaxed.readings["energy"], abs=2e-4)
    elastic = label("elastic", fcc(element, a), strain=0.002, fmax=0.0005, relax_first=True)
    assert ended.readings["bulk_modulus"] == pytest.approx(elastic.readings["bulk_modulus"], rel=0.03)
    assert ended.readings["residual"] < 1e-4


def test_the_minimum_and_modulus_of_a_known_curve_are_found() -> None:
    volumes = np.linspace(15.0, 18.0, 9)
    v0, b0, b1, e0 = 16.5, 80 * GPa, 4.5, -3.7
    x = (v0 / volumes) ** (2 / 3)
    energies = e0 + 9 * v0 * b0 / 16 * ((x - 1) ** 3 * b1 + (x - 1) ** 2 * (6 - 4 * x))
    found = _fitted(volumes, energies, 0)
    assert found.readings["volume"] == pytest.approx(16.5, abs=1e-4)
    assert found.readings["bulk_modulus"] == pytest.approx(80.0, abs=0.01)
    assert found.record["bulk_modulus_derivative"] == pytest.approx(4.5, abs=0.01)
    with pytest.raises(NotReached, match="no numbers"):
        _fitted(volumes, energies * np.nan, 0)


def test_an_energy_without_a_minimum_is_told() -> None:
    ended = label("equation_of_state", fcc("H", 6.0), strain=0.01, points=5)
    assert (
        ended.attribution is Attribution.INSTRUMENT
        and "no minimum of the energy in 4 windows" in ended.reason
    )


def test_the_elastic_tensor_is_the_curvature_of_the_energy() -> None:
    ended = label("elastic", COPPER, strain=0.004, fmax=0.001, relax_first=True)
    tensor = np.array(ended.record["elastic_tensor"])
    atoms = atoms_of(ended.record["relaxed"])
    atoms.calc = EMT()

    def energy(strain: np.ndarray) -> float:
        strained = atoms.copy()
        strained.calc = atoms.calc
        strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        return strained.get_potential_energy() / atoms.get_volume() / GPa

    h = 2e-3
    for (i, j), voigt in {(0, 0): 0, (1, 2): 3}.items():
        e = np.zeros((3, 3))
        e[i, j] += h / 2
        e[j, i] += h / 2
        curvature = (energy(e) + energy(-e) - 2 * energy(0 * e)) / h**2
        assert tensor[voigt, voigt] == pytest.approx(curvature, rel=0.02)
    assert ended.record["stable"] and np.allclose(tensor, tensor.T, atol=0.5)
    c11, c12, c44 = tensor[0, 0], tensor[0, 1], tensor[3, 3]
    assert ended.readings["bulk_modulus"] == pytest.approx((c11 + 2 * c12) / 3, rel=1e-3)
    assert 0 < ended.readings["shear_modulus"] < c44
    assert ended.record["symmetry"]["space_group"] == "Fm-3m (225)"
    assert ended.record["symmetry"]["deviation"] < 0.01 and min(ended.record["eigenvalues"]) > 0
    moduli = ended.readings["bulk_modulus"], ended.readings["shear_modulus"]
    volume = atoms.get_volume() / len(atoms)
    assert ended.readings["volume"] == pytest.approx(volume)
    assert ended.readings["hardness"] == pytest.approx(float(hardness(*moduli).value))
    assert ended.readings["toughness"] == pytest.approx(float(fracture_toughness(*moduli, volume).value))


def test_a_crystal_that_is_not_stable_has_no_moduli() -> None:
    """Body-centred copper is a saddle of the energy of effective-medium theory: C11 < C12 (Born)."""
    a = 2.87
    bcc = {"lattice": (np.eye(3) * a).tolist(), "species": ["Cu", "Cu"], "frac": [[0, 0, 0], [0.5, 0.5, 0.5]]}
    ended = label("elastic", bcc, strain=0.004, fmax=0.01, relax_first=False)
    assert ended.attribution is Attribution.INSTRUMENT and "not mechanically stable (Born)" in ended.reason
    tensor = np.array(ended.record["partial"]["elastic_tensor"])
    assert tensor[0, 0] < tensor[0, 1] and min(ended.record["partial"]["eigenvalues"]) < 0


def test_the_atoms_of_strained_cells_are_relaxed() -> None:
    hexagonal = {
        "lattice": [[2.55, 0, 0], [-1.275, 2.2084, 0], [0, 0, 4.16]],
        "species": ["Cu", "Cu"],
        "frac": [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
    }
    soft, stiff = (
        label("elastic", hexagonal, strain=0.004, fmax=fmax, relax_first=False).readings["shear_modulus"]
        for fmax in (0.002, 1.0)
    )
    # Atoms that follow a strain resist it less; a force of 1 eV/angstrom moves none.
    assert soft < 0.95 * stiff


def test_overlap_is_seen_across_the_cells_border_and_only_where_there_is_one() -> None:
    near = {"lattice": (np.eye(3) * 5).tolist(), "species": ["H", "O"], "frac": [[0.02, 0, 0], [0.98, 0, 0]]}
    with pytest.raises(NotTreatable, match=r"(H and O|O and H) are 0\.200"):
        atoms_of(near)
    for a, element in ((2.87, "Fe"), (3.57, "C"), (4.05, "Al"), (8.0, "Cs")):
        check_overlap(bulk(element, "fcc" if element != "C" else "diamond", a=a))
    molecule = {
        "lattice": (np.eye(3) * 8).tolist(),
        "species": ["H", "H"],
        "frac": [[0, 0, 0], [0.74 / 8, 0, 0]],
    }
    atoms_of(molecule)


def test_what_a_verb_is_not_is_a_bug() -> None:
    with pytest.raises(KeyError):
        label("paint", cubic(["Cu"], [[0, 0, 0]], 3.6))


class Pulling(Calculator):
    """Pulls two atoms together and the cell with them, and remembers the smallest distance it was asked about."""

    implemented_properties = ["energy", "forces", "stress"]
    closest = np.inf

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = None) -> None:
        super().calculate(atoms, properties, system_changes)
        distance = atoms.get_distance(0, 1, mic=True)
        self.closest = min(self.closest, distance)
        along = atoms.get_distance(0, 1, mic=True, vector=True) / distance
        self.results = {
            "energy": distance,
            "forces": 100 * np.array([along, -along]),
            "stress": np.array([5.0, 5.0, 5.0, 0, 0, 0]),
        }


@pytest.mark.parametrize("cell", ["free", "fixed"])
def test_no_step_of_a_relaxation_is_calculated_where_atoms_overlap(cell: str) -> None:
    side = (6.0 * np.eye(3)).tolist()
    atoms = atoms_of({"lattice": side, "species": ["Cu", "Cu"], "frac": [[0, 0, 0], [0.4, 0, 0]]})
    atoms.calc = calculator = Pulling()
    with pytest.raises(NotTreatable, match=r"overlapping|collapsed"):
        relax(atoms, RELAX | {"cell": cell, "max_steps": 200}, lambda partial: None)
    assert 1.32 < calculator.closest < 2.4


def test_atoms_move_as_warmth_has_them() -> None:
    """32 atoms of copper at 300 K: the kinetic and the potential energy each have half a kT of each coordinate."""
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.calc = EMT()
    at_rest = atoms.get_potential_energy() / len(atoms)
    ended = label("dynamics", record_of(atoms), temperature=300.0, steps=300, timestep=5.0, seed=1)
    assert ended.attribution is None, ended.reason
    half_kt = 1.5 * kB * 300.0
    assert ended.readings["temperature"] == pytest.approx(300.0, rel=0.1)
    assert ended.readings["energy"] - at_rest == pytest.approx(half_kt, rel=0.15)
    # Copper at room temperature: a root mean square of 0.13 to 0.16 angstrom about its place by diffraction; both ends
    # of a displacement are off their places, so that it is sqrt(2) times that.
    assert 0.12 < ended.readings["displacement"] < 0.35
    moved = np.array(ended.record["displacements"])
    assert np.sqrt((moved**2).sum(axis=1).mean()) == pytest.approx(ended.readings["displacement"])
    assert abs(moved.mean()) < 0.01  # the crystal as a whole stays
    again = label("dynamics", record_of(atoms), temperature=300.0, steps=10, timestep=4.0, seed=1)
    assert (
        again.readings
        == label("dynamics", record_of(atoms), temperature=300.0, steps=10, timestep=4.0, seed=1).readings
    )
    assert (
        again.readings
        != label("dynamics", record_of(atoms), temperature=300.0, steps=10, timestep=4.0, seed=2).readings
    )


def test_dynamics_that_blow_up_are_infeasible() -> None:
    """Hydrogen is too light for a time step of ten femtoseconds."""
    metal = rattled(species=["Cu", "Cu", "Cu", "H"])
    ended = label("dynamics", metal, temperature=1000.0, steps=200, timestep=10.0, seed=0)
    assert ended.attribution is Attribution.INFEASIBLE
    assert "overlapping" in ended.reason or "the potential has failed" in ended.reason
