"""Slices and planes of the posterior through the best candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from orchestrator.contexts import as_made
from orchestrator.records import Records
from orchestrator.report.figures.axes import cartesian
from orchestrator.report.findings import Z90, measured
from orchestrator.report.geometry import Line, Plane, separation
from orchestrator.report.style import BAND, BLUE, DOT, INK, MUTED, ORANGE, PAPER, RIM, SCALE, axis, layout
from orchestrator.report.wording import number, plain, uncertain, value_text, with_unit

if TYPE_CHECKING:
    from campaigns.campaign import Objective
    from campaigns.space import Parameter, Value


def slice_figure(
    records: Records,
    objective: Objective,
    line: Line,
    mean: np.ndarray,
    sd: np.ndarray,
    anchor: Mapping[str, Value],
    span: tuple[float, float],
) -> go.Figure:
    """Posterior mean and 90 % band along one parameter; `mean` and `sd` have one entry per candidate."""
    figure = go.Figure()
    xs = line.positions
    low, high = mean - Z90 * sd, mean + Z90 * sd
    if line.continuous:
        figure.add_scatter(
            x=[*xs, *reversed(xs)],
            y=[*high.tolist(), *reversed(low.tolist())],
            fill="toself",
            fillcolor=BAND,
            mode="lines",
            line={"width": 0},
            name="90 % of the belief",
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=xs,
            y=mean.tolist(),
            mode="lines",
            name="posterior mean",
            line={"color": BLUE, "width": 2},
            hovertext=[f"{value_text(x)}: {uncertain(m, s)}" for x, m, s in zip(xs, mean, sd, strict=True)],
            hoverinfo="text",
        )
    _measured_points(figure, records, objective, line.parameter, anchor)
    if not line.continuous:  # over the dots, which would hide it
        figure.add_scatter(
            x=[_place(x) for x in xs],
            y=mean.tolist(),
            error_y={"type": "data", "array": (Z90 * sd).tolist(), "thickness": 2, "width": 5, "color": BLUE},
            mode="markers",
            name="posterior mean, 90 %",
            marker={"color": BLUE, "size": 10, "symbol": "line-ew-open", "line": {"width": 2.5}},
            hovertext=[
                f"{plain(value_text(x))}: {uncertain(m, s)}" for x, m, s in zip(xs, mean, sd, strict=True)
            ],
            hoverinfo="text",
        )
    figure.update_layout(
        layout(
            300,
            xaxis=cartesian(line.parameter, 0.03),
            yaxis=axis(with_unit(plain(objective.name), plain(objective.unit)), range=list(span)),
            showlegend=False,
            margin={"l": 60, "r": 14, "t": 12, "b": 48},
        )
    )
    return figure


def plane_figure(
    records: Records,
    objective: Objective,
    plane: Plane,
    values: Sequence[Sequence[float | None]],
    anchor: Mapping[str, Value],
    title: str,
) -> go.Figure:
    """Filled contours of `values` (row by row as the plane's candidates) with the measured points on top."""
    figure = go.Figure(
        go.Contour(
            x=list(plane.xs),
            y=list(plane.ys),
            z=[list(row) for row in values],
            colorscale=SCALE,
            ncontours=14,
            contours={"showlines": True},
            line={"width": 0.5, "color": PAPER},
            colorbar=_colourbar(with_unit(title, plain(objective.unit))),
            hovertemplate="%{x:.4g}, %{y:.4g}: %{z:.4g}<extra></extra>",
            connectgaps=False,
        )
    )
    _dots(figure, records, objective, plane.across, plane.up, anchor)
    figure.update_layout(_plane_layout(plane.across, plane.up))
    return figure


def rows_figure(
    records: Records,
    objective: Objective,
    rows: Sequence[Mapping[str, Value]],
    values: np.ndarray,
    across: Parameter,
    up: Parameter,
    anchor: Mapping[str, Value],
    title: str,
) -> go.Figure:
    """The allowed rows of a table, projected on two parameters and coloured by `values`."""
    figure = go.Figure(
        go.Scatter(
            x=[row[across.name] for row in rows],
            y=[row[up.name] for row in rows],
            mode="markers",
            name="allowed rows",
            marker={
                "color": values.tolist(),
                "colorscale": SCALE,
                "size": 11,
                "symbol": "square",
                "colorbar": _colourbar(with_unit(title, plain(objective.unit))),
            },
            hovertext=[number(float(value)) for value in values],
            hoverinfo="text",
        )
    )
    _dots(figure, records, objective, across, up, anchor)
    figure.update_layout(_plane_layout(across, up, 0.04))
    return figure


def _measured_points(
    figure: go.Figure,
    records: Records,
    objective: Objective,
    parameter: Parameter,
    anchor: Mapping[str, Value],
) -> None:
    """Measured values projected on the slice: the nearer to it, the darker."""
    space = records.campaign.space
    shown = [
        (experiment, space.canonical(as_made(experiment, records.campaign)), value)
        for experiment in records.experiments
        if (value := measured(experiment, objective)) is not None
    ]
    away = [separation(space, made, anchor, skip=(parameter.name,)) for _, made, _ in shown]
    figure.add_scatter(
        x=[_place(made[parameter.name]) for _, made, _ in shown],
        y=[value.value for _, _, value in shown],
        mode="markers",
        name="measured",
        marker={
            "color": INK,
            "size": 7,
            "opacity": [round(max(0.12, 0.9 - 1.8 * distance), 3) for distance in away],
            "line": {"width": 0},
        },
        hovertext=[
            f"<b>Experiment {experiment.number}</b><br>{uncertain(value.value, value.sigma)}"
            for experiment, _, value in shown
        ],
        hoverinfo="text",
    )
    star = [value.value for _, made, value in shown if made == anchor]
    if star:
        figure.add_scatter(
            x=[_place(anchor[parameter.name])],
            y=star[:1],
            mode="markers",
            name="best",
            marker={"symbol": "circle-open", "size": 16, "color": ORANGE, "line": {"width": 2.5}},
            hoverinfo="skip",
        )


def _dots(
    figure: go.Figure,
    records: Records,
    objective: Objective,
    across: Parameter,
    up: Parameter,
    anchor: Mapping[str, Value],
) -> None:
    shown = [e for e in records.experiments if measured(e, objective) is not None]
    made = [as_made(e, records.campaign) for e in shown]
    figure.add_scatter(
        x=[candidate[across.name] for candidate in made],
        y=[candidate[up.name] for candidate in made],
        mode="markers",
        name="measured",
        marker={"color": DOT, "size": 6, "line": {"color": RIM, "width": 1}},
        cliponaxis=False,
        hovertext=[f"Experiment {e.number}" for e in shown],
        hoverinfo="text",
    )
    figure.add_scatter(
        x=[anchor[across.name]],
        y=[anchor[up.name]],
        mode="markers",
        name="best",
        marker={"symbol": "circle-open", "size": 17, "color": ORANGE, "line": {"width": 3}},
        hoverinfo="skip",
    )


def _plane_layout(across: Parameter, up: Parameter, pad: float = 0.0) -> dict[str, Any]:
    return layout(
        400,
        xaxis=cartesian(across, pad),
        yaxis=cartesian(up, pad),
        showlegend=False,
        margin={"l": 60, "r": 10, "t": 12, "b": 52},
    )


def _place(value: Value) -> Value:
    """A value on an axis; the names of choices are escaped there as everywhere."""
    return plain(value) if isinstance(value, str) else value


def _colourbar(title: str) -> dict[str, Any]:
    return {
        "title": {"text": title, "side": "right", "font": {"size": 12}},
        "thickness": 12,
        "outlinewidth": 0,
        "tickcolor": MUTED,
        "ticks": "outside",
        "ticklen": 4,
        "exponentformat": "power",
    }
