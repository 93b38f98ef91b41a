"""Reading a signal: a request of its own to a host, which may be busy, halted or gone."""

from __future__ import annotations

import asyncio
import math

from drivers.client import HostGone
from drivers.protocol import Action
from orchestrator.hands import Hands
from orchestrator.monitoring import Source
from orchestrator.sentry import Seen, reading_of

LOOK_S = 10.0  # what a sensor may take to be read


class Reader:
    """Reads signals, and remembers when each was read last."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._read_at: dict[str, float] = {}  # signal -> loop time

    async def read(self, source: Source, epoch: int) -> Seen | None:
        """What there is to say of a signal now; None while what was read last still counts. While its device is halted
        nobody looks; while it acts, what was read last counts for a while."""
        loop = asyncio.get_running_loop()
        if source.device in self._hands.still:
            self._read_at[source.signal] = loop.time()
            return None
        request = Action(
            id=f"look.{source.signal}", device=source.device, verb=source.verb, args=dict(source.arguments),
            epoch=epoch, deadline_s=LOOK_S,
        )  # fmt: skip
        value, unit, reason = None, source.unit, ""
        try:
            reply = await self._hands.sense(request)
            if "readings" in reply:
                value, unit, reason = reading_of(source, reply["readings"])
            else:
                reason = str(reply.get("failed") or f"{source.device} is busy with {reply.get('busy')}")
        except HostGone as gone:
            reply, reason = {}, str(gone)
        now_s = loop.time()
        if value is not None:
            self._read_at[source.signal] = now_s
        elif "busy" in reply and now_s - self._read_at.get(source.signal, -math.inf) < source.stale_s:
            return None
        return Seen(source.signal, value, unit, reason, now_s)
