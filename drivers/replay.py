"""A table of measured data as an instrument: a campaign is tried out on what is known already."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from drivers.driver import Action, ActionFailed, Attribution, Driver, LabContext, Reading, Repeat, action
from drivers.errors import SettingsError
from drivers.protocol import Argument, DeviceSpec, ParameterSpec, ResultSpec
from drivers.sim.randomness import chance
from drivers.table import SAME, Match, MeasuredTable, measured_table

Bounds = Annotated[tuple[float, float], Field(strict=False)]
ROW = "row"


class Replay(Driver):
    """Looks measured values up in a CSV table instead of measuring them."""

    simulated = True
    version = "1"

    class Settings(Driver.Settings):
        """`inputs`: argument -> column; `outputs`: reading -> column; `units`: of both, else "".

        `match`: the nearest row by range-normalised Euclidean distance (categories must be equal), or an
        exact one only; `max_distance`: a nearest row farther off is none. `replicates` are rows of equal
        inputs: their mean with its standard error, or one drawn by the seed and the action's id. `bounds`
        replaces the smallest and largest value of a column as limits of its argument. `takes_s`: lab seconds.
        """

        table: str | None = None
        inputs: Mapping[str, str] = Field(min_length=1)
        outputs: Mapping[str, str] = Field(min_length=1)
        units: Mapping[str, str] = Field(default_factory=dict)
        match: Literal["nearest", "exact"] = "nearest"
        max_distance: float | None = Field(default=None, gt=0)
        replicates: Literal["mean", "draw"] = "mean"
        bounds: Mapping[str, Bounds] = Field(default_factory=dict)
        takes_s: float = Field(default=0.0, ge=0)

        @model_validator(mode="after")
        def _names(self) -> Replay.Settings:
            for what, names, known in (
                ("units", self.units, {*self.inputs, *self.outputs}),
                ("bounds", self.bounds, {*self.inputs}),
            ):
                if unknown := set(names) - known:
                    raise ValueError(f"{what} name {', '.join(sorted(unknown))}: no such input or output")
            if ROW in self.outputs:
                raise ValueError(f"an output cannot be called {ROW!r}: that is the row which was used")
            return self

    safe_state = "a table: nothing moves"

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._table = _table(self.settings)

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """Arguments, their kinds and bounds as the table has them. Raises SettingsError for a bad table."""
        spec = super().describe(settings)
        table = _table(settings)
        parameters = {name: _parameter(name, settings, table) for name in settings.inputs}
        results = {
            name: ResultSpec(unit=settings.units.get(name, ""), doc=f"column {column!r}")
            for name, column in settings.outputs.items()
        }
        results[ROW] = ResultSpec(at_least=1, doc="the data row of the table that was used, counted from 1")
        look_up = spec.actions["look_up"].model_copy(
            update={"parameters": parameters, "results": results, "takes_s": settings.takes_s}
        )
        return spec.model_copy(update={"actions": {"look_up": look_up}})

    @action(Repeat.REPEATABLE, gives={})
    async def look_up(self, action: Action, **arguments: Argument) -> Mapping[str, Reading]:
        """Give what was measured at the matching row."""
        settings = self.settings
        match = self._match(arguments)
        await self.lab.clock.sleep(settings.takes_s)
        chosen = match.rows[0]
        if settings.replicates == "draw":
            chosen = chance(self.lab.seed, action.id, "replicate").choice(match.rows)
        readings = {}
        for name, column in settings.outputs.items():
            values = self._table.measured(column, match.rows)
            sd = statistics.stdev(values) if len(values) > 1 else 0.0
            if settings.replicates == "draw":
                value, sigma = self._table.measured(column, [chosen])[0], sd
            else:
                value, sigma = statistics.fmean(values), sd / math.sqrt(len(values))
            # One measurement, or several without any spread, say nothing about their uncertainty.
            readings[name] = Reading(value=value, unit=settings.units.get(name, ""), sigma=sigma or None)
        readings[ROW] = Reading(value=chosen)
        return readings

    def _match(self, arguments: Mapping[str, Argument]) -> Match:
        settings = self.settings
        match = self._table.match({column: arguments[name] for name, column in settings.inputs.items()})
        allowed = settings.max_distance if settings.max_distance is not None else math.inf
        if settings.match == "exact":
            allowed = SAME * math.sqrt(len(settings.inputs))
        if match is None or match.distance > allowed:
            asked = ", ".join(f"{name}={value}" for name, value in arguments.items())
            nearest = (
                "" if match is None else f"; row {match.rows[0]} is nearest, {match.distance:.3g} ranges off"
            )
            raise ActionFailed(Attribution.INFEASIBLE, f"the table has no row for {asked}{nearest}")
        return match


def _table(settings: Replay.Settings) -> MeasuredTable:
    if settings.table is None:
        raise SettingsError("no table is bound: give it on the command line with --table PATH (a CSV file)")
    path = Path(settings.table).expanduser()
    return measured_table(path, tuple(settings.inputs.values()), tuple(settings.outputs.values()))


def _parameter(name: str, settings: Replay.Settings, table: MeasuredTable) -> ParameterSpec:
    column = settings.inputs[name]
    doc = f"column {column!r}"
    if column in table.categorical:
        if name in settings.bounds or name in settings.units:
            raise SettingsError(f"{name} is categorical in {table.path} and can have neither unit nor bounds")
        return ParameterSpec(kind="choice", choices=table.choices(column), doc=doc)
    low, high = settings.bounds.get(name) or table.bounds(column)
    unit = settings.units.get(name, "")
    return ParameterSpec(kind="number", unit=unit, at_least=low, at_most=high, doc=doc)
