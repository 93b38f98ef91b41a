"""Labels through the driver: what the issue calls bad input ends as it should, and the next act works."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from drivers.errors import ArgumentRejected, SettingsError
from drivers.labelers.emt import EMTLabeler
from drivers.labelers.job import Ended
from drivers.labelers.labeler import Labeler, installed
from drivers.protocol import Attribution
from tests.drivers.labelers.faulty import FaultyLabeler
from tests.drivers.labelers.laboratory import COPPER, connected, cubic, diamond, do, fcc


def tally(directory: Path) -> list[str]:
    path = directory / "tally"
    return path.read_text().splitlines() if path.exists() else []


def faulty(directory: Path, *more: dict[str, Any], **settings: Any) -> Any:
    return connected(FaultyLabeler, directory, *more, tally=str(directory / "tally"), **settings)


async def until(condition: Any, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_each_bad_crystal_is_a_failed_label_with_the_reason_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    many = {"lattice": [[30, 0, 0], [0, 30, 0], [0, 0, 30]], "species": ["Cu"] * 500}
    many["frac"] = [[i / 8, j / 8, k / 8] for i in range(8) for j in range(8) for k in range(8)][:500]
    bad = [
        (fcc("Xx", 3.6), "unknown element Xx"),
        (fcc("Fe", 2.8), "EMT has no potential for Fe; it has Al, Cu"),
        (cubic(["Cu", "Cu"], [[0, 0, 0], [0.05, 0.05, 0.05]], 3.6), "overlapping atoms: Cu and Cu are 0.312 angstrom"),
        (fcc("Cu", 1.2), "overlapping atoms: Cu and Cu are 0.849 angstrom"),
        (many, "500 atoms in the cell, at most 200"),
    ]  # fmt: skip
    async with connected(EMTLabeler, tmp_path) as labeler:
        for structure, complaint in bad:
            outcome = await do(labeler, "energy", structure)
            assert (outcome.status, outcome.attribution) == ("failed", Attribution.INFEASIBLE)
            assert complaint in outcome.reason
            assert outcome.record["fidelity"] == "potential" and outcome.readings == {}
        for empty in ({"species": [], "frac": []}, {"lattice": [[0, 0, 0]] * 3}, {"species": [{"Cu": 0.5}]}):
            with pytest.raises(ArgumentRejected):
                await do(labeler, "energy", COPPER | empty)
        good = await do(labeler, "energy", COPPER)
        assert good.status == "succeeded" and good.readings["energy"].value == pytest.approx(
            -0.0067, abs=1e-4
        )


async def test_each_fault_of_a_code_is_a_failed_label_and_the_pool_goes_on(tmp_path: Path) -> None:
    async with faulty(tmp_path) as labeler:
        crash = await do(labeler, "energy", fcc("Ar", 5.3))
        assert (crash.status, crash.attribution) == ("failed", Attribution.INSTRUMENT)
        assert "crashed (signal SIGSEGV)" in crash.reason
        odd = await do(labeler, "energy", fcc("Xe", 6.2))
        assert "crashed (exit code 1)" in odd.reason and "something odd" in odd.reason
        unsettled = await do(labeler, "energy", fcc("K", 5.3))
        assert "not converged on any rung of the ladder: no convergence, damped" in unsettled.reason
        assert [attempt["converged"] for attempt in unsettled.record["attempts"]] == [False, False]
        settled = await do(labeler, "energy", fcc("Na", 5.3))
        assert settled.status == "succeeded" and settled.record["rung"] == "damped"
        assert settled.record["attempts"][0]["reason"] == "no convergence, as set"
        assert settled.record["attempts"][1]["settings"] == {"mixing": 0.1}
        nothing = await do(labeler, "energy", fcc("He", 4.2))
        assert nothing.status == "succeeded" and math.isnan(nothing.readings["energy"].value)
        absurd = await do(labeler, "energy", fcc("Ne", 4.4))
        bounds = labeler.spec.actions["energy"].results["energy"]
        assert not bounds.at_least <= absurd.readings["energy"].value <= bounds.at_most
        assert (await do(labeler, "energy", COPPER)).status == "succeeded"
        before = len(tally(tmp_path))
        for again in ("Ar", "He"):  # what is no result is not kept
            await do(labeler, "energy", fcc(again, {"Ar": 5.3, "He": 4.2}[again]))
        await do(labeler, "energy", fcc("K", 5.3))  # what would only fail again is
        assert len(tally(tmp_path)) == before + 2


async def test_a_time_limit_ends_the_label_and_all_its_processes_and_keeps_what_there_was(
    tmp_path: Path,
) -> None:
    async with faulty(tmp_path, time_limit_s=3.0) as labeler:
        await do(labeler, "energy", fcc("Ag", 4.1))  # the worker has started: now only the calculation counts
        outcome = await do(labeler, "relax", fcc("Cu", 3.4), fmax=0.0001)
        assert (outcome.status, outcome.attribution) == ("failed", Attribution.INSTRUMENT)
        assert outcome.reason == "time limit: not done within 3 s"
        partial = outcome.record["partial"]
        assert partial["step"] >= 1 and partial["structure"]["species"] == ["Cu"]
        assert partial["structure"]["lattice"] != fcc("Cu", 3.4)["lattice"]
        child = int(tally(tmp_path)[-1].split()[1])
        await until(lambda: not _runs(child))
        assert (await do(labeler, "energy", fcc("Na", 5.3))).status == "succeeded"


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_a_halt_ends_what_runs_and_later_acts_are_allowed(tmp_path: Path) -> None:
    async with faulty(tmp_path) as labeler:
        running = asyncio.create_task(do(labeler, "energy", fcc("Kr", 5.7)))
        await until(lambda: any("child" in line for line in tally(tmp_path)))
        await labeler.halt()
        for _ in range(
            20
        ):  # turns of the loop: nothing is waited for, a host breaks off what does not end at once
            await asyncio.sleep(0)
        assert running.done()
        outcome = running.result()
        assert (outcome.status, outcome.reason) == ("failed", "halted")
        await until(lambda: not _runs(int(tally(tmp_path)[-1].split()[1])))
        assert (await do(labeler, "energy", COPPER)).status == "succeeded"
        broken_off = asyncio.create_task(do(labeler, "energy", fcc("Kr", 5.7)))
        await until(lambda: len([line for line in tally(tmp_path) if "child" in line]) == 2)
        broken_off.cancel()
        with pytest.raises(asyncio.CancelledError):
            await broken_off
        await until(lambda: not _runs(int(tally(tmp_path)[-1].split()[1])))


async def test_a_worker_whose_parent_is_gone_ends_with_its_children(tmp_path: Path) -> None:
    job = {
        "verb": "energy", "structure": fcc("Kr", 5.7), "arguments": {}, "settings": {"tally": str(tmp_path / "tally")},
        "worker": "tests.drivers.labelers.faulty_code:FaultyCode",
    }  # fmt: skip
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "drivers.labelers.workers",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(job).encode() + b"\n")
    await until(lambda: any("child" in line for line in tally(tmp_path)))
    worker.stdin.close()  # what the death of a host does
    await worker.wait()
    await until(lambda: not _runs(int(tally(tmp_path)[-1].split()[1])))


async def test_the_same_question_is_calculated_once(tmp_path: Path) -> None:
    async with faulty(tmp_path) as labeler:
        first = await do(labeler, "energy", COPPER)
        second = await do(labeler, "energy", COPPER)
        assert first.readings == second.readings
        assert (first.record["cached"], second.record["cached"]) == (False, True)
        assert len(tally(tmp_path)) == 1
        entry = next((tmp_path / "labels").rglob("*.json"))
        entry.write_bytes(entry.read_bytes().replace(b"energy", b"Energy"))
        third = await do(labeler, "energy", COPPER)
        assert "was calculated anew" in third.record["cache_fault"] and third.readings == first.readings
        assert len(tally(tmp_path)) == 2
        assert "cache_fault" not in (await do(labeler, "energy", COPPER)).record
    async with faulty(tmp_path) as restarted:
        assert (await do(restarted, "energy", COPPER)).record["cached"]
    async with faulty(tmp_path, release="2") as newer:
        assert not (await do(newer, "energy", COPPER)).record["cached"]


async def test_labelers_of_one_host_share_workers_labels_and_what_is_in_hand(tmp_path: Path) -> None:
    async with faulty(tmp_path, {}, {}) as (one, two):
        both = await asyncio.gather(do(one, "energy", COPPER), do(two, "energy", COPPER))
        assert both[0].readings == both[1].readings
        assert sorted(outcome.record["cached"] for outcome in both) == [False, True]
        assert len(tally(tmp_path)) == 1
        await asyncio.gather(do(one, "energy", fcc("Au", 4.1)), do(two, "energy", fcc("Ag", 4.1)))
        assert (
            len({line.split()[1] for line in tally(tmp_path)[1:]}) == 2
        )  # at the same time, in two processes


async def test_one_that_waits_for_another_calculates_when_the_other_is_halted(tmp_path: Path) -> None:
    async with faulty(tmp_path, {}, {"time_limit_s": 2.0}) as (one, two):
        first = asyncio.create_task(do(one, "energy", fcc("Kr", 5.7)))
        await until(lambda: any("child" in line for line in tally(tmp_path)))
        second = asyncio.create_task(do(two, "energy", fcc("Kr", 5.7)))
        await asyncio.sleep(0)
        await one.halt()
        assert (await first).reason == "halted"
        assert (await second).reason == "time limit: not done within 2 s"
        before = len(tally(tmp_path))
        third = asyncio.create_task(do(one, "energy", fcc("Kr", 5.7)))
        await until(lambda: len(tally(tmp_path)) > before)
        fourth = asyncio.create_task(do(two, "energy", fcc("Kr", 5.7)))
        await asyncio.sleep(0)
        await two.halt()  # ends its own waiting, not the other's calculation
        assert (await fourth).reason == "halted" and not third.done()
        await one.halt()
        await third


async def test_a_label_that_cannot_be_kept_is_a_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(EMTLabeler, tmp_path) as labeler:

        def full(key: str, ended: Ended) -> None:
            raise OSError("no space left")

        monkeypatch.setattr(labeler._cache, "put", full)
        outcome = await do(labeler, "energy", COPPER)
        assert outcome.status == "succeeded" and "no space left" in outcome.record["cache_fault"]


async def test_every_record_says_where_its_numbers_come_from(tmp_path: Path) -> None:
    async with connected(EMTLabeler, tmp_path) as labeler:
        outcome = await do(labeler, "relax", diamond("Al", 6.5) | {"magmoms": [0.0, 0.0]}, keep_symmetry=True)
    record = outcome.record
    assert outcome.status == "succeeded", outcome.reason
    assert "expected_error" not in record  # nobody knows it
    assert {
        "code",
        "version",
        "method",
        "fidelity",
        "settings",
        "verb",
        "arguments",
        "key",
        "structure_key",
    } < set(record)
    assert {"wall_s", "cpu_s", "cached", "rung", "forces", "stress", "relaxed", "trajectory"} < set(record)
    assert record["arguments"]["fmax"] == 0.05 and record["rung"] == "as set"


def test_what_is_not_installed_is_said_with_the_cure() -> None:
    with pytest.raises(SettingsError, match=r"pip install 'alquimia-lab\[chgnet\]'"):
        installed("no-such-package", "chgnet")


async def test_a_cache_that_cannot_be_one_is_said_when_the_device_is_connected(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="name a folder"):
        async with connected(EMTLabeler, tmp_path, cache=str(tmp_path / "file")):
            pass


def test_the_deadline_of_an_engine_comes_after_the_labelers_own() -> None:
    spec = EMTLabeler.describe(EMTLabeler.Settings(time_limit_s=900.0))
    assert {60 + 3 * one.takes_s for one in spec.actions.values()} == {960.0}
    verbs = {"energy", "relax", "equation_of_state", "elastic", "thermal", "dynamics"}
    assert set(spec.actions) == verbs and not spec.simulated


def test_a_labeler_must_say_its_method() -> None:
    with pytest.raises(NotImplementedError):
        Labeler.describe(Labeler.Settings())
