"""What a lab file says of a furnace controller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from drivers.instruments.instrument import Instrument
from drivers.instruments.modbus.alarms import check_bits
from drivers.instruments.modbus.registers import Registers

ROOM_K = 293.15


class FurnaceSettings(Instrument.Settings):
    """Address: `host`, `port`, `unit`. Numbers: `numbers`, `word_order`, `scale` (value = stored × scale),
    `controller_unit`, `registers`, `alarm_bits` (bit → name); `block_reads: false` reads each register by itself.

    `hottest_K`, `fastest_ramp` (K/min), `longest_hold_s`: what is allowed; durations are reckoned by `usual_ramp`.
    `band_K`: so near is there. `safe_K`: the setpoint after a stop. `poll_s`: between two looks. `timeout_s`: for
    one request; `reconnect_s`: so long a lost connection is tried anew. `stall_s`: a programme whose time stands
    still for so long (real seconds) is stopped. `late`: one that takes so many times its reckoned time is stopped.
    """

    host: str = Field(min_length=1)
    port: int = Field(default=502, ge=1, le=65535)
    unit: int = Field(default=1, ge=0, le=247)
    numbers: Literal["float32", "int16"] = "float32"
    word_order: Literal["big", "little"] = "big"
    scale: float = Field(default=1.0, gt=0)
    controller_unit: Literal["degC", "K"] = "degC"
    registers: Registers = Registers()
    alarm_bits: Mapping[str, str] = {"0": "over-temperature", "1": "thermocouple break", "2": "door open"}
    block_reads: bool = True
    hottest_K: float = Field(default=1473.15, gt=290, le=3000)
    fastest_ramp: float = Field(default=20.0, gt=0.01)
    usual_ramp: float = Field(default=5.0, gt=0)
    longest_hold_s: float = Field(default=360000.0, gt=0)
    band_K: float = Field(default=5.0, gt=0)
    safe_K: float = Field(default=ROOM_K, ge=0, le=400)
    poll_s: float = Field(default=1.0, gt=0)
    timeout_s: float = Field(default=1.0, gt=0)
    reconnect_s: float = Field(default=30.0, ge=0)
    stall_s: float = Field(default=30.0, gt=0)
    late: float = Field(default=2.0, ge=1.1)

    @model_validator(mode="after")
    def _bits(self) -> FurnaceSettings:
        check_bits(self.alarm_bits)
        return self
