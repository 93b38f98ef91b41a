"""The belief a report looks at: anything that predicts a reading, and the planner's own model.

Importing this module loads no torch; making a `PlannerView` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from orchestrator.contexts import as_made
from orchestrator.crystals import Crystals
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.findings import every, measured, readings, state_of

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

    def __init__(self, records: Records, crystals: Crystals | None = None) -> None:
        """`crystals`: the pools beside the log, of a campaign over materials."""
        self._records, self._crystals = records, crystals
        self._planner: Any = None

    def predict(
        self, candidates: Sequence[Mapping[str, Value]], reading: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `ModelView.predict`; ModelUnavailable where torch is missing, data are few or the fit fails."""
        if self._planner is None:
            self._planner = _told(self._records, self._crystals)
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


def _told(records: Records, crystals: Crystals | None) -> Any:
    """A planner of the campaign's own aim that knows every result of the records."""
    campaign = records.campaign
    known = sum(
        measured(experiment, campaign.objectives[0]) is not None for experiment in records.experiments
    )
    if known < 2:
        raise ModelUnavailable(f"A model needs at least 2 measured experiments; there are {known}.")
    planner = _planner(records) if not campaign.space.materials else _joint_planner(records, crystals)
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


def _planner(records: Records) -> Any:
    try:
        from surrogates.planner import Planner
    except ImportError as error:
        raise ModelUnavailable(f"The surrogate could not be loaded: {error}.") from error
    return Planner.of(records.campaign)


def _joint_planner(records: Records, crystals: Crystals | None) -> Any:
    """Over material and process, with what the campaign's loops have learned of the materials.

    The networks kept beside the log are those that the campaign trained; one that is missing is trained again.
    """
    if crystals is None:
        raise ModelUnavailable("The model needs the pool of crystals, which was not at hand.")
    try:
        from surrogates.joint.planner import JointPlanner
        from surrogates.joint.service import Known
    except ImportError as error:
        raise ModelUnavailable(f"The graph networks could not be loaded: {error}.") from error
    campaign = records.campaign
    (material,) = campaign.space.materials
    request = {
        "aim": campaign.aim.model_dump(mode="json"),
        "seed": campaign.seed,
        "observations": [],
        "others": {loop.name: [_row(e) for e in loop.experiments] for loop in records.loops},
        "materials": {
            "pool": str(crystals.path(material)),
            "directory": str(crystals.folder),
            "structures": {id: record for e in every(records) for id, record in e.structures.items()},
        },
    }
    try:
        known = Known.of(request, None)
        # What no experiment reads is a property of the material itself: no belief about a reading depends on it.
        read = {name for e in records.experiments for name in e.values}
        kept = tuple(c for c in known.aim.outcome_constraints if c.name in read)
        aim = known.aim.model_copy(update={"outcome_constraints": kept})
        return JointPlanner(aim, material.name, known.representation, seed=campaign.seed)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The materials could not be represented: {error}.") from error


def _row(experiment: ExperimentRecord) -> dict[str, Any]:
    """What an experiment of another loop measured, as the planner is told of it."""
    values = {name: {"value": got.value, "sigma": got.sigma} for name, got in experiment.values.items()}
    if state_of(experiment) != "measured":
        values = {}
    return {
        "candidate": dict(experiment.candidate),
        "values": values,
        "failed": experiment.failure is not None,
    }
