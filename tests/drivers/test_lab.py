"""Laboratories: the shipped ones bind, the wrong ones say everything that is wrong with them at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any

import pint
import pytest
from pydantic import ValidationError

from drivers import registry
from drivers.binding import bind
from drivers.driver import Driver
from drivers.errors import DriverNotFound, DriverNotLoaded, LabError
from drivers.lab import LabFile, shipped, shipped_names
from tests.drivers.laboratory import lab_file

INSTALLED = {
    "replay", "sim.coater", "sim.dark_field", "sim.dispenser", "sim.furnace", "sim.instant", "sim.mapping_probe",
    "sim.probe", "sim.slide_coater", "sim.spectrometer",
}  # fmt: skip


def lab(devices: Mapping[str, Any], **more: Any) -> LabFile:
    return LabFile.model_validate({"alquimia_lab": 1, "name": "mine", "devices": devices, **more})


def faults(made: LabFile) -> dict[str, str]:
    with pytest.raises(LabError) as refused:
        bind(made)
    return {".".join(map(str, fault.path)): fault.message for fault in refused.value.faults}


def test_the_drivers_of_this_package_are_installed_and_load() -> None:
    assert set(registry.known()) >= INSTALLED
    for name in INSTALLED:
        assert issubclass(registry.driver(name), Driver)


def test_an_unknown_driver_lists_the_known_ones() -> None:
    with pytest.raises(DriverNotFound, match=r"'sim\.oven'; installed are: .*sim\.furnace") as refused:
        registry.driver("sim.oven")
    assert set(refused.value.known) >= INSTALLED


@pytest.mark.parametrize("target", ["nowhere:Thing", "drivers.replay:Nothing", "drivers.lab:LabFile"])
def test_a_driver_that_cannot_be_loaded_is_told(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = MappingProxyType({"odd": EntryPoint("odd", target, registry.GROUP)})
    monkeypatch.setattr(registry, "known", lambda: entries)
    with pytest.raises(DriverNotLoaded, match="odd"):
        registry.driver("odd")


def test_the_shipped_laboratories_are_known_by_name() -> None:
    assert shipped_names() == (
        "labelers/chgnet",
        "labelers/emt",
        "labelers/emt_gpaw",
        "labelers/gpaw",
        "labelers/kob_andersen",
        "labelers/unsure",
        "replay/agnp",
        "replay/crossed_barrel",
        "replay/p3ht_cnt",
        "simulated/ada",
        "simulated/colours",
        "simulated/composite_film",
        "simulated/elastic_table",
        "simulated/instant",
        "simulated/perovskite_film",
        "simulated/phonon_table",
        "simulated/solid_state",
        "simulated/solid_state_routes",
        "simulated/thin_film",
    )
    assert shipped("simulated/nowhere") is None
    assert shipped("../labs/simulated/thin_film") is None
    assert all(lab_file(name).name == name for name in shipped_names())


@pytest.mark.parametrize("name", ["simulated/ada", "simulated/instant", "simulated/thin_film"])
def test_a_shipped_laboratory_binds_as_it_is(name: str) -> None:
    made = lab_file(name)
    bound = bind(made)
    assert list(bound) == list(made.devices)
    assert all(one.spec.simulated for one in bound.values())


@pytest.mark.parametrize("name", [n for n in shipped_names() if n.startswith("replay/")])
def test_a_replay_laboratory_wants_a_table_and_binds_with_one(name: str, tmp_path: Any) -> None:
    made = lab_file(name)
    assert "--table PATH" in faults(made)["devices.table.settings"]
    columns = [*made.devices["table"].settings["inputs"].values()]
    columns += made.devices["table"].settings["outputs"].values()
    path = tmp_path / "data.csv"
    path.write_text(",".join(columns) + "\n" + ",".join("1" for _ in columns) + "\n")
    bound = bind(made.with_settings("table", table=str(path)))
    assert list(bound["table"].spec.actions) == ["look_up"]


def test_every_declared_unit_is_a_unit(tmp_path: Any) -> None:
    units = pint.UnitRegistry()
    for name in INSTALLED - {"replay"}:
        kind = registry.driver(name)
        for one in kind.describe(kind.Settings()).actions.values():
            for spec in (*one.parameters.values(), *one.results.values()):
                units.parse_units(spec.unit)
    for name in shipped_names():
        if name.startswith("replay/"):
            for unit in lab_file(name).devices["table"].settings["units"].values():
                units.parse_units(unit)


def test_devices_of_a_host_stand_together() -> None:
    assert lab_file("simulated/thin_film").hosts == {"film_lab": ("dispenser", "coater", "furnace", "probe")}
    assert lab({"bench": {"driver": "sim.instant"}}).hosts == {"bench": ("bench",)}


def test_everything_wrong_is_told_at_once_with_its_place() -> None:
    told = faults(
        lab(
            {
                "one": {"driver": "sim.oven"},
                "two": {"driver": "sim.instant", "settings": {"repeat": "sometimes", "speed": 1}},
                "three": {"driver": "replay", "settings": {"inputs": {"a": "a"}, "outputs": {"y": "y"}}},
                "four": {
                    "driver": "sim.instant",
                    "limits": {"melt.x": {"at_most": 1.0}, "step_a.z": {"at_most": 1.0}},
                },
            }
        )
    )
    assert set(told) == {
        "devices.one.driver",
        "devices.two.settings.repeat",
        "devices.two.settings.speed",
        "devices.three.settings",
        "devices.four.limits.melt.x",
        "devices.four.limits.step_a.z",
    }


def test_only_numbers_can_be_limited() -> None:
    entry = {"driver": "sim.dispenser", "limits": {"mix.solvent": {"at_most": 1.0}}}
    told = faults(lab({"d": entry}, world={"model": "thin_film"}))
    assert "no number" in told["devices.d.limits.mix.solvent"]


def test_simulated_is_never_mistaken_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    told = faults(lab({"bench": {"driver": "sim.instant"}}, reality="real"))
    assert "simulates and the laboratory is real" in told["devices.bench.driver"]

    class Mover(Driver):
        version = "1"

    monkeypatch.setattr(registry, "driver", lambda name: Mover)
    assert "moves real things" in faults(lab({"arm": {"driver": "arm"}}))["devices.arm.driver"]
    assert list(bind(lab({"arm": {"driver": "arm"}}, reality="real"))) == ["arm"]


def test_devices_of_a_world_need_one_and_share_a_host() -> None:
    alone = {"furnace": {"driver": "sim.furnace"}}
    assert "has none" in faults(lab(alone))["world"]
    apart = {**alone, "probe": {"driver": "sim.probe"}, "bench": {"driver": "sim.instant"}}
    told = faults(lab(apart, world={"model": "thin_film"}))
    assert "furnace, probe" in told["devices"]


@pytest.mark.parametrize(
    "change",
    [
        {"alquimia_lab": 2},
        {"devices": {}},
        {"devices": {"Bad Name": {"driver": "replay"}}},
        {"devices": {"1st": {"driver": "replay"}}},
        {"devices": {"ok": {"driver": "replay", "host": "../up"}}},
        {"devices": {"ok": {"driver": "replay", "limits": {"heat": {"at_most": 1.0}}}}},
        {"devices": {"ok": {"driver": "replay", "limits": {"a.b.c": {"at_most": 1.0}}}}},
        {"devices": {"ok": {"driver": "replay", "limits": {"a.b": {}}}}},
        {"devices": {"ok": {"driver": "replay", "limits": {"a.b": {"at_least": 2.0, "at_most": 1.0}}}}},
        {"devices": {"ok": {"driver": "replay", "limits": {"a.b": {"at_most": float("inf")}}}}},
        {"reality": "virtual"},
        {"reality": "real", "world": {"model": "thin_film"}},
        {"reality": "real", "clock": "virtual"},
        {"unknown": 1},
    ],
)
def test_a_laboratory_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LabFile.model_validate(
            {"alquimia_lab": 1, "name": "m", "devices": {"b": {"driver": "replay"}}, **change}
        )


def test_the_simulators_and_the_registry_load_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from drivers import registry, binding, lab\n"
        "from drivers.sim import world, thin_film\n"
        "for name in registry.known(): registry.driver(name)\n"
        "print([m for m in ('numpy', 'pandas', 'scipy', 'torch', 'pint', 'ase', 'pymatgen') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
