"""Two chemical systems of the Materials Project, from the data folder beside the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.sim.synthesis.phases import System, read_system

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "materials" / "mp_chemsys_entries"


def _table(name: str) -> Path:
    path = FOLDER / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"needs {path}")
    return path


@pytest.fixture(scope="session")
def phosphates() -> Path:
    return _table("fe_li_o_p")


@pytest.fixture(scope="session")
def manganates() -> Path:
    return _table("cl_mn_na_o_y")


@pytest.fixture(scope="session")
def fe_li_o_p(phosphates: Path) -> System:
    return read_system(str(phosphates))


@pytest.fixture(scope="session")
def cl_mn_na_o_y(manganates: Path) -> System:
    return read_system(str(manganates))
