"""The devices of the synthesis laboratory: they keep the contract, make what they should, and fail as they say."""

from __future__ import annotations

import asyncio
import math
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from drivers import contract
from drivers.binding import bind
from drivers.clock import VirtualClock
from drivers.driver import Attribution, LabContext
from drivers.errors import LabError, SettingsError
from drivers.sim import world
from drivers.sim.synthesis.doser import Doser, mixture_masses
from drivers.sim.synthesis.furnace import COOLING_K_PER_S, HANDLING_S, BoxFurnace
from drivers.sim.synthesis.kinetics import heated
from drivers.sim.synthesis.phases import System
from drivers.sim.synthesis.powder import ROOM_K, ramp_s
from orchestrator.prepare import prepare
from tests.drivers.laboratory import lab_file, request
from tests.drivers.synthesis.laboratory import DRIVERS, MIXTURES, SolidCase, SolidLab


@pytest.mark.parametrize("keeps", contract.PROMISES, ids=lambda keeps: keeps.__name__)
@pytest.mark.parametrize("name", [*DRIVERS, "sim.powder_doser with mixtures"])
async def test_it_keeps_the_contract(keeps: Any, name: str, phosphates: Path, tmp_path: Path) -> None:
    kind = DRIVERS[name.partition(" ")[0]]
    settings: dict[str, Any] = {"before": str(phosphates)}
    if "table" in kind.Settings.model_fields:
        settings["table"] = str(phosphates)
    if "mixtures" in name:
        settings["mixtures"] = MIXTURES
    device = await SolidCase(kind, settings, world="solid_state").ready(tmp_path)
    await keeps(device)
    await device.disconnect()
    assert device.lab.world is not None
    device.lab.world.close()


async def test_a_recipe_makes_its_target_and_says_what_else_there_is(
    phosphates: Path, tmp_path: Path
) -> None:
    lab = SolidLab(tmp_path, phosphates)
    outcome = await lab.make(prefix="e1-")
    assert outcome.readings["yield"].value > 0.7 and outcome.readings["unexplained"].value < 0.3
    assert 0 < (outcome.readings["yield"].sigma or 0) < 0.1
    phases = outcome.record["phases"]
    assert phases["LiFeO2"]["fraction"] == pytest.approx(outcome.readings["yield"].value, abs=1e-3)
    assert outcome.record["complete"] and len(outcome.record["pattern"]["counts"]) == 2251
    facts = lab.world.facts
    assert [fact.action for fact in facts] == [
        "e1-dose_mixture", "e1-dose_mixture", "e1-mix", "e1-heat", "e1-measure",
    ]  # fmt: skip
    true = facts[-1].effect["fractions"]
    assert true["LiFeO2"] == pytest.approx(outcome.readings["yield"].value, abs=0.1)
    cold = await lab.make("cold", celsius=300.0)
    assert cold.readings["yield"].value < 0.3 and set(cold.record["phases"]) >= {"Fe2O3", "Li2O"}


async def test_the_furnace_takes_its_time_and_two_take_it_side_by_side(
    phosphates: Path, tmp_path: Path
) -> None:
    lab = SolidLab(tmp_path, phosphates, noise=0.0)
    for sample in ("a", "b"):
        await lab.do("doser", "dose", sample, precursor="Fe2O3", mass=1.0)
    began = lab.clock.now()
    heat = {"temperature": 1173.15, "hold": 3600.0, "atmosphere": "air"}
    await asyncio.gather(*(lab.do(f, "heat", s, **heat) for f, s in (("furnace_1", "a"), ("furnace_2", "b"))))
    one = HANDLING_S + ramp_s(1173.15) + 3600.0 + (1173.15 - ROOM_K) / COOLING_K_PER_S
    assert lab.clock.now() - began == pytest.approx(one)
    spec = lab.devices["furnace_1"].spec.actions["heat"]
    assert one < spec.lasts_s({"hold": 3600.0}) < 2 * one


async def test_doses_are_off_by_the_balance_s_error(phosphates: Path, tmp_path: Path) -> None:
    lab = SolidLab(tmp_path, phosphates)
    shown = [
        (await lab.do("doser", "dose", f"s{k}", precursor="Fe2O3", mass=1.0)).readings["dosed"]
        for k in range(100)
    ]
    true = [fact.effect["grams"] for fact in lab.world.facts]
    spread = (sum((g - 1) ** 2 for g in true) / 100) ** 0.5
    assert spread == pytest.approx(0.0055, rel=0.4)
    assert all(abs(a.value - b) < 5e-4 for a, b in zip(shown, true, strict=True))
    one = lab.world.state.crucible("s1").powder
    assert one.total == pytest.approx(true[1] / lab.devices["doser"].system.phase("Fe2O3").mass)  # type: ignore[attr-defined]


def test_a_mixture_has_its_proportions(fe_li_o_p: System) -> None:
    masses = mixture_masses(fe_li_o_p, MIXTURES["oxides"], 2.0)
    assert sum(masses.values()) == pytest.approx(2.0)
    assert masses["Fe2O3"] / masses["Li2O"] == pytest.approx(159.69 / 29.88, rel=1e-3)
    # Of peroxide what is written, not its smallest formula LiO.
    masses = mixture_masses(fe_li_o_p, {"FeO": 1.0, "Li2O2": 1.0}, 2.0)
    assert masses["FeO"] / masses["Li2O2"] == pytest.approx(71.844 / 45.88, rel=1e-3)


def test_mixtures_may_speak_for_themselves(phosphates: Path) -> None:
    listed = Doser.Settings.model_validate(
        {"table": str(phosphates), "mixtures": ["3 FeO + 4 Li3PO4 + P2O5", "0.5 Fe2O3 + Li2O2"]}
    )
    assert listed.mixtures == {
        "3 FeO + 4 Li3PO4 + P2O5": {"FeO": 3.0, "Li3PO4": 4.0, "P2O5": 1.0},
        "0.5 Fe2O3 + Li2O2": {"Fe2O3": 0.5, "Li2O2": 1.0},
    }
    choices = Doser.describe(listed).actions["dose_mixture"].parameters["mixture"].choices
    assert choices == tuple(listed.mixtures)
    for text in ("FeO + FeO", "", "3 4 FeO", "FeO +"):
        with pytest.raises(ValueError, match="wanted powders such as"):
            Doser.Settings.model_validate({"mixtures": [text]})


async def test_a_restarted_laboratory_has_its_crucibles(phosphates: Path, tmp_path: Path) -> None:
    lab = SolidLab(tmp_path, phosphates)
    first = await lab.make("s1", "e1-")
    await lab.do("arm", "be_at", place="furnace_2")
    lab.world.close()
    again = SolidLab(tmp_path, phosphates)
    assert again.world.state.crucible("s1") == lab.world.state.crucible("s1")
    assert again.world.state.crucible("s1").place == "furnace_2"
    await again.do("arm", "be_at", place="rack")
    repeated = await again.do("diffractometer", "measure", "s1", "e1-measure", target="LiFeO2")
    other = await again.do("diffractometer", "measure", "s1", "another", target="LiFeO2")
    assert repeated.readings == first.readings != other.readings


async def test_one_place_holds_one_crucible(phosphates: Path, tmp_path: Path) -> None:
    lab = SolidLab(tmp_path, phosphates)
    for sample in ("a", "b"):
        await lab.do("doser", "dose", sample, precursor="Fe2O3", mass=1.0)
    assert (await lab.do("arm", "be_at", "a", place="furnace_1")).status == "succeeded"
    for outcome in (
        await lab.do("arm", "be_at", "b", place="furnace_1"),
        await lab.do("furnace_1", "heat", "b", temperature=500.0, hold=0.0),
        await lab.do("mill", "mix", "a"),
    ):
        assert (outcome.status, outcome.attribution) == ("failed", Attribution.LOGISTICS)
        assert "furnace_1" in outcome.reason
    assert (await lab.do("furnace_1", "heat", "a", temperature=500.0, hold=0.0)).status == "succeeded"
    empty = await lab.do("furnace_2", "heat", "nothing", temperature=500.0, hold=0.0)
    assert empty.attribution is Attribution.LOGISTICS and "is empty" in empty.reason


async def test_a_halted_firing_is_half_a_firing_and_the_furnace_says_so(
    phosphates: Path, tmp_path: Path
) -> None:
    lab = SolidLab(tmp_path, phosphates, noise=0.0)
    await lab.do("doser", "dose_mixture", mixture="oxides", mass=1.0)
    await lab.do("mill", "mix")
    heat = request("furnace_1", "heat", id="h", temperature=973.15, hold=36000.0, atmosphere="air")
    furnace = lab.devices["furnace_1"]
    assert (await furnace.testify(heat)).verdict == "not done"
    acting = asyncio.create_task(furnace.act(heat))
    with lab.clock.working():  # or the firing could be over before it is looked at
        while not furnace._in_hand and not acting.done():  # type: ignore[attr-defined]
            await asyncio.sleep(0.001)
        await lab.clock.sleep(HANDLING_S / 2 + ramp_s(973.15) + 1800.0)
    await furnace.halt()
    outcome = await acting
    assert outcome.attribution is Attribution.INSTRUMENT and "halted" in outcome.reason
    firing = lab.world.state.crucible("s1").firings[0]
    assert firing.hold == pytest.approx(1800.0, abs=1.0)
    testimony = await furnace.testify(heat)
    assert testimony.verdict == "unknown" and "1800 s" in testimony.reason
    part = lab.world.state.crucible("s1").powder.moles["LiFeO2"]
    await furnace.act(heat.model_copy(update={"id": "h2"}))
    assert lab.world.state.crucible("s1").powder.moles["LiFeO2"] > part > 0
    assert (await furnace.testify(heat)).verdict == "done"


async def test_the_balance_testifies_to_whole_mixtures_only(phosphates: Path, tmp_path: Path) -> None:
    lab = SolidLab(tmp_path, phosphates)
    doser = lab.devices["doser"]
    whole = request("doser", "dose_mixture", id="d", mixture="oxides", mass=1.0)
    assert (await doser.testify(whole)).verdict == "not done"
    masses = mixture_masses(doser.system, MIXTURES["oxides"], 1.0)  # type: ignore[attr-defined]
    await lab.do("doser", "dose", precursor="Fe2O3", mass=masses["Fe2O3"])
    assert (await doser.testify(whole)).verdict == "unknown"
    await lab.do("doser", "dose", precursor="Li2O", mass=masses["Li2O"])
    told = await doser.testify(whole)
    assert told.verdict == "done" and told.readings["dosed"].value == pytest.approx(1.0, abs=0.05)
    more = request("doser", "dose_mixture", id="e", mixture="oxides", mass=3.0)
    assert (await doser.testify(more)).verdict == "unknown"


async def test_faults_come_on_order(phosphates: Path, tmp_path: Path) -> None:
    lab = SolidLab(tmp_path / "a", phosphates, faults={"instrument": 1.0})
    outcome = await lab.do("doser", "dose", precursor="Fe2O3", mass=1.0)
    assert outcome.attribution is Attribution.INSTRUMENT and not lab.world.facts
    nan = SolidLab(tmp_path / "b", phosphates, faults={"not_a_number": 1.0})
    weighed = await nan.do("doser", "dose", precursor="Fe2O3", mass=1.0)
    assert math.isnan(weighed.readings["dosed"].value)
    assert len(nan.world.facts) == 1


async def test_the_event_loop_goes_on_while_chemistry_is_computed(
    phosphates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*args: Any) -> Any:
        time.sleep(0.3)
        return heated(*args)

    monkeypatch.setattr("drivers.sim.synthesis.kinetics.heated", slowly)
    lab = SolidLab(tmp_path, phosphates)
    await lab.do("doser", "dose", precursor="Fe2O3", mass=1.0)
    firing = asyncio.create_task(lab.do("furnace_1", "heat", temperature=900.0, hold=0.0))
    turns = 0
    while not firing.done():
        await asyncio.sleep(0.002)
        turns += 1
    assert turns > 30


def test_settings_that_describe_no_device_are_refused(phosphates: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--table PATH"):
        BoxFurnace.describe(BoxFurnace.Settings())
    wrong = Doser.Settings.model_validate({"table": str(phosphates), "mixtures": {"m": {"KCl": 1.0}}})
    with pytest.raises(SettingsError, match="the mixture 'm' has 'KCl'"):
        Doser.describe(wrong)
    plain = Doser.describe(Doser.Settings(table=str(phosphates)))
    assert (
        "dose_mixture" not in plain.actions
        and "Fe2O3" in plain.actions["dose"].parameters["precursor"].choices
    )


def test_a_world_of_another_model_is_refused(phosphates: Path, tmp_path: Path) -> None:
    other = world.World(tmp_path, model="bench")
    with pytest.raises(SettingsError, match="solid_state, not bench"):
        Doser("doser", Doser.Settings(table=str(phosphates)), LabContext(VirtualClock(), other, 0, tmp_path))
    other.close()


def test_the_shipped_laboratory_binds_once_it_has_a_table(manganates: Path) -> None:
    lab = lab_file("simulated/solid_state")
    with pytest.raises(LabError, match="--table PATH"):
        bind(lab)
    for name, device in lab.devices.items():
        if "table" in device.settings:
            lab = lab.with_settings(name, table=str(manganates))
    bound = bind(lab)
    assert len(bound) == 8 and lab.members("furnace") == ("furnace_1", "furnace_2", "furnace_3", "furnace_4")
    assert {one.host for one in bound.values()} == {"synthesis_lab"}
    stations = bound["arm"].spec.actions["be_at"].parameters["place"].choices
    assert {place.partition(".")[0] for place in stations} <= {*lab.places}


async def test_the_laboratory_and_the_campaign_of_the_page_work_as_printed(
    manganates: Path, tmp_path: Path
) -> None:
    """The page's lab.yaml binds, its campaign is accepted, and its routes end as the page says."""
    page = (Path(__file__).parents[3] / "docs" / "solid_state.md").read_text()
    lab_text, campaign_text = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "lab.yaml").write_text(lab_text)
    (tmp_path / "campaign.yaml").write_text(campaign_text)
    bound = prepare(
        str(tmp_path / "campaign.yaml"), lab_file=tmp_path / "lab.yaml", tables={"table": manganates}
    )
    lab = bound.laboratory.file
    assert lab.world is not None and set(bind(lab)) == set(lab.devices)
    made = world.World(tmp_path / "world", **lab.world.model_dump())
    context = LabContext(VirtualClock(), made, lab.world.seed, tmp_path)
    devices = {name: one.make(context) for name, one in bind(lab).items()}
    purity = {}
    for mixture in ("monoxide_and_peroxide", "sesquioxide_and_oxide"):
        for device, verb, args in (
            ("doser", "dose_mixture", {"mixture": mixture, "mass": 1.0}),
            ("mill", "mix", {"duration": 600.0}),
            ("furnace_2", "heat", {"temperature": 1173.15, "hold": 14400.0, "atmosphere": "argon"}),
            ("diffractometer", "measure", {"target": "NaMnO2"}),
        ):
            # By a name of its own: errors are drawn by it, and a running number would depend on the tests before.
            done = await devices[device].act(request(device, verb, mixture, f"{mixture}-{verb}", **args))
            assert done.status == "succeeded", done
        purity[mixture] = done.readings["yield"].value
    assert purity["monoxide_and_peroxide"] < 0.4 and purity["sesquioxide_and_oxide"] > 0.85
    made.close()


def test_naming_the_drivers_loads_nothing_heavy() -> None:
    names = ", ".join(sorted(kind.__module__ for kind in DRIVERS.values()))
    code = f"import sys, {names}\nprint([m for m in ('numpy', 'scipy', 'pymatgen') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
