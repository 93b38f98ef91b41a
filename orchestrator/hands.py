"""The hosts as the engine uses them: send an action, and always come back with its fate, whatever breaks meanwhile.

Recovery is not a case of its own: a host that died and an engine that died are met by the same questions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from drivers.client import HostClient, HostGone
from drivers.host.spec import HostedDevice, HostSpec
from drivers.protocol import Action, Outcome, Repeat, Testimony
from orchestrator.labfile import Laboratory

log = structlog.get_logger()

WAKE_S = 86400.0  # s of the wall clock in which virtual time must have come to a wake-up
GRACE_S = 10.0  # what a host may take beyond an action's deadline before it counts as hung
SENSE_GRACE_S = 1.0  # what a host may take beyond the time a sensor has
TRIES = 3  # how often a host is looked for before it counts as unreachable
AGAIN = 3  # how often a repeatable act whose end was lost is done again


@dataclass(frozen=True)
class Fate:
    """What became of an action, as far as anybody can tell. `by` says who testifies."""

    action: str
    verdict: Literal["ended", "not done", "doubt", "refused"]
    reason: str = ""
    outcome: Outcome | None = None
    by: str = "host"
    halted: bool = False  # not done because its device is halted: no fault of device or recipe
    epoch: int = 0  # under which that was found


class Hands:
    """All hosts of one laboratory under one epoch."""

    def __init__(self, specs: Iterable[HostSpec]) -> None:
        self._hosts = {spec.name: HostClient(spec) for spec in specs}
        self._host_of = {
            device: spec.name for spec in (h.spec for h in self._hosts.values()) for device in spec.devices
        }
        self._reviving: dict[str, asyncio.Lock] = {name: asyncio.Lock() for name in self._hosts}
        self._generation: dict[str, int] = dict.fromkeys(self._hosts, 0)
        self.epoch = 0
        self.still: frozenset[str] = frozenset()  # devices that stay halted whenever their host is fenced
        self.devices: dict[str, Mapping[str, Any]] = {}  # device -> what it declared when it was fenced

    def host_of(self, device: str) -> str:
        """The host that holds `device`."""
        return self._host_of[device]

    def devices_of(self, host: str) -> list[str]:
        """The devices that `host` holds."""
        return [device for device, name in self._host_of.items() if name == host]

    @property
    def names(self) -> list[str]:
        """All hosts."""
        return list(self._hosts)

    async def fence(self, host: str, epoch: int, open_actions: Iterable[str]) -> None:
        """Reach a host (join it, start it, or replace one that does not answer) and fence off older engines.

        Raises `HostGone` where that cannot be done: then nothing is known of what it was doing.
        """
        async with self._reviving[host]:
            await self._fence(host, epoch, list(open_actions))

    async def _fence(self, host: str, epoch: int, open_actions: list[str]) -> None:
        client = self._hosts[host]
        for left in reversed(range(TRIES)):
            try:
                if not client.alive:
                    await client.connect()
                still = sorted(self.still & set(self.devices_of(host)))
                reply = await client.ask(
                    {"op": "fence", "epoch": epoch, "open": open_actions, "halted": still}, within_s=GRACE_S
                )
                break
            except HostGone as gone:
                # Only one that is mute is killed: one that is ending may be making its devices safe.
                if gone.hung or client.alive:
                    client.kill()
                else:
                    client.close()
                if not left:
                    raise
        if "stale" in reply:
            raise HostGone(f"host {host} obeys epoch {reply['stale']}, this engine is {epoch}")
        self.epoch = max(self.epoch, epoch)
        self._generation[host] += 1
        self.devices |= reply["devices"]

    async def _revive(self, host: str, generation: int, open_actions: Callable[[], Iterable[str]]) -> None:
        """Bring back a host that was lost; of many who noticed, one does it."""
        async with self._reviving[host]:
            if self._generation[host] == generation and not self._hosts[host].alive:
                await self._fence(host, self.epoch, list(open_actions()))

    async def _catch_up(
        self, host: str, generation: int, epoch: int, obeyed: int, open_actions: Callable[[], Iterable[str]]
    ) -> None:
        """Fence a host that still obeys an older epoch of this engine, unless that was done while waiting."""
        async with self._reviving[host]:
            if obeyed < epoch and self._generation[host] == generation:
                await self._fence(host, epoch, list(open_actions()))

    async def carry_out(
        self, action: Action, repeat: Repeat, open_actions: Callable[[], Iterable[str]]
    ) -> Fate:
        """Send an intended action and return its fate. Never raises for what a host does."""
        return await self._settle(
            action, repeat, open_actions, first={"op": "act", "action": action.model_dump(mode="json")}
        )

    async def inquire(
        self, action: Action, repeat: Repeat, open_actions: Callable[[], Iterable[str]]
    ) -> Fate:
        """The fate of an action that an earlier engine intended: ask first, send again only what never began."""
        return await self._settle(action, repeat, open_actions, first={"op": "ask", "id": action.id})

    async def _settle(
        self,
        action: Action,
        repeat: Repeat,
        open_actions: Callable[[], Iterable[str]],
        first: Mapping[str, Any],
    ) -> Fate:
        host = self._host_of[action.device]
        request, again = first, 0
        for _ in range(2 * AGAIN + 2):
            generation = self._generation[host]
            try:
                reply = await self._hosts[host].ask(request, within_s=action.deadline_s + GRACE_S)
            except HostGone as gone:
                log.warning("host lost", host=host, action=action.id, reason=str(gone))
                if gone.hung and self._generation[host] == generation:
                    self._hosts[host].kill()
                try:
                    await self._revive(host, generation, open_actions)
                except HostGone as still:
                    return Fate(action.id, "doubt", f"host {host} cannot be reached: {still}")
                request = {"op": "ask", "id": action.id}
                continue
            epoch = max(self.epoch, action.epoch)
            if "stale" in reply and reply["stale"] <= epoch:
                # This engine itself has fenced anew, or its fence has not reached this host yet.
                if action.id not in open_actions():
                    return Fate(action.id, "not done", "it was settled in the meantime")
                try:
                    await self._catch_up(host, generation, epoch, reply["stale"], open_actions)
                except HostGone as still:
                    return Fate(action.id, "doubt", f"host {host} cannot be reached: {still}")
                action = action.model_copy(update={"epoch": epoch})
                request = {"op": "act", "action": action.model_dump(mode="json")}
                continue
            if "refused" in reply:
                halted = bool(reply.get("halted"))
                if again:  # this time; it did begin before, and may be done again at any time
                    why = f"tried {again} times: {reply['refused']}"
                    return Fate(action.id, "not done", why, halted=halted, epoch=action.epoch)
                if halted:  # nothing is wrong with it: it may go when the halt is lifted
                    return Fate(action.id, "not done", reply["refused"], halted=True, epoch=action.epoch)
                return Fate(action.id, "refused", reply["refused"])
            match reply["state"]:
                case "ended":
                    return Fate(action.id, "ended", outcome=Outcome.model_validate(reply["outcome"]))
                case "never begun" if action.id not in open_actions():
                    return Fate(action.id, "not done", "it was settled in the meantime")
                case "never begun":
                    # Safe: older engines are fenced off, and the journal would know.
                    request = {"op": "act", "action": action.model_dump(mode="json")}
                case _ if repeat is Repeat.REPEATABLE and again < AGAIN:
                    again += 1
                    request = {"op": "act", "action": action.model_dump(mode="json")}
                case _ if repeat is Repeat.REPEATABLE:
                    return Fate(action.id, "not done", f"tried {again + 1} times: {reply['reason']}")
                case _ if repeat is Repeat.TESTABLE:
                    try:
                        return await self._testimony(action, reply["reason"])
                    except HostGone as gone:
                        log.warning("host lost", host=host, action=action.id, reason=str(gone))
                        request = {"op": "ask", "id": action.id}
                case _:
                    return Fate(action.id, "doubt", reply["reason"])
        return Fate(action.id, "doubt", f"host {host} was lost again and again")

    async def _testimony(self, action: Action, reason: str) -> Fate:
        """Ask the device itself what it, or its sample, looks like. Raises `HostGone`."""
        reply = await self._hosts[self._host_of[action.device]].ask(
            {"op": "testify", "action": action.model_dump(mode="json")}, within_s=60
        )
        testimony = Testimony.model_validate(reply["testimony"])
        because = f"{reason}; {action.device} says: {testimony.reason or testimony.verdict}"
        match testimony.verdict:
            case "done":
                outcome = Outcome(status="succeeded", readings=testimony.readings)
                return Fate(action.id, "ended", because, outcome, by=action.device)
            case "not done":
                return Fate(action.id, "not done", because, by=action.device)
        return Fate(action.id, "doubt", because)

    async def pace(self, host: str, open_actions: Iterable[str], wakes: Iterable[float] = ()) -> None:
        """Tell a host on virtual time what it is waited for; a host that is gone is met elsewhere."""
        if self._hosts[host].spec.clock == "virtual" and self._hosts[host].alive:
            request = {"op": "pace", "open": sorted(open_actions), "wakes": sorted(wakes)}
            with contextlib.suppress(HostGone):
                await self._hosts[host].ask(request, within_s=GRACE_S)

    async def wake(self, host: str, at_s: float) -> float:
        """Come back when a host's virtual time is `at_s`, or later; what it is then. Raises `HostGone`."""
        reply = await self._hosts[host].ask({"op": "wake", "at_s": at_s}, within_s=WAKE_S)
        return float(reply["now_s"])

    async def ping(self, host: str) -> None:
        """Raises `HostGone` where the host's own halt channel does not answer in time."""
        await self._hosts[host].ask({"op": "ping"}, within_s=GRACE_S, urgent=True)

    async def sense(self, action: Action) -> Mapping[str, Any]:
        """Read a sensor; the host's reply (`readings`, `busy` or `failed`). Raises `HostGone`."""
        host = self._host_of[action.device]
        within_s = action.deadline_s + SENSE_GRACE_S
        return await self._hosts[host].ask(
            {"op": "sense", "action": action.model_dump(mode="json")}, within_s=within_s
        )

    async def halt(self, devices: Iterable[str] | None = None) -> list[str]:
        """Stop devices now: all, or those named. Returns the hosts that did not confirm."""
        named = None if devices is None else frozenset(devices)
        self.still |= frozenset(self._host_of) if named is None else named
        request: dict[str, Any] = {"op": "halt"}
        if named is not None:
            request["devices"] = sorted(named)

        async def one(name: str) -> str | None:
            try:
                await self._hosts[name].ask(request, within_s=GRACE_S, urgent=True)
            except HostGone as gone:
                return None if not gone.hung and await self._halt_anew(name, request) else name
            return None

        hosts = [name for name in self._hosts if named is None or named & set(self.devices_of(name))]
        return [name for name in await asyncio.gather(*map(one, hosts)) if name is not None]

    async def _halt_anew(self, name: str, request: Mapping[str, Any]) -> bool:
        """A connection that broke says nothing of the host behind it: halt it over another, if it lives."""
        spare = HostClient(self._hosts[name].spec)
        try:
            if await spare.join():
                await spare.ask(request, within_s=GRACE_S)
                return True
        except HostGone:
            pass
        finally:
            spare.close()
        return False

    async def shut_down(self) -> None:
        """End every host in good order; devices go to their safe state."""
        for client in self._hosts.values():
            try:
                await client.ask({"op": "shutdown"}, within_s=GRACE_S, urgent=True)
            except HostGone as gone:
                log.warning("host did not confirm its end", reason=str(gone))
            client.close()

    def close(self) -> None:
        """Let go of the hosts; they finish what they do and wait for the next engine."""
        for client in self._hosts.values():
            client.close()


def host_specs(laboratory: Laboratory, directory: Path, sockets: Path, *, linger_s: float) -> list[HostSpec]:
    """What each host process of a laboratory is told."""
    file = laboratory.file
    world = None if file.world is None else file.world.model_dump(mode="json")
    return [
        HostSpec(
            name=host,
            reality=file.reality,
            socket=sockets / f"{host}.sock",
            directory=directory / "hosts" / host,
            clock=file.clock,
            world=world,
            seed=0 if file.world is None else file.world.seed,
            linger_s=linger_s,
            devices={
                name: HostedDevice(
                    driver=file.devices[name].driver,
                    settings=dict(file.devices[name].settings),
                    limits=dict(laboratory.limits[name]),
                )
                for name in devices
            },
        )
        for host, devices in file.hosts.items()
    ]
