"""When a forecast is due, and one at a time beside the engine's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from orchestrator.binding import BoundCampaign
from orchestrator.events import Event
from orchestrator.lab import LabState
from orchestrator.lifecycle import Experiment
from orchestrator.records import EventRecord
from orchestrator.scheduling.forecast import SHORTEST_S, Forecast, departed, event_of
from orchestrator.scheduling.precedence import remaining_s

ON_THE_WAY = frozenset({Experiment.QUEUED, Experiment.RUNNING})


class Foresight:
    """Forecasts of one campaign."""

    def __init__(self, bound: BoundCampaign) -> None:
        self._bound = bound
        self._busy = False

    def due(self, state: LabState, placed: Sequence[EventRecord], ended: Sequence[str]) -> str:
        """Why what is in hand should be forecast anew, or '': there are new experiments, or reality (actions that
        `ended`) has left the last forecast. Of one experiment, or of little work, nobody needs one."""
        why = ""
        if any(event.kind == "experiment.queued" for event in placed):
            why = "experiments were admitted"
        elif any(departed(state.actions[name], state.forecast) for name in ended):
            why = "reality departed from the forecast before"
        if not why or self._busy or sum(one.state in ON_THE_WAY for one in state.live.values()) < 2:
            return ""
        work_s = sum(remaining_s(one, self._bound) for one in state.live.values())
        return why if work_s >= SHORTEST_S else ""

    async def event(self, state: LabState, now_s: float, why: str) -> Event:
        """The forecast, played forward on a copy in another thread."""
        self._busy = True
        try:
            rows = await asyncio.to_thread(Forecast(state, self._bound, now_s).rows)
        finally:
            self._busy = False
        return event_of(rows, now_s, why)
