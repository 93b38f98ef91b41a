"""Faults on order: each does what it says, at its rate, and the same act meets the same one again."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from drivers.clock import VirtualClock
from drivers.driver import Attribution, LabContext
from drivers.protocol import Action, Outcome
from drivers.sim.colour_mixer import TAKES_S, ColourMixer
from drivers.sim.faults import BEFORE, LATE, MISREADINGS, WHILE, Faults


def mixer(directory: Path, **faults: float) -> ColourMixer:
    settings = ColourMixer.Settings.model_validate({"noise": 0.0, "faults": faults})
    return ColourMixer("mixer", settings, LabContext(VirtualClock(), None, 0, directory))


async def act(device: ColourMixer, id: str = "a") -> Outcome:
    args = {"red": 100.0, "yellow": 0.0, "blue": 0.0}
    return await device.act(Action(id=id, device="mixer", verb="mix_and_look", args=args, epoch=1))


def test_every_fault_is_of_one_kind() -> None:
    assert sorted([*BEFORE, *WHILE, *MISREADINGS]) == sorted(Faults.model_fields)


@pytest.mark.parametrize("fault", BEFORE)
async def test_what_fails_before_fails_with_its_attribution_and_takes_no_time(
    fault: str, tmp_path: Path
) -> None:
    device = mixer(tmp_path, **{fault: 1.0})
    done = await act(device)
    assert done.attribution is BEFORE[fault].attribution and BEFORE[fault].reason in done.reason
    assert done.ended_s == 0.0


async def test_what_is_late_takes_longer_and_is_done(tmp_path: Path) -> None:
    assert (await act(mixer(tmp_path, late=1.0))).ended_s == LATE * TAKES_S
    assert (await act(mixer(tmp_path))).ended_s == TAKES_S


async def test_what_hangs_never_ends_until_it_is_halted(tmp_path: Path) -> None:
    device = mixer(tmp_path, hang=1.0)
    hung = asyncio.create_task(act(device))
    done, _ = await asyncio.wait([hung], timeout=0.3)
    assert not done
    await device.halt()
    assert (await hung).attribution is Attribution.INSTRUMENT


async def test_misreadings_are_what_they_are_called(tmp_path: Path) -> None:
    right = (await act(mixer(tmp_path))).readings

    async def read(fault: str) -> Outcome:
        return await act(mixer(tmp_path, **{fault: 1.0}))

    assert all(math.isnan(one.value) for one in (await read("not_a_number")).readings.values())
    assert all(one.value > 100 for one in (await read("out_of_range")).readings.values())
    assert {one.unit for one in (await read("wrong_unit")).readings.values()} == {"kg"}
    doubled = (await read("doubled")).readings
    assert all(doubled[name].value == 2 * one.value for name, one in right.items())
    swapped = (await read("swapped")).readings
    assert swapped["blue_yellow"].value == right["delta_e"].value
    assert swapped["delta_e"].value == right["blue_yellow"].value
    garbled = await read("garbled")
    assert garbled.status == "failed" and garbled.attribution is Attribution.BAD_READING
    drifting = mixer(tmp_path, drift=1.0)
    values = [(await act(drifting, str(k))).readings["lightness"].value for k in range(5)]
    assert values == sorted(values) and values[0] > right["lightness"].value
    assert (await act(drifting, "2")).readings["lightness"].value == values[2], (
        "the same act reads the same again"
    )


async def test_rates_are_kept_and_fates_are_fixed(tmp_path: Path) -> None:
    device = mixer(tmp_path, jammed_door=0.2, infeasible=0.1)
    outcomes = [await act(device, str(k)) for k in range(400)]
    by = [sum(kind in each.reason for each in outcomes) for kind in ("jammed", "recipe")]
    assert 50 < by[0] < 110 and 20 < by[1] < 65
    assert [each.status for each in outcomes] == [(await act(device, str(k))).status for k in range(400)]
