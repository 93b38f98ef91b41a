"""One campaign with one seed on the bench: the engine's own `decide`, `learn` and advice, without log and processes.

What is proposed is what `alquimia run` proposes with this seed: every decision is made by the same functions of the
same events. Quiet hours and time limits of phases do not pass: a table answers at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from campaigns.space import Value
from orchestrator.backtest.bench import Bench
from orchestrator.backtest.choosers import Chooser
from orchestrator.binding import BoundCampaign
from orchestrator.decide import CAMPAIGN, decide
from orchestrator.decision import Around, Ask, Send, Wake
from orchestrator.events import Event, Numbering
from orchestrator.lab import LabState
from orchestrator.lifecycle import Campaign, Experiment
from orchestrator.outcomes import learn


@dataclass(frozen=True)
class Played:
    """What became of a campaign: its experiments in the order of proposing, those refused by the guard left out.

    candidates  what was proposed
    values      what was measured, in the objective's unit; None where it failed
    seconds     what each question to the planner took
    reason      why the campaign ended
    """

    candidates: tuple[Mapping[str, Value], ...]
    values: tuple[float | None, ...]
    seconds: tuple[float, ...]
    reason: str


def play(bound: BoundCampaign, seed: int, chooser: Chooser) -> Played:
    """The campaign from its first experiment to its end, with `seed` in place of its own."""
    campaign = bound.campaign.model_copy(update={"seed": seed})
    return asyncio.run(_play(replace(bound, campaign=campaign), chooser))


async def _play(bound: BoundCampaign, chooser: Chooser) -> Played:
    bench, campaign = Bench(bound), bound.campaign
    state, numbering = LabState(), Numbering(0, 0, {})
    seconds: list[float] = []

    def apply(events: Sequence[Event]) -> None:
        for event in events:
            state.apply(numbering.place(event))

    apply([Event(CAMPAIGN, "campaign.opened", {"campaign": campaign.name})])
    now_s: float | None = None
    while state.campaign is not Campaign.FINISHED:
        effects: list[Ask | Send] = []
        while True:
            decision = decide(state, bound, Around(now_s=now_s))
            apply(decision.events)
            effects += [effect for effect in decision.effects if not isinstance(effect, Wake)]
            waits_to_s = [effect.at_s for effect in decision.effects if isinstance(effect, Wake)]
            if not decision.events and (effects or not waits_to_s):
                break
            if not decision.events:  # a table has no clock: what only time is waited for has come
                now_s = min(waits_to_s)
        if not effects and state.campaign is not Campaign.FINISHED:
            raise RuntimeError(f"nothing is under way and {campaign.name} is {state.campaign}")
        for effect in effects:
            if isinstance(effect, Send):
                apply(learn(await bench.carry_out(state.actions[effect.action]), state, bound))
                continue
            began = time.perf_counter()
            advice = await chooser.answer(effect, state, campaign)
            seconds.append(time.perf_counter() - began)
            apply(chooser.events(advice, state, campaign))
    shown = [e for e in state.experiments.values() if e.state is not Experiment.REJECTED]
    name = campaign.objectives[0].name
    return Played(
        tuple(e.candidate for e in shown),
        tuple(e.values[name].value if e.state is Experiment.MEASURED else None for e in shown),
        tuple(seconds),
        state.reason,
    )
