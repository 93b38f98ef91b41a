"""Every variant with every seed, in one process or several; the same results whatever their number."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from orchestrator.backtest.choosers import Chooser, OwnPlanner, other_library
from orchestrator.backtest.play import Played, play
from orchestrator.backtest.pool import Pool, read_pool
from orchestrator.backtest.variants import Setup, Variant
from orchestrator.binding import BoundCampaign


@dataclass(frozen=True)
class Task:
    """One variant with one seed."""

    setup: Setup
    variant: Variant
    seed: int


def sweep(
    setup: Setup, wanted: Sequence[Variant], seeds: int, jobs: int = 1
) -> Iterator[tuple[Task, Played]]:
    """Each task with what became of it, as soon as it is known. Seeds are 0 to `seeds` - 1, the same for all variants.

    Every process uses one thread for linear algebra.
    """
    tasks = [Task(setup, variant, seed) for variant in wanted for seed in range(seeds)]
    if jobs == 1:
        with threadpool_limits(limits=1):
            for task in tasks:
                yield task, carry_out(task)
        return
    # Forked, a process would inherit the threads of libraries in a state that nobody knows.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, initializer=_alone) as pool:
        found: dict[Future[Played], Task] = {pool.submit(carry_out, task): task for task in tasks}
        try:
            for done in as_completed(found):
                yield found[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _alone() -> None:
    threadpool_limits(limits=1)


def carry_out(task: Task) -> Played:
    """Play one task."""
    bound = _bound(task.setup, task.variant.overrides)
    chooser: Chooser = OwnPlanner()
    if task.variant.peer:
        written = _bound(task.setup, ()).campaign
        chooser = other_library(task.variant.peer, _pool(task.setup), written, task.seed)
    return play(bound, task.seed, chooser)


@lru_cache(maxsize=64)
def _bound(setup: Setup, overrides: tuple[str, ...]) -> BoundCampaign:
    return setup.bound(overrides)


@lru_cache(maxsize=1)
def _pool(setup: Setup) -> Pool:
    return read_pool(_bound(setup, ()))
