"""A whole driver of a simple real instrument: a laboratory balance that answers lines over TCP."""

from __future__ import annotations

import asyncio

from drivers.driver import ActionFailed, Attribution, Driver, Gives, Repeat, action


class Balance(Driver):
    """A laboratory balance."""

    version = "1"
    safe_state = "at rest: it only weighs"

    class Settings(Driver.Settings):
        host: str
        port: int

    settings: Settings
    _line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connect(self) -> None:
        if self._line is None:
            self._line = await asyncio.open_connection(self.settings.host, self.settings.port)

    async def disconnect(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            line[1].close()
            await line[1].wait_closed()

    @action(Repeat.REPEATABLE, takes_s=2, gives={"mass": Gives("g", at_least=0, at_most=220)})
    async def weigh(self) -> dict[str, float]:
        """Give the stable mass on the pan."""
        if self._line is None:
            raise ActionFailed(Attribution.INSTRUMENT, "the balance is not connected")
        self._line[1].write(b"S\r\n")
        status, mass, unit = (await self._line[0].readline()).split()
        if (status, unit) != (b"S", b"g"):
            raise ActionFailed(Attribution.INSTRUMENT, f"the balance says {status!r}")
        return {"mass": float(mass)}
