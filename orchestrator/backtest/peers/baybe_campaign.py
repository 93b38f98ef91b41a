"""BayBE through its Campaign, default recommender, on a discrete space of just these rows."""

from __future__ import annotations

import warnings

import pandas as pd
import torch
from baybe import Campaign  # type: ignore[import-not-found]
from baybe.parameters import CategoricalParameter, NumericalDiscreteParameter  # type: ignore[import-not-found]
from baybe.searchspace import SearchSpace  # type: ignore[import-not-found]
from baybe.settings import active_settings  # type: ignore[import-not-found]
from baybe.targets import NumericalTarget  # type: ignore[import-not-found]

from orchestrator.backtest.peers.rows import Array, Rows


class Chooser:
    """One campaign of BayBE. A failed row is not told: BayBE has no word for it."""

    def __init__(self, rows: Rows, seed: int) -> None:
        torch.set_num_threads(1)
        active_settings.random_seed = seed
        self._rows = rows
        frame = pd.DataFrame(list(rows.rows))
        parameters = [
            CategoricalParameter(f.name, f.choices)
            if f.kind == "choice"
            else NumericalDiscreteParameter(f.name, sorted({float(value) for value in frame[f.name]}))
            for f in rows.fields
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._campaign = Campaign(SearchSpace.from_dataframe(frame, parameters), NumericalTarget("gain"))

    def ask(self, open_rows: Array) -> int:
        """BayBE's own row; the nearest open one where it is not open."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            [proposed] = self._campaign.recommend(batch_size=1).to_dict("records")
        return self._rows.nearest(proposed, open_rows)

    def tell(self, row: int, gain: float | None) -> None:
        """Add the measurement."""
        if gain is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._campaign.add_measurements(pd.DataFrame([{**self._rows.rows[row], "gain": gain}]))
