"""The Kob-Andersen mixture from nothing: melted, cooled, kept at a temperature, and looked at from time to time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivers.labelers.kob_andersen_model import DENSITY
from drivers.labelers.workers import lammps
from drivers.labelers.workers.errors import Broken
from drivers.labelers.workers.lammps import Array, Configuration

HOT = 2.0  # the melt's temperature: its relaxation time is below 1 tau
MELTING, COOLING = 50.0, 100.0  # tau
EVERY = 20  # steps between two looks at the thermodynamics


@dataclass(frozen=True)
class Thermodynamics:
    """Means over the time at the temperature: potential energy per particle, pressure, temperature."""

    energy: float
    pressure: float
    temperature: float


def lattice(n: int, seed: int) -> Configuration:
    """`n` particles on a simple cubic lattice of the usual density, a fifth of them, drawn, of kind B."""
    side = int(np.ceil(n ** (1 / 3)))
    length = (n / DENSITY) ** (1 / 3)
    places = np.stack(np.unravel_index(np.arange(n), (side,) * 3), axis=1) * length / side
    kinds = np.zeros(n, dtype=int)
    kinds[np.random.default_rng(seed).permutation(n)[: n // 5]] = 1
    return Configuration(np.full(3, length), kinds, places)


def equilibrium(
    command: str, n: int, temperature: float, *, wait: float, apart: float, count: int, seed: int
) -> tuple[list[Configuration], Thermodynamics]:
    """`count` configurations of one run, one every `apart` tau after `wait` tau at the temperature. What is too short
    for the relaxation time gives a glass that ages, not an equilibrium. Raises Broken."""
    start = lattice(n, seed)
    script = [
        *lammps.potential(), "minimize 0 1e-2 100 1000", lammps.velocities(HOT, seed),
        lammps.constant_temperature(HOT), "thermo 0", f"run {lammps.steps(MELTING)}", "unfix move",
        lammps.constant_temperature(HOT, temperature), f"run {lammps.steps(COOLING)}", "unfix move",
        lammps.constant_temperature(temperature), f"run {lammps.steps(wait)}",
        f"fix look all ave/time {EVERY} 1 {EVERY} c_thermo_pe c_thermo_press c_thermo_temp file {lammps.THERMO}",
    ]  # fmt: skip
    for _ in range(count):
        script += [
            f"run {lammps.steps(apart)} post no",
            f"write_dump all custom {lammps.OUTPUT} x y z modify sort id append yes format float %.10g",
        ]
    out = lammps.run(command, script, {"configuration": start.data()})
    rows, looks = out.get(lammps.OUTPUT, np.zeros(0)), out.get(lammps.THERMO, np.zeros(0))
    if rows.shape != (count * n, 3) or looks.ndim != 2:
        raise Broken(f"LAMMPS wrote tables of {rows.shape} and {looks.shape}, wanted {count * n} positions")
    found = [Configuration(start.box, start.kinds, one) for one in rows.reshape(count, n, 3)]
    energy, pressure, mean = (float(x) for x in looks[:, 1:4].mean(axis=0))
    return found, Thermodynamics(energy / n, pressure, mean)


def inherent(command: str, start: Configuration) -> Configuration:
    """The inherent structure (Stillinger and Weber, Phys. Rev. A 25, 978, 1982): downhill from `start` to where all
    forces are zero. Positions are not folded back into the box: they tell how far each particle was from there. Raises
    Broken."""
    script = [
        *lammps.potential(), "thermo 0", "minimize 0 1e-4 5000 50000",
        f"write_dump all custom {lammps.OUTPUT} xu yu zu modify sort id format float %.10g",
    ]  # fmt: skip
    rows = lammps.run(command, script, {"configuration": start.data()}).get(lammps.OUTPUT, np.zeros(0))
    if rows.shape != start.positions.shape:
        raise Broken(f"LAMMPS wrote a table of {rows.shape}, wanted {start.positions.shape}")
    away = rows - start.positions
    return Configuration(
        start.box, start.kinds, start.positions + away - start.box * np.round(away / start.box)
    )


def radial_distribution(configurations: list[Configuration], one: int, other: int, edges: Array) -> Array:
    """g(r) of the kinds `one` and `other`, in shells between `edges` (k + 1,), sigma, up to half the box: (k,)."""
    counts, ideal = np.zeros(len(edges) - 1), 0.0
    for c in configurations:
        i, j = np.flatnonzero(c.kinds == one), np.flatnonzero(c.kinds == other)
        apart = c.positions[i, None] - c.positions[None, j]
        apart -= c.box * np.round(apart / c.box)
        distances = np.sqrt((apart**2).sum(axis=2))
        counts += np.histogram(distances[distances > 1e-9], edges)[0]
        ideal += len(i) * (len(j) - (one == other)) / c.box.prod()
    out: Array = counts / (ideal * 4 / 3 * np.pi * np.diff(edges**3))
    return out
