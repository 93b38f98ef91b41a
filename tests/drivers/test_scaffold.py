"""A new driver's package: what is written works as it is, and nothing is written that could not."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from drivers.scaffold import ScaffoldError, write_package

ROOT = Path(__file__).resolve().parents[2]


def test_its_own_tests_pass_as_written(tmp_path: Path) -> None:
    made = write_package("acme_balance", tmp_path)
    folder = tmp_path / "acme_balance"
    assert folder / "acme_balance/__init__.py" in made
    assert not any(word in path.read_text() for path in made for word in ("@NAME@", "@CLASS@"))
    entry = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]
    assert entry == {"alquimia.drivers": {"acme_balance": "acme_balance:AcmeBalance"}}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=folder, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT)))}, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0 and "8 passed" in done.stdout, done.stdout + done.stderr
    code = (folder / "acme_balance/__init__.py").read_text().splitlines()
    assert len(code) < 60


@pytest.mark.parametrize("name", ["", "Acme", "acme-balance", "class", "1a", "a__b", "../a", "a" * 51])
def test_a_name_that_no_package_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="cannot be the name of a package"):
        write_package(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ScaffoldError, match="exists already"):
        write_package("mine", tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []
