"""Moduli of a table: what follows from them is what the surrogate's formulas say, and a bad table is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.clock import VirtualClock
from drivers.driver import Attribution, LabContext
from drivers.errors import SettingsError
from drivers.mechanics import strength
from drivers.protocol import Action, Outcome
from drivers.sim.elastic_table import ElasticTable
from surrogates.materials.mechanics import fracture_toughness, hardness, poisson_ratio, young_modulus

TITANIUM_NITRIDE = {
    "id": "mp-492",
    "lattice": [[0, 2.1266, 2.1266], [2.1266, 0, 2.1266], [2.1266, 2.1266, 0]],
    "species": ["Ti", "N"],
    "frac": [[0, 0, 0], [0.5, 0.5, 0.5]],
    "k_vrh": 278.5,
    "g_vrh": 191.6,
}
gpa = st.floats(0.01, 1000)


@given(bulk=gpa, shear=gpa, volume=st.floats(2, 200))
def test_the_formulas_are_those_of_the_surrogate(bulk: float, shear: float, volume: float) -> None:
    found = strength(bulk, shear, volume)
    assert found.poisson_ratio == pytest.approx(float(poisson_ratio(bulk, shear)), rel=1e-9, abs=1e-12)
    assert found.young_modulus == pytest.approx(float(young_modulus(bulk, shear)))
    assert found.hardness == pytest.approx(float(hardness(bulk, shear).value))
    assert found.toughness == pytest.approx(float(fracture_toughness(bulk, shear, volume).value))


def test_moduli_that_no_stable_solid_has_are_refused() -> None:
    for numbers in ((0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 0.0), (float("nan"), 1.0, 1.0)):
        with pytest.raises(ValueError, match="above 0"):
            strength(*numbers)


def device(path: Path, *rows: Any, **settings: Any) -> ElasticTable:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    made = ElasticTable.Settings.model_validate({"table": str(path), **settings})
    return ElasticTable("calculator", made, LabContext(VirtualClock(), None, 0, path.parent))


async def ask(calculator: ElasticTable, id: str) -> Outcome:
    return await calculator.act(
        Action(id="a", device="calculator", verb="elastic", args={"material": id}, epoch=1)
    )


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
async def test_a_label_is_what_the_table_says_and_what_follows(tmp_path: Path, name: str) -> None:
    calculator = device(tmp_path / name, TITANIUM_NITRIDE, "", {**TITANIUM_NITRIDE, "id": "other"})
    outcome = await ask(calculator, "mp-492")
    assert outcome.status == "succeeded"
    got = {name: (reading.value, reading.unit) for name, reading in outcome.readings.items()}
    assert got["bulk_modulus"] == (278.5, "GPa") and got["shear_modulus"] == (191.6, "GPa")
    # Reference table of Mazhnik and Oganov's formulas over the Materials Project's moduli, to its last digits.
    assert got["hardness"] == (pytest.approx(22.2, abs=0.06), "GPa")
    assert got["toughness"] == (pytest.approx(3.85, abs=0.006), "MPa*m^0.5")
    volume = abs(np.linalg.det(TITANIUM_NITRIDE["lattice"])) / 2
    assert volume == pytest.approx(9.62, abs=0.01)
    assert calculator.lab.clock.now() == calculator.spec.actions["elastic"].takes_s == 14400.0
    missing = await ask(calculator, "mp-1")
    assert missing.attribution is Attribution.INFEASIBLE and "no crystal 'mp-1'" in missing.reason


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in TITANIUM_NITRIDE.items() if name != key}


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ((), "no rows"),
        (("{",), "no JSON-lines table"),
        (("3",), "row 1: wanted 'id', got 3"),
        ((without("k_vrh"),), "row 1: wanted 'k_vrh'"),
        ((TITANIUM_NITRIDE, TITANIUM_NITRIDE), "row 2: wanted an id of its own"),
        (({**TITANIUM_NITRIDE, "g_vrh": -1.0},), "row 1 .*above 0"),
        (({**TITANIUM_NITRIDE, "g_vrh": float("nan")},), "finite number in 'g_vrh'"),
        (({**TITANIUM_NITRIDE, "lattice": [[1, 0, 0]]},), "row 1 .mp-492."),
        ((without("species"),), "no 'species'"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, rows: tuple[Any, ...], what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        device(tmp_path / "table.jsonl", *rows)


def test_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no table is bound"):
        ElasticTable.describe(ElasticTable.Settings())
    with pytest.raises(SettingsError, match="cannot be read"):
        ElasticTable.describe(ElasticTable.Settings(table=str(tmp_path / "none.jsonl")))
    (tmp_path / "table.jsonl.gz").write_bytes(b"plain")
    with pytest.raises(SettingsError, match="no JSON-lines table"):
        ElasticTable.describe(ElasticTable.Settings(table=str(tmp_path / "table.jsonl.gz")))
