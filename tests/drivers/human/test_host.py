"""A task outlives its host: real processes, killed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from drivers.client import HostClient, HostGone
from drivers.host.spec import HostedDevice, HostSpec
from drivers.human.tasks import answer, open_tasks
from drivers.protocol import Action, Outcome
from tests.drivers.human.conftest import asked
from tests.drivers.pages import printed
from tests.drivers.rig import FENCE, end, request

ROOT = Path(__file__).parents[3]


async def test_a_host_that_is_killed_finds_the_task_and_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = printed("instruments/human.md", {}).devices["technician"].settings
    spec = HostSpec(
        name="technician", reality="real", socket=tmp_path / "h.sock", directory=tmp_path / "hosts" / "technician",
        clock="wall", devices={"technician": HostedDevice(driver="human", settings=settings)},
    )  # fmt: skip
    info = tmp_path / "person-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: person\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[alquimia.drivers]\nhuman = drivers.human.person:Human\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(ROOT))))
    weigh = Action(
        id="x1-weigh", device="technician", verb="weigh", args={"crucible": "quartz", "repeats": 3}, sample="s7",
        epoch=1, deadline_s=7300,
    )  # fmt: skip
    client = HostClient(spec)
    try:
        await client.connect()
        await client.ask(FENCE)
        act = asyncio.create_task(client.ask(request(weigh)))
        (task,) = await asked(tmp_path)
        client.kill()
        broken = (await asyncio.gather(act, return_exceptions=True))[0]
        assert isinstance(broken, HostGone)
        answer(tmp_path, "x1-weigh", {"mass": 12.5, "look": "whole", "colour": "grey"}, by="Ada")
        await client.connect()
        await client.ask(FENCE | {"epoch": 2, "open": ["x1-weigh"]})
        reply = await client.ask({"op": "ask", "id": "x1-weigh"})
        assert reply["state"] == "begun, no end"  # an engine sends a repeatable act again
        reply = await client.ask(request(weigh.model_copy(update={"epoch": 2})))
        outcome = Outcome.model_validate(reply["outcome"])
        assert outcome.readings["mass"].value == 12.5 and outcome.record["by"] == "Ada"
        assert open_tasks(tmp_path) == [] and task.action == "x1-weigh"
    finally:
        client.close()
        await end(spec)
