"""What warmth does to a crystal, by Debye's model through its equation of state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase import Atoms
from ase.units import GPa
from scipy.constants import Avogadro, electron_volt

from drivers.labelers.workers import debye
from drivers.labelers.workers.elasticity import elastic
from drivers.labelers.workers.energy import Label, Progress
from drivers.labelers.workers.equation_of_state import equation_of_state
from drivers.labelers.workers.errors import NotReached

CURVE = (10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 800, 1000, 1500, 2000)  # K
PER_MOLE = electron_volt * Avogadro  # J/mol from eV


def thermal(atoms: Atoms, arguments: Mapping[str, Any], progress: Progress) -> Label:
    """Debye temperature, Grueneisen parameter, heat capacity, expansion and bulk modulus at one temperature; in the
    record as curves, as far as volumes are within those that energies were calculated at.

    Poisson's ratio is the given one or, with `elastic`, that of the elastic tensor. Raises NotReached as the equation
    of state and the tensor do, and where the crystal at that temperature is beyond the volumes.
    """
    nu, tensor = arguments["poisson_ratio"], None
    if arguments["elastic"]:
        tensor = elastic(atoms, {"strain": 0.005, "fmax": 0.02, "relax_first": True}, progress)
        nu = tensor.readings["poisson_ratio"]
        if not -0.99 < nu < 0.49:
            raise NotReached(
                f"Poisson's ratio of the elastic tensor is {nu:.3f}: no Debye temperature follows from it"
            )
    curve = equation_of_state(atoms, arguments, progress)
    static = debye.Static(
        curve.readings["energy"],
        curve.readings["volume"],
        curve.readings["bulk_modulus"] * GPa,
        curve.record["bulk_modulus_derivative"],
    )
    gamma = static.derivative / 2 - debye.LESS[arguments["grueneisen"]]
    mass = float(atoms.get_masses().mean())
    crystal = debye.Debye(static, debye.debye_temperature(static.bulk, static.volume, mass, nu), gamma)
    low, high = min(curve.record["volumes"]), max(curve.record["volumes"])
    try:
        now = crystal.at(arguments["temperature"], low, high)
    except ValueError as error:
        raise NotReached(f"at {arguments['temperature']:g} K {error}; cure: a larger strain") from error
    share = debye.bound_share(gamma, nu)
    readings = {
        "energy": static.energy,
        "volume": now.volume,
        "bulk_modulus": now.bulk / GPa,
        "debye_temperature": now.theta,
        "grueneisen": gamma,
        "heat_capacity": now.heat_capacity * PER_MOLE,
        "expansion": now.expansion,
        "bound_share": share,
    }
    record = {
        "static": dict(curve.readings) | dict(curve.record),
        "poisson_ratio": nu,
        "curves": _curves(crystal, low, high),
        "plausible": 0 <= share <= 1,
        "model": f"Debye, gamma after {arguments['grueneisen']}",
    }
    if tensor is not None:
        record["elastic"] = dict(tensor.readings) | dict(tensor.record)
    return Label(readings, record)


def _curves(crystal: debye.Debye, low: float, high: float) -> dict[str, list[float]]:
    """Over temperature: volume, bulk modulus (GPa), heat capacity (J/(mol K), of atoms), expansion (1/K)."""
    states = []
    for temperature in CURVE:
        try:
            states.append(crystal.at(float(temperature), low, high))
        except ValueError:
            break
    return {
        "temperature": [one.temperature for one in states],
        "volume": [one.volume for one in states],
        "bulk_modulus": [one.bulk / GPa for one in states],
        "heat_capacity": [one.heat_capacity * PER_MOLE for one in states],
        "expansion": [one.expansion for one in states],
    }
