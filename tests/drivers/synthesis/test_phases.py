"""Tables of phases are read as they are meant, and refused in clear words."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from drivers.errors import SettingsError
from drivers.sim.synthesis.phases import System, read_system

SALT = {
    "formula": "NaCl", "e_form_corr": -2.1, "e_above_hull": 0.0, "species": ["Na", "Cl"],
    "lattice": [[0, 2.82, 2.82], [2.82, 0, 2.82], [2.82, 2.82, 0]], "frac": [[0, 0, 0], [0.5, 0.5, 0.5]],
}  # fmt: skip


def table(path: Path, *rows: object) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return str(path)


def test_of_each_formula_the_lowest_polymorph_near_the_hull(tmp_path: Path) -> None:
    worse = {**SALT, "e_form_corr": -2.0, "e_above_hull": 0.02}
    far = {**SALT, "formula": "Na3Cl", "e_above_hull": 0.1}
    gas = {**SALT, "formula": "Cl2", "species": ["Cl", "Cl"], "e_form_corr": 0.0}
    system = read_system(table(tmp_path / "t.jsonl", worse, SALT, far, gas))
    assert system.formulas == ("NaCl",) and system.elements == ("Cl", "Na")
    salt = system.phase("NaCl")
    assert salt.energy == -2.1 and dict(salt.counts) == {"Cl": 1, "Na": 1}
    assert salt.volume == pytest.approx(2.82**3) and salt.mass == pytest.approx(58.44 / 2, abs=0.01)
    assert salt.reduced_mass == pytest.approx(22.99 * 35.45 / (22.99 + 35.45), rel=1e-3)
    with pytest.raises(KeyError, match="no phase 'KCl'; it has NaCl"):
        system.phase("KCl")


def test_the_materials_project_s_systems_are_read(fe_li_o_p: System, cl_mn_na_o_y: System) -> None:
    assert len(fe_li_o_p.phases) == 80 and fe_li_o_p.elements == ("Fe", "Li", "O", "P")
    assert len(cl_mn_na_o_y.phases) == 57
    assert not {"O2", "Cl2", "ClO2"} & set(cl_mn_na_o_y.formulas)
    assert dict(fe_li_o_p.phase("Fe(PO3)3").counts) == {"Fe": 1, "O": 9, "P": 3}


def test_a_bad_table_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--table PATH"):
        read_system(None)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_system(str(tmp_path / "absent.jsonl.gz"))
    (tmp_path / "t.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_system(str(tmp_path / "t.jsonl.gz"))
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress(b"\n"))
    with pytest.raises(SettingsError, match="no solid within"):
        read_system(str(tmp_path / "e.jsonl.gz"))


@pytest.mark.parametrize(
    "change",
    [{"lattice": [1, 2]}, {"species": ["Na", "Qq"]}, {"species": []}, {"e_form_corr": None}, {"frac": [[0, 0, 0]]},
     {"e_form_corr": float("nan")}, {"lattice": [[0, 0, 0]] * 3}],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="line 2"):
        read_system(table(tmp_path / "t.jsonl", SALT, {**SALT, **change}))
