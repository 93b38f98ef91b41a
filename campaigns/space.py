"""The space a campaign searches: parameters, what ties them together, and the rows it may be confined to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from campaigns.conditions import condition_problems
from campaigns.constraints import LinearConstraint, tie_problems
from campaigns.descriptors import Descriptors
from campaigns.errors import Problem, did_you_mean, shown, shown_list
from campaigns.material import Material
from campaigns.mixture import Mixture
from campaigns.model import BaseCampaignModel, Value
from campaigns.parameters import Categorical, Continuous, Fixed, Integer, Ordinal, Parameter, chosen
from campaigns.rules import Rule
from campaigns.table import Table, table_problems

__all__ = [
    "Categorical",
    "Continuous",
    "Descriptors",
    "Fixed",
    "Integer",
    "LinearConstraint",
    "Material",
    "Mixture",
    "Ordinal",
    "Parameter",
    "Rule",
    "Space",
    "Table",
    "Value",
]


Free = Continuous | Integer | Ordinal | Categorical | Material


class Space(BaseCampaignModel):
    """All candidates of a campaign. A candidate is one value per parameter, in the parameter's own unit.

    Where `allowed` is given, its rows are the whole space: mixtures then tolerate the rounding of the table.
    A context is part of a candidate but measured, not chosen: where it is missing, `assumed` stands for it (the middle
    of its range, or its first word), and a measured value outside its range is a fact, not a violation.
    """

    parameters: tuple[Parameter, ...]
    mixtures: tuple[Mixture, ...] = ()
    constraints: tuple[LinearConstraint, ...] = ()
    rules: tuple[Rule, ...] = ()
    allowed: Table | None = None

    def problems(self) -> Iterator[Problem]:
        names = self.names
        for i, name in enumerate([*names, *(mixture.name for mixture in self.mixtures)]):
            if name in names[: min(i, len(names))]:
                yield Problem(
                    "E211", ("space", name), wanted="each name of the space once", got=shown(name), key=True
                )
        if not self.chosen:
            yield Problem(
                "E224", ("space",), wanted="at least one parameter that may vary", got=shown_list(names)
            )
        by_name = {parameter.name: parameter for parameter in self.parameters}
        yield from condition_problems(by_name, names=names)
        yield from tie_problems(
            by_name,
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
    def free(self) -> tuple[Free, ...]:
        """The parameters that differ between candidates: all but the fixed ones. A model has columns for these."""
        return tuple(parameter for parameter in self.parameters if not isinstance(parameter, Fixed))

    @cached_property
    def context(self) -> tuple[Continuous | Categorical, ...]:
        """The free parameters that are measured, not chosen."""
        return tuple(p for p in self.free if isinstance(p, Continuous | Categorical) and p.role == "context")

    @cached_property
    def chosen(self) -> tuple[Free, ...]:
        """The free parameters that are searched."""
        return tuple(chosen(self.parameters))

    @cached_property
    def materials(self) -> tuple[Material, ...]:
        """The parameters whose values are crystals."""
        return tuple(parameter for parameter in self.free if isinstance(parameter, Material))

    @cached_property
    def conditional(self) -> tuple[Free, ...]:
        """The parameters that not every candidate chooses a value for."""
        return tuple(parameter for parameter in self.free if parameter.when)

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

        Fixed parameters, a context and parameters whose condition does not hold may be left out. Conditions, mixtures,
        constraints, rules and the table are looked at once every parameter by itself is right.
        Raises RuleError where a rule is not installed here or fails.
        """
        wrong = [
            f"{name}: not a parameter of the space; {did_you_mean(str(name), self.names)}"
            for name in candidate
            if name not in self._by_name
        ]
        for parameter in self.parameters:
            if parameter.name in candidate:
                sentence = parameter.violation(candidate[parameter.name])
            elif parameter.name in self._may_be_left_out:
                sentence = None
            else:
                sentence = f"{parameter.name}: wanted a value, got none"
            if sentence is not None:
                wrong.append(sentence)
        if wrong:
            return wrong
        try:
            full = self.canonical(candidate)
        except ValueError as error:  # a condition holds, and its parameter has no value
            return [str(error)]
        wrong = [
            f"{p.name}: wanted {shown(p.inactive)}, as its condition does not hold, got {shown(candidate[p.name])}"
            for p in self.conditional
            if p.name in candidate
            and not p.active(full)
            and p.canonical(candidate[p.name]) != p.canonical(p.inactive)
        ]
        found = [constraint.violation(full) for constraint in self.constraints]
        found += [mixture.violation(full, rounded=self.allowed is not None) for mixture in self.mixtures]
        found += [self.allowed.violation(full)] if self.allowed is not None else []
        wrong += [sentence for sentence in found if sentence is not None]
        if not wrong:  # a rule may expect of a candidate what the constraints say
            wrong = [sentence for rule in self.rules if (sentence := rule.violation(full)) is not None]
        return wrong

    def canonical(self, candidate: Mapping[str, Value]) -> dict[str, Value]:
        """Every parameter in order, whole numbers as int, other numbers as float, fixed values filled in.

        A missing context is taken as `assumed`; a parameter whose condition does not hold has the value that it has
        then, whatever the candidate says. Raises ValueError where a free parameter has no value or one of the wrong
        type. Bounds are not looked at.
        """
        missing = [
            p.name for p in self.free if p.name not in candidate and p.name not in self._may_be_left_out
        ]
        out: dict[str, Value] = {}
        for p in self.parameters:
            if isinstance(p, Fixed):
                out[p.name] = p.value
            elif p.name in candidate:
                out[p.name] = p.canonical(candidate[p.name])
            elif isinstance(p, Continuous | Categorical) and p.role == "context":
                out[p.name] = p.assumed
            elif p.name in self._may_be_left_out:
                out[p.name] = p.inactive
        if self.conditional and not missing:
            for p in self.conditional:
                if not p.active(out):
                    out[p.name] = p.canonical(p.inactive)
                elif p.name not in candidate:
                    missing.append(p.name)
        if missing:
            raise ValueError(f"candidate has no value for {shown_list(missing)}")
        return out

    @cached_property
    def _may_be_left_out(self) -> frozenset[str]:
        fixed = [p.name for p in self.parameters if isinstance(p, Fixed)]
        return frozenset([*fixed, *(p.name for p in (*self.context, *self.conditional))])
