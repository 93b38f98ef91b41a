"""Campaigns of the library on their simulated laboratories, as they are run: they end, and they find what there is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.orchestrator.laboratory import alquimia

ENTRIES = (
    Path(__file__).resolve().parents[2].parent
    / "shared/data/materials/mp_chemsys_entries/cl_mn_na_o_y.jsonl.gz"
)
FILMS = Path(__file__).resolve().parents[2].parent / "shared/data/bo/p3ht_cnt"


def best(folder: Path, reading: str, *args: str) -> float:
    store = f"sqlite:///{folder}/log.db"
    done = alquimia("run", *args, "--store", store, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(alquimia("status", "--store", store, "--json", cwd=folder).stdout)
    assert told["state"] == "finished"
    (found,) = told["best"]
    assert found["objective"] == reading
    return float(found["value"])


def test_a_colour_is_matched_by_three_mixers(tmp_path: Path) -> None:
    assert best(tmp_path, "delta_e", "colours", "--set", "budget.experiments=30") < 5


@pytest.mark.skipif(not FILMS.exists(), reason=f"the measured films are not at {FILMS}")
def test_a_conducting_film_is_found_among_all_mixtures(tmp_path: Path) -> None:
    (table,) = FILMS.glob("*.csv")
    args = ("composite_film", "--table", str(table), "--set", "budget.experiments=25")
    assert best(tmp_path, "conductivity", *args) > 400  # S/cm; the median of the table is 40


@pytest.mark.skipif(not ENTRIES.exists(), reason=f"the calculated entries are not at {ENTRIES}")
def test_a_compound_is_made_by_a_route_that_does_not_get_stuck(tmp_path: Path) -> None:
    args = ("solid_state", "--table", str(ENTRIES), "--set", "budget.experiments=16")
    assert best(tmp_path, "purity", *args) > 0.8  # of weight; the route of most driving force stays below 0.5
