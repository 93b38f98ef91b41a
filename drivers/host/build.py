"""From a host's spec to its devices: the clock, the world where there is one, each driver made and connected."""

from __future__ import annotations

import time
from collections.abc import Mapping

from drivers import registry
from drivers.clock import Clock, VirtualClock, WallClock
from drivers.driver import Driver, LabContext
from drivers.host.spec import HostSpec
from drivers.sim.world import World


async def build_devices(spec: HostSpec) -> Mapping[str, Driver]:
    """The devices of a host, connected. Raises the drivers' own errors: no start without its devices.

    Lab time is the world's own in a simulated laboratory, so that it goes on after a restart; in a real one it is
    seconds since 1970, so that two hosts mean the same by it.
    """
    world = None if spec.world is None else World(spec.directory / "world", **spec.world)
    began_s = 0.0 if world is None else world.now_s
    clock: Clock = VirtualClock(began_s) if spec.clock == "virtual" else WallClock(time.time())
    lab = LabContext(clock=clock, world=world, seed=spec.seed, directory=spec.directory)
    devices: dict[str, Driver] = {}
    for name, device in spec.devices.items():
        made = registry.driver(device.driver)
        settings = made.Settings.model_validate(dict(device.settings))
        devices[name] = made(name, settings, lab)
        await devices[name].connect()
    return devices
