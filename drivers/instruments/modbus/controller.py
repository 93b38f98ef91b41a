"""The furnace controller as its registers show it: one look, one command, in kelvin and seconds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from drivers.instruments.modbus.link import ModbusLink
from drivers.instruments.modbus.registers import READ, Coding, Registers
from drivers.protocol import ActionFailed, Attribution

LARGEST_BLOCK = 120  # registers in one read; the protocol allows 125
SIMULATED = 0x8000
ZERO_C = 273.15
ABSOLUTE = ("temperature", "working_setpoint", "highest", "held_mean", "target")


class Status(IntEnum):
    """The low byte of the status register."""

    IDLE = 0
    RAMPING = 1
    SOAKING = 2
    COMPLETE = 3
    STOPPED = 4
    HOLDING = 5  # at a temperature, with no programme


class Command(IntEnum):
    """What is written into the command register."""

    STOP = 0
    START = 1
    HOLD = 2


@dataclass(frozen=True)
class Look:
    """All that was read at one moment. Temperatures in K, times in s, `output` in %."""

    temperature: float
    working_setpoint: float
    status: int
    alarms: int
    programme: int
    elapsed: float
    held: float
    highest: float
    time_above: float
    held_mean: float
    output: float
    says_simulated: bool

    @property
    def running(self) -> bool:
        return self.status in (Status.RAMPING, Status.SOAKING)

    @property
    def off(self) -> bool:
        """Nothing is heated: neither a programme nor a held temperature, and no output."""
        return not self.running and self.status != Status.HOLDING and self.output == 0

    def sentence(self) -> str:
        """The state in words, for reasons."""
        known = self.status in Status._value2member_map_
        state = Status(self.status).name.lower() if known else f"in the unknown state {self.status}"
        return f"{state} at {self.temperature:.1f} K, {self.elapsed:.0f} s after its start, {self.held:.0f} s of soak"


def programme_id(action_id: str) -> int:
    """The number that a programme has in the controller: 32 bits of the action id's SHA-256, never zero."""
    return int.from_bytes(hashlib.sha256(action_id.encode()).digest()[:4], "big") or 1


class Controller:
    """Reads and writes one controller by its register map."""

    def __init__(
        self,
        link: ModbusLink,
        registers: Registers,
        coding: Coding,
        unit: Literal["degC", "K"],
        *,
        blocks: bool,
    ) -> None:
        self.link = link
        self._registers, self._coding, self._blocks = registers, coding, blocks
        self._zero = ZERO_C if unit == "degC" else 0.0

    async def look(self) -> Look:
        """The controller's state, from one request where the registers lie together. Raises LinkLost, ActionFailed."""
        raw = await self._read(READ)
        values: dict[str, float] = {}
        for name, words in raw.items():
            value = self._coding.value(name, words)
            if not math.isfinite(value):
                raise ActionFailed(
                    Attribution.BAD_READING,
                    f"{self.link.where}: register {name} ({getattr(self._registers, name)}) holds {value}",
                )
            values[name] = value + self._zero if name in ABSOLUTE else value
        status = int(values.pop("status"))
        alarms, programme = int(values.pop("alarms")), int(values.pop("programme"))
        return Look(
            **values, status=status & 0xFF, alarms=alarms, programme=programme,
            says_simulated=bool(status & SIMULATED),
        )  # fmt: skip

    async def load(self, numbers: Mapping[str, float], programme: int) -> None:
        """Write a programme and read it back. Raises ActionFailed where it does not come back the same.

        A wrong register map, word order or scale shows here, before anything is started.
        """
        wanted = {**numbers, "next_programme": programme}
        stored = {}
        for name, value in wanted.items():
            shifted = value - self._zero if name in ABSOLUTE else value
            try:
                stored[name] = self._coding.words(name, shifted)
            except ValueError as error:
                raise ActionFailed(Attribution.INSTRUMENT, f"{error}; check numbers and scale") from error
            await self.link.write(getattr(self._registers, name), stored[name])
        back = await self._read(tuple(wanted))
        for name, words in stored.items():
            if back[name] != words:
                raise ActionFailed(
                    Attribution.INSTRUMENT,
                    f"{self.link.where} took {name} = {wanted[name]:g} as words {words} and gives {back[name]} back: "
                    "check the register map; nothing was started",
                )

    async def programme_loaded(self) -> int:
        """The id that the next start will have."""
        words = await self._read(("next_programme",))
        return int(self._coding.value("next_programme", words["next_programme"]))

    async def command(self, command: Command, *, once: bool = False) -> None:
        await self.link.write(self._registers.command, [int(command)], once=once)

    async def set_target(self, temperature_K: float) -> None:
        words = self._coding.words("target", temperature_K - self._zero)
        await self.link.write(self._registers.target, words)

    async def _read(self, names: tuple[str, ...]) -> dict[str, list[int]]:
        places = {name: (getattr(self._registers, name), self._coding.width(name)) for name in names}
        first = min(address for address, _ in places.values())
        last = max(address + width for address, width in places.values())
        if self._blocks and last - first <= LARGEST_BLOCK:
            words = await self.link.read(first, last - first)
            return {name: words[at - first : at - first + width] for name, (at, width) in places.items()}
        return {name: await self.link.read(at, width) for name, (at, width) in places.items()}
