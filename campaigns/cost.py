"""What an experiment costs, as far as it depends on the candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from campaigns.constraints import interval
from campaigns.errors import Path, Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel, Value
from campaigns.parameters import NUMERIC, AnyParameter, Continuous, Fixed, chosen

Amount = Annotated[float, Field(ge=0)]


class Cost(BaseCampaignModel):
    """The cost of one experiment, in `unit` (which may be any word: min, mL, EUR).

    base: what every experiment costs.
    per: (parameter, cost of one unit of it).
    of: (parameter, (value, cost) of each of its values that cost extra).
    changes: (parameter, what it costs to change it from one experiment to the next).
    """

    base: float = Field(default=1.0, gt=0)
    unit: str = Field(default="", max_length=60)
    per: tuple[tuple[str, Amount], ...] = ()
    of: tuple[tuple[str, tuple[tuple[Value, Amount], ...]], ...] = ()
    changes: tuple[tuple[str, Amount], ...] = ()

    def of_candidate(self, candidate: Mapping[str, Value], before: Mapping[str, Value] | None) -> float:
        """The cost of a candidate made right after `before`; None: it is the first, and nothing needs changing.

        Raises KeyError where a candidate lacks a parameter that costs something.
        """
        total = self.base
        total += sum(cost * float(candidate[name]) for name, cost in self.per)
        total += sum(dict(costs).get(candidate[name], 0.0) for name, costs in self.of)
        if before is not None:
            total += sum(cost for name, cost in self.changes if candidate[name] != before[name])
        return total


def cost_problems(
    cost: Cost, parameters: Mapping[str, AnyParameter], *, names: Sequence[str]
) -> Iterator[Problem]:
    """Costs of what is not there or does not vary; `names` has the broken parameters as well."""
    per = [(("cost", "per", name), name) for name, _ in cost.per]
    of = [(("cost", "of", name), name) for name, _ in cost.of]
    changes = [(("cost", "changes", name), name) for name, _ in cost.changes]
    for at, name in (*per, *of, *changes):
        if name not in names:
            cure = did_you_mean(name, names)
            wanted = "a parameter of the space"
            yield Problem("E210", at, wanted=wanted, got=shown(name), cure=cure, key=True)
        elif name in parameters and not chosen([parameters[name]]):
            wanted = "a parameter that is chosen for each candidate"
            got = "a fixed one" if isinstance(parameters[name], Fixed) else "one that is measured"
            yield Problem("E248", at, wanted=wanted, got=f"'{name}', {got}", key=True)
    for name, _ in cost.per:
        parameter = parameters.get(name)
        if parameter is not None and chosen([parameter]):
            yield from _per_problems(parameter, ("cost", "per", name))
    for name, costs in cost.of:
        parameter = parameters.get(name)
        if parameter is not None and chosen([parameter]):
            yield from of_problems(parameter, [value for value, _ in costs], ("cost", "of", name))


def _per_problems(parameter: AnyParameter, at: Path) -> Iterator[Problem]:
    if not isinstance(parameter, NUMERIC):
        cure = f"write the cost of each choice under 'of: {{{parameter.name}: …}}'"
        wanted = "a parameter that is a number"
        yield Problem("E248", at, wanted=wanted, got=f"'{parameter.name}'", cure=cure, key=True)
    elif interval(parameter)[0] < 0:
        yield Problem(
            "E248",
            at,
            wanted="a parameter that is never below 0, as a cost may not be",
            got=f"'{parameter.name}' from {interval(parameter)[0]:.12g}",
            key=True,
        )


def of_problems(parameter: AnyParameter, values: Sequence[Value], at: Path) -> Iterator[Problem]:
    """Costs of single values where there are none, or of values that the parameter cannot have."""
    if isinstance(parameter, Continuous):
        cure = f"write the cost of one unit under 'per: {{{parameter.name}: …}}'"
        wanted = "a parameter of choices, levels or whole numbers"
        yield Problem("E248", at, wanted=wanted, got=f"'{parameter.name}'", cure=cure, key=True)
        return
    for value in values:
        if parameter.violation(value) is not None:
            known = [str(choice) for choice in getattr(parameter, "choices", ())]
            known += [f"{level:.12g}" for level in getattr(parameter, "levels", ())]
            yield Problem(
                "E248",
                (*at, str(value)),
                wanted=f"a value that '{parameter.name}' can have",
                got=shown(value),
                cure=did_you_mean(str(value), known),
                key=True,
            )
