"""CHGNet with the weights that come inside its package: a learned potential. It is no DFT, and says so."""

from __future__ import annotations

from typing import Any

from drivers.labelers.job import Method
from drivers.labelers.labeler import Labeler, installed

WEIGHTS = "0.3.0"


class CHGNetLabeler(Labeler):
    """Calculates with CHGNet, a graph network trained on PBE relaxations: any element, tens of milliseconds."""

    @classmethod
    def method(cls, settings: Any) -> Method:
        """Raises SettingsError where chgnet is not installed."""
        installed("pymatgen", "materials")
        installed("ase", "materials")
        return Method(
            code="CHGNet",
            version=installed("chgnet", "chgnet"),
            method=f"CHGNet {WEIGHTS} (Deng et al., Nat. Mach. Intell. 5, 1031, 2023)",
            fidelity="ml-potential",
            settings={"weights": WEIGHTS},
            worker="drivers.labelers.workers.chgnet:CHGNetCode",
            expected_error={
                "mean_absolute": 0.056,
                "unit": "eV",
                "of": "energy per atom of 972 WBM crystals it was not trained on",
            },
            note="a learned potential, not DFT; energies are on the scale of MP2020-corrected PBE and PBE+U",
        )
