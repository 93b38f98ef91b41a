"""Formulas, balances and driving forces: what route choice needs of thermochemistry, handed over by the caller."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import nnls

BALANCED = 1e-9  # moles of atoms: what a balanced equation may leave over
_TOKEN = re.compile(r"([A-Z][a-z]?|[()])(\d*\.?\d*)")


@dataclass(frozen=True)
class Chemistry:
    """`potential(formula, T)`: Gibbs energy of the formula as it is written at T in K, eV, less the chemical potential
    of the gas's element in it (so that taking it up or giving it off costs nothing).

    `gas`: the element that the surrounding gas exchanges with the powder, None for none; `supplied`: whether the powder
    can take it up, or only give it off.
    """

    potential: Callable[[str, float], float]
    gas: str | None = "O"
    supplied: bool = True

    def balance(self, made: Mapping[str, float], precursors: Sequence[str]) -> dict[str, float] | None:
        """Formula units of each precursor for `made` (formula -> formula units); None where no such mixture, with all
        of them in it, has the composition."""
        rows = [counts_of(one) for one in precursors]
        want = total(made)
        elements = sorted({e for row in (*rows, want) for e in row if not (self.supplied and e == self.gas)})
        matrix = [[row.get(e, 0.0) for e in elements] for row in rows]
        if not self.supplied and self.gas is not None:
            matrix.append([-1.0 * (e == self.gas) for e in elements])
        units, rest = nnls(np.array(matrix).T, np.array([want.get(e, 0.0) for e in elements]))
        units = units[: len(rows)]
        if rest > BALANCED or (units < 1e-6).any():
            return None
        return dict(zip(precursors, units.tolist(), strict=True))

    def driving(self, mixture: Mapping[str, float], target: str, temperature: float) -> float:
        """eV per atom of the target, set free when a mixture (formula -> units) of its composition becomes it."""
        units = target_units(mixture, target, self.gas)
        before = sum(n * self.potential(f, temperature) for f, n in mixture.items())
        atoms = units * sum(counts_of(target).values())
        return (before - units * self.potential(target, temperature)) / atoms


def target_units(mixture: Mapping[str, float], target: str, gas: str | None) -> float:
    """Units of the target that have as many atoms, the gas's aside, as the mixture."""
    have = sum(n for element, n in total(mixture).items() if element != gas)
    want = sum(n for element, n in counts_of(target).items() if element != gas)
    return have / want


def total(mixture: Mapping[str, float]) -> dict[str, float]:
    """Atoms of each element in a mixture (formula -> formula units)."""
    atoms: dict[str, float] = {}
    for formula, n in mixture.items():
        for element, count in counts_of(formula).items():
            atoms[element] = atoms.get(element, 0.0) + n * count
    return atoms


def cations(formulas: Iterable[str], gas: str | None) -> frozenset[str]:
    """The elements, the gas's aside."""
    return frozenset(e for f in formulas for e in counts_of(f) if e != gas)


@lru_cache(maxsize=4096)
def counts_of(formula: str) -> Mapping[str, float]:
    """Atoms of each element: counts_of("Fe(PO3)3") is {"Fe": 1, "P": 3, "O": 9}. Raises ValueError."""
    stack: list[dict[str, float]] = [{}]
    at = 0
    for match in _TOKEN.finditer(formula):
        if match.start() != at:
            break
        at = match.end()
        symbol, number = match.group(1), float(match.group(2) or 1)
        if symbol == "(":
            stack.append({})
            continue
        inner = stack.pop() if symbol == ")" else {symbol: 1.0}
        if not stack:
            raise ValueError(f"{formula!r} closes a bracket that is not open")
        for element, n in inner.items():
            stack[-1][element] = stack[-1].get(element, 0.0) + n * number
    if at != len(formula) or len(stack) != 1 or not stack[0]:
        raise ValueError(f"wanted a formula such as Fe(PO3)3, got {formula!r}")
    return stack[0]


@lru_cache(maxsize=1)
def _masses() -> Mapping[str, float]:
    from pymatgen.core import Element

    return {element.symbol: float(element.atomic_mass) for element in Element}


def weights_of(units: Mapping[str, float]) -> dict[str, float]:
    """Weight fractions by formula, from formula units."""
    masses = _masses()
    grams = {f: n * sum(masses[e] * m for e, m in counts_of(f).items()) for f, n in units.items()}
    whole = sum(grams.values())
    return {f: m / whole for f, m in grams.items()}


def units_of(fractions: Mapping[str, float]) -> dict[str, float]:
    """Formula units by formula, in moles per gram, from weight fractions."""
    masses = _masses()
    return {
        f: x / sum(masses[element] * n for element, n in counts_of(f).items()) for f, x in fractions.items()
    }
