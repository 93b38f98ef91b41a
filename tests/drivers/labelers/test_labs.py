"""Laboratories of labelers: they bind, in a simulated and in a real one, and a host carries their acts out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from drivers.binding import bind
from drivers.clock import WallClock
from drivers.driver import LabContext
from drivers.errors import LabError
from drivers.host.server import Host
from drivers.host.spec import HostedDevice, HostSpec
from drivers.journal import Journal
from drivers.lab import LabFile
from tests.drivers.labelers.faulty import FaultyLabeler
from tests.drivers.labelers.laboratory import COPPER, fcc
from tests.drivers.laboratory import lab_file
from tests.drivers.rig import FENCE, act, served, until
from tests.drivers.rig import request as asked


def mixed(reality: str, **more: Any) -> LabFile:
    devices = {"labeler": {"driver": "labeler.emt"}, **more}
    return LabFile.model_validate({"alquimia_lab": 1, "name": "mine", "reality": reality, "devices": devices})


def test_a_labeler_stands_in_a_simulated_and_in_a_real_laboratory() -> None:
    for reality in ("simulated", "real"):
        assert not bind(mixed(reality))["labeler"].spec.simulated
    assert set(bind(mixed("simulated", bench={"driver": "sim.instant"}))) == {"labeler", "bench"}
    with pytest.raises(LabError, match=r"sim\.instant simulates and the laboratory is real"):
        bind(mixed("real", bench={"driver": "sim.instant"}))


@pytest.mark.parametrize("name", ["emt", "chgnet", "gpaw", "kob_andersen", "unsure"])
def test_a_shipped_laboratory_binds_or_says_what_is_missing(name: str) -> None:
    made = lab_file(f"labelers/{name}")
    assert made.members("labeler") == ("labeler_1", "labeler_2")
    assert made.hosts == {"labelers": ("labeler_1", "labeler_2")} and made.clock == "wall"
    try:
        bound = bind(made)
    except LabError as error:
        assert name != "emt"
        assert "pip install" in str(error)
    else:
        assert list(bound) == ["labeler_1", "labeler_2"]


def hosted(directory: Path) -> Host:
    settings = {"tally": str(directory / "tally")}
    spec = HostSpec(
        name="labels", reality="simulated", clock="wall",
        socket=directory / "labels.sock", directory=directory / "host",
        devices=dict.fromkeys(("one", "two"), HostedDevice(driver="labeler.faulty", settings=settings)),
    )  # fmt: skip
    lab = LabContext(WallClock(), None, 0, spec.directory)
    devices = {name: FaultyLabeler(name, FaultyLabeler.Settings(**settings), lab) for name in spec.devices}
    return Host(spec, Journal(spec.directory / "journal.jsonl"), devices)


async def test_a_host_labels_two_crystals_at_a_time_and_its_halt_ends_them(tmp_path: Path) -> None:
    tally = tmp_path / "tally"

    def hanging() -> int:
        return tally.read_text().count("child") if tally.exists() else 0

    async with served(hosted(tmp_path)) as client:
        await client.ask(FENCE)
        label = await client.ask(asked(act("a", "energy", device="one", args={"structure": COPPER})))
        assert label["outcome"]["record"]["code"] == "faulty" and label["state"] == "ended"
        both = [
            asyncio.create_task(
                client.ask(asked(act(id, "energy", device=one, args={"structure": fcc("Kr", a)})))
            )
            for id, one, a in (("b", "one", 5.7), ("c", "two", 5.8))
        ]
        await until(lambda: hanging() == 2)
        await client.ask({"op": "halt"}, urgent=True)
        for reply in await asyncio.gather(*both):
            assert reply["state"] == "ended" and reply["outcome"]["reason"] == "halted"
        await client.ask({**FENCE, "epoch": 2})
        again = await client.ask(asked(act("d", "energy", device="two", epoch=2, args={"structure": COPPER})))
        assert again["outcome"]["record"]["cached"] is True
