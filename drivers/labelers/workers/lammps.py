"""LAMMPS as a program of its own: scripts and configurations go in as text, what it writes comes back as arrays.

Reduced units throughout; see `drivers.labelers.kob_andersen_model`. LAMMPS is GPL: nothing of it is imported.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drivers.labelers.kob_andersen_model import CUTOFF, PAIRS, SPECIES, TIME_STEP
from drivers.labelers.workers.errors import Broken

Array = np.ndarray[Any, Any]

SEEDS = 900_000_000  # LAMMPS' random numbers take seeds below this
THERMOSTAT = 1.0  # tau, of Nose and Hoover
SKIN = 0.3  # sigma, of the neighbour lists
OUTPUT, THERMO = "particles.txt", "thermo.txt"


@dataclass(frozen=True)
class Configuration:
    """n particles in a periodic box, in sigma. box: (3,) lengths; kinds: (n,) 0 for A, 1 for B; positions: (n, 3)."""

    box: Array
    kinds: Array
    positions: Array

    def data(self) -> str:
        """As a LAMMPS data file."""
        folded = self.positions - np.floor(self.positions / self.box) * self.box
        rows = [
            f"{i} {kind + 1} {x:.10g} {y:.10g} {z:.10g}"
            for i, (kind, (x, y, z)) in enumerate(zip(self.kinds, folded, strict=True), start=1)
        ]
        edges = [f"0 {length:.12g} {axis}lo {axis}hi" for axis, length in zip("xyz", self.box, strict=True)]
        head = ["Kob-Andersen mixture", "", f"{len(self.kinds)} atoms", "2 atom types", ""]
        return "\n".join(
            [*head, *edges, "", "Masses", "", "1 1.0", "2 1.0", "", "Atoms # atomic", "", *rows, ""]
        )


def potential() -> list[str]:
    """Commands that make the mixture of the data file `configuration`."""
    lines = [
        "units lj", "atom_style atomic", "atom_modify map array", "read_data configuration",
        f"pair_style lj/cut {CUTOFF}", "pair_modify shift yes",
    ]  # fmt: skip
    for (one, other), (epsilon, sigma) in PAIRS.items():
        i, j = SPECIES.index(one) + 1, SPECIES.index(other) + 1
        lines.append(f"pair_coeff {i} {j} {epsilon} {sigma} {CUTOFF * sigma:g}")
    return [*lines, f"neighbor {SKIN} bin", "neigh_modify delay 0 every 5 check yes", f"timestep {TIME_STEP}"]


def velocities(temperature: float, seed: int) -> str:
    """A command that draws velocities from Maxwell's distribution, scaled to exactly that temperature, at rest as a
    whole."""
    return f"velocity all create {temperature:.10g} {1 + seed % (SEEDS - 1)} mom yes rot no dist gaussian"


def constant_temperature(temperature: float, end: float | None = None) -> str:
    """A command: the dynamics from here on is at that temperature, or on the way to another (Nose and Hoover)."""
    return f"fix move all nvt temp {temperature:.10g} {end or temperature:.10g} {THERMOSTAT}"


def steps(time: float) -> int:
    """Of a time in tau, at least one."""
    return max(1, round(time / TIME_STEP))


def run(command: str, script: Sequence[str], files: Mapping[str, str]) -> dict[str, Array]:
    """What the script wrote into each file `*.txt`: (rows, columns), its lines of numbers.

    `files`: texts by name, beside the script. Raises Broken with LAMMPS' own words where it fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text)
        (folder / "script").write_text("\n".join(script) + "\n")
        try:
            done = subprocess.run(
                [command, "-in", "script", "-screen", "none", "-log", "log"],
                cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            )  # fmt: skip
        except OSError as error:
            raise Broken(f"{command} cannot be started: {error}") from error
        log = folder / "log"
        said = (log.read_text(errors="replace") if log.exists() else "") + done.stderr
        faults = [line for line in said.splitlines() if line.startswith("ERROR")]
        if done.returncode != 0 or faults:
            last = (said.strip().splitlines() or ["it said nothing"])[-1]
            raise Broken(f"LAMMPS failed (exit code {done.returncode}): {(faults or [last])[0][:300]}")
        return {path.name: numbers(path.read_text()) for path in folder.glob("*.txt")}


def numbers(text: str) -> Array:
    """The lines of a dump or of averages that are rows of numbers, not their headers. Raises Broken where one is no
    number."""
    rows, header = [], 0
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("ITEM:"):
            # A header and what belongs to it: one line of a step or a count, three of the box.
            header = {"T": 1, "N": 1, "B": 3, "A": 0}[line[6]]
        elif header:
            header -= 1
        else:
            rows.append(line.split())
    try:
        return np.array(rows, dtype=float)
    except ValueError as error:
        raise Broken(f"LAMMPS wrote what is no table of numbers: {error}") from error
