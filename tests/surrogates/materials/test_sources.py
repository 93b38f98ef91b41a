"""Structures from files: what is read, what is refused by name, what stops the reading."""

from __future__ import annotations

import csv
import gzip
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pymatgen", reason="needs the extra `materials`")

from surrogates.materials.errors import SourceError
from surrogates.materials.sources import Read, read
from surrogates.materials.sources.cif import structure_of_cif

CIFS = Path(__file__).parent / "data" / "cifs"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "materials"
ROCKSALT = {
    "lattice": [[0.0, 2.8, 2.8], [2.8, 0.0, 2.8], [2.8, 2.8, 0.0]],
    "species": ["Na", "Cl"],
    "frac": [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]],
}


CESIUM = """data_CsCl
_symmetry_space_group_name_H-M   'P 1'
_cell_length_a   4.12
_cell_length_b   4.12
_cell_length_c   4.12
_cell_angle_alpha   90
_cell_angle_beta    90
_cell_angle_gamma   90
loop_
 _atom_site_label
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 Cs 0 0 0
 Cl 0.5 0.5 0.5
"""


def row(name="a", **changes):
    return {"id": name, **ROCKSALT, **changes}


def lines(folder: Path, *rows, name="pool.jsonl") -> Path:
    path = folder / name
    path.write_text(
        "\n".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in rows)
    )
    return path


def codes(found: Read) -> list[str]:
    return [refused.code for refused in found.refused]


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no shared data: {path}")
    return path


def test_json_lines(tmp_path):
    path = lines(
        tmp_path, row(values={"gap": 5}, source="a\u2028book"), "", row("b", species=["K", "Cl"], values=None)
    )
    found = read(path)
    assert [(one.id, one.source, dict(one.values)) for one in found] == [
        ("a", "a\u2028book", {"gap": 5.0}),
        ("b", path.name, {}),
    ]
    assert found[0].structure.to_json() == ROCKSALT
    zipped = tmp_path / "pool.jsonl.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert [one.structure for one in read(zipped)] == [one.structure for one in found]


def test_columns_are_chosen_by_name(tmp_path):
    path = lines(tmp_path, row(e_form=-1.5, values={"gap": 5.0}), row("b", species=["K", "Cl"], e_form=None))
    found = read(path, values={"energy": "e_form", "gap_eV": "gap"})
    assert [dict(one.values) for one in found] == [{"energy": -1.5, "gap_eV": 5.0}, {}]
    assert read(f"{path}{{energy=e_form,gap_eV=gap}}") == found
    for wrong in ("{energy}", "{}", "{=e_form}", "{a=gap,a=e_form}"):
        with pytest.raises(SourceError, match="wanted reading=column"):
            read(f"{path}{wrong}")
    with pytest.raises(SourceError, match="once"):
        read(f"{path}{{energy=e_form}}", values={"energy": "e_form"})
    with pytest.raises(SourceError, match=r"wanted the column 'eform'.*did you mean 'e_form'"):
        read(path, values={"energy": "eform"})


BAD = {
    "not json": ("{", "unreadable"),
    "no mapping": ("[1]", "unreadable"),
    "nothing there": ({"id": "x"}, "unreadable"),
    "no cell": (row("x", species=[], frac=[]), "empty"),
    "unknown": (row("x", species=["Na", "Xq"]), "unknown-element"),
    "shared site": (row("x", species=["Na", {"Cl": 0.5, "Br": 0.5}]), "partial-occupancy"),
    "one place": (row("x", frac=[[0, 0, 0], [0.01, 0, 0]]), "overlap"),
    "alone": (
        row("x", lattice=[[9, 0, 0], [0, 9, 0], [0, 0, 9]], species=["He"], frac=[[0, 0, 0]]),
        "isolated",
    ),
    "flat": (row("x", lattice=[[1, 0, 0], [2, 0, 0], [0, 0, 9]]), "unreadable"),
    "NaN place": (json.dumps(row("x", frac=[[0, 0, 0], [math.nan, 0, 0]])), "unreadable"),
    "count": (row("x", frac=[[0, 0, 0]]), "unreadable"),
    "NaN value": (json.dumps(row("x", values={"gap": math.nan})), "not-finite"),
    "infinite": ('{"id": "x", "values": {"gap": 1e999}, ' + json.dumps(ROCKSALT)[1:], "not-finite"),
    "text value": (row("x", values={"gap": "5 eV"}), "not-a-number"),
    "huge value": (row("x", values={"gap": 10**400}), "not-finite"),
    "far apart": (row("x", lattice=[[1e5, 0, 0], [0, 3, 0], [0, 0, 3]]), "unreadable"),
    "thin": (row("x", lattice=[[0.01, 0, 0], [0, 9, 0], [0, 0, 9]]), "overlap"),
    "truth value": (row("x", values={"gap": True}), "not-a-number"),
    "no id": (row(None), "bad-id"),
    "empty id": (row(" "), "bad-id"),
    "breaking id": (row("a\nb"), "bad-id"),
    "absurd": (row("x", values={"energy": 1e5}), "absurd"),
    "absurd, of elements of its own": (row("x", species=["K", "Br"], values={"energy": 1e5}), "absurd"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_refused_and_the_others_are_read(case, tmp_path):
    bad, code = BAD[case]
    path = lines(tmp_path, row("good", values={"energy": -3.0}), bad)
    found = read(path)
    assert [one.id for one in found] == ["good"] and codes(found) == [code]
    assert found.refused[0].where == f"{path}:2" and found.refused[0].reason
    assert code in found.summary()


def test_too_many_atoms(tmp_path):
    n = 8
    places = [[i / n, j / n, k / n] for i in range(n) for j in range(n) for k in range(n)]
    cell = [[2.5 * n, 0, 0], [0, 2.5 * n, 0], [0, 0, 2.5 * n]]
    huge = {"id": "huge", "lattice": cell, "species": ["Fe"] * n**3, "frac": places}
    endless = {"id": "endless", "lattice": cell, "species": ["Fe"] * 1500, "frac": [[0, 0, 0]] * 1500}
    path = lines(tmp_path, row(), huge, endless)
    assert codes(read(path)) == ["too-large", "too-large"]
    assert [one.id for one in read(path, max_atoms=512)] == ["a", "huge"]


def test_an_id_twice_names_both_places(tmp_path):
    path = lines(tmp_path, row(), row("b"), row())
    with pytest.raises(SourceError) as said:
        read(path)
    assert f"{path}:3" in str(said.value) and f"{path}:1" in str(said.value) and "Cure" in str(said.value)


def test_the_same_crystal_twice_is_counted(tmp_path):
    found = read(lines(tmp_path, row(), row("b"), row("c", species=["K", "Cl"])))
    assert len(found) == 3 and found.duplicates == {"b": "a"} and "1 of them the same" in found.summary()


def test_an_absurd_energy_is_told_from_a_code_with_core_electrons(tmp_path):
    """All-electron totals are thousands of eV, but the same for an element wherever it is."""
    worth = {"Na": -4400.0, "K": -16300.0, "Cl": -12500.0, "Br": -70000.0}
    rows = []
    for k in range(12):
        metal, halogen = ("Na", "K")[k % 2], ("Cl", "Br")[k // 2 % 2]
        energy = 0.5 * (worth[metal] + worth[halogen]) - 0.1 * k + (60.0 if k == 5 else 0.0)
        rows.append(row(f"s{k}", species=[metal, halogen], values={"energy": energy}))
    found = read(lines(tmp_path, *rows))
    assert [(one.id, one.code) for one in found.refused] == [("s5", "absurd")]
    assert not read(lines(tmp_path, *rows), energies=()).refused


def test_a_column_that_is_no_energy_per_atom_stops_the_reading(tmp_path):
    rows = [row(f"s{k}", values={"energy": (-1.0) ** k * 1e4 * k}) for k in range(8)]
    with pytest.raises(SourceError, match="no energies in eV per atom"):
        read(lines(tmp_path, *rows))


def test_a_folder_of_cifs():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read(CIFS)
    assert {one.id: one.structure.counts for one in found} == {
        "more/two_blocks/CsCl": {"Cl": 1, "Cs": 1},
        "more/two_blocks/alpha-Fe": {"Fe": 2},
        "rocksalt": {"Cl": 4, "Na": 4},
    }
    assert {one.id: one.code for one in found.refused} == {
        "corrupt": "unreadable",
        "mixed_site": "partial-occupancy",
        "not_a_cif": "unreadable",
        "unknown_element": "unknown-element",
    }
    assert all(str(CIFS) in one.where for one in found.refused)
    assert found[0].source == "cifs/more/two_blocks.cif"  # the same on every machine


def test_symmetry_of_a_cif_is_carried_out():
    [only] = read(CIFS / "rocksalt.cif")
    structure = only.structure
    assert structure.volume == pytest.approx(5.69**3)
    sodium = {tuple(x) for x, s in zip(structure.frac, structure.species, strict=True) if s == "Na"}
    assert sodium == {(0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)}


def test_a_cif_that_contradicts_itself_is_refused():
    text = (CIFS / "rocksalt.cif").read_text()
    for change, said in (
        (("'Na4 Cl4'", "'Na4 Cl4 O2'"), "formula"),
        (("'Na4 Cl4'", "'Na8 Cl4'"), "formula"),
        (("'F m -3 m'", "'F q q q'"), "space group"),
        (("'Na4 Cl4'", "'Na4 Cl4'\n_cell_formula_units_Z 1"), None),
    ):
        if said is None:
            bare = text.replace("_symmetry_space_group_name_H-M   'F m -3 m'\n", "").replace(*change)
            with pytest.raises(ValueError, match="no symmetry is given"):
                structure_of_cif(bare)
        else:
            with pytest.raises(ValueError, match=said):
                structure_of_cif(text.replace(*change))


def test_csv_with_cifs(tmp_path):
    text = CESIUM
    other = text.replace("4.12", "4.20")
    path = tmp_path / "t.csv"
    path.write_text(
        f'material_id,cif,formula,gap,heat\n7,"{text}",CsCl,5.0,\n8,"{other}",CsCl,,1.5\n9,"x",CsCl,1,1\n',
        "utf-8",
    )
    found = read(path)
    assert [(one.id, dict(one.values)) for one in found] == [("7", {"gap": 5.0}), ("8", {"heat": 1.5})]
    assert codes(found) == ["unreadable"]
    assert [dict(one.values) for one in read(path, values={"E": "heat"})] == [{}, {"E": 1.5}]
    with pytest.raises(SourceError, match=r"wanted the column 'heet'.*heat"):
        read(path, values={"E": "heet"})
    path.write_text("name,gap\na,1\n")
    with pytest.raises(SourceError, match="wanted a column 'cif'"):
        read(path)


def test_pymatgen_json(tmp_path):
    from pymatgen.core import Structure as Crystal
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    crystal = Crystal(ROCKSALT["lattice"], ["Na+", "Cl-"], ROCKSALT["frac"])
    mixed = Crystal(ROCKSALT["lattice"], [{"Na": 0.5, "K": 0.5}, "Cl"], ROCKSALT["frac"]).as_dict()
    entry = ComputedStructureEntry(crystal, -7.0, correction=-1.0, entry_id="mp-1").as_dict()
    plain, path = crystal.as_dict(), tmp_path / "t.json"
    unknown = json.loads(json.dumps(plain).replace('"Cl"', '"Xq"'))
    cases = [
        (plain, ["t"], [{}]),
        ([plain, entry], ["t/0", "mp-1"], [{}, {"energy": -4.0}]),
        ({"x": plain, "y": {"structure": plain, "gap": 5.0}}, ["x", "y"], [{}, {"gap": 5.0}]),
        (
            {"columns": ["s", "gap"], "index": [3, 4], "data": [[plain, 5.0], [mixed, 1.0]]},
            ["3"],
            [{"gap": 5.0}],
        ),
        (
            {"structure": {"0": plain, "1": plain}, "gap": {"0": 5.0, "1": None}},
            ["0", "1"],
            [{"gap": 5.0}, {}],
        ),
        ([row("own"), {"structure": ROCKSALT, "material_id": "mp-2"}], ["own", "mp-2"], [{}, {}]),
    ]
    for data, ids, values in cases:
        path.write_text(json.dumps(data))
        found = read(path)
        assert [one.id for one in found] == ids and [dict(one.values) for one in found] == values
        assert all(one.structure.counts == {"Cl": 1, "Na": 1} for one in found)
    for bad, code in (
        (mixed, "partial-occupancy"),
        (unknown, "unknown-element"),
        ({**plain, "sites": []}, "empty"),
    ):
        path.write_text(json.dumps([plain, bad]))
        assert codes(read(path)) == [code]
    for nothing in ([], {}, 3, [{"gap": 1.0}], {"a": [1]}):
        path.write_text(json.dumps(nothing))
        with pytest.raises(SourceError, match="wanted a pymatgen Structure"):
            read(path)


def test_files_of_other_codes(tmp_path):
    pytest.importorskip("ase", reason="extended xyz is read by ASE")
    poscar = "NaCl\n1.0\n0 2.8 2.8\n2.8 0 2.8\n2.8 2.8 0\nNa Cl\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n"
    (tmp_path / "POSCAR").write_text(poscar)
    (tmp_path / "old.vasp").write_text(poscar.replace("Na Cl\n", ""))
    [only] = read(tmp_path / "POSCAR")
    assert only.structure.to_json() == ROCKSALT and only.id == "POSCAR"
    with pytest.raises(SourceError, match="no elements are named"):
        read(tmp_path / "old.vasp")
    cell = 'Lattice="0 2.8 2.8 2.8 0 2.8 2.8 2.8 0" Properties=species:S:1:pos:R:3 '
    atoms = "Na 0 0 0\nCl 2.8 2.8 2.8\n"
    frames = [
        f'2\n{cell}energy=-6.8 gap=5 pbc="T T T" name=salt\n{atoms}',
        f'2\n{cell}pbc="T T F"\n{atoms}',
        f'2\n{cell}pbc="T T T"\n{atoms.replace("Na", "Xq")}',
        f'2\n{cell}pbc="T T T"\nNa 0 0\nCl 1 1 1\n',
        f'2\n{cell}pbc="T T T"\n{atoms}',
        "five\n",
    ]
    (tmp_path / "run.xyz").write_text("".join(frames))
    found = read(tmp_path / "run.xyz")
    assert [(one.id, dict(one.values)) for one in found] == [
        ("salt", {"energy": -3.4, "gap": 5.0}),
        ("run/4", {}),
    ]
    assert found[0].structure.key == only.structure.key
    assert [one.where.rsplit(":", 1)[1] for one in found.refused] == ["5", "9", "13", "21"]
    assert codes(found)[0] == "unreadable" and len(found.refused) == 4


def test_what_is_no_source_at_all(tmp_path):
    def said(source) -> str:
        with pytest.raises(SourceError) as fault:
            read(source)
        return str(fault.value)

    assert "wanted a file or folder" in said(tmp_path / "nothing.cif")
    assert "wanted a file or folder" in said(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "wanted a folder with .cif files" in said(tmp_path / "empty")
    (tmp_path / "a.docx").write_text("x")
    assert "wanted one of .jsonl" in said(tmp_path / "a.docx")
    assert "optimade:https://x.org" in said("https://x.org")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(row()).encode())[:-9])
    assert "damaged gzip" in said(tmp_path / "cut.jsonl.gz")
    (tmp_path / "latin.jsonl").write_bytes(b"{}\n\xe9")
    assert "latin.jsonl:2: wanted UTF-8" in said(tmp_path / "latin.jsonl")
    assert "empty source" in said(lines(tmp_path, ""))
    assert "2 refused" in said(lines(tmp_path, "{", "["))


def test_a_text_that_is_too_long_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("surrogates.materials.sources.text.MOST_BYTES", 10_000)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 10_001))
    with pytest.raises(SourceError, match="wanted at most"):
        read(path)


def test_the_shared_pools():
    found = read(shared("mp_chemsys_entries/cl_mn_na_o_y.jsonl.gz"), values={"energy": "e_form_corr"})
    assert len(found) == 332 and codes(found) == ["isolated"] and not found.duplicates
    assert all("energy" in one.values for one in found)


def test_the_text_of_a_cif_is_read_to_the_last_digit():
    """Against the numbers in the text itself; pymatgen sorts sites by electronegativity."""
    with gzip.open(shared("perov_5/val.csv.gz"), "rt") as file:
        texts = [one["cif"] for one, _ in zip(csv.DictReader(file), range(40), strict=False)]
    for text in texts:
        structure = structure_of_cif(text)
        sites = [line.split() for line in text.splitlines() if line.startswith("  ") and line.endswith("  1")]
        written = sorted((one[0], *(float(x) % 1.0 for x in one[3:6])) for one in sites)
        found = sorted(
            (symbol, *place) for symbol, place in zip(structure.species, structure.frac, strict=True)
        )
        assert [one[0] for one in found] == [one[0] for one in written] and len(found) == 5
        assert np.allclose([one[1:] for one in found], [one[1:] for one in written], rtol=0.0, atol=2e-8)
        volume = float(text.split("_cell_volume")[1].split()[0])
        assert structure.volume == pytest.approx(volume, rel=1e-6)
