"""The sections that look at the posterior: slices and a plane through the best candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.contexts import as_made
from orchestrator.records import Records
from orchestrator.report.figures.belief import plane_figure, rows_figure, slice_figure
from orchestrator.report.figures.spec import Panel, panel
from orchestrator.report.findings import Z90, measured
from orchestrator.report.geometry import Line, is_numeric, line, plane, table_rows
from orchestrator.report.model import ModelUnavailable, ModelView
from orchestrator.report.sections import Section
from orchestrator.report.standings import Standing, centre
from orchestrator.report.wording import label, uncertain, unit_text

if TYPE_CHECKING:
    from campaigns.campaign import Objective
    from campaigns.space import Parameter, Value

TITLE = "What the model believes"
# Rows of a table drawn at most: more would hide each other.
_ROWS = 2000


def belief_sections(records: Records, model: ModelView | None, *, no_model: str) -> list[Section]:
    """One section for each objective, all through the same candidate; one that says why where there is no belief."""
    if set(records.campaign.space.free) <= set(records.campaign.space.materials):
        missing = "A candidate is a crystal here: there is nothing beside it to look along."
        return [Section("belief", TITLE, missing=missing)]
    if model is None:
        return [Section("belief", TITLE, missing=no_model)]
    middle = centre(records)
    if middle is None:
        missing = "Nothing has been measured, so there is nothing to look around."
        return [Section("belief", TITLE, missing=missing)]
    several = len(records.campaign.objectives) > 1
    return [
        _section(
            records,
            model,
            objective,
            middle,
            f"belief-{index}" if index else "belief",
            f"{TITLE}: {label(objective.name)}" if several else TITLE,
        )
        for index, objective in enumerate(records.campaign.objectives)
    ]


def _section(
    records: Records, model: ModelView, objective: Objective, middle: Standing, key: str, title: str
) -> Section:
    """Slices for every free parameter and two planes for the two that matter most.

    A model that cannot predict gives a section that says why.
    """
    space = records.campaign.space
    anchor = space.canonical(as_made(middle.record, records.campaign))
    lines = [line(space, anchor, p) for p in space.free if p not in space.materials]
    suffix = key.removeprefix("belief")
    try:
        beliefs = _predicted(model, objective, lines)
        shown, notes = _slices(records, objective, lines, beliefs, anchor, suffix)
        n_slices = len(shown)
        ranked = _ranked(lines, beliefs)
        there, doubt = model.predict([anchor], objective.name)
        shown += _planes(records, objective, model, ranked, anchor, suffix)
    except ModelUnavailable as reason:
        return Section(key, title, missing=str(reason))
    who = {
        "single": "the best candidate",
        "pareto": "the candidate of the front that alone dominates most",
        "desirability": "the candidate of highest desirability",
        "hierarchy": "the best candidate by the hierarchy",
    }[records.campaign.goal]
    there_text = "the best candidate" if records.campaign.goal == "single" else "this candidate"
    lead = (
        f"Posterior of the model fitted to all measurements, through {who} (experiment {middle.number}, "
        "ringed): line and band are the mean and 90 % of the belief about the noise-free objective. Dots are "
        f"measurements; the darker, the nearer the experiment lies to the slice. At {there_text} the model "
        f"puts the noise-free {label(objective.name)} at {uncertain(float(there[0]), float(doubt[0]))} "
        f"{unit_text(objective.unit)}".rstrip()
        + "."
    )
    return Section(
        key,
        title,
        lead,
        tuple(shown),
        columns=2 if n_slices in (1, 2, 4) else 3,
        notes=tuple(notes + _how(records, ranked)),
    )


def _predicted(
    model: ModelView, objective: Objective, lines: list[Line]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """One (mean, sd) per line, in a single call of the model."""
    mean, sd = model.predict([candidate for each in lines for candidate in each.candidates], objective.name)
    ends = np.cumsum([len(each.candidates) for each in lines])[:-1]
    return list(zip(np.split(mean, ends), np.split(sd, ends), strict=True))


def _slices(
    records: Records,
    objective: Objective,
    lines: list[Line],
    beliefs: list[tuple[np.ndarray, np.ndarray]],
    anchor: Mapping[str, Value],
    suffix: str,
) -> tuple[list[Panel], list[str]]:
    values = [value.value for e in records.experiments if (value := measured(e, objective)) is not None]
    low = min([float((mean - Z90 * sd).min()) for mean, sd in beliefs if len(mean)] + values)
    high = max([float((mean + Z90 * sd).max()) for mean, sd in beliefs if len(mean)] + values)
    pad = 0.05 * (high - low) or 1.0
    shown, alone = [], []
    for each, (mean, sd) in zip(lines, beliefs, strict=True):
        if len(each.candidates) < 2:
            alone.append(label(each.parameter.name))
            continue
        figure = slice_figure(records, objective, each, mean, sd, anchor, (low - pad, high + pad))
        about = f"posterior of {objective.name} along {each.parameter.name}"
        shown.append(panel(f"slice-{each.parameter.name}{suffix}", figure, "", about))
    notes = [f"Not shown, as nothing else is allowed along it: {', '.join(alone)}."] if alone else []
    return shown, notes


def _ranked(lines: list[Line], beliefs: list[tuple[np.ndarray, np.ndarray]]) -> list[Parameter]:
    """Numeric parameters, the one along whose slice the mean changes most first."""
    spread = [
        (float(np.ptp(mean)), each.parameter)
        for each, (mean, _) in zip(lines, beliefs, strict=True)
        if len(each.candidates) > 1 and is_numeric(each.parameter)
    ]
    return [parameter for _, parameter in sorted(spread, key=lambda pair: -pair[0])]


def _planes(
    records: Records,
    objective: Objective,
    model: ModelView,
    ranked: list[Parameter],
    anchor: Mapping[str, Value],
    suffix: str,
) -> list[Panel]:
    if len(ranked) < 2:
        return []
    space = records.campaign.space
    across, up = ranked[:2]
    name = label(objective.name)
    titles = ("mean", f"posterior mean of {name}"), ("sd", f"posterior standard deviation of {name}")
    found = []
    if space.allowed is not None:
        rows = table_rows(space, _ROWS)
        for values, (key, title) in zip(model.predict(rows, objective.name), titles, strict=True):
            order = np.argsort(values)  # high values on top of low ones
            figure = rows_figure(
                records,
                objective,
                [rows[i] for i in order],
                values[order],
                across,
                up,
                anchor,
                title.partition(" of ")[0],
            )
            found.append(
                panel(f"plane-{key}{suffix}", figure, title.capitalize() + ", allowed rows projected.", title)
            )
        return found
    surface = plane(space, anchor, across, up)
    inside = [candidate for row in surface.candidates for candidate in row if candidate is not None]
    if len(inside) < 4:
        return []
    for values, (key, title) in zip(model.predict(inside, objective.name), titles, strict=True):
        rest = iter(values.tolist())
        table = [
            [None if candidate is None else next(rest) for candidate in row] for row in surface.candidates
        ]
        figure = plane_figure(records, objective, surface, table, anchor, title.partition(" of ")[0])
        found.append(panel(f"plane-{key}{suffix}", figure, title.capitalize() + ".", title))
    return found


def _how(records: Records, ranked: list[Parameter]) -> list[str]:
    """How the slices were cut, where it is not plain."""
    space = records.campaign.space
    notes = []
    if space.materials:
        notes.append(
            f"All of it is for the same {' and '.join(label(p.name) for p in space.materials)}, that of the candidate: "
            "crystals have no order to move along."
        )
    if space.allowed is not None:
        notes.append(
            f"The space is a table of {len(space.allowed.rows)} allowed rows: a slice shows, for each value of its "
            "parameter, the row nearest to the best candidate in all the others, which may differ from it."
        )
    elif space.mixtures:
        notes.append(
            "Mixture components are moved along Cox directions: the others keep their proportions and are rescaled "
            "so that the sum holds. Blank regions of a plane are outside the space."
        )
    if len(ranked) >= 2:
        notes.append(
            f"The planes show {label(ranked[0].name)} and {label(ranked[1].name)}, the numeric parameters along whose "
            "slices the posterior mean changes most."
        )
    else:
        notes.append("No plane is shown: it needs two numeric parameters that can be varied.")
    return notes
