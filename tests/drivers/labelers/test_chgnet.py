"""CHGNet through the driver, offline: its own numbers, its own error in the record, isolated atoms."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.labelers.chgnet import CHGNetLabeler
from drivers.protocol import Attribution
from tests.drivers.labelers.laboratory import connected, diamond, do, fcc

pytest.importorskip("chgnet", reason="CHGNet's labeler needs the extra 'chgnet'")


async def test_a_learned_potential_says_what_it_is_and_fails_isolated_atoms(tmp_path: Path) -> None:
    async with connected(CHGNetLabeler, tmp_path) as labeler:
        lonely = await do(labeler, "energy", fcc("Ne", 12.0))
        assert (lonely.status, lonely.attribution) == ("failed", Attribution.INFEASIBLE)
        assert "isolated atoms: 1 have no other atom near enough" in lonely.reason
        crushed = await do(labeler, "energy", fcc("H", 1.6))
        assert (
            crushed.attribution is Attribution.INFEASIBLE and "too dense for CHGNet: 1.02" in crushed.reason
        )
        silicon = await do(labeler, "energy", diamond("Si", 5.43))
        assert silicon.readings["energy"].value == pytest.approx(-5.312, abs=0.005)
        assert silicon.record["fidelity"] == "ml-potential" and "DFT" not in silicon.record["method"]
        assert silicon.record["expected_error"]["mean_absolute"] == 0.056
        assert len(silicon.record["magmoms"]) == 2
        relaxed = await do(labeler, "relax", diamond("Si", 5.6), fmax=0.05)
        assert relaxed.readings["volume"].value == pytest.approx(5.473**3 / 8, rel=0.01)
