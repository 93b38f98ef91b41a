"""The four-point probe and the film under it, as a lab file says them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.instruments.scpi.four_point import INFINITE, circle, rectangle


class Probe(BaseModel):
    """Collinear probe of equal `spacing_mm` in the middle of a film: infinite, a circle, or a rectangle whose length
    lies along the probe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    spacing_mm: float = Field(default=1.0, gt=0)
    film: Literal["infinite", "circle", "rectangle"] = "infinite"
    diameter_mm: float | None = Field(default=None, gt=0)
    length_mm: float | None = Field(default=None, gt=0)
    width_mm: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Probe:
        self.factor()
        return self

    def factor(self) -> float:
        """F of R_s = F V / I. Raises ValueError where a size is missing or the probe does not fit on the film."""
        if self.film == "circle":
            if self.diameter_mm is None:
                raise ValueError("a circular film needs diameter_mm")
            return circle(self.diameter_mm, self.spacing_mm)
        if self.film == "rectangle":
            if self.length_mm is None or self.width_mm is None:
                raise ValueError("a rectangular film needs length_mm and width_mm")
            return rectangle(self.length_mm, self.width_mm, self.spacing_mm)
        return INFINITE
