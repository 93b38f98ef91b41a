"""Ax through its Client, with its default generation strategy.

Ax has no space that is a list of rows: what it proposes is snapped to the nearest open row, the trial of the proposal
abandoned and the row attached as a trial of its own.
"""

from __future__ import annotations

import logging
import warnings

import torch
from ax.api.client import Client  # type: ignore[import-not-found]
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig  # type: ignore[import-not-found]

from orchestrator.backtest.peers.rows import Array, Field, Rows


class Chooser:
    """One experiment of Ax; it begins with no trials of its own choosing, as it is told the first rows."""

    def __init__(self, rows: Rows, seed: int) -> None:
        torch.set_num_threads(1)
        for name in ("ax", *(name for name in logging.root.manager.loggerDict if name.startswith("ax."))):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._rows = rows
        self._client = Client(random_seed=seed)
        self._names = {field.name: f"x{i}" for i, field in enumerate(rows.fields)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._client.configure_experiment(
                parameters=[_parameter(field, self._names[field.name]) for field in rows.fields]
            )
            self._client.configure_optimization(objective="gain")
            self._client.configure_generation_strategy(
                method="fast", initialization_budget=0, initialize_with_center=False
            )

    def ask(self, open_rows: Array) -> int:
        """The open row nearest to Ax's proposal."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [(index, proposed)] = self._client.get_next_trials(max_trials=1).items()
        self._client.mark_trial_abandoned(index)
        return self._rows.nearest({name: proposed[x] for name, x in self._names.items()}, open_rows)

    def tell(self, row: int, gain: float | None) -> None:
        """Attach the row as a trial, completed or failed."""
        index = self._client.attach_trial({self._names[k]: v for k, v in self._rows.rows[row].items()})
        if gain is None:
            self._client.mark_trial_failed(index)
        else:
            self._client.complete_trial(index, raw_data={"gain": gain})


def _parameter(field: Field, name: str) -> ChoiceParameterConfig | RangeParameterConfig:
    if field.kind == "choice":
        return ChoiceParameterConfig(
            name=name, parameter_type="str", values=list(field.choices), is_ordered=False
        )
    kind = "int" if field.kind == "integer" else "float"
    bounds = (int(field.low), int(field.high)) if kind == "int" else (field.low, field.high)
    return RangeParameterConfig(
        name=name, parameter_type=kind, bounds=bounds, scaling="log" if field.log else "linear"
    )
