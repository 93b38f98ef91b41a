"""Feature definitions (SiLA 2 part A, FDL) from what a driver declares: a feature per device, a command per action."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

from drivers.instruments.sila.settings import sila_name
from drivers.instruments.sila.units import UNITS
from drivers.protocol import ActionSpec, Attribution, DeviceSpec, ParameterSpec, ResultSpec

OBSERVABLE_FROM_S = 1.0  # commands that usually take longer are observable
ORIGINATOR = "org.alquimia"
SAMPLE, ACTION_ID, RECORD = "Sample", "ActionId", "Record"
ENDED, BUSY = "SucceededActions", "Busy"
BASIC = {
    "number": "Real", "integer": "Integer", "choice": "String", "text": "String", "flag": "Boolean",
    "structure": "String",
}  # fmt: skip


def error_name(attribution: Attribution) -> str:
    """The defined execution error of a failure: `bad reading` is BadReading."""
    return sila_name(str(attribution).replace(" ", "_"))


def observable(spec: ActionSpec) -> bool:
    """Whether the command of this action is observable."""
    return spec.takes_s > OBSERVABLE_FROM_S or bool(spec.and_s)


def device_feature(name: str, spec: DeviceSpec) -> str:
    """The feature of one device, as XML.

    Raises ValueError where two of its names are one in SiLA's spelling, or are reserved here.
    """
    _distinct(spec.actions, (ENDED, BUSY), f"actions of {name}")
    commands = [_command(verb, one) for verb, one in spec.actions.items()]
    properties = [
        _property(
            ENDED,
            "Ids of the latest actions that succeeded.",
            "<List><DataType>" + _basic("String") + "</DataType></List>",
        ),
        _property(BUSY, "Whether an action is being carried out.", _basic("Boolean")),
    ]
    errors = [_error(error_name(one), f"The action failed, and this is known: {one}.") for one in Attribution]
    return feature(
        sila_name(name), f"{spec.doc}\n{spec.driver}, version {spec.version}.", [*commands, *properties, *errors],
        originator=ORIGINATOR, category="devices",
    )  # fmt: skip


def cancel_controller() -> str:
    """The standard's feature that stops commands: org.silastandard/core.commands/CancelController/v1."""
    uuid = (
        "<Constrained><DataType>" + _basic("String") + "</DataType><Constraints><Length>36</Length>"
        r"<Pattern>[0-9a-f]{8}\-[0-9a-f]{4}\-[0-9a-f]{4}\-[0-9a-f]{4}\-[0-9a-f]{12}</Pattern>"
        "</Constraints></Constrained>"
    )
    one = _raw_command(
        "CancelCommand", "Cancel one running command.", "No",
        [_node("Parameter", "CommandExecutionUUID", "The execution to cancel.", uuid)], [],
        ["InvalidCommandExecutionUUID", "OperationNotSupported"],
    )  # fmt: skip
    return feature(
        "CancelController", "Stops commands that are running.",
        [
            one,
            _raw_command("CancelAll", "Cancel every running command.", "No", [], [], []),
            _error("InvalidCommandExecutionUUID", "No such command is running."),
            _error("OperationNotSupported", "This command cannot be cancelled by itself."),
        ],
        originator="org.silastandard", category="core.commands",
    )  # fmt: skip


def simulation_controller() -> str:
    """The standard's feature by which a server says that it simulates: .../core/SimulationController/v1."""
    return feature(
        "SimulationController", "Says whether the server simulates.",
        [
            _raw_command("StartSimulationMode", "Simulate.", "No", [], [], ["StartSimulationModeFailed"]),
            _raw_command("StartRealMode", "Work with real devices.", "No", [], [], ["StartRealModeFailed"]),
            _property("SimulationMode", "Whether the server simulates.", _basic("Boolean")),
            _error("StartSimulationModeFailed", "The server cannot simulate."),
            _error("StartRealModeFailed", "The server has no real devices."),
        ],
        originator="org.silastandard", category="core",
    )  # fmt: skip


def feature(
    identifier: str, description: str, members: Iterable[str], *, originator: str, category: str
) -> str:
    """A whole feature definition of version 1.0."""
    return (
        f'<Feature xmlns="http://www.sila-standard.org" SiLA2Version="1.0" FeatureVersion="1.0" '
        f'Originator="{originator}" Category="{category}">{_named(identifier, description)}{"".join(members)}</Feature>'
    )


def _command(verb: str, spec: ActionSpec) -> str:
    where = f"arguments of {verb}"
    _distinct(spec.parameters, (SAMPLE, ACTION_ID), where)
    _distinct(spec.results, (RECORD,), f"results of {verb}")
    parameters = [
        _node("Parameter", SAMPLE, "The sample it acts on; may be empty.", _basic("String")),
        _node(
            "Parameter", ACTION_ID, "The same id again is the same action; may be empty.", _basic("String")
        ),
    ]
    parameters += [
        _node("Parameter", sila_name(name), _told(one.doc, one.unit), _parameter_type(one))
        for name, one in spec.parameters.items()
    ]
    responses = [
        _node("Response", sila_name(name), _told(one.doc, one.unit), _real(one))
        for name, one in spec.results.items()
    ]
    responses.append(_node("Response", RECORD, "What else it gave, JSON.", _basic("String")))
    errors = [error_name(one) for one in Attribution]
    seen = "Yes" if observable(spec) else "No"
    return _raw_command(sila_name(verb), spec.doc, seen, parameters, responses, errors)


def _raw_command(
    identifier: str, doc: str, seen: str, parameters: list[str], responses: list[str], errors: list[str]
) -> str:
    named = "".join(f"<Identifier>{one}</Identifier>" for one in errors)
    raised = f"<DefinedExecutionErrors>{named}</DefinedExecutionErrors>" if errors else ""
    return (
        f"<Command>{_named(identifier, doc)}<Observable>{seen}</Observable>"
        f"{''.join(parameters)}{''.join(responses)}{raised}</Command>"
    )


def _parameter_type(spec: ParameterSpec) -> str:
    if spec.kind == "choice":
        choices = "".join(f"<Value>{escape(one)}</Value>" for one in spec.choices)
        return _constrained("String", [f"<Set>{choices}</Set>"])
    if spec.kind in ("number", "integer"):
        return _real(spec, BASIC[spec.kind])
    return _basic(BASIC[spec.kind])


def _real(spec: ParameterSpec | ResultSpec, basic: str = "Real") -> str:
    """A number with its bounds and unit. A reading beyond its bounds is the client's to reject: results have none."""
    constraints = []
    if isinstance(spec, ParameterSpec):
        as_text = repr if basic == "Real" else lambda bound: str(int(bound))
        if spec.at_most is not None:
            constraints.append(f"<MaximalInclusive>{as_text(float(spec.at_most))}</MaximalInclusive>")
        if spec.at_least is not None:
            constraints.append(f"<MinimalInclusive>{as_text(float(spec.at_least))}</MinimalInclusive>")
    if spec.unit in UNITS:
        factor, offset, base, exponent = UNITS[spec.unit]
        constraints.append(
            f"<Unit><Label>{spec.unit}</Label><Factor>{factor!r}</Factor><Offset>{offset!r}</Offset>"
            f"<UnitComponent><SIUnit>{base}</SIUnit><Exponent>{exponent}</Exponent></UnitComponent></Unit>"
        )
    return _constrained(basic, constraints) if constraints else _basic(basic)


def _constrained(basic: str, constraints: list[str]) -> str:
    inner = f"<DataType>{_basic(basic)}</DataType>"
    return f"<Constrained>{inner}<Constraints>{''.join(constraints)}</Constraints></Constrained>"


def _basic(name: str) -> str:
    return f"<Basic>{name}</Basic>"


def _node(kind: str, identifier: str, doc: str, data_type: str) -> str:
    return f"<{kind}>{_named(identifier, doc)}<DataType>{data_type}</DataType></{kind}>"


def _property(identifier: str, doc: str, data_type: str) -> str:
    return (
        f"<Property>{_named(identifier, doc)}<Observable>No</Observable>"
        f"<DataType>{data_type}</DataType></Property>"
    )


def _error(identifier: str, doc: str) -> str:
    return f"<DefinedExecutionError>{_named(identifier, doc)}</DefinedExecutionError>"


def _named(identifier: str, doc: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", identifier)
    return (
        f"<Identifier>{identifier}</Identifier><DisplayName>{words}</DisplayName>"
        f"<Description>{escape(doc or words)}</Description>"
    )


def _told(doc: str, unit: str) -> str:
    return f"{doc} (in {unit})" if unit else doc or "A number."


def _distinct(names: Iterable[str], reserved: tuple[str, ...], where: str) -> None:
    seen = {one: one for one in reserved}
    for name in names:
        spelled = sila_name(name)
        if spelled in seen:
            raise ValueError(
                f"{where}: {name!r} and {seen[spelled]!r} are both {spelled} in SiLA; rename one"
            )
        seen[spelled] = name
