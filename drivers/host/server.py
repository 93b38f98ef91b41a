"""The host's requests: fence, act, ask, testify, halt. One JSON object a line, over a Unix socket of its own.

Order of an act, which nothing here may change: fence checked, limits checked, `begun` on disk, device, `ended` on
disk, reply. An act whose connection breaks goes on to its end; its outcome waits in the journal.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError

from drivers.clock import Clock, VirtualClock
from drivers.driver import Driver
from drivers.errors import ArgumentRejected, UnknownVerb
from drivers.host.spec import JOURNAL_LOST, HostSpec, beyond
from drivers.journal import Journal, JournalLost
from drivers.protocol import Action, ActionSpec, Attribution, DeviceSpec, Outcome, Repeat, Testimony

log = structlog.get_logger()

Reply = dict[str, Any]
LINE_LIMIT = 4 * 1024 * 1024
TESTIFY_S = 50.0  # a device that does not say in this time what became of an act does not know
LEAVE_S = 0.05  # a halted device's act has so long to come to its own end before it is broken off


class Host:
    """The devices of one process, their journal and the fence. `serve` runs until told or orphaned."""

    def __init__(self, spec: HostSpec, journal: Journal, devices: Mapping[str, Driver]) -> None:
        self.spec = spec
        self.journal = journal
        self.devices = devices
        self.specs: dict[str, DeviceSpec] = {
            name: device.describe(device.settings) for name, device in devices.items()
        }
        self.stopped = asyncio.Event()
        self.exit_code = 0
        self._halted: set[str] = set()  # devices that take no act before the next fence
        self._n_halts: Counter[str] = Counter()
        self._falling = False  # it must end now, with devices halted, not when their acts have ended
        self._moving: set[str] = set()  # actions whose device has been touched and has not come to rest
        self._why: dict[str, str] = {}  # action -> why its end is not known
        self._acts: dict[str, asyncio.Task[Reply]] = {}
        self._in_hand: dict[str, str] = {}  # device -> action it is carrying out
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._alone_since = time.monotonic()
        self._awaited: frozenset[str] | None = (
            None  # acts that the engine knows to be in hand, once it has said so
        )
        self._wakes: frozenset[float] = frozenset()  # times at which it wants to be woken, as it said then
        self._waking: dict[float, asyncio.Task[None]] = {}
        for device in devices.values():
            if isinstance(device.lab.clock, VirtualClock):
                device.lab.clock.paced_by(partial(self._may_jump, device.lab.clock))
        self._requests: dict[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]] = {
            "fence": self._fence,
            "act": self._act,
            "ask": self._ask,
            "testify": self._testify,
            "sense": self._sense,
            "halt": self._halt,
            "pace": self._pace,
            "wake": self._wake,
            "ping": self._ping,
            "shutdown": self._shutdown,
        }

    async def serve(self) -> int:
        """Answer until shut down or left alone for `linger_s`; returns the process's exit code."""
        socket = self.spec.socket
        socket.unlink(missing_ok=True)  # the journal's lock is held: whoever left it there is dead
        server = await asyncio.start_unix_server(self._connection, socket, limit=LINE_LIMIT)
        socket.chmod(0o600)
        watch = asyncio.create_task(self._watch_orphanhood())
        await self.stopped.wait()
        watch.cancel()
        server.close()
        self._wake_all()
        if self._falling:
            await self._halt({})
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in list(self._connections.values()):
            writer.close()
        await asyncio.gather(*self._connections, return_exceptions=True)
        for name, device in self.devices.items():
            await self._guarded(name, "make safe", device.make_safe)
            await self._guarded(name, "disconnect", device.disconnect)
        socket.unlink(missing_ok=True)
        return self.exit_code

    def fall(self, exit_code: int) -> None:
        """End now: halt every device, make it safe, leave with `exit_code`. Nothing is answered any more."""
        self._falling = True
        self.exit_code = exit_code
        self.stopped.set()
        for writer in self._connections.values():
            writer.close()  # an engine that hears nothing asks the next host; one that hears an error may act on it

    # -- the wire ---------------------------------------------------------------------------------------------
    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._connections[me] = writer
        try:
            while line := await reader.readline():
                task = asyncio.create_task(self._answer(line, writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (
            ConnectionError,
            ValueError,
        ):  # ValueError: a line beyond LINE_LIMIT; nobody of ours sends one
            log.warning("connection broken", host=self.spec.name)
        finally:
            self._connections.pop(me)
            if not self._connections:
                self._awaited = None  # acts go on to their end, whether the engine comes back or not
            self._alone_since = time.monotonic()
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        rid: int | str | None = None
        try:
            request = json.loads(line)
            number = request.get("rid")
            rid = number if isinstance(number, int | str) else None
            reply = await self._requests[request["op"]](request)
        except JournalLost as lost:
            log.critical("the journal is lost: this host stops", reason=str(lost))
            self.fall(JOURNAL_LOST)
            return
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            log.warning("bad request", error=repr(error)[:1000])
            reply = {"error": f"bad request: {error!r}"[:1000]}
        except Exception as error:
            log.exception("a request broke", host=self.spec.name)
            reply = {"error": f"{error!r}"}
        if not writer.is_closing():
            writer.write(json.dumps(reply | {"rid": rid}, allow_nan=False).encode() + b"\n")

    # -- requests ---------------------------------------------------------------------------------------------
    async def _fence(self, request: Mapping[str, Any]) -> Reply:
        epoch = int(request["epoch"])
        if epoch < self.journal.epoch:
            return {"stale": self.journal.epoch}
        self._awaited, self._wakes = None, frozenset()
        self._wake_all()
        named = [str(action) for action in request["open"]]
        still = {str(device) for device in request.get("halted", ())}
        self._halted = still & set(self.devices)
        await self.journal.fence(epoch, (i for ids in (named, self._acts) for i in ids))
        if epoch < self.journal.epoch:
            return {"stale": self.journal.epoch}
        self._why = {i: why for i, why in self._why.items() if self.journal.state(i) != "never begun"}
        return {
            "epoch": epoch,
            "pid": os.getpid(),
            "reality": self.spec.reality,
            "running": sorted(self._acts),
            "devices": {name: spec.model_dump(mode="json") for name, spec in self.specs.items()},
        }

    async def _act(self, request: Mapping[str, Any]) -> Reply:
        try:
            action = Action.model_validate(request["action"])
        except ValidationError as error:
            return {"refused": f"not an action: {error}"[:1000]}
        if self.stopped.is_set():
            return {"error": "the host is ending"}
        if action.epoch != self.journal.epoch:
            fenced = f"epoch {action.epoch} is fenced off by {self.journal.epoch}"
            return {"refused": fenced, "stale": self.journal.epoch}
        if action.id in self._acts:
            return await asyncio.shield(self._acts[action.id])
        if (outcome := self.journal.outcome(action.id)) is not None:
            return {"state": "ended", "outcome": outcome.model_dump(mode="json")}
        spec = self._declared(action)
        if spec is None:
            return {"refused": f"{self.spec.name} has no {action.device}.{action.verb}"}
        if action.device in self._halted:
            return {"refused": f"{action.device} is halted", "halted": True}
        if (reason := beyond(action, spec, self.spec.devices[action.device])) is not None:
            return {"refused": reason}
        if (reason := self._unacceptable(action)) is not None:
            return {"refused": reason}
        if self.journal.state(action.id) == "begun, no end" and spec.repeat is not Repeat.REPEATABLE:
            return self._endless(action.id)
        if (other := self._in_hand.get(action.device)) is not None:
            busy = Outcome(status="failed", attribution=Attribution.BUSY, reason=f"busy with {other}")
            return {"state": "ended", "outcome": busy.model_dump(mode="json")}
        self._in_hand[action.device] = action.id
        task = asyncio.create_task(self._carry_out(action, durable=spec.repeat is not Repeat.REPEATABLE))
        self._acts[action.id] = task
        return await asyncio.shield(task)

    async def _carry_out(self, action: Action, *, durable: bool) -> Reply:
        device, n_halts = self.devices[action.device], self._n_halts[action.device]
        try:
            await self.journal.begun(action.id, durable=durable)
            if self._n_halts[action.device] != n_halts:
                return self._endless(action.id, "halted before the device was touched")
            self._moving.add(action.id)
            limit = asyncio.timeout(action.deadline_s)
            try:
                async with limit:
                    outcome = await device.act(action)
                reply = {"state": "ended", "outcome": outcome.model_dump(mode="json")}
            except asyncio.CancelledError:
                return self._endless(action.id, "halted during the act")
            except (Exception, SystemExit) as error:
                if not limit.expired():
                    log.exception("driver failed", device=action.device, action=action.id)
                    return self._endless(action.id, f"driver {device.name}: {error!r}")
                await self._guarded(action.device, "halt", device.halt)
                return self._endless(action.id, f"no end within {action.deadline_s:g} s")
            finally:
                self._moving.discard(action.id)
            await self.journal.ended(action.id, outcome, durable=durable)
            return reply
        finally:
            self._acts.pop(action.id, None)
            self._in_hand.pop(action.device, None)

    async def _ask(self, request: Mapping[str, Any]) -> Reply:
        """What became of an action: waits for one that is still in hand."""
        action_id = str(request["id"])
        if action_id in self._acts:
            return await asyncio.shield(self._acts[action_id])
        if (outcome := self.journal.outcome(action_id)) is not None:
            return {"state": "ended", "outcome": outcome.model_dump(mode="json")}
        if self.journal.state(action_id) == "never begun":
            return {"state": "never begun"}
        return self._endless(action_id)

    async def _testify(self, request: Mapping[str, Any]) -> Reply:
        """What the device says of an act; one that breaks over the question knows nothing."""
        action = Action.model_validate(request["action"])
        device = self.devices[action.device]
        try:
            async with asyncio.timeout(TESTIFY_S):
                testimony = await device.testify(action)
            return {"testimony": testimony.model_dump(mode="json")}
        except (Exception, SystemExit) as error:
            log.exception("driver failed", device=action.device, action=action.id, request="testify")
            unknown = Testimony(verdict="unknown", reason=f"driver {device.name}: {error!r}")
            return {"testimony": unknown.model_dump(mode="json")}

    async def _halt(self, request: Mapping[str, Any]) -> Reply:
        """Stop devices now: all, or those named. Acts in hand end as their devices say, or without an end: the engine
        will ask. Until the next fence that does not name them, these devices take no act.

        `begun_s` of the reply is when the halt began, on the machine's monotonic clock.
        """
        begun_s = time.monotonic()
        named = request.get("devices")
        devices = [name for name in self.devices if named is None or name in named]
        self._halted |= set(devices)
        self._n_halts.update(devices)
        in_hand = sorted(self._in_hand[name] for name in devices if name in self._in_hand)
        await asyncio.gather(*(self._stop(name) for name in devices))
        return {"halted": sorted(devices), "in_hand": in_hand, "begun_s": begun_s}

    async def _stop(self, name: str) -> None:
        """Halt one device; break its act off unless the act comes to an end of its own by it."""
        action_id = self._in_hand.get(name, "")
        task = self._acts.get(action_id)
        await self._guarded(name, "halt", self.devices[name].halt)
        if task is not None:
            await asyncio.wait([task], timeout=LEAVE_S)
            if action_id in self._moving:  # an act that waits for the disk moves nothing and is left to it
                task.cancel()

    async def _sense(self, request: Mapping[str, Any]) -> Reply:
        """Read a sensor: a repeatable action that is no part of any experiment, and is not written down.

        It passes the same doors as an act: fence, limits, halt, one thing at a time for a device. The reply has
        `readings`, or `busy` (the device is acting; ask later), or `failed` with the reason.
        """
        try:
            action = Action.model_validate(request["action"])
        except ValidationError as error:
            return {"failed": f"not an action: {error}"[:1000]}
        if action.epoch != self.journal.epoch:
            return {"busy": f"epoch {action.epoch} is fenced off by {self.journal.epoch}"}
        spec = self._declared(action)
        if spec is None or spec.repeat is not Repeat.REPEATABLE:
            return {"failed": f"{action.device}.{action.verb} is no repeatable action of {self.spec.name}"}
        if action.device in self._halted or action.device in self._in_hand:
            return {"busy": self._in_hand.get(action.device, "halted")}
        reason = beyond(action, spec, self.spec.devices[action.device]) or self._unacceptable(action)
        if reason is not None:
            return {"failed": reason}
        self._in_hand[action.device] = action.id
        try:
            async with asyncio.timeout(action.deadline_s):
                outcome = await self.devices[action.device].act(action)
        except (Exception, SystemExit) as error:
            log.exception("a sensor could not be read", device=action.device, action=action.verb)
            return {"failed": f"driver {action.device}: {error!r}"[:1000]}
        finally:
            self._in_hand.pop(action.device, None)
        if outcome.status == "failed":
            return {"failed": outcome.reason or str(outcome.attribution)}
        readings = {name: one.model_dump(mode="json") for name, one in outcome.readings.items()}
        return {"readings": readings}

    async def _pace(self, request: Mapping[str, Any]) -> Reply:
        """The engine has heard and sent all there is: these acts are in hand, and it waits for one of them."""
        self._awaited = frozenset(str(action) for action in request["open"])
        self._wakes = frozenset(float(at_s) for at_s in request.get("wakes", ()))
        return {}

    async def _wake(self, request: Mapping[str, Any]) -> Reply:
        """Answer at a time of the laboratory: on virtual time only a host can tell when that is. A fence and the host's
        end answer at once, with the time that it is then; whoever still wants to be woken asks again."""
        at_s = float(request["at_s"])
        clock = next(iter(self.devices.values())).lab.clock
        if at_s not in self._waking:
            self._waking[at_s] = asyncio.create_task(self._sleep_until(at_s, clock))
        await asyncio.wait([self._waking[at_s]])
        return {"now_s": clock.now()}

    async def _sleep_until(self, at_s: float, clock: Clock) -> None:
        try:
            with clock.working():
                await clock.sleep(max(at_s - clock.now(), 0.0))
        finally:
            del self._waking[at_s]

    def _wake_all(self) -> None:
        for waking in self._waking.values():
            waking.cancel()

    def _may_jump(self, clock: VirtualClock) -> bool:
        """Virtual time stands while the engine has not heard of an act's end, or has sent one that is not here: else
        acts that it sends to several devices one after another would not begin together."""
        if self._awaited is None:  # nobody paces this host
            return True
        in_hand = len(self._acts) + len(self._waking)
        same = self._awaited == set(self._acts) and self._wakes == set(self._waking)
        return same and clock.sleeping >= in_hand

    async def _ping(self, request: Mapping[str, Any]) -> Reply:
        return {"pid": os.getpid(), "epoch": self.journal.epoch, "running": sorted(self._acts)}

    async def _shutdown(self, request: Mapping[str, Any]) -> Reply:
        self.stopped.set()
        return {"stopping": True}

    # -- itself -----------------------------------------------------------------------------------------------
    def _declared(self, action: Action) -> ActionSpec | None:
        device = self.specs.get(action.device)
        return None if device is None else device.actions.get(action.verb)

    def _unacceptable(self, action: Action) -> str | None:
        """What the driver itself has against the request, asked before anything is written down as begun."""
        device = self.devices[action.device]
        if type(device).act is Driver.act:  # one that has an `act` of its own checks there
            try:
                device.check(action)
            except (ArgumentRejected, UnknownVerb) as rejected:
                return str(rejected)
        return None

    def _endless(self, action_id: str, reason: str | None = None) -> Reply:
        """The reply about an action that began and has no end; the reason is kept for whoever asks later."""
        if reason is not None:
            self._why[action_id] = reason
        return {
            "state": "begun, no end",
            "reason": self._why.get(action_id, "the host was restarted during the act"),
        }

    async def _guarded(self, name: str, what: str, call: Callable[[], Awaitable[None]]) -> None:
        """One device that cannot halt must not keep the next from halting."""
        try:
            async with asyncio.timeout(5):
                await call()
        except (Exception, SystemExit):
            log.exception("device did not answer", device=name, request=what)

    async def _watch_orphanhood(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            idle = not self._connections and not self._acts
            if idle and time.monotonic() - self._alone_since > self.spec.linger_s:
                log.warning("no engine: devices are made safe and the host ends", host=self.spec.name)
                self.stopped.set()
                return
