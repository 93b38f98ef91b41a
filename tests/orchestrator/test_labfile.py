"""lab.yaml: read by the same reader, refused with line and column, bound to drivers and limits in their units."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.errors import CampaignError, Fault
from drivers.host.spec import Bound
from orchestrator.errors import Refused
from orchestrator.labfile import Laboratory, bind_lab, read_lab
from orchestrator.prepare import check_arming

FILM = """\
alquimia_lab: 1
name: film
reality: simulated
clock: virtual
world: {model: thin_film, seed: 1}
devices:
  furnace:
    driver: sim.furnace
    host: film_lab
    limits:
      heat.temperature: {at_most: 200 degC, at_least: 280 K}
      heat.hold: {at_most: 90}
  probe: {driver: sim.probe, host: film_lab}
"""


def read(tmp_path: Path, text: str) -> Laboratory:
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    return bind_lab(*read_lab("whatever", path))


def faults(tmp_path: Path, text: str) -> tuple[Fault, ...]:
    with pytest.raises(CampaignError) as caught:
        read(tmp_path, text)
    return caught.value.faults


def test_limits_are_in_the_drivers_units(tmp_path: Path) -> None:
    lab = read(tmp_path, FILM)
    assert lab.limits["furnace"]["heat.temperature"] == Bound(at_least=280.0, at_most=473.15)
    assert lab.limits["furnace"]["heat.hold"] == Bound(at_most=90.0)
    assert lab.limits["probe"] == {}


@pytest.mark.parametrize("name", ["simulated/thin_film", "simulated/instant"])
def test_a_shipped_laboratory_is_known_by_its_name(name: str) -> None:
    file, document, source = read_lab(name, None)
    assert file.name == name and bind_lab(file, document, source).devices


def test_an_unknown_laboratory_is_refused_with_what_may_have_been_meant() -> None:
    with pytest.raises(
        Refused, match=r"^E301 .*simulated/thin_flim.*did you mean 'simulated/thin_film'.*No action"
    ):
        read_lab("simulated/thin_flim", None)


@pytest.mark.parametrize("what", ["missing", "folder", "latin-1"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "lab.yaml"
    if what == "folder":
        path.mkdir()
    if what == "latin-1":
        path.write_bytes("name: Münster".encode("latin-1"))
    with pytest.raises((Refused, CampaignError), match=r"E401|E102"):
        read_lab("whatever", path)


CASES = {
    "an unknown key": ("clock: virtual", "clock: virtual\ncolour: red", "E401", 5, "colour"),
    "a word that is no reality": ("reality: simulated", "reality: dreamt", "E401", 3, "reality"),
    "a bound that is no number": ("{at_most: 90}", "{at_most: [90]}", "E401", 12, "at_most"),
    "no bound at all": ("{at_most: 90}", "{}", "E401", 12, "heat.hold"),
    "an unknown driver": ("driver: sim.furnace", "driver: sim.furnance", "E312", 8, "driver"),
    "a setting that the driver refuses": (
        "    host: film_lab\n    limits", "    host: film_lab\n    settings: {heat: 5}\n    limits", "E312", 10,
        "heat"),
    "a limit on a verb that is not there": ("heat.hold: {", "bake.hold: {", "E312", 12, "bake.hold"),
    "a limit on an argument that is not there": ("heat.hold: {", "heat.hodl: {", "E312", 12, "heat.hodl"),
    "a limit of the wrong dimension": ("{at_most: 90}", "{at_most: 90 m}", "E402", 12, "heat.hold"),
    "a limit without its unit": ("at_most: 200 degC", "at_most: '200'", "E402", 11, "heat.temperature"),
    "limits that exclude each other": ("at_least: 280 K", "at_least: 500 K", "E402", 11, "heat.temperature"),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_a_fault_has_its_code_line_and_path(tmp_path: Path, what: str) -> None:
    before, after, code, line, path = CASES[what]
    assert before in FILM
    found = faults(tmp_path, FILM.replace(before, after))
    assert {fault.code for fault in found} == {code}, [f.render() for f in found]
    assert found[0].line == line and path in found[0].path, found[0].render()
    assert found[0].file.endswith("lab.yaml") and found[0].message


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    text = FILM.replace("heat.hold: {at_most: 90}", "heat.hold: {at_most: 90 m}").replace("200 degC", "200 m")
    assert [fault.line for fault in faults(tmp_path, text)] == [11, 12]


def test_a_real_laboratory_must_be_armed_by_its_name_and_a_simulated_one_cannot_be() -> None:
    lab = bind_lab(*read_lab("simulated/instant", None))
    check_arming(lab, None)
    with pytest.raises(Refused, match=r"E313.*simulated and cannot be armed"):
        check_arming(lab, "simulated/instant")
    real = Laboratory(lab.file.model_copy(update={"reality": "real"}), lab.devices, lab.limits)
    for said in (None, "", "simulated/thin_film"):
        with pytest.raises(Refused, match=r"E313.*is a real laboratory and is not armed"):
            check_arming(real, said)
    check_arming(real, "simulated/instant")


def test_a_simulated_driver_in_a_real_laboratory_is_refused(tmp_path: Path) -> None:
    text = "alquimia_lab: 1\nname: real\nreality: real\ndevices:\n  bench: {driver: sim.instant}\n"
    (fault,) = faults(tmp_path, text)
    assert fault.code == "E312" and "simulates and the laboratory is real" in fault.message
