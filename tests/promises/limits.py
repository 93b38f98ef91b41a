"""Actions beyond the limits in a whole laboratory: put to the guard, and past it to the real host that has the devices.

Of every device and every argument that has bounds or choices: values beyond what driver or laboratory allow, by one
step of a double or by hundreds of orders of magnitude, NaN and infinities among them; all other arguments are allowed
ones. What reached a driver is read from the tally of the simulated world, which neither guard nor host writes.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaigns.recipe import Step
from drivers.client import HostClient
from drivers.contract import allowed
from drivers.host.server import LINE_LIMIT
from drivers.host.spec import HostSpec
from drivers.lab import LimitEntry
from drivers.protocol import ParameterSpec
from drivers.sim.tally import read_facts
from orchestrator import guard
from orchestrator.binding import BoundStep
from orchestrator.hands import host_specs
from orchestrator.labfile import Laboratory, bind_lab, read_lab

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT.parent / "shared/data/materials/mp_chemsys_entries/cl_mn_na_o_y.jsonl.gz"
FURNACES = {"heat.temperature": {"at_most": "1000 degC"}, "heat.hold": {"at_most": "12 h"}}
# What makes a sample that every device with limits of the laboratory can take.
PREPARED = (("dispenser", "mix"), ("doser", "dose"))
ABREAST = 200  # requests in flight


@dataclass(frozen=True)
class Wrong:
    """One action of which one argument is beyond the limits; `lab_only`: the driver itself would take it."""

    device: str
    verb: str
    argument: str
    args: dict[str, Any]
    lab_only: bool


def ada() -> Laboratory:
    return bind_lab(read_lab("simulated/ada", None)[0])


def solid_state() -> Laboratory:
    file = read_lab("simulated/solid_state", None)[0]
    limits = {key: LimitEntry.model_validate(one) for key, one in FURNACES.items()}
    devices = {}
    for name, entry in file.devices.items():
        changed = {"settings": {**entry.settings, "table": str(TABLE)}} if "table" in entry.settings else {}
        if name.startswith("furnace"):
            changed["limits"] = limits
        devices[name] = entry.model_copy(update=changed)
    return bind_lab(file.model_copy(update={"devices": devices}))


def bounds(laboratory: Laboratory, device: str, verb: str, name: str) -> tuple[float | None, float | None]:
    """The tightest that driver and laboratory together allow."""
    declared = laboratory.devices[device].spec.actions[verb].parameters[name]
    lab = laboratory.limits[device].get(f"{verb}.{name}")
    lows = [x for x in (declared.at_least, lab and lab.at_least) if x is not None]
    highs = [x for x in (declared.at_most, lab and lab.at_most) if x is not None]
    return max(lows, default=None), min(highs, default=None)


def good(laboratory: Laboratory, device: str, verb: str) -> dict[str, Any]:
    """Allowed arguments."""
    args: dict[str, Any] = {}
    for name, declared in laboratory.devices[device].spec.actions[verb].parameters.items():
        low, high = bounds(laboratory, device, verb, name)
        args[name] = allowed(declared.model_copy(update={"at_least": low, "at_most": high}))
    return args


def places(laboratory: Laboratory) -> list[tuple[str, str, str]]:
    """(device, verb, argument) of all that can be beyond something."""
    return [
        (device, verb, name)
        for device, one in laboratory.devices.items()
        for verb, spec in one.spec.actions.items()
        for name, declared in spec.parameters.items()
        if declared.kind == "choice" or bounds(laboratory, device, verb, name) != (None, None)
    ]


def wrong_actions(laboratory: Laboratory, n: int, seed: int) -> Iterator[Wrong]:
    """So many of them, every place in turn."""
    dice, all_places = random.Random(seed), places(laboratory)
    for k in range(n):
        device, verb, name = all_places[k % len(all_places)]
        declared = laboratory.devices[device].spec.actions[verb].parameters[name]
        value = _beyond(dice, declared, *bounds(laboratory, device, verb, name))
        own = declared.at_most is None or (isinstance(value, float) and value <= declared.at_most)
        lab_only = declared.kind == "number" and own and math.isfinite(value)
        lab_only = lab_only and (declared.at_least is None or value >= declared.at_least)
        yield Wrong(device, verb, name, {**good(laboratory, device, verb), name: value}, lab_only)


def _beyond(dice: random.Random, declared: ParameterSpec, low: float | None, high: float | None) -> Any:
    if declared.kind == "choice":
        return "".join(dice.choices("abcdefghijkl 0123456789", k=dice.randint(0, 12))) + "?"
    if dice.random() < 0.05:
        return dice.choice([math.nan, math.inf, -math.inf])
    sides = [(bound, sign) for bound, sign in ((low, -1), (high, 1)) if bound is not None]
    bound, sign = dice.choice(sides)
    if declared.kind == "integer":
        return int(bound) + sign * dice.randint(1, 10 ** dice.randint(1, 15))
    far = math.copysign(10 ** dice.uniform(-6, 307), sign)
    return dice.choice([math.nextafter(bound, sign * math.inf), bound + far, bound + sign * dice.random()])


def guarded(laboratory: Laboratory, wrong: Wrong) -> bool:
    """Whether the guard refuses it."""
    spec = laboratory.devices[wrong.device].spec.actions[wrong.verb]
    limits = {
        name: (lab,)
        for name in spec.parameters
        if (lab := laboratory.limits[wrong.device].get(f"{wrong.verb}.{name}")) is not None
    }
    step = BoundStep(
        step=Step(id="s", device=wrong.device, verb=wrong.verb), devices=(wrong.device,), spec=spec, fixed={},
        varied={}, integers=frozenset(), limits=limits, gives={},
    )  # fmt: skip
    return guard.beyond(step, wrong.args) is not None


class Socket:
    """A connection of our own to a host: no client of ours between that would refuse to write a NaN."""

    @classmethod
    async def to(cls, spec: HostSpec) -> Socket:
        made = cls()
        made.reader, made.writer = await asyncio.open_unix_connection(spec.socket, limit=LINE_LIMIT)
        return made

    async def ask(self, requests: list[dict[str, Any]], abreast: int) -> list[dict[str, Any]]:
        """Replies in the order of the requests, of which so many are under way at a time."""
        replies: dict[int, dict[str, Any]] = {}
        for begin in range(0, len(requests), abreast):
            part = requests[begin : begin + abreast]
            for rid, request in enumerate(part, begin):
                self.writer.write(json.dumps({**request, "rid": rid}).encode() + b"\n")
            while len(replies) < begin + len(part):
                reply = json.loads(await self.reader.readline())
                replies[reply["rid"]] = reply
        return [replies[rid] for rid in range(len(requests))]


def act(id: str, device: str, verb: str, args: dict[str, Any]) -> dict[str, Any]:
    action = {"id": id, "device": device, "verb": verb, "args": args, "sample": "s1", "epoch": 1}
    return {"op": "act", "action": action}


async def sent(
    spec: HostSpec, requests: list[dict[str, Any]], abreast: int = 1
) -> tuple[list[dict[str, Any]], set[str]]:
    """To a real host that is started for it and ended after: replies, and the actions in the world's tally."""
    client = HostClient(spec)
    await client.connect()
    await client.ask({"op": "fence", "epoch": 1, "open": []})
    socket = await Socket.to(spec)
    replies = await socket.ask(requests, abreast)
    socket.writer.close()
    await client.ask({"op": "shutdown"})
    client.close()
    return replies, {fact.action for fact in read_facts(spec.directory / "world" / "tally.jsonl")}


async def tried(laboratory: Laboratory, n: int, seed: int, folder: Path) -> dict[str, int]:
    """So many wrong actions and the controls, in real hosts that live in `folder`, whose path must be short."""

    def spec(name: str, of: Laboratory = laboratory) -> HostSpec:
        (folder / name).mkdir()
        (one,) = host_specs(of, folder / name, folder / name, linger_s=5.0)
        return one

    wrong = list(wrong_actions(laboratory, n, seed))
    passed_guard = sum(not guarded(laboratory, one) for one in wrong)
    requests = [act(f"w{k}", one.device, one.verb, one.args) for k, one in enumerate(wrong)]
    replies, reached = await sent(spec("wrong"), requests, ABREAST)
    every = [(device, verb) for device, one in laboratory.devices.items() for verb in one.spec.actions]
    allowed_acts = [act(f"g.{d}.{v}", d, v, good(laboratory, d, v)) for d, v in every]
    ended, facts = await sent(spec("good"), allowed_acts)
    forbidden = [one for one in wrong if one.lab_only][:100]
    free = Laboratory(laboratory.file, laboratory.devices, {name: {} for name in laboratory.devices})
    beyond = [act(f"l{k}", one.device, one.verb, one.args) for k, one in enumerate(forbidden)]
    first = [act(f"p.{d}.{v}", d, v, good(laboratory, d, v)) for d, v in PREPARED if (d, v) in every]
    loose, let = await sent(spec("loose", free), first + beyond)
    loose = loose[len(first) :]
    return {
        "actions": n,
        "places": len(places(laboratory)),
        "only the laboratory forbids": sum(one.lab_only for one in wrong),
        "passed the guard": passed_guard,
        "not refused by the host": sum("refused" not in reply for reply in replies),
        "reached a driver": len(reached),
        "allowed, sent": len(allowed_acts),
        "allowed, not refused": sum("refused" not in reply for reply in ended),
        "allowed, reached a driver": len(facts),
        "without the laboratory's limits, sent": len(forbidden),
        "without the laboratory's limits, not refused": sum("refused" not in reply for reply in loose),
        "without the laboratory's limits, reached": sum(id.startswith("l") for id in let),
    }


def broken(found: dict[str, int]) -> list[str]:
    """What of it must not be so."""
    wrong = [
        f"{what}: {found[what]}, wanted 0"
        for what in ("passed the guard", "not refused by the host", "reached a driver")
        if found[what]
    ]
    controls = ("allowed, reached a driver", "without the laboratory's limits, reached")
    return wrong + [f"{what}: nothing, so that nothing was shown" for what in controls if not found[what]]


LABORATORIES = {"simulated/ada": ada, "simulated/solid_state": solid_state}
