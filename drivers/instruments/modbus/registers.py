"""Numbers in Modbus holding registers (16-bit words): where each is, and in which bytes.

Float32 is IEEE 754 in two words; "big" word order is the high word first, as most controllers have it. Bytes within a
word are big-endian by the protocol (MODBUS Application Protocol Specification V1.1b3, section 4.2).
"""

from __future__ import annotations

import struct
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Address = Annotated[int, Field(ge=0, le=65535)]
NUMBERS = (
    "temperature", "working_setpoint", "elapsed", "held", "highest", "time_above", "held_mean", "output",
    "target", "ramp", "hold", "band",
)  # fmt: skip
IDS = ("programme", "next_programme")  # two words each, whatever the numbers are
WORDS = ("status", "alarms", "command")
READ = ("temperature", "working_setpoint", "status", "alarms", "programme", "elapsed", "held", "highest",
        "time_above", "held_mean", "output")  # fmt: skip


class Registers(BaseModel):
    """Zero-based addresses of holding registers. Temperatures in the controller's unit, times in s, ramp per minute.

    Read: `temperature`, `working_setpoint`, `status` (see controller.Status), `alarms` (bits), `programme` (id of the
    programme that runs or ran last), `elapsed` since its start, `held` (soak so far), `highest` temperature and
    `time_above` the setpoint less the band since its start, `held_mean` (mean temperature of the soak), `output` (%).
    Written: `target`, `ramp`, `hold`, `band`, `next_programme` (the id that a start gives the programme), `command`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    temperature: Address = 0
    working_setpoint: Address = 2
    status: Address = 4
    alarms: Address = 5
    programme: Address = 6
    elapsed: Address = 8
    held: Address = 10
    highest: Address = 12
    time_above: Address = 14
    held_mean: Address = 16
    output: Address = 18
    target: Address = 100
    ramp: Address = 102
    hold: Address = 104
    band: Address = 106
    next_programme: Address = 108
    command: Address = 110

    @model_validator(mode="after")
    def _apart(self) -> Registers:
        at: dict[int, str] = {}
        for name in type(self).model_fields:
            address = getattr(self, name)
            if address in at:
                raise ValueError(f"{name} and {at[address]} have the same address {address}")
            at[address] = name
        return self


class Coding:
    """How numbers are written into registers: `float32` in two words, or `int16` in one; value = stored × scale."""

    def __init__(
        self, numbers: Literal["float32", "int16"], word_order: Literal["big", "little"], scale: float
    ) -> None:
        self.numbers = numbers
        self.word_order = word_order
        self.scale = scale

    def width(self, name: str) -> int:
        """How many registers `name` takes."""
        if name in WORDS:
            return 1
        return 2 if name in IDS or self.numbers == "float32" else 1

    def words(self, name: str, value: float) -> list[int]:
        """The registers' content for `value`. Raises ValueError where it does not fit."""
        if name in WORDS:
            return [int(value)]
        if name in IDS:
            return self._ordered(struct.pack(">I", int(value)))
        stored = value / self.scale
        try:
            if self.numbers == "float32":
                return self._ordered(struct.pack(">f", stored))
            return list(struct.unpack(">H", struct.pack(">h", round(stored))))
        except (struct.error, OverflowError) as error:
            raise ValueError(
                f"{name} = {value:g} does not fit into {self.numbers} by {self.scale:g}"
            ) from error

    def value(self, name: str, words: list[int]) -> float:
        """What the registers hold."""
        if name in WORDS:
            return words[0]
        if name in IDS:
            return int(struct.unpack(">I", self._joined(words))[0])
        if self.numbers == "float32":
            return float(struct.unpack(">f", self._joined(words))[0]) * self.scale
        return float(struct.unpack(">h", struct.pack(">H", words[0]))[0]) * self.scale

    def _ordered(self, packed: bytes) -> list[int]:
        words = list(struct.unpack(">2H", packed))
        return words if self.word_order == "big" else words[::-1]

    def _joined(self, words: list[int]) -> bytes:
        return struct.pack(">2H", *(words if self.word_order == "big" else words[::-1]))
