"""A campaign bound to a laboratory: every step's arguments in the device's own units, or every fault at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from campaigns.campaign import Campaign, Quantity, Reference, Step
from campaigns.errors import CampaignError, Fault, did_you_mean, shown
from campaigns.pool import Pool
from campaigns.space import (
    Categorical,
    Continuous,
    Fixed,
    Integer,
    Material,
    Ordinal,
    Parameter,
    Space,
    Value,
)
from campaigns.units import UnitError, same_dimension
from campaigns.yaml_reader import Document
from drivers.host.spec import Bound
from drivers.protocol import ActionSpec, Argument, ParameterSpec
from orchestrator.affine import Affine
from orchestrator.bounds import crossing, own_bound
from orchestrator.gift import Gift
from orchestrator.labfile import Laboratory

_NO_STRUCTURES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class BoundStep:
    """One step of the recipe, ready to become an action for any candidate.

    `devices` are those that may do it, whichever is free: one, or the members of a group.
    """

    step: Step
    devices: tuple[str, ...]
    spec: ActionSpec
    fixed: Mapping[str, Argument]
    varied: Mapping[str, tuple[str, Affine]]  # argument -> parameter, conversion
    integers: frozenset[str]
    limits: Mapping[str, tuple[Bound, ...]]  # argument -> those of campaign and lab, in the device's unit
    gives: Mapping[str, Gift]

    def arguments(
        self, candidate: Mapping[str, Value], structures: Mapping[str, Any] = _NO_STRUCTURES
    ) -> dict[str, Argument]:
        """The action's arguments for a candidate, in the device's units; of a crystal, where the device wants one, the
        record that `structures` has under its id. Raises KeyError where that has none."""
        out: dict[str, Argument] = dict(self.fixed)
        for name, (parameter, conversion) in self.varied.items():
            value = candidate[parameter]
            if self.spec.parameters[name].kind == "structure":
                out[name] = structures[str(value)]
            elif isinstance(value, bool | str):
                out[name] = value
            elif name in self.integers:
                out[name] = round(conversion(value))
            else:
                out[name] = float(conversion.within(value, self.bounds(name)))
        return out

    def bounds(self, name: str) -> tuple[Bound, ...]:
        """Every bound on an argument: the device's own, then those of the laboratory and of the campaign."""
        return (own_bound(self.spec.parameters[name]), *self.limits.get(name, ()))


@dataclass(frozen=True)
class BoundCampaign:
    """A campaign, its laboratory and its recipe bound step by step."""

    campaign: Campaign
    laboratory: Laboratory
    steps: tuple[BoundStep, ...]
    loops: Mapping[str, BoundCampaign] = field(
        default_factory=dict
    )  # those beside the main one, each by itself
    pools: tuple[Pool, ...] = ()  # of its materials, as they were bound; a log holds them by their digests

    @cached_property
    def windowed(self) -> bool:
        """Whether any step has to begin within a time."""
        loops = (self, *self.loops.values())
        return any(step.step.within_s is not None for its in loops for step in its.steps)

    def of(self, loop: str) -> BoundCampaign:
        """The part of one loop; the main one is the campaign itself."""
        return self.loops[loop] if loop else self


@dataclass
class _Faults:
    source: str
    document: Document | None
    places: Mapping[str, int]  # step id -> its place in the recipe
    base: tuple[str | int, ...]  # where that recipe stands
    found: list[Fault]

    def add(self, code: str, step: Step, what: str, message: str, cure: str = "") -> None:
        """A fault of a step, at its line of the file: `what` is the dotted path below the step."""
        at: tuple[str | int, ...] = (*self.base, "recipe", self.places[step.id], *what.split("."))
        path = ".".join(map(str, (*self.base, f"recipe[{step.id}]", what)))
        self.at(code, at, path, message, cure)

    def at(self, code: str, place: tuple[str | int, ...], path: str, message: str, cure: str) -> None:
        """A fault at any place of the file; without its text (a campaign from the log) it has no line."""
        line, column = (None, None) if self.document is None else self.document.position(place)
        self.found.append(
            Fault(code, message=message, cure=cure, file=self.source, line=line, column=column, path=path)
        )


def bind_campaign(
    campaign: Campaign, laboratory: Laboratory, *, source: str = "", document: Document | None = None
) -> BoundCampaign:
    """Check the recipe against the laboratory. Raises CampaignError with all faults (E302..E311).

    `source` is the file's name and `document` its text with positions, for the faults.
    """
    found: list[Fault] = []
    parts = {}
    for loop, its in {"": campaign, **{loop.name: loop.of(campaign) for loop in campaign.loops}}.items():
        base = campaign.written_at(loop)
        places = {step.id: i for i, step in enumerate(its.recipe)}
        faults = _Faults(source, document, places, base, found)
        steps = [s for step in its.recipe if (s := _bind_step(step, its, laboratory, faults)) is not None]
        parts[loop] = BoundCampaign(its, laboratory, tuple(steps))
    _check_limits(campaign, laboratory, _Faults(source, document, {}, (), found))
    if found:
        raise CampaignError(found)
    main = parts.pop("")
    return replace(main, loops=parts)


def _check_limits(campaign: Campaign, laboratory: Laboratory, faults: _Faults) -> None:
    """A limit with a misspelt argument would limit nothing, and nobody would know."""
    for limit in campaign.limits:
        found: set[str] = set()
        steps = [*campaign.recipe, *(step for loop in campaign.loops for step in loop.recipe)]
        for step in filter(limit.covers, steps):
            members = laboratory.file.members(step.device)
            device = laboratory.devices[members[0]] if members else None
            action = None if device is None else device.spec.actions.get(step.verb)
            found |= {limit.argument} if action is None else set(action.parameters)  # said elsewhere
        if limit.argument not in found:
            faults.at(
                "E311", ("limits", limit.key), f"limits.{limit.key}",
                f"no action of the recipe has the argument {limit.argument!r}", did_you_mean(limit.argument, found),
            )  # fmt: skip


def _bind_step(step: Step, campaign: Campaign, laboratory: Laboratory, faults: _Faults) -> BoundStep | None:
    members = laboratory.file.members(step.device)
    if not members:
        faults.add(
            "E302", step, "do", f"the laboratory {laboratory.file.name!r} has no device {step.device!r}",
            did_you_mean(step.device, (*laboratory.devices, *laboratory.file.groups)),
        )  # fmt: skip
        return None
    device = laboratory.devices[members[0]]
    spec = device.spec.actions.get(step.verb)
    if spec is None:
        faults.add(
            "E303", step, "do", f"{step.device} has no action {step.verb!r}",
            did_you_mean(step.verb, device.spec.actions),
        )  # fmt: skip
        return None
    if step.after_s is not None or step.within_s is not None:
        file = laboratory.file
        if file.clock == "virtual" and len(file.hosts) > 1:
            faults.add(
                "E319", step, "within" if step.after_s is None else "after",
                f"the {len(file.hosts)} virtual hosts of {file.name!r} have no common time",
                "name one host for all its devices",
            )  # fmt: skip
    fixed: dict[str, Argument] = {}
    varied: dict[str, tuple[str, Affine]] = {}
    limits: dict[str, tuple[Bound, ...]] = {}
    for name, declared in spec.parameters.items():
        limits[name] = tuple(_limits(step, name, declared, campaign, laboratory, faults))
        given = step.arguments.get(name, declared.default)
        parameter = campaign.space.parameter(given.parameter) if isinstance(given, Reference) else None
        if isinstance(parameter, Fixed):
            given = _quantity(parameter)
        if given is None:
            faults.add(
                "E305", step, f"with.{name}", f"{step.device}.{step.verb} needs {name!r}", f"add {name}: …"
            )
        elif isinstance(given, Reference):
            assert parameter is not None
            conversion = _vary(step, name, declared, parameter, campaign.space, limits[name], faults)
            varied[name] = (parameter.name, conversion)
        else:
            fixed[name] = _fix(step, name, declared, given, limits[name], faults)
    for name in step.arguments:
        if name not in spec.parameters:
            faults.add(
                "E304", step, f"with.{name}", f"{step.device}.{step.verb} has no argument {name!r}",
                did_you_mean(name, spec.parameters),
            )  # fmt: skip
    integers = frozenset(n for n, p in spec.parameters.items() if p.kind == "integer")
    return BoundStep(
        step, members, spec, fixed, varied, integers, limits, _gifts(step, spec, campaign, faults)
    )


def _vary(
    step: Step,
    name: str,
    declared: ParameterSpec,
    parameter: Parameter,
    space: Space,
    limits: tuple[Bound, ...],
    faults: _Faults,
) -> Affine:
    """Check a parameter's whole range against an argument: what may be proposed must be possible."""
    where = f"with.{name}"
    if isinstance(parameter, Categorical):
        _check_words(step, where, declared, parameter.choices, faults)
        return Affine()
    if isinstance(parameter, Material):
        if declared.kind not in ("structure", "text", "choice"):
            wants = f"wants a {declared.kind} and ${parameter.name} is a crystal"
            faults.add(
                "E306", step, where, wants, "give it to a device that takes a structure, or its id as text"
            )
        return Affine()
    if isinstance(parameter, Fixed) or declared.kind not in ("number", "integer"):
        faults.add("E306", step, where, f"wants a {declared.kind} and ${parameter.name} is a number")
        return Affine()
    conversion = _conversion(step, where, parameter.unit, declared, faults)
    if conversion is None or not (
        declared.kind == "number" or _whole(step, where, parameter, conversion, declared, faults)
    ):
        return Affine()
    ends: Sequence[float]
    if space.allowed is not None:  # only its rows can be proposed, whatever the parameter's own range
        ends = sorted(float(cell) for cell in space.allowed.column(parameter.name))
    else:
        ends = parameter.levels if isinstance(parameter, Ordinal) else (parameter.low, parameter.high)
    for end in (ends[0], ends[-1]):
        number = conversion.within(end, (own_bound(declared), *limits))
        _check_bounds(step, where, number, declared, limits, faults, f"${parameter.name} reaches")
    return conversion


def _whole(
    step: Step,
    where: str,
    parameter: Continuous | Integer | Ordinal,
    conversion: Affine,
    declared: ParameterSpec,
    faults: _Faults,
) -> bool:
    """An argument that takes whole numbers must get them, after the conversion as well: 90 s are no whole minutes."""
    if isinstance(parameter, Continuous):
        values: Sequence[float] = (0.5,)
    else:
        values = parameter.levels if isinstance(parameter, Ordinal) else (parameter.low, parameter.low + 1)
    if all(abs(number - round(number)) <= 1e-9 for number in map(conversion, values)):
        return True
    unit = f" in {declared.unit}" if declared.unit else ""
    faults.add("E306", step, where, f"wants whole numbers{unit} and ${parameter.name} is not always one")
    return False


def _fix(
    step: Step,
    name: str,
    declared: ParameterSpec,
    given: Quantity | Value,
    limits: tuple[Bound, ...],
    faults: _Faults,
) -> Argument:
    where = f"with.{name}"
    if isinstance(given, str):
        _check_words(step, where, declared, (given,), faults)
        return given
    if isinstance(given, bool):
        if declared.kind != "flag":
            faults.add("E306", step, where, f"wants a {declared.kind}, got {shown(given)}")
        return given
    if declared.kind not in ("number", "integer"):
        faults.add("E306", step, where, f"wants a {declared.kind}, got the number {given}")
        return 0.0
    value, unit = (given.value, given.unit) if isinstance(given, Quantity) else (given, "")
    conversion = _conversion(step, where, unit, declared, faults)
    if conversion is None:
        return 0.0
    number = conversion.within(value, (own_bound(declared), *limits))
    if declared.kind == "integer":
        if abs(number - round(number)) > 1e-9:
            faults.add("E306", step, where, f"wants a whole number, got {number:g}")
            return 0
        number = round(number)
    _check_bounds(step, where, number, declared, limits, faults, "is")
    return number


def _quantity(parameter: Fixed) -> Quantity | Value:
    value = parameter.value
    return (
        Quantity(value=float(value), unit=parameter.unit)
        if parameter.unit and not isinstance(value, str)
        else value
    )


def _conversion(step: Step, where: str, unit: str, declared: ParameterSpec, faults: _Faults) -> Affine | None:
    """None, and a fault, where the unit is of another dimension: then no number can be looked at either."""
    try:
        return Affine.between(unit, declared.unit)
    except UnitError:
        faults.add(
            "E307", step, where, f"wanted a unit like {declared.unit!r}, got {unit!r}", "write the right unit"
        )
        return None


def _check_words(
    step: Step, where: str, declared: ParameterSpec, words: tuple[str, ...], faults: _Faults
) -> None:
    if declared.kind == "text":
        return
    if declared.kind != "choice":
        faults.add("E306", step, where, f"wants a {declared.kind}, got the text {shown(words[0])}")
        return
    for word in words:
        if word not in declared.choices:
            faults.add("E306", step, where, f"{word!r} is not possible", did_you_mean(word, declared.choices))


def _check_bounds(
    step: Step,
    where: str,
    value: float,
    declared: ParameterSpec,
    limits: tuple[Bound, ...],
    faults: _Faults,
    says: str,
) -> None:
    for bound in (own_bound(declared), *limits):
        crossed = crossing(value, bound)
        if crossed:
            faults.add(
                "E308", step, where, f"{says} {value:g} {declared.unit}".rstrip() + f", the limit is {crossed}",
                "narrow the range, or change the limit if the device bears it",
            )  # fmt: skip
            return


def _limits(
    step: Step,
    name: str,
    declared: ParameterSpec,
    campaign: Campaign,
    laboratory: Laboratory,
    faults: _Faults,
) -> Iterator[Bound]:
    for member in laboratory.file.members(step.device):
        lab = laboratory.limits[member].get(f"{step.verb}.{name}")
        if lab is not None:
            yield lab
    for limit in campaign.limits:
        if not limit.covers(step) or limit.argument != name:
            continue
        if declared.kind not in ("number", "integer"):
            faults.add(
                "E311", step, f"with.{name}", f"the limit {limit.key} is on a {declared.kind}, no number"
            )
            continue
        try:
            ends = [
                None if q is None else Affine.between(q.unit, declared.unit)(q.value)
                for q in (limit.at_least, limit.at_most)
            ]
        except UnitError:
            faults.add(
                "E311", step, f"with.{name}", f"the limit {limit.key} has a unit unlike {declared.unit!r}"
            )
            continue
        yield Bound(at_least=ends[0], at_most=ends[1])


def _gifts(step: Step, spec: ActionSpec, campaign: Campaign, faults: _Faults) -> dict[str, Gift]:
    units = {p.name: p.unit for p in campaign.space.context if isinstance(p, Continuous)}
    units |= {constraint.name: constraint.unit for constraint in campaign.outcome_constraints}
    units |= {objective.name: objective.unit for objective in campaign.objectives}
    gifts: dict[str, Gift] = {}
    for name, reading in step.gives.items():
        declared = spec.results.get(reading)
        array = spec.arrays.get(reading)
        if array is not None and name in units:
            faults.add(
                "E320", step, f"gives.{name}", f"{reading} is {array.components} for each atom, {name} one number",
                "give it another name: objectives, constraints and contexts are numbers",
            )  # fmt: skip
        if array is not None:
            gifts[name] = Gift(reading, array.unit, array.unit, None, None, array)
            continue
        if declared is None:
            faults.add(
                "E309", step, f"gives.{name}", f"{step.device}.{step.verb} gives no {reading!r}",
                did_you_mean(reading, [*spec.results, *spec.arrays]),
            )  # fmt: skip
            continue
        unit = units.get(name) or declared.unit
        if declared.unit and not same_dimension(declared.unit, unit):
            faults.add(
                "E310",
                step,
                f"gives.{name}",
                f"{reading} comes in {declared.unit!r}, the campaign wants it in {unit!r}",
            )
        if not declared.unit and unit and same_dimension("", unit):
            # Is 0.25 a quarter, or a quarter of a percent? Nobody can tell, and it would be a factor of 100.
            faults.add(
                "E310", step, f"gives.{name}",
                f"{reading} comes without a unit, the campaign wants it in {unit!r}",
                "leave the unit out, or have the device say its own",
            )  # fmt: skip
        gifts[name] = Gift(reading, declared.unit, unit, declared.at_least, declared.at_most)
    return gifts
