"""The driver `human`: a task is asked, answered, withdrawn, escalated, and outlives the host."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers import contract
from drivers.binding import bind
from drivers.contract import Case
from drivers.human import person
from drivers.human.person import Human
from drivers.human.tasks import (
    AnswerRejected,
    Closed,
    TaskClosed,
    TaskFolder,
    TaskNotFound,
    answer,
    fail,
    open_tasks,
)
from drivers.protocol import Attribution, Outcome, Repeat
from tests.drivers.human.conftest import asked, somebody, technician
from tests.drivers.laboratory import request
from tests.drivers.pages import printed

GOOD = {"mass": 123.4, "look": "cracked", "colour": "grey"}
WEIGH: dict[str, Any] = {"crucible": "quartz", "repeats": 3}


def weigh(id: str = "x1") -> Any:
    return request("technician", "weigh", "s7", id, **WEIGH)


def began(one: Human, id: str = "x1") -> asyncio.Task[Outcome]:
    return asyncio.create_task(one.act(weigh(id)))


async def test_the_printed_laboratory_asks_and_gives_what_was_answered(tmp_path: Path, host: Path) -> None:
    act = began(technician(host))
    (task,) = await asked(tmp_path)
    assert task.instruction == "Weigh s7 in the crucible of quartz, 3 times, and give the mean."
    assert (task.device, task.verb, task.sample, task.action) == ("technician", "weigh", "s7", "x1")
    assert task.deadline_at - task.asked_at == 7200
    photo = tmp_path / "pan.JPG"
    photo.write_bytes(b"\xff\xd8 a photograph")
    answer(tmp_path, "x1", {**GOOD, "remark": "dusty", "photo": str(photo)}, by="Ada")
    outcome = await asyncio.wait_for(act, 5)
    assert outcome.status == "succeeded", outcome
    assert {name: (one.value, one.unit) for name, one in outcome.readings.items()} == {
        "mass": (123.4, "mg"), "look": (0.0, ""),
    }  # fmt: skip
    assert outcome.record["said"] == {"look": "cracked", "colour": "grey", "remark": "dusty"}
    assert outcome.record["by"] == "Ada" and abs(outcome.record["answered_at"] - time.time()) < 10
    kept = outcome.record["files"]["photo"]
    assert (kept["name"], kept["bytes"]) == ("pan.JPG", 15)
    copy = host / "tasks" / kept["kept"]
    assert kept["sha256"] == hashlib.sha256(photo.read_bytes()).hexdigest()
    assert copy.read_bytes() == photo.read_bytes() and copy.suffix == ".JPG"
    assert open_tasks(tmp_path) == []


def test_it_stands_in_both_realities_and_declares_its_form() -> None:
    lab = printed("instruments/human.md", {})
    for reality in ("real", "simulated"):
        spec = bind(lab.model_copy(update={"reality": reality}))["technician"].spec
    one = spec.actions["weigh"]
    assert set(one.results) == {"mass", "look"} and (
        one.results["mass"].unit,
        one.results["mass"].at_most,
    ) == ("mg", 500)
    assert 60 + 3 * one.takes_s > 7200  # the task's own deadline comes before the engine's
    assert spec.actions["approve"].results["approved"].at_most == 1


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({**GOOD, "mass": -1}, "mass: -1 mg given, at least 0 mg is allowed"),
        ({**GOOD, "mass": "500.1"}, "mass: 500.1 mg given, at most 500 mg is allowed"),
        ({**GOOD, "mass": "0.1 g"}, "mass: wanted a number in mg, got one in g"),
        ({**GOOD, "mass": "12 K"}, "mass: wanted a number in mg, got one in K"),
        ({**GOOD, "mass": "much"}, "mass: wanted a number mg, got 'much'"),
        ({**GOOD, "mass": "nan"}, "mass: wanted a number mg"),
        ({**GOOD, "mass": float("inf")}, "mass: wanted a finite number mg"),
        ({**GOOD, "mass": "1e999"}, "mass: wanted a finite number mg"),
        ({**GOOD, "mass": True}, "mass: wanted a finite number mg"),
        ({**GOOD, "look": "fine"}, "look: wanted one of whole, cracked, got 'fine'"),
        ({**GOOD, "colour": ""}, "colour: it is missing"),
        ({**GOOD, "size": 3}, "size: there is no such field"),
        ({**GOOD, "photo": "/no/such/file"}, "photo: wanted a file, there is none at /no/such/file"),
        ({**GOOD, "remark": "a" * 10_001}, "remark: wanted at most 10000 characters"),
    ],
)  # fmt: skip
async def test_an_answer_that_the_form_does_not_allow_is_refused_at_the_door(
    tmp_path: Path, host: Path, fields: dict[str, Any], fault: str
) -> None:
    act = began(technician(host))
    await asked(tmp_path)
    with pytest.raises(AnswerRejected) as refused:
        answer(tmp_path, "x1", fields, by="Ada")
    assert len(refused.value.faults) == 1 and fault in str(refused.value)
    assert [task.action for task in open_tasks(tmp_path)] == ["x1"] and not act.done()
    assert not list((host / "tasks" / "files").rglob("*.*"))
    answer(tmp_path, "x1", GOOD, by="Ada")
    assert (await asyncio.wait_for(act, 5)).status == "succeeded"


async def test_every_fault_is_said_at_once_and_other_units_are_converted(tmp_path: Path, host: Path) -> None:
    act = began(technician(host))
    await asked(tmp_path)
    with pytest.raises(AnswerRejected) as refused:
        answer(tmp_path, "x1", {"mass": 501}, by=" ")
    assert len(refused.value.faults) == 4  # mass, look, colour, by

    def convert(value: float, unit: str, to: str) -> float:
        if (unit, to) != ("g", "mg"):
            raise ValueError(f"{unit} cannot be converted to {to}")
        return value * 1000

    with pytest.raises(AnswerRejected, match="K cannot be converted to mg"):
        answer(tmp_path, "x1", {**GOOD, "mass": "1 K"}, by="Ada", convert=convert)
    with pytest.raises(AnswerRejected, match="501 mg given"):
        answer(tmp_path, "x1", {**GOOD, "mass": "0.501 g"}, by="Ada", convert=convert)
    answer(tmp_path, "x1", {**GOOD, "mass": "0.25 g"}, by="Ada", convert=convert)
    assert (await asyncio.wait_for(act, 5)).readings["mass"].value == 250


async def test_a_task_is_closed_once(tmp_path: Path, host: Path) -> None:
    act = began(technician(host))
    await asked(tmp_path)
    closed = [answer(tmp_path, "x1", GOOD, by="Ada")]
    for again in (
        lambda: answer(tmp_path, "x1", {**GOOD, "mass": 1.0}, by="Bo"),
        lambda: fail(tmp_path, "x1", "no", by="Bo"),
        lambda: TaskFolder(host).close("x1", Closed(how="withdrawn", by="host", at=0.0)),
    ):
        with pytest.raises(TaskClosed, match="answered by Ada"):
            again()
    assert TaskFolder(host).closed("x1") == closed[0]
    assert (await asyncio.wait_for(act, 5)).readings["mass"].value == 123.4
    with pytest.raises(TaskNotFound, match="there is no task 'x2'"):
        answer(tmp_path, "x2", GOOD, by="Ada")


async def test_what_cannot_be_done_is_a_failed_act_with_its_reason(tmp_path: Path, host: Path) -> None:
    act = began(technician(host))
    await asked(tmp_path)
    with pytest.raises(AnswerRejected, match="reason: it is missing"):
        fail(tmp_path, "x1", " ", by="Ada")
    fail(tmp_path, "x1", "the crucible broke", by="Ada", attribution=Attribution.INFEASIBLE)
    outcome = await asyncio.wait_for(act, 5)
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.INFEASIBLE)
    assert outcome.reason == "failed by Ada: the crucible broke"


async def test_the_deadline_withdraws_the_task(tmp_path: Path, host: Path) -> None:
    outcome = await technician(host, deadline_s=0.3, escalate=None).act(weigh())
    assert (outcome.status, outcome.attribution) == ("failed", Attribution.LOGISTICS)
    assert "no answer before the deadline" in outcome.reason
    with pytest.raises(TaskClosed, match="withdrawn by technician"):
        answer(tmp_path, "x1", GOOD, by="Ada")


async def test_a_halt_withdraws_what_is_waited_for(tmp_path: Path, host: Path) -> None:
    one = technician(host)
    act = began(one)
    await asked(tmp_path)
    await one.halt()
    outcome = await asyncio.wait_for(act, 5)
    assert outcome.status == "failed" and "the laboratory was stopped" in outcome.reason
    assert open_tasks(tmp_path) == []


async def test_escalation_is_written_and_its_command_is_run_once(tmp_path: Path, host: Path) -> None:
    called = tmp_path / "called"
    script = tmp_path / "page.sh"
    script.write_text(f'#!/bin/sh\necho "$1 $2" >> {called}\n')
    script.chmod(0o755)
    escalate = {"after_s": 0.2, "to": "Bo", "command": [str(script), "shift"]}
    one = technician(host, escalate=escalate)
    act = began(one)
    async with asyncio.timeout(10):
        while not called.exists():
            await asyncio.sleep(0.01)
    (task,) = open_tasks(tmp_path)
    assert task.escalation is not None and task.escalation.to == "Bo" and task.escalation.at is not None
    act.cancel()  # the host is killed
    await asyncio.gather(act, return_exceptions=True)
    again = began(technician(host, escalate=escalate))
    await asyncio.sleep(0.6)
    answer(tmp_path, "x1", GOOD, by="Bo")
    assert (await asyncio.wait_for(again, 5)).status == "succeeded"
    assert called.read_text().splitlines() == [f"shift {host / 'tasks' / 'x1.json'}"]
    await one.disconnect()


async def test_a_task_outlives_the_host_and_counts_when_it_is_asked_for_again(
    tmp_path: Path, host: Path
) -> None:
    act = began(technician(host))
    (task,) = await asked(tmp_path)
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    assert open_tasks(tmp_path) == [task]
    again = began(technician(host))
    await asyncio.sleep(0.3)
    assert open_tasks(tmp_path) == [task]  # the same task, the same deadline
    answer(tmp_path, "x1", GOOD, by="Ada")
    first = await asyncio.wait_for(again, 5)
    assert first.readings["mass"].value == 123.4
    assert (
        await technician(host).act(weigh())
    ).readings == first.readings  # answered while no host was there


async def test_a_task_that_a_later_attempt_replaces_is_withdrawn(tmp_path: Path, host: Path) -> None:
    act = began(technician(host))
    await asked(tmp_path)
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    again = began(technician(host), "x2")
    async with asyncio.timeout(10):
        while [task.action for task in open_tasks(tmp_path)] != ["x2"]:
            await asyncio.sleep(0.01)
    with pytest.raises(TaskClosed, match="withdrawn"):
        answer(tmp_path, "x1", GOOD, by="Ada")
    answer(tmp_path, "x2", GOOD, by="Ada")
    assert (await asyncio.wait_for(again, 5)).status == "succeeded"


async def test_it_testifies_by_what_is_on_disk(
    tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "ASK_S", 0.3)
    one = technician(host, repeat="testable")
    assert one.spec.actions["weigh"].repeat is Repeat.TESTABLE
    assert (await one.testify(weigh())).verdict == "not done"
    act = began(one)
    await asked(tmp_path)
    act.cancel()
    await asyncio.gather(act, return_exceptions=True)
    assert (await one.testify(weigh())).verdict == "unknown"
    answer(tmp_path, "x1", GOOD, by="Ada")
    done = await one.testify(weigh())
    assert (done.verdict, done.readings["mass"].value) == ("done", 123.4)
    act = began(one, "x3")
    await asked(tmp_path)
    fail(tmp_path, "x3", "no", by="Ada")
    await asyncio.wait_for(act, 5)
    assert (await one.testify(weigh("x3"))).verdict == "not done"


@pytest.mark.parametrize("id", ["../../x", "x0003.probe.1", "a/b", "é" * 200, ".", "..", "closed", ".json"])
async def test_ids_are_no_paths(tmp_path: Path, host: Path, id: str) -> None:
    act = began(technician(host), id)
    (task,) = await asked(tmp_path)
    assert task.action == id
    answer(tmp_path, id, GOOD, by="Ada")
    assert (await asyncio.wait_for(act, 5)).status == "succeeded"
    assert {path.parent for path in tmp_path.rglob("*.json")} == {host / "tasks", host / "tasks" / "closed"}


def test_files_that_are_no_tasks_are_left_out(tmp_path: Path, host: Path) -> None:
    tasks = host / "tasks"
    tasks.mkdir()
    (tasks / "a.json").write_text("{")
    (tasks / "b.json").write_text(json.dumps({"action": "b"}))
    os.mkfifo(tasks / "c.txt")
    assert open_tasks(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"instruction": "Heat {sample} to {heat}."}, "speaks of {heat}, which is no parameter"),
        ({"fields": {"a": {"kind": "choice"}}}, "choices belong to kind 'choice'"),
        ({"fields": {"a": {"kind": "text", "unit": "K"}}}, "a text has neither unit nor bounds"),
        ({"fields": {"a": {"at_least": 2, "at_most": 1}}}, "at_least 2 is above at_most 1"),
        ({"escalate": {"after_s": 7200, "to": "Bo"}}, "escalates only after its deadline"),
        ({"parameters": {"action": {}}}, "no argument can be called 'action'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], fault: str) -> None:
    weigh = {
        **printed("instruments/human.md", {}).devices["technician"].settings["actions"]["weigh"],
        **changes,
    }
    with pytest.raises(ValidationError) as refused:
        Human.Settings.model_validate({"actions": {"weigh": weigh}})
    assert fault in str(refused.value)


@pytest.mark.parametrize("repeat", ["repeatable", "testable"])
@pytest.mark.parametrize("promise", [name for name in vars(contract) if name.startswith("keeps_")])
async def test_it_keeps_the_contract(
    tmp_path: Path, promise: str, repeat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "ASK_S", 0.3)
    actions = printed("instruments/human.md", {}).devices["technician"].settings["actions"]
    actions = {verb: {**one, "repeat": repeat} for verb, one in actions.items()}
    one = await Case("human", {"actions": actions}).ready(tmp_path)
    async with somebody(tmp_path, lambda task: GOOD if task.verb == "weigh" else {"approved": "yes"}):
        await getattr(contract, promise)(one)
    await one.disconnect()
