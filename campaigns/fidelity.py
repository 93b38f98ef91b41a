"""How well is measured, where that is a choice: quick and rough, or slow and right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from campaigns.errors import Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel, Name
from campaigns.parameters import NUMERIC, AnyParameter, chosen


class Fidelity(BaseCampaignModel):
    """The numeric parameter that says how well a candidate is measured, and the value of it at which results count."""

    parameter: Name
    target: float


def fidelity_problems(
    fidelity: Fidelity, parameters: Mapping[str, AnyParameter], *, names: Sequence[str]
) -> Iterator[Problem]:
    """A fidelity that is no number of the space, or whose target it cannot have; `names` has broken ones as well."""
    at, name = ("fidelity", "parameter"), fidelity.parameter
    if name not in names:
        cure = did_you_mean(name, names)
        yield Problem("E210", at, wanted="a parameter of the space", got=shown(name), cure=cure)
        return
    parameter = parameters.get(name)
    if parameter is None:
        return
    if not isinstance(parameter, NUMERIC) or not chosen([parameter]):
        wanted = "a parameter that is a number and chosen for each candidate"
        yield Problem("E249", at, wanted=wanted, got=f"'{name}'")
        return
    sentence = parameter.violation(fidelity.target)
    if sentence is not None:
        wanted = sentence.partition("wanted ")[2].partition(", got")[0]
        yield Problem("E249", ("fidelity", "target"), wanted=wanted, got=shown(fidelity.target))
