"""The phases of a chemical system: formula, formation energy, crystal; read from a table of calculated entries.

The table is one JSON object per line, gzipped or not, as in the Materials Project's entries: `formula` (reduced),
`e_form_corr` (eV per atom), `e_above_hull` (eV per atom), `lattice` (rows, angstrom), `species`, `frac`.
"""

from __future__ import annotations

import gzip
import itertools
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from drivers.errors import SettingsError

ABOVE_HULL = 0.03  # eV per atom: what lies higher is left out, as nobody expects it in a crucible
# Here and not from pymatgen, which takes a second to load: the engine reads the table, too, to check a laboratory.
_SYMBOLS = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo
    Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl
    Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm
"""
SYMBOLS = frozenset(_SYMBOLS.split())
NO_SOLIDS = frozenset({"O", "Cl"})  # what holds nothing else is a gas or a liquid


@dataclass(frozen=True, eq=False)
class Phase:
    """A solid. `energy` of formation at 0 K, eV per atom; `lattice` (3, 3), angstrom; `frac` (atoms, 3)."""

    formula: str
    energy: float
    above_hull: float
    lattice: np.ndarray
    species: tuple[str, ...]
    frac: np.ndarray

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Atoms of each element, in the smallest whole numbers (Na2O2 has one of each)."""
        counts = Counter(self.species)
        divisor = math.gcd(*counts.values())
        return {element: n // divisor for element, n in sorted(counts.items())}

    @cached_property
    def atoms(self) -> int:
        """Sum of the counts."""
        return sum(self.counts.values())

    @cached_property
    def fractions(self) -> Mapping[str, float]:
        return {element: n / self.atoms for element, n in self.counts.items()}

    @cached_property
    def volume(self) -> float:
        """Angstrom^3 per atom."""
        return abs(float(np.linalg.det(self.lattice))) / len(self.species)

    @cached_property
    def mass(self) -> float:
        """Gram per mole of atoms."""
        masses = atomic_masses()
        return sum(share * masses[element] for element, share in self.fractions.items())

    @cached_property
    def reduced_mass(self) -> float:
        """The reduced mass of Bartel et al. (2018), equation 6, in u; 0 for an element."""
        if len(self.counts) < 2:
            return 0.0
        masses = atomic_masses()
        total = 0.0
        for (a, n), (b, m) in itertools.combinations(self.counts.items(), 2):
            total += (n + m) * masses[a] * masses[b] / (masses[a] + masses[b])
        return total / ((len(self.counts) - 1) * self.atoms)


class System:
    """All phases of one table by formula, of each formula the polymorph of lowest energy."""

    def __init__(self, path: Path, phases: Mapping[str, Phase]) -> None:
        self.path = path
        self.phases = tuple(phases.values())
        self.number = {phase.formula: k for k, phase in enumerate(self.phases)}
        self.elements = tuple(sorted({element for phase in self.phases for element in phase.counts}))

    @property
    def formulas(self) -> tuple[str, ...]:
        return tuple(self.number)

    def phase(self, formula: str) -> Phase:
        """Raises KeyError with the formulas there are."""
        if formula not in self.number:
            raise KeyError(f"{self.path} has no phase {formula!r}; it has {', '.join(self.number)}")
        return self.phases[self.number[formula]]


@lru_cache(maxsize=1)
def atomic_masses() -> Mapping[str, float]:
    """Element -> gram per mole."""
    from pymatgen.core import Element

    return {element.symbol: float(element.atomic_mass) for element in Element}


def read_system(table: str | None) -> System:
    """The phases of a table. Raises SettingsError for none, and for one that cannot be read."""
    if table is None:
        raise SettingsError("no table is bound: give it on the command line with --table PATH (.jsonl.gz)")
    path = Path(table).expanduser()
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise SettingsError(f"the table {path} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=4)
def _read(path: Path, mtime_ns: int, size: int) -> System:
    """Read again only after the file has changed."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    found: dict[str, Phase] = {}
    for n, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        phase = _phase(path, n, line)
        known = found.get(phase.formula)
        if phase.above_hull > ABOVE_HULL or phase.counts.keys() <= NO_SOLIDS:
            continue
        if known is None or phase.energy < known.energy:
            found[phase.formula] = phase
    if not found:
        raise SettingsError(f"{path} has no solid within {ABOVE_HULL:g} eV per atom of the hull")
    return System(path, dict(sorted(found.items())))


def _phase(path: Path, n: int, line: bytes) -> Phase:
    try:
        row: dict[str, Any] = json.loads(line)
        phase = Phase(
            formula=str(row["formula"]),
            energy=float(row["e_form_corr"]),
            above_hull=float(row["e_above_hull"]),
            lattice=np.array(row["lattice"], float).reshape(3, 3),
            species=tuple(row["species"]),
            frac=np.array(row["frac"], float).reshape(len(row["species"]), 3),
        )
    except (ValueError, TypeError, KeyError) as error:
        wanted = "formula, e_form_corr, e_above_hull, lattice, species, frac"
        raise SettingsError(f"{path}, line {n}: wanted an entry with {wanted}: {error!r}") from error
    strangers = set(phase.species) - SYMBOLS
    finite = all(np.isfinite(x).all() for x in (phase.lattice, phase.frac, phase.energy, phase.above_hull))
    if strangers or not phase.species or not finite or phase.volume < 1:
        raise SettingsError(f"{path}, line {n}: {phase.formula!r} is no crystal of known elements")
    return phase
