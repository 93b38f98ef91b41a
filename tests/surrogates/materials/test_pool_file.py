"""A pool file is its content: written whole, named by it, read back exactly, refused when changed."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys

import pytest

from campaigns.structure import Structure
from surrogates.materials.errors import ModelFileError, SourceError
from surrogates.materials.pool_file import read_pool, write_pool


class Row:
    def __init__(self, name, edge=5.6, values=None, source="a book", shift=0.0):
        half = edge / 2
        self.id, self.values, self.source = name, values or {}, source
        self.structure = Structure(
            lattice=((0.0, half, half), (half, 0.0, half), (half, half, 0.0)),
            species=("Na", "Cl"),
            frac=((shift, 0.0, 0.0), (0.5, 0.5, 0.5)),
        )


def rows(n=20):
    draw = random.Random(3)
    return [Row(f"x-{k}", 5.0 + draw.random(), {"energy": -draw.random(), "gap": 5}) for k in range(n)]


def test_what_is_read_is_what_was_written(tmp_path):
    made = rows()
    file = write_pool(made, tmp_path / "materials")
    pool = read_pool(file.path, file.digest)
    assert file.n == len(pool) == 20 and pool.ids == tuple(sorted(one.id for one in made))
    for one in made:
        at = pool.place[one.id]
        assert pool.structure(one.id) == one.structure == pool.structures[at]
        assert pool.values[at] == one.values and pool.sources[at] == "a book"
    assert pool.known("gap") == {one.id: 5.0 for one in made} and pool.known("x") == {}
    assert pool.structures[-1] == pool.structures[19] and list(pool.structures)[3:5] == pool.structures[3:5]
    with pytest.raises(IndexError):
        pool.structures[20]
    with pytest.raises(KeyError):
        pool.structure("none")


def test_the_name_is_the_content(tmp_path):
    made = rows()
    file = write_pool(made, tmp_path)
    assert file.path.name == f"{file.digest}.jsonl"
    assert write_pool(reversed(made), tmp_path) == file
    assert write_pool([Row("a", shift=-0.0)], tmp_path).digest == write_pool([Row("a")], tmp_path).digest
    others = [Row("a", 5.6000001), Row("b"), Row("a", values={"gap": 1.0}), Row("a", source="another")]
    assert (
        len(
            {write_pool([one], tmp_path).digest for one in others} | {write_pool([Row("a")], tmp_path).digest}
        )
        == 5
    )


def test_the_digest_does_not_change_between_versions(tmp_path):
    file = write_pool([Row("a", values={"gap": 5}, source="Pörtner")], tmp_path)
    assert json.loads(file.path.read_text("utf-8")) == {
        "frac": [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]],
        "id": "a",
        "lattice": [[0.0, 2.8, 2.8], [2.8, 0.0, 2.8], [2.8, 2.8, 0.0]],
        "source": "Pörtner",
        "species": ["Na", "Cl"],
        "values": {"gap": 5.0},
    }
    assert file.digest.startswith("18aec108df87")


def test_a_changed_file_is_refused(tmp_path):
    file = write_pool(rows(), tmp_path)
    data = file.path.read_bytes()
    for changed in (data[:-1], data.replace(b"Cl", b"Br", 1), b""):
        file.path.write_bytes(changed)
        with pytest.raises(ModelFileError, match="changed or damaged"):
            read_pool(file.path)
        with pytest.raises(ModelFileError, match="changed or damaged"):
            read_pool(file.path, file.digest)
    assert write_pool(rows(), tmp_path) == file and len(read_pool(file.path)) == 20
    with pytest.raises(ModelFileError):
        read_pool(file.path, "0" * 64)
    named = file.path.rename(tmp_path / "salts.jsonl")
    assert read_pool(named).digest == file.digest == read_pool(named, file.digest).digest
    with pytest.raises(SourceError, match="wanted a pool file"):
        read_pool(tmp_path / "none.jsonl")


def test_a_file_that_is_no_pool_is_refused(tmp_path):
    import hashlib

    for data in (b"[]\n", b"{}\n", b"\xff", b"{"):
        path = tmp_path / f"{hashlib.sha256(data).hexdigest()}.jsonl"
        path.write_bytes(data)
        with pytest.raises(SourceError, match="no pool file"):
            read_pool(path)
    data = b'{"id":"a"}\n'
    path = tmp_path / f"{hashlib.sha256(data).hexdigest()}.jsonl"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=":1: wanted lattice, species and frac"):
        read_pool(path).structures[0]


def test_bad_rows_write_nothing(tmp_path):
    for bad, what in (
        ([], "at least one"),
        ([Row("a"), Row("a")], "twice"),
        ([Row("a", values={"E": math.nan})], "E"),
    ):
        with pytest.raises(SourceError, match=what):
            write_pool(bad, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_pool(rows(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_structures_are_made_only_when_asked_for(tmp_path, monkeypatch):
    """Ten thousand rows are read at once where ids are all that is needed."""
    pool = read_pool(write_pool(rows(), tmp_path).path)
    made = []
    real = Structure.from_json.__func__
    monkeypatch.setattr(
        Structure, "from_json", classmethod(lambda cls, data: made.append(1) or real(cls, data))
    )
    assert len(pool.ids) == 20 and not made
    assert pool.structures[2] is pool.structures[2] and len(made) == 1


def test_reading_a_pool_needs_no_numerical_library():
    code = "import sys, surrogates.materials.pool_file; print({'numpy', 'torch', 'pymatgen', 'ase'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"
