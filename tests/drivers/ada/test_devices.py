"""The devices of the simulated Ada: what they do to slides, what they measure, how they fail."""

from __future__ import annotations

import asyncio
import hashlib
import math
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from PIL import Image

from drivers.driver import Attribution
from drivers.errors import SettingsError, WorldMismatch
from drivers.sim.ada.defects import defects
from drivers.sim.ada.probe import MappingProbe
from drivers.sim.ada.slide import POSITIONS
from drivers.sim.world import World
from tests.drivers.ada.laboratory import AdaLab
from tests.drivers.laboratory import FilmLab


async def test_the_maps_are_the_film_s_own(tmp_path: Path) -> None:
    lab = AdaLab(tmp_path, noise=0.0, drift=0.0)
    done = await lab.make()
    film = lab.film()
    assert film.coverage > 0.98
    here = [film.at(x, y) for x, y in POSITIONS]
    absorbed, mapped = done["spectra"].record, done["map"].record
    thickness = [one.thickness_nm * one.coverage for one in here]
    assert absorbed["thickness_nm"] == pytest.approx(thickness, rel=0.02)
    sound = [n for n, value in enumerate(mapped["conductance_s"]) if value is not None]
    assert len(sound) > 5
    for n in sound:
        assert mapped["conductance_s"][n] == pytest.approx(here[n].conductance, rel=1e-9)
        assert mapped["mobility_cm2_per_v_s"][n] == pytest.approx(here[n].mobility, rel=0.02)
    true = median(one.mobility for one in here)
    assert done["map"].readings["hole_mobility"].value == pytest.approx(true, rel=0.02)


async def test_readings_scatter_around_the_truth_as_they_say(tmp_path: Path) -> None:
    lab = AdaLab(tmp_path, drift=0.0)
    off: dict[str, list[float]] = {"hole_mobility": [], "conductivity": [], "thickness": []}
    relative = []
    for k in range(40):
        done = await lab.make(f"s{k}", hold=60.0)
        here = [lab.film(f"s{k}").at(x, y) for x, y in POSITIONS]
        true = {
            "hole_mobility": median(one.mobility for one in here),
            "conductivity": median(
                one.conductance / (one.thickness_nm * one.coverage * 1e-7) for one in here
            ),
            "thickness": median(one.thickness_nm * one.coverage for one in here),
        }
        readings = {**done["spectra"].readings, **done["map"].readings}
        for name, value in true.items():
            assert readings[name].sigma is not None
            off[name].append((readings[name].value - value) / readings[name].sigma)
        relative.append(readings["hole_mobility"].value / true["hole_mobility"] - 1)
    assert np.std(relative) < 0.03
    for name, pulls in off.items():
        assert np.mean(np.abs(pulls) < 2) > 0.85 and np.std(pulls) > 0.15, (name, pulls)


async def test_a_picture_is_a_file_that_the_record_names(tmp_path: Path) -> None:
    lab = AdaLab(tmp_path)
    outcome = (await lab.make(speed=140.0, hold=200.0))["image"]
    file = tmp_path / outcome.record["image"]["path"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == outcome.record["image"]["sha256"]
    with Image.open(file) as image:
        assert image.size == (256, 256) and image.mode == "L"
    there = defects(lab.film())
    read = outcome.readings["defect_fraction"]
    assert there.fraction > 0.05 and abs(read.value - there.fraction) < 3 * read.sigma
    assert outcome.readings["n_defects"].value > 5


async def test_slides_are_kept_apart_and_six_stations_work_at_once(tmp_path: Path) -> None:
    alone = await AdaLab(tmp_path / "alone", drift=0.0).make("s3", "e3-")
    lab = AdaLab(tmp_path / "many", drift=0.0)

    async def one(k: int) -> dict:
        for device, verb, args in (
            ("dispenser", "mix", {"dopant_fraction": 0.12, "solvent": "chlorobenzene"}),
            ("coater", "spin", {"speed": 300.0 if k == 3 else 150.0 + 20 * k, "duration": 60.0}),
            ("hot_plate", "heat", {"temperature": 430.0, "hold": 120.0}),
            ("microscope", "image", {}),
            ("spectrometer", "spectra", {}),
            ("probe", "map", {}),
        ):
            async with free[device]:
                done = await lab.do(device, verb, f"s{k}", f"e{k}-{verb}", **args)
            assert done.status == "succeeded", done
        return done.record

    free = {name: asyncio.Lock() for name in lab.devices}
    records = await asyncio.gather(*(one(k) for k in range(8)))
    assert records[3] == alone["map"].record, "what is done to other slides is nothing to this one"
    assert len({str(record) for record in records}) == 8
    by_turns = 8 * (120 + 120 + 150 + 60 + 180 + 300)
    assert lab.clock.now() < 0.6 * by_turns


async def test_an_experiment_takes_a_quarter_of_an_hour(tmp_path: Path) -> None:
    lab = AdaLab(tmp_path)
    await lab.make()
    plate = (430 - 298.15) / 5 + 5 + 120
    assert lab.clock.now() == pytest.approx(120 + 120 + plate + 60 + 180 + 300)


async def test_results_are_the_seed_s_and_a_restart_changes_nothing(tmp_path: Path) -> None:
    lab = AdaLab(tmp_path / "a")
    done = await lab.make("s1", "e1-")
    lab.world.close()
    again = AdaLab(tmp_path / "a")
    assert again.film() == lab.film() and again.world.state.sample("s1") == lab.world.state.sample("s1")
    for device, verb in (("microscope", "image"), ("spectrometer", "spectra"), ("probe", "map")):
        repeated = await again.do(device, verb, "s1", f"e1-{verb}")
        assert (repeated.readings, repeated.record) == (done[verb].readings, done[verb].record)
    same = await AdaLab(tmp_path / "b").make("s1", "e1-")
    other = await AdaLab(tmp_path / "c", seed=2).make("s1", "e1-")
    assert same["map"].record == done["map"].record != other["map"].record


async def test_what_cannot_be_measured_fails_with_its_reason(tmp_path: Path) -> None:
    lab = AdaLab(tmp_path)
    assert (await lab.do("coater", "spin", "empty", speed=300.0, duration=60.0)).attribution is (
        Attribution.LOGISTICS
    )
    for device, verb in (("microscope", "image"), ("spectrometer", "spectra"), ("probe", "map")):
        assert (await lab.do(device, verb, "bare")).attribution is Attribution.LOGISTICS
    await lab.make("unseen")
    await lab.do("hot_plate", "heat", "unseen", temperature=400.0, hold=10.0)
    stale = await lab.do("probe", "map", "unseen")
    assert stale.attribution is Attribution.LOGISTICS and "no spectra since" in stale.reason
    gone = await lab.make("gone", temperature=515.0, hold=300.0)
    assert gone["spectra"].attribution is Attribution.INFEASIBLE and "de-wetted" in gone["spectra"].reason
    assert gone["image"].readings["defect_fraction"].value > 0.95, "that it is gone can be seen"
    holes = await lab.make("holes", temperature=480.0, hold=100.0)
    assert holes["map"].attribution is Attribution.INFEASIBLE and "have contact" in holes["map"].reason
    assert sum(value is None for value in holes["map"].record["conductance_s"]) > 18
    pure = await lab.make("pure", dopant_fraction=0.0)
    assert pure["map"].attribution is Attribution.INFEASIBLE and "carriers" in pure["map"].reason


@pytest.mark.parametrize("fault", ["instrument", "dropped_sample", "not_a_number", "wrong_unit", "swapped"])
async def test_faults_come_on_order(fault: str, tmp_path: Path) -> None:
    whole = await AdaLab(tmp_path / "a").make()
    lab = AdaLab(tmp_path / "b", faults={fault: 1.0})
    if fault in ("instrument", "dropped_sample"):
        done = await lab.make()
        assert done["mix"].status == "failed" and not lab.world.facts
        return
    done = await lab.make()
    read, right = done["map"].readings, whole["map"].readings
    if fault == "not_a_number":
        assert all(math.isnan(one.value) for one in read.values())
    elif fault == "wrong_unit":
        assert all(one.unit in ("kg", "s") for one in read.values())
    else:
        assert read["conductivity"].value == pytest.approx(right["hole_mobility"].value, rel=0.2)


async def test_a_device_of_another_laboratory_is_refused(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    with pytest.raises(SettingsError, match="needs a world of the model ada, not thin_film"):
        MappingProbe("probe", MappingProbe.Settings(), lab.context)


async def test_what_hangs_is_halted_and_nothing_has_happened(tmp_path: Path) -> None:
    lab = AdaLab(tmp_path, faults={"hang": 1.0})
    hung = asyncio.create_task(lab.do("dispenser", "mix", dopant_fraction=0.1, solvent="anisole"))
    await asyncio.sleep(0.05)
    await lab.devices["dispenser"].halt()
    assert (await hung).attribution is Attribution.INSTRUMENT and not lab.world.facts


def test_a_world_of_another_model_is_refused(tmp_path: Path) -> None:
    World(tmp_path, model="ada").close()
    with pytest.raises(WorldMismatch):
        World(tmp_path, model="thin_film")
