"""A device that tests hold in their hands, and the hosts around it: in this process, or as real ones.

The rig is steered by files in its `bench` directory, so that a test steers one in another process just so:
`hold` keeps every act where it is until the file is gone, `block` the whole host with it, `break` makes it raise,
`verdict` is what it testifies (`truth`: by the facts).
What physically happened is in `facts`, one line an act, halt or make-safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from drivers.client import HostClient, holder
from drivers.clock import Clock, WallClock
from drivers.driver import Driver, Gives, LabContext, Quantity, action
from drivers.host.server import Host
from drivers.host.spec import Bound, HostedDevice, HostSpec
from drivers.journal import Journal
from drivers.protocol import Action, ActionFailed, Attribution, Reading, Repeat, Testimony

Kelvin = Annotated[float, Quantity("K", at_least=0, at_most=100)]
GIVES = {"seen": Gives("K")}
BREAKS: dict[str, Callable[[], BaseException]] = {
    "runtime": lambda: RuntimeError("cable pulled"),
    "timeout": lambda: TimeoutError("no byte came"),
    "os": lambda: OSError("port gone"),
    "exit": lambda: SystemExit(3),
    "cancelled": asyncio.CancelledError,
    "failed": lambda: ActionFailed(Attribution.INFEASIBLE, "it will not mix"),
}


class Rig(Driver):
    """Three verbs, one of each repeat class."""

    simulated = True
    version = "7"

    class Settings(Driver.Settings):
        bench: str

    settings: Settings

    @property
    def bench(self) -> Path:
        return Path(self.settings.bench)

    def note(self, what: str) -> None:
        with (self.bench / "facts").open("a") as file:
            file.write(f"{what}\n")

    async def _do(self, action: Action, x: float) -> dict[str, Reading]:
        self.note(action.id)
        while (self.bench / "block").exists():
            time.sleep(0.01)
        while (self.bench / "hold").exists():
            await asyncio.sleep(0.002)
        with contextlib.suppress(FileNotFoundError):
            raise BREAKS[(self.bench / "break").read_text()]()
        return {"seen": Reading(value=float("nan") if x == 13 else x)}

    @action(Repeat.REPEATABLE, gives=GIVES)
    async def again(self, action: Action, x: Kelvin = 1.0) -> dict[str, Reading]:
        """Done twice is done once."""
        return await self._do(action, x)

    @action(Repeat.TESTABLE, gives=GIVES)
    async def test(self, action: Action, x: Kelvin = 1.0) -> dict[str, Reading]:
        """Can be asked about."""
        return await self._do(action, x)

    @test.testify
    async def test_testimony(self, action: Action) -> Testimony:
        verdict: Any = (self.bench / "verdict").read_text()
        if verdict in BREAKS:
            raise BREAKS[verdict]()
        if verdict == "truth":
            verdict = "done" if action.id in (self.bench / "facts").read_text().split() else "not done"
        return Testimony(verdict=verdict, readings={"seen": Reading(value=2.0, unit="K")})

    @action(Repeat.OPAQUE, gives=GIVES)
    async def blind(
        self, action: Action, x: Kelvin = 1.0, n: int = 1, mode: str = "a", on: bool = False
    ) -> dict[str, Reading]:
        """Nobody can tell."""
        return await self._do(action, x)

    @action(Repeat.OPAQUE)
    async def place(self, sample: str) -> None:
        """Needs a sample."""
        self.note(sample)

    async def halt(self) -> None:
        self.note(f"halt {self.name}")

    async def make_safe(self) -> None:
        self.note(f"safe {self.name}")


class Bench:
    """A directory with a host's journal, its socket and its rigs; what the rigs did and are told."""

    def __init__(
        self,
        directory: Path,
        sockets: Path,
        *,
        name: str = "bench",
        devices: tuple[str, ...] = ("rig", "other"),
    ) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        device = HostedDevice(
            driver="test.rig", settings={"bench": str(directory)}, limits={"blind.x": Bound(at_most=50)}
        )
        self.spec = HostSpec(
            name=name, reality="simulated", socket=sockets / f"{name}.sock", directory=directory / "host",
            clock="wall", devices=dict.fromkeys(devices, device),
        )  # fmt: skip

    @property
    def facts(self) -> list[str]:
        path = self.directory / "facts"
        return path.read_text().split() if path.exists() else []

    def set(self, name: str, text: str = "") -> None:
        (self.directory / name).write_text(text)

    def unset(self, name: str) -> None:
        (self.directory / name).unlink(missing_ok=True)

    def journal(self) -> Journal:
        return Journal(self.spec.directory / "journal.jsonl")

    def host(self, kind: type[Rig] = Rig, *, clock: Clock | None = None, **changes: Any) -> Host:
        """A host in this process, not yet serving."""
        spec = self.spec.model_copy(update=changes)
        lab = LabContext(clock or WallClock(), None, 0, spec.directory)
        devices = {
            name: kind(name, kind.Settings.model_validate(dict(device.settings)), lab)
            for name, device in spec.devices.items()
        }
        return Host(spec, self.journal(), devices)


def act(id: str, verb: str = "blind", *, device: str = "rig", epoch: int = 1, **more: Any) -> Action:
    return Action(id=id, device=device, verb=verb, epoch=epoch, **more)


def request(action: Action, op: str = "act") -> dict[str, Any]:
    return {"op": op, "action": action.model_dump(mode="json")}


FENCE = {"op": "fence", "epoch": 1, "open": []}


async def fenced(host: Host, epoch: int = 1) -> dict[str, Any]:
    return await host._fence({"epoch": epoch, "open": []})


def carried(host: Host, action: Action) -> asyncio.Task[dict[str, Any]]:
    return asyncio.create_task(host._act(request(action)))


async def until(condition: Callable[[], object], within_s: float = 30.0) -> None:
    """Come back as soon as `condition()` holds; AssertionError where it does not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {condition}"
        await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def served(host: Host) -> AsyncIterator[HostClient]:
    """A host of this process while it serves, and a client joined to it."""
    serving = asyncio.create_task(host.serve())
    client = HostClient(host.spec)
    try:
        await until(lambda: host.spec.socket.exists() or serving.done())
        while not await client.join():
            assert not serving.done()
            await asyncio.sleep(0)
        yield client
    finally:
        client.close()
        host.stopped.set()
        await serving
        host.journal.close()


@contextlib.contextmanager
def installed(directory: Path, environ: dict[str, str] | os._Environ[str]) -> Iterator[None]:
    """Real hosts started meanwhile find the rig among the installed drivers."""
    info = directory / "rig-7.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rig\nVersion: 7\n")
    (info / "entry_points.txt").write_text("[alquimia.drivers]\ntest.rig = tests.drivers.rig:Rig\n")
    before = environ.get("PYTHONPATH")
    root = str(Path(__file__).parents[2])
    environ["PYTHONPATH"] = os.pathsep.join([str(directory), root, *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del environ["PYTHONPATH"]
        else:
            environ["PYTHONPATH"] = before


def facts_in(journal: Path) -> list[tuple[str, str]]:
    """(fact, action id) of every line on disk, torn ones left out."""
    records = [json.loads(line.partition(b" ")[2]) for line in journal.read_bytes().split(b"\n")[:-1]]
    return [(record["fact"], record.get("id", "")) for record in records]


async def end(spec: HostSpec) -> None:
    """Kill the real host of a bench and wait until it is gone."""
    HostClient(spec).kill()
    await until(lambda: holder(spec.directory) is None)
    HostClient(spec).kill()  # collects what has died
