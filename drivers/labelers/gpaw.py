"""Density-functional theory with GPAW, in an interpreter of its own (GPAW is GPL: it is never imported here)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from drivers.labelers.density_functional import DensityFunctional
from drivers.labelers.interpreter import answer, program
from drivers.labelers.job import Method
from drivers.labelers.labeler import installed

VARIABLE = "ALQUIMIA_GPAW_PYTHON"
DEFAULT = ".dft/bin/python"
CURE = (
    "make an environment for it: python -m venv .dft && "
    "GPAW_CONFIG=drivers/labelers/workers/gpaw_siteconfig.py .dft/bin/pip install gpaw; "
    f"another interpreter is named in the setting 'interpreter' or in {VARIABLE}"
)
ASK = "from importlib.metadata import version; print(version('gpaw'), version('gpaw-data'))"


class GPAWLabeler(DensityFunctional):
    """Calculates with GPAW: plane waves, projector-augmented waves, LDA or GGA; seconds to hours a label."""

    class Settings(DensityFunctional.Settings):
        """`interpreter`: a Python that has gpaw; by default the one that the variable ALQUIMIA_GPAW_PYTHON names, or
        else .dft/bin/python below the working directory. `xc`: the functional. `setups`: element -> name of its set-up.
        """

        interpreter: str | None = None
        xc: Literal["LDA", "PBE", "RPBE"] = "PBE"
        setups: Mapping[str, str] = Field(default_factory=dict)

    settings: Settings

    @classmethod
    def method(cls, settings: Any) -> Method:
        """Raises SettingsError where the interpreter is not there or has no gpaw."""
        installed("pymatgen", "materials")
        installed("ase", "materials")
        python = str(program(settings.interpreter or os.environ.get(VARIABLE) or DEFAULT, CURE))
        gpaw, data = answer((python, "-I", "-c", ASK), CURE).split()[:2]
        return Method(
            code="GPAW",
            version=f"{gpaw} (set-ups {data})",
            method=f"DFT, {settings.xc}, projector-augmented waves, plane waves up to {settings.cutoff_eV:g} eV",
            fidelity="LDA" if settings.xc == "LDA" else "GGA",
            settings={**cls.common(settings), "xc": settings.xc, "setups": dict(settings.setups)},
            worker="drivers.labelers.workers.gpaw:GPAWCode",
            places={"interpreter": python},
            note="energies are relative to the set-ups' atoms; stresses have Pulay's error where the cutoff is low",
        )
