"""A device behind an HTTP interface, described by a lab file alone."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from drivers.configured import ConfiguredDriver
from drivers.driver import Action, ActionFailed, Attribution, Given, LabContext, Reading, Testimony
from drivers.instruments.instrument import Halted, Instrument, LinkLost
from drivers.instruments.rest.client import Answer, RestClient, refusal
from drivers.instruments.rest.declaration import Call, Job, RestSettings, Verb, number
from drivers.instruments.rest.templates import at, filled, path
from drivers.optional import installed
from drivers.protocol import ActionSpec, Argument, DeviceSpec, Scalar, storable

ASK_S = 40.0  # how long a testimony waits for a job that still runs; a host asks for 50 s
LONGEST = 100_000  # characters of a reply in a record


class RestDevice(Instrument, ConfiguredDriver):
    """Offers the actions that its settings declare."""

    class Settings(RestSettings):
        """See `drivers.instruments.rest.declaration`."""

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._client = RestClient(self.settings)
        self._halted = Halted()

    @classmethod
    def declared(cls, settings: Any) -> Mapping[str, ActionSpec]:
        installed("httpx", "instruments")
        return {verb: one.spec() for verb, one in settings.actions.items()}

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """As the settings declare; what makes it safe is a request of theirs."""
        call = settings.make_safe or settings.halt
        left = "as it was: nothing is sent" if call is None else f"what {call.method} {call.path} leaves"
        return super().describe(settings).model_copy(update={"safe_state": left})

    async def carry_out(self, action: Action, **arguments: Argument) -> Given:
        """Send the request of the verb and wait for its end."""
        self._halted.clear()
        verb = self.settings.actions[action.verb]
        values = {**arguments, "action": action.id, "sample": action.sample or ""}
        where = f"{verb.method} {verb.path}"
        safe_again = verb.method == "GET" or verb.repeatable or bool(self.settings.key_header)
        answer = await self._client.send(
            verb.method,
            path(verb.path, values),
            filled(verb.body, values),
            key=action.id,
            once=not safe_again,
        )
        if not 200 <= answer.status < 300:
            raise refusal(answer, verb.attribution(answer.status), where)
        last = answer.content
        if verb.job is not None:
            last = await self._ended(verb.job, values, last, time.monotonic() + verb.job.limit_s)
        readings = self._readings(verb, last)
        return Given(readings, _record(last))

    async def ask(self, action: Action) -> Testimony:
        """Ask the device by the action's id; a job that still runs is waited for, up to 40 s."""
        values = {**self.check(action), "action": action.id, "sample": action.sample or ""}
        verb = self.settings.actions[action.verb]
        if verb.ask is None:
            return Testimony(verdict="unknown", reason=f"{self.name} cannot be asked about {action.verb}")
        answer = await self._client.send("GET", path(verb.ask.path, values))
        if answer.status in verb.ask.none:
            return Testimony(verdict="not done", reason=f"status {answer.status}: it knows no such job")
        if not 200 <= answer.status < 300:
            return Testimony(verdict="unknown", reason=f"it answers with status {answer.status}")
        try:
            found = at(answer.content, verb.ask.found)
            if isinstance(found, list):
                found = found[0] if found else None
            if found is None:
                return Testimony(verdict="not done", reason="it knows no job of this action")
            if verb.job is not None:
                found = await self._ended(verb.job, values, found, time.monotonic() + ASK_S)
            readings = self._readings(verb, found)
        except (ActionFailed, LookupError) as failure:
            return Testimony(verdict="unknown", reason=f"it knows the job: {failure}")
        except _StillRuns as runs:
            return Testimony(verdict="unknown", reason=f"it knows the job, which still is {runs}")
        return Testimony(verdict="done", readings=readings, reason="it knows the job, which is done")

    async def connect(self) -> None:
        """Raises SettingsError without the token, ActionFailed or LinkLost where `health` is named and not well."""
        self._client._opened()
        if self.settings.health is not None:
            answer = await self._client.send("GET", self.settings.health)
            if not 200 <= answer.status < 300:
                raise refusal(answer, Attribution.INSTRUMENT, f"GET {self.settings.health}")

    async def disconnect(self) -> None:
        await self._client.close()

    async def halt(self) -> None:
        """Send what `halt` says; without it, nobody waits for the job in hand any more, and it goes on."""
        self._halted.set()
        await self._told(self.settings.halt)

    async def make_safe(self) -> None:
        """Send what `make_safe` says, or else what `halt` says."""
        self._halted.set()
        await self._told(self.settings.make_safe or self.settings.halt)

    async def _told(self, call: Call | None) -> None:
        if call is not None:
            answer = await self._client.send(call.method, call.path, call.body)
            if not 200 <= answer.status < 300:
                raise refusal(answer, Attribution.INSTRUMENT, f"{call.method} {call.path}")

    async def _ended(self, job: Job, values: Mapping[str, Any], content: Any, until: float) -> Any:
        """The job's resource when it is done. Raises ActionFailed, LinkLost, _StillRuns where it is not by `until`."""
        job_id = _job_id(job, content)
        where = path(job.path, {**values, "job": job_id})
        while True:
            answer = await self._client.send("GET", where)
            state = self._state(job, where, answer)
            if state in job.done:
                return answer.content
            if state in job.failed:
                raise ActionFailed(
                    Attribution.INSTRUMENT, f"the device says that the job is {state}{_why(job, answer)}"
                )
            if self._halted.is_set():
                if self.settings.halt is None:
                    raise LinkLost(f"halted, and the device cannot be: its job {job_id} was {state!r}")
                raise ActionFailed(Attribution.INSTRUMENT, f"halted while the job was {state!r}")
            if time.monotonic() >= until:
                raise _StillRuns(repr(state))
            await self._halted.sleep(job.every_s)

    def _state(self, job: Job, where: str, answer: Answer) -> str:
        if not 200 <= answer.status < 300:
            raise LinkLost(f"the job cannot be seen: {refusal(answer, Attribution.INSTRUMENT, where).reason}")
        try:
            state = at(answer.content, job.state)
        except LookupError as error:
            raise LinkLost(f"GET {where}: {error}, wanted the job's state there") from error
        return str(state)

    def _readings(self, verb: Verb, content: Any) -> dict[str, Reading]:
        readings = {}
        for name, result in verb.results.items():
            try:
                value = number(at(content, result.at))
                sigma = None if result.sigma is None else number(at(content, result.sigma))
            except LookupError as error:
                raise ActionFailed(Attribution.BAD_READING, f"{name}: {error} of the reply") from error
            if value is None:
                shown = repr(at(content, result.at))[:100]
                raise ActionFailed(
                    Attribution.BAD_READING, f"{name}: wanted a number at {result.at}, got {shown}"
                )
            readings[name] = Reading(value=value, unit=result.unit, sigma=sigma or None)
        return readings


class _StillRuns(Exception):
    """The job is not over."""


def _job_id(job: Job, content: Any) -> Scalar:
    try:
        job_id = at(content, job.id)
    except LookupError as error:
        raise LinkLost(f"{error} of the reply, wanted the job's id there") from error
    if isinstance(job_id, bool) or not isinstance(job_id, int | str) or job_id == "":
        raise LinkLost(f"wanted the job's id at {job.id} of the reply, got {job_id!r:.100}")
    return job_id


def _record(reply: Any) -> dict[str, Any]:
    """The last reply; one that JSON proper cannot hold (NaN) as text, a very long one cut off."""
    text = json.dumps(reply)
    try:
        return {"reply": storable(reply)} if len(text) <= LONGEST else {"reply_text": text[:LONGEST]}
    except ValueError:
        return {"reply_text": text[:LONGEST]}


def _why(job: Job, answer: Answer) -> str:
    if job.reason is None:
        return ""
    try:
        return f": {str(at(answer.content, job.reason))[:500]}"
    except LookupError:
        return ""
