"""The belief a report looks at: anything that predicts the first objective, and the planner's own model.

Importing this module loads no torch; making a `PlannerView` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from orchestrator.records import Records
from orchestrator.report.findings import measured, state_of

if TYPE_CHECKING:
    from campaigns.space import Value


class ModelUnavailable(Exception):
    """There is no belief to show; the message is a sentence for the reader of the report."""


class ModelView(Protocol):
    """A belief about the first objective."""

    def predict(self, candidates: Sequence[Mapping[str, Value]]) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and standard deviation of the noise-free objective, each of shape (n,), in its unit.

        Raises ModelUnavailable where nothing can be predicted.
        """
        ...


class PlannerView:
    """The planner's model, refitted from all that the records hold.

    It is the belief at the end of the campaign, not the one any proposal was made with. Torch is loaded and the
    model fitted at the first prediction, so that making a view costs nothing and cannot fail.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._planner: Any = None

    def predict(self, candidates: Sequence[Mapping[str, Value]]) -> tuple[np.ndarray, np.ndarray]:
        """As `ModelView.predict`; ModelUnavailable where torch is missing, data are few or the fit fails."""
        if self._planner is None:
            self._planner = _told(self._records)
        try:
            mean, sd = self._planner.predict([dict(candidate) for candidate in candidates])
        except Exception as error:  # a fit may fail in many ways, and a report without a model is still one
            raise ModelUnavailable(
                f"The model could not be fitted: {type(error).__name__}: {error}."
            ) from error
        mean, sd = np.asarray(mean, dtype=float).reshape(-1), np.asarray(sd, dtype=float).reshape(-1)
        if not (np.isfinite(mean).all() and np.isfinite(sd).all()):
            raise ModelUnavailable("The model gave predictions that are not finite numbers.")
        return mean, sd


def _told(records: Records) -> Any:
    """A planner that knows every result of the records."""
    objective = records.campaign.objectives[0]
    values = [(experiment, measured(experiment, objective)) for experiment in records.experiments]
    known = sum(value is not None for _, value in values)
    if known < 2:
        raise ModelUnavailable(f"A model needs at least 2 measured experiments; there are {known}.")
    try:
        from surrogates.planner import Planner
    except ImportError as error:
        raise ModelUnavailable(f"The surrogate could not be loaded: {error}.") from error
    planner = Planner(records.campaign.space, [objective], seed=records.campaign.seed)
    for experiment, value in values:
        try:
            if value is not None:
                planner.tell(dict(experiment.candidate), value.value, sigma=value.sigma)
            elif state_of(experiment) == "failed" and (experiment.failure or ("",))[0] == "infeasible":
                # no other failure says anything about the candidate
                planner.tell(dict(experiment.candidate), None, failed=True)
        except ValueError as error:
            text = f"The model refused experiment {experiment.number}: {error}."
            raise ModelUnavailable(text) from error
    return planner
