"""Which actions begin now: steps of recipes, and the carriages that bring samples to them or out of the way. Pure.

A step begins when its device, the place for its sample there, and the devices that its window needs are free together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivers.protocol import ActionSpec, Argument
from orchestrator import guard, interlocks, supply
from orchestrator.binding import BoundCampaign, BoundStep
from orchestrator.decision import Around, Decision, Send, Wake
from orchestrator.events import Event
from orchestrator.lab import LabState
from orchestrator.lifecycle import Experiment
from orchestrator.samples import CARRIED_IN_VAIN, SampleState
from orchestrator.scheduling import batches, precedence, windows
from orchestrator.scheduling.layout import Layout, Transport, place_of
from orchestrator.states import ExperimentState

# An action is late beyond so many times its usual duration, s of the wall clock; an hour of virtual time is no time.
LATE, SOONEST_LATE_S, LATE_VIRTUAL_S = 1.5, 5.0, 30.0
DEADLINE_S = 60.0  # beyond three times the usual duration


@dataclass(frozen=True)
class Choice:
    """A device for a step: act where the sample stands, or carry it to `target` first."""

    rank: int
    device: str
    target: str | None = None


def begin(state: LabState, bound: BoundCampaign, around: Around, decision: Decision) -> None:
    """Add to `decision` what begins now, and when to look again where time alone is waited for."""
    ready = [
        one
        for one in state.live.values()
        if (one.state is Experiment.RUNNING or (one.state is Experiment.QUEUED and around.may_begin))
        and one.id not in around.resting
        and not (one.actions and state.actions[one.actions[-1]].open)
    ]
    if not ready and bound.laboratory.layout is None:
        return
    now_s = (state.lab_until_s or 0.0) if around.now_s is None else around.now_s
    _Pass(state, bound, decision, precedence.ordered(ready, state, bound), now_s).run()


class _Pass:
    """One look at everything that could begin. What it takes itself is no longer free for the rest of the look."""

    def __init__(
        self,
        state: LabState,
        bound: BoundCampaign,
        decision: Decision,
        ready: Sequence[ExperimentState],
        now_s: float,
    ) -> None:
        self.state, self.bound, self.decision, self.ready, self.now_s = state, bound, decision, ready, now_s
        self.layout: Layout | None = bound.laboratory.layout
        self.rules = bound.laboratory.monitoring.rules
        self.book = supply.Book(state, bound.laboratory.consumption)
        self.taken: dict[
            str, str
        ] = {}  # device -> verb of what is about to be sent, "" where it is kept still
        self.moved: set[str] = set()  # experiments that an action of this look is about
        self.claimed = state.samples.claimed() if self.layout is not None else {}
        self.wanted: set[str] = set()  # devices at which somebody waits for a place
        self.wakes: list[float] = []

    def run(self) -> None:
        for experiment in self.ready:
            if experiment.id not in self.moved:
                self._advance(experiment)
        if self.layout is not None:
            for sample in list(self.state.samples.here.values()):
                self._out_of_the_way(sample, self.layout)
        self.decision.events += self.book.out()
        if self.wakes:
            self.decision.effects.append(Wake(min(self.wakes)))

    # -- a step -----------------------------------------------------------------------------------------------
    def _advance(self, experiment: ExperimentState) -> None:
        step = self.bound.of(experiment.loop).steps[experiment.step]
        position = None
        if self.layout is not None:
            position = self._position(experiment, self.layout)
            if position is None:
                return
        earliest, latest = windows.due(experiment, self.state, self.bound)
        if earliest is not None and self.now_s < earliest:
            self.wakes.append(earliest)
            return
        if latest is not None:
            if self.now_s > latest + windows.SLACK_S:
                self._fail(experiment, _too_late(step, self.now_s - latest))
                return
            self.wakes.append(latest + 1e-3)
        arguments = step.arguments(experiment.candidate, experiment.structures)
        refused: list[str] = []
        choices = []
        for device in step.devices:
            found = self._choice(experiment, step, device, arguments, position, refused)
            if found is not None:
                choices.append(found)
                if found.rank == 0:
                    break
        if not choices:
            if len(refused) == len(step.devices):
                self._ruled_out(experiment, step, refused[0])
            return
        banned: list[str] = []  # by rules that refuse: a carriage to every device that there is
        for chosen in sorted(choices, key=lambda one: one.rank):
            if chosen.target is None:
                if self._act(experiment, step, chosen.device, arguments, position):
                    return
            elif self.layout is not None and position is not None:
                rules: list[str] = []
                if self._carry(experiment, position, chosen.target, self.layout, rules):
                    return
                banned += rules[:1]
        if len(refused) + len(banned) == len(step.devices) and banned:
            self._ruled_out(
                experiment, step, banned[0], f"its sample cannot be brought to {step.step.device}"
            )

    def _position(self, experiment: ExperimentState, layout: Layout) -> str | None:
        """Where the experiment's sample stands, or will begin; None while there is no place or nobody knows."""
        sample = self.state.samples.here.get(experiment.id)
        return self._free(layout.slots[layout.begin], experiment.id) if sample is None else sample.at

    def _choice(
        self,
        experiment: ExperimentState,
        step: BoundStep,
        device: str,
        arguments: Mapping[str, Argument],
        position: str | None,
        refused: list[str],
    ) -> Choice | None:
        if not self._available(device, experiment.id, step.step.verb, arguments, refused):
            return None
        if not self.book.has(experiment, step, device):
            return None
        positions = () if self.layout is None else self.layout.of_device.get(device, ())
        if not positions or position in positions:
            return Choice(0, device)
        assert self.layout is not None
        loading = [one for one in self._loading(device, positions) if one is not experiment]
        if any(batches.key(one, self.bound) != batches.key(experiment, self.bound) for one in loading):
            return None
        if loading and len(loading) >= batches.capacity(experiment, len(positions), self.state, self.bound):
            return None
        sample = self.state.samples.here.get(experiment.id)
        kept = sample.bound_for if sample is not None else None
        target = kept if kept in positions else self._free(positions, experiment.id)
        if target is None:
            self.wanted.add(device)
            return None
        return Choice(1 if loading else 2, device, target)

    def _act(
        self,
        experiment: ExperimentState,
        step: BoundStep,
        device: str,
        arguments: Mapping[str, Argument],
        position: str | None,
    ) -> bool:
        """Begin a step, for all samples that it takes together; False where it has to wait."""
        lasts_s = step.spec.lasts_s(arguments)
        if self.bound.windowed and self.now_s + lasts_s > windows.promised_to_others(
            experiment, self.state
        ).get(device, float("inf")):
            return False
        mates = [experiment]
        positions = () if self.layout is None else self.layout.of_device.get(device, ())
        if positions:
            standing = [one for one in self.state.samples.here.values() if one.may_be_in(positions)]
            if step.spec.n_samples > 1:
                most = batches.capacity(experiment, len(positions), self.state, self.bound)
                mates = self._mates(experiment, positions, most)
                waits_to_s = batches.waits_to_s(mates, step, device, most, lasts_s, self.state, self.bound)
                if waits_to_s is not None and self.now_s < waits_to_s:
                    self.wakes.append(waits_to_s)
                    return False
            if any(one.name not in {mate.id for mate in mates} for one in standing):
                self.wanted.add(device)  # what is finished there has to be taken out first
                return False
        promises = (
            windows.promises(mates, self.now_s + lasts_s, self.state, self.bound, self.now_s)
            if self.bound.windowed
            else {}
        )
        if promises is None:
            return False
        attempt = 1 + sum(self.state.actions[a].step == experiment.step for a in experiment.actions)
        more: dict[str, Any] = {"together": [one.id for one in mates[1:]]} if len(mates) > 1 else {}
        if reserves := self.book.take(mates, step, device):
            more["reserves"] = reserves
        if promises:
            more["promises"] = dict(promises)
        self.taken[device] = step.step.verb
        for mate in mates:
            self._begin(mate, position)
        self._intend(
            experiment, f"{experiment.id}.{step.step.id}.{attempt}", step.step.id, experiment.step, device,
            step.step.verb, step.spec, arguments, attempt, more,
        )  # fmt: skip
        self.moved |= {one.id for one in mates}
        return True

    def _mates(
        self, experiment: ExperimentState, positions: Sequence[str], most: int
    ) -> list[ExperimentState]:
        """Experiments whose samples stand there too and want the same now, the one itself first."""
        here = self.state.samples.here
        found = [
            one
            for one in self.ready
            if one is not experiment
            and one.id not in self.moved
            and one.id in here
            and here[one.id].at in positions
            and batches.key(one, self.bound) == batches.key(experiment, self.bound)
            and windows.is_due(one, self.state, self.bound, self.now_s)
        ]
        return [experiment, *found][:most]

    def _loading(self, device: str, positions: Sequence[str]) -> list[ExperimentState]:
        """Experiments whose samples stand at a device, or are on their way there, for a step that is still to come."""
        found = []
        for sample in self.state.samples.here.values():
            if (sample.at in positions or sample.claims & set(positions)) and sample.name in self.state.live:
                one = self.state.live[sample.name]
                steps = self.bound.of(one.loop).steps
                if one.step < len(steps) and device in steps[one.step].devices:
                    found.append(one)
        return found

    # -- carrying ---------------------------------------------------------------------------------------------
    def _carry(
        self,
        experiment: ExperimentState,
        position: str,
        target: str,
        layout: Layout,
        refused: list[str] | None = None,
    ) -> bool:
        """Begin the next carriage of a sample on its way to a position; False where it has to wait. `refused` gets the
        rules, where rules of the laboratory refuse every way."""
        found, rules, ways = None, list[str](), 0
        for transport, stop in layout.next_stops(place_of(position), place_of(target)):
            ways += 1
            last = stop == place_of(target)
            to = target if last else self._free(layout.slots[stop], experiment.id)
            if to is not None and self._can_carry(transport, experiment.id, position, to, layout, rules):
                found = transport, stop, to, last
                break
        if found is None:
            if refused is not None and len(rules) == ways:
                refused += rules
            return False
        transport, stop, to, last = found
        still = {layout.device_of.get(place_of(position)), layout.device_of.get(stop)}
        holds = sorted(one for one in still if one is not None and one != transport.device)
        moves: dict[str, Any] = {"from": position, "to": to}
        if transport.gripper is not None:
            moves["via"] = transport.gripper
        if not last:
            moves["for"] = target
        if stop in layout.unbounded:
            moves["many"] = True
        if last and experiment.over and stop == layout.end:
            moves["last"] = True
        attempt = 1 + sum(self.state.actions[a].step is None for a in experiment.actions)
        self.taken |= dict.fromkeys(holds, "") | {transport.device: transport.verb}
        self.claimed |= dict.fromkeys((target, to), experiment.id)
        self._begin(experiment, position)
        self._intend(
            experiment, f"{experiment.id}.move.{attempt}", "move", None, transport.device, transport.verb,
            transport.spec, transport.arguments(position, to), attempt, {"moves": moves, "holds": holds},
        )  # fmt: skip
        self.moved.add(experiment.id)
        return True

    def _can_carry(
        self,
        transport: Transport,
        sample: str,
        position: str,
        to: str,
        layout: Layout,
        refused: list[str],
    ) -> bool:
        arguments = transport.arguments(position, to)
        if not self._available(transport.device, sample, transport.verb, arguments, refused):
            return False
        if transport.gripper is not None and self.claimed.get(transport.gripper, sample) != sample:
            return False
        for place in (place_of(position), place_of(to)):
            device = layout.device_of.get(place)
            # A sample that nothing is to be done with is taken from a device that is out of use as well.
            if device is not None and device != transport.device and self._at_work(device):
                return False
        return True

    def _at_work(self, device: str) -> bool:
        """Whether a device must not be reached into."""
        busy = device in self.state.open_actions or device in self.state.held or device in self.taken
        return busy or self._rests(device)

    def _out_of_the_way(self, sample: SampleState, layout: Layout) -> None:
        """Take away what is done with, and put back what keeps others from a device that it has no use for now."""
        experiment = self.state.experiments[sample.name]
        if sample.at is None or sample.name in self.moved or guard.standstill(self.state) is not None:
            return
        if experiment.actions and self.state.actions[experiment.actions[-1]].open:
            return
        if experiment.over:
            goal = None if sample.failures >= CARRIED_IN_VAIN else self._end(sample, layout)
        elif experiment in self.ready and self._hinders(
            experiment, layout.device_of.get(place_of(sample.at))
        ):
            goal = sample.home
        else:
            return
        if goal is not None and goal != sample.at:
            self._carry(experiment, sample.at, goal, layout)

    def _hinders(self, experiment: ExperimentState, device: str | None) -> bool:
        """Whether others want the place at a device with which an experiment is done."""
        steps = self.bound.of(experiment.loop).steps
        return device in self.wanted and device not in steps[experiment.step].devices

    def _end(self, sample: SampleState, layout: Layout) -> str | None:
        """Where a sample goes that is done with; None where it stays."""
        if layout.end is None:
            return sample.home
        if sample.at is not None and place_of(sample.at) == layout.end:
            return None
        return self._free(layout.slots[layout.end], sample.name) or sample.home

    def _free(self, positions: Sequence[str], sample: str) -> str | None:
        """A position that nobody else has or may have."""
        assert self.layout is not None
        for position in positions:
            if position in self.layout.unbounded or self.claimed.get(position, sample) == sample:
                return position
        return None

    # -- what keeps a device from beginning -------------------------------------------------------------------
    def _available(
        self,
        device: str,
        sample: str,
        verb: str,
        arguments: Mapping[str, Argument],
        refused: list[str],
    ) -> bool:
        if (
            device in self.taken
            or guard.closed(self.state, device, sample) is not None
            or self._rests(device)
        ):
            return False
        if not self.rules:
            return True
        for said in (arguments, self._by_place(arguments)):
            ruled = interlocks.forbidden(self.rules, self.state, device, verb, said, self.taken.items())
            if ruled is not None:
                refused += [ruled.reason] if ruled.refuse else []
                return False
        return True

    def _by_place(self, arguments: Mapping[str, Argument]) -> Mapping[str, Argument]:
        """Arguments with places for positions: a rule about the furnace holds for every slot of it."""
        if self.layout is None:
            return arguments
        return {
            name: place_of(value) if isinstance(value, str) and self.layout.has(value) else value
            for name, value in arguments.items()
        }

    def _rests(self, device: str) -> bool:
        """Whether a device is left alone after its last action; then it is looked at again."""
        rests = self.bound.laboratory.rests.get(device)
        last = self.state.last_of.get(device)
        if not rests or last is None or last.ended_s is None:
            return False
        until_s = last.ended_s + rests.get(last.verb, 0.0)
        if self.now_s >= until_s - 1e-9:
            return False
        self.wakes.append(until_s)
        return True

    # -- events -----------------------------------------------------------------------------------------------
    def _begin(self, experiment: ExperimentState, position: str | None) -> None:
        self.book.begin(experiment)
        if experiment.state is not Experiment.QUEUED or experiment.over:
            return
        self.decision.events.append(Event(experiment.id, "experiment.started", {}))
        if position is not None and experiment.id not in self.state.samples.here:
            self.claimed[position] = experiment.id
            assert self.layout is not None
            body = {"place": position, "many": place_of(position) in self.layout.unbounded}
            self.decision.events.append(Event(f"sample/{experiment.id}", "sample.entered", body))

    def _intend(
        self,
        experiment: ExperimentState,
        action: str,
        step_id: str,
        step: int | None,
        device: str,
        verb: str,
        spec: ActionSpec,
        arguments: Mapping[str, Argument],
        attempt: int,
        more: Mapping[str, Any],
    ) -> None:
        wall = self.bound.laboratory.file.clock == "wall"
        lasts_s = spec.lasts_s(arguments)
        body = {
            "experiment": experiment.id,
            "step": step,
            "step_id": step_id,
            "device": device,
            "verb": verb,
            "args": dict(arguments),
            "sample": experiment.id,
            "repeat": str(spec.repeat),
            "attempt": attempt,
            "deadline_s": DEADLINE_S + (3 * lasts_s if wall else 0.0),
            "late_s": max(LATE * lasts_s, SOONEST_LATE_S) if wall else LATE_VIRTUAL_S,
            "ends_s": self.now_s + lasts_s,
            **more,
        }
        self.decision.events.append(Event(action, "action.intended", body))
        self.decision.effects.append(Send(action))

    def _fail(self, experiment: ExperimentState, reason: str) -> None:
        body = {"attribution": "logistics", "reason": reason}
        self.decision.events.append(Event(experiment.id, "experiment.failed", body))
        self.moved.add(experiment.id)

    def _ruled_out(self, experiment: ExperimentState, step: BoundStep, rule: str, why: str = "") -> None:
        """What becomes of an experiment whose next action a rule of the laboratory refuses."""
        forbidden = why or f"{step.step.device}.{step.step.verb} is forbidden"
        reason = f"{forbidden} while {rule}"
        if experiment.state is Experiment.QUEUED:
            self.decision.events.append(Event(experiment.id, "experiment.rejected", {"reason": reason}))
        else:
            self._fail(experiment, reason)


def _too_late(step: BoundStep, by_s: float) -> str:
    return f"{step.step.id} had to begin within {step.step.within_s:g} s of the step before; that was {by_s:g} s ago"
