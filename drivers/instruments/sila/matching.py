"""Do a device's settings fit the features that its server declares? Asked once, when connecting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drivers.instruments.sila.settings import (
    SilaAction,
    SilaLabelled,
    SilaParameter,
    SilaSettings,
    sila_name,
)

KINDS = {"number": "Real", "integer": "Integer", "choice": "String", "text": "String", "flag": "Boolean"}


def basic_type(data_type: Any) -> tuple[str, str | None]:
    """(SiLA's basic type or "List", "Structure", ..., the label of its unit or None)."""
    label = None
    while True:
        kind = type(data_type).__name__
        if kind == "DataTypeDefinition":
            data_type = data_type.data_type
        elif kind == "Constrained":
            label = next(
                (one.label for one in data_type.constraints if hasattr(one, "unit_components")), label
            )
            data_type = data_type.base_type
        else:
            return kind.removeprefix("Sila").removesuffix("Type"), label


def faults(settings: SilaSettings, features: Mapping[str, Any]) -> list[str]:
    """Everything in `settings` that the server does not have, or has otherwise."""
    found = []
    for what, members in (("halt", settings.halt), ("make_safe", settings.make_safe)):
        for member in members:
            command = _command(member, features)
            if isinstance(command, str):
                found.append(f"{what}: {command}")
            elif len(command.parameters):
                found.append(f"{what}: {member} takes parameters; wanted a command without any")
    for verb, one in settings.actions.items():
        found += [f"actions.{verb}: {fault}" for fault in _action_faults(one, features)]
    return found


def _action_faults(one: SilaAction, features: Mapping[str, Any]) -> Iterator[str]:
    responses: dict[str, Any] = {}
    if one.command is not None:
        command = _command(one.command, features)
        if isinstance(command, str):
            yield command
            return
        responses = {response._identifier: response for response in command.responses}
        yield from _parameter_faults(one, {each._identifier: each for each in command.parameters})
    for name, result in one.results.items():
        if result.property is not None:
            source = _property(result.property, features)
        else:
            identifier = result.response or sila_name(name)
            source = responses.get(identifier) or (
                f"{one.command} has no response {identifier!r}; it has {', '.join(responses) or 'none'}"
            )
        if isinstance(source, str):
            yield f"results.{name}: {source}"
            continue
        kind, label = basic_type(source.data_type)
        if kind not in ("Real", "Integer", "Boolean"):
            yield f"results.{name}: wanted a number, the server gives a {kind}"
        yield from _label_fault(f"results.{name}", result, label)
    if one.ask is not None:
        for member in filter(None, (one.ask.property, one.ask.busy)):
            if isinstance(found := _property(member, features), str):
                yield f"ask: {found}"


def _parameter_faults(one: SilaAction, wanted: dict[str, Any]) -> Iterator[str]:
    given: dict[str, tuple[str, SilaParameter | None]] = {
        parameter.identifier or sila_name(name): (f"parameters.{name}", parameter)
        for name, parameter in one.parameters.items()
    }
    given |= {identifier: ("fixed", None) for identifier in one.fixed}
    given |= {
        identifier: ("sample or action_id", None) for identifier in (one.sample, one.action_id) if identifier
    }
    for identifier in wanted.keys() - given.keys():
        yield f"{one.command} needs {identifier}, which nothing gives"
    for identifier, (where, parameter) in given.items():
        if identifier not in wanted:
            has = ", ".join(wanted) or "none"
            yield f"{where}: {one.command} has no parameter {identifier!r}; it has {has}"
        elif parameter is not None:
            kind, label = basic_type(wanted[identifier].data_type)
            if kind != KINDS[parameter.kind]:
                yield f"{where}: the server wants a {kind}, a {parameter.kind} is a {KINDS[parameter.kind]}"
            yield from _label_fault(where, parameter, label)


def _label_fault(where: str, one: SilaLabelled, label: str | None) -> Iterator[str]:
    """A server that names its unit must mean the one of the settings: 400 K and 400 degC are not alike."""
    if label is not None and label != (one.label or one.unit):
        yield (
            f"{where}: the server says {label!r}, the settings {(one.label or one.unit)!r}; give the server's unit, "
            "or its label as 'label' where the two are the same unit"
        )


def _command(member: str, features: Mapping[str, Any]) -> Any:
    feature, _, name = member.partition(".")
    if feature not in features:
        return f"there is no feature {feature!r}; the server has {', '.join(features)}"
    known = {**features[feature]._unobservable_commands, **features[feature]._observable_commands}
    return known.get(name) or f"{feature} has no command {name!r}; it has {', '.join(known) or 'none'}"


def _property(member: str, features: Mapping[str, Any]) -> Any:
    feature, _, name = member.partition(".")
    if feature not in features:
        return f"there is no feature {feature!r}; the server has {', '.join(features)}"
    known = {**features[feature]._unobservable_properties, **features[feature]._observable_properties}
    return known.get(name) or f"{feature} has no property {name!r}; it has {', '.join(known) or 'none'}"
