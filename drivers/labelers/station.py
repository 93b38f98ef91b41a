"""What the labelers of one host share: the worker processes, and who is calculating what."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from drivers.driver import LabContext
from drivers.labelers.executor import Executor
from drivers.labelers.job import Ended
from drivers.labelers.pool import LocalPool


class Station:
    """One executor for all labelers of a host: any of them uses any idle worker."""

    _of: WeakKeyDictionary[LabContext, Station] = WeakKeyDictionary()

    def __init__(self, pool: LocalPool) -> None:
        self._pool = pool
        self.executor: Executor = pool
        self.in_hand: dict[str, asyncio.Future[Ended]] = {}  # label key -> its calculation
        self._n_users = 0

    @classmethod
    def join(cls, lab: LabContext, workers: int) -> Station:
        """The station of this host, with so many workers more."""
        station = cls._of.get(lab)
        if station is None:
            station = cls._of[lab] = cls(LocalPool(lab.directory / "workers"))
        station._n_users += 1
        station._pool.grow(workers)
        return station

    async def leave(self, lab: LabContext) -> None:
        """One labeler fewer; the last one ends the worker processes."""
        self._n_users -= 1
        if self._n_users == 0:
            self._of.pop(lab, None)
            await self.executor.close()
