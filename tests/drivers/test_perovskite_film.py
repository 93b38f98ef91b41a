"""Films of perovskites: light and dark currents are the known ones, the best process depends on the compound, readings
keep what was declared, and a bad table is refused in clear words."""

from __future__ import annotations

import gzip
import itertools
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.clock import VirtualClock
from drivers.driver import Attribution, LabContext
from drivers.errors import SettingsError
from drivers.protocol import Action, Outcome
from drivers.sim.perovskite import DARK, crystallinity, current, dark_current, intact, light_current, photons
from drivers.sim.perovskite_film import FLOOR, RELATIVE, PerovskiteFilm

TABLE = 'material_id,cif,heat_all,dir_gap\n18,"a\nb",0.5,2.0\n7,"c",0.5,0.0\n9,"d",2.0,1.3\n'
SETTINGS = {"temperature": 650.0, "time": 120.0, "thickness": 430.0}

gaps, heats = st.floats(0, 8), st.floats(-0.5, 5)
temperatures, times, widths = st.floats(300, 1000), st.floats(1, 86400), st.floats(10, 10000)


def device(table: Path, *, seed: int = 0, **settings: Any) -> PerovskiteFilm:
    made = PerovskiteFilm.Settings.model_validate({"table": str(table), **settings})
    return PerovskiteFilm("robot", made, LabContext(VirtualClock(), None, seed, table.parent))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


async def make(robot: PerovskiteFilm, material: str = "18", id: str = "a", **changes: float) -> Outcome:
    args = {"material": material, **SETTINGS, **changes}
    return await robot.act(Action(id=id, device="robot", verb="make_and_measure", args=args, epoch=1))


def test_light_and_dark_are_worth_what_the_textbook_says() -> None:
    # All photons: 2 zeta(3). Of a black body of 6000 K those above the gap of silicon, 1.12 eV, carry 44 mA/cm^2 at
    # 100 mW/cm^2 (Shockley and Queisser, 1961: 44 % of the energy at most).
    assert photons(0.0) == pytest.approx(2 * 1.2020569, rel=1e-3)
    kt = 8.617333e-5 * 6000
    ultimate = max((x * photons(x) / (math.pi**4 / 15), x * kt) for x in (k / 100 for k in range(100, 400)))
    assert ultimate == (pytest.approx(0.44, abs=0.005), pytest.approx(1.12, abs=0.05))
    assert light_current(0.0) == 0 and light_current(0.9) < 5 and light_current(5.0) < 0.5
    assert 1.6 < max(range(10, 500), key=lambda gap: light_current(gap / 100)) / 100 < 2.0
    assert dark_current(0.3) == DARK and dark_current(0.8) == pytest.approx(DARK / math.cosh(1))
    assert dark_current(-0.2) == pytest.approx(dark_current(0.8))


@given(gap=gaps, heat=heats, T=temperatures, t=times, d=widths)
def test_every_film_gives_some_current_below_what_is_possible(
    gap: float, heat: float, T: float, t: float, d: float
) -> None:
    assert 0 <= current(gap, heat, T, t, d) <= dark_current(heat) + light_current(gap)
    assert 0 < crystallinity(heat, T, t) <= 1 and 0 <= intact(heat, T, t) <= 1


@given(heat=heats, T=st.floats(300, 900), t=times, more=st.floats(1, 100))
def test_heat_and_time_order_the_film_and_take_it_apart(heat: float, T: float, t: float, more: float) -> None:
    for hotter, longer in ((T + more, t), (T, t + more)):
        assert crystallinity(heat, hotter, longer) >= crystallinity(heat, T, t)
        assert intact(heat, hotter, longer) <= intact(heat, T, t)
    assert intact(heat + more / 100, T, t) <= intact(heat, T, t)


def test_the_best_process_depends_on_the_compound_and_lies_inside() -> None:
    def best(gap: float, heat: float) -> tuple[float, float, float, float]:
        times = (30, 60, 120, 300, 600, 1800, 3600)
        grid = itertools.product(range(400, 801, 20), times, range(100, 1001, 50))
        return max((current(gap, heat, T, t, d), T, t, d) for T, t, d in grid)

    strong, weak, hopeless, metal = best(2.0, 0.3), best(2.0, 1.4), best(2.0, 3.0), best(0.0, 0.3)
    assert strong[1] - weak[1] > 100 and strong[0] > 8 and weak[0] > 4 and hopeless[0] < 2
    assert all(400 < found[1] < 800 and 100 < found[3] < 1000 for found in (strong, weak, metal))
    assert strong[3] > metal[3]  # light wants a thicker film
    # What is best for one compound leaves little of the other.
    assert current(2.0, 1.4, *strong[1:]) < 0.3 * weak[0] and current(2.0, 0.3, *weak[1:]) < 0.5 * strong[0]


async def test_a_film_is_read_with_its_noise_and_the_same_action_again_is_the_same_film(table: Path) -> None:
    robot, true = device(table), current(2.0, 0.5, **SETTINGS)
    reads = [(await make(robot, id=str(i))).readings["current"] for i in range(200)]
    off = [(read.value - true) / math.hypot(RELATIVE * true, FLOOR) for read in reads]
    assert abs(sum(off)) / 200 < 0.25 and 0.8 < math.sqrt(sum(x * x for x in off) / 200) < 1.2
    assert all(read.sigma == pytest.approx(math.hypot(RELATIVE * read.value, FLOOR)) for read in reads)
    assert (await make(robot, id="3")).readings["current"] == reads[3]
    assert (await make(device(table, seed=1), id="3")).readings["current"] != reads[3]
    assert (await make(device(table, noise=0.0))).readings["current"].value == true
    assert reads[0].unit == "mA/cm^2" and (await make(robot, time=600.0)).ended_s == 200 * 1920 + 1920 + 2400


async def test_the_calculator_shows_what_the_table_says_and_knows_no_other_compound(table: Path) -> None:
    calculator = device(table)
    asked = Action(id="c", device="calculator", verb="calculate", args={"material": "9"}, epoch=1)
    readings = (await calculator.act(asked)).readings
    assert (readings["gap"].value, readings["heat"].value) == (1.3, 2.0)
    unknown = await make(calculator, "nobody")
    assert unknown.status == "failed" and unknown.attribution is Attribution.INFEASIBLE
    assert "no compound 'nobody'" in unknown.reason


def test_a_zipped_table_of_other_columns_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"name,h,g\nx,1,2\n"))
    assert device(path, id="name", heat="h", gap="g")._compounds["x"].gap == 2.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("material_id,heat_all\n1,2\n", "no column 'dir_gap'"),
        ("material_id,heat_all,dir_gap\n", "no rows"),
        ("material_id,heat_all,dir_gap\n1,x,0\n", "'heat_all', data row 1: wanted a finite number"),
        ("material_id,heat_all,dir_gap\n1,0,-1\n", "of 0 or more, got '-1'"),
        ("material_id,heat_all,dir_gap\n1,nan,0\n", "got 'nan'"),
        ("material_id,heat_all,dir_gap\n1,0,0\n1,0,0\n", "data row 2: wanted an id of its own"),
        ("material_id,heat_all,dir_gap\n1\n", "wanted a finite number"),
        ("\xff", "no CSV table"),
    ],
)
def test_a_bad_table_is_refused_in_words(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match=words):
        device(path)


def test_no_table_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--table PATH"):
        PerovskiteFilm.describe(PerovskiteFilm.Settings())
    with pytest.raises(SettingsError, match="cannot be read"):
        device(tmp_path / "absent.csv")
    (tmp_path / "t.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(SettingsError, match="cannot be read"):
        device(tmp_path / "t.csv.gz")
