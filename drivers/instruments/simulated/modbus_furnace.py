"""A simulated furnace controller: a real Modbus TCP server over `furnace_plant`, with its own register layout.

python -m drivers.instruments.simulated.modbus_furnace --port 5020 --speed 60

It says of itself that it is a simulator (bit 15 of the status word). The layout (zero-based holding registers,
temperatures in degC, float32 with the high word first) is the default of the driver `modbus.furnace`, written down here
a second time so that a fault in one of them shows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import struct
import time
from collections.abc import Callable
from typing import Any

from drivers.instruments.simulated.furnace_plant import Furnace, PlantConstants, Programme
from drivers.optional import installed

ZERO_C = 273.15
STATES = {"idle": 0, "ramping": 1, "soaking": 2, "complete": 3, "stopped": 4, "holding": 5}
ALARMS = {"over_temperature": 1, "thermocouple_break": 2, "door_open": 4}
SIMULATED = 0x8000
STATUS, ALARM, PROGRAMME, WRITABLE, NEXT, COMMAND, END = 4, 5, 6, 100, 108, 110, 111
STOP, START, HOLD = 0, 1, 2
TICK_S = 0.05


class FurnaceController:
    """Serves one furnace. Plant time runs `speed` times as fast as real time."""

    def __init__(
        self,
        constants: PlantConstants | None = None,
        *,
        unit: int = 1,
        speed: float = 1.0,
        seed: int = 0,
        low_word_first: bool = False,
        says_simulated: bool = True,
    ) -> None:
        self.furnace = Furnace(constants or PlantConstants(), seed)
        self.commands: list[int] = []  # every command that came, in order
        self._unit, self._speed = unit, speed
        self._low_word_first, self._says_simulated = low_word_first, says_simulated
        self._server: Any = None
        self._at = time.monotonic()
        self._ticking: asyncio.Task[None] | None = None
        self._written = [0] * END  # what clients wrote, by address; survives a restart of the network side

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen; the port. The furnace itself goes on from where it is."""
        installed("pymodbus", "instruments")
        from pymodbus.server import ModbusTcpServer
        from pymodbus.simulator import DataType, SimData, SimDevice

        blocks = [
            SimData(0, values=[0] * 20, datatype=DataType.REGISTERS, readonly=True),
            SimData(WRITABLE, values=self._written[WRITABLE:], datatype=DataType.REGISTERS),
        ]
        device = SimDevice(id=self._unit, simdata=blocks, action=self._accessed)
        self._server = ModbusTcpServer(device, address=(host, port))
        await self._server.serve_forever(background=True)
        self._at = time.monotonic()
        self._ticking = asyncio.create_task(self._tick())
        return int(self._server.transport.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and drop every connection; what the controller knows stays."""
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
            self._ticking = None
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()

    def alarm(self, name: str, on: bool = True) -> None:
        """Set or clear an alarm: over_temperature, thermocouple_break, door_open."""
        if name not in ALARMS:
            raise ValueError(f"no alarm is called {name!r}; there are {', '.join(ALARMS)}")
        (self.furnace.alarms.add if on else self.furnace.alarms.discard)(name)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._catch_up()

    def _catch_up(self) -> None:
        now = time.monotonic()
        self.furnace.advance((now - self._at) * self._speed)
        self._at = now

    async def _accessed(
        self, function: int, start: int, address: int, count: int, registers: list[int], values: Any
    ) -> None:
        """Called by the server before it reads or writes: brings the registers up to date, obeys commands."""
        self._catch_up()
        if values is None:
            shown = self._shown()
            registers[: len(shown)] = shown
            return
        self._written[address : address + len(values)] = [int(value) for value in values]
        if address <= COMMAND < address + len(values):
            self._obey(self._written[COMMAND])

    def _obey(self, command: int) -> None:
        self.commands.append(command)
        target, ramp, hold, band = (self._number(WRITABLE + 2 * i) for i in range(4))
        programme = Programme(
            id=self._id(), target_K=target + ZERO_C, ramp_K_per_s=ramp / 60, hold_s=hold, band_K=band
        )
        actions: dict[int, Callable[[], None]] = {
            STOP: self.furnace.stop,
            START: lambda: self.furnace.start(programme),
            HOLD: lambda: self.furnace.hold_at(programme),
        }
        if command in actions:
            actions[command]()

    def _shown(self) -> list[int]:
        f = self.furnace
        p = f.programme
        status = STATES[f.state] | (SIMULATED if self._says_simulated else 0)
        alarms = sum(bit for name, bit in ALARMS.items() if name in f.alarms)
        highest = p.highest_K - ZERO_C if p.highest_K else 0.0
        mean = p.held_mean_K - ZERO_C if p.held_s else 0.0
        percent = 100 * f.power_W / f.constants.power_W
        words = [*self._float(f.measured_K() - ZERO_C), *self._float(f.setpoint_K - ZERO_C), status, alarms]
        words += self._ordered(struct.pack(">I", p.id))
        for number in (p.elapsed_s, p.held_s, highest, p.time_above_s, mean, percent):
            words += self._float(number)
        return words

    def _ordered(self, packed: bytes) -> list[int]:
        high, low = struct.unpack(">2H", packed)
        return [low, high] if self._low_word_first else [high, low]

    def _float(self, number: float) -> list[int]:
        return self._ordered(struct.pack(">f", number))

    def _two_words(self, address: int) -> bytes:
        words = self._written[address : address + 2]
        return struct.pack(">2H", *(words[::-1] if self._low_word_first else words))

    def _number(self, address: int) -> float:
        return float(struct.unpack(">f", self._two_words(address))[0])

    def _id(self) -> int:
        return int(struct.unpack(">I", self._two_words(NEXT))[0])


async def _serve(arguments: argparse.Namespace) -> None:
    controller = FurnaceController(
        PlantConstants(noise_K=arguments.noise),
        unit=arguments.unit,
        speed=arguments.speed,
        seed=arguments.seed,
    )
    port = await controller.start(arguments.host, arguments.port)
    print(f"simulated furnace controller: Modbus TCP {arguments.host}:{port}", flush=True)  # noqa: T201
    try:
        if arguments.alarm is not None:
            await asyncio.sleep(arguments.at)
            controller.alarm(arguments.alarm)
        await asyncio.Event().wait()
    finally:
        await controller.stop()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A simulated furnace controller over Modbus TCP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5020, help="0: any free one")
    parser.add_argument("--unit", type=int, default=1, help="Modbus unit id")
    parser.add_argument("--speed", type=float, default=1.0, help="plant seconds in a real one")
    parser.add_argument("--noise", type=float, default=0.2, help="standard deviation of a reading, K")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alarm", choices=tuple(ALARMS), help="raise this alarm ...")
    parser.add_argument("--at", type=float, default=0.0, help="... so many real seconds after the start")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
