"""The belief a report looks at: anything that predicts a reading, and the planner's own model.

Importing this module loads no torch; making a `PlannerView` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from orchestrator.contexts import as_made
from orchestrator.records import Records
from orchestrator.report.findings import measured, readings, state_of

if TYPE_CHECKING:
    from campaigns.space import Value


class ModelUnavailable(Exception):
    """There is no belief to show; the message is a sentence for the reader of the report."""


class ModelView(Protocol):
    """A belief about the readings of a campaign."""

    def predict(
        self, candidates: Sequence[Mapping[str, Value]], reading: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and standard deviation of the noise-free reading, each of shape (n,), in its unit.

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

    def predict(
        self, candidates: Sequence[Mapping[str, Value]], reading: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `ModelView.predict`; ModelUnavailable where torch is missing, data are few or the fit fails."""
        if self._planner is None:
            self._planner = _told(self._records)
        try:
            mean, sd = self._planner.predict([dict(candidate) for candidate in candidates], reading)
        except Exception as error:  # a fit may fail in many ways, and a report without a model is still one
            raise ModelUnavailable(
                f"The model could not be fitted: {type(error).__name__}: {error}."
            ) from error
        mean, sd = np.asarray(mean, dtype=float).reshape(-1), np.asarray(sd, dtype=float).reshape(-1)
        if not (np.isfinite(mean).all() and np.isfinite(sd).all()):
            raise ModelUnavailable("The model gave predictions that are not finite numbers.")
        return mean, sd


def _told(records: Records) -> Any:
    """A planner of the campaign's own aim that knows every result of the records."""
    campaign = records.campaign
    known = sum(
        measured(experiment, campaign.objectives[0]) is not None for experiment in records.experiments
    )
    if known < 2:
        raise ModelUnavailable(f"A model needs at least 2 measured experiments; there are {known}.")
    try:
        from surrogates.planner import Planner
    except ImportError as error:
        raise ModelUnavailable(f"The surrogate could not be loaded: {error}.") from error
    planner = Planner.of(campaign)
    looked_at = readings(campaign)
    for experiment in records.experiments:
        candidate = as_made(experiment, campaign)
        values = {name: got for name, r in looked_at.items() if (got := measured(experiment, r)) is not None}
        try:
            if values:
                planner.tell(
                    candidate,
                    {name: value.value for name, value in values.items()},
                    sigma={name: value.sigma for name, value in values.items()},
                )
            elif state_of(experiment) == "failed" and (experiment.failure or ("",))[0] == "infeasible":
                # no other failure says anything about the candidate
                planner.tell(candidate, None, failed=True)
        except ValueError as error:
            text = f"The model refused experiment {experiment.number}: {error}."
            raise ModelUnavailable(text) from error
    return planner
