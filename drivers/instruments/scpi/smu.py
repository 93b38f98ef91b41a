"""A source-measure unit with a four-point probe: resistance of a film. Dialect of the Keithley 2400 series."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from drivers.driver import (
    ActionFailed,
    Attribution,
    Given,
    Gives,
    LabContext,
    Quantity,
    Reading,
    Repeat,
    action,
)
from drivers.errors import SettingsError
from drivers.instruments.instrument import Halted, Instrument, bounded
from drivers.instruments.scpi.four_point import LEAST, Resistance, delta
from drivers.instruments.scpi.probe import Probe
from drivers.instruments.scpi.session import ScpiSession
from drivers.optional import installed
from drivers.protocol import DeviceSpec

OVERFLOW = 9.9e37  # SCPI's way to say that there is no number
OUT_OF_RANGE, IN_COMPLIANCE = 1 << 0, 1 << 3  # bits of the 2400's status word
SAME_CURRENT = 0.02
THICKEST = 0.2  # of the spacing

Current = Annotated[float, Quantity("A", at_least=1e-9)]
Voltage = Annotated[float, Quantity("V", at_least=1e-3)]
Cycles = Annotated[float, Quantity("", at_least=0.01, at_most=10, doc="integration, in periods of the mains")]
Readings = Annotated[int, Quantity("", at_least=LEAST, at_most=1001, doc="of alternating polarity")]
Settle = Annotated[float, Quantity("s", at_least=0, at_most=10, doc="from setting a current to its reading")]
Range = Annotated[float, Quantity("V", at_least=0, at_most=210, doc="of the voltmeter; 0: by itself")]
RESISTANCE = Gives("ohm", at_least=0, at_most=1e12)
SHEET = Gives("ohm", at_least=0, at_most=1e13, doc="per square")
OFFSET = Gives("V", at_least=-10, at_most=10, doc="thermal voltage, cancelled")


class SourceMeasureUnit(Instrument):
    """Sources a current in alternating directions, reads the voltage, and is off between acts."""

    version = "1"

    class Settings(Instrument.Settings):
        """`resource`: VISA's name ("TCPIP0::192.0.2.18::5025::SOCKET", "GPIB0::24::INSTR"); `backend`: "@py", "@ivi",
        or "FILE.yaml@sim". `expects`: a pattern that *IDN? must match. `timeout_s`: for one answer, to which the
        integration adds. `largest_A`, `largest_V`: bounds of current and compliance. `line_Hz`: of the mains.
        """

        resource: str = Field(min_length=1)
        backend: str = "@py"
        expects: str = r"KEITHLEY.*MODEL 24\d\d"
        timeout_s: float = Field(default=5.0, gt=0)
        termination: str = "\n"
        largest_A: float = Field(default=0.1, gt=1e-9, le=10)
        largest_V: float = Field(default=21.0, gt=1e-3, le=210)
        line_Hz: Literal[50, 60] = 50
        probe: Probe = Probe()

        @model_validator(mode="after")
        def _pattern(self) -> SourceMeasureUnit.Settings:
            try:
                re.compile(self.expects)
            except re.error as error:
                raise ValueError(f"expects: {self.expects!r} is no pattern: {error}") from error
            return self

    safe_state = "output off"

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        s = self.settings
        self._visa = ScpiSession(s.resource, s.backend, timeout_s=s.timeout_s, termination=s.termination)
        self._identity = ""
        self._halted = Halted()

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As declared, current and compliance bounded by the settings."""
        back = settings.backend.partition("@")[2]
        for package in ("pyvisa", *{"py": ["pyvisa-py"], "sim": ["pyvisa-sim"]}.get(back, [])):
            installed(package, "instruments")
        spec = super().describe(settings)
        most = {"current": settings.largest_A, "compliance": settings.largest_V}
        return spec.model_copy(update={"actions": bounded(spec.actions, most)})

    @action(Repeat.REPEATABLE, takes_s=20, gives={"resistance": RESISTANCE, "offset": OFFSET})
    async def resistance(
        self, current: Current, compliance: Voltage, nplc: Cycles = 1.0, readings: Readings = 11,
        settle: Settle = 0.01, range: Range = 0.0,
    ) -> Given:  # fmt: skip
        """Four-wire resistance V/I at both polarities; thermal voltages cancel."""
        got = await self._measured(current, compliance, nplc, readings, settle, range)
        return Given(_readings(got), self._record(got))

    @action(
        Repeat.REPEATABLE,
        takes_s=20,
        gives={"resistance": RESISTANCE, "offset": OFFSET, "sheet_resistance": SHEET},
    )
    async def sheet_resistance(
        self, current: Current, compliance: Voltage, nplc: Cycles = 1.0, readings: Readings = 11,
        settle: Settle = 0.01, range: Range = 0.0,
    ) -> Given:  # fmt: skip
        """Sheet resistance of a film under a collinear probe, corrected for the film's size."""
        got = await self._measured(current, compliance, nplc, readings, settle, range)
        return Given({**_readings(got), "sheet_resistance": self._sheet(got)}, self._record(got))

    @action(
        Repeat.REPEATABLE,
        takes_s=20,
        gives={
            "resistance": RESISTANCE,
            "offset": OFFSET,
            "sheet_resistance": SHEET,
            "conductivity": Gives("S/m", at_least=0, at_most=1e9),
        },
    )
    async def conductivity(
        self, current: Current, compliance: Voltage,
        thickness: Annotated[float, Quantity("nm", at_least=0.1)],
        nplc: Cycles = 1.0, readings: Readings = 11, settle: Settle = 0.01, range: Range = 0.0,
    ) -> Given:  # fmt: skip
        """Conductivity of a film of known thickness, which is taken as exact."""
        spacing_nm = self.settings.probe.spacing_mm * 1e6
        if thickness > THICKEST * spacing_nm:
            limit = THICKEST * spacing_nm
            reason = f"{thickness:g} nm is no thin film for this probe: at most {limit:g} nm ({THICKEST:g} spacings)"
            raise ActionFailed(Attribution.INFEASIBLE, reason)
        got = await self._measured(current, compliance, nplc, readings, settle, range)
        sheet = self._sheet(got)
        if not sheet.value > 0:
            raise ActionFailed(
                Attribution.BAD_READING, f"a resistance of {got.ohm:.3g} ohm has no conductivity"
            )
        value = 1 / (sheet.value * thickness * 1e-9)
        sigma = None if sheet.sigma is None else value * sheet.sigma / sheet.value
        conductivity = Reading(value=value, unit="S/m", sigma=sigma)
        readings_of = {**_readings(got), "sheet_resistance": sheet, "conductivity": conductivity}
        return Given(readings_of, self._record(got))

    async def connect(self) -> None:
        """Raises LinkLost; SettingsError where another instrument answers. The output is off afterwards."""
        s = self.settings
        await self._visa.open()
        self._identity = await self._visa.query("*IDN?")
        if not re.search(s.expects, self._identity, re.IGNORECASE):
            raise SettingsError(
                f"{s.resource} says that it is {self._identity[:200]!r}, wanted one that matches {s.expects!r}: "
                "give the address of the right instrument, or its pattern as 'expects'"
            )
        self.check_reality("SIMULATED" in self._identity.upper(), s.resource)
        await self._visa.write("*CLS")
        await self._off()

    async def disconnect(self) -> None:
        await self._visa.close()

    async def halt(self) -> None:
        """Output off; a measurement in hand ends as failed."""
        self._halted.set()
        await self._off()

    async def make_safe(self) -> None:
        """The same as halt."""
        await self.halt()

    async def is_safe(self) -> bool:
        """Ask whether the output is off. Raises LinkLost, ActionFailed."""
        (on,) = await self._visa.numbers(":OUTP?", 1)
        return on == 0

    async def _measured(
        self, current: float, compliance: float, nplc: float, readings: int, settle: float, range_V: float
    ) -> Resistance:
        """Configure, source, read, switch off. Raises ActionFailed; LinkLost, and then the output may be on."""
        self._halted.clear()
        visa = self._visa
        await self.connect()  # after a broken connection it might be another instrument
        takes_s = nplc / self.settings.line_Hz
        by_range = f":SENS:VOLT:RANG {range_V:.6e}" if range_V else ":SENS:VOLT:RANG:AUTO ON"
        await visa.write(
            "*RST", "*CLS", ":SYST:RSEN ON", ":SOUR:FUNC CURR", ":SOUR:CURR:MODE FIX",
            f":SOUR:CURR:RANG {current:.6e}", ':SENS:FUNC "VOLT"', f":SENS:VOLT:PROT {compliance:.6e}", by_range,
            f":SENS:VOLT:NPLC {nplc:g}", ":FORM:ELEM VOLT,CURR,STAT",
        )  # fmt: skip
        await self._refuse_errors("while it was set up")
        currents, voltages = [], []
        try:
            for k in range(readings):
                if self._halted.is_set():
                    raise ActionFailed(Attribution.INSTRUMENT, f"halted after {k} of {readings} readings")
                sourced = current if k % 2 == 0 else -current
                commands = [f":SOUR:CURR {sourced:.6e}"] + ([":OUTP ON"] if k == 0 else [])
                await visa.write(*commands)
                await self._halted.sleep(
                    settle
                )  # here and not in the instrument, so that a halt need not wait
                if self._halted.is_set():
                    raise ActionFailed(Attribution.INSTRUMENT, f"halted after {k} of {readings} readings")
                volt, ampere, status = await visa.numbers(":READ?", 3, takes_s)
                self._check(sourced, volt, ampere, int(status), compliance)
                currents.append(ampere)
                voltages.append(volt)
        finally:
            await self._off()
        await self._refuse_errors("while it measured")
        return delta(currents, voltages)

    async def _off(self) -> None:
        """Output off, and asked whether it is. Raises LinkLost, ActionFailed where it says that it is on."""
        await self._visa.write(":OUTP OFF")
        if not await self.is_safe():
            raise ActionFailed(
                Attribution.INSTRUMENT, f"{self.settings.resource}: the output does not go off"
            )

    def _check(self, sourced: float, volt: float, ampere: float, status: int, compliance: float) -> None:
        if self._halted.is_set():
            raise ActionFailed(Attribution.INSTRUMENT, "halted during a reading")
        if status & IN_COMPLIANCE:
            raise ActionFailed(
                Attribution.BAD_READING,
                f"compliance of {compliance:g} V reached at {sourced:g} A: the film has more than "
                f"{compliance / abs(sourced):.3g} ohm, or a contact is open; use a smaller current",
            )
        if status & OUT_OF_RANGE or not (abs(volt) < OVERFLOW and abs(ampere) < OVERFLOW):
            raise ActionFailed(Attribution.BAD_READING, f"the voltage is out of range at {sourced:g} A")
        if abs(ampere - sourced) > SAME_CURRENT * abs(sourced):
            raise ActionFailed(Attribution.BAD_READING, f"{sourced:g} A were asked, {ampere:g} A flow")

    async def _refuse_errors(self, when: str) -> None:
        if errors := await self._visa.errors():
            raise ActionFailed(Attribution.INSTRUMENT, f"the instrument reports {when}: {'; '.join(errors)}")

    def _sheet(self, got: Resistance) -> Reading:
        factor = self.settings.probe.factor()
        return Reading(value=got.ohm * factor, unit="ohm", sigma=got.sigma_ohm * factor or None)

    def _record(self, got: Resistance) -> Mapping[str, Any]:
        return {
            "identity": self._identity, "factor": self.settings.probe.factor(), "drift_V_per_reading": got.drift_V,
            "residual_V": got.residual_V,
        }  # fmt: skip


def _readings(got: Resistance) -> dict[str, Reading]:
    return {
        "resistance": Reading(value=got.ohm, unit="ohm", sigma=got.sigma_ohm or None),
        "offset": Reading(value=got.offset_V, unit="V"),
    }
