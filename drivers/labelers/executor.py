"""The seam between labelers and whatever carries out their jobs: processes here, elsewhere a cluster's queue."""

from __future__ import annotations

import asyncio
from typing import Protocol

from drivers.labelers.job import Ended, Job


class Executor(Protocol):
    """Carries out jobs. A failed calculation, a crash and a time limit are ends like any other: `Ended`."""

    def submit(self, job: Job) -> asyncio.Future[Ended]:
        """Have `job` done; the future is done when it has ended. Its exceptions are errors of the executor."""

    def cancel(self, job_id: str, reason: str) -> None:
        """End the job now, waiting or running, as failed with `reason`. One that is not there is no error."""

    async def close(self) -> None:
        """End everything."""
