"""What a lab file says of a SiLA 2 server: its address, and which verb is which command."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from drivers.configured import BoundedEntry, Entry, Name, ParameterEntry, ResultEntry, not_taken
from drivers.instruments.instrument import Instrument
from drivers.protocol import Attribution, Repeat, Scalar

Member = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*$")]  # Feature.Command
Identifier = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")]


class SilaLabelled(BoundedEntry):
    """`label`: the unit's label in the feature definition, where it is written otherwise ("°C" for degC)."""

    label: str | None = None


class SilaParameter(ParameterEntry, SilaLabelled):
    """An argument: `identifier` is the command's parameter, by default the argument's name as SiLA writes it."""

    identifier: Identifier | None = None


class SilaResult(ResultEntry, SilaLabelled):
    """A reading: from the command's response, or from a property read after the command has ended."""

    response: Identifier | None = None
    property: Member | None = None

    @model_validator(mode="after")
    def _one_source(self) -> SilaResult:
        if self.response is not None and self.property is not None:
            raise ValueError("a result comes from a response or from a property, not from both")
        return self


class SilaQuestion(Entry):
    """How the device tells whether an action was done.

    Its `property` equals the argument named (numbers: within `within`), or, where none is named, the action's id; of a
    list, one of its items does. While the Boolean property `busy` holds, nothing is concluded.
    """

    property: Member
    argument: Name | None = None
    within: float = Field(default=0.0, ge=0)
    busy: Member | None = None


class SilaAction(Entry):
    """One verb. Without a `command` it only reads properties.

    `fixed`: parameters that never vary; `sample` and `action_id`: String parameters that get the sample's name and the
    action's id.
    """

    command: Member | None = None
    parameters: Mapping[Name, SilaParameter] = Field(default_factory=dict)
    fixed: Mapping[Identifier, Scalar] = Field(default_factory=dict)
    sample: Identifier | None = None
    action_id: Identifier | None = None
    results: Mapping[Name, SilaResult] = Field(default_factory=dict)
    repeat: Repeat | None = Field(default=None, strict=False)
    ask: SilaQuestion | None = None
    takes_s: float = Field(default=1.0, ge=0)
    doc: str = ""

    @field_validator("parameters")
    @classmethod
    def _free_names(cls, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        return not_taken(parameters)

    @model_validator(mode="after")
    def _whole(self) -> SilaAction:
        if self.command is None:
            if self.parameters or self.fixed or self.sample or self.action_id:
                raise ValueError("without a command there are no parameters")
            if not self.results or any(one.property is None for one in self.results.values()):
                raise ValueError("without a command every result names a property, and there is one at least")
        if self.ask is not None and self.ask.argument not in (None, *self.parameters):
            raise ValueError(f"ask names the argument {self.ask.argument!r}, which the action does not have")
        if self.ask is not None and self.ask.argument is None and self.action_id is None:
            raise ValueError("ask compares with an argument, or with the id that 'action_id' sends")
        if self.repeat is Repeat.TESTABLE and self.ask is None:
            raise ValueError("a testable action says by 'ask' how the device tells what was done")
        return self

    @property
    def repeat_class(self) -> Repeat:
        """As set; else testable where the device can be asked, repeatable where it is only read."""
        if self.repeat is not None:
            return self.repeat
        if self.command is None:
            return Repeat.REPEATABLE
        return Repeat.OPAQUE if self.ask is None else Repeat.TESTABLE


class SilaSettings(Instrument.Settings):
    """`root_certificates`: PEM file of the authority that signed the server's certificate; without it the system's are
    trusted. `insecure`: no encryption, on loopback only. `halt`, `make_safe`: commands without parameters. `errors`:
    whose fault an execution error is, by its identifier; `instrument` where none is said.
    """

    host: str
    port: int = Field(ge=1, le=65535)
    root_certificates: str | None = None
    insecure: bool = False
    actions: Mapping[Name, SilaAction] = Field(min_length=1)
    halt: Annotated[tuple[Member, ...], Field(strict=False)] = ()
    make_safe: Annotated[tuple[Member, ...], Field(strict=False)] = ()
    errors: Mapping[Identifier, Annotated[Attribution, Field(strict=False)]] = Field(default_factory=dict)
    answers_within_s: float = Field(default=10.0, gt=0)
    away_s: float = Field(
        default=20.0, ge=0
    )  # how long a broken connection is waited for in the middle of a command

    @model_validator(mode="after")
    def _encrypted_elsewhere(self) -> SilaSettings:
        if self.insecure and not on_loopback(self.host):
            raise ValueError(f"insecure is for loopback only, and {self.host} is not: give root_certificates")
        if self.insecure and self.root_certificates is not None:
            raise ValueError("an insecure connection has no certificates: leave one of the two out")
        return self


def on_loopback(host: str) -> bool:
    """Whether `host` is this machine, by its address or as localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sila_name(name: str) -> str:
    """A name as SiLA writes it: `be_at` is BeAt."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
