"""Everything here needs ASE and pymatgen; worker processes find the tests' own code."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ase", reason="labelers need the extra 'materials'")
pytest.importorskip("pymatgen.core", reason="labelers need the extra 'materials'")

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def workers_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
