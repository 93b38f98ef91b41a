"""What a killed host leaves behind: doubts per 1,000 kills, by repeat class, and acts that were repeated unasked.

    python benchmarks/host_kills.py [--kills 1000] [--hosts 4] [--seed 1] [--control] [--out FILE.json]

Real host processes with the simulated thin-film laboratory, under the engine's own hands: samples go through mix
(testable), spin (opaque), heat (testable) and measure (repeatable), several at a time, so that devices of every class
are in the middle of an act nearly always; each act takes 50 ms before its effect and 50 ms after it. Each host is
killed (SIGKILL) at random moments and comes back by itself. What the hands then say became of each act is compared
with the tally that the world keeps: an effect that came about twice is a repetition; an act said to be done without
effect, or not done with one, is a lie. Where an act is in doubt somebody looks at the tally, as a person would, and
the sample goes on.

With --control the hosts do not journal that an act has begun, a build that is broken on purpose: it must be found out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import structlog

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from drivers.client import holder  # noqa: E402
from drivers.host.spec import HostedDevice, HostSpec  # noqa: E402
from drivers.protocol import Action, Repeat  # noqa: E402
from drivers.sim.tally import read_facts  # noqa: E402
from orchestrator.hands import Fate, Hands  # noqa: E402
from tests.promises.kills import SABOTAGE  # noqa: E402

DAWDLE_S = 0.05
LANES = 6  # samples at a time
STEPS: tuple[tuple[str, str, Repeat, dict[str, object]], ...] = (
    ("dispenser", "mix", Repeat.TESTABLE, {"dopant_fraction": 0.14, "solvent": "anisole"}),
    ("coater", "spin", Repeat.OPAQUE, {"speed": 209.0, "duration": 30.0}),
    ("furnace", "heat", Repeat.TESTABLE, {"temperature": 420.0, "hold": 60.0}),
    ("probe", "measure", Repeat.REPEATABLE, {}),
)
REPEAT = {verb: repeat for _, verb, repeat, _ in STEPS}


@dataclass
class Count:
    """Of one host or all. By repeat class: acts, those in hand at a kill, and what became of these."""

    kills: int = 0
    acts: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    undone: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    again: int = 0  # repeatable acts whose effect came about more than once, as they may
    lies: list[str] = field(default_factory=list)

    def add(self, other: Count) -> None:
        self.kills += other.kills
        self.again += other.again
        self.lies += other.lies
        for name in ("acts", "struck", "doubts", "undone", "repeated"):
            getattr(self, name).update(getattr(other, name))


class Bench:
    """One host, its hands, and whoever kills it."""

    def __init__(self, folder: Path, sockets: Path, name: str, seed: int) -> None:
        devices = {
            device: HostedDevice(driver=f"sim.{device}", settings={"dawdle_s": DAWDLE_S})
            for device, *_ in STEPS
        }
        world = {"model": "thin_film", "seed": seed, "settings": {}}
        self.spec = HostSpec(
            name=name, reality="simulated", socket=sockets / f"{name}.sock", directory=folder / name, clock="virtual",
            world=world, seed=seed, devices=devices, linger_s=5.0,
        )  # fmt: skip
        self.hands = Hands([self.spec])
        self.count = Count()
        self.fates: dict[str, tuple[str, Fate]] = {}
        self.open: dict[str, str] = {}  # action -> verb
        self._free = {device: asyncio.Lock() for device, *_ in STEPS}
        self._dice = random.Random(seed)

    async def endure(self, kills: int) -> Count:
        """So many kills, then quiet until every act has ended."""
        await self.hands.fence(self.spec.name, 1, [])
        self._over = False
        lanes = [asyncio.create_task(self._lane(n)) for n in range(LANES)]
        while self.count.kills < kills:
            await self._strike()
            for lane in lanes:
                if lane.done():
                    lane.result()
        self._over = True
        await asyncio.gather(*lanes)
        await self.hands.shut_down()
        self._compare()
        return self.count

    async def _strike(self) -> None:
        await asyncio.sleep(self._dice.uniform(0.0, 0.4))
        pid, n = holder(self.spec.directory), len(self.fates)
        if pid is None or not self.open:
            return
        os.kill(pid, signal.SIGKILL)
        self.count.kills += 1
        self.count.struck.update(REPEAT[verb].value for verb in self.open.values())
        while len(self.fates) == n or holder(self.spec.directory) in (None, pid):  # noqa: ASYNC110  another's life
            await asyncio.sleep(0.01)

    async def _lane(self, lane: int) -> None:
        """One sample after another, each through all steps."""
        n = 0
        while not self._over:
            n += 1
            for device, verb, repeat, args in STEPS:
                async with self._free[device]:
                    if not await self._done(device, verb, repeat, args, f"{lane}.{n}"):
                        break

    async def _done(
        self, device: str, verb: str, repeat: Repeat, args: dict[str, object], sample: str
    ) -> bool:
        """Whether the step was done in the end: what is known not to have been done is asked for again."""
        for attempt in range(20):
            id = f"{sample}.{verb}.{attempt}"
            action = Action(
                id=id, device=device, verb=verb, args=args, sample=sample, epoch=1, deadline_s=60.0
            )
            self.open[id] = verb
            self.count.acts[repeat.value] += 1
            fate = await self.hands.carry_out(action, repeat, lambda: list(self.open))
            del self.open[id]
            self.fates[id] = (verb, fate)
            if fate.verdict == "doubt":
                self.count.doubts[repeat.value] += 1
                if id in {fact.action for fact in self._facts()}:
                    return True
            elif fate.verdict == "ended":
                return fate.outcome is not None and fate.outcome.status == "succeeded"
            else:
                self.count.undone[repeat.value] += 1
        return False

    def _facts(self):
        return read_facts(self.spec.directory / "world" / "tally.jsonl")

    def _compare(self) -> None:
        effects = Counter(fact.action for fact in self._facts())
        for id, (verb, fate) in self.fates.items():
            may_again = REPEAT[verb] is Repeat.REPEATABLE
            self.count.again += may_again and effects[id] > 1
            if effects[id] > 1 and not may_again:
                self.count.repeated[REPEAT[verb].value] += 1
            succeeded = fate.outcome is not None and fate.outcome.status == "succeeded"
            if fate.verdict == "ended" and succeeded and not effects[id]:
                self.count.lies.append(f"{id} is said to be done and was not: {fate.reason}")
            if fate.verdict in ("not done", "refused") and effects[id] and not may_again:
                self.count.lies.append(f"{id} is said to be not done and was: {fate.reason}")
        done = Counter((id.rsplit(".", 2)[0], verb) for id, (verb, _) in self.fates.items() if effects[id])
        for (sample, verb), n in done.items():
            if n > 1 and REPEAT[verb] is not Repeat.REPEATABLE:
                self.count.repeated[REPEAT[verb].value] += 1
                self.count.lies.append(f"{sample}: {verb} was done by {n} actions")


async def ordeal(folder: Path, sockets: Path, kills: int, hosts: int, seed: int) -> Count:
    """All hosts at once, each with its share of the kills."""
    shares = [kills // hosts + (n < kills % hosts) for n in range(hosts)]
    benches = [Bench(folder, sockets, f"h{n}", seed + n) for n in range(hosts)]
    whole = Count()
    for count in await asyncio.gather(*(one.endure(k) for one, k in zip(benches, shares, strict=True))):
        whole.add(count)
    return whole


def main() -> None:
    """Run, print the table."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--kills", type=int, default=1000)
    cli.add_argument("--hosts", type=int, default=4)
    cli.add_argument("--seed", type=int, default=1)
    cli.add_argument("--control", action="store_true", help="hosts that do not journal: must be found out")
    cli.add_argument("--out", type=Path)
    args = cli.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="alq-", dir="/tmp") as text:
        folder = Path(text)
        (folder / "s").mkdir()
        if args.control:
            (folder / "sitecustomize.py").write_text(SABOTAGE["a host that does not journal"])
            os.environ["PYTHONPATH"] = str(folder)
        found = asyncio.run(ordeal(folder / "hosts", folder / "s", args.kills, args.hosts, args.seed))
    seconds = time.monotonic() - began
    print(
        f"\n{found.kills} kills of hosts in {seconds:.0f} s, {args.hosts} hosts at a time, seed {args.seed}"
    )
    print(
        f"{'repeat class':12s} {'acts':>7s} {'in hand at a kill':>18s} {'said not done':>14s} {'doubts':>7s}"
        f" {'per 1,000 kills':>16s} {'repeated unasked':>17s}"
    )
    for repeat in Repeat:
        name = repeat.value
        print(
            f"{name:12s} {found.acts[name]:7d} {found.struck[name]:18d} {found.undone[name]:14d}"
            f" {found.doubts[name]:7d} {1000 * found.doubts[name] / found.kills:16.1f} {found.repeated[name]:17d}"
        )
    print(
        f"measurements made again, as they may be: {found.again}; fates that the tally contradicts: {len(found.lies)}"
    )
    for lie in found.lies[:10]:
        print(lie)
    if args.out:
        args.out.write_text(json.dumps({**vars(found), "seconds": seconds}))
    broken = bool(found.lies or sum(found.repeated.values()))
    if broken != args.control:
        raise SystemExit("the broken build was not found out" if args.control else "broken")


if __name__ == "__main__":
    main()
