"""Whether a number is beyond a bound, said as a person reads it. Pure."""

from __future__ import annotations

import math

from drivers.host.spec import Bound
from drivers.protocol import ParameterSpec


def own_bound(declared: ParameterSpec) -> Bound:
    """What the device itself says of an argument."""
    return Bound(at_least=declared.at_least, at_most=declared.at_most)


def crossing(value: float, bound: Bound) -> str:
    """'at most 520' where `value` is beyond the bound, '' where it is not. By nothing: see `Affine.within`."""
    if not math.isfinite(value):
        return "a finite number"
    if bound.at_least is not None and value < bound.at_least:
        return f"at least {bound.at_least:g}"
    if bound.at_most is not None and value > bound.at_most:
        return f"at most {bound.at_most:g}"
    return ""
