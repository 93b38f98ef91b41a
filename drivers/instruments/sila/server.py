"""Simulated devices as a SiLA 2 server, so that other systems can drive them.

The library calls in threads; devices live in one asyncio loop, and one device carries out one action at a time.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from datetime import timedelta
from typing import Any

from drivers.driver import Driver
from drivers.errors import ArgumentRejected
from drivers.host.spec import HostedDevice, beyond
from drivers.instruments.sila.connection import library
from drivers.instruments.sila.definition import (
    BUSY,
    ENDED,
    cancel_controller,
    device_feature,
    error_name,
    observable,
    simulation_controller,
)
from drivers.instruments.sila.settings import sila_name
from drivers.protocol import Action, ActionSpec, Attribution, Outcome

REMEMBERED = 1000  # outcomes by action id; the same id again is answered from these
PROGRESS_S = 0.1


Running = dict[str, tuple["ServedDevice", str]]  # execution UUID -> the device, and the action it carries out


class ServedDevice:
    """One device, called from any thread."""

    def __init__(self, device: Driver, limits: HostedDevice, loop: asyncio.AbstractEventLoop) -> None:
        self.device = device
        self.busy = False
        self.ended: OrderedDict[str, Outcome] = OrderedDict()
        self._limits = limits
        self._loop = loop
        self._running: dict[str, asyncio.Task[Outcome]] = {}

    def begin(self, verb: str, sample: str, action_id: str, arguments: Mapping[str, Any]) -> Future[Outcome]:
        """Carry an action out in the loop. The same id is the same action, while it runs and after it."""
        return asyncio.run_coroutine_threadsafe(self._act(verb, sample, action_id, arguments), self._loop)

    def cancel(self, action_id: str | None = None) -> bool:
        """Halt the device and end what it is carrying out; with an id only where it is that. False where it is not."""
        if action_id is not None and action_id not in self._running:
            return False
        asyncio.run_coroutine_threadsafe(self.stop(), self._loop).result()
        return True

    async def stop(self) -> None:
        await self.device.halt()
        for task in self._running.values():
            task.cancel("cancelled by a client")

    async def _act(self, verb: str, sample: str, action_id: str, arguments: Mapping[str, Any]) -> Outcome:
        if action_id in self.ended:
            return self.ended[action_id]
        if action_id not in self._running:
            if self.busy:
                return Outcome(
                    status="failed", attribution=Attribution.BUSY, reason="busy with another action"
                )
            action = Action(
                id=action_id,
                device=self.device.name,
                verb=verb,
                args=arguments,
                sample=sample or None,
                epoch=0,
            )
            spec = self.device.spec.actions[verb]
            if (reason := beyond(action, spec, self._limits)) is not None:
                raise ArgumentRejected(self.device.name, verb, [reason])
            self.busy = True
            self._running[action_id] = asyncio.ensure_future(self._carried_out(action))
        return await asyncio.shield(self._running[action_id])

    async def _carried_out(self, action: Action) -> Outcome:
        try:
            outcome = await self.device.act(action)
            self.ended[action.id] = outcome
            while len(self.ended) > REMEMBERED:
                self.ended.popitem(last=False)
            return outcome
        except asyncio.CancelledError:
            return Outcome(
                status="failed", attribution=Attribution.INSTRUMENT, reason="cancelled by a client"
            )
        finally:
            self.busy = False
            self._running.pop(action.id, None)


def served(
    devices: Mapping[str, ServedDevice],
    *,
    name: str,
    loop: asyncio.AbstractEventLoop,
    server_uuid: str | None = None,
) -> Any:
    """A `SilaServer` of these devices, not yet started. Raises ValueError for names that SiLA cannot tell apart.

    It says by SimulationController that it simulates, and stops everything by CancelController.
    """
    sila2 = library()
    if len({sila_name(one) for one in devices}) < len(devices):
        raise ValueError(f"two of {', '.join(devices)} are one name in SiLA; rename one")
    server = sila2.server.SilaServer(
        server_name=name[:255], server_type="AlquimiaLaboratory", server_description="Simulated devices of Alquimia",
        server_version="1.0", server_vendor_url="https://pypi.org/project/alquimia-lab/", server_uuid=server_uuid,
    )  # fmt: skip
    running: Running = {}
    for device_name, device in devices.items():
        feature = sila2.framework.Feature(device_feature(device_name, device.device.spec))
        server.set_feature_implementation(feature, _device_implementation(server, feature, device, running))
    cancelling = sila2.framework.Feature(cancel_controller())
    server.set_feature_implementation(cancelling, _cancelling(server, cancelling, devices, running))
    simulating = sila2.framework.Feature(simulation_controller())
    server.set_feature_implementation(simulating, _simulating(server, simulating))
    return server


def announce_nothing(server: Any) -> None:
    """Close the sockets by which the library listens to the local network from the start, discovery or not."""
    server._SilaServer__service_broadcaster.zc.close()


def _device_implementation(server: Any, feature: Any, device: ServedDevice, running: Running) -> Any:
    members: dict[str, Any] = {
        f"get_{ENDED}": lambda self, *, metadata: [
            action for action, outcome in list(device.ended.items()) if outcome.status == "succeeded"
        ],
        f"get_{BUSY}": lambda self, *, metadata: device.busy,
    }
    for verb, spec in device.device.spec.actions.items():
        members[sila_name(verb)] = _command(verb, spec, feature, device, running)
        members[f"{sila_name(verb)}_default_lifetime_of_execution"] = (
            timedelta(hours=1) if observable(spec) else None
        )
    base = library().server.FeatureImplementationBase
    return type(f"{feature._identifier}Implementation", (base,), members)(server)


def _command(
    verb: str, spec: ActionSpec, feature: Any, device: ServedDevice, running: Running
) -> Callable[..., Any]:
    names = list(spec.parameters)

    def carried_out(
        self: Any, sample: str, action_id: str, *values: Any, metadata: Any, instance: Any = None
    ) -> Any:
        arguments = dict(zip(names, values, strict=True))
        for name, parameter in spec.parameters.items():
            if parameter.kind == "structure":
                arguments[name] = json.loads(arguments[name])
        action_id = action_id or uuid.uuid4().hex
        future = device.begin(verb, sample, action_id, arguments)
        if instance is not None:
            execution = str(instance.execution_uuid)
            running[execution] = device, action_id
            try:
                _follow(future, instance, spec.lasts_s(arguments))
            finally:
                del running[execution]
        outcome = future.result()
        if outcome.status == "failed":
            identifier = error_name(outcome.attribution or Attribution.INSTRUMENT)
            raise library().framework.DefinedExecutionError(
                feature.defined_execution_errors[identifier], outcome.reason or identifier
            )
        readings = [outcome.readings[name].value for name in spec.results]
        record = json.dumps(dict(outcome.record))
        return (*readings, record) if readings else record  # the library takes a single response bare

    return carried_out


def _follow(future: Future[Outcome], instance: Any, lasts_s: float) -> None:
    """Tell clients how far it is, by its usual duration, until it has ended."""
    instance.begin_execution()
    waited_s = 0.0
    while True:
        try:
            future.exception(timeout=PROGRESS_S)
            return
        except Late:
            waited_s += PROGRESS_S
            instance.progress = min(0.99, waited_s / max(lasts_s, PROGRESS_S))
            instance.estimated_remaining_time = timedelta(seconds=max(0.0, lasts_s - waited_s))


def _cancelling(server: Any, feature: Any, devices: Mapping[str, ServedDevice], running: Running) -> Any:
    sila2 = library()

    class Cancelling(sila2.server.FeatureImplementationBase):  # type: ignore[name-defined]
        def CancelAll(self, *, metadata: Any) -> tuple[()]:
            for device in devices.values():
                device.cancel()
            return ()

        def CancelCommand(self, execution: str, *, metadata: Any) -> tuple[()]:
            device, action_id = running.get(execution, (None, ""))
            if device is None or not device.cancel(action_id):
                error = feature.defined_execution_errors["InvalidCommandExecutionUUID"]
                raise sila2.framework.DefinedExecutionError(error, f"no command {execution} is running")
            return ()

    return Cancelling(server)


def _simulating(server: Any, feature: Any) -> Any:
    sila2 = library()

    class Simulating(sila2.server.FeatureImplementationBase):  # type: ignore[name-defined]
        def get_SimulationMode(self, *, metadata: Any) -> bool:
            return True

        def StartSimulationMode(self, *, metadata: Any) -> tuple[()]:
            return ()

        def StartRealMode(self, *, metadata: Any) -> None:
            error = feature.defined_execution_errors["StartRealModeFailed"]
            raise sila2.framework.DefinedExecutionError(error, "every device here is simulated")

    return Simulating(server)
