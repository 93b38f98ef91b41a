"""The labels kept: one address for one question, nothing half-written, nothing wrong believed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from campaigns.structure import Structure
from drivers.labelers.cache import CorruptEntry, LabelCache, label_key, structure_key
from drivers.labelers.job import Ended, Method
from drivers.protocol import Attribution
from tests.drivers.labelers.laboratory import COPPER, diamond

METHOD = Method("code", "1", "by hand", "potential", {"cutoff": 350.0}, "a:B", {"interpreter": "/here"})
ENDED = Ended({"energy": -1.25}, {"forces": [[0.0, 1e-17, 0.1]]}, lasting=True)
FAILED = Ended(
    record={"attempts": []}, attribution=Attribution.INSTRUMENT, reason="not converged", lasting=True
)


def key(**changes: Any) -> str:
    asked: dict[str, Any] = {
        "structure": COPPER, "verb": "energy", "arguments": {}, "method": METHOD, "labeler": "1",
    }  # fmt: skip
    return label_key(**asked | changes)


@pytest.mark.parametrize("structure", [COPPER, diamond("Si", 5.43)])
def test_the_key_of_a_structure_is_the_one_that_campaigns_give_it(structure: dict[str, Any]) -> None:
    assert structure_key(structure) == Structure.from_json(structure).key
    moved = {**structure, "frac": [[x + 4e-7 for x in row] for row in structure["frac"]]}
    assert structure_key(moved) == structure_key(structure) == structure_key({**structure, "magmoms": [1.0]})
    signed = {**structure, "lattice": [[x or -0.0 for x in row] for row in structure["lattice"]]}
    assert structure_key(signed) == structure_key(structure)


@pytest.mark.parametrize(
    "changes",
    [
        {"structure": {**COPPER, "frac": [[1e-5, 0, 0]]}},
        {"structure": {**COPPER, "species": ["Ag"]}},
        {"structure": {**COPPER, "magmoms": [0.5]}},
        {"verb": "relax"},
        {"arguments": {"fmax": 0.05}},
        {"method": replace(METHOD, code="other")},
        {"method": replace(METHOD, version="2")},
        {"method": replace(METHOD, settings={"cutoff": 351.0})},
        {"labeler": "2"},
    ],
)
def test_what_a_label_depends_on_is_in_its_key(changes: dict[str, Any]) -> None:
    assert key(**changes) != key()


def test_what_it_does_not_depend_on_is_not() -> None:
    assert key(method=replace(METHOD, places={"interpreter": "/there"}, note="new")) == key()


@pytest.mark.parametrize("ended", [ENDED, FAILED])
def test_what_was_kept_comes_back_in_another_process_too(tmp_path: Path, ended: Ended) -> None:
    assert LabelCache(tmp_path).get(key()) is None
    LabelCache(tmp_path).put(key(), ended)
    assert LabelCache(tmp_path).get(key()) == ended
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [LabelCache(tmp_path).path(key())]


def test_every_changed_or_missing_byte_is_found_out(tmp_path: Path) -> None:
    cache = LabelCache(tmp_path)
    cache.put(key(), ENDED)
    path = cache.path(key())
    good = path.read_bytes()
    for i in range(len(good)):
        path.write_bytes(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
        with pytest.raises(CorruptEntry):
            cache.get(key())
        path.write_bytes(good[:i])
        with pytest.raises(CorruptEntry):
            cache.get(key())
    cache.put(key(), ENDED)
    assert cache.get(key()) == ENDED


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = LabelCache(tmp_path)
    cache.put(key(), ENDED)

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        cache.put(key(), FAILED)
    assert cache.get(key()) == ENDED
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_label_that_is_no_number_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        LabelCache(tmp_path).put(key(), Ended({"energy": math.nan}))


def test_a_folder_that_cannot_be_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="exists"):
        LabelCache(tmp_path / "file")
