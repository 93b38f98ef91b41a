"""How a candidate becomes actions: steps, carried out in order, each one verb of one device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from campaigns.errors import Problem, did_you_mean, shown
from campaigns.model import BaseCampaignModel, Name
from campaigns.units import known, unknown_unit

DEVICE = r"^[A-Za-z][A-Za-z0-9_-]*$"
DeviceName = Annotated[str, StringConstraints(pattern=DEVICE, max_length=64)]


class Reference(BaseCampaignModel):
    """The candidate's value of a parameter; written `$name` in YAML."""

    parameter: str


class Quantity(BaseCampaignModel):
    """A number with its unit; written `2000 rpm` in YAML. An empty unit is the unit of the device's argument."""

    value: float
    unit: str

    def problems(self) -> Iterator[Problem]:
        if not known(self.unit):
            yield unknown_unit(self.unit, ())

    def __str__(self) -> str:
        return f"{self.value:.12g} {self.unit}".strip()


Argument = Reference | Quantity | bool | int | float | str


class Step(BaseCampaignModel):
    """`gives` maps the campaign's name of a measurement to the reading of the device it is taken from.

    `arguments` are what `with:` says: a reference, a quantity, or a plain value passed on as it is. The step begins at
    least `after_s` and at most `within_s` after the end of the one before, seconds of lab time.
    """

    id: Name
    device: DeviceName
    verb: Name
    arguments: dict[str, Argument] = Field(default_factory=dict)
    gives: dict[str, str] = Field(default_factory=dict)
    after_s: float | None = Field(default=None, ge=0)
    within_s: float | None = Field(default=None, gt=0)

    def problems(self) -> Iterator[Problem]:
        if self.after_s is not None and self.within_s is not None and self.after_s >= self.within_s:
            yield Problem(
                "E212",
                ("within",),
                wanted=f"a time beyond 'after', {self.after_s:g} s",
                got=f"{self.within_s:g} s",
                cure="make 'within' longer, or 'after' shorter",
            )


def recipe_problems(
    steps: Mapping[int, Step], *, names: Sequence[str], mixtures: Mapping[str, Sequence[str]]
) -> Iterator[Problem]:
    """Names used twice and references to nothing; `names` are the parameters, `mixtures` name -> components."""
    ids: set[str] = set()
    given: set[str] = set()
    for index, step in steps.items():
        if step.id in ids:
            yield Problem("E211", ("recipe", index, "id"), wanted="each step id once", got=shown(step.id))
        ids.add(step.id)
        for name in step.gives:
            if name in given:
                yield Problem(
                    "E211",
                    ("recipe", index, "gives", name),
                    wanted="each measured name once",
                    got=shown(name),
                    cure="give one of the two readings another name",
                    key=True,
                )
            given.add(name)
        for argument, value in step.arguments.items():
            if not isinstance(value, Reference) or value.parameter in names:
                continue
            parts = mixtures.get(value.parameter)
            yield Problem(
                "E210",
                ("recipe", index, "with", argument),
                message=f"'{value.parameter}' is a mixture, not one number" if parts else "",
                wanted="a parameter of the space",
                got=f"${value.parameter}",
                cure=f"refer to its components: {', '.join(f'${part}' for part in parts)}"
                if parts
                else did_you_mean(value.parameter, names),
            )


def unused_problems(steps: Sequence[Step], names: Sequence[str]) -> Iterator[Problem]:
    """A parameter that no step uses would be searched although it changes nothing."""
    used = {
        value.parameter for step in steps for value in step.arguments.values() if isinstance(value, Reference)
    }
    for name in names:
        if name not in used:
            yield Problem(
                "E242",
                ("space", name),
                wanted=f"a step of the recipe that uses ${name}",
                got="none",
                cure=f"add it to a step's 'with', as in {{argument: ${name}}}, or take it out of the space",
                key=True,
            )


def context_problems(steps: Mapping[int, Step], names: Sequence[str], *, whole: bool) -> Iterator[Problem]:
    """What is measured and not chosen must be given by a step, and cannot be asked of one; `names` are such.

    `whole` says that `steps` is the whole recipe.
    """
    given = [name for step in steps.values() for name in step.gives]
    for name in names:
        if whole and name not in given:
            yield Problem(
                "E264",
                ("space", name),
                wanted="a step of the recipe that gives it, as a context is measured",
                got="none",
                cure=f"add gives: {{{name}: <reading of the device>}} to the step that measures it",
                key=True,
            )
    for index, step in steps.items():
        for argument, value in step.arguments.items():
            if isinstance(value, Reference) and value.parameter in names:
                yield Problem(
                    "E265",
                    ("recipe", index, "with", argument),
                    wanted="a parameter that is chosen",
                    got=f"${value.parameter}, a context",
                    cure="a context is measured: no action can be given its value beforehand",
                )
