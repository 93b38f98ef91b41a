"""How a calculation can end without a result, told apart by what it teaches."""

from __future__ import annotations


class CalculationError(Exception):
    """Base of these."""


class NotTreatable(CalculationError):
    """No calculation of this method can treat the crystal: unknown element, overlapping or isolated atoms."""


class NotConverged(CalculationError):
    """The electrons did not settle: other settings may do."""


class NotReached(CalculationError):
    """The code works and the label was not reached: steps used up, no minimum found. It would end so again."""


class Broken(CalculationError):
    """The code crashed, or said something that is no result."""
