"""The host: the order of an act, its refusals, and what it says of an act whose end nobody saw."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
from pathlib import Path
from typing import Any

import pytest

from drivers.clock import VirtualClock
from drivers.host import server
from drivers.host.server import Host
from drivers.host.spec import Bound
from drivers.journal import Journal
from drivers.protocol import Action, Outcome, Reading
from tests.drivers.rig import (
    FENCE,
    Bench,
    Rig,
    act,
    carried,
    facts_in,
    fenced,
    request,
    served,
    until,
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, tmp_path)


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
    assert await host._act(request(act("a", deadline_s=0.05))) == reply  # and it is not begun again
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


# -- being woken ------------------------------------------------------------------------------------------------
async def test_an_engine_is_woken_when_virtual_time_has_come(bench: Bench) -> None:
    host = bench.host(clock=VirtualClock())
    async with served(host) as client:
        await client.ask(FENCE)
        waking = asyncio.create_task(client.ask({"op": "wake", "at_s": 3600.0}))
        await client.ask({"op": "pace", "open": [], "wakes": [3600.0]})
        assert (await asyncio.wait_for(waking, 10))["now_s"] == 3600.0


async def test_whoever_waits_to_be_woken_is_answered_by_a_fence_and_may_ask_again(bench: Bench) -> None:
    """An engine fences its own hosts anew when a person settles a doubt: an answer that never came would leave time
    standing for ever."""
    host = bench.host(clock=VirtualClock())
    async with served(host) as client:
        await client.ask(FENCE)
        await client.ask({"op": "pace", "open": ["nothing here"], "wakes": [3600.0]})  # time stands
        waking = asyncio.create_task(client.ask({"op": "wake", "at_s": 3600.0}))
        await until(lambda: host._waking)
        await client.ask({**FENCE, "epoch": 2})
        assert (await asyncio.wait_for(waking, 10))["now_s"] == 0.0
        again = asyncio.create_task(client.ask({"op": "wake", "at_s": 3600.0}))
        await client.ask({"op": "pace", "open": [], "wakes": [3600.0]})
        assert (await asyncio.wait_for(again, 10))["now_s"] == 3600.0


async def test_a_host_that_ends_waits_for_no_time_to_come(bench: Bench) -> None:
    host = bench.host(clock=VirtualClock())
    async with served(host) as client:
        await client.ask(FENCE)
        await client.ask({"op": "pace", "open": ["nothing here"], "wakes": [3600.0]})
        waking = asyncio.create_task(client.ask({"op": "wake", "at_s": 3600.0}))
        await until(lambda: host._waking)
        await client.ask({"op": "shutdown"})
        await asyncio.wait_for(asyncio.gather(waking, return_exceptions=True), 10)
