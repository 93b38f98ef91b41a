"""The host's requests: fence, act, ask, testify, halt. One JSON object a line, over a Unix socket of its own.

Order of an act, which nothing here may change: fence checked, limits checked, `begun` on disk, device, `ended` on
disk, reply. An act whose connection breaks goes on to its end; its outcome waits in the journal.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from drivers.driver import Driver
from drivers.host.spec import HostSpec, beyond
from drivers.journal import Journal, JournalLost
from drivers.protocol import Action, ActionSpec, Attribution, DeviceSpec, Outcome, Repeat

log = structlog.get_logger()

Reply = dict[str, Any]
LINE_LIMIT = 4 * 1024 * 1024


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
        self._halted = False
        self._acts: dict[str, asyncio.Task[Reply]] = {}
        self._in_hand: dict[str, str] = {}  # device -> action it is carrying out
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._alone_since = time.monotonic()
        self._requests: dict[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]] = {
            "fence": self._fence,
            "act": self._act,
            "ask": self._ask,
            "testify": self._testify,
            "halt": self._halt,
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
        await asyncio.gather(*self._tasks)
        for writer in list(self._connections.values()):
            writer.close()
        await asyncio.gather(*self._connections)
        for name, device in self.devices.items():
            await self._guarded(name, "make safe", device.make_safe())
        socket.unlink(missing_ok=True)
        return self.exit_code

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
            self._alone_since = time.monotonic()
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        request: dict[str, Any] = {}
        try:
            request = json.loads(line)
            reply = await self._requests[request["op"]](request)
        except JournalLost as lost:
            log.critical("the journal is lost: this host stops", reason=str(lost))
            self.exit_code = 74
            self.stopped.set()
            reply = {"error": str(lost)}
        except (KeyError, TypeError, ValueError) as error:
            log.warning("bad request", error=repr(error))
            reply = {"error": f"bad request: {error!r}"}
        if not writer.is_closing():
            writer.write(json.dumps(reply | {"rid": request.get("rid")}, allow_nan=False).encode() + b"\n")

    # -- requests ---------------------------------------------------------------------------------------------
    async def _fence(self, request: Mapping[str, Any]) -> Reply:
        epoch = int(request["epoch"])
        if epoch < self.journal.epoch:
            return {"stale": self.journal.epoch}
        self._halted = False
        await self.journal.fence(epoch, [*request["open"], *self._acts])
        return {
            "epoch": epoch,
            "pid": os.getpid(),
            "reality": self.spec.reality,
            "running": sorted(self._acts),
            "devices": {name: spec.model_dump(mode="json") for name, spec in self.specs.items()},
        }

    async def _act(self, request: Mapping[str, Any]) -> Reply:
        action = Action.model_validate(request["action"])
        if action.epoch != self.journal.epoch:
            return {"refused": f"epoch {action.epoch} is fenced off by {self.journal.epoch}", "stale": True}
        if action.id in self._acts:
            return await asyncio.shield(self._acts[action.id])
        if (outcome := self.journal.outcome(action.id)) is not None:
            return {"state": "ended", "outcome": outcome.model_dump(mode="json")}
        spec = self._declared(action)
        if spec is None:
            return {"refused": f"{self.spec.name} has no {action.device}.{action.verb}"}
        if self._halted:
            return {"refused": "the host is halted", "halted": True}
        if (reason := beyond(action, spec, self.spec.devices[action.device])) is not None:
            return {"refused": reason}
        if self.journal.state(action.id) == "begun, no end" and spec.repeat is not Repeat.REPEATABLE:
            return {"state": "begun, no end", "reason": "the host was restarted during the act"}
        if (other := self._in_hand.get(action.device)) is not None:
            busy = Outcome(status="failed", attribution=Attribution.BUSY, reason=f"busy with {other}")
            return {"state": "ended", "outcome": busy.model_dump(mode="json")}
        self._in_hand[action.device] = action.id
        task = asyncio.create_task(self._carry_out(action, durable=spec.repeat is not Repeat.REPEATABLE))
        self._acts[action.id] = task
        return await asyncio.shield(task)

    async def _carry_out(self, action: Action, *, durable: bool) -> Reply:
        device = self.devices[action.device]
        try:
            await self.journal.begun(action.id, durable=durable)
            try:
                async with asyncio.timeout(action.deadline_s):
                    outcome = await device.act(action)
            except TimeoutError:
                await self._guarded(action.device, "halt", device.halt())
                return {"state": "begun, no end", "reason": f"no end within {action.deadline_s:g} s"}
            except asyncio.CancelledError:
                return {"state": "begun, no end", "reason": "halted during the act"}
            except Exception as error:
                log.exception("driver failed", device=action.device, action=action.id)
                return {"state": "begun, no end", "reason": f"driver {device.name}: {error!r}"}
            await self.journal.ended(action.id, outcome, durable=durable)
            return {"state": "ended", "outcome": outcome.model_dump(mode="json")}
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
        return {"state": self.journal.state(action_id), "reason": "the host was restarted during the act"}

    async def _testify(self, request: Mapping[str, Any]) -> Reply:
        action = Action.model_validate(request["action"])
        testimony = await self.devices[action.device].testify(action)
        return {"testimony": testimony.model_dump(mode="json")}

    async def _halt(self, request: Mapping[str, Any]) -> Reply:
        """Stop every device now. Acts in hand end without an end: the engine will ask, and may doubt."""
        self._halted = True
        in_hand = sorted(self._acts)
        await asyncio.gather(*(self._guarded(n, "halt", d.halt()) for n, d in self.devices.items()))
        for task in list(self._acts.values()):
            task.cancel()
        return {"halted": sorted(self.devices), "in_hand": in_hand}

    async def _ping(self, request: Mapping[str, Any]) -> Reply:
        return {"pid": os.getpid(), "epoch": self.journal.epoch, "running": sorted(self._acts)}

    async def _shutdown(self, request: Mapping[str, Any]) -> Reply:
        self.stopped.set()
        return {"stopping": True}

    # -- itself -----------------------------------------------------------------------------------------------
    def _declared(self, action: Action) -> ActionSpec | None:
        device = self.specs.get(action.device)
        return None if device is None else device.actions.get(action.verb)

    async def _guarded(self, name: str, what: str, call: Awaitable[None]) -> None:
        """One device that cannot halt must not keep the next from halting."""
        try:
            async with asyncio.timeout(5):
                await call
        except Exception:
            log.exception("device did not answer", device=name, request=what)

    async def _watch_orphanhood(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            idle = not self._connections and not self._acts
            if idle and time.monotonic() - self._alone_since > self.spec.linger_s:
                log.warning("no engine: devices are made safe and the host ends", host=self.spec.name)
                self.stopped.set()
                return
