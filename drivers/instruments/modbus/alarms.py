"""The alarms of a controller: which bits of its alarm register are set, by the names that a lab file gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drivers.instruments.modbus.controller import Look
from drivers.protocol import ActionFailed, Attribution


def check_bits(bits: Iterable[str]) -> None:
    """Raises ValueError where one is no number of a bit of a register."""
    for bit in bits:
        if not (bit.isascii() and bit.isdigit() and int(bit) < 16):
            raise ValueError(f"alarm_bits: wanted bits '0' to '15', got {bit!r}")


class Alarms:
    """`names`: bit → what it means."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def of(self, look: Look) -> str:
        """The alarms in words; "" without any."""
        bits = [bit for bit in range(16) if look.alarms >> bit & 1]
        return ", ".join(self._names.get(str(bit), f"bit {bit} of the alarm register") for bit in bits)

    def refuse(self, look: Look) -> None:
        """Raises ActionFailed where there is one."""
        if names := self.of(look):
            raise ActionFailed(Attribution.INSTRUMENT, f"alarm: {names}: {look.sentence()}")
