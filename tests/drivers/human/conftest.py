"""The person of the documentation's laboratory, and somebody who answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.binding import bind
from drivers.clock import WallClock
from drivers.driver import LabContext
from drivers.human.person import Human
from drivers.human.tasks import Task, answer, open_tasks
from tests.drivers.pages import printed


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The host's directory in a run folder, which is `tmp_path`."""
    directory = tmp_path / "hosts" / "technician"
    directory.mkdir(parents=True)
    return directory


def technician(host: Path, **changes: Any) -> Human:
    """The printed device. `changes` are made to its action `weigh`."""
    lab = printed("instruments/human.md", {})
    actions = dict(lab.devices["technician"].settings["actions"])
    lab = lab.with_settings("technician", actions={**actions, "weigh": {**actions["weigh"], **changes}})
    made = bind(lab)["technician"].make(LabContext(WallClock(), None, 0, host))
    assert isinstance(made, Human)
    return made


async def asked(folder: Path, n: int = 1) -> list[Task]:
    """The open tasks, once there are `n`."""
    async with asyncio.timeout(10):
        while len(tasks := open_tasks(folder)) < n:
            await asyncio.sleep(0.01)
    return tasks


@contextlib.asynccontextmanager
async def somebody(folder: Path, form: Callable[[Task], Mapping[str, Any]]) -> AsyncIterator[None]:
    """Somebody who answers every task meanwhile."""

    async def work() -> None:
        while True:
            for task in open_tasks(folder):
                answer(folder, task.action, form(task), by="Ada")
            await asyncio.sleep(0.02)

    working = asyncio.create_task(work())
    try:
        yield
        assert not working.done() or working.result() is None
    finally:
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
