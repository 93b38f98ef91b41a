"""The host as a process: its halts, its socket, its disk, its end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.client import HostClient, HostGone, holder
from drivers.host import server
from drivers.host.server import Host
from drivers.host.spec import ANOTHER_HOLDS_IT, JOURNAL_LOST
from drivers.journal import JournalLost
from drivers.protocol import Action, Outcome
from tests.drivers.rig import (
    FENCE,
    Bench,
    Rig,
    act,
    carried,
    end,
    facts_in,
    fenced,
    installed,
    request,
    served,
    until,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, tmp_path)


# -- halting --------------------------------------------------------------------------------------------------
async def test_halt_ends_what_is_in_hand_and_refuses_until_the_next_fence(bench: Bench) -> None:
    async with served(bench.host()) as client:
        await client.ask(FENCE)
        bench.set("hold")
        acts = [asyncio.create_task(client.ask(request(act(d, device=d)))) for d in ("rig", "other")]
        await until(lambda: len(bench.facts) == 2)
        reply = await client.ask({"op": "halt"}, urgent=True, within_s=30)
        assert reply["halted"] == reply["in_hand"] == ["other", "rig"]
        for one in acts:
            assert (await one)["state"] == "begun, no end"
        bench.unset("hold")
        assert (await client.ask(request(act("later"))))["halted"]
        await client.ask(FENCE | {"epoch": 2})
        assert (await client.ask(request(act("later", epoch=2))))["state"] == "ended"
    assert bench.facts.count("later") == 1


class Hanging(Rig):
    """The first device does not come back from its halt."""

    async def halt(self) -> None:
        self.note(f"halting-{self.name}")
        if self.name == "rig":
            await asyncio.Event().wait()


async def test_a_device_that_does_not_halt_keeps_no_other_from_it(bench: Bench) -> None:
    host = bench.host(Hanging)
    await fenced(host)
    bench.set("hold")
    acts = {d: carried(host, act(d, device=d)) for d in ("rig", "other")}
    await until(lambda: len(bench.facts) == 2)
    halting = asyncio.create_task(host._halt({}))
    assert (await acts["other"])["state"] == "begun, no end"
    assert not halting.done()  # five seconds are given to the one that hangs
    bench.unset("hold")
    await acts["rig"]
    halting.cancel()
    await asyncio.wait([halting])
    host.journal.close()


async def begun_while_halted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a device does whose act was being written down when the halt came."""
    host = bench.host()
    await fenced(host)
    entered, go = asyncio.Event(), asyncio.Event()
    begun = host.journal.begun

    async def slow(action_id: str, *, durable: bool) -> None:
        entered.set()
        await go.wait()
        await begun(action_id, durable=durable)

    monkeypatch.setattr(host.journal, "begun", slow)
    acting = carried(host, act("a"))
    await entered.wait()
    await host._halt({})
    await fenced(host, 2)  # the next engine is there before the disk is
    go.set()
    reply = await acting
    assert reply["state"] in ("begun, no end", "ended")
    host.journal.close()
    return [fact for fact in bench.facts if fact == "a"]


async def test_an_act_on_its_way_to_the_device_is_halted_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await begun_while_halted(bench, monkeypatch) == []


async def test_control_a_host_that_does_not_look_again_moves_after_the_halt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def quiet(self: Host, request: object) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(Host, "_halt", quiet)
    assert await begun_while_halted(bench, monkeypatch) == ["a"]


class Yielding(Rig):
    """Comes to an end that it knows when it is halted."""

    async def act(self, action: Action) -> Outcome:
        self.note(action.id)
        self.going = asyncio.Event()
        await self.going.wait()
        return Outcome(status="failed", reason="halted at 3 of 5")

    async def halt(self) -> None:
        if hasattr(self, "going"):
            self.going.set()


async def test_an_end_that_the_device_knows_is_kept_when_it_is_halted(bench: Bench) -> None:
    host = bench.host(Yielding)
    await fenced(host)
    acting = carried(host, act("a"))
    await until(lambda: bench.facts)
    await host._halt({})
    assert (await acting)["outcome"]["reason"] == "halted at 3 of 5"
    assert host.journal.state("a") == "ended"
    host.journal.close()


# -- the wire -------------------------------------------------------------------------------------------------
GARBAGE = [
    b"\n", b"{}\n", b"[]\n", b"3\n", b"null\n", b'"act"\n', b"\xff\xfe\n", b"{\n", b'{"op": "fly"}\n',
    b'{"op": ["act"]}\n', b'{"op": {}}\n', b'{"op": "act"}\n', b'{"op": "act", "action": {}}\n',
    b'{"op": "act", "action": 3}\n', b'{"op": "fence"}\n', b'{"op": "fence", "epoch": "x", "open": []}\n',
    b'{"op": "fence", "epoch": 1e999, "open": []}\n', b'{"op": "fence", "epoch": 1, "open": 3}\n',
    b'{"op": "ask"}\n', b'{"op": "testify", "action": null}\n', b'{"rid": NaN, "op": "ping"}\n',
    b'{"rid": {"a": [NaN]}, "op": "ping"}\n', b"[" * 100_000 + b"\n", b'{"op": "_act"}\n', b"9" * 5000 + b"\n",
]  # fmt: skip


@pytest.mark.filterwarnings("error")
async def test_garbage_on_the_socket_is_answered_and_harms_nothing(bench: Bench) -> None:
    host = bench.host()
    async with served(host) as client:
        await client.ask(FENCE)
        reader, writer = await asyncio.open_unix_connection(host.spec.socket)
        writer.write(b"".join(GARBAGE))
        for _ in GARBAGE:
            assert b'"rid"' in await asyncio.wait_for(reader.readline(), 30)
        dice = random.Random(1)
        writer.write(b"".join(dice.randbytes(dice.randrange(400)) + b"\n" for _ in range(300)))
        writer.write(b'{"op": "ping", "rid": 7}\n{"op": "half')
        while (reply := json.loads(await asyncio.wait_for(reader.readline(), 30))).get("rid") != 7:
            assert "error" in reply
        writer.close()
        reader, writer = await asyncio.open_unix_connection(host.spec.socket)
        writer.write(b"x" * (server.LINE_LIMIT + 10))
        assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        assert (await client.ask(request(act("a"))))["state"] == "ended"
    assert host.exit_code == 0


async def test_an_act_goes_on_when_its_engine_goes(bench: Bench) -> None:
    async with served(bench.host()) as client:
        await client.ask(FENCE)
        bench.set("hold")
        asking = asyncio.create_task(client.ask(request(act("a"))))
        await until(lambda: bench.facts)
        client.close()
        with pytest.raises(HostGone):
            await asking
        assert await client.join()
        asked = asyncio.create_task(client.ask({"op": "ask", "id": "a"}))
        bench.unset("hold")
        assert (await asked)["state"] == "ended"


async def test_the_socket_is_for_this_user_alone(bench: Bench) -> None:
    host = bench.host()
    async with served(host):
        assert host.spec.socket.stat().st_mode & 0o777 == 0o600
    assert not host.spec.socket.exists()


# -- the disk -------------------------------------------------------------------------------------------------
async def test_a_failed_disk_halts_every_device_and_ends_the_host(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(file: int) -> None:
        raise OSError(5, "Input/output error")

    host = bench.host()
    serving = asyncio.create_task(host.serve())
    client = HostClient(host.spec)
    await until(host.spec.socket.exists)
    assert await client.join()
    await client.ask(FENCE)
    bench.set("hold")
    other = asyncio.create_task(client.ask(request(act("o", device="other"))))
    await until(lambda: bench.facts)
    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(HostGone):
        await client.ask(request(act("a")), within_s=30)
    with pytest.raises(HostGone):
        await other
    assert await asyncio.wait_for(serving, 30) == JOURNAL_LOST  # although an act is still held
    assert "a" not in bench.facts
    assert bench.facts[-4:] == ["safe", "rig", "safe", "other"]
    assert "halt" in bench.facts
    client.close()
    with pytest.raises(JournalLost):
        await host.journal.begun("b", durable=False)
    host.journal.close()


async def test_an_end_that_does_not_reach_the_disk_is_not_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = bench.host()
    await fenced(host)
    bench.set("hold")
    acting = carried(host, act("a"))
    await until(lambda: bench.facts)

    def broken(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", broken)
    bench.unset("hold")
    with pytest.raises(JournalLost):
        await acting
    assert (await host._ask({"id": "a"}))["state"] == "begun, no end"
    host.journal.close()


# -- as a process ---------------------------------------------------------------------------------------------
@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A bench whose hosts are processes of their own."""
    monkeypatch.setenv("HOME", os.environ.get("HOME", "/"))
    with installed(tmp_path / "installed", os.environ):
        yield Bench(tmp_path / "bench", tmp_path)


@pytest.mark.parametrize(
    ("verb", "after", "n"),
    [("again", "ended", 2), ("test", "begun, no end", 1), ("blind", "begun, no end", 1)],
)
async def test_killed_in_the_middle_of_an_act_it_knows_so_afterwards(
    real: Bench, verb: str, after: str, n: int
) -> None:
    client = HostClient(real.spec)
    await client.connect()
    await client.ask(FENCE)
    assert (await client.ask(request(act("whole", verb))))["state"] == "ended"
    real.set("hold")
    acting = asyncio.create_task(client.ask(request(act("a", verb))))
    await until(lambda: "a" in real.facts)
    pid = holder(real.spec.directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(HostGone):
        await acting
    real.unset("hold")
    await client.connect()
    assert holder(real.spec.directory) not in (None, pid)
    assert "stale" in await client.ask(request(act("a", verb, epoch=0)))
    await client.ask({"op": "fence", "epoch": 2, "open": ["a", "whole", "never"]})
    states = [(await client.ask({"op": "ask", "id": i}))["state"] for i in ("whole", "a", "never")]
    assert states == ["ended", "begun, no end", "never begun"]
    assert (await client.ask(request(act("a", verb, epoch=2))))["state"] == after
    assert real.facts.count("a") == n
    assert real.facts.count("whole") == 1
    client.close()
    await end(real.spec)


async def test_an_orphan_makes_its_devices_safe_and_ends(real: Bench) -> None:
    real.spec = real.spec.model_copy(update={"linger_s": 0.05})
    client = HostClient(real.spec)
    await client.connect()
    await client.ask(FENCE)
    real.set("hold")
    acting = asyncio.create_task(client.ask(request(act("a"))))
    await until(lambda: real.facts)
    client.close()
    with pytest.raises(HostGone):
        await acting
    real.unset("hold")
    await until(lambda: holder(real.spec.directory) is None)
    assert real.facts == ["a", "safe", "rig", "safe", "other"]
    assert facts_in(real.spec.directory / "journal.jsonl")[-1] == ("ended", "a")  # it was let come to its end
    assert not real.spec.socket.exists()


async def test_told_to_terminate_it_halts_and_makes_safe(real: Bench) -> None:
    client = HostClient(real.spec)
    await client.connect()
    await client.ask(FENCE)
    real.set("hold")
    acting = asyncio.create_task(client.ask(request(act("a"))))
    await until(lambda: real.facts)
    pid = holder(real.spec.directory)
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    with pytest.raises(HostGone):
        await acting
    await until(lambda: holder(real.spec.directory) is None)
    assert sorted(real.facts[1:5]) == ["halt", "halt", "other", "rig"]
    assert real.facts[5:] == ["safe", "rig", "safe", "other"]
    client.close()


async def test_a_second_host_on_one_journal_is_refused(real: Bench) -> None:
    client = HostClient(real.spec)
    await client.connect()
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "drivers.host", str(real.spec.directory / "spec.json"),
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert await second.wait() == ANOTHER_HOLDS_IT
    assert (await client.ask({"op": "ping"}))["pid"] == holder(real.spec.directory)  # its socket is untouched
    await client.ask({"op": "shutdown"})
    await until(lambda: holder(real.spec.directory) is None)
    client.close()
