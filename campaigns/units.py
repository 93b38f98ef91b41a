"""Units of measurement, by pint. Text in, floats out: nothing else in the project knows pint.

The registry costs about 0.2 s to import and build, so it is made only when a unit is met that `EVERYDAY` does
not list, or when numbers must be converted; pint's own cache in the user's cache directory halves that.
Absolute temperatures convert with their offset (25 degC = 298.15 K).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from campaigns.errors import Path, Problem, did_you_mean

if TYPE_CHECKING:
    from pint import UnitRegistry

# Known without asking pint, and the words of 'did you mean'. A test holds each against pint.
EVERYDAY = frozenset(
    "% K degC °C Pa kPa MPa GPa bar mbar s ms min h d rpm Hz kHz rad deg rad/s m cm mm um nm m^2 cm^2 g mg ug kg"
    " L mL uL uL/min mL/min mL/h M mM mol mmol mol/L g/L mg/mL eV meV V mV A mA W J S S/cm S/m ohm"
    " cm^2/V/s K/min K/s J/m^2 MPa*m^0.5 g/cm^3 mm/s ppm".split()
) | {"mol %", "wt %", "at %", "vol %"}
# Of what a percentage is one: numbers on different bases are no more alike than a length and a time.
BASES = ("mol", "wt", "at", "vol")

_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\d.])\s*(\D.*?)?\s*", re.DOTALL)
_BASIS = re.compile(rf"({'|'.join(BASES)})\s?%")
# The whole grammar of a unit. pint reads arithmetic as well (`m**9**9`); a campaign file may not make it compute.
_TERM = r"(?:1|[A-Za-zµμΩÅ°%][\wµμΩÅ°²³⁻¹]*)(?: ?(?:\^|\*\*) ?-?\d{1,2}(?:\.\d)?)?"
_PRODUCT = rf"{_TERM}(?:(?: ?[*/·] ?| ){_TERM})*"
_UNIT = re.compile(rf"(?:{_TERM}|\({_PRODUCT}\))(?:(?: ?[*/·] ?| )(?:{_TERM}|\({_PRODUCT}\)))*", re.ASCII)
_LONGEST_UNIT = 60


class UnitError(ValueError):
    """A unit nobody knows, or a conversion between things that are not alike."""


@lru_cache(maxsize=1)
def _registry() -> UnitRegistry:
    import pickle

    import pint
    import platformdirs

    folder = platformdirs.user_cache_path("alquimia") / "units"
    try:
        return pint.UnitRegistry(cache_folder=folder)
    except (
        OSError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ImportError,
        pickle.PickleError,
    ):
        # No home, a read-only one, or a cache torn by another process: the units are the same without it.
        return pint.UnitRegistry()


@lru_cache(maxsize=4096)
def _split(unit: str) -> tuple[str, str]:
    """A unit as (basis, what pint reads): `mol %` is a percentage on the basis 'mol'."""
    text = unit.strip()
    found = _BASIS.fullmatch(text)
    if found:
        return found[1], "percent"
    # pint reads '%' only in front of nothing else; U+2103 and the two Greek mus are what keyboards give.
    return "", text.replace("℃", "degC").replace("°C", "degC").replace("%", " percent ").strip()


@lru_cache(maxsize=4096)
def _parsed(unit: str) -> object:
    """The pint unit. Raises UnitError for whatever pint cannot read."""
    basis_less = _split(unit)[1]
    if not basis_less:
        return _registry().Unit("dimensionless")
    if len(unit) > _LONGEST_UNIT or not _UNIT.fullmatch(unit.strip()):
        raise UnitError(f"{unit[:40]!r} is not a unit")
    import pint

    try:
        return _registry().parse_units(basis_less)
    except (pint.PintError, ValueError, TypeError, ArithmeticError, AttributeError, KeyError) as error:
        raise UnitError(f"unknown unit {unit[:40]!r}; {did_you_mean(unit, sorted(EVERYDAY))}") from error


@lru_cache(maxsize=4096)
def known(unit: str) -> bool:
    """Whether the unit can be read. The empty text is the unit of plain numbers."""
    if not unit or unit in EVERYDAY:
        return True
    try:
        _parsed(unit)
    except UnitError:
        return False
    return True


def convert(value: float, unit: str, to: str) -> float:
    """`value` in `unit` as a number in `to`. Temperatures are absolute: 0 degC is 273.15 K.

    Raises UnitError where a unit is unknown, the dimensions differ, two percentages have different bases
    (mol % and wt % differ by the molar masses), or the result is not finite.
    """
    if unit == to:
        return float(value)
    if not same_dimension(unit, to):
        raise UnitError(f"{unit or 'a plain number'} cannot be converted to {to or 'a plain number'}")
    import pint

    try:
        result = float(_registry().Quantity(float(value), _parsed(unit)).to(_parsed(to)).magnitude)
    except (pint.PintError, ArithmeticError) as error:
        raise UnitError(f"{unit} cannot be converted to {to}: {error}") from error
    if result - result != 0:
        raise UnitError(f"{value} {unit} is not a finite number of {to}")
    return result


@lru_cache(maxsize=4096)
def same_dimension(a: str, b: str) -> bool:
    """Whether numbers in `a` can be converted to `b`. Raises UnitError where one of them is unknown."""
    if a == b and known(a):
        return True
    first, second = _parsed(a), _parsed(b)
    basis_a, basis_b = _split(a)[0], _split(b)[0]
    if basis_a and basis_b and basis_a != basis_b:
        return False
    return bool(first.dimensionality == second.dimensionality)  # type: ignore[attr-defined]


def parse_quantity(text: str) -> tuple[float, str]:
    """`"2000 rpm"` as (2000.0, "rpm"); `"5"` as (5.0, ""). The unit is known when this returns.

    Raises UnitError for text that is no number with a unit behind it.
    """
    found = _QUANTITY.fullmatch(text) if len(text) <= 100 else None
    if found is None:
        raise UnitError(f"{text[:40]!r} is not a number with a unit")
    value, unit = float(found[1]), (found[2] or "").strip()
    if value - value != 0:
        raise UnitError(f"{text[:40]!r} is not a finite number")
    if not known(unit):
        raise UnitError(
            f"unknown unit {unit[:40]!r} in {text[:40]!r}; {did_you_mean(unit, sorted(EVERYDAY))}"
        )
    return value, unit


def begins_with_number(text: str) -> bool:
    """Whether text is meant as a quantity: it begins with a number and goes on as a unit could."""
    return len(text) <= 100 and _QUANTITY.fullmatch(text) is not None


def unknown_unit(unit: str, at: Path) -> Problem:
    """The problem of a unit that nobody knows, with what may have been meant."""
    return Problem(
        "E214",
        at,
        wanted="a unit of measurement",
        got=repr(unit[:60]),
        cure=did_you_mean(unit, sorted(EVERYDAY)) or "write it as in 'cm^2/V/s', '%', 'uL/min'",
    )
