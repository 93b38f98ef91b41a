"""The host's memory: nothing whole is lost, nothing is written twice for one fsync, a failed disk is final."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import journal as module
from drivers.journal import Journal, JournalHeld, JournalLost
from drivers.protocol import Attribution, Outcome, Reading
from tests.drivers.rig import facts_in, until

DONE = Outcome(status="succeeded", readings={"m": Reading(value=1.5, unit="g", sigma=0.1)}, ended_s=3.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


async def filled(path: Path, *, epoch: int = 3) -> bytes:
    """A fence, three ended actions, two without an end; the file's bytes."""
    journal = Journal(path)
    await journal.fence(epoch, [])
    for n in range(5):
        await journal.begun(f"a{n}", durable=n % 2 == 0)
        if n < 3:
            await journal.ended(f"a{n}", DONE, durable=n % 2 == 0)
    journal.close()
    return path.read_bytes()


def states(journal: Journal) -> dict[str, str]:
    return {f"a{n}": journal.state(f"a{n}") for n in range(6)}


async def test_a_reopened_journal_knows_what_it_knew(path: Path) -> None:
    await filled(path)
    journal = Journal(path)
    assert journal.epoch == 3
    assert [*states(journal).values()] == ["ended"] * 3 + ["begun, no end"] * 2 + ["never begun"]
    assert journal.outcome("a1") == DONE
    assert journal.outcome("a4") is None
    journal.close()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 5e-324])
async def test_a_reading_that_is_no_number_survives(path: Path, value: float) -> None:
    outcome = Outcome(
        status="failed",
        attribution=Attribution.BAD_READING,
        reason="µ \n\r\u2028 ✓",
        readings={"m": Reading(value=value, unit="K", sigma=value)},
    )
    journal = Journal(path)
    await journal.ended("a", outcome, durable=True)
    journal.close()
    journal = Journal(path)
    got = journal.outcome("a")
    assert got is not None
    assert repr(got.readings["m"].value) == repr(got.readings["m"].sigma) == repr(value)
    assert got.reason == outcome.reason
    await journal.fence(1, ["a"])  # written a second time, from memory
    journal.close()
    journal = Journal(path)
    assert repr(journal.outcome("a")) == repr(outcome)
    journal.close()


async def test_cut_anywhere_it_opens_and_has_every_whole_line(path: Path) -> None:
    data = await filled(path)
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = facts_in(path)
        journal = Journal(path)
        assert not journal._damaged
        for n in range(5):
            expected = "never begun"
            if ("begun", f"a{n}") in whole:
                expected = "ended" if ("ended", f"a{n}") in whole else "begun, no end"
            assert journal.state(f"a{n}") == expected, cut
        await journal.begun("new", durable=False)  # and what is written next stands on a line of its own
        journal.close()
        journal = Journal(path)
        assert journal.state("new") == "begun, no end"
        assert facts_in(path) == [*whole, ("begun", "new")]
        journal.close()


def _damage_goes_unnoticed(path: Path, data: bytes, at: int, byte: int) -> list[str]:
    """Actions that a journal with one byte changed takes for less than they were."""
    path.write_bytes(data[:at] + bytes([byte]) + data[at + 1 :])
    journal = Journal(path)
    seen = states(journal)
    journal.close()
    # Less than it was, and as if it could be done again without a question. The last line may be a torn one.
    return [name for name in ("a0", "a1", "a2", "a3") if seen[name] == "never begun"]


@given(st.data())
@settings(max_examples=200)
def test_a_damaged_byte_makes_nothing_never_begun(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "journal.jsonl"
    good = asyncio.run(filled(path))
    at = data.draw(st.integers(0, good.rindex(b"\n", 0, -1) - 1))  # the last line apart
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != good[at]))
    assert _damage_goes_unnoticed(path, good, at, byte) == []


async def test_control_a_journal_that_stops_at_the_damage_is_found_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = await filled(path)
    records = module._records

    def stops_there(data: bytes) -> tuple[list[dict[str, object]], int, bool]:
        whole = 0
        for line in data.splitlines(keepends=True):
            if records(line)[2]:
                break
            whole += len(line)
        return (*records(data[:whole])[:2], False)

    monkeypatch.setattr(module, "_records", stops_there)
    assert _damage_goes_unnoticed(path, good, good.index(b"a0"), 0) == ["a0", "a1", "a2", "a3"]


async def test_after_damage_the_fence_asks_about_all_that_is_open(path: Path) -> None:
    data = await filled(path)
    path.write_bytes(data.replace(b'"a4"', b'"a5"'))  # a bit has fallen over
    journal = Journal(path)
    assert journal.outcome("a0") == DONE  # what is readable on either side of it is read
    await journal.fence(4, ["a0", "a3", "a4"])
    journal.close()
    journal = Journal(path)
    assert [journal.state(a) for a in ("a0", "a3", "a4", "new")] == [
        "ended", "begun, no end", "begun, no end", "never begun",
    ]  # fmt: skip
    journal.close()


async def test_two_cannot_have_it(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(JournalHeld):
        Journal(path)
    await journal.begun("a", durable=True)  # the refused one has touched nothing
    journal.close()
    journal.close()  # idempotent
    journal = Journal(path)
    assert journal.state("a") == "begun, no end"
    journal.close()


HOLD = """
import asyncio, sys
from pathlib import Path
from drivers.journal import Journal
journal = Journal(Path(sys.argv[1]))
asyncio.run(journal.begun("a", durable=True))
print("held", flush=True)
sys.stdin.read()
"""


async def test_a_killed_process_lets_go(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(JournalHeld):
            Journal(path)
        other.kill()
    journal = Journal(path)
    assert journal.state("a") == "begun, no end"
    journal.close()


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for every fdatasync."""
    seen: list[int] = []
    real = os.fdatasync

    def counted(file: int) -> None:
        seen.append(file)
        real(file)

    monkeypatch.setattr(module.os, "fdatasync", counted)
    return seen


async def test_many_share_one_fsync(path: Path, syncs: list[int]) -> None:
    journal = Journal(path)
    await asyncio.gather(*(journal.begun(f"a{n}", durable=True) for n in range(200)))
    assert 1 <= len(syncs) <= 3
    assert len(facts_in(path)) == 200
    journal.close()


async def test_what_need_not_be_durable_costs_no_fsync(path: Path, syncs: list[int]) -> None:
    journal = Journal(path)
    for n in range(10):
        await journal.begun(f"a{n}", durable=False)
        await journal.ended(f"a{n}", DONE, durable=False)
    assert syncs == []
    assert len(facts_in(path)) == 20  # and yet outlives the process
    await journal.begun("b", durable=True)
    assert len(syncs) == 1
    journal.close()


async def test_begun_returns_after_the_fsync_and_not_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go = threading.Event(), threading.Event()
    real = os.fdatasync

    def slow(file: int) -> None:
        entered.set()
        assert go.wait(30)
        real(file)

    monkeypatch.setattr(module.os, "fdatasync", slow)
    journal = Journal(path)
    beginning = asyncio.create_task(journal.begun("a", durable=True))
    await until(entered.is_set)
    assert not beginning.done()
    ending = asyncio.create_task(journal.ended("a", DONE, durable=True))
    await until(lambda: len(journal._waiting) == 1)
    assert journal.state("a") == "begun, no end"  # not ended before that is on disk
    go.set()
    await asyncio.gather(beginning, ending)
    assert journal.state("a") == "ended"
    journal.close()


def failing(monkeypatch: pytest.MonkeyPatch, *, once: bool) -> tuple[threading.Event, threading.Event]:
    """The disk's answer is an error; `once`: and from then on a lie. (it was asked, it may answer)."""
    failures = iter([OSError(5, "Input/output error")])
    entered, go = threading.Event(), threading.Event()

    def broken(file: int) -> None:
        entered.set()
        assert go.wait(30)
        error = next(failures, None)
        if error is not None:
            raise error
        if not once:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(module.os, "fdatasync", broken)
    return entered, go


async def all_of(*work: asyncio.Task[None]) -> list[object]:
    done, pending = await asyncio.wait(work, timeout=10)
    assert not pending, "somebody is told nothing"
    return [task.exception() for task in done]


@pytest.mark.parametrize("once", [False, True])
async def test_a_failed_fsync_is_final_for_all_who_wait(
    path: Path, monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    entered, go = failing(monkeypatch, once=once)
    journal = Journal(path)
    first = [asyncio.create_task(journal.begun(f"a{n}", durable=True)) for n in range(3)]
    await until(entered.is_set)
    second = [asyncio.create_task(journal.begun(f"b{n}", durable=True)) for n in range(3)]
    await until(lambda: len(journal._waiting) == 3)
    go.set()
    assert {type(error) for error in await all_of(*first, *second)} == {JournalLost}
    for work in (
        journal.begun("c", durable=True), journal.begun("d", durable=False),
        journal.ended("a0", DONE, durable=True), journal.fence(9, []),
    ):  # fmt: skip
        with pytest.raises(JournalLost):
            await work
    assert journal.state("a0") == "begun, no end"
    journal.close()


async def test_control_a_second_fsync_would_be_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, go = failing(monkeypatch, once=True)
    go.set()
    monkeypatch.setattr(Journal, "_refuse_when_lost", lambda self: None)
    journal = Journal(path)
    with pytest.raises(JournalLost):
        await journal.begun("a", durable=True)
    await journal.begun("b", durable=True)  # the lie that the guard is there against
    journal.close()


async def test_a_full_disk_is_a_lost_journal_for_a_line_without_fsync_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    journal = Journal(path)
    monkeypatch.setattr(module.os, "write", full)
    with pytest.raises(JournalLost):
        await journal.begun("a", durable=False)
    monkeypatch.undo()
    with pytest.raises(JournalLost):
        await journal.begun("b", durable=False)
    journal.close()


async def test_the_fence_keeps_what_is_asked_about_and_drops_the_rest(path: Path) -> None:
    size = len(await filled(path))
    journal = Journal(path)
    await journal.fence(7, ["a0", "a3", "unheard of"])
    await journal.begun("after", durable=True)
    assert path.stat().st_size < size
    for reopened in (False, True):
        if reopened:
            journal.close()
            journal = Journal(path)
        assert journal.epoch == 7
        assert [*states(journal).values()] == [
            "ended", "never begun", "never begun", "begun, no end", "never begun", "never begun",
        ]  # fmt: skip
        assert journal.state("after") == "begun, no end"
        assert journal.state("unheard of") == "never begun"
        assert journal.outcome("a0") == DONE
    journal.close()


@pytest.mark.parametrize("where", ["fsync", "replace"])
async def test_a_fence_that_breaks_off_leaves_the_old_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before = await filled(path)

    def broken(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((module.os, "fsync", broken) if where == "fsync" else (Path, "replace", broken)))
    journal = Journal(path)
    with pytest.raises(JournalLost):
        await journal.fence(9, [])
    with pytest.raises(JournalLost):
        await journal.begun("b", durable=False)
    journal.close()
    monkeypatch.undo()
    assert path.read_bytes() == before
    journal = Journal(path)
    assert (journal.epoch, journal.state("a0")) == (3, "ended")
    await journal.fence(9, ["a0"])  # over the half of a file that was left beside it
    assert (journal.epoch, journal.state("a0")) == (9, "ended")
    journal.close()


async def test_the_epoch_never_goes_back(path: Path) -> None:
    journal = Journal(path)
    await asyncio.gather(*(journal.fence(epoch, []) for epoch in (4, 9, 2, 9, 7)))
    assert journal.epoch == 9
    await journal.begun("a", durable=True)
    await journal.fence(3, [])
    assert journal.state("a") == "begun, no end"  # nothing is forgotten for an engine that is stale
    journal.close()
    journal = Journal(path)
    assert (journal.epoch, journal.state("a")) == (9, "begun, no end")
    journal.close()


async def lost_beside_a_fence(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is gone from the disk of the acts that begin and end while the file is replaced."""
    journal = Journal(path)
    entered, go = threading.Event(), threading.Event()
    rewrite = journal._rewrite

    def slow(data: bytes) -> object:
        entered.set()
        assert go.wait(30)
        return rewrite(data)

    monkeypatch.setattr(journal, "_rewrite", slow)
    await journal.begun("old", durable=True)
    fencing = asyncio.create_task(journal.fence(5, ["old"]))
    await until(entered.is_set)
    writing = [
        asyncio.create_task(journal.ended("old", DONE, durable=True)),
        asyncio.create_task(journal.begun("new", durable=True)),
        asyncio.create_task(journal.begun("light", durable=False)),
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(fencing, *writing)
    journal.close()
    journal = Journal(path)
    expected = {"old": "ended", "new": "begun, no end", "light": "begun, no end"}
    lost = [name for name, state in expected.items() if journal.state(name) != state]
    journal.close()
    return lost


async def test_nothing_written_beside_a_fence_is_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await lost_beside_a_fence(path, monkeypatch) == []


async def test_control_a_line_that_does_not_wait_for_the_fence_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(self: Journal, line: bytes, durable: bool, ended: object) -> None:
        module._write_all(self._file, line)

    monkeypatch.setattr(Journal, "_append", at_once)
    assert await lost_beside_a_fence(path, monkeypatch) == ["old", "new", "light"]


async def test_fences_among_many_writers_lose_nothing(path: Path) -> None:
    journal = Journal(path)
    ids = [f"a{n}" for n in range(60)]

    async def one(name: str) -> None:
        await journal.begun(name, durable=True)
        await journal.ended(name, DONE, durable=True)

    async def fences() -> None:
        for epoch in range(1, 15):
            await journal.fence(epoch, ids)

    await asyncio.gather(fences(), *(one(name) for name in ids), fences())
    journal.close()
    journal = Journal(path)
    assert {journal.state(name) for name in ids} == {"ended"}
    journal.close()


async def test_the_files_are_for_this_user_alone(path: Path) -> None:
    await filled(path)
    assert {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir()} == {
        "journal.jsonl": 0o600, "journal.lock": 0o600,
    }  # fmt: skip
