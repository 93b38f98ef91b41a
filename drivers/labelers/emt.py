"""The labeler that is always there: a classical potential for a few metals, some milliseconds a label."""

from __future__ import annotations

from typing import Any

from drivers.labelers.job import Method
from drivers.labelers.labeler import Labeler, installed


class EMTLabeler(Labeler):
    """Calculates with ASE's effective-medium potential: Al, Cu, Ag, Au, Ni, Pd, Pt and, crudely, H, C, N, O."""

    @classmethod
    def method(cls, settings: Any) -> Method:
        """Raises SettingsError where ASE is not installed."""
        installed("pymatgen", "materials")
        return Method(
            code="ASE EMT",
            version=installed("ase", "materials"),
            method="effective medium theory (Jacobsen, Stoltze, Norskov, Surf. Sci. 366, 394, 1996)",
            fidelity="potential",
            settings={"asap_cutoff": False},
            worker="drivers.labelers.workers.emt:EMTCode",
            note="energies are relative to the bulk metals; H, C, N and O are in it for tests",
        )
