"""The driver `human`: an act is a task for a person; its readings are the numbers of the answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Annotated, Any

import structlog
from pydantic import Field, field_validator, model_validator

from drivers.configured import ConfiguredDriver, Entry, Name, ParameterEntry, not_taken
from drivers.driver import ActionFailed, Attribution, Driver, Given, LabContext, Reading, Repeat, Testimony
from drivers.human.folder import Closed, Escalation, Task, TaskClosed, TaskFolder
from drivers.human.form import FieldEntry
from drivers.protocol import Action, ActionSpec, ResultSpec

log = structlog.get_logger()

LOOK_S = 0.2  # how often it is looked for an answer
ASK_S = 40.0  # how long an open task is waited for when asked what became of it
CALL_S = 60.0  # how long an escalation's command may run
PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class EscalationEntry(Entry):
    """Nobody answered for `after_s`: the task says that it is for `to`, and `command` is run with the task's file."""

    after_s: float = Field(gt=0)
    to: str = Field(min_length=1)
    command: Annotated[tuple[str, ...], Field(strict=False)] = ()


class HumanAction(Entry):
    """One thing a person is asked to do. `{name}` in the instruction is an argument; `{sample}` the sample.

    Numbers that are not optional, and choices that mean numbers, are readings; the rest is in the record.
    """

    instruction: str = Field(min_length=1)
    parameters: Mapping[Name, ParameterEntry] = Field(default_factory=dict)
    fields: Mapping[Name, FieldEntry] = Field(default_factory=dict)
    deadline_s: float = Field(default=3600.0, gt=0)
    escalate: EscalationEntry | None = None
    repeat: Repeat = Field(default=Repeat.REPEATABLE, strict=False)

    @field_validator("parameters")
    @classmethod
    def _free_names(cls, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        return not_taken(parameters)

    @model_validator(mode="after")
    def _whole(self) -> HumanAction:
        if strangers := [
            name for name in PLACE.findall(self.instruction) if name not in {*self.parameters, "sample"}
        ]:
            raise ValueError(f"the instruction speaks of {{{strangers[0]}}}, which is no parameter")
        if self.escalate is not None and self.escalate.after_s >= self.deadline_s:
            raise ValueError("it escalates only after its deadline")
        return self

    def results(self) -> dict[str, ResultSpec]:
        """The readings that the form gives."""
        found = {name: field.result() for name, field in self.fields.items()}
        return {name: result for name, result in found.items() if result is not None}


class Human(ConfiguredDriver):
    """A person who is asked to do things and answers by a form."""

    computes = (
        True  # a person can stand in a simulated laboratory, too: what they report belongs to that laboratory
    )

    class Settings(Driver.Settings):
        actions: Mapping[Name, HumanAction] = Field(min_length=1)

    safe_state = "nobody is asked for anything: open tasks are withdrawn"

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self.tasks = TaskFolder(lab.directory)
        self._waiting: set[str] = set()
        self._calls: set[asyncio.Task[None]] = set()

    @classmethod
    def declared(cls, settings: Any) -> Mapping[str, ActionSpec]:
        """An engine gives an act a minute and three times its duration: a third of the deadline is declared, so that
        the task's own deadline comes first.
        """
        return {
            verb: ActionSpec(
                parameters={name: parameter.spec() for name, parameter in one.parameters.items()},
                results=one.results(),
                repeat=one.repeat,
                takes_s=one.deadline_s / 3,
                doc=one.instruction,
            )
            for verb, one in settings.actions.items()
        }

    async def carry_out(self, action: Action, **arguments: Any) -> Given:
        """Ask, and wait for the answer. The same action again is the same task, also after a restart."""
        self._waiting.add(action.id)  # before anybody is asked: a halt from now on withdraws the task
        try:
            task = await asyncio.to_thread(self.tasks.ask, self._task(action, arguments))
            await self._withdraw_orphans(action.id)
            while (closed := self.tasks.closed(action.id)) is None:
                now = time.time()
                if now >= task.deadline_at:
                    await self._withdraw(action.id, "no answer before the deadline")
                    continue
                due = task.escalation
                if due is not None and due.at is None and now >= due.due_at:
                    task = await self._escalated(task, action.verb)
                await asyncio.sleep(min(LOOK_S, max(0.0, task.deadline_at - now)))
        finally:
            self._waiting.discard(action.id)
        return self._given(action, closed)

    async def halt(self) -> None:
        """Withdraw the tasks that are waited for: nobody shall go on with them."""
        stopped = "the laboratory was stopped"
        await asyncio.gather(*(self._withdraw(action, stopped) for action in tuple(self._waiting)))

    async def make_safe(self) -> None:
        """The same as halt."""
        await self.halt()

    async def is_safe(self) -> bool:
        """Whether no task of this device is open."""
        return not any(task.device == self.name for task in self.tasks.open())

    async def disconnect(self) -> None:
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def testify(self, action: Action) -> Testimony:
        """What the task's files say. One that is still open is waited for a while."""
        self.check(action)
        if self.tasks.task(action.id) is None:
            return Testimony(verdict="not done", reason="nobody was asked")
        until = time.monotonic() + ASK_S
        while (closed := self.tasks.closed(action.id)) is None:
            if time.monotonic() > until:
                return Testimony(verdict="unknown", reason="the task is still open")
            await asyncio.sleep(LOOK_S)
        if closed.how != "answered":
            return Testimony(verdict="not done", reason=f"{closed.how} by {closed.by}: {closed.reason}")
        return Testimony(
            verdict="done", readings=self._readings(action.verb, closed), reason=f"answered by {closed.by}"
        )

    def _task(self, action: Action, arguments: Mapping[str, Any]) -> Task:
        one, now = self.settings.actions[action.verb], time.time()
        escalation = None
        if one.escalate is not None:
            escalation = Escalation(to=one.escalate.to, due_at=now + one.escalate.after_s)
        return Task(
            action=action.id,
            device=self.name,
            verb=action.verb,
            instruction=instruction(one, arguments, action.sample),
            sample=action.sample,
            arguments=arguments,
            form=one.fields,
            asked_at=now,
            deadline_at=now + one.deadline_s,
            escalation=escalation,
        )

    def _given(self, action: Action, closed: Closed) -> Given:
        record: dict[str, Any] = {"by": closed.by, "answered_at": closed.at}
        if closed.how != "answered":
            whose = closed.attribution or Attribution.LOGISTICS
            raise ActionFailed(whose, f"{closed.how} by {closed.by}: {closed.reason}", record)
        readings = self._readings(action.verb, closed)
        # Numbers that are readings are not said twice; what a choice was called is.
        said = {
            name: value
            for name, value in closed.values.items()
            if name not in readings or isinstance(value, str)
        }
        record |= {"said": said, "files": {name: dict(one) for name, one in closed.files.items()}}
        return Given(readings, {key: value for key, value in record.items() if value != {}})

    def _readings(self, verb: str, closed: Closed) -> dict[str, Reading]:
        one, readings = self.settings.actions[verb], {}
        for name, result in one.results().items():
            value, choices = closed.values[name], one.fields[name].choices
            number = choices[value] if isinstance(choices, Mapping) else value
            readings[name] = Reading(value=float(number), unit=result.unit)
        return readings

    async def _withdraw_orphans(self, action: str) -> None:
        """Tasks that an earlier attempt left open: nobody waits for their answers any more."""
        for other in self.tasks.open():
            if other.device == self.name and other.action not in self._waiting:
                await self._withdraw(other.action, f"{action} came in its place")

    async def _withdraw(self, action: str, reason: str) -> None:
        """An answer that came first counts."""
        closed = Closed(how="withdrawn", by=self.name, at=time.time(), reason=reason)
        try:
            await asyncio.to_thread(self.tasks.close, action, closed)
        except TaskClosed:
            return

    async def _escalated(self, task: Task, verb: str) -> Task:
        """Say in the task who is to see to it now, and run the command. Written first: nobody is called twice."""
        assert task.escalation is not None
        told = task.model_copy(update={"escalation": task.escalation.model_copy(update={"at": time.time()})})
        await asyncio.to_thread(self.tasks.rewrite, told)
        entry = self.settings.actions[verb].escalate
        if entry is not None and entry.command:
            call = asyncio.create_task(self._call(entry.command, task.action))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return told

    async def _call(self, command: tuple[str, ...], action: str) -> None:
        """Run an escalation's command with the task's file as its last argument. Its failure is logged."""
        quiet = asyncio.subprocess.DEVNULL
        process = None
        try:
            async with asyncio.timeout(CALL_S):
                file = str(self.tasks.file(action))
                process = await asyncio.create_subprocess_exec(
                    *command, file, stdin=quiet, stdout=quiet, stderr=quiet
                )
                code = await process.wait()
            if code:
                log.warning("escalation failed", action=action, command=command[0], exit_code=code)
        except (OSError, TimeoutError) as error:
            log.warning("escalation failed", action=action, command=command[0], error=repr(error))
        finally:
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()


def instruction(one: HumanAction, arguments: Mapping[str, Any], sample: str | None) -> str:
    """The instruction with its arguments, numbers with their units."""

    def written(found: re.Match[str]) -> str:
        if (name := found[1]) == "sample" and name not in one.parameters:
            return sample or "(no sample)"
        value = arguments[name]
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        return f"{shown} {one.parameters[name].unit}".rstrip()

    return PLACE.sub(written, one.instruction)
