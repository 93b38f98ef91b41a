"""Four-point resistance over a real TCP socket and over pyvisa-sim: the film's properties, or a reason."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from drivers.errors import SettingsError
from drivers.instruments.instrument import LinkLost
from drivers.instruments.scpi.four_point import INFINITE, circle, delta, rectangle
from drivers.instruments.scpi.smu import SourceMeasureUnit
from drivers.instruments.simulated.scpi_smu import Film, SourceMeter, SourceMeterServer
from drivers.protocol import Attribution
from tests.drivers.instruments.bench import connected, device, request
from tests.drivers.rig import until

AT = {"current": 1e-3, "compliance": 2.0}
SIM = Path(__file__).parent / "smu.yaml"


class Rig:
    """An instrument, its server, and the settings of a driver for it."""

    def __init__(self, meter: SourceMeter) -> None:
        self.meter = meter
        self.server = SourceMeterServer(meter)
        self.port = 0

    def settings(self, **more: Any) -> dict[str, Any]:
        resource = f"TCPIP0::127.0.0.1::{self.port}::SOCKET"
        return {"resource": resource, "simulated": True, "timeout_s": 1.0, **more}


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    one = Rig(SourceMeter(Film(), speed=50.0))
    one.port = await one.server.start()
    yield one
    await one.server.stop()


async def test_the_resistance_is_recovered_in_spite_of_thermal_voltages(rig: Rig, tmp_path: Path) -> None:
    rig.meter.film = Film(ohm=47.0, thermal_V=500e-6, drift_V_per_reading=5e-6, noise_V=2e-6)
    async with connected(SourceMeasureUnit, tmp_path, rig.settings()) as smu:
        outcome = await smu.act(request("resistance", **AT, readings=41))
    got = outcome.readings["resistance"]
    assert got.sigma is not None and 0 < got.sigma < 1e-3
    assert abs(got.value - 47.0) < 5 * got.sigma
    # One polarity alone would be off by the thermal voltage over the current: half an ohm.
    assert rig.meter.film.thermal_V / AT["current"] > 100 * abs(got.value - 47.0)
    assert outcome.readings["offset"].value == pytest.approx(500e-6 + 20 * 5e-6, abs=5e-6)
    assert outcome.record["drift_V_per_reading"] == pytest.approx(5e-6, rel=0.2)
    assert not rig.meter.output


async def test_the_stated_uncertainty_is_the_spread_of_repeats(tmp_path: Path) -> None:
    """Over 200 series z = (R - truth) / sigma spreads as t of 8 degrees of freedom does: variance 8 / 6."""
    generator = np.random.default_rng(3)
    currents = np.where(np.arange(11) % 2 == 0, 1e-3, -1e-3)
    z = []
    for _ in range(200):
        voltages = currents * 47 + 3e-4 + 1e-5 * np.arange(11) + generator.normal(0, 2e-6, 11)
        got = delta(list(currents), list(voltages))
        z.append((got.ohm - 47) / got.sigma_ohm)
    assert abs(float(np.mean(z))) < 0.25
    assert float(np.std(z)) == pytest.approx(math.sqrt(8 / 6), rel=0.2)


async def test_leads_do_not_count_as_it_senses_with_four_wires(rig: Rig, tmp_path: Path) -> None:
    rig.meter.film = Film(ohm=10.0, lead_ohm=50.0, noise_V=0.0)
    async with connected(SourceMeasureUnit, tmp_path, rig.settings()) as smu:
        outcome = await smu.act(request("resistance", **AT))
    assert outcome.readings["resistance"].value == pytest.approx(10.0, rel=1e-6)


@pytest.mark.parametrize(
    ("probe", "factor"),
    [
        ({}, 4.5324),
        ({"spacing_mm": 1.0, "film": "circle", "diameter_mm": 5.0}, 3.3625),
        ({"spacing_mm": 2.0, "film": "rectangle", "length_mm": 20.0, "width_mm": 10.0}, 3.5749),
    ],
)
async def test_sheet_resistance_and_conductivity_follow_from_the_geometry(
    rig: Rig, tmp_path: Path, probe: dict[str, Any], factor: float
) -> None:
    """A film of 2e4 S/m and 100 nm has 500 ohm per square; under this probe V/I is that over the factor."""
    rig.meter.film = Film(ohm=500 / factor, noise_V=0.5e-6)
    async with connected(SourceMeasureUnit, tmp_path, rig.settings(probe=probe)) as smu:
        outcome = await smu.act(request("conductivity", **AT, thickness=100.0))
        sheet = outcome.readings["sheet_resistance"]
        assert sheet.value == pytest.approx(500, rel=2e-4)
        conductivity = outcome.readings["conductivity"]
        assert conductivity.value == pytest.approx(2e4, rel=2e-4)
        assert sheet.sigma is not None and conductivity.sigma is not None
        assert conductivity.sigma / conductivity.value == pytest.approx(sheet.sigma / sheet.value)
        thick = await smu.act(request("conductivity", **AT, thickness=1e6))
        assert thick.attribution is Attribution.INFEASIBLE


def by_images(length: float, width: float) -> float:
    """F of a rectangle by summing the logarithmic potentials of both currents' images in its insulating edges."""
    n = 60

    def potential(x: float) -> float:
        total = 0.0
        for source, sign in ((-1.5, 1), (1.5, -1)):
            shifts = 2 * length * np.arange(-n, n + 1)
            across = width * np.arange(-4 * n, 4 * n + 1)
            images = np.concatenate([source + shifts, length - source + shifts])
            total -= sign * np.log(np.hypot(x - images[:, None], across[None, :])).sum()
        return total / (2 * math.pi)

    return 1 / (potential(-0.5) - potential(0.5))


def test_correction_factors_are_those_of_the_image_currents_and_of_smits() -> None:
    for length, width in ((3, 3), (5, 5), (6, 3), (10, 5)):
        assert rectangle(length, width, 1.0) == pytest.approx(by_images(length, width), rel=1e-5)
    assert [round(circle(d, 1.0), 4) for d in (3, 4, 5)] == [2.2662, 2.9289, 3.3625]
    assert rectangle(1e4, 1e4, 1.0) == pytest.approx(INFINITE, rel=1e-5)
    assert circle(1e4, 1.0) == pytest.approx(INFINITE, rel=1e-5)


async def test_compliance_is_told_and_is_no_measurement(rig: Rig, tmp_path: Path) -> None:
    rig.meter.film = Film(ohm=1e6)
    async with connected(SourceMeasureUnit, tmp_path, rig.settings()) as smu:
        outcome = await smu.act(request("resistance", **AT))
    assert outcome.status == "failed" and outcome.attribution is Attribution.BAD_READING
    assert "compliance of 2 V" in outcome.reason and "contact" in outcome.reason
    assert not rig.meter.output


async def test_the_error_queue_is_drained_and_raised(rig: Rig, tmp_path: Path) -> None:
    """A current of 5 A is beyond this instrument: it says so in its queue, and nowhere else."""
    async with connected(SourceMeasureUnit, tmp_path, rig.settings(largest_A=10.0)) as smu:
        outcome = await smu.act(request("resistance", current=5.0, compliance=2.0))
        assert outcome.status == "failed" and "-222 Parameter data out of range" in outcome.reason
        assert ":READ?" not in rig.meter.history and ":OUTP ON" not in rig.meter.history
        assert (await smu.act(request("resistance", **AT))).status == "succeeded"


async def test_another_instrument_is_refused(rig: Rig, tmp_path: Path) -> None:
    rig.meter.identity = "HEWLETT-PACKARD,34401A,0,11-5-2"
    smu = device(SourceMeasureUnit, tmp_path, rig.settings())
    with pytest.raises(SettingsError, match="34401A"):
        await smu.connect()
    await smu.disconnect()
    rig.meter.identity = "KEITHLEY INSTRUMENTS INC.,MODEL 2400 SIMULATED,0,A01"
    smu = device(SourceMeasureUnit, tmp_path, rig.settings(simulated=False))
    with pytest.raises(SettingsError, match="simulator"):
        await smu.connect()
    await smu.disconnect()


async def test_halt_switches_the_output_off_within_one_reading(rig: Rig, tmp_path: Path) -> None:
    rig.meter.speed = 1.0
    async with connected(SourceMeasureUnit, tmp_path, rig.settings()) as smu:
        act = asyncio.create_task(smu.act(request("resistance", **AT, nplc=5.0, readings=1001)))
        await until(lambda: rig.meter.output)
        began = time.monotonic()
        await smu.halt()
        assert not rig.meter.output and time.monotonic() - began < 1
        outcome = await act
        assert outcome.status == "failed" and "halted" in outcome.reason
        assert not rig.meter.output


async def test_it_is_safe_with_its_output_off_and_says_so(rig: Rig, tmp_path: Path) -> None:
    async with connected(SourceMeasureUnit, tmp_path, rig.settings()) as smu:
        rig.meter.output = True  # as somebody's hand at the front panel
        assert not await smu.is_safe()
        for _ in range(2):
            await smu.make_safe()
            assert not rig.meter.output and await smu.is_safe()


async def test_the_event_loop_goes_on_while_it_measures(rig: Rig, tmp_path: Path) -> None:
    rig.meter.speed = 1.0
    async with connected(SourceMeasureUnit, tmp_path, rig.settings()) as smu:
        act = asyncio.create_task(smu.act(request("resistance", **AT, nplc=10.0, readings=5)))
        longest, last = 0.0, time.monotonic()
        while not act.done():
            await asyncio.sleep(0.005)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        assert (await act).status == "succeeded"
        assert longest < 0.15  # one reading alone takes 0.2 s


async def test_an_instrument_that_falls_silent_leaves_no_number(rig: Rig, tmp_path: Path) -> None:
    async with connected(SourceMeasureUnit, tmp_path, rig.settings(timeout_s=0.3)) as smu:
        real = rig.meter.obey
        rig.meter.obey = lambda message: None if "READ" in message else real(message)  # type: ignore[method-assign]
        with pytest.raises(LinkLost, match="TMO"):
            await smu.act(request("resistance", **AT))
        assert not rig.meter.output  # switched off over a connection of its own
        rig.meter.obey = real  # type: ignore[method-assign]
        assert (await smu.act(request("resistance", **AT))).status == "succeeded"


@pytest.mark.parametrize("garbage", ["hello", "1,2", "", "9.91E37,1E-3,0", "nan,1e-3,0"])
async def test_garbled_replies_are_bad_readings(rig: Rig, tmp_path: Path, garbage: str) -> None:
    async with connected(SourceMeasureUnit, tmp_path, rig.settings()) as smu:
        real = rig.meter.obey
        rig.meter.obey = lambda message: garbage if "READ" in message else real(message)  # type: ignore[method-assign]
        outcome = await smu.act(request("resistance", **AT))
        assert outcome.status == "failed" and outcome.attribution is Attribution.BAD_READING, outcome


async def test_two_units_of_one_process_do_not_close_each_other(rig: Rig, tmp_path: Path) -> None:
    other = Rig(SourceMeter(Film(ohm=7.0, noise_V=0.0), speed=50.0))
    other.port = await other.server.start()
    async with connected(SourceMeasureUnit, tmp_path, other.settings()) as second:
        async with connected(SourceMeasureUnit, tmp_path, rig.settings()) as first:
            assert (await first.act(request("resistance", **AT))).status == "succeeded"
        outcome = await second.act(request("resistance", **AT))
        assert outcome.readings["resistance"].value == pytest.approx(7.0)
    await other.server.stop()


async def test_over_pyvisa_sim(tmp_path: Path) -> None:
    """Another implementation's instrument: it gives as voltage what was set as current, an ohm by definition."""
    settings = {"resource": "ASRL1::INSTR", "backend": f"{SIM}@sim", "simulated": True, "timeout_s": 1.0}
    async with connected(SourceMeasureUnit, tmp_path, settings) as smu:
        outcome = await smu.act(request("resistance", **AT))
        assert outcome.readings["resistance"].value == pytest.approx(1.0, rel=1e-6)
        refused = await smu.act(request("resistance", current=0.09, compliance=2.0))
        assert refused.status == "failed" and "-222" in refused.reason


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"expects": "("}, "no pattern"),
        ({"probe": {"film": "circle"}}, "needs diameter_mm"),
        ({"probe": {"film": "circle", "diameter_mm": 2.0}}, "only 2 wide"),
        ({"probe": {"film": "rectangle", "length_mm": 20.0}}, "length_mm and width_mm"),
        ({"largest_A": -1.0}, "greater than"),
    ],
)
def test_wrong_settings_are_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SourceMeasureUnit.Settings.model_validate({"resource": "GPIB0::24::INSTR", **more})


async def test_a_resource_of_no_kind_is_a_settings_error(tmp_path: Path) -> None:
    smu = device(SourceMeasureUnit, tmp_path, {"resource": "NOTHING AT ALL", "timeout_s": 0.3})
    with pytest.raises((SettingsError, LinkLost), match="NOTHING AT ALL"):
        await smu.connect()
    await smu.disconnect()
