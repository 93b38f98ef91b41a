"""The model of a lab file: which devices a laboratory has, what drives them, and what they may never do.

Data only. Reading YAML is the campaign language's business; binding to installed drivers is
`drivers.binding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from drivers.consumable import CONSUMABLE, ConsumableEntry
from drivers.consumable import LONGEST_NAME as LONGEST_CONSUMABLE
from drivers.interlock import SIGNAL, RuleEntry, Seconds, SourceEntry, SuspenderEntry
from drivers.place import PlaceEntry, PlaceName, SamplesEntry, TransportEntry

NAME = r"^[a-z][a-z0-9_]*$"
LONGEST_NAME = 48  # a host's name is part of its socket's path, which may have 107 bytes
LABS = Path(__file__).parent / "labs"


class LabModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LimitEntry(LabModel):
    """A bound on one argument: a number in the driver's unit, or a text with a unit ("520 K")."""

    at_least: float | str | None = None
    at_most: float | str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        low, high = self.at_least, self.at_most
        if low is None and high is None:
            raise ValueError("a limit needs at_least or at_most")
        if isinstance(low, float) and isinstance(high, float) and low > high:
            raise ValueError(f"at_least {low:g} is above at_most {high:g}")
        return self


class DeviceEntry(LabModel):
    """One device: its driver's installed name, its host process (default: one of its own), its settings.

    `rest` is how long it is left alone after an action, by verb: a furnace that must cool before it is opened.
    `fill` is how long it waits for more samples, where one action takes several and more are on their way.
    """

    driver: str
    host: str | None = Field(default=None, pattern=NAME, max_length=LONGEST_NAME)
    settings: Mapping[str, Any] = Field(default_factory=dict)
    limits: Mapping[str, LimitEntry] = Field(default_factory=dict)  # "verb.argument" -> bounds
    rest: Mapping[str, Seconds] = Field(default_factory=dict)
    fill: Seconds | None = None

    @field_validator("limits")
    @classmethod
    def _verb_and_argument(cls, limits: Mapping[str, LimitEntry]) -> Mapping[str, LimitEntry]:
        for key in limits:
            verb, dot, argument = key.partition(".")
            if not (verb and dot and argument) or "." in argument:
                raise ValueError(f"a limit is named verb.argument (heat.temperature), not {key!r}")
        return limits


class WorldEntry(LabModel):
    """The simulated truth that devices share. They must live in one host: a world has one writer."""

    model: str
    seed: int = 0
    settings: Mapping[str, Any] = Field(default_factory=dict)


class LabFile(LabModel):
    """One laboratory. Simulation is what nobody has to ask for; a real lab says so and has no world."""

    alquimia_lab: Literal[1]
    name: str = Field(min_length=1, max_length=100)
    description: str = ""
    reality: Literal["simulated", "real"] = "simulated"
    clock: Literal["virtual", "wall"] = "wall"
    world: WorldEntry | None = None
    devices: Mapping[str, DeviceEntry] = Field(min_length=1)
    # Devices that can stand in for one another, under one name that a recipe may use: whichever is free acts.
    groups: Mapping[str, Annotated[tuple[str, ...], Field(strict=False, min_length=1)]] = Field(
        default_factory=dict
    )
    signals: Mapping[Annotated[str, Field(pattern=SIGNAL)], SourceEntry] = Field(default_factory=dict)
    rules: Annotated[tuple[RuleEntry, ...], Field(strict=False)] = ()
    suspenders: Annotated[tuple[SuspenderEntry, ...], Field(strict=False)] = ()
    places: Mapping[PlaceName, PlaceEntry] = Field(default_factory=dict)
    samples: SamplesEntry | None = None
    transports: Annotated[tuple[TransportEntry, ...], Field(strict=False)] = ()

    consumables: Mapping[
        Annotated[str, Field(pattern=CONSUMABLE, max_length=LONGEST_CONSUMABLE)], ConsumableEntry
    ] = Field(default_factory=dict)

    @field_validator("devices")
    @classmethod
    def _names(cls, devices: Mapping[str, DeviceEntry]) -> Mapping[str, DeviceEntry]:
        for name in devices:
            if not _is_name(name):
                raise ValueError(
                    f"a device is named in small letters, digits and _, at most {LONGEST_NAME}, not {name!r}"
                )
        return devices

    @model_validator(mode="after")
    def _members(self) -> Self:
        for name, members in self.groups.items():
            if not _is_name(name) or name in self.devices:
                raise ValueError(f"a group is named like a device, and unlike every device, not {name!r}")
            strangers = [member for member in members if member not in self.devices]
            if strangers or len(set(members)) < len(members):
                wrong = f"{strangers[0]!r}, which is no device" if strangers else "one twice"
                raise ValueError(f"the group {name!r} holds {wrong}")
        return self

    @model_validator(mode="after")
    def _one_suspender_a_signal(self) -> Self:
        named = [one.signal for one in self.suspenders]
        if len(set(named)) < len(named):
            raise ValueError("a signal has one suspender")
        return self

    @property
    def sources(self) -> Mapping[str, SourceEntry]:
        """Where each polled signal is read: those of `signals`, then those that suspenders bring themselves."""
        own = {one.signal: one.source for one in self.suspenders if one.source is not None}
        return {**own, **self.signals}

    @model_validator(mode="after")
    def _one_reality(self) -> Self:
        if self.reality == "real" and self.world is not None:
            raise ValueError("a real laboratory has no simulated world")
        if self.reality == "real" and self.clock == "virtual":
            raise ValueError("a real laboratory runs on the wall clock")
        return self

    def host_of(self, device: str) -> str:
        """The host process that `device` lives in."""
        return self.devices[device].host or device

    def members(self, name: str) -> tuple[str, ...]:
        """The devices that a recipe may mean by `name`: a device itself, those of a group, or none."""
        return self.groups.get(name, (name,) if name in self.devices else ())

    @property
    def hosts(self) -> Mapping[str, tuple[str, ...]]:
        """Host -> its devices, in the file's order."""
        hosts: dict[str, tuple[str, ...]] = {}
        for name in self.devices:
            hosts[self.host_of(name)] = (*hosts.get(self.host_of(name), ()), name)
        return hosts

    def with_settings(self, device: str, **settings: Any) -> LabFile:
        """This laboratory with some settings of one device replaced, as the command line does (`--table
        PATH`).

        Raises KeyError for a device it does not have.
        """
        entry = self.devices[device]
        changed = entry.model_copy(update={"settings": {**entry.settings, **settings}})
        return self.model_copy(update={"devices": {**self.devices, device: changed}})


def _is_name(text: str) -> bool:
    return (
        len(text) <= LONGEST_NAME
        and text.isascii()
        and text[:1].isalpha()
        and text == text.lower()
        and text.replace("_", "a").isalnum()
    )


def shipped_names() -> tuple[str, ...]:
    """The laboratories that come with the package, as a campaign names them ("simulated/thin_film")."""
    return tuple(sorted(str(path.relative_to(LABS).with_suffix("")) for path in LABS.glob("*/*.yaml")))


def shipped(name: str) -> Path | None:
    """The file of a shipped laboratory, None if there is none of that name."""
    return LABS / f"{name}.yaml" if name in shipped_names() else None
