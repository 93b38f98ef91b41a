"""From what was told to what is believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from campaigns.aim import Aim
from surrogates.acquisition.outcome_constraints import Bounded, OutcomeChance
from surrogates.encode import Array, Encoder
from surrogates.goals.outputs import complete_rows
from surrogates.goals.scalarised import margin, scalarised, side_by_side
from surrogates.knowledge import Knowledge, Target
from surrogates.models import exact
from surrogates.models.base import Model
from surrogates.models.gp import Columns
from surrogates.models.kernels import SmoothIn
from surrogates.models.outcome import Outcome
from surrogates.models.surrogate import MOST_KEPT, Fit, Surrogate
from surrogates.models.wrapped import Wrapped
from surrogates.observation import Observations
from surrogates.transfer.source import Source

MOST_SPARSE = 300  # results that a search through sets of active parameters is made of
Own = Callable[[Array, Array, Array, Columns, int], Model]  # rows, values, noise variances, columns, seed


def learn(
    aim: Aim,
    encoder: Encoder,
    observations: Observations,
    seed: int,
    adapt: Callable[[Own], Own] | None = None,
) -> Knowledge | str:
    """One surrogate per reading and the belief about what is sought, or why there is none yet.

    `adapt`: from the way that a model is fitted to results to another one, where columns want to be looked at in a way
    of their own.

    Each reading is modelled from the rows that have it, so that partial results count for what they hold. The chance
    that outcome constraints hold is learned from every value of a bounded reading, those beyond it included.
    """
    related = any(part.related for part in aim.history)
    if not observations.measured and not related:
        return "no result yet" if not observations.rows else "no experiment has succeeded yet"
    direction = {o.name: o.direction for o in aim.objectives}
    readings: dict[str, Surrogate] = {}
    for reading in aim.readings:
        told = [i for i, row in enumerate(observations.rows) if reading in row.values]
        maximise = direction.get(reading, "maximise") != "minimise"
        sources = _sources(aim, encoder, reading, maximise) if related else []
        if not told and not sources:
            return f"no result of {reading} yet"
        readings[reading] = Surrogate(
            encoder,
            observations.rows,
            told,
            reading,
            maximise=maximise,
            fit=_fit(aim, seed, sources, _groups(aim, encoder), adapt),
            elsewhere=np.concatenate([past.values for past in sources]) if sources else np.zeros(0),
            most=MOST_SPARSE if aim.surrogate.model == "saas" else MOST_KEPT,
        )
    promised = None
    if aim.outcome_constraints:
        bounds = [
            Bounded.of(readings[c.name].belief, readings[c.name].outcome, c) for c in aim.outcome_constraints
        ]
        promised = OutcomeChance(bounds)
    objectives = [readings[o.name] for o in aim.objectives]
    codes = _codes(objectives)
    if not len(codes) and not (related and aim.goal == "single"):
        return f"no result yet that has {' and '.join(o.name for o in aim.objectives)}"
    outputs = side_by_side(aim.objectives, objectives) if aim.goal == "pareto" else None
    sought, target = _sought(aim, objectives), _target(aim, encoder)
    found = Knowledge(encoder, observations, readings, sought, codes, outputs, promised, target)
    if found.kept.any() or promised is None:
        return found
    bounded = [readings[constraint.name] for constraint in aim.outcome_constraints]
    # The probability of meeting the constraints says little while it is small everywhere: far from the bounds it is
    # largest where least is known, and the search would run to corners. How far off the readings are leads there.
    return replace(
        found,
        sought=margin(aim.outcome_constraints, bounded),
        codes=_codes(bounded),
        reaching=True,
    )


def _sought(aim: Aim, surrogates: Sequence[Surrogate]) -> Model:
    if aim.goal == "single" and aim.objectives[0].direction != "match":
        return surrogates[0].belief
    k = len(aim.objectives)
    equal = np.full(k, 1.0 / k) if aim.goal == "pareto" else None
    return scalarised(aim.objectives, surrogates, aim.goal, equal)


def _codes(surrogates: Sequence[Surrogate]) -> Array:
    """Codes of the results that have every objective, as the belief about what is sought has them."""
    rows = complete_rows([surrogate.told for surrogate in surrogates])[0]
    return surrogates[0].codes[surrogates[0].kept][rows]


def _groups(aim: Aim, encoder: Encoder) -> tuple[int, ...] | None:
    """Which length scales are those of the fidelity; None where there is none."""
    if aim.fidelity is None:
        return None
    j = encoder.names.index(aim.fidelity.parameter)
    return tuple(np.flatnonzero(encoder.group_parameter == j).tolist())


def _target(aim: Aim, encoder: Encoder) -> Target | None:
    if aim.fidelity is None:
        return None
    j = encoder.names.index(aim.fidelity.parameter)
    at = encoder.axes[j].unit(np.array([aim.fidelity.target]))[0]
    return Target(np.arange(encoder.columns[j].start, encoder.columns[j].stop), at)


# -- models ---------------------------------------------------------------------------------------------------
def _fit(
    aim: Aim,
    seed: int,
    sources: list[Past],
    target: tuple[int, ...] | None,
    adapt: Callable[[Own], Own] | None = None,
) -> Fit:
    """How results of one reading become a model: as the aim chooses, and with related history where there is some."""
    plain = (aim.surrogate.model, aim.surrogate.noise) == ("gp", "normal")

    recipe = exact.DEFAULT if target is None else replace(exact.DEFAULT, lengths=SmoothIn(target))

    def plainly(U: Array, z: Array, variance: Array, columns: Columns, seed: int) -> Model:
        if plain:
            return exact.fit(U, z, variance, columns, recipe=recipe)
        from surrogates.models.choice import fit

        return fit(aim.surrogate.model, aim.surrogate.noise, U, z, variance, columns, seed)

    own = plainly if adapt is None else adapt(plainly)

    def with_past(U: Array, z: Array, variance: Array, columns: Columns) -> tuple[Model, str]:
        if not sources:
            model = own(U, z, variance, columns, seed)
            # What `auto` chose is used as what it is; that it was chosen is said.
            return (model.model, model.name) if type(model) is Wrapped else (model, "")
        from surrogates.transfer.guard import with_history

        return with_history(U, z, variance, [past.source() for past in sources], columns, seed, own)

    return with_past


@dataclass(frozen=True)
class Past:
    """Related history of one reading: unit rows U (m, d), values (m,) in the reading's unit."""

    name: str
    U: Array
    values: Array
    maximise: bool

    def source(self) -> Source:
        """Standardised by its own transform: another set-up may have another scale."""
        z = Outcome.fit(self.values, maximise=self.maximise).forward(self.values)
        return Source(self.name, self.U, z, np.zeros(len(z)))


def _sources(aim: Aim, encoder: Encoder, reading: str, maximise: bool) -> list[Past]:
    out = []
    for part in aim.history:
        if not part.related or reading not in part.results:
            continue
        k = part.results.index(reading)
        kept = [i for i, values in enumerate(part.values) if values[k] is not None]
        candidates = [dict(zip(part.columns, part.rows[i], strict=True)) for i in kept]
        if candidates:
            values = np.array([part.values[i][k] for i in kept], float)
            out.append(Past(part.name, encoder.unit(encoder.codes(candidates)), values, maximise))
    return out
