"""The engine: one process, one loop, the single writer. It waits, takes in, decides, commits, and only then acts.

Everything that happened since the last turn is committed together (one fsync for all), and nothing leaves the engine
before the event that says so is on disk. What to do is decided by `decide`, a function of the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from drivers.client import HostGone
from drivers.protocol import Action, Repeat
from orchestrator import guard, incidents, lifecycle, stopping, waits
from orchestrator.advice import Advice, Adviser, question
from orchestrator.binding import BoundCampaign
from orchestrator.commands import Command, obey
from orchestrator.decide import decide
from orchestrator.decision import Around, Ask, Effect, Send, Wake
from orchestrator.errors import Refused
from orchestrator.events import Event, Numbering
from orchestrator.hands import Fate, Hands
from orchestrator.lab import LabState
from orchestrator.lifecycle import Campaign
from orchestrator.log.sqlite import SqliteLog
from orchestrator.monitoring import Source
from orchestrator.outcomes import learn
from orchestrator.reading import Reader
from orchestrator.records import EventRecord
from orchestrator.scheduling.foresight import Foresight
from orchestrator.sentry import Seen, Sentry
from orchestrator.states import ActionState
from orchestrator.timetable import HEARTBEAT_S, Timetable, may_begin

log = structlog.get_logger()

TRIES = 3  # how often an absent host is tried for before only a person can help
RAREST_S = 60.0  # a host that stays absent is tried for ever more rarely, and at least so often


@dataclass(frozen=True)
class Late:
    """An action is in hand for longer than it usually takes."""

    action: str


@dataclass(frozen=True)
class Posted:
    """A command on its way in, and where its answer goes."""

    command: Command
    answer: asyncio.Future[None]


@dataclass(frozen=True)
class Foreseen:
    """When what is in hand is expected to be done."""

    event: Event


Stimulus = Fate | Advice | Posted | Seen | Late | Foreseen | None


class Engine:
    """Runs one campaign on one laboratory until it is finished or told to stop."""

    def __init__(
        self,
        store: SqliteLog,
        state: LabState,
        bound: BoundCampaign,
        hands: Hands,
        adviser: Adviser,
        *,
        wait_for_people: bool = True,
        watch: Callable[[LabState], None] | None = None,
    ) -> None:
        self.store = store
        self.state = state
        self.bound = bound
        self.hands = hands
        self.adviser = adviser
        self._watch = watch or (lambda state: None)
        self._disk = ThreadPoolExecutor(1, "log")  # one thread, so that appends keep their order
        self._inbox: asyncio.Queue[Stimulus] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbering = Numbering(state.seq, 0, state.versions)
        self._committing = asyncio.Lock()  # an event numbered under one epoch is not written under the next
        self._timetable = Timetable(lambda command: self._post_quietly(command), self._beat)
        self._asking = False
        self._stopping = False
        self._halting = self._halted = False
        self._silence: asyncio.Task[list[str]] | None = None  # who did not confirm the halt
        self._wait_for_people = wait_for_people
        self._acting = 0
        self._inquiring: set[str] = (
            set()
        )  # acts of an earlier engine that the laboratory is being asked about
        self._broken: BaseException | None = None
        self._resting: set[str] = set()
        self._beating: set[str] = set()
        self._fruitless = dict.fromkeys(hands.names, 0)
        self._try_after: dict[str, float] = {}  # host -> when it is tried for again, loop time
        self._devices = frozenset(bound.laboratory.devices)
        self._virtual = bound.laboratory.file.clock == "virtual"
        self._sentry = Sentry(bound.laboratory.monitoring)
        self._reader = Reader(hands)
        self._lab_s = 0.0  # lab time of the latest wake-up
        self._foresight = Foresight(bound)
        self._wakes: set[float] = set()  # lab times at which the engine will look again
        self._coming_halts = 0  # commands that halt devices, obeyed by the hosts and not yet by the log

    # -- from outside -----------------------------------------------------------------------------------------
    async def post(self, command: Command) -> None:
        """Obey a command; returns when its consequences are on disk. Raises `Refused`.

        Devices that it wants still are halted before anything else: a hand that moves matters more than a line.
        """
        posted = Posted(command, asyncio.get_running_loop().create_future())
        if wanted := command.halts(self._devices):
            obey(self.state, command)  # for its refusal
            self._coming_halts += 1
            self._keep_still(wanted)
        self._inbox.put_nowait(posted)
        await posted.answer

    def stop(self) -> None:
        """Begin nothing new; end when the acts in hand have ended. The campaign can be resumed."""
        self._stopping = True
        self._inbox.put_nowait(None)

    def halt(self) -> None:
        """Stop every device now; acts in hand become doubts. Hosts are told at once, whatever the engine waits for."""
        if self._halting:
            return
        self._stopping = self._halting = True
        self._silence = asyncio.create_task(self.hands.halt())
        self._inbox.put_nowait(None)

    def _keep_still(self, devices: frozenset[str]) -> None:
        self.hands.still |= devices
        self._spawn(self._halt(devices))

    async def _halt(self, devices: frozenset[str]) -> None:
        silent = await self.hands.halt(devices)
        if silent:
            log.error("hosts did not confirm the halt", hosts=silent)

    # -- life -------------------------------------------------------------------------------------------------
    async def run(self) -> LabState:
        """Take the log over, recover, and go on until the end. Returns the state at the end."""
        try:
            await self._begin()
            while not self._done():
                await self._turn()
            await self._commit([Event("engine", "engine.stopped", {"reason": self._why_stopped()})])
        finally:
            self._timetable.stop()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.adviser.close()
            self._disk.shutdown()
        return self.state

    def _done(self) -> bool:
        if self._halted or self.state.campaign is Campaign.FINISHED:
            return True
        if self._blocked() and not self._wait_for_people:
            return True
        in_hand = any(a.state == "intended" for a in self.state.open_actions.values())
        return self._stopping and not in_hand

    def _why_stopped(self) -> str:
        if self.state.campaign is Campaign.FINISHED:
            return "the campaign is finished"
        if self._halted:
            return "halted"
        return "stopped" if self._stopping else waits.for_a_person(self.state, self.bound)

    def _blocked(self) -> bool:
        """Nothing can go on before a person has done something: hosts that are away were tried for in vain."""
        if any(0 < tries < TRIES for tries in self._fruitless.values()):
            return False
        return bool(waits.for_a_person(self.state, self.bound)) and not (
            self._asking or self._acting or self._resting or self._wakes or not self._inbox.empty()
        )

    async def _begin(self) -> None:
        """A new epoch; every host fenced; every open intent inquired after; only then anything new."""
        self._numbering.epoch = await self._on_disk(self.store.take_over)
        await self._commit([Event("engine", "engine.started", {"reality": self.store.reality})])
        if (word := stopping.word_left(self.store.path)) is not None:
            await self._commit(obey(self.state, word))
            stopping.take_word(self.store.path)
        self.hands.still |= guard.halted(self.state, self._devices)
        await asyncio.gather(*(self._reach(host) for host in self.hands.names))
        for action in list(self.state.open_actions.values()):
            if action.device not in self.state.absent:
                self._inquire(action)
        sources = self.bound.laboratory.monitoring.sources
        await asyncio.gather(
            *map(self._look, sources)
        )  # what the signals are is known before anything begins
        for source in sources:
            self._timetable.every(f"signal-{source.signal}", source.every_s, partial(self._look, source))
        self._timetable.start(self.bound.campaign, self.state)
        self.adviser.warm()
        self._inbox.put_nowait(None)

    async def _reach(self, host: str) -> None:
        """Fence a host and note its devices as ready, or as absent with their open acts in doubt."""
        try:
            await self.hands.fence(host, self._numbering.epoch, self._open_on(host))
        except HostGone as gone:
            self._fruitless[host] += 1
            if (beyond := self._fruitless[host] - TRIES) > 0:
                rarer_s = min(HEARTBEAT_S * 2.0 ** min(beyond, 10), RAREST_S)
                self._try_after[host] = asyncio.get_running_loop().time() + rarer_s
            await self._commit(self._absent(host, str(gone)))
            return
        self._fruitless[host] = 0
        await self._commit(
            [
                Event(device, "device.ready", {"host": host, **_card(self.hands.devices[device])})
                for device in self.hands.devices_of(host)
            ]
        )

    def _open_on(self, host: str) -> list[str]:
        mine = set(self.hands.devices_of(host))
        return [a.id for a in self.state.open_actions.values() if a.device in mine]

    # -- one turn ---------------------------------------------------------------------------------------------
    async def _turn(self) -> None:
        stimuli = [await self._inbox.get()]
        if self._broken is not None:
            raise self._broken
        while not self._inbox.empty():
            stimuli.append(self._inbox.get_nowait())
        await self._take_in(stimuli)

    async def _take_in(self, stimuli: Sequence[Stimulus]) -> None:
        """Stimuli become events, events are decided upon, all is committed in one go, then effects follow."""
        if any(isinstance(s, Posted) and s.command.arguments.get("verdict") == "not-done" for s in stimuli):
            await self._fence_anew()
        silent = [] if self._silence is None or self._halted else await self._silence
        # From here to the append nothing is awaited: events reach the disk in the order they were numbered.
        placed: list[EventRecord] = []
        answers: list[asyncio.Future[None]] = []
        for stimulus in stimuli:
            try:
                placed += self._apply(self._events_of(stimulus))
            except Refused as refused:
                if isinstance(stimulus, Posted) and not stimulus.answer.done():
                    stimulus.answer.set_exception(refused)
                continue
            finally:
                if isinstance(stimulus, Posted) and stimulus.command.halts(self._devices):
                    self._coming_halts -= 1
            if isinstance(stimulus, Posted):
                answers.append(stimulus.answer)
        if not self._halting:
            still = guard.halted(self.state, self._devices)
            if fresh := still - self.hands.still:
                self._keep_still(fresh)
            elif self.hands.still - still and not self._coming_halts:
                await self._on_disk(self.store.append, placed)  # before any device may move again
                placed = []
                self.hands.still = still
                await self._fence_anew()
        effects: list[Effect] = []
        n_phases = len(self.state.phases)
        ended = [s.action for s in stimuli if isinstance(s, Fate)]
        if self._halting:
            placed += self._apply(incidents.halted(self.state, silent))
            self._halted = True
        else:
            while True:
                decision = decide(self.state, self.bound, self._around())
                placed += self._apply(decision.events)
                # Of several looks the last one knows what is still waited for.
                effects = [one for one in effects if not isinstance(one, Wake)]
                effects += decision.effects
                self._asking |= any(isinstance(effect, Ask) for effect in decision.effects)
                if not decision.events:
                    break
        await self._on_disk(self.store.append, placed)
        for answer in answers:
            if not answer.done():
                answer.set_result(None)
        if len(self.state.phases) > n_phases:
            self._timetable.phases(self.bound.campaign, self.state)
        for effect in effects:
            self._carry_out(effect)
        if not self._stopping and (why := self._foresight.due(self.state, placed, ended)):
            self._spawn(self._foresee(why))
        if self._virtual and self._inbox.empty():
            for host in self.hands.names:
                self._spawn(self._pace(host))
        self._watch(self.state)

    async def _foresee(self, why: str) -> None:
        self._inbox.put_nowait(Foreseen(await self._foresight.event(self.state, self._now_s(), why)))

    async def _pace(self, host: str) -> None:
        mine = set(self.hands.devices_of(host))
        begun = (a for a in self.state.open_actions.values() if a.state is lifecycle.Action.INTENDED)
        wakes = self._wakes if host == self.hands.names[0] else ()
        await self.hands.pace(host, [a.id for a in begun if a.device in mine], wakes)

    def _around(self) -> Around:
        return Around(
            asking=self._asking,
            stopping=self._stopping,
            resting=frozenset(self._resting),
            may_begin=may_begin(self.bound.campaign.schedule, datetime.now(UTC)),
            now_s=self._now_s(),
        )

    def _now_s(self) -> float:
        """Lab time: on virtual time, that of the latest thing heard of."""
        return max(self.state.lab_until_s or 0.0, self._lab_s) if self._virtual else time.time()

    def _events_of(self, stimulus: Stimulus) -> list[Event]:
        match stimulus:
            case Fate():
                self._inquiring.discard(stimulus.action)
                events = learn(stimulus, self.state, self.bound)
                ours = self.state.actions[stimulus.action].device in self.hands.still
                if not ours and stimulus.epoch == self._numbering.epoch:
                    events += incidents.halted_by_others(stimulus, self.state)
                if any(e.body.get("attribution") == "busy" for e in events):
                    self._rest(self.state.actions[stimulus.action])
                return events
            case Advice():
                self._asking = False
                loop = stimulus.ask.loop
                return self.adviser.events(stimulus, self.state, self.bound.of(loop).campaign)
            case Seen():
                return self._sentry.judge(stimulus, self.state)
            case Foreseen():
                return [stimulus.event]
            case Late():
                return incidents.late(self.state.actions[stimulus.action])
            case Posted():
                self._refuse_what_is_being_asked(stimulus.command)
                return obey(self.state, stimulus.command)
        return []

    def _refuse_what_is_being_asked(self, command: Command) -> None:
        """A verdict beside an inquiry could have an act done twice: the inquiry may be about to send it again."""
        if command.kind == "settle" and command.arguments["action"] in self._inquiring:
            raise Refused(
                "E505", f"the laboratory itself is being asked about {command.arguments['action']}",
                cure="wait a moment, look at `alquimia doubts`, and say it again if it is still in doubt",
            )  # fmt: skip

    def _absent(self, host: str, reason: str) -> list[Event]:
        return incidents.absent(self.state, host, self.hands.devices_of(host), reason)

    async def _fence_anew(self) -> None:
        """Before an act is done again on a person's word, whatever was under way to a device is shut out."""
        async with self._committing:
            self._numbering.epoch = await self._on_disk(self.store.take_over)
        await asyncio.gather(*(self._reach(host) for host in self.hands.names))

    # -- events and the disk ----------------------------------------------------------------------------------
    def _apply(self, events: Sequence[Event]) -> list[EventRecord]:
        placed = [self._numbering.place(event) for event in events]
        for record in placed:
            self.state.apply(record)
        return placed

    async def _commit(self, events: Sequence[Event]) -> None:
        async with self._committing:
            await self._on_disk(self.store.append, self._apply(events))
        self._watch(self.state)

    async def _on_disk(self, call: Callable[..., Any], *args: Any) -> Any:
        """In the log's own thread. An error from it is final: it ends the engine."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, call, *args)

    # -- effects ----------------------------------------------------------------------------------------------
    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Wake():
                if effect.at_s not in self._wakes:
                    self._wakes.add(effect.at_s)
                    self._spawn(self._wake(effect.at_s))
            case Send():
                action = self.state.actions[effect.action]
                self._spawn(self._act(action, inquire=False))
            case Ask():
                asked = question(effect, self.state, self.bound.campaign)
                self._spawn(self._advise(effect, asked))

    def _inquire(self, action: ActionState) -> None:
        if action.id in self._inquiring:
            return
        self._inquiring.add(action.id)
        self._spawn(self._act(action, inquire=True))

    async def _act(self, action: ActionState, *, inquire: bool) -> None:
        request = Action(
            id=action.id, device=action.device, verb=action.verb, args=dict(action.args), sample=action.sample,
            together=action.together, epoch=self._numbering.epoch, deadline_s=action.deadline_s,
        )  # fmt: skip
        ask = self.hands.inquire if inquire else self.hands.carry_out
        host = self.hands.host_of(action.device)
        self._acting += 1
        late_s = action.deadline_s / 2 if action.late_s is None else action.late_s
        watchdog = asyncio.get_running_loop().call_later(late_s, self._inbox.put_nowait, Late(action.id))
        try:
            fate = await ask(request, Repeat(action.repeat), lambda: self._open_on(host))
        finally:
            watchdog.cancel()
            self._acting -= 1
        self._inbox.put_nowait(fate)

    async def _wake(self, at_s: float) -> None:
        """Look again at a lab time. On virtual time the first host tells when; time is the same in all that matter."""
        try:
            if self._virtual:
                self._lab_s = max(self._lab_s, await self.hands.wake(self.hands.names[0], at_s))
            else:
                await asyncio.sleep(max(at_s - time.time(), 0.0))
        except HostGone:
            await asyncio.sleep(HEARTBEAT_S)  # whoever waits for its acts, or the heartbeat, brings it back
        finally:
            self._wakes.discard(at_s)
        self._inbox.put_nowait(None)

    async def _advise(self, ask: Ask, asked: Mapping[str, Any]) -> None:
        self._inbox.put_nowait(await self.adviser.advise(ask, asked, self.bound.of(ask.loop).campaign))

    async def _look(self, source: Source) -> None:
        if (seen := await self._reader.read(source, self._numbering.epoch)) is not None:
            self._inbox.put_nowait(seen)

    def _rest(self, action: ActionState) -> None:
        """A busy device is not asked again at once."""
        self._resting.add(action.experiment)

        def rested() -> None:
            self._resting.discard(action.experiment)
            self._inbox.put_nowait(None)

        asyncio.get_running_loop().call_later(min(0.05 * 2**action.attempt, 30.0), rested)

    async def _beat(self) -> None:
        """Ask every host for a sign of life, and inquire again after devices that were absent."""
        if (word := stopping.word_left(self.store.path)) is not None:
            self._spawn(self._obey_word(word))
        for host in self.hands.names:
            if host not in self._beating:
                self._spawn(self._check(host))

    async def _obey_word(self, word: Command) -> None:
        """A stop that could not be said to this engine, because it hung."""
        await self.post(word)
        stopping.take_word(self.store.path)

    async def _check(self, host: str) -> None:
        if asyncio.get_running_loop().time() < self._try_after.get(host, 0.0):
            return
        self._beating.add(host)
        try:
            await self.hands.ping(host)
            if any(device in self.state.absent for device in self.hands.devices_of(host)):
                raise HostGone("it was absent")
        except HostGone:
            busy = any(
                a.state == "intended"
                for a in self.state.open_actions.values()
                if self.hands.host_of(a.device) == host
            )
            if busy:
                return  # whoever waits for that act will bring the host back
            await self._reach(host)
            for action in self.state.doubts:
                if self.hands.host_of(action.device) == host and action.device not in self.state.absent:
                    self._inquire(action)
            self._inbox.put_nowait(None)
        finally:
            self._beating.discard(host)

    def _post_quietly(self, command: Command) -> None:
        self._spawn(self.post(command))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the engine broke", error=repr(error))
            self._broken = error
            self._inbox.put_nowait(None)


def _card(spec: Any) -> dict[str, Any]:
    """What the log keeps of a device's declaration."""
    return {"driver": spec["driver"], "version": spec["version"], "simulated": spec["simulated"]}
