"""What drivers of instruments share: whether it is the instrument or a simulation of it that answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from drivers.driver import Driver
from drivers.errors import SettingsError
from drivers.protocol import ActionSpec, DeviceSpec


class LinkLost(Exception):
    """The instrument stopped answering and what it did meanwhile is not known.

    No `ActionFailed`: an act that ends in it is in doubt and goes by its repeat class.
    """


class Halted(asyncio.Event):
    """Set by a halt, cleared when the next act begins; what waits during an act waits for this, too."""

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of real time, or until a halt."""
        try:
            await asyncio.wait_for(self.wait(), seconds)
        except TimeoutError:
            return


def bounded(
    actions: Mapping[str, ActionSpec], at_most: Mapping[str, float], **changes: Any
) -> dict[str, ActionSpec]:
    """The actions with `at_most` as the bounds of the parameters of those names; `changes` to each of them."""
    return {
        verb: one.model_copy(
            update={
                "parameters": {
                    name: p.model_copy(update={"at_most": at_most[name]}) if name in at_most else p
                    for name, p in one.parameters.items()
                },
                **changes,
            }
        )
        for verb, one in actions.items()
    }


class Instrument(Driver):
    """A device behind a wire. What is at the other end may be a simulator that speaks the same protocol."""

    class Settings(Driver.Settings):
        """`simulated`: what answers is a simulation; its readings then count as simulated."""

        simulated: bool = False

    settings: Settings

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, simulated or real by the settings."""
        return super().describe(settings).model_copy(update={"simulated": settings.simulated})

    def check_reality(self, says_simulated: bool, where: str) -> None:
        """Raises SettingsError where what answers says of itself something else than the settings do."""
        if says_simulated and not self.settings.simulated:
            raise SettingsError(
                f"{self.name}: what answers at {where} says that it is a simulator, and the settings say that it is "
                "real: give the instrument's own address, or 'simulated: true' in a simulated laboratory"
            )
        if self.settings.simulated and not says_simulated:
            raise SettingsError(
                f"{self.name}: the settings say 'simulated: true', and what answers at {where} does not say that it "
                "is a simulator: give the simulator's address, or leave the setting out in a real laboratory"
            )
