"""The fate of an action, whatever breaks: from host, journal, device and the lack of an answer."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from drivers.client import HostClient, HostGone, holder
from drivers.host.server import Host
from drivers.journal import Journal
from drivers.protocol import Action, Outcome, Repeat
from orchestrator import hands as module
from orchestrator.hands import Fate, Hands
from tests.drivers.rig import Bench, act, end, installed, served, until

VERBS = {Repeat.REPEATABLE: "again", Repeat.TESTABLE: "test", Repeat.OPAQUE: "blind"}
DONE = Outcome(status="succeeded", ended_s=1.0)


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    """A host that serves in this process, which nobody may therefore kill."""

    def killed(self: HostClient) -> None:
        raise AssertionError("a host that answers is killed")

    monkeypatch.setattr(HostClient, "kill", killed)
    host = Bench(tmp_path, tmp_path).host()
    async with served(host):
        yield host


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose hosts are processes of their own."""
    with installed(tmp_path / "installed", os.environ):
        yield Bench(tmp_path / "bench", tmp_path)


def bench_of(host: Host) -> Bench:
    return Bench(host.spec.directory.parent, host.spec.socket.parent)


def settled(hands: Hands, how: str, action: Action, repeat: Repeat, *open_actions: str) -> asyncio.Task[Fate]:
    ask = hands.carry_out if how == "carry out" else hands.inquire
    return asyncio.create_task(ask(action, repeat, lambda: [action.id, *open_actions]))


# -- the table ------------------------------------------------------------------------------------------------
TESTIMONIES = {"done": "ended", "not done": "not done", "unknown": "doubt", "runtime": "doubt"}


@pytest.mark.parametrize(
    ("how", "state", "repeat", "testimony"),
    [
        *itertools.product(
            ["carry out", "inquire"], ["never begun", "begun, no end", "ended"], list(Repeat), TESTIMONIES
        )
    ],
)
async def test_every_fate(host: Host, how: str, state: str, repeat: Repeat, testimony: str) -> None:
    bench = bench_of(host)
    bench.set("verdict", testimony)
    if state != "never begun":
        await host.journal.begun("a", durable=True)
    if state == "ended":
        await host.journal.ended("a", DONE, durable=True)
    hands = Hands([host.spec])
    await hands.fence("bench", 1, ["a"])
    fate = await settled(hands, how, act("a", VERBS[repeat]), repeat)
    hands.close()

    verdict, n_acts, by = "ended", 0, "host"
    if state == "never begun" or (state == "begun, no end" and repeat is Repeat.REPEATABLE):
        n_acts = 1
    elif state == "begun, no end" and repeat is Repeat.OPAQUE:
        verdict = "doubt"
    elif state == "begun, no end":
        verdict = TESTIMONIES[testimony]
        by = "host" if verdict == "doubt" else "rig"
    assert (fate.verdict, len(bench.facts), fate.by) == (verdict, n_acts, by)
    assert (fate.outcome is not None) == (verdict == "ended")
    assert fate.reason or verdict == "ended"  # a doubt says why
    if state == "ended":
        assert fate.outcome == DONE


async def test_a_repeatable_act_is_tried_so_often_and_then_not_done(host: Host) -> None:
    bench = bench_of(host)
    bench.set("break", "runtime")
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    fate = await settled(hands, "carry out", act("a", "again"), Repeat.REPEATABLE)
    assert (fate.verdict, bench.facts) == ("not done", ["a"] * (1 + module.AGAIN))
    assert "cable pulled" in fate.reason
    hands.close()


@pytest.mark.parametrize("repeat", [Repeat.TESTABLE, Repeat.OPAQUE])
async def test_what_may_not_be_repeated_is_begun_once(host: Host, repeat: Repeat) -> None:
    bench = bench_of(host)
    bench.set("break", "os")
    bench.set("verdict", "unknown")
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    for how in ("carry out", "inquire", "carry out"):
        fate = await settled(hands, how, act("a", VERBS[repeat]), repeat)
        assert (fate.verdict, bench.facts) == ("doubt", ["a"])
        assert "port gone" in fate.reason
    hands.close()


async def test_beyond_a_limit_is_refused(host: Host) -> None:
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    fate = await settled(hands, "carry out", act("a", args={"x": 51.0}), Repeat.OPAQUE)
    assert (fate.verdict, bench_of(host).facts) == ("refused", [])
    assert "limit is at most 50" in fate.reason
    hands.close()


async def test_a_repeatable_act_broken_off_by_a_halt_is_not_called_refused(host: Host) -> None:
    bench = bench_of(host)
    bench.set("hold")
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    acting = settled(hands, "carry out", act("a", "again"), Repeat.REPEATABLE)
    await until(lambda: bench.facts)
    assert await hands.halt() == []
    assert (await acting).verdict == "not done"  # it did reach the device
    assert bench.facts.count("a") == 1
    hands.close()


# -- epochs ---------------------------------------------------------------------------------------------------
async def test_an_act_under_way_when_its_engine_fences_anew_is_sent_under_the_new_epoch(host: Host) -> None:
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    await hands.fence("bench", 2, ["a"])
    fate = await settled(hands, "carry out", act("a", epoch=1), Repeat.OPAQUE)
    assert (fate.verdict, bench_of(host).facts) == ("ended", ["a"])
    hands.close()


async def test_an_act_that_was_settled_meanwhile_is_not_sent_again(host: Host) -> None:
    hands = Hands([host.spec])
    await hands.fence("bench", 2, [])
    for how, epoch in (("carry out", 1), ("inquire", 2)):
        ask = hands.carry_out if how == "carry out" else hands.inquire
        fate = await ask(act("a", epoch=epoch), Repeat.OPAQUE, list)
        assert (fate.verdict, bench_of(host).facts) == ("not done", []), how
    hands.close()


async def test_a_host_that_the_fence_has_not_reached_yet_is_fenced_first(host: Host) -> None:
    hands = Hands([host.spec])
    await hands.fence("bench", 5, [])
    fate = await settled(hands, "carry out", act("a", epoch=6), Repeat.OPAQUE)
    assert (fate.verdict, host.journal.epoch) == ("ended", 6)
    hands.close()


async def test_an_engine_that_was_replaced_does_nothing(host: Host) -> None:
    old, new = Hands([host.spec]), Hands([host.spec])
    await old.fence("bench", 1, [])
    await new.fence("bench", 2, [])
    fate = await settled(old, "carry out", act("a", epoch=1), Repeat.OPAQUE)
    assert (fate.verdict, bench_of(host).facts) == ("refused", [])
    with pytest.raises(HostGone, match="obeys epoch 2"):
        await old.fence("bench", 1, [])
    assert (await settled(new, "carry out", act("a", epoch=2), Repeat.OPAQUE)).verdict == "ended"
    old.close()
    new.close()


# -- lost connections and hosts -------------------------------------------------------------------------------
async def test_a_broken_connection_is_no_broken_act(host: Host) -> None:
    bench = bench_of(host)
    bench.set("hold")
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    acting = settled(hands, "carry out", act("a"), Repeat.OPAQUE)
    await until(lambda: bench.facts)
    hands._hosts["bench"]._lines[0]._writer.transport.abort()
    await until(lambda: hands._generation["bench"] == 2)
    bench.unset("hold")
    assert (await acting).verdict == "ended"
    assert bench.facts == ["a"]
    hands.close()


async def test_a_halt_reaches_a_host_whose_connection_broke(host: Host) -> None:
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    for line in hands._hosts["bench"]._lines:
        line._writer.transport.abort()
    assert await hands.halt() == []
    assert sorted(bench_of(host).facts) == ["halt", "halt", "other", "rig"]
    hands.close()


async def test_a_host_that_is_not_there_is_silent_and_its_act_in_doubt(
    real: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIES", 1)
    devices = {"rig": real.spec.devices["rig"].model_copy(update={"driver": "no.such"})}
    hands = Hands([real.spec.model_copy(update={"devices": devices})])
    fate = await settled(hands, "carry out", act("a"), Repeat.OPAQUE)
    assert fate.verdict == "doubt"
    assert "no driver is called" in fate.reason
    assert await hands.halt() == ["bench"]
    with pytest.raises(HostGone):
        await hands.ping("bench")
    await hands.shut_down()


async def test_a_mute_host_is_killed_and_the_next_one_asked(
    real: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = Hands([real.spec])
    await hands.fence("bench", 1, [])
    real.set("hold")
    acting = settled(hands, "carry out", act("a"), Repeat.OPAQUE, "b")
    await until(lambda: real.facts)
    pid = holder(real.spec.directory)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    real.unset("hold")
    monkeypatch.setattr(module, "GRACE_S", 0.05)
    late = settled(
        hands, "carry out", act("b", "again", device="other", deadline_s=0.05), Repeat.REPEATABLE, "a"
    )
    await until(lambda: holder(real.spec.directory) != pid)
    monkeypatch.setattr(module, "GRACE_S", 10.0)
    assert (await late).verdict == "ended"
    assert (await acting).verdict == "doubt"
    assert (real.facts.count("a"), real.facts.count("b")) == (1, 1)
    hands.close()
    await end(real.spec)


async def test_of_many_who_lose_a_host_one_brings_it_back(
    real: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, connecting = HostClient.connect, [0, 0]

    async def counted(self: HostClient) -> None:
        connecting[0] += 1
        connecting[1] = max(connecting)
        await connect(self)
        connecting[0] -= 1

    monkeypatch.setattr(HostClient, "connect", counted)
    hands = Hands([real.spec])
    await asyncio.gather(*(hands.fence("bench", 1, []) for _ in range(3)))
    generation = hands._generation["bench"]
    real.set("hold")
    real.set("verdict", "truth")
    acting = [
        settled(hands, "carry out", act("a", "again"), Repeat.REPEATABLE, "b"),
        settled(hands, "carry out", act("b", "test", device="other"), Repeat.TESTABLE, "a"),
    ]
    await until(lambda: len(real.facts) == 2)
    pid = holder(real.spec.directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    real.unset("hold")
    assert [(await fate).verdict for fate in acting] == ["ended", "ended"]
    assert hands._generation["bench"] == generation + 1
    assert sorted(real.facts) == ["a", "a", "b"]
    assert connecting == [0, 1]
    hands.close()
    await end(real.spec)


FORGETFUL = """
import drivers.journal
async def forget(self, *args, **kwargs): pass
drivers.journal.Journal.begun = forget
"""


async def repeated(real: Bench) -> int:
    """How often an opaque act happens whose host is killed in the middle of it."""
    hands = Hands([real.spec])
    await hands.fence("bench", 1, [])
    real.set("hold")
    acting = settled(hands, "carry out", act("a"), Repeat.OPAQUE)
    await until(lambda: real.facts)
    pid = holder(real.spec.directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    real.unset("hold")
    await acting
    hands.close()
    await end(real.spec)
    return real.facts.count("a")


async def test_an_act_whose_host_is_killed_happens_once(real: Bench) -> None:
    assert await repeated(real) == 1


async def test_control_without_a_journal_it_happens_twice(real: Bench, tmp_path: Path) -> None:
    (tmp_path / "installed" / "sitecustomize.py").write_text(FORGETFUL)
    assert await repeated(real) == 2


async def test_hosts_killed_at_random_moments_repeat_and_lose_nothing(real: Bench) -> None:
    dice = random.Random(11)
    real.set("verdict", "truth")
    real.set("facts")
    hands = Hands([real.spec])
    await hands.fence("bench", 1, [])
    kills, fates, repeats = 0, dict[str, Fate](), dict[str, Repeat]()
    open_now: set[str] = set()

    async def run(device: str) -> None:
        for n in itertools.takewhile(lambda n: kills < 10, itertools.count()):
            repeat = repeats[f"{device}{n}"] = dice.choice(list(Repeat))
            action = act(f"{device}{n}", VERBS[repeat], device=device)
            open_now.add(action.id)
            fates[action.id] = await hands.carry_out(action, repeat, lambda: list(open_now))
            open_now.discard(action.id)

    work = [asyncio.create_task(run(device)) for device in ("rig", "other")]
    generation = 0
    while kills < 10:
        if dice.random() < 0.8:  # else possibly while it starts or is being fenced
            await until(lambda: hands._generation["bench"] > generation)  # noqa: B023
        generation = hands._generation["bench"]
        await asyncio.wait(work, timeout=dice.uniform(0, 0.03))
        if (pid := holder(real.spec.directory)) is not None:
            os.kill(pid, signal.SIGKILL)
            kills += 1
            await until(lambda: holder(real.spec.directory) != pid)
    await asyncio.gather(*work)
    hands.close()
    await end(real.spec)
    assert len(fates) > 20
    for name, fate in fates.items():
        n, repeatable = real.facts.count(name), repeats[name] is Repeat.REPEATABLE
        assert n <= 1 or repeatable, fate  # repeated
        assert n >= 1 or fate.verdict != "ended", fate  # lost
        assert n == 0 or fate.verdict != "not done" or repeatable, fate  # denied
        in_vain = any(why in fate.reason for why in ("cannot be reached", "again and again"))
        assert fate.verdict != "doubt" or repeats[name] is Repeat.OPAQUE or in_vain, fate  # without need


async def test_the_journal_of_a_real_host_is_kept_small(real: Bench) -> None:
    hands = Hands([real.spec])
    for epoch in range(1, 4):
        await hands.fence("bench", epoch, [])
        for n in range(20):
            action = act(f"{epoch}-{n}", "again", epoch=epoch)
            assert (await settled(hands, "carry out", action, Repeat.REPEATABLE)).verdict == "ended"
    await hands.fence("bench", 4, ["3-7"])
    await hands.shut_down()
    await until(lambda: holder(real.spec.directory) is None)
    journal = Journal(real.spec.directory / "journal.jsonl")
    assert (journal.epoch, journal.state("3-7"), journal.state("3-8")) == (4, "ended", "never begun")
    assert journal.path.read_bytes().count(b"\n") == 3
    journal.close()
    await end(real.spec)


# -- still devices, sensors, a driver that blocks -------------------------------------------------------------
async def test_one_device_is_halted_alone_and_the_other_goes_on(host: Host) -> None:
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    bench = bench_of(host)
    bench.set("hold")
    acting = [settled(hands, "carry out", act(d, device=d), Repeat.OPAQUE) for d in ("rig", "other")]
    await until(lambda: len(bench.facts) == 2)
    assert await hands.halt(["rig"]) == []
    assert (await acting[0]).verdict == "doubt" and not acting[1].done()
    bench.unset("hold")
    assert (await acting[1]).verdict == "ended"
    assert [fact for fact in bench.facts if fact in ("halt", "rig", "other")].count("halt") == 1
    hands.close()


@pytest.mark.parametrize("repeat", list(Repeat))
async def test_a_halted_device_takes_no_act_over_a_fence_until_it_is_let_go(
    host: Host, repeat: Repeat
) -> None:
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    await hands.halt(["rig"])
    for epoch in (1, 2, 3):
        request = act(f"a{epoch}", VERBS[repeat], epoch=epoch)
        fate = await settled(hands, "carry out", request, repeat)
        assert (fate.verdict, fate.halted, fate.epoch) == ("not done", True, epoch), "nobody's fault"
        assert (
            await settled(hands, "carry out", act(f"b{epoch}", device="other", epoch=epoch), Repeat.OPAQUE)
        ).outcome
        await hands.fence("bench", epoch + 1, [])
    hands.still = frozenset()
    await hands.fence("bench", 5, [])
    fate = await settled(hands, "carry out", act("c", VERBS[repeat], epoch=5), repeat)
    assert fate.verdict == "ended"
    assert [f for f in bench_of(host).facts if f.startswith(("a", "c"))] == ["c"]
    hands.close()


async def test_a_host_that_is_replaced_in_a_stopped_laboratory_stands_still(real: Bench) -> None:
    hands = Hands([real.spec])
    await hands.fence("bench", 1, [])
    await hands.halt()
    pid = holder(real.spec.directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    fate = await settled(hands, "carry out", act("a"), Repeat.OPAQUE)
    assert (fate.verdict, fate.halted) == ("not done", True) and "a" not in real.facts
    assert holder(real.spec.directory) not in (None, pid)
    hands.close()
    await end(real.spec)


async def test_a_sensor_is_read_through_the_same_doors_as_an_act(host: Host) -> None:
    bench = bench_of(host)
    hands = Hands([host.spec])
    await hands.fence("bench", 1, [])
    look = act("look", "again", deadline_s=5.0)
    reading = (await hands.sense(look))["readings"]["seen"]
    assert (reading["value"], reading["unit"]) == (1.0, "K")
    assert (await hands.sense(look.model_copy(update={"args": {"x": 13.0}})))["readings"]["seen"][
        "value"
    ] == "nan"
    assert host.journal.state("look") == "never begun", "it is no act and is not written down"
    for wrong, why in (
        ({"verb": "blind"}, "no repeatable action"),
        ({"verb": "nothing"}, "no repeatable action"),
        ({"args": {"x": 101.0}}, "at most 100"),
        ({"args": {"y": 1.0}}, "no argument"),
    ):
        assert why in (await hands.sense(look.model_copy(update=wrong)))["failed"], wrong
    assert "fenced off" in (await hands.sense(look.model_copy(update={"epoch": 2})))["busy"]
    bench.set("break", "failed")
    assert (await hands.sense(look))["failed"] == "it will not mix"
    bench.set("break", "os")
    assert "port gone" in (await hands.sense(look))["failed"]
    bench.unset("break")
    bench.set("hold")
    assert "failed" in await hands.sense(look.model_copy(update={"deadline_s": 0.05})), "it has its time"
    acting = settled(hands, "carry out", act("a"), Repeat.OPAQUE)
    await until(lambda: "a" in bench.facts)
    assert (await hands.sense(look))["busy"] == "a"
    await hands.halt()
    await acting
    assert (await hands.sense(look))["busy"] == "halted"
    hands.close()


@pytest.mark.parametrize("repeat", list(Repeat))
async def test_a_driver_that_blocks_its_host_is_killed_at_its_deadline(
    real: Bench, monkeypatch: pytest.MonkeyPatch, repeat: Repeat
) -> None:
    """It can not even be halted: its host's loop stands. What becomes of the act goes by its repeat class."""
    hands = Hands([real.spec])
    await hands.fence("bench", 1, [])
    pid = holder(real.spec.directory)
    real.set("block")
    real.set("verdict", "not done")
    monkeypatch.setattr(module, "GRACE_S", 0.3)
    began = asyncio.get_running_loop().time()
    acting = settled(hands, "carry out", act("a", VERBS[repeat], deadline_s=0.5), repeat)
    await until(lambda: "a" in real.facts)
    assert await hands.halt() == ["bench"], "a halt that nobody hears is said to be unheard"
    hands.still = frozenset()
    await until(lambda: holder(real.spec.directory) != pid)
    assert asyncio.get_running_loop().time() - began < 5.0
    real.unset("block")
    monkeypatch.setattr(module, "GRACE_S", 10.0)
    fate = await acting
    expected = {Repeat.REPEATABLE: "ended", Repeat.TESTABLE: "not done", Repeat.OPAQUE: "doubt"}
    assert fate.verdict == expected[repeat], fate
    assert real.facts.count("a") == (2 if repeat is Repeat.REPEATABLE else 1)
    hands.close()
    await end(real.spec)
