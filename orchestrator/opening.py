"""The one place where everything is put together: a campaign and a laboratory become a log, a log becomes an engine."""

from __future__ import annotations

import asyncio
import contextlib
import platform
import signal
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import structlog

from campaigns.campaign import Campaign
from campaigns.pretraining import Lesson
from campaigns.space import Material
from drivers.lab import LabFile
from orchestrator import control
from orchestrator.advice import Adviser
from orchestrator.binding import BoundCampaign, bind_campaign
from orchestrator.brain.client import Brain
from orchestrator.crystals import Crystals
from orchestrator.decide import CAMPAIGN
from orchestrator.engine import Engine
from orchestrator.errors import Refused
from orchestrator.events import Event, Numbering
from orchestrator.hands import Hands, host_specs
from orchestrator.lab import LabState, fold
from orchestrator.labfile import bind_lab
from orchestrator.log.sqlite import LogReader, SqliteLog
from orchestrator.places import sockets
from orchestrator.prepare import check_arming
from orchestrator.routes import Routes, chooses_routes, energies_of

# What a proposal or a measurement may depend on; recorded with every campaign.
VERSIONED = (
    "alquimia-lab",
    "torch",
    "botorch",
    "gpytorch",
    "torch-geometric",
    "pymatgen",
    "numpy",
    "scipy",
    "pydantic",
    "pint",
    "apscheduler",
)


def open_campaign(path: Path, bound: BoundCampaign) -> None:
    """Write the first event of a new log. Raises `Refused` where the store holds a campaign already."""
    file = bound.laboratory.file
    store = SqliteLog(path, reality=file.reality)
    try:
        if store.head()[0]:
            raise Refused(
                "E502",
                f"{path} already holds a campaign",
                cure="go on with `alquimia resume`, or give another --store",
            )
        body = {
            "campaign": bound.campaign.to_json(),
            "fingerprint": bound.campaign.fingerprint,
            "lab": bound.laboratory.to_json(),
            "reality": file.reality,
            "versions": {"python": platform.python_version(), **_versions()},
        }
        numbering = Numbering(0, store.take_over(), {})
        Crystals(path.parent).keep(bound.pools)
        store.append([numbering.place(Event(CAMPAIGN, "campaign.opened", body, actor="operator"))])
    finally:
        store.close()


def _versions() -> dict[str, str]:
    found = {}
    for package in VERSIONED:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    state: LabState
    finished: bool
    doubts: bool


async def conduct(
    path: Path,
    *,
    armed: str | None = None,
    wait_for_people: bool = True,
    linger_s: float = 60.0,
    watch: Callable[[LabState], None] | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Ended:
    """Run the campaign in the log at `path` until it ends or is stopped (Ctrl-C once, twice)."""
    with LogReader(path) as reader:
        reality = reader.reality
    with (path.parent / "engine.log").open("a", buffering=1) as log:
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.WriteLoggerFactory(log),
        )
        try:
            return await _conducted(
                path,
                reality,
                armed,
                wait_for_people=wait_for_people,
                linger_s=linger_s,
                watch=watch,
                tell=tell,
            )
        finally:
            structlog.reset_defaults()


async def _conducted(
    path: Path,
    reality: Literal["simulated", "real"],
    armed: str | None,
    *,
    wait_for_people: bool,
    linger_s: float,
    watch: Callable[[LabState], None] | None,
    tell: Callable[[str], None],
) -> Ended:
    store = SqliteLog(path, reality=reality)
    try:
        state = fold(store.events())
        if state.campaign is None:
            raise Refused("E503", f"{path} holds no campaign", cure="begin one with `alquimia run`")
        laboratory = bind_lab(LabFile.model_validate(dict(state.opened["lab"])))
        check_arming(laboratory, armed)
        bound = bind_campaign(Campaign.from_json(state.opened["campaign"]), laboratory)
        hands = Hands(host_specs(laboratory, path.parent, sockets(path), linger_s=linger_s))
        crystals = Crystals(path.parent)
        pools: tuple[Material | Lesson, ...] = (*bound.campaign.space.materials, *bound.campaign.lessons)
        for each in pools:
            crystals.rows(each)  # a pool that is gone is better missed before the first experiment
        energies = energies_of(laboratory) if chooses_routes(bound.campaign) else None
        routes = None if energies is None else Routes(path, energies)
        adviser = Adviser(Brain(path.parent / "brain.log"), crystals=crystals, routes=routes)
        engine = Engine(store, state, bound, hands, adviser, wait_for_people=wait_for_people, watch=watch)
        _obey_signals(engine, tell)
        server = await control.serve(path, engine.post)
        try:
            await engine.run()
            await hands.shut_down()
        finally:
            hands.close()
            server.close()
            control.control_socket(path).unlink(missing_ok=True)
    finally:
        store.close()
    return Ended(state, str(state.campaign) == "finished", bool(state.doubts))


def _obey_signals(engine: Engine, tell: Callable[[str], None]) -> None:
    """Once: end after the acts in hand. Twice: halt every device; acts in hand become doubts."""
    asked = 0

    def interrupted() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            tell("stopping after the acts in hand; once more stops every device now")
            engine.stop()
        else:
            tell("halting every device")
            engine.halt()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
