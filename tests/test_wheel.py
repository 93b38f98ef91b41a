"""The wheel holds what it needs: installed by itself, it runs a campaign and writes its report from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_wheel_runs_outside_the_source_tree(tmp_path: Path) -> None:
    def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        tmp_path / "dist",
        ROOT,
    )
    (wheel,) = (tmp_path / "dist").glob("alquimia_lab-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {
        "campaigns",
        "drivers",
        "orchestrator",
        "surrogates",
    }

    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-deps", wheel)
    # The dependencies of this environment, without its editable link to the source tree (.pth files are not read here).
    site = next(p for p in map(Path, sys.path) if p.name == "site-packages")
    env = os.environ | {"PYTHONPATH": str(site)}
    where = run(python, "-P", "-c", "import orchestrator; print(orchestrator.__file__)", env=env)
    assert str(tmp_path) in where, "the test would have run the source tree"
    alquimia = tmp_path / "venv" / "bin" / "alquimia"
    store = f"sqlite:///{tmp_path}/run/log.db"
    said = run(alquimia, "run", "thin_film", "--store", store, "--set", "budget.experiments=12", env=env)
    assert "campaign finished" in said
    report = Path(run(alquimia, "report", "--store", store, env=env).strip())
    assert "<html" in report.read_text()[:1000]
