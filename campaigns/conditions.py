"""Parameters that exist only under a condition: a flow only where there is a gas to flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from campaigns.errors import Problem, did_you_mean, shown, shown_list
from campaigns.model import BaseCampaignModel, Name, Value

if TYPE_CHECKING:
    from campaigns.parameters import AnyParameter

PARENTS = ("categorical", "ordinal", "integer")


class Conditional(BaseCampaignModel):
    """`when` names parameters (the parents) and the values of theirs under which this one is active; all must hold.

    An inactive parameter has the value `otherwise` (None: its lowest, or the first of its levels or choices).
    """

    when: tuple[tuple[Name, tuple[Value, ...]], ...] = ()
    otherwise: Value | None = None

    def active(self, canonical: Mapping[str, Value]) -> bool:
        """Whether a candidate, whose parents have canonical values, chooses a value for this parameter."""
        return all(canonical[parent] in values for parent, values in self.when)


def condition_problems(parameters: Mapping[str, AnyParameter], *, names: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with the conditions of these parameters; `names` may hold broken parameters besides."""
    for name, parameter in parameters.items():
        if not isinstance(parameter, Conditional):
            continue
        for other, values in parameter.when:
            parent = parameters.get(other)
            at = ("space", name, "when", other)
            if other not in names:
                wanted, cure = "a parameter of the space", did_you_mean(other, names)
                yield Problem("E210", at, wanted=wanted, got=shown(other), cure=cure, key=True)
            elif parent is not None:
                yield from _parent_problems(name, parent, values, at)
        if parameter.when and parameter.otherwise is not None:
            sentence = parameter.violation(parameter.otherwise)
            if sentence is not None:
                wanted = sentence.partition("wanted ")[2].partition(", got")[0]
                yield Problem(
                    "E227", ("space", name, "otherwise"), wanted=wanted, got=shown(parameter.otherwise)
                )


def _parent_problems(
    name: str, parent: AnyParameter, values: Sequence[Value], at: tuple[str | int, ...]
) -> Iterator[Problem]:
    fault = None
    if parent.name == name:
        fault = "the parameter itself"
    elif parent.kind not in PARENTS:
        fault = f"'{parent.name}', which is {parent.kind}"
    elif getattr(parent, "role", "chosen") == "context":
        fault = f"'{parent.name}', which is measured, not chosen"
    elif isinstance(parent, Conditional) and parent.when:
        fault = f"'{parent.name}', which has a condition itself"
    if fault is not None:
        wanted = f"a chosen parameter ({shown_list(PARENTS)}) without a condition of its own"
        yield Problem("E226", at, wanted=wanted, got=fault, key=True)
        return
    for i, value in enumerate(values):
        sentence = parent.violation(value)
        if sentence is not None:
            wanted = sentence.partition("wanted ")[2].partition(", got")[0]
            yield Problem("E226", (*at, i), wanted=wanted, got=shown(value))
    if not values:
        yield Problem("E226", at, wanted=f"at least one value of '{parent.name}'", got="none")
