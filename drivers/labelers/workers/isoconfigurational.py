"""Isoconfigurational runs (Widmer-Cooper, Harrowell, Fynewever, Phys. Rev. Lett. 93, 135701, 2004): many from one
configuration, each with new velocities, so that what is left in the mean is the configuration's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivers.labelers.workers import lammps
from drivers.labelers.workers.errors import Broken
from drivers.labelers.workers.lammps import Array, Configuration

WAVE_NUMBER = 7.25  # 1/sigma, about the first peak of the structure factor of A


@dataclass(frozen=True)
class Displacements:
    """Of R runs, T times and n particles, in sigma. times: (T,) tau; vectors: (R, T, n, 3) from where they began."""

    times: Array
    vectors: Array

    @property
    def lengths(self) -> Array:
        """(R, T, n)."""
        out: Array = np.linalg.norm(self.vectors, axis=3)
        return out

    @property
    def propensity(self) -> Array:
        """(T, n): the mean over the runs of the displacement's length."""
        out: Array = self.lengths.mean(axis=0)
        return out

    def reliability(self, which: Array) -> Array:
        """(T,) share of the variance of the propensity among the particles `which` that further runs would bring again:
        the correlation of two halves of the runs, for all of them by the formula of Spearman and Brown. NaN for fewer
        than two runs. No model of the structure can correlate with these labels better than its square root."""
        lengths = self.lengths[:, :, which]
        if len(lengths) < 2:
            return np.full(len(self.times), np.nan)
        odd, even = lengths[0::2].mean(axis=0), lengths[1::2].mean(axis=0)
        half = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(odd, even, strict=True)])
        out: Array = 2 * half / (1 + half)
        return out

    def squared(self, which: Array) -> Array:
        """(T,) mean squared displacement of the particles `which`, sigma^2."""
        out: Array = (self.vectors[:, :, which] ** 2).sum(axis=3).mean(axis=(0, 2))
        return out

    def non_gaussian(self, which: Array) -> Array:
        """(T,) 3 <r^4> / (5 <r^2>^2) - 1, 0 for Gaussian displacements (Rahman, Phys. Rev. 136, A405, 1964)."""
        squares = (self.vectors[:, :, which] ** 2).sum(axis=3)
        out: Array = 0.6 * (squares**2).mean(axis=(0, 2)) / squares.mean(axis=(0, 2)) ** 2 - 1.0
        return out

    def scattering(self, which: Array) -> Array:
        """(T,) self part of the intermediate scattering function at `WAVE_NUMBER`, averaged over the three axes; the
        relaxation time is where it has fallen to 1/e."""
        out: Array = np.cos(WAVE_NUMBER * self.vectors[:, :, which]).mean(axis=(0, 2, 3))
        return out


def logarithmic(last: float, points: int, first: float = 0.1) -> Array:
    """Times in tau, equally far apart on a logarithmic scale, in whole time steps; the last alone for one point."""
    if points < 2:
        return np.array([last])
    wanted = np.geomspace(min(first, last), last, points)
    return np.unique([lammps.steps(time) for time in wanted]) * lammps.TIME_STEP


def displacements(
    command: str,
    start: Configuration,
    temperature: float,
    times: Sequence[float] | Array,
    runs: int,
    seed: int,
) -> Displacements:
    """Of `runs` runs at constant temperature. Raises Broken."""
    at = [lammps.steps(time) for time in times]
    seeds = np.random.default_rng(seed).choice(lammps.SEEDS, runs, replace=False)
    script: list[str] = []
    for own in seeds:
        script += [
            "clear", *lammps.potential(), lammps.velocities(temperature, int(own)),
            lammps.constant_temperature(temperature), "compute moved all displace/atom", "thermo 0",
        ]  # fmt: skip
        for before, now in zip([0, *at], at, strict=False):
            script += [
                f"run {now - before} pre {'yes' if before == 0 else 'no'} post no",
                f"write_dump all custom {lammps.OUTPUT} c_moved[1] c_moved[2] c_moved[3]"
                " modify sort id append yes format float %.7g",
            ]
    rows = lammps.run(command, script, {"configuration": start.data()}).get(lammps.OUTPUT, np.zeros(0))
    n = len(start.kinds)
    if rows.shape != (wanted := (runs * len(at) * n, 3)):
        raise Broken(f"LAMMPS wrote a table of {rows.shape}, wanted {wanted}")
    if not np.isfinite(rows).all():
        raise Broken("LAMMPS' particles flew apart: some of them begin on top of each other")
    return Displacements(np.array(at) * lammps.TIME_STEP, rows.reshape(runs, len(at), n, 3))
