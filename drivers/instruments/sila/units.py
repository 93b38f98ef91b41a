"""Units as SiLA 2 writes them: a factor and an offset to SI base units. Units that are not here are said in words."""

from __future__ import annotations

# Unit -> (factor, offset, SI base unit, exponent): value in SI = factor * value + offset.
UNITS = {
    "K": (1.0, 0.0, "Kelvin", 1),
    "degC": (1.0, 273.15, "Kelvin", 1),
    "s": (1.0, 0.0, "Second", 1),
    "min": (60.0, 0.0, "Second", 1),
    "h": (3600.0, 0.0, "Second", 1),
    "m": (1.0, 0.0, "Meter", 1),
    "mm": (1e-3, 0.0, "Meter", 1),
    "um": (1e-6, 0.0, "Meter", 1),
    "nm": (1e-9, 0.0, "Meter", 1),
    "g": (1e-3, 0.0, "Kilogram", 1),
    "mg": (1e-6, 0.0, "Kilogram", 1),
    "kg": (1.0, 0.0, "Kilogram", 1),
    "A": (1.0, 0.0, "Ampere", 1),
    "mol": (1.0, 0.0, "Mole", 1),
}


def convert(value: float, unit: str, to: str) -> float:
    """`value` in `unit` as a number in `to`. Raises ValueError where this table cannot say."""
    if unit == to:
        return value
    if unit not in UNITS or to not in UNITS or UNITS[unit][2:] != UNITS[to][2:]:
        raise ValueError(f"{value:g} {unit} cannot be converted here; give it in {to}")
    (factor, offset, *_), (factor_to, offset_to, *_) = UNITS[unit], UNITS[to]
    return (value * factor + (offset - offset_to)) / factor_to
