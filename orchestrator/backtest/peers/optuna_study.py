"""Optuna by ask and tell, with its default sampler (TPE).

Optuna has no space that is a list of rows: what it proposes is snapped to the nearest open row, the trial of the
proposal failed and the row added as a trial of its own.
"""

from __future__ import annotations

import optuna  # type: ignore[import-not-found]
from optuna.distributions import (  # type: ignore[import-not-found]
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial  # type: ignore[import-not-found]

from orchestrator.backtest.peers.rows import Array, Field, Rows


class Chooser:
    """One study of Optuna."""

    def __init__(self, rows: Rows, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        self._rows = rows
        self._box = {field.name: _distribution(field) for field in rows.fields}
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))

    def ask(self, open_rows: Array) -> int:
        """The open row nearest to Optuna's proposal."""
        trial = self._study.ask(self._box)
        self._study.tell(trial, state=TrialState.FAIL)
        return self._rows.nearest(trial.params, open_rows)

    def tell(self, row: int, gain: float | None) -> None:
        """Add the row as a trial, completed or failed."""
        state = TrialState.FAIL if gain is None else TrialState.COMPLETE
        params = dict(self._rows.rows[row])
        self._study.add_trial(create_trial(params=params, distributions=self._box, value=gain, state=state))


def _distribution(field: Field) -> BaseDistribution:
    if field.kind == "choice":
        return CategoricalDistribution(field.choices)
    if field.kind == "integer":
        return IntDistribution(int(field.low), int(field.high), log=field.log)
    return FloatDistribution(field.low, field.high, log=field.log)
