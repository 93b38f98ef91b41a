"""Units: conversions with offsets, refusals, and the everyday table held against pint."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from campaigns import units
from campaigns.units import UnitError, convert, known, parse_quantity, same_dimension


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (25.0, "degC", "K", 298.15),
        (25.0, "°C", "K", 298.15),
        (300.0, "K", "degC", 26.85),
        (212.0, "degF", "K", 373.15),
        (2000.0, "rpm", "rad/s", 2000 * 2 * math.pi / 60),
        (12.0, "h", "s", 43200.0),
        (2.0, "d", "s", 172800.0),
        (10.0, "degC/min", "K/s", 1 / 6),
        (1.0, "M", "mol/m^3", 1000.0),
        (1.0, "mol/L", "M", 1.0),
        (1.0, "cm^2/V/s", "m^2/V/s", 1e-4),
        (1.0, "S/cm", "S/m", 100.0),
        (60.0, "uL/min", "mL/h", 3.6),
        (1.0, "GPa", "Pa", 1e9),
        (1.0, "eV", "J", 1.602176634e-19),
        (5.0, "mol %", "", 0.05),
        (5.0, "%", "mol %", 5.0),
        (1.0, "inch", "mm", 25.4),
        (180.0, "deg", "rad", math.pi),
        (7.0, "", "", 7.0),
    ],
)
def test_conversions(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "to"),
    [
        ("m", "K"),
        ("mol %", "wt %"),
        ("rpm", "Hz"),
        ("deg", "%"),
        ("deg", ""),
        ("degC", "s"),
        ("m", ""),
        ("nonsense", "K"),
        ("K", "nonsense"),
    ],
)
def test_what_is_not_alike_is_refused(unit: str, to: str) -> None:
    with pytest.raises(UnitError):
        convert(1.0, unit, to)


def test_infinity_is_no_result() -> None:
    with pytest.raises(UnitError):
        convert(1e308, "GPa", "Pa")


@pytest.mark.parametrize(
    "unit",
    [
        "rpm",
        "degC",
        "°C",
        "K",
        "%",
        "cm^2/V/s",
        "S/cm",
        "uL/min",
        "mL",
        "M",
        "mol/L",
        "eV",
        "GPa",
        "nm",
        "mol %",
    ],
)
def test_the_units_of_the_laboratory_are_known(unit: str) -> None:
    assert known(unit) and same_dimension(unit, unit)


@pytest.mark.parametrize(
    "unit",
    [
        "m**9**9**9",
        "m^99999",
        "(" * 50,
        "__import__('os')",
        "m" * 1000,
        "1e9",
        "m;m",
        "lambda: 0",
        "x.y",
        "\n",
        "5",
    ],
)
def test_a_unit_is_never_computed(unit: str) -> None:
    assert not known(unit)
    with pytest.raises(UnitError):
        convert(1.0, unit, "m")


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("2000 rpm", 2000.0, "rpm"),
        ("1e3 s", 1000.0, "s"),
        ("-4.5 degC", -4.5, "degC"),
        ("25°C", 25.0, "°C"),
        ("5 %", 5.0, "%"),
        ("5%", 5.0, "%"),
        (" 3  mol % ", 3.0, "mol %"),
        ("7", 7.0, ""),
        (".5 J/(kg*K)", 0.5, "J/(kg*K)"),
    ],
)
def test_quantities(text: str, value: float, unit: str) -> None:
    assert parse_quantity(text) == (value, unit)


@pytest.mark.parametrize(
    "text", ["", "rpm", "2000 rpmm", "1.5.2 s", "1e400 s", "- 5 s", "5 " + "m" * 200, "nan s", "inf"]
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(UnitError):
        parse_quantity(text)


def test_the_everyday_table_is_what_pint_says() -> None:
    table = units.everyday()
    for unit, (dimension, factor, offset) in units.snapshot(table).items():
        assert table[unit] == (dimension, pytest.approx(factor, rel=1e-14), pytest.approx(offset, rel=1e-14))


def test_everyday_conversions_agree_with_pint() -> None:
    table = units.everyday()
    for unit in table:
        for to in table:
            if same_dimension(unit, to):
                assert convert(3.7, unit, to) == pytest.approx(units._by_pint(3.7, unit, to), rel=1e-12)


_PINT_FREE = """
import sys
from campaigns.load import load
from campaigns.units import convert
load("thin_film")
convert(2000, "rpm", "rad/s")
heavy = {"pint", "numpy", "scipy", "torch", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""


def test_everyday_campaigns_load_neither_pint_nor_numpy() -> None:
    subprocess.run([sys.executable, "-c", _PINT_FREE], check=True, timeout=60)


@pytest.mark.parametrize("broken", ["a file where the folder should be", "a cache that is no cache"])
def test_units_work_without_a_usable_cache(broken: str, tmp_path: Path) -> None:
    cache = tmp_path / "alquimia"
    if broken.startswith("a file"):
        cache.write_text("not a folder")
    script = "from campaigns.units import convert; assert convert(1, 'furlong', 'm') > 200"
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    run = [sys.executable, "-W", "error", "-c", script]
    subprocess.run(run, check=True, timeout=60, env=environment)
    if broken.startswith("a cache"):
        pickles = list(cache.rglob("*.pickle"))
        assert pickles
        for pickle in pickles:
            pickle.write_bytes(b"\x80\x04torn")
        subprocess.run(run, check=True, timeout=60, env=environment)
