"""What is known of each element, as numbers that a network can start from."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
from pymatgen.core import Element

from campaigns.structure import ELEMENTS as ALL_ELEMENTS

Array = np.ndarray[Any, Any]

# Attributes of pymatgen's Element; those that range over decades are taken by their logarithm.
PROPERTIES = (
    "X", "mendeleev_no", "row", "atomic_mass", "atomic_radius", "atomic_radius_calculated", "van_der_waals_radius",
    "average_ionic_radius", "metallic_radius", "electron_affinity", "ionization_energy",
)  # fmt: skip
DECADES = (
    "molar_volume", "melting_point", "boiling_point", "density_of_solid", "bulk_modulus", "youngs_modulus",
    "rigidity_modulus", "thermal_conductivity", "velocity_of_sound",
)  # fmt: skip
BLOCKS = "spdf"
SHELL = {"s": 2, "p": 6, "d": 10, "f": 14}
HEAVIEST = 103  # lawrencium: of the elements behind it the table has names and masses only
ELEMENTS = ALL_ELEMENTS[:HEAVIEST]
NOBLE = (0, 2, 10, 18, 36, 54, 86)  # electrons of the closed cores


@cache
def physical_features() -> Array:
    """(104, d) float32: row z for the element of atomic number z, row 0 unused; columns of mean 0 and variance 1 over
    the elements to Pu, where nearly all is known.

    Electronegativity, radii, ionisation energy and affinity, masses, properties of the elemental solid (pymatgen's
    table), group, block, valence electrons and holes of each shell, usual oxidation states. What is not known of an
    element is the mean of the two nearest in its group that have it, else of those nearest in atomic number.
    """
    elements = [Element(symbol) for symbol in ELEMENTS]
    columns = [_filled([_read(e, name) for e in elements], elements) for name in PROPERTIES]
    columns += [_filled([_log(_read(e, name)) for e in elements], elements) for name in DECADES]
    columns += [np.array([float(e.group == group) for e in elements]) for group in range(1, 19)]
    columns += [np.array([float(e.block == block) for e in elements]) for block in BLOCKS]
    valence = np.array([_valence(e) for e in elements])
    columns += list(valence.T)
    states = np.array([_states(e) for e in elements])
    columns += list(states.T)
    table = np.stack(columns, axis=1)
    known = table[:94]
    table = (table - known.mean(axis=0)) / np.maximum(known.std(axis=0), 1e-6)
    return _below_first(np.clip(table, -4.0, 4.0))


@cache
def one_hot_features() -> Array:
    """(104, d) float32, zeros and ones, row z for the element of atomic number z: the property bins of CGCNN (Xie and
    Grossman, Phys. Rev. Lett. 120, 145301, 2018, table S2): group, period, electronegativity, covalent radius, valence
    electrons, first ionisation energy, electron affinity, block, atomic volume. Radii, affinities and volumes are
    pymatgen's and bins run from their least to their largest."""
    elements = [Element(symbol) for symbol in ELEMENTS]
    groups = [np.array([float(e.group == group) for e in elements]) for group in range(1, 19)]
    periods = [np.array([float(e.row == row) for e in elements]) for row in range(1, 10)]
    electrons = np.array([int(sum(_valence(e)[:4])) for e in elements])
    valence = [(np.clip(electrons, 1, 12) == n).astype(float) for n in range(1, 13)]
    blocks = [np.array([float(e.block == block) for e in elements]) for block in BLOCKS]
    binned = []
    for name, log in (
        ("X", False),
        ("atomic_radius", False),
        ("ionization_energy", True),
        ("electron_affinity", False),
        ("molar_volume", True),
    ):
        read = [_read(e, name) for e in elements]
        values = _filled([_log(x) for x in read] if log else read, elements)
        edges = np.linspace(values.min(), values.max(), 11)[1:-1]
        binned += list((np.digitize(values, edges)[:, None] == np.arange(10)).astype(float).T)
    return _below_first(np.stack(groups + periods + valence + blocks + binned, axis=1))


def _below_first(table: Array) -> Array:
    out: Array = np.concatenate([np.zeros((1, table.shape[1])), table]).astype(np.float32)
    out.setflags(write=False)
    return out


def _read(element: Element, name: str) -> float:
    """NaN where pymatgen's table has no value: it answers None, or has no such key for heavy elements."""
    with warnings.catch_warnings():  # it warns of every value that it lacks
        warnings.simplefilter("ignore")
        try:
            value = getattr(element, name)
        except KeyError:
            value = None
    return float("nan") if value is None else float(value)


def _log(value: float) -> float:
    return float(np.log10(value)) if value > 0 else float("nan")


def _filled(values: list[float], elements: list[Element]) -> Array:
    out = np.array(values)
    groups = np.array([e.group for e in elements])
    known = np.flatnonzero(np.isfinite(out))
    filled = out.copy()
    for place in np.flatnonzero(~np.isfinite(out)):
        kin = known[groups[known] == groups[place]]
        source = kin if len(kin) else known
        nearest = source[np.argsort(np.abs(source - place), kind="stable")[:2]]
        filled[place] = out[nearest].mean()
    return filled


def _valence(element: Element) -> list[float]:
    """Electrons in the outermost s, p, d and f shells that are not closed cores, then the holes in them."""
    outer: dict[str, int] = {}
    left = element.Z - max(core for core in NOBLE if core < element.Z)
    for _, shell, count in reversed(element.full_electronic_structure):
        if left > 0:
            outer[shell] = outer.get(shell, 0) + min(count, left)
            left -= count
    electrons = [float(outer.get(shell, 0)) for shell in BLOCKS]
    holes = [float(SHELL[s] - outer[s]) if s in outer else 0.0 for s in BLOCKS]
    return electrons + holes


def _states(element: Element) -> list[float]:
    """Lowest, highest and number of the common oxidation states; zeros where there are none."""
    states = element.common_oxidation_states
    return [float(min(states)), float(max(states)), float(len(states))] if states else [0.0, 0.0, 0.0]
