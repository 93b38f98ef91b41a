"""`python -m drivers.instruments.sila.serve lab.yaml --port 50052`: a simulated laboratory's devices over SiLA 2."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from drivers.binding import bind
from drivers.clock import Clock, VirtualClock, WallClock
from drivers.driver import LabContext
from drivers.errors import DriverError, LabError, LabFault
from drivers.host.spec import Bound, HostedDevice
from drivers.instruments.sila.server import ServedDevice, announce_nothing, served
from drivers.instruments.sila.settings import on_loopback
from drivers.instruments.sila.units import convert
from drivers.lab import LabFile, shipped
from drivers.protocol import DeviceSpec
from drivers.sim.world import World


def laboratory(name: str) -> LabFile:
    """The laboratory of a file, or a shipped one by its name ("simulated/thin_film").

    Raises OSError, and ValueError for what is no laboratory or a real one: only a campaign's engine, with its guard and
    journal, moves real devices.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = shipped(name) or Path(name)
    try:
        lab = LabFile.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except YAMLError as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    if lab.reality != "simulated":
        raise ValueError(f"{lab.name} is a real laboratory; only simulated devices are served")
    return lab


def limits(lab: LabFile, device: str, spec: DeviceSpec) -> HostedDevice:
    """The laboratory's limits on one device. Raises LabError for a bound in a unit that cannot be converted."""
    entry = lab.devices[device]
    bounds = {}
    for key, limit in entry.limits.items():
        verb, _, argument = key.partition(".")
        unit = spec.actions[verb].parameters[argument].unit
        numbers = {"at_least": limit.at_least, "at_most": limit.at_most}
        for which, bound in numbers.items():
            if isinstance(bound, str):
                number, _, written = bound.partition(" ")
                try:
                    numbers[which] = convert(float(number), written.strip(), unit)
                except ValueError as error:
                    raise LabError(
                        [LabFault(("devices", device, "limits", key), f"{bound!r}: {error}")]
                    ) from error
        bounds[key] = Bound.model_validate(numbers)
    return HostedDevice(driver=entry.driver, settings=dict(entry.settings), limits=bounds)


@contextlib.asynccontextmanager
async def devices_of(lab: LabFile, directory: Path) -> AsyncIterator[Mapping[str, ServedDevice]]:
    """The devices, connected, over one world in `directory`; safe and disconnected afterwards."""
    bound = bind(lab)
    world = None if lab.world is None else World(directory / "world", **lab.world.model_dump(mode="json"))
    began_s = 0.0 if world is None else world.now_s
    clock: Clock = VirtualClock(began_s) if lab.clock == "virtual" else WallClock(time.time())
    context = LabContext(clock, world, 0 if lab.world is None else lab.world.seed, directory)
    made: dict[str, ServedDevice] = {}
    try:
        for name, one in bound.items():
            device = one.make(context)
            made[name] = ServedDevice(device, limits(lab, name, device.spec), asyncio.get_running_loop())
            await device.connect()
        yield made
    finally:
        for served_device in made.values():
            await served_device.device.make_safe()
            await served_device.device.disconnect()
        if world is not None:
            world.close()


@contextlib.asynccontextmanager
async def serving(
    lab: LabFile, directory: Path, *, host: str = "127.0.0.1", port: int = 50052,
    key: bytes | None = None, certificate: bytes | None = None, discovery: bool = False,
) -> AsyncIterator[Any]:  # fmt: skip
    """The server, answering. Without key and certificate it is not encrypted, and is for loopback only."""
    if (key is None or certificate is None) and not on_loopback(host):
        raise ValueError(f"without --key and --certificate only loopback is served, not {host}")
    async with devices_of(lab, directory) as devices:
        server = await asyncio.to_thread(served, devices, name=lab.name, loop=asyncio.get_running_loop())
        if not discovery:
            await asyncio.to_thread(announce_nothing, server)
        if key is None or certificate is None:
            await asyncio.to_thread(server.start_insecure, host, port, enable_discovery=discovery)
        else:
            await asyncio.to_thread(server.start, host, port, key, certificate, enable_discovery=discovery)
        try:
            yield server
        finally:
            for device in devices.values():
                await device.stop()
            await asyncio.to_thread(server.stop, 1.0)
            if discovery:
                await asyncio.to_thread(announce_nothing, server)


def _pem(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


async def _serve(options: argparse.Namespace) -> None:
    lab = laboratory(options.lab)
    key, certificate = (
        await asyncio.to_thread(_pem, options.key),
        await asyncio.to_thread(_pem, options.certificate),
    )
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    with contextlib.ExitStack() as stack:
        directory = options.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        async with serving(
            lab, directory, host=options.host, port=options.port, key=key, certificate=certificate,
            discovery=options.discovery,
        ):  # fmt: skip
            sys.stdout.write(f"serving {', '.join(lab.devices)} on {options.host}:{options.port}\n")
            sys.stdout.flush()
            await stopped.wait()


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted. Returns 1 where the laboratory cannot be served."""
    parser = argparse.ArgumentParser(prog="python -m drivers.instruments.sila.serve", description=__doc__)
    parser.add_argument("lab", help="a lab file, or the name of a shipped laboratory")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50052)
    parser.add_argument("--key", type=Path, help="private key, PEM")
    parser.add_argument("--certificate", type=Path, help="certificate chain, PEM")
    parser.add_argument("--directory", type=Path, help="where the world is kept; default: nowhere")
    parser.add_argument("--discovery", action="store_true", help="announce the server in the local network")
    try:
        asyncio.run(_serve(parser.parse_args(arguments)))
    except (DriverError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
