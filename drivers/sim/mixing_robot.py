"""A simulated robot that mixes components into films: what it measures is a model fitted to a measured table.

Unlike `replay`, which answers with rows of the table, it answers at any mixture, with the errors of its doses and of
its meter, and it runs out of stock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from drivers.driver import Action, ActionFailed, Attribution, LabContext, Reading, Repeat, action
from drivers.errors import SettingsError
from drivers.protocol import Argument, DeviceSpec, ParameterSpec, ResultSpec
from drivers.sim.device import SimulatedDevice

if TYPE_CHECKING:
    from drivers.sim.table_model import TableModel

DOSE_S, FILM_S = 20.0, 300.0  # each component; coating, drying and measuring
SUM = 0.01  # of the total: how far off the parts of a mixture may add up


class MixingRobot(SimulatedDevice):
    """Mixes a film of several components and measures it.

    Each film is a new one: to make it again after a crash is as good as once, and gives the same film; what it used up
    is counted once. Stock is counted from the start of its host: a restart stands for a refill.
    """

    class Settings(SimulatedDevice.Settings):
        """`components`: name -> column of the table; they add up to `total` (in `unit`). `output`: the column measured,
        `reading` its name, in `output_unit`; it must be above 0, and its logarithm is what the model is fitted to.
        `dose`: sd of each dose relative to it; `meter`: sd of the meter, relative; `stock_ml`: of each component's
        stock solution, None for no end of it; `film_ml`: what a film takes of all together."""

        table: str | None = None
        components: Mapping[str, str] = Field(min_length=2)
        total: float = Field(default=100.0, gt=0)
        unit: str = "%"
        output: str
        reading: str = "value"
        output_unit: str = ""
        dose: float = Field(default=0.01, ge=0, lt=1)
        meter: float = Field(default=0.05, ge=0, lt=1)
        stock_ml: float | None = Field(default=None, gt=0)
        film_ml: float = Field(default=1.0, gt=0)

        @model_validator(mode="after")
        def _names(self) -> MixingRobot.Settings:
            if self.reading in self.components:
                raise ValueError(f"reading and a component are both called {self.reading!r}")
            return self

    settings: Settings

    def __init__(self, name: str, settings: Any, lab: LabContext) -> None:
        super().__init__(name, settings, lab)
        self._model = _model(self.settings)
        self._made: dict[str, dict[str, float]] = {}

    @classmethod
    def describe(cls, settings: Any) -> DeviceSpec:
        """Components and reading as the settings name them. Raises SettingsError for a bad table."""
        _model(settings)
        spec = super().describe(settings)
        parameters = {
            name: ParameterSpec(
                kind="number", unit=settings.unit, at_least=0, at_most=settings.total, doc=column
            )
            for name, column in settings.components.items()
        }
        results = {settings.reading: ResultSpec(unit=settings.output_unit, at_least=0, doc=settings.output)}
        made = spec.actions["make_and_measure"].model_copy(
            update={
                "parameters": parameters,
                "results": results,
                "takes_s": DOSE_S * len(parameters) + FILM_S,
            }
        )
        return spec.model_copy(update={"actions": {"make_and_measure": made}})

    @action(Repeat.REPEATABLE, gives={})
    async def make_and_measure(self, action: Action, **parts: Argument) -> Mapping[str, Reading]:
        """Dose, mix, coat, dry, measure."""
        settings = self.settings
        asked = {name: float(parts[name]) for name in settings.components}  # type: ignore[arg-type]
        if abs(sum(asked.values()) - settings.total) > SUM * settings.total:
            raise ActionFailed(
                Attribution.INFEASIBLE,
                f"wanted parts that add up to {settings.total:g} {settings.unit}, got {sum(asked.values()):g}",
            )
        self._take(action, asked)
        doses = [
            value * max(1 + settings.dose * self._chance(action, name).gauss(0.0, 1.0), 0.0)
            for name, value in asked.items()
        ]
        true = self._model.at([settings.total * dose / sum(doses) for dose in doses])
        took_s = DOSE_S * len(asked) + FILM_S
        seen = {"what": "film", settings.reading: true}
        await self.work(action, took_s, lambda elapsed_s: seen if elapsed_s >= took_s else None)
        read = true * math.exp(settings.meter * self._chance(action, "meter").gauss(0.0, 1.0))
        return self.readings(action, {settings.reading: (read, settings.meter * read or None)})

    def _take(self, action: Action, asked: Mapping[str, float]) -> None:
        """Use stock, once for each action. Raises ActionFailed where one runs out, before any is taken."""
        settings = self.settings
        if settings.stock_ml is None or action.id in self._made:
            return
        wanted = {name: settings.film_ml * value / settings.total for name, value in asked.items()}
        for name, volume in wanted.items():
            left = settings.stock_ml - sum(each[name] for each in self._made.values())
            if volume > left + 1e-9:
                raise ActionFailed(
                    Attribution.LOGISTICS,
                    f"{self.name}: {name} has run out: wanted {volume:.3g} mL, {left:.3g} mL are left",
                )
        self._made[action.id] = wanted


def _model(settings: MixingRobot.Settings) -> TableModel:
    # numpy and scikit-learn: only who has such a robot loads them.
    from drivers.sim.table_model import table_model

    if settings.table is None:
        raise SettingsError("no table is bound: give it on the command line with --table PATH (a CSV file)")
    return table_model(
        Path(settings.table).expanduser(), tuple(settings.components.values()), settings.output
    )
