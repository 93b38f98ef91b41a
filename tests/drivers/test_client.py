"""The engine's side of a host: one host however often it is asked for, every question answered or given up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from drivers import client as module
from drivers.client import HostClient, HostGone, holder
from drivers.host.spec import ANOTHER_HOLDS_IT, HostSpec
from drivers.journal import Journal
from tests.drivers.rig import Bench, act, end, installed, request, until

FENCE = {"op": "fence", "epoch": 1, "open": []}


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose hosts are processes of their own."""
    with installed(tmp_path / "installed", os.environ):
        yield Bench(tmp_path / "bench", tmp_path)


@pytest.fixture
def spec(tmp_path: Path) -> HostSpec:
    return Bench(tmp_path, tmp_path).spec


Answer = Callable[[dict[str, Any], asyncio.StreamWriter], None]


@contextlib.asynccontextmanager
async def peer(spec: HostSpec, answer: Answer) -> AsyncIterator[HostClient]:
    """A client joined to something that is no host: `answer` gets each request."""
    writers = []

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                answer(json.loads(line), writer)
        writer.close()

    server = await asyncio.start_unix_server(connection, spec.socket)
    client = HostClient(spec)
    assert await client.join()
    try:
        yield client
    finally:
        client.close()
        await until(lambda: len(writers) == 2)  # the client may have been quicker than its peer
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def say(writer: asyncio.StreamWriter, **reply: Any) -> None:
    writer.write(json.dumps(reply).encode() + b"\n")


# -- questions and answers ------------------------------------------------------------------------------------
async def test_replies_out_of_order_reach_who_asked(spec: HostSpec) -> None:
    held: list[dict[str, Any]] = []

    def backwards(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        held.append(request)
        if len(held) == 20:
            say(writer, rid=999, n="to nobody")
            for one in reversed(held):
                say(writer, rid=one["rid"], n=one["n"])
                say(writer, rid=one["rid"], n="a second time")

    async with peer(spec, backwards) as client:
        replies = await asyncio.gather(*(client.ask({"op": "x", "n": n}) for n in range(20)))
        assert [reply["n"] for reply in replies] == list(range(20))


async def test_time_is_up_for_one_question_alone(spec: HostSpec) -> None:
    late: list[tuple[dict[str, Any], asyncio.StreamWriter]] = []

    def answer(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if request["op"] == "late":
            late.append((request, writer))
        else:
            say(writer, rid=request["rid"], ok=True)

    async with peer(spec, answer) as client:
        with pytest.raises(HostGone, match="'late' within 0") as gone:
            await client.ask({"op": "late"}, within_s=0.01)
        assert gone.value.hung
        await until(lambda: late)
        say(late[0][1], rid=late[0][0]["rid"])  # nobody waits for it any more
        assert await client.ask({"op": "soon"}) == {"ok": True}
        assert client.alive


@pytest.mark.parametrize(
    "nonsense",
    [
        b"nonsense\n",
        b"[]\n",
        b"3\n",
        b"{}\n",
        b'{"rid": []}\n',
        b"\xff\n",
        b'{"rid": 1',
        b"",
        b"x" * 5_000_000,
    ],
    ids=["text", "list", "number", "no rid", "odd rid", "bytes", "half", "nothing", "endless"],
)
async def test_a_peer_that_talks_nonsense_is_gone(spec: HostSpec, nonsense: bytes) -> None:
    def answer(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if request["rid"] == 1:
            writer.write(nonsense)
            writer.write_eof()

    async with peer(spec, answer) as client:
        listener = client._lines[0]._listener
        asked = [asyncio.create_task(client.ask({"op": "x"})) for _ in range(3)]
        for one in asked:
            with pytest.raises(HostGone) as gone:
                await asyncio.wait_for(one, 30)
            assert not gone.value.hung
        assert not client.alive
        with pytest.raises(HostGone):
            await client.ask({"op": "x"})
    assert listener.exception() is None  # nor does it leave one that nobody hears


async def test_an_error_is_told_and_the_connection_stays(spec: HostSpec) -> None:
    async with peer(spec, lambda request, writer: say(writer, rid=request["rid"], error="no")) as client:
        with pytest.raises(HostGone, match="no"):
            await client.ask({"op": "x"})
        assert client.alive


async def test_whoever_waits_is_told_when_it_is_closed(spec: HostSpec) -> None:
    async with peer(spec, lambda request, writer: None) as client:
        asked = asyncio.create_task(client.ask({"op": "x"}))
        await asyncio.sleep(0)
        client.close()  # in the same turn: its listener may not have run yet
        with pytest.raises(HostGone):
            await asyncio.wait_for(asked, 30)


async def test_not_connected_is_gone(spec: HostSpec) -> None:
    client = HostClient(spec)
    assert not client.alive
    assert not await client.join()
    with pytest.raises(HostGone, match="not connected"):
        await client.ask({"op": "ping"})


async def test_what_is_no_json_is_not_sent(spec: HostSpec) -> None:
    async with peer(spec, lambda request, writer: say(writer, rid=request["rid"])) as client:
        with pytest.raises(ValueError, match="JSON"):
            await client.ask({"op": "x", "value": float("nan")})
        assert await client.ask({"op": "x"}) == {}


async def test_closed_before_it_ran_it_lets_go(spec: HostSpec) -> None:
    async with peer(spec, lambda request, writer: None) as client:
        lines = client._lines
        client.close()
        assert all(line._writer.is_closing() for line in lines)


async def test_nothing_is_left_behind(spec: HostSpec) -> None:
    before = asyncio.all_tasks()
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        async with peer(spec, lambda request, writer: say(writer, rid=request["rid"])) as client:
            await client.ask({"op": "x"})
            with pytest.raises(HostGone):
                await client.ask({"op": "x"}, within_s=0)
    await until(lambda: asyncio.all_tasks() == before)
    gc.collect()  # a socket or a task let go of open would be a warning here, and warnings are errors
    assert len(os.listdir("/proc/self/fd")) == files  # noqa: PTH208


# -- finding the host -----------------------------------------------------------------------------------------
def children(bench: Bench) -> list[int]:
    """The live host processes of a bench."""
    spec = str(bench.spec.directory / "spec.json")
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if spec in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child.pid)
    return found


async def test_many_who_ask_at_once_share_one_host(real: Bench) -> None:
    clients = [HostClient(real.spec) for _ in range(4)]
    await asyncio.gather(*(client.connect() for client in clients))
    pids = {(await client.ask({"op": "ping"}))["pid"] for client in clients}
    assert pids == {holder(real.spec.directory)}
    await until(lambda: children(real) == list(pids))
    again = HostClient(real.spec)
    await again.connect()  # joins: the host outlives who started it
    assert (await again.ask({"op": "ping"}))["pid"] in pids
    for client in (*clients, again):
        client.close()
    await end(real.spec)


async def test_a_host_that_was_forestalled_is_no_failure(
    real: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn, started = HostClient._spawn, []

    def forestalled(self: HostClient) -> module._Process:
        started.append(self)
        if len(started) == 1:
            return module._Process([sys.executable, "-c", f"raise SystemExit({ANOTHER_HOLDS_IT})"])
        return spawn(self)

    monkeypatch.setattr(HostClient, "_spawn", forestalled)
    client = HostClient(real.spec)
    await client.connect()
    assert len(started) == 2
    client.close()
    await end(real.spec)


async def test_a_killed_host_is_gone_and_replaced_and_leaves_no_zombie(real: Bench) -> None:
    client = HostClient(real.spec)
    pids = set()
    for _ in range(2):
        await client.connect()
        await client.ask(FENCE)
        real.set("hold")
        acting = asyncio.create_task(client.ask(request(act(f"a{len(pids)}"))))
        await until(lambda: f"a{len(pids)}" in real.facts)
        pid = holder(real.spec.directory)
        assert pid is not None
        pids.add(pid)
        client.kill()
        with pytest.raises(HostGone):
            await acting
        assert not client.alive
        real.unset("hold")
    assert len(pids) == 2
    await end(real.spec)

    def collected() -> bool:  # a dying process frees its lock a moment before it can be waited for
        module._collect()
        return not {process.pid for process in module._children} & pids

    await until(collected)
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_a_host_that_is_ending_is_waited_for_and_not_killed(real: Bench) -> None:
    client = HostClient(real.spec)
    await client.connect()
    old = holder(real.spec.directory)
    await client.ask({"op": "shutdown"})
    client.close()
    await client.connect()
    assert holder(real.spec.directory) not in (None, old)
    assert real.facts == ["safe", "rig", "safe", "other"]
    client.close()
    await end(real.spec)


async def test_a_host_that_does_not_start_says_why(real: Bench) -> None:
    device = real.spec.devices["rig"].model_copy(update={"driver": "no.such"})
    client = HostClient(real.spec.model_copy(update={"devices": {"rig": device}}))
    with pytest.raises(HostGone, match=r"no driver is called 'no.such'"):
        await client.connect()
    assert holder(real.spec.directory) is None


async def test_a_host_that_cannot_be_started_is_gone(real: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(HostGone, match="No space left"):
        await HostClient(real.spec).connect()


async def test_a_mute_host_is_hung(real: Bench) -> None:
    client = HostClient(real.spec)
    await client.connect()
    pid = holder(real.spec.directory)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(HostGone) as gone:
        await client.connect(within_s=0.2)
    assert gone.value.hung
    assert not client.alive
    client.kill()  # works on a stopped one too
    await client.connect()
    assert holder(real.spec.directory) not in (None, pid)
    client.close()
    await end(real.spec)


def test_the_lock_tells_who_holds_it_not_the_file(spec: HostSpec) -> None:
    assert holder(spec.directory) is None
    journal = Journal(spec.directory / "journal.jsonl")
    assert holder(spec.directory) == os.getpid()
    journal.close()
    assert (spec.directory / "journal.lock").read_text().strip() == str(os.getpid())
    assert holder(spec.directory) is None


async def test_the_environment_is_quiet_at_the_end(real: Bench) -> None:
    client = HostClient(real.spec)
    await client.connect()
    client.close()
    del client
    gc.collect()  # the process goes on: neither it nor its handle is a resource that was lost
    await end(real.spec)
