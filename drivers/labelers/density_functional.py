"""Settings that every density-functional code has, whatever it calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.labelers.labeler import Labeler


class Rung(BaseModel):
    """What to try once the electrons did not settle. None: as the labeler is set.

    `mixing`: share of the new density in the next; `bands`: bands over occupied ones; `smearing_eV`: width of the
    Fermi distribution; `iterations`: before it is given up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    name: str = Field(min_length=1)
    mixing: float | None = Field(default=None, gt=0, le=1)
    bands: float | None = Field(default=None, gt=1, le=5)
    smearing_eV: float | None = Field(default=None, gt=0, le=2)
    iterations: int | None = Field(default=None, ge=1, le=10000)


LADDER = (
    Rung(name="damped", mixing=0.02, bands=1.4, iterations=300),
    Rung(name="damped and smeared", mixing=0.02, bands=1.6, smearing_eV=0.2, iterations=500),
)


class DensityFunctional(Labeler):
    """Base of the density-functional labelers: settings in one language, the ladder, spins to start from."""

    class Settings(Labeler.Settings):
        """`cutoff_eV`: of the plane waves. `k_density`: k-points times angstrom along each reciprocal vector; the mesh
        of a crystal stays the same while it is strained. `smearing_eV`: width of the Fermi distribution. `spin`: "auto"
        calculates with spin where the structure has moments or a magnetic 3d element. `convergence_eV`: of the energy.
        `ladder`: tried in turn after the settings themselves; empty, nothing is tried again.
        """

        cutoff_eV: float = Field(default=700.0, ge=50, le=5000)
        k_density: float = Field(default=2.5, gt=0, le=20)
        smearing_eV: float = Field(default=0.05, gt=0, le=2)
        spin: Literal["auto", "none", "collinear"] = "auto"
        convergence_eV: float = Field(default=1e-4, gt=0, le=0.1)
        iterations: int = Field(default=100, ge=1, le=10000)
        ladder: tuple[Rung, ...] = Field(default=LADDER, strict=False)

    settings: Settings

    @classmethod
    def common(cls, settings: Settings) -> Mapping[str, Any]:
        """The settings that a result depends on, in JSON types."""
        names = {"cutoff_eV", "k_density", "smearing_eV", "spin", "convergence_eV", "iterations", "ladder"}
        return settings.model_dump(mode="json", include=names)
