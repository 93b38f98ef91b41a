"""The rows that a campaign may propose, and what the replay says of each: the truth that a backtest is judged by."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from campaigns.space import Space, Value
from drivers.protocol import Action, Outcome
from drivers.replay import Replay
from drivers.table import measured_table
from orchestrator.affine import Affine
from orchestrator.backtest.bench import Bench
from orchestrator.binding import BoundCampaign, BoundStep
from orchestrator.errors import Refused

if TYPE_CHECKING:
    from campaigns.objective import Objective

Array = np.ndarray

TOP = 0.05  # Liang et al. (npj Comput. Mater. 7, 188, 2021) count the best 5 % of a table as found or not


@dataclass(frozen=True)
class Pool:
    """Every allowed candidate with its truth.

    candidates  canonical, in the order of the campaign's table
    values      (n,) the objective in its own unit, replicates averaged; NaN where the replay has no such row
    noise       pooled standard deviation of one measurement; None where nothing was measured twice
    """

    objective: Objective
    space: Space
    candidates: tuple[Mapping[str, Value], ...]
    values: Array
    noise: float | None

    def __len__(self) -> int:
        return len(self.candidates)

    @cached_property
    def gains(self) -> Array:
        """(n,) `values`, larger is better; minus infinity where there is none."""
        return np.array(
            [self.objective.gain(v) if math.isfinite(v) else -math.inf for v in self.values.tolist()]
        )

    @cached_property
    def threshold(self) -> float:
        """The gain from which on a row is one of the best 5 % (their number rounded up)."""
        n_known = int(np.isfinite(self.values).sum())
        return float(np.sort(self.gains)[-math.ceil(TOP * n_known)])

    @cached_property
    def top(self) -> Array:
        """(n,) which rows are among the best 5 %; ties at the threshold all are."""
        return self.gains >= self.threshold

    def place(self, candidate: Mapping[str, Value]) -> int:
        """The row of a candidate, -1 for one that is none."""
        return self._places.get(tuple(self.space.canonical(candidate).values()), -1)

    @cached_property
    def _places(self) -> dict[tuple[Value, ...], int]:
        return {tuple(candidate.values()): i for i, candidate in enumerate(self.candidates)}


def check(bound: BoundCampaign) -> None:
    """Raises `Refused` (E520 to E522) where a campaign cannot be played on a table in which every answer is known."""
    campaign = bound.campaign
    if len(campaign.objectives) != 1:
        raise Refused(
            "E522",
            f"{campaign.name} seeks {', '.join(o.name for o in campaign.objectives)}, and rows can be ranked by one "
            "objective only",
            cure="leave one objective for the backtest",
        )
    strange = sorted(
        {s.step.device for s in bound.steps if not issubclass(_driver(bound, s.devices[0]), Replay)}
    )
    if strange:
        raise Refused(
            "E520",
            f"{', '.join(strange)} of the laboratory {bound.laboratory.file.name!r} is no replay of a table",
            cure="name with --lab a laboratory whose devices have the driver 'replay'",
        )
    if campaign.space.allowed is None:
        raise Refused(
            "E521",
            f"{campaign.name} may propose what was never measured",
            cure="add `allowed: {table: table, columns: ...}`, so that every answer is known",
        )


def _driver(bound: BoundCampaign, device: str) -> type:
    return bound.laboratory.devices[device].driver


def read_pool(bound: BoundCampaign) -> Pool:
    """Look every allowed row up, replicates averaged. Raises `Refused` (E520 to E522)."""
    check(bound)
    space, objective = bound.campaign.space, bound.campaign.objectives[0]
    assert space.allowed is not None
    columns = space.allowed.columns
    candidates = tuple(space.canonical(dict(zip(columns, row, strict=True))) for row in space.allowed.rows)
    step = next(step for step in reversed(bound.steps) if objective.name in step.gives)
    gift = step.gives[objective.name]
    outcomes = asyncio.run(_look_up(bound, step, candidates))
    conversion = Affine.between(gift.device_unit, gift.unit)
    values = [
        conversion(o.readings[gift.reading].value) if o.status == "succeeded" else math.nan for o in outcomes
    ]
    if all(map(math.isnan, values)):
        raise Refused(
            "E521",
            f"the replay has none of the {len(candidates)} rows that {bound.campaign.name} may propose",
            cure="bind the same file to the campaign's table and to the instrument's",
        )
    spread = _noise(bound, step, candidates, outcomes)
    noise = None if spread is None else abs(conversion.scale) * spread
    return Pool(objective, space, candidates, np.array(values), noise)


async def _look_up(
    bound: BoundCampaign, step: BoundStep, candidates: Sequence[Mapping[str, Value]]
) -> list[Outcome]:
    device = Bench(bound, replicates="mean").devices[step.devices[0]]
    return [
        await device.act(
            Action(
                id=f"row{i}", device=device.name, verb=step.step.verb, args=step.arguments(candidate), epoch=0
            )
        )
        for i, candidate in enumerate(candidates)
    ]


def _noise(
    bound: BoundCampaign,
    step: BoundStep,
    candidates: Sequence[Mapping[str, Value]],
    outcomes: Sequence[Outcome],
) -> float | None:
    """Pooled standard deviation of replicates, in the device's unit."""
    settings = bound.laboratory.devices[step.devices[0]].settings
    assert isinstance(settings, Replay.Settings) and settings.table is not None
    inputs, outputs = settings.inputs, settings.outputs
    table = measured_table(Path(settings.table).expanduser(), tuple(inputs.values()), tuple(outputs.values()))
    column = outputs[step.gives[bound.campaign.objectives[0].name].reading]
    squares, freedom = 0.0, 0
    for candidate, outcome in zip(candidates, outcomes, strict=True):
        if outcome.status != "succeeded":
            continue
        arguments = step.arguments(candidate)
        match = table.match({there: arguments[name] for name, there in inputs.items()})
        if match is not None and len(match.rows) > 1:
            squares += float(np.var(table.measured(column, match.rows))) * len(match.rows)
            freedom += len(match.rows) - 1
    return math.sqrt(squares / freedom) if freedom else None
