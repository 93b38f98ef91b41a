"""A crystal structure as data: what a pool holds, an action carries and the log keeps. Plain Python, no arithmetic
beyond a determinant, so that the engine and a file check need no library for it."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Self

from campaigns.errors import Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel

_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv "
    "Ts Og"
)
ELEMENTS = tuple(_SYMBOLS.split())  # place + 1 is the atomic number
NUMBER = {symbol: number for number, symbol in enumerate(ELEMENTS, start=1)}
MOST_ATOMS = 1000
FLATTEST = 0.1  # A^3 per atom: no crystal at any pressure of this planet comes near it

Vector = tuple[float, float, float]


class StructureError(ValueError):
    """Data that is no crystal structure: what, wanted, got."""


class Structure(BaseCampaignModel):
    """`lattice`: three row vectors in angstrom; `species`: an element per site, no partial occupancies; `frac`: the
    sites' fractional coordinates, any image of them."""

    lattice: tuple[Vector, Vector, Vector]
    species: tuple[str, ...]
    frac: tuple[Vector, ...]

    def problems(self) -> Iterator[Problem]:
        for symbol in sorted(set(self.species) - NUMBER.keys()):
            cure = did_you_mean(symbol, ELEMENTS)
            yield Problem("E280", ("species",), wanted="symbols of elements", got=shown(symbol), cure=cure)
        if not self.species:
            yield Problem("E280", ("species",), wanted="at least one atom", got="an empty cell")
        if len(self.species) != len(self.frac):
            got = f"{len(self.species)} species and {len(self.frac)} coordinates"
            yield Problem("E280", ("frac",), wanted="a coordinate for each species", got=got)
        if len(self.species) > MOST_ATOMS:
            wanted = f"at most {MOST_ATOMS} atoms in the cell"
            yield Problem("E280", ("species",), wanted=wanted, got=str(len(self.species)))
        elif self.species and self.volume < FLATTEST * len(self.species):
            got = f"{self.volume:.3g} A^3 for {len(self.species)} atoms"
            yield Problem("E280", ("lattice",), wanted="a cell with a volume", got=got)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """The structure of a record {"lattice", "species", "frac"}; other keys are not read. Raises StructureError."""
        if not isinstance(data, Mapping):
            raise StructureError(f"wanted a structure (lattice, species, frac), got {shown(data)}")
        missing = [key for key in ("lattice", "species", "frac") if key not in data]
        if missing:
            raise StructureError(f"wanted lattice, species and frac, got no {', '.join(missing)}")
        try:
            return cls.model_validate_json(
                json.dumps({key: data[key] for key in ("lattice", "species", "frac")}, allow_nan=False)
            )
        except ValueError as fault:  # pydantic's own error is one
            raise StructureError(_first(fault)) from fault

    def to_json(self) -> dict[str, Any]:
        """The record in JSON types."""
        return self.model_dump(mode="json")

    @cached_property
    def key(self) -> str:
        """SHA-256, in hex, of the content rounded to 6 decimals: the same crystal written twice has one key."""
        rounded = [[round(x, 6) + 0.0 for x in row] for row in (*self.lattice, *self.frac)]
        text = json.dumps([rounded, list(self.species)], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell."""
        return len(self.species)

    @cached_property
    def volume(self) -> float:
        """Of the cell, A^3."""
        (a, b, c), (d, e, f), (g, h, i) = self.lattice
        return abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Atoms of each element in the cell, in alphabetical order."""
        return dict(sorted(Counter(self.species).items()))

    @cached_property
    def reduced(self) -> dict[str, int]:
        """Atoms of each element in the smallest formula unit."""
        divisor = math.gcd(*self.counts.values())
        return {symbol: n // divisor for symbol, n in self.counts.items()}

    @property
    def formula(self) -> str:
        """The smallest formula unit, elements in alphabetical order: FeLiO4P."""
        return "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in self.reduced.items())

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols, in alphabetical order."""
        return tuple(self.counts)


def _first(fault: ValueError) -> str:
    errors = fault.errors() if hasattr(fault, "errors") else []
    if not errors:
        return str(fault)
    where = ".".join(map(str, errors[0]["loc"]))
    return f"{where}: {errors[0]['msg']}" if where else str(errors[0]["msg"])
