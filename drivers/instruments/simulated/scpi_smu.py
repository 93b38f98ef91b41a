"""A simulated source-measure unit with a film under its probe: SCPI over TCP, the dialect of the Keithley 2400.

python -m drivers.instruments.simulated.scpi_smu --port 5025 --resistance 100

*IDN? says that it is simulated. What is read: V = I R + thermal voltage + drift t + noise / sqrt(NPLC), with the leads'
resistance on top when sensing with two wires; beyond the compliance voltage the current is what the film lets pass.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
import time
from collections import deque
from dataclasses import dataclass, field

from drivers.instruments.listener import Listener

IDENTITY = "KEITHLEY INSTRUMENTS INC.,MODEL 2400 SIMULATED,0,A01"
LARGEST_A, LARGEST_V = 1.05, 210.0
IN_COMPLIANCE = 8
QUEUE = 10


@dataclass
class Film:
    """What lies under the probe. `noise_V`: standard deviation of a reading at one NPLC."""

    ohm: float = 100.0
    lead_ohm: float = 2.0
    thermal_V: float = 20e-6
    drift_V_per_reading: float = 1e-6
    noise_V: float = 1e-6


@dataclass
class SourceMeter:
    """The instrument's state; `obey` takes a message and gives the answer, None where there is none."""

    film: Film = field(default_factory=Film)
    seed: int = 0
    identity: str = IDENTITY
    line_Hz: float = 50.0
    speed: float = 1.0  # how much faster than real time it integrates
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._errors: deque[str] = deque()
        self._n_read = 0
        self._reset()

    def _reset(self) -> None:
        self.output = self.four_wire = False
        self.current_A, self.range_A, self.compliance_V, self.nplc = 0.0, 1e-3, 21.0, 1.0

    def integration_s(self) -> float:
        """How long one reading takes."""
        return self.nplc / self.line_Hz / self.speed

    def obey(self, message: str) -> str | None:
        self.history.append(message)
        header, _, argument = message.strip().partition(" ")
        head = _short(header)
        match head:
            case "*IDN?":
                return self.identity
            case "*RST":
                self._reset()
            case "*CLS":
                self._errors.clear()
            case "SYST:ERR?":
                return self._errors.popleft() if self._errors else '0,"No error"'
            case "READ?":
                return self._read()
            case "OUTP" | "OUTP:STAT":
                self.output = argument.upper() in ("ON", "1")
            case "OUTP?":
                return str(int(self.output))
            case "SYST:RSEN":
                self.four_wire = argument.upper() in ("ON", "1")
            case "SOUR:FUNC" | "SENS:FUNC" | "SOUR:CURR:MODE" | "FORM:ELEM":
                self._word(head, argument)
            case "SENS:VOLT:RANG:AUTO":
                pass
            case _:
                self._number(head, argument)
        return None

    def _word(self, head: str, argument: str) -> None:
        allowed = {
            "SOUR:FUNC": ("CURR",), "SENS:FUNC": ('"VOLT"',), "SOUR:CURR:MODE": ("FIX",),
            "FORM:ELEM": ("VOLT,CURR,STAT",),
        }[head]  # fmt: skip
        if argument.upper() not in allowed:
            self._error('-224,"Illegal parameter value"')

    def _number(self, head: str, argument: str) -> None:
        limits = {
            "SOUR:CURR": 1.05 * self.range_A, "SOUR:CURR:RANG": LARGEST_A, "SENS:VOLT:PROT": LARGEST_V,
            "SENS:VOLT:RANG": LARGEST_V, "SENS:VOLT:NPLC": 10.0,
        }  # fmt: skip
        if head not in limits:
            return self._error('-113,"Undefined header"')
        try:
            value = float(argument)
        except ValueError:
            return self._error('-104,"Data type error"')
        if abs(value) > limits[head]:
            return self._error('-222,"Parameter data out of range"')
        names = {
            "SOUR:CURR": "current_A", "SOUR:CURR:RANG": "range_A", "SENS:VOLT:PROT": "compliance_V",
            "SENS:VOLT:NPLC": "nplc",
        }  # fmt: skip
        if head in names:
            setattr(self, names[head], value)
        return None

    def _error(self, error: str) -> None:
        if len(self._errors) < QUEUE:
            self._errors.append(error)

    def _read(self) -> str | None:
        if not self.output:
            self._error('803,"Not permitted with OUTPUT off"')
            return None
        film = self.film
        ohm = film.ohm + (0.0 if self.four_wire else 2 * film.lead_ohm)
        stray = film.thermal_V + film.drift_V_per_reading * self._n_read
        noise = self._random.gauss(0.0, film.noise_V) / self.nplc**0.5 if film.noise_V else 0.0
        self._n_read += 1
        volt, ampere, status = self.current_A * ohm + stray, self.current_A, 0
        if abs(volt) > self.compliance_V:
            volt = self.compliance_V if volt > 0 else -self.compliance_V
            ampere, status = volt / ohm, IN_COMPLIANCE
        return f"{volt + noise:+.9E},{ampere:+.9E},{status:+.6E}"


def _short(header: str) -> str:
    """A header in capitals, its keywords in SCPI's short form: four letters, or three where the fourth is a vowel."""

    def keyword(word: str) -> str:
        if len(word) <= 4 or not word.isalpha():
            return word
        return word[:3] if word[3] in "AEIOU" else word[:4]

    query = header.endswith("?")
    words = [keyword(word) for word in re.split(":", header.upper().removesuffix("?").lstrip(":"))]
    return ":".join(words) + ("?" if query else "")


class SourceMeterServer(Listener):
    """Serves one instrument to one client after another."""

    def __init__(self, meter: SourceMeter) -> None:
        super().__init__()
        self.meter = meter

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            message = line.decode("ascii", errors="replace").strip()
            began = time.monotonic()
            answer = self.meter.obey(message)
            if answer is not None:
                if _short(message) == "READ?":
                    left = self.meter.integration_s() - (time.monotonic() - began)
                    await asyncio.sleep(max(0.0, left))
                writer.write(answer.encode() + b"\n")
                await writer.drain()


async def _serve(arguments: argparse.Namespace) -> None:
    film = Film(ohm=arguments.resistance, noise_V=arguments.noise, thermal_V=arguments.thermal)
    server = SourceMeterServer(SourceMeter(film, seed=arguments.seed))
    port = await server.start(arguments.host, arguments.port)
    print(f"simulated source-measure unit: SCPI TCPIP0::{arguments.host}::{port}::SOCKET", flush=True)  # noqa: T201
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A simulated source-measure unit over TCP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5025, help="0: any free one")
    parser.add_argument(
        "--resistance", type=float, default=100.0, help="V/I of the film under the probe, ohm"
    )
    parser.add_argument("--thermal", type=float, default=20e-6, help="thermal voltage, V")
    parser.add_argument("--noise", type=float, default=1e-6, help="standard deviation at one NPLC, V")
    parser.add_argument("--seed", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
