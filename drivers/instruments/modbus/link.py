"""One connection to a Modbus TCP server, opened anew when it breaks: pymodbus 3.16 does not do that by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from drivers.instruments.instrument import LinkLost
from drivers.protocol import ActionFailed, Attribution

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusTcpClient

BETWEEN_S = 0.2  # from one attempt to connect to the next


class ModbusLink:
    """Requests in turn to one unit. Each has `timeout_s`; a broken connection is tried anew for `reconnect_s`."""

    def __init__(self, host: str, port: int, unit: int, *, timeout_s: float, reconnect_s: float) -> None:
        self.where = f"{host}:{port} unit {unit}"
        self._host, self._port, self._unit = host, port, unit
        self._timeout_s, self._reconnect_s = timeout_s, reconnect_s
        self._client: AsyncModbusTcpClient | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Connect, if there is no connection. Raises LinkLost."""
        async with self._lock:
            if not await self._connected():
                raise LinkLost(f"no Modbus server answers at {self.where}")

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def read(self, address: int, count: int) -> list[int]:
        """`count` holding registers from `address` on. Raises LinkLost, ActionFailed where the server refuses."""

        def ask(client: AsyncModbusTcpClient) -> Awaitable[Any]:
            return client.read_holding_registers(address, count=count, device_id=self._unit)

        words: list[int] = (await self._request(f"read of {count} registers at {address}", ask)).registers
        if len(words) != count:
            raise ActionFailed(
                Attribution.BAD_READING,
                f"{self.where} gave {len(words)} registers from {address} on, {count} were asked",
            )
        return words

    async def write(self, address: int, words: list[int], *, once: bool = False) -> None:
        """Write holding registers from `address` on. Raises LinkLost, ActionFailed where the server refuses.

        After a LinkLost it may have been written or not. `once`: it is not sent a second time by itself.
        """

        def ask(client: AsyncModbusTcpClient) -> Awaitable[Any]:
            return client.write_registers(address, words, device_id=self._unit)

        await self._request(f"write of {len(words)} registers at {address}", ask, once=once)

    async def _request(
        self, what: str, ask: Callable[[AsyncModbusTcpClient], Awaitable[Any]], *, once: bool = False
    ) -> Any:
        from pymodbus.exceptions import ModbusException

        give_up = time.monotonic() + self._reconnect_s
        why = "no connection"
        while True:
            async with self._lock:
                if await self._connected():
                    assert self._client is not None
                    try:
                        reply = await ask(self._client)
                    except (ModbusException, OSError) as error:
                        # pymodbus makes an error of a cancellation: a halted act would go on to its end.
                        task = asyncio.current_task()
                        if task is not None and task.cancelling():
                            self.close()
                            raise asyncio.CancelledError from error
                        why = str(error) or type(error).__name__
                        self.close()
                        if once:
                            raise LinkLost(f"{self.where}: {what}: {why}") from error
                    else:
                        if reply.isError():
                            raise ActionFailed(
                                Attribution.INSTRUMENT,
                                f"{self.where} refused the {what}: Modbus exception {_name(reply)}; "
                                "check the register map and the unit id",
                            )
                        return reply
            if time.monotonic() >= give_up:
                raise LinkLost(f"{self.where}: {what}: no answer for {self._reconnect_s:g} s ({why})")
            await asyncio.sleep(min(BETWEEN_S, self._reconnect_s))

    async def _connected(self) -> bool:
        if self._client is not None and self._client.connected:
            return True
        from pymodbus.client import AsyncModbusTcpClient

        logging.getLogger("pymodbus.logging").setLevel(
            logging.CRITICAL
        )  # what goes wrong is said by this driver
        self.close()
        client = AsyncModbusTcpClient(
            self._host, port=self._port, timeout=self._timeout_s, retries=0, reconnect_delay=0
        )
        if await client.connect():
            self._client = client
            return True
        client.close()
        return False


def _name(reply: Any) -> str:
    names = {
        1: "illegal function",
        2: "illegal address",
        3: "illegal value",
        4: "device failure",
        6: "device busy",
    }
    code = getattr(reply, "exception_code", 0)
    return f"{code} ({names.get(code, 'other')})"
