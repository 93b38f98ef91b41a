"""Colours are those that the CIE's formulas give, mixtures are read with their noise, and too much dye is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.clock import VirtualClock
from drivers.driver import Attribution, LabContext
from drivers.protocol import Action, Outcome
from drivers.sim import colour
from drivers.sim.colour_mixer import CAMERA, ColourMixer

shares = st.fixed_dictionaries({dye: st.floats(0, 1) for dye in colour.DYES})


def device(directory: Path, *, seed: int = 0, **settings: Any) -> ColourMixer:
    made = ColourMixer.Settings.model_validate(settings)
    return ColourMixer("mixer", made, LabContext(VirtualClock(), None, seed, directory))


async def mix(mixer: ColourMixer, id: str = "a", **volumes: float) -> Outcome:
    args = {"red": 0.0, "yellow": 0.0, "blue": 0.0, **volumes}
    return await mixer.act(Action(id=id, device="mixer", verb="mix_and_look", args=args, epoch=1))


def test_the_observer_sees_as_the_tables_of_the_cie_say() -> None:
    # CIE 1931, 2 degrees: peaks of y at 555 nm (1.0) and of z at 445 nm (1.78); x has two, 1.06 at 600 nm.
    assert max(range(380, 781), key=lambda nm: colour.observer(nm)[1]) == pytest.approx(556, abs=4)
    assert colour.observer(600.0)[0] == pytest.approx(1.0622, rel=0.02)
    assert colour.observer(555.0)[1] == pytest.approx(1.0, rel=0.02)
    assert colour.observer(450.0)[2] == pytest.approx(1.7721, rel=0.05)
    # White of 6500 K: x 0.3135, y 0.3237 on the Planckian locus.
    x, y, z = colour.tristimulus({})
    assert y == pytest.approx(100)
    assert (x / (x + y + z), y / (x + y + z)) == pytest.approx((0.3135, 0.3237), abs=0.003)


def test_water_is_white_and_dyes_have_their_colours() -> None:
    assert colour.lab({}) == pytest.approx((100.0, 0.0, 0.0))
    red, yellow, blue = (colour.lab({dye: 0.3}) for dye in ("red", "yellow", "blue"))
    assert red[1] > 30 and yellow[2] > 40 and blue[1] < -20 and blue[2] < 0
    green = colour.lab({"yellow": 0.2, "blue": 0.2})
    assert green[1] < -20 and green[2] > 10


@given(one=shares, more=st.floats(0, 1))
def test_more_dye_is_darker(one: dict[str, float], more: float) -> None:
    darker = {dye: share + more for dye, share in one.items()}
    assert colour.lab(darker)[0] <= colour.lab(one)[0] + 1e-9


async def test_a_mixture_is_read_with_its_noise_and_the_same_action_again_is_the_same_mixture(
    tmp_path: Path,
) -> None:
    mixer = device(tmp_path)
    reads = [(await mix(mixer, str(k), red=400, yellow=110, blue=130)).readings for k in range(60)]
    lightness = [each["lightness"].value for each in reads]
    spread = math.sqrt(sum((v - sum(lightness) / 60) ** 2 for v in lightness) / 59)
    assert CAMERA < spread < 2 * CAMERA  # the camera's and the pumps'
    assert (await mix(device(tmp_path), "3", red=400, yellow=110, blue=130)).readings == reads[3]
    exact = device(tmp_path, noise=0.0, target=colour.lab({"red": 0.4}))
    assert (await mix(exact, red=400)).readings["delta_e"].value == pytest.approx(0.0, abs=1e-9)


async def test_more_dye_than_fits_is_infeasible(tmp_path: Path) -> None:
    full = await mix(device(tmp_path), red=600, yellow=300, blue=200)
    assert (
        full.attribution is Attribution.INFEASIBLE
        and "at most 1000 uL" in full.reason
        and "1100" in full.reason
    )
