"""The host: the order of an act, its refusals, and what it says of an act whose end nobody saw."""

from __future__ import annotations

import asyncio
import json
import math
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
from drivers.host.spec import ANOTHER_HOLDS_IT, JOURNAL_LOST, Bound
from drivers.journal import Journal, JournalLost
from drivers.protocol import Action, Outcome, Reading
from tests.drivers.rig import Bench, Rig, act, end, facts_in, installed, request, served, until

FENCE = {"op": "fence", "epoch": 1, "open": []}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, tmp_path)


async def fenced(host: Host, epoch: int = 1, keep: tuple[str, ...] = ()) -> dict[str, Any]:
    return await host._fence({"epoch": epoch, "open": list(keep)})


def carried(host: Host, action: Action) -> asyncio.Task[dict[str, Any]]:
    return asyncio.create_task(host._act(request(action)))


# -- the order of an act --------------------------------------------------------------------------------------
class Ordered(Rig):
    """Notes what is on disk when it is touched."""

    async def act(self, action: Action) -> Outcome:
        assert facts_in(self.lab.directory / "journal.jsonl")[-1] == ("begun", action.id)
        return await super().act(action)


@pytest.mark.parametrize("verb", ["again", "test", "blind"])
async def test_begun_is_on_disk_before_the_device_and_ended_before_the_reply(bench: Bench, verb: str) -> None:
    host = bench.host(Ordered)
    async with served(host) as client:
        await client.ask(FENCE)
        reply = await client.ask(request(act("a", verb, args={"x": 2.0})))
        assert facts_in(host.journal.path)[-2:] == [("begun", "a"), ("ended", "a")]
    assert reply["state"] == "ended"
    assert reply["outcome"]["readings"]["seen"] == {"value": 2.0, "unit": "K", "sigma": None}


@pytest.mark.parametrize("late", ["begun", "ended"])
async def test_control_a_line_written_late_is_found_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    async def forget(self: Journal, *args: object, **kwargs: object) -> None:
        pass

    monkeypatch.setattr(Journal, late, forget)
    host = bench.host(Ordered)
    await fenced(host)
    reply = await host._act(request(act("a")))
    if late == "begun":
        assert "AssertionError" in reply["reason"]
    else:
        assert facts_in(host.journal.path)[-1] == ("begun", "a")
    host.journal.close()


@pytest.mark.parametrize(("verb", "n"), [("blind", 2), ("test", 2), ("again", 0)])
async def test_only_what_may_not_be_repeated_costs_fsyncs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, verb: str, n: int
) -> None:
    host = bench.host()
    await fenced(host)
    syncs: list[int] = []
    monkeypatch.setattr(os, "fdatasync", syncs.append)
    await host._act(request(act("a", verb)))
    assert len(syncs) == n
    host.journal.close()


async def test_the_same_action_is_one_act(bench: Bench) -> None:
    bench.set("hold")
    async with served(bench.host()) as client:
        await client.ask(FENCE)
        asked = [asyncio.create_task(client.ask(request(act("a")))) for _ in range(3)]
        asked.append(asyncio.create_task(client.ask({"op": "ask", "id": "a"})))
        await until(lambda: bench.facts)
        bench.unset("hold")
        replies = [await one for one in asked]
        replies += [await client.ask(request(act("a"))), await client.ask({"op": "ask", "id": "a"})]
    assert bench.facts[:1] == ["a"]
    assert bench.facts.count("a") == 1
    assert {json.dumps(reply, sort_keys=True) for reply in replies} == {
        json.dumps(replies[0], sort_keys=True)
    }


async def test_a_reading_that_is_no_number_comes_through(bench: Bench) -> None:
    async with served(bench.host()) as client:
        await client.ask(FENCE)
        await client.ask(request(act("a", args={"x": 13})))
        await client.ask({"op": "fence", "epoch": 2, "open": ["a"]})
        reply = await client.ask({"op": "ask", "id": "a"})
    assert math.isnan(Outcome.model_validate(reply["outcome"]).readings["seen"].value)


# -- refusals -------------------------------------------------------------------------------------------------
async def test_another_epoch_is_refused(bench: Bench) -> None:
    host = bench.host()
    assert "stale" in await host._act(request(act("a", epoch=1)))
    await fenced(host, 5)
    for epoch in (0, 4, 6):
        reply = await host._act(request(act("a", epoch=epoch)))
        assert reply["stale"] == 5
        assert "refused" in reply
    assert (await fenced(host, 4)) == {"stale": 5}
    assert (await fenced(host, 5))["epoch"] == 5
    assert bench.facts == []
    assert host.journal.state("a") == "never begun"
    host.journal.close()


async def test_of_two_fences_at_once_the_newer_rules(bench: Bench) -> None:
    host = bench.host()
    replies = await asyncio.gather(*(fenced(host, epoch) for epoch in (3, 8, 5)))
    assert [reply.get("epoch", "stale") for reply in replies] == ["stale", 8, "stale"]
    assert "stale" in await host._act(request(act("a", epoch=5)))
    host.journal.close()


BAD: list[dict[str, Any]] = [
    {"x": True}, {"x": "5"}, {"x": math.nan}, {"x": math.inf}, {"x": -math.inf}, {"x": 10**400}, {"x": None},
    {"x": [1]}, {"x": -0.0001}, {"x": 50.0001}, {"x": 101}, {"y": 1}, {"": 1}, {"n": 1.5}, {"n": True}, {"n": "1"},
    {"mode": 3}, {"mode": True}, {"on": 1}, {"on": "true"}, {"x": 5, "z": 0}, {"n": math.nan}, {"X": 5},
]  # fmt: skip


def out_of_limits(dice: random.Random) -> dict[str, Any]:
    """Arguments of `blind` of which at least one is not allowed: x within [0, 50], by the laboratory's limit."""
    if dice.random() < 0.3:
        args = dict(dice.choice(BAD))
    else:
        far = 10 ** dice.uniform(-6, 308)
        args = {"x": dice.choice([-far, 50 + far, math.nextafter(50, 60), math.nextafter(0, -1)])}
    for name, value in (("n", dice.randrange(9)), ("mode", "b"), ("on", True)):
        if dice.random() < 0.3:
            args.setdefault(name, value)
    return args


async def reached(host: Host, n: int) -> int:
    """How many of `n` actions beyond the limits reach the driver."""
    await fenced(host)
    dice, n_refused = random.Random(5), 0
    for i in range(n):
        body = {"id": f"a{i}", "device": "rig", "verb": "blind", "args": out_of_limits(dice), "epoch": 1}
        reply = await host._act({"action": body})
        n_refused += "refused" in reply
        assert ("refused" in reply) == (host.journal.state(f"a{i}") == "never begun")
    assert n_refused + len(host.journal._ended) == n
    host.journal.close()
    bench = Path(str(host.spec.devices["rig"].settings["bench"]))
    return len((bench / "facts").read_text().split()) if (bench / "facts").exists() else 0


async def test_of_ten_thousand_acts_beyond_the_limits_none_reaches_the_driver(bench: Bench) -> None:
    assert await reached(bench.host(), 10_000) == 0


class Trusting(Rig):
    """Looks at nothing: what reaches it is what the host let pass."""

    async def act(self, action: Action) -> Outcome:
        self.note(action.id)
        return Outcome(status="succeeded")


async def test_the_host_alone_refuses_it_whatever_the_driver_does(bench: Bench) -> None:
    assert await reached(bench.host(Trusting), 10_000) == 0


async def test_control_a_host_that_asks_nobody_is_found_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "beyond", lambda *args: None)
    assert await reached(bench.host(Trusting), 60) > 30


async def test_what_lies_within_the_limits_passes(bench: Bench) -> None:
    host = bench.host()
    await fenced(host)
    within: list[dict[str, Any]] = [
        {},
        {"x": 0},
        {"x": 50},
        {"x": -0.0},
        {"n": 2.0},
        {"mode": "z", "on": True},
    ]
    for n, args in enumerate(within):
        assert (await host._act(request(act(f"a{n}", args=args))))["state"] == "ended", args
    assert (await host._act(request(act("b", "test", args={"x": 100}))))[
        "state"
    ] == "ended"  # a limit of `blind`
    host.journal.close()


async def test_a_default_is_held_to_the_limits_too(bench: Bench) -> None:
    device = bench.spec.devices["rig"].model_copy(update={"limits": {"blind.x": Bound(at_most=0.5)}})
    host = bench.host(devices={"rig": device})
    await fenced(host)
    reply = await host._act(request(act("a")))
    assert "refused" in reply
    assert bench.facts == []
    host.journal.close()


@pytest.mark.parametrize(
    "action",
    [act("a", device="nobody"), act("a", verb="fly"), act("a", verb="place"), act("a", verb="halt")],
    ids=lambda a: f"{a.device}.{a.verb}",
)
async def test_what_the_device_cannot_do_is_refused_and_not_in_doubt(bench: Bench, action: Action) -> None:
    host = bench.host()
    await fenced(host)
    assert "refused" in await host._act(request(action))
    assert host.journal.state("a") == "never begun"
    host.journal.close()


async def test_a_device_in_use_is_busy_and_nothing_is_written(bench: Bench) -> None:
    host = bench.host()
    await fenced(host)
    bench.set("hold")
    first = carried(host, act("a"))
    await until(lambda: bench.facts)
    reply = await host._act(request(act("b")))
    assert reply["outcome"]["attribution"] == "busy"
    assert host.journal.state("b") == "never begun"  # busy is no end: it may be sent again under the same id
    other = carried(host, act("c", device="other"))
    await until(lambda: len(bench.facts) == 2)
    bench.unset("hold")
    assert (await first)["state"] == (await other)["state"] == "ended"
    assert (await host._act(request(act("b"))))["outcome"]["status"] == "succeeded"
    host.journal.close()


# -- an end that nobody saw -----------------------------------------------------------------------------------
async def test_past_its_deadline_an_act_has_no_end_and_its_device_is_halted(bench: Bench) -> None:
    host = bench.host()
    await fenced(host)
    bench.set("hold")
    reply = await host._act(request(act("a", deadline_s=0.05)))
    assert (reply["state"], reply["reason"]) == ("begun, no end", "no end within 0.05 s")
    assert bench.facts == ["a", "halt", "rig"]
    assert await host._ask({"id": "a"}) == reply
    assert await host._act(request(act("a"))) == reply  # and it is not begun again
    bench.unset("hold")
    assert (await host._act(request(act("b"))))["state"] == "ended"  # the device itself goes on
    assert bench.facts.count("a") == 1
    host.journal.close()


@pytest.mark.parametrize("kind", ["runtime", "timeout", "os", "exit", "cancelled"])
async def test_a_driver_that_breaks_leaves_no_end_and_others_go_on(bench: Bench, kind: str) -> None:
    async with served(bench.host()) as client:
        await client.ask(FENCE)
        bench.set("hold")
        other = asyncio.create_task(client.ask(request(act("o", device="other"))))
        await until(lambda: bench.facts)
        bench.set("break", kind)
        bench.unset("hold")
        assert (await other)["state"] == "begun, no end"
        reply = await client.ask(request(act("a")), within_s=30)
        bench.unset("break")
        assert reply["state"] == "begun, no end"
        assert await client.ask({"op": "ask", "id": "a"}) == reply
        assert (await client.ask(request(act("b"))))["state"] == "ended"


async def test_a_known_failure_is_an_end(bench: Bench) -> None:
    host = bench.host()
    await fenced(host)
    bench.set("break", "failed")
    outcome = (await host._act(request(act("a"))))["outcome"]
    assert (outcome["status"], outcome["attribution"]) == ("failed", "infeasible")
    host.journal.close()


class Odd(Rig):
    """Gives back what is no outcome, or one in words that nobody can write."""

    async def act(self, action: Action) -> Outcome:
        if action.args:
            return Outcome(
                status="failed", reason="port \udcff", readings={"m": Reading(value=1, unit="\ud800")}
            )
        return None  # type: ignore[return-value]


async def test_an_outcome_that_is_none_leaves_no_end(bench: Bench) -> None:
    async with served(bench.host(Odd)) as client:
        await client.ask(FENCE)
        assert (await client.ask(request(act("a")), within_s=30))["state"] == "begun, no end"
        assert await client.ask({"op": "ping"})


async def test_words_that_cannot_be_stored_are_made_so(bench: Bench) -> None:
    async with served(bench.host(Odd)) as client:
        await client.ask(FENCE)
        outcome = (await client.ask(request(act("a", args={"x": 1.0}))))["outcome"]
    assert (outcome["reason"], outcome["readings"]["m"]["unit"]) == ("port ?", "?")


@pytest.mark.parametrize("verdict", ["done", "not done", "unknown", "runtime", "exit", "os", ""])
async def test_testimony_is_the_devices_or_unknown(bench: Bench, verdict: str) -> None:
    bench.set("verdict", verdict)
    async with served(bench.host()) as client:
        reply = await client.ask(request(act("a", "test"), op="testify"), within_s=30)
    expected = verdict if verdict in ("done", "not done") else "unknown"
    assert reply["testimony"]["verdict"] == expected


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
