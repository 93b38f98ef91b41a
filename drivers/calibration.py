"""The calibration of a device: by which certificate, until when, and how far its readings can be trusted."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Uncertainty = Annotated[float, Field(gt=0)]
Day = Annotated[datetime.date, Field(strict=False)]  # YAML and JSON write it as text: 2026-03-01


class Calibration(BaseModel):
    """Made on `date` by `certificate`, and not to be relied on after `valid_until`.

    `sigma`: by reading, the standard uncertainty (k = 1) that the certificate states, in the reading's declared unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    date: Day
    certificate: str = Field(min_length=1)
    valid_until: Day | None = None
    sigma: Mapping[str, Uncertainty] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> Calibration:
        if self.valid_until is not None and self.valid_until < self.date:
            raise ValueError(f"valid_until {self.valid_until} is before its date {self.date}")
        return self

    def warning(self, on: datetime.date) -> str | None:
        """What is wrong with relying on it on that day, or None."""
        if on < self.date:
            return f"the calibration {self.certificate} is of {self.date}, which is to come"
        if self.valid_until is not None and on > self.valid_until:
            return f"the calibration {self.certificate} of {self.date} was valid until {self.valid_until}"
        return None

    def record(self, on: datetime.date) -> dict[str, Any]:
        """What is kept beside each reading taken on that day."""
        kept = {"certificate": self.certificate, "date": str(self.date)}
        if self.valid_until is not None:
            kept["valid_until"] = str(self.valid_until)
        if (warning := self.warning(on)) is not None:
            kept["warning"] = warning
        return kept

    def combined(self, name: str, sigma: float | None) -> float | None:
        """The combined standard uncertainty of a reading whose own is `sigma`: the root of the sum of squares.

        JCGM 100:2008 (GUM), 5.1.2, for a reading that the calibration's error adds to.
        """
        stated = self.sigma.get(name)
        if stated is None:
            return sigma
        return stated if sigma is None else math.hypot(sigma, stated)
