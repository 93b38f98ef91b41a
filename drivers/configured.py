"""Drivers whose actions a lab file declares: what a verb takes and gives is in the device's settings.

For protocols that many different instruments speak, and for people: the driver knows the protocol, the laboratory knows
the instrument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.action import Given
from drivers.arguments import fault
from drivers.declaration import Declared
from drivers.driver import Driver, LabContext
from drivers.protocol import (
    Action,
    ActionSpec,
    DeviceSpec,
    ParameterSpec,
    Repeat,
    ResultSpec,
    Scalar,
    Testimony,
)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
TAKEN = frozenset({"action", "sample", "self"})  # filled in by the host, or by Python


class Entry(BaseModel):
    """Base of every part of settings: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class BoundedEntry(Entry):
    """A number with its unit and inclusive bounds in it; "" is dimensionless."""

    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    doc: str = ""

    @model_validator(mode="after")
    def _in_order(self) -> BoundedEntry:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least:g} is above at_most {self.at_most:g}")
        return self


class ParameterEntry(BoundedEntry):
    """One argument of an action, as in `ParameterSpec`."""

    kind: Literal["number", "integer", "choice", "text", "flag"] = "number"
    choices: Annotated[tuple[str, ...], Field(strict=False)] = ()
    default: Scalar | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> ParameterEntry:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError("choices belong to kind 'choice', which needs some")
        numeric = self.kind in ("number", "integer")
        if not numeric and (self.unit or self.at_least is not None or self.at_most is not None):
            raise ValueError(f"a {self.kind} has neither unit nor bounds")
        if self.default is not None and (complaint := fault(self.spec(), self.default)) is not None:
            raise ValueError(f"its own default: {complaint}")
        return self

    def spec(self) -> ParameterSpec:
        """What the device declares of this argument."""
        return ParameterSpec(
            kind=self.kind, unit=self.unit, at_least=self.at_least, at_most=self.at_most,
            choices=self.choices, default=self.default, doc=self.doc,
        )  # fmt: skip


class ResultEntry(BoundedEntry):
    """One number an action gives back, as in `ResultSpec`."""

    def spec(self) -> ResultSpec:
        """What the device declares of this result."""
        return ResultSpec(unit=self.unit, at_least=self.at_least, at_most=self.at_most, doc=self.doc)


class ConfiguredDriver(Driver):
    """A subclass says by `declared(settings)` what its devices can do, and does it in `carry_out`.

    `ask` is asked about actions that began and were not seen to end, whatever their repeat class.
    """

    version = "1"

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self.actions = {  # type: ignore[misc]
            verb: Declared(method="carry_out", spec=spec, fills=("action",), open=True, testify="ask")
            for verb, spec in self.spec.actions.items()
        }

    @classmethod
    def declared(cls, settings: Any) -> Mapping[str, ActionSpec]:
        """The actions of a device of these settings. Raises SettingsError where they describe none."""
        raise NotImplementedError

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As the settings declare."""
        return super().describe(settings).model_copy(update={"actions": dict(cls.declared(settings))})

    async def carry_out(self, action: Action, **arguments: Any) -> Given:
        """Do `action` with its checked arguments. Raises ActionFailed for known failures."""
        raise NotImplementedError

    async def ask(self, action: Action) -> Testimony:
        """What the device says of an action that was not seen to end."""
        return Testimony(verdict="unknown", reason=f"{self.name} cannot be asked about {action.verb}")


def action_spec(
    parameters: Mapping[str, ParameterEntry],
    results: Mapping[str, ResultEntry],
    *,
    repeat: Repeat,
    takes_s: float,
    doc: str,
    and_s: tuple[str, ...] = (),
) -> ActionSpec:
    """The declaration of one verb from its settings."""
    return ActionSpec(
        parameters={name: one.spec() for name, one in parameters.items()},
        results={name: one.spec() for name, one in results.items()},
        repeat=repeat,
        takes_s=takes_s,
        and_s=and_s,
        doc=doc,
    )


def not_taken(names: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises ValueError for an argument under a name that the host fills in."""
    if taken := sorted(TAKEN & set(names)):
        raise ValueError(f"no argument can be called {taken[0]!r}: the host fills it in")
    return names
