"""What was measured of a candidate's contexts, in place of what was assumed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from campaigns.campaign import Campaign
from campaigns.space import Categorical, Value
from orchestrator.records import MeasuredValue


class Made(Protocol):
    """The part of an experiment, in the engine's state or in the record, that is looked at here."""

    @property
    def candidate(self) -> Mapping[str, Value]: ...

    @property
    def values(self) -> Mapping[str, MeasuredValue]: ...


def as_made(experiment: Made, campaign: Campaign) -> dict[str, Value]:
    """The candidate with its contexts as measured, which binding has put into the parameter's unit. A device reports a
    word as its number in the parameter's list, from 0."""
    candidate = dict(experiment.candidate)
    for parameter in campaign.space.context:
        found = experiment.values.get(parameter.name)
        if found is None:
            continue
        if isinstance(parameter, Categorical):
            last = len(parameter.choices) - 1
            candidate[parameter.name] = parameter.choices[min(max(round(found.value), 0), last)]
        else:
            candidate[parameter.name] = found.value
    return candidate
