"""Labels of a table of crystals: what the table says, of crystals that have all readings; a bad table is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import VirtualClock
from drivers.driver import Attribution, LabContext
from drivers.errors import SettingsError
from drivers.protocol import Action, Outcome
from drivers.sim.crystal_table import CrystalTable

READINGS = {"last_phonon_peak": "last phdos peak"}
LINES = (
    '{"id": "a", "last phdos peak": 98.5}\n\n{"id": "b", "values": {"last phdos peak": 300}}\n{"id": "c"}\n'
)
PANDAS = json.dumps(
    {
        "index": ["a", "b", 7],
        "columns": ["structure", "last phdos peak"],
        "data": [[{}, 98.5], [{}, 300], [{}, None]],
    }
)


def device(path: Path, text: str, **settings: Any) -> CrystalTable:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    units = {"last_phonon_peak": "1/cm"}
    made = CrystalTable.Settings.model_validate(
        {"table": str(path), "readings": READINGS, "units": units, **settings}
    )
    return CrystalTable("calculator", made, LabContext(VirtualClock(), None, 0, path.parent))


async def ask(calculator: CrystalTable, id: str) -> Outcome:
    return await calculator.act(
        Action(id="a", device="calculator", verb="label", args={"material": id}, epoch=1)
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [("t.jsonl", LINES), ("t.jsonl.gz", LINES), ("t.json", PANDAS), ("t.json.gz", PANDAS)],
)
async def test_a_label_is_what_the_table_says(tmp_path: Path, name: str, text: str) -> None:
    calculator = device(tmp_path / name, text)
    for id, value in (("a", 98.5), ("b", 300.0)):
        outcome = await ask(calculator, id)
        reading = outcome.readings["last_phonon_peak"]
        assert outcome.status == "succeeded" and (reading.value, reading.unit) == (value, "1/cm")
    assert calculator.lab.clock.now() == 2 * calculator.spec.actions["label"].takes_s == 2 * 86400.0
    for unknown in ("c", "7"):
        missing = await ask(calculator, unknown)
        assert missing.attribution is Attribution.INFEASIBLE and unknown in missing.reason


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "no table of JSON"),
        ("3", "row 1: wanted a mapping with an id"),
        ('{"id": "a"}', "wanted rows with 'last phdos peak', got none; it has id"),
        (
            '{"id": "a", "last phdos peak": "x"}',
            "row 1 .a.: last_phonon_peak: wanted a finite number, got 'x'",
        ),
        ('{"id": "a", "last phdos peak": NaN}', "finite number, got nan"),
        (
            '{"id": "a", "last phdos peak": 1}\n{"id": "a", "last phdos peak": 2}',
            "row 2: wanted an id of its own",
        ),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        device(tmp_path / "t.jsonl", text)


def test_what_is_no_table_of_that_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="pandas table"):
        device(tmp_path / "t.json", '{"rows": []}')
    with pytest.raises(SettingsError, match="no table is bound"):
        CrystalTable.describe(CrystalTable.Settings(readings=READINGS))
    with pytest.raises(SettingsError, match="cannot be read"):
        CrystalTable.describe(CrystalTable.Settings(readings=READINGS, table=str(tmp_path / "none.jsonl")))
    with pytest.raises(ValueError, match="no such reading"):
        CrystalTable.Settings(readings=READINGS, units={"other": "eV"})
