"""Units of measurement, by pint. Text in, floats out: nothing else in the project knows pint.

pint takes longer to import and to build its registry than everything else of a validation together. So the
everyday units come from `everyday_units.json`, a table that pint itself made (`snapshot`) and a test holds
against it; pint is loaded when any other unit is met, with its own cache in the user's cache directory.
Absolute temperatures convert with their offset (25 degC = 298.15 K).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from campaigns.errors import Path, Problem, did_you_mean

if TYPE_CHECKING:
    from pint import UnitRegistry

# Of what a percentage is one: numbers on different bases are no more alike than a length and a time.
BASES = ("mol", "wt", "at", "vol")

_ANGLE = re.compile(
    r"(?<![A-Za-z])(?:[mµu]?rad|radians?|deg|degrees?|rpm|rps|revolutions?(?:_per_(?:minute|second))?|turns?|cycles?"
    r"|arcmin(?:ute)?s?|arcsec(?:ond)?s?)(?![A-Za-z])|°(?!C|F)"
)
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
def everyday() -> Mapping[str, tuple[str, float, float]]:
    """The units that need no pint: name -> (dimension, factor, offset); base value = factor * value + offset."""
    text = (FilePath(__file__).parent / "everyday_units.json").read_text(encoding="utf-8")
    return {unit: (str(row[0]), float(row[1]), float(row[2])) for unit, row in json.loads(text).items()}


def snapshot(units: Iterable[str]) -> dict[str, tuple[str, float, float]]:
    """What `everyday_units.json` holds, made by pint for the units given."""
    table = {}
    for unit in units:
        parsed = _parsed(unit)
        one, zero = (_registry().Quantity(number, parsed).to_base_units().magnitude for number in (1.0, 0.0))
        table[unit] = (str(parsed.dimensionality), float(one - zero) if zero else float(one), float(zero))
    return table


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
def _parsed(unit: str) -> Any:
    """The pint unit. Raises UnitError for whatever pint cannot read."""
    basis_less = _split(unit)[1]
    if not unit:
        return _registry().Unit("dimensionless")
    if len(unit) > _LONGEST_UNIT or not _UNIT.fullmatch(unit.strip()):
        raise UnitError(f"{unit[:40]!r} is not a unit")
    import pint

    try:
        return _registry().parse_units(basis_less)
    except (pint.PintError, ValueError, TypeError, ArithmeticError, AttributeError, KeyError) as error:
        raise UnitError(f"unknown unit {unit[:40]!r}; {did_you_mean(unit, everyday())}") from error


@lru_cache(maxsize=4096)
def known(unit: str) -> bool:
    """Whether the unit can be read. The empty text is the unit of plain numbers."""
    if not unit or unit in everyday():
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
    table = everyday()
    if unit in table and to in table:
        (_, factor, offset), (_, factor_to, offset_to) = table[unit], table[to]
        result = (float(value) * factor + (offset - offset_to)) / factor_to
    else:
        result = _by_pint(float(value), unit, to)
    if result - result != 0:
        raise UnitError(f"{value} {unit} is not a finite number of {to}")
    return result


@lru_cache(maxsize=4096)
def same_dimension(a: str, b: str) -> bool:
    """Whether numbers in `a` can be converted to `b`. Raises UnitError where one of them is unknown."""
    if a == b and known(a):
        return True
    table = everyday()
    if a in table and b in table:
        alike = table[a][0] == table[b][0]
    else:
        alike = bool(_parsed(a).dimensionality == _parsed(b).dimensionality)
    basis_a, basis_b = _split(a)[0], _split(b)[0]
    # To pint an angle is a plain number, which makes 60 rpm 6.28 Hz and 1 deg 1.7 %.
    alike = alike and bool(_ANGLE.search(a)) == bool(_ANGLE.search(b))
    return alike and (not basis_a or not basis_b or basis_a == basis_b)


def _by_pint(value: float, unit: str, to: str) -> float:
    import pint

    try:
        return float(_registry().Quantity(value, _parsed(unit)).to(_parsed(to)).magnitude)
    except (pint.PintError, ArithmeticError) as error:
        raise UnitError(f"{unit} cannot be converted to {to}: {error}") from error


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
        raise UnitError(f"unknown unit {unit[:40]!r} in {text[:40]!r}; {did_you_mean(unit, everyday())}")
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
        cure=did_you_mean(unit, everyday()) or "write it as in 'cm^2/V/s', '%', 'uL/min'",
    )
