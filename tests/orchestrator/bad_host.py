"""A driver that takes its whole host along: it crashes, floods or talks nonsense. And what its neighbours get done."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivers.driver import Action, Driver, Repeat, action
from drivers.host.server import Host
from drivers.host.spec import HostedDevice, HostSpec
from drivers.protocol import Action as Request
from orchestrator.hands import Hands

WAYS = ("crash", "flood", "nonsense")
LINES = {"flood": b'{"rid": 0, "state": "ended"}\n', "nonsense": b"\x00\xff not JSON at all\n"}
AGAIN_S = 2.0  # an engine's heartbeat: a host that was given up is looked for again so often


class Bad(Driver):
    """Well for an act of `lasts_s`, or bad in one of the ways."""

    simulated = True
    version = "1"

    class Settings(Driver.Settings):
        how: str = "well"
        lasts_s: float = 0.1

    settings: Settings

    async def connect(self) -> None:
        """A host that floods or talks nonsense does so from its first answer on."""
        if self.settings.how in LINES:
            Host._answer = flooding(Host._answer, LINES[self.settings.how])  # type: ignore[method-assign]

    @action(Repeat.REPEATABLE)
    async def do(self, action: Action) -> None:
        """Take one's time, or everybody's."""
        await asyncio.sleep(self.settings.lasts_s)
        if self.settings.how == "crash":
            os._exit(1)


def flooding(answer: Any, line: bytes) -> Any:
    """The host's own way to answer, with lines behind it that never end."""

    async def flood(self: Host, request: bytes, writer: asyncio.StreamWriter) -> None:
        await answer(self, request, writer)
        while not writer.is_closing():
            writer.write(line * 1000)
            await writer.drain()

    return flood


def installed_in(directory: Path) -> str:
    """Make the driver known to host processes that have this folder in their PYTHONPATH; the folder."""
    info = directory / "bad-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[alquimia.drivers]\ntest.bad = tests.orchestrator.bad_host:Bad\n")
    return str(directory)


def spec(folder: Path, sockets: Path, name: str, how: str = "well", lasts_s: float = 0.1) -> HostSpec:
    """One host with one device of this driver."""
    device = HostedDevice(driver="test.bad", settings={"how": how, "lasts_s": lasts_s})
    return HostSpec(
        name=name, reality="simulated", socket=sockets / f"{name}.sock", directory=folder / name, clock="wall",
        devices={name: device}, linger_s=1.0,
    )  # fmt: skip


class Neighbours:
    """Good hosts and one more under one engine's hands; everybody acts on and on."""

    def __init__(self, folder: Path, sockets: Path, last: str, good: int) -> None:
        specs = [spec(folder, sockets, f"good{n}") for n in range(good)]
        self.good = [one.name for one in specs]
        self.hands = Hands([*specs, spec(folder, sockets, "last", last)])
        self.done = dict.fromkeys([*self.good, "last"], 0)
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Fence all hosts and set everybody to work."""
        fenced = [self.hands.fence(name, 1, []) for name in self.done]
        await asyncio.gather(*fenced, return_exceptions=True)
        self.tasks = [asyncio.create_task(self._work(name)) for name in self.done]

    async def _work(self, name: str) -> None:
        for n in itertools.count():
            request = Request(id=f"{name}.{n}", device=name, verb="do", epoch=1, deadline_s=30.0)
            fate = await self.hands.carry_out(request, Repeat.REPEATABLE, lambda one=request.id: [one])
            self.done[name] += fate.outcome is not None
            if fate.outcome is None:
                await asyncio.sleep(AGAIN_S)

    async def throughput(self, seconds: float) -> float:
        """Acts per second of all good hosts together, over so many seconds."""
        loop = asyncio.get_running_loop()
        before, began_s = sum(self.done[name] for name in self.good), loop.time()
        await asyncio.sleep(seconds)
        return (sum(self.done[name] for name in self.good) - before) / (loop.time() - began_s)

    async def end(self) -> None:
        """Let everything go."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.hands.shut_down()


async def side_by_side(
    folder: Path, sockets: Path, ways: Sequence[str], *, good: int = 4, windows: int = 3, seconds: float = 4.0
) -> dict[str, list[float]]:
    """Throughput of the good hosts beside a host that is well and beside bad ones, window by window in turn."""
    found: dict[str, list[float]] = {"well": [], **{how: [] for how in ways}}
    for n, how in itertools.product(range(windows), found):
        place = folder / f"{how}{n}"
        (sockets / place.name).mkdir(parents=True, exist_ok=True)
        one = Neighbours(place, sockets / place.name, how, good)
        try:
            await one.start()
            await asyncio.sleep(0.5)
            found[how].append(await one.throughput(seconds))
        finally:
            await one.end()
    return found
