"""The space a campaign searches: parameters, what ties them together, and the rows it may be confined to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from campaigns.constraints import LinearConstraint, Mixture, tie_problems
from campaigns.errors import Problem, did_you_mean, shown, shown_list
from campaigns.model import BaseCampaignModel, Value
from campaigns.parameters import Categorical, Continuous, Fixed, Integer, Ordinal, Parameter
from campaigns.table import Table, table_problems

__all__ = [
    "Categorical",
    "Continuous",
    "Fixed",
    "Integer",
    "LinearConstraint",
    "Mixture",
    "Ordinal",
    "Parameter",
    "Space",
    "Table",
    "Value",
]


class Space(BaseCampaignModel):
    """All candidates of a campaign. A candidate is one value per parameter, in the parameter's own unit.

    Where `allowed` is given, its rows are the whole space: mixtures then tolerate the rounding of the table.
    """

    parameters: tuple[Parameter, ...]
    mixtures: tuple[Mixture, ...] = ()
    constraints: tuple[LinearConstraint, ...] = ()
    allowed: Table | None = None

    def problems(self) -> Iterator[Problem]:
        names = self.names
        for i, name in enumerate([*names, *(mixture.name for mixture in self.mixtures)]):
            if name in names[: min(i, len(names))]:
                yield Problem(
                    "E211", ("space", name), wanted="each name of the space once", got=shown(name), key=True
                )
        if not self.free:
            yield Problem(
                "E224", ("space",), wanted="at least one parameter that may vary", got=shown_list(names)
            )
        yield from tie_problems(
            {parameter.name: parameter for parameter in self.parameters},
            {mixture.name: mixture for mixture in self.mixtures},
            dict(enumerate(self.constraints)),
            names=names,
        )
        if self.allowed is not None:
            yield from table_problems(self.allowed, self.parameters, self.mixtures)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all parameters, in the order of the file; mixtures are no parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @cached_property
    def free(self) -> tuple[Parameter, ...]:
        """The parameters that are searched: all but the fixed ones."""
        return tuple(parameter for parameter in self.parameters if not isinstance(parameter, Fixed))

    @cached_property
    def _by_name(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; KeyError, with what is known, when there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"no parameter '{name}' in the space; {did_you_mean(name, self.names)}") from None

    def violations(self, candidate: Mapping[str, Value]) -> list[str]:
        """Why a candidate is outside the space, a sentence each; empty when it is inside.

        Fixed parameters may be left out. Mixtures, constraints and the table are looked at once every
        parameter by itself is right.
        """
        wrong = [
            f"{name}: not a parameter of the space; {did_you_mean(str(name), self.names)}"
            for name in candidate
            if name not in self._by_name
        ]
        for parameter in self.parameters:
            if parameter.name in candidate:
                sentence = parameter.violation(candidate[parameter.name])
            else:
                sentence = (
                    None if isinstance(parameter, Fixed) else f"{parameter.name}: wanted a value, got none"
                )
            if sentence is not None:
                wrong.append(sentence)
        if wrong:
            return wrong
        full = self.canonical(candidate)
        ties: list[Mixture | LinearConstraint] = [*self.constraints]
        if self.allowed is None:
            ties += self.mixtures
        else:
            sentence = self.allowed.violation(full)
            wrong += [sentence] if sentence is not None else []
        return wrong + [sentence for tie in ties if (sentence := tie.violation(full)) is not None]

    def canonical(self, candidate: Mapping[str, Value]) -> dict[str, Value]:
        """Every parameter in order, whole numbers as int, other numbers as float, fixed values filled in.

        Raises ValueError where a free parameter has no value or one of the wrong type. Bounds are not looked at.
        """
        missing = [parameter.name for parameter in self.free if parameter.name not in candidate]
        if missing:
            raise ValueError(f"candidate has no value for {shown_list(missing)}")
        return {
            parameter.name: parameter.value
            if isinstance(parameter, Fixed)
            else parameter.canonical(candidate[parameter.name])
            for parameter in self.parameters
        }
