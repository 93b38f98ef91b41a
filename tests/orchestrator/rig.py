"""An engine on hands that are no hands and a planner that is none, with its log on disk."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from campaigns.campaign import Phase
from drivers.client import HostGone
from drivers.protocol import Action, Outcome, Reading, Repeat
from orchestrator.advice import Adviser
from orchestrator.binding import BoundCampaign
from orchestrator.engine import Engine
from orchestrator.events import Event, Numbering
from orchestrator.hands import Fate
from orchestrator.lab import LabState, fold
from orchestrator.log.sqlite import SqliteLog
from tests.orchestrator.builders import GOOD, proposal

EXPLORE = (Phase(mode="explore", method="sobol", batch=2),)


def good(action: Action) -> Fate:
    readings = {"signal": Reading(value=0.001, unit="S")} if action.verb == "measure" else {}
    return Fate(action.id, "ended", outcome=Outcome(status="succeeded", readings=readings))


class Hands:
    """Stands where the hosts stand: every device on one host, acts as the test says."""

    def __init__(self, store: SqliteLog, devices: Iterable[str]) -> None:
        self.names = ["bench"]
        self.devices = {d: {"driver": d, "version": "1", "simulated": True} for d in devices}
        self.store = store
        self.sent: list[str] = []
        self.inquired: list[str] = []
        self.fenced: list[int] = []
        self.halts = 0
        self.still: frozenset[str] = frozenset()
        self.signals: dict[str, Any] = {}  # device -> what a look at it gives
        self.away = False
        self.gate: dict[str, asyncio.Event] = {}  # verb -> held until set
        self.act: Callable[[Action], Fate] = good

    def host_of(self, device: str) -> str:
        return "bench"

    def devices_of(self, host: str) -> list[str]:
        return list(self.devices)

    async def fence(self, host: str, epoch: int, open_actions: Iterable[str]) -> None:
        if self.away:
            raise HostGone("unplugged")
        self.fenced.append(epoch)

    async def carry_out(self, action: Action, repeat: Repeat, open_actions: Any) -> Fate:
        on_disk = {e.stream for e in self.store.events() if e.kind == "action.intended"}
        assert action.id in on_disk, "sent before it was written"
        self.sent.append(action.id)
        if action.verb in self.gate:
            await self.gate[action.verb].wait()
        return self.act(action)

    async def inquire(self, action: Action, repeat: Repeat, open_actions: Any) -> Fate:
        self.inquired.append(action.id)
        return self.act(action)

    async def pace(self, host: str, open_actions: Any, wakes: Any = ()) -> None:
        """There is no virtual clock behind these."""

    async def ping(self, host: str) -> None:
        if self.away:
            raise HostGone("unplugged")

    async def halt(self, devices: Any = None) -> list[str]:
        self.halts += 1
        return []

    async def sense(self, action: Action) -> Mapping[str, Any]:
        reply = self.signals[action.device]
        if isinstance(reply, Exception):
            raise reply
        return reply


class Planner:
    """Stands where the brain stands."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests: list[Mapping[str, Any]] = []
        self.reply: Callable[[Mapping[str, Any]], Any] = lambda request: {
            "proposals": [{**proposal(), "candidate": GOOD}] * request["n"], "diagnostics": None,
        }  # fmt: skip

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def ask(self, request: Mapping[str, Any], *, within_s: float) -> Any:
        self.requests.append(request)
        await self.gate.wait()
        reply = self.reply(request)
        if isinstance(reply, Exception):
            raise reply
        return reply


class Rig:
    """A log, an engine on it, and everything it touches."""

    def __init__(self, path: Path, the_bound: BoundCampaign, **engine: Any) -> None:
        self.store = SqliteLog(path, reality="simulated")
        if not self.store.head()[0]:
            numbering = Numbering(0, self.store.take_over(), {})
            body = {
                "campaign": the_bound.campaign.to_json(), "fingerprint": "f", "reality": "simulated", "versions": {},
                "lab": the_bound.laboratory.to_json(),
            }  # fmt: skip
            self.store.append([numbering.place(Event("campaign", "campaign.opened", body))])
        self.hands = Hands(self.store, the_bound.laboratory.devices)
        self.planner = Planner()
        self.seen: list[str] = []
        self.state = fold(self.store.events())
        self.engine = Engine(
            self.store, self.state, the_bound, self.hands, Adviser(self.planner),  # type: ignore[arg-type]
            **engine,
        )  # fmt: skip

    def kinds(self) -> list[str]:
        return [e.kind for e in self.store.events()]

    def body(self, kind: str) -> Mapping[str, Any]:
        return next(e.body for e in self.store.events() if e.kind == kind)

    async def run(self) -> LabState:
        async with asyncio.timeout(60):
            return await self.engine.run()

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        """The engine runs beside the test, which sees to its end."""
        task = asyncio.create_task(self.run())
        try:
            yield task
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
