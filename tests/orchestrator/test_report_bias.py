"""What a search asked for beside what was there, in the report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.records import Records
from orchestrator.report.bias import bias_section
from orchestrator.report.crystals import Known
from orchestrator.report.discovery import discovery
from orchestrator.report.page import page
from orchestrator.report.sections import Section
from tests.orchestrator import discovery_fake as fake


def section(records: Records, folder: Path, *pools: Any) -> Section:
    found = discovery(records, Known(records, fake.kept(folder, *(pools or (fake.POOL_KEPT,)))))
    assert found is not None
    return bias_section(found)


def test_labelled_crystals_are_held_against_those_known_beforehand(tmp_path: Path) -> None:
    """Known: Li, O, LiO, Li. Labelled: Li3O, LiO3, Li2O2, LiO2; stable at the end: Li3O, Li2O2."""
    found = section(fake.search(), tmp_path)
    assert found.listing is not None
    rows = {row[0]: row[1:] for row in found.listing.rows}
    nbsp = "\u00a0"
    assert rows["known beforehand"] == ("4", f"50{nbsp}%", f"0{nbsp}%", "3", "–", "1.00")
    assert rows["labelled"][:2] == ("4", f"0{nbsp}%") and rows["labelled"][3:5] == ("1", f"0{nbsp}%")
    assert rows["found stable"][0] == "2"
    (bar,) = json.loads(found.panels[0].json)["data"]
    assert bar["x"] == ["O", "Li"]  # oxygen in all of the labelled and half of the known, lithium in 3 of 4
    assert bar["y"] == pytest.approx(
        [0.8480, 0.3626], abs=1e-4
    )  # log2 of (4.5/5)/(2.5/5) and (4.5/5)/(3.5/5)
    assert len(set(bar["marker"]["color"])) == 1  # of four crystals chance will do


def test_where_no_energy_was_known_the_pool_is_the_reference(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "values"} for row in fake.POOL]
    parameter, content = fake.material(rows)
    experiments = fake.search().experiments
    records = fake.search_of(parameter, experiments)
    found = section(records, tmp_path, (parameter, content))
    assert found.listing is not None and found.listing.rows[0][:2] == ("in the pool", "8")


def test_before_anything_is_labelled_it_says_so(tmp_path: Path) -> None:
    records = dataclasses.replace(fake.search(), experiments=(), actions=())
    assert "Nothing has been labelled yet" in section(records, tmp_path).missing


def test_it_is_part_of_the_page(tmp_path: Path) -> None:
    text = page(fake.search(), model=None, crystals=fake.kept(tmp_path, fake.POOL_KEPT))
    assert "Bias of the data" in text
