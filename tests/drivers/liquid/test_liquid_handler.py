"""The driver `liquid_handler` with PyLabRobot's own simulated back end and trackers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers import contract
from drivers.binding import bind
from drivers.clock import VirtualClock
from drivers.contract import Case
from drivers.driver import LabContext
from drivers.errors import ArgumentRejected, LabError, SettingsError
from drivers.instruments.liquid_deck import Deck
from drivers.instruments.liquid_handler import LiquidHandler
from drivers.protocol import Attribution, Outcome
from tests.drivers.laboratory import request
from tests.drivers.pages import printed

LAYOUT: dict[str, Any] = {
    "plate": {
        "resource": "cor_96_wellplate_360uL_Fb",
        "slot": 1,
        "volumes": {"A1": 200.0, "B1": 350.0, "C1": 360.0},
    },
    "tips": {"resource": "hamilton_96_tiprack_10uL", "slot": 2},
}
HAMILTON = "pylabrobot.liquid_handling.backends.hamilton.STAR_chatterbox"
PAGE = "instruments/liquid_handler.md"


def device(directory: Path, **changes: Any) -> LiquidHandler:
    settings = LiquidHandler.Settings.model_validate({"layout": LAYOUT, **changes})
    directory.mkdir(exist_ok=True)
    return LiquidHandler("pipettor", settings, LabContext(VirtualClock(), None, 0, directory))


async def transfer(one: LiquidHandler, source: str, target: str, volume: float) -> Outcome:
    return await one.act(request("pipettor", "transfer", source=source, target=target, volume=volume))


def values(outcome: Outcome) -> dict[str, float]:
    return {name: reading.value for name, reading in outcome.readings.items()}


async def test_the_printed_laboratory_transfers_and_counts(tmp_path: Path) -> None:
    entry = printed(PAGE, {}).devices["pipettor"]
    one = device(tmp_path, **entry.settings)
    await one.connect()
    done = await transfer(one, "stock.A1", "plate.A1", 250.0)
    assert values(done) == {"source_left": 11750, "target_holds": 250, "tips_used": 1, "tips_left": 95}
    assert done.record == {"tip": "tips.A1", "strokes": 1} and done.ended_s - done.began_s == 15
    mixed = await one.act(request("pipettor", "mix", well="plate.A1", volume=100.0, cycles=3))
    assert values(mixed) == {"well_holds": 250, "tips_used": 1, "tips_left": 94}
    await one.disconnect()


def test_the_printed_laboratory_binds_as_a_simulated_one_only() -> None:
    lab = printed(PAGE, {})
    assert bind(lab)["pipettor"].spec.simulated
    with pytest.raises(LabError, match="simulates and the laboratory is real"):
        bind(lab.model_copy(update={"reality": "real"}))


def test_a_device_is_as_simulated_as_its_back_end(tmp_path: Path) -> None:
    assert device(tmp_path).spec.simulated
    library = "pylabrobot.liquid_handling.backends"
    for name in ("OpentronsOT2Simulator", "SerializingBackend"):
        assert device(tmp_path, backend=f"{library}:{name}").spec.simulated
    for name in ("ot2", "star", "vantage", "evo"):
        assert not device(tmp_path, backend=name).spec.simulated


async def test_too_little_too_full_and_no_tip_are_said_before_anything_moves(tmp_path: Path) -> None:
    one = device(tmp_path)
    for source, target, volume, reason in (
        ("plate.A1", "plate.D1", 200.5, "plate.A1 holds too little: 200.5 uL asked, 200 uL are there"),
        ("plate.A1", "plate.B1", 11.0, "plate.B1 is too full: 11 uL asked, 10 uL of 360 uL are free"),
    ):
        failed = await transfer(one, source, target, volume)
        assert (failed.status, failed.attribution, failed.reason) == ("failed", Attribution.LOGISTICS, reason)
    assert values(await transfer(one, "plate.A1", "plate.B1", 10.0)) == {
        "source_left": 190, "target_holds": 360, "tips_used": 1, "tips_left": 95,
    }  # fmt: skip
    for spot in one._deck.tips.values():
        if spot.tracker.has_tip:
            spot.tracker.remove_tip(commit=True)
    failed = await transfer(one, "plate.A1", "plate.D1", 10.0)
    assert failed.attribution is Attribution.LOGISTICS and "no tip is left" in failed.reason
    assert values(await one.act(request("pipettor", "replaced", labware="tips"))) == {"tips_left": 96}
    assert (await transfer(one, "plate.A1", "plate.D1", 10.0)).status == "succeeded"
    await one.disconnect()


async def test_a_volume_larger_than_the_tip_goes_in_strokes(tmp_path: Path) -> None:
    one = device(tmp_path)
    done = await transfer(one, "plate.C1", "plate.D1", 70.0)
    assert done.record["strokes"] == 5  # a tip of 10 uL takes up to 15
    assert (values(done)["source_left"], values(done)["target_holds"]) == pytest.approx((290, 70))
    await one.disconnect()


async def test_what_is_on_the_deck_outlives_the_host(tmp_path: Path) -> None:
    one = device(tmp_path)
    await transfer(one, "plate.A1", "plate.D1", 20.0)
    again = device(tmp_path)  # the first was killed
    held = await again.act(request("pipettor", "holds", well="plate.D1"))
    assert values(held) == {"holds": 20}
    assert values(await transfer(again, "plate.A1", "plate.D1", 20.0)) == {
        "source_left": 160, "target_holds": 40, "tips_used": 1, "tips_left": 94,
    }  # fmt: skip
    other = device(tmp_path, layout={**LAYOUT, "more": {**LAYOUT["tips"], "slot": 3}})
    with pytest.raises(SettingsError, match="of another layout of the deck"):
        await other.connect()
    (tmp_path / "pipettor.deck.json").write_text("{")
    with pytest.raises(SettingsError, match="does not say what is on the deck"):
        await device(tmp_path).connect()
    await one.disconnect()
    await again.disconnect()


async def test_other_back_ends_of_the_library_do_the_same(tmp_path: Path) -> None:
    star = {**printed(PAGE, {}).devices["pipettor"].settings, "backend": f"{HAMILTON}:STARChatterboxBackend"}
    done = await transfer(device(tmp_path / "a", **star), "stock.A1", "plate.A1", 100.0)
    assert values(done)["target_holds"] == 100
    layout = {**LAYOUT, "tips": {**LAYOUT["tips"], "resource": "hamilton_96_tiprack_10uL_filter"}}
    backend = "pylabrobot.liquid_handling.backends:OpentronsOT2Simulator"
    right = device(tmp_path / "b", layout=layout, backend=backend)  # p300 on the left, p20 on the right
    assert values(await transfer(right, "plate.A1", "plate.D1", 20.0))["target_holds"] == 20
    no_fit = device(tmp_path / "c", backend=backend)
    failed = await transfer(no_fit, "plate.A1", "plate.D1", 20.0)
    assert (failed.attribution, failed.reason) == (
        Attribution.INSTRUMENT, "no channel of the machine takes the tip tips.A1",
    )  # fmt: skip
    assert values(await no_fit.act(request("pipettor", "holds", well="plate.A1"))) == {"holds": 200}
    for one in (right, no_fit):
        await one.disconnect()


async def test_a_tip_left_on_the_head_is_discarded_first(tmp_path: Path) -> None:
    one = device(tmp_path)
    await one.connect()
    await one._handler.pick_up_tips([one._deck.next_tip()], use_channels=[0])
    done = await transfer(one, "plate.A1", "plate.D1", 20.0)
    assert done.status == "succeeded" and "broken off" in done.record["discarded"]
    assert not one._handler.head[0].has_tip
    await one.disconnect()


async def test_a_machine_that_breaks_leaves_the_end_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = device(tmp_path)
    await one.connect()

    async def broken(*args: Any, **options: Any) -> None:
        raise ConnectionError("cable pulled")

    monkeypatch.setattr(one._handler.backend, "dispense", broken)
    with pytest.raises(ConnectionError):
        await transfer(one, "plate.A1", "plate.D1", 20.0)
    # Of the first of two strokes: 10 uL are in the tip, and the tip is on the head.
    saved = json.loads((tmp_path / "pipettor.deck.json").read_text())
    assert saved["wells"]["plate.A1"] == 190 and not saved["tips"]["tips.A1"]
    await one.disconnect()


async def test_wells_that_are_not_there_and_volumes_beyond_are_refused(tmp_path: Path) -> None:
    one = device(tmp_path)
    for source, volume in (("plate.A13", 20.0), ("tips.A1", 20.0), ("plate.A1", 0.5), ("plate.A1", 361.0)):
        with pytest.raises(ArgumentRejected):
            await transfer(one, source, "plate.D1", volume)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"deck": "ot3"}, "deck: there is no 'ot3'"),
        ({"backend": "os:system"}, "is no back end of PyLabRobot's liquid handlers"),
        ({"backend": "nowhere:Nothing"}, "there is no 'nowhere:Nothing'"),
        ({"layout": {"a": {"resource": "no_such_plate", "slot": 1}}}, "pylabrobot.resources has no 'no_such_plate'"),
        ({"layout": {"a": {"resource": "set_volume_tracking", "slot": 1}}}, "cannot be put there"),
        ({"layout": {"a": LAYOUT["plate"], "b": LAYOUT["plate"]}}, "layout.b: cor_96_wellplate_360uL_Fb cannot"),
        ({"layout": {"a": {**LAYOUT["plate"], "slot": 12}}}, "layout.a: cor_96_wellplate_360uL_Fb cannot"),
        ({"layout": {"a": LAYOUT["plate"]}}, "wanted wells and a tip rack"),
        ({"layout": {**LAYOUT, "a": {**LAYOUT["plate"], "slot": 3, "volumes": {"Z1": 1.0}}}}, "no well 'Z1'"),
        ({"layout": {**LAYOUT, "a": {**LAYOUT["plate"], "slot": 3, "volumes": 400.0}}}, "400 uL for a.A1"),
    ],
)  # fmt: skip
def test_settings_that_describe_no_deck_are_refused(
    changes: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as refused:
        device(tmp_path, **changes)
    assert fault in str(refused.value)


def test_the_printed_deck_is_the_same_for_a_real_back_end(tmp_path: Path) -> None:
    settings = {**printed(PAGE, {}).devices["pipettor"].settings, "backend": "star"}
    one = device(tmp_path, **settings)
    assert not one.spec.simulated and one._deck.tips_left == 96 and len(one._deck.wells) == 12 + 96


@pytest.mark.parametrize("promise", [name for name in vars(contract) if name.startswith("keeps_")])
async def test_it_keeps_the_contract(tmp_path: Path, promise: str) -> None:
    one = await Case("liquid_handler", {"layout": LAYOUT}).ready(tmp_path)
    await getattr(contract, promise)(one)
    await one.disconnect()


def test_a_deck_is_the_same_whatever_the_order_in_which_it_is_described() -> None:
    """Carriers go first, wherever they are named; what lies on nothing is said."""
    settings = bind(printed("instruments/liquid_handler.md", {}))["pipettor"].settings
    assert isinstance(settings, LiquidHandler.Settings)
    layout = dict(settings.layout)
    for order in (sorted(layout), sorted(layout, reverse=True)):
        deck = Deck(settings.deck, {name: layout[name] for name in order})
        assert list(deck.labware) == ["plate_carrier", "tip_carrier", "plate", "stock", "tips"]
        assert deck.wells["stock.A1"].tracker.get_used_volume() == 12000
    del layout["plate_carrier"]
    with pytest.raises(SettingsError, match="'plate_carrier', which lies nowhere"):
        Deck(settings.deck, layout)
