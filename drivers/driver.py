"""The base class of every driver. One instance is one device; a simple instrument takes about thirty lines.

class Scale(Driver):
    version = "1"

    class Settings(Driver.Settings):
        port: str

    settings: Settings

    @action(Repeat.REPEATABLE, takes_s=5, gives={"mass": Gives("g", at_least=0)})
    async def weigh(self, repeats: Annotated[int, Quantity("", at_least=1)] = 5) -> dict[str, float]:
        \"\"\"Weigh what lies on the pan.\"\"\"
        ...
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from drivers.action import Given, Gives, PerAtom, Quantity, StructureArgument, action
from drivers.arguments import (
    checked_arguments,
    checked_arrays,
    checked_readings,
    checked_record,
    told_use,
)
from drivers.calibration import Calibration
from drivers.clock import Clock
from drivers.declaration import Declared, declared_actions
from drivers.errors import ArgumentRejected, DeclarationError, UnknownVerb
from drivers.protocol import (
    Action,
    ActionFailed,
    Attribution,
    DeviceSpec,
    Outcome,
    Reading,
    Repeat,
    Testimony,
)

if TYPE_CHECKING:
    from drivers.sim.world import World

__all__ = [
    "Action",
    "ActionFailed",
    "Attribution",
    "Driver",
    "Given",
    "Gives",
    "LabContext",
    "PerAtom",
    "Quantity",
    "Reading",
    "Repeat",
    "StructureArgument",
    "Testimony",
    "action",
]


@dataclass(frozen=True)
class LabContext:
    """What the laboratory lends a driver. `world` is the simulated truth, None in a real laboratory."""

    clock: Clock
    world: World | None
    seed: int
    directory: Path  # the host's own, for what a driver must keep over a restart


class Driver:
    """One device.

    A subclass sets `version` and `safe_state`, gives its `Settings` and its `@action` methods, and overrides `connect`,
    `halt`, `make_safe` and `disconnect` as the instrument needs; each of these is idempotent. The
    constructor must not touch the instrument. The class is checked while it is being defined
    (DeclarationError).
    """

    class Settings(BaseModel):
        """A device's settings in the lab file: checked strictly, unknown keys refused."""

        model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

        calibration: Calibration | None = None

    simulated: ClassVar[bool] = False
    computes: ClassVar[bool] = False  # touches nothing: the same in a simulated and in a real laboratory
    needs_world: ClassVar[bool] = False  # simulates part of a shared world: useless without one
    version: ClassVar[str]
    safe_state: ClassVar[str] = ""  # what `make_safe` leaves behind, in words
    actions: ClassVar[Mapping[str, Declared]] = {}

    settings: Settings

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not (inspect.isclass(cls.Settings) and issubclass(cls.Settings, Driver.Settings)):
            raise DeclarationError(f"{cls.__name__}.Settings must be a class derived from Driver.Settings")
        cls.actions = declared_actions(cls, answers_for_all=cls.testify is not Driver.testify)
        if cls.actions and not isinstance(getattr(cls, "version", None), str):
            raise DeclarationError(f'{cls.__name__} has no version: say version = "1"')
        if any(declared.open for declared in cls.actions.values()) and (
            cls.describe.__func__ is Driver.describe.__func__  # type: ignore[attr-defined]
        ):
            raise DeclarationError(
                f"{cls.__name__} has an action with **arguments and does not override describe(), "
                "which must name them"
            )

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        self.name = name
        self.settings = settings
        self.lab = lab
        self.spec = type(self).describe(settings)

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """What a device of these settings can do. Raises SettingsError where they describe none.

        Touches no instrument and needs no laboratory. Override it where actions depend on the settings; start
        from `super().describe(settings)`.
        """
        return DeviceSpec(
            driver=f"{cls.__module__}:{cls.__qualname__}",
            version=cls.version,
            simulated=cls.simulated,
            actions={verb: declared.spec for verb, declared in cls.actions.items()},
            doc=inspect.cleandoc(cls.__doc__ or ""),
            safe_state=cls.safe_state,
            calibration=settings.calibration,
        )

    def check(self, action: Action) -> dict[str, Any]:
        """The arguments as the method gets them. Raises UnknownVerb, ArgumentRejected; touches nothing."""
        spec = self.spec.actions.get(action.verb)
        if spec is None or action.verb not in self.actions:
            raise UnknownVerb(self.name, action.verb, tuple(self.spec.actions))
        arguments = checked_arguments(self.name, action, spec)
        fills = self.actions[action.verb].fills
        if ("sample" in fills or "samples" in fills) and action.sample is None:
            raise ArgumentRejected(self.name, action.verb, ["it acts on a sample and none is named"])
        if len(action.samples) > max(spec.n_samples, 1):
            few = f"it takes {spec.n_samples} at once, not {len(action.samples)}"
            raise ArgumentRejected(self.name, action.verb, [few])
        return arguments

    async def act(self, action: Action) -> Outcome:
        """Carry `action` out and say how it ended, in lab seconds.

        Raises UnknownVerb and ArgumentRejected before anything is done. Any other exception comes from the
        driver's own code in the middle of the act: the caller then does not know what was done.
        """
        arguments = self.check(action)
        declared = self.actions[action.verb]
        filled = {"sample": action.sample, "samples": action.samples, "action": action}
        method = getattr(self, declared.method)
        clock = self.lab.clock
        with clock.working():
            began_s = clock.now()
            try:
                returned = await method(**arguments, **{name: filled[name] for name in declared.fills})
                return self._succeeded(action, arguments, returned, began_s)
            except ActionFailed as failure:
                return Outcome(
                    status="failed",
                    record=self._kept(action, failure.record),
                    used=told_use(failure.used),
                    attribution=failure.attribution,
                    reason=failure.reason,
                    began_s=began_s,
                    ended_s=clock.now(),
                )

    def _succeeded(
        self, action: Action, arguments: Mapping[str, Any], returned: Any, began_s: float
    ) -> Outcome:
        """What a method returned, checked against what the device declares. Raises ActionFailed."""
        where = f"{self.name}.{action.verb}"
        given = returned if isinstance(returned, Given) else Given(returned, {})
        spec = self.spec.actions[action.verb]
        readings = self._combined(checked_readings(where, given.readings, spec.results))
        record = given.record
        checked_arrays(where, record, spec, arguments)
        if readings and self.spec.calibration is not None:
            record = {"calibration": self.spec.calibration.record(date.today()), **record}
        return Outcome(
            status="succeeded",
            readings=readings,
            record=checked_record(where, record),
            used=told_use(given.used),
            began_s=began_s,
            ended_s=self.lab.clock.now(),
        )

    def _combined(self, readings: Mapping[str, Reading]) -> dict[str, Reading]:
        """With the uncertainty of the calibration in theirs."""
        calibration = self.spec.calibration
        if calibration is None:
            return dict(readings)
        return {
            name: one.model_copy(update={"sigma": calibration.combined(name, one.sigma)})
            for name, one in readings.items()
        }

    def _kept(self, action: Action, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record of a failed act; where it cannot be kept, why, so that the failure itself is told all the same."""
        try:
            return checked_record(f"{self.name}.{action.verb}", record)
        except ActionFailed as failure:
            return {"lost": failure.reason}

    async def testify(self, action: Action) -> Testimony:
        """Ask the device what became of an action that began and was not seen to end."""
        declared = self.actions.get(action.verb)
        if declared is None:
            raise UnknownVerb(self.name, action.verb, tuple(self.spec.actions))
        if declared.testify is None:
            return Testimony(verdict="unknown", reason=f"{self.name} cannot be asked about {action.verb}")
        testimony: Testimony = await getattr(self, declared.testify)(action)
        return testimony.model_copy(update={"readings": self._combined(testimony.readings)})

    async def connect(self) -> None:
        """Open the connection to the instrument, if it is not open."""

    async def disconnect(self) -> None:
        """Close the connection, if it is open. The instrument stays as it is."""

    async def halt(self) -> None:
        """Stop moving now; an act in hand ends as failed or as unknown. Later acts are allowed again."""

    async def make_safe(self) -> None:
        """Heaters off, valves shut: called when the engine is gone. It leaves the device in its `safe_state`."""

    async def is_safe(self) -> bool | None:
        """Ask the device whether it is in its `safe_state` now; None where it cannot be asked."""
        return None
