"""The front of a Pareto goal, two objectives at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from orchestrator.records import Records
from orchestrator.report.figures.by_number import described
from orchestrator.report.figures.progress import distance_title
from orchestrator.report.findings import beyond, mode_of
from orchestrator.report.standings import Standing, lower_is_better
from orchestrator.report.style import BAND, BLUE, INK, MODES, MUTED, ORANGE, PAPER, SCALE, axis, layout
from orchestrator.report.wording import plain, with_unit

if TYPE_CHECKING:
    from campaigns.campaign import Objective


def front_figure(
    records: Records,
    found: Sequence[Standing],
    front: Sequence[Standing],
    reference: Sequence[float] | None,
    pair: tuple[int, int],
) -> go.Figure:
    """Every measured experiment over two objectives, coloured by its number; the front is ringed, and where these two
    are all, drawn as the border of what it dominates. `reference` has a place on the axis of every objective."""
    campaign = records.campaign
    across, up = (campaign.objectives[i] for i in pair)
    figure = go.Figure()
    if reference is not None:
        at = reference[pair[0]], reference[pair[1]]
        if len(campaign.objectives) == 2:
            _border(figure, [(e.place(across), e.place(up)) for e in front], at, (across, up))
        figure.add_scatter(
            x=[at[0]],
            y=[at[1]],
            mode="markers",
            name="reference point",
            marker={"symbol": "cross-thin-open", "size": 13, "color": MUTED, "line": {"width": 2.5}},
            hovertext=[plain("reference point of the hypervolume")],
            hoverinfo="text",
        )
    numbers = [each.number for each in found]
    for mode, mark in MODES.items():
        shown = [each for each in found if mode_of(each.record) == mode]
        if shown:
            figure.add_scatter(
                x=[each.place(across) for each in shown],
                y=[each.place(up) for each in shown],
                mode="markers",
                name=mark.name,
                marker={
                    "color": [each.number for each in shown],
                    "coloraxis": "coloraxis",
                    "symbol": mark.symbol,
                    "size": 9,
                    "line": {"color": PAPER, "width": 1},
                },
                hovertext=[described(records, each.record) for each in shown],
                hoverinfo="text",
            )
    _overlay(figure, front, (across, up), "on the front", "circle-open", ORANGE, 17)
    broken = [each for each in found if beyond(each.record, campaign)]
    _overlay(figure, broken, (across, up), "beyond a bound", "x-thin-open", INK, 10)
    figure.update_layout(
        layout(
            430,
            xaxis=_axis(across),
            yaxis=_axis(up),
            coloraxis={
                "colorscale": SCALE,
                "cmin": min(numbers, default=0),
                "cmax": max(numbers, default=1),
                "colorbar": {
                    "title": {"text": "experiment number", "side": "right", "font": {"size": 12}},
                    "thickness": 12,
                    "outlinewidth": 0,
                },
            },
            margin={"l": 64, "r": 20, "t": 64, "b": 52},
        )
    )
    figure.update_layout(legend={"y": 1.02})
    return figure


def border(
    points: Sequence[tuple[float, float]], reference: tuple[float, float], lower: tuple[bool, bool]
) -> list[tuple[float, float]]:
    """The corners of what `points` dominate above `reference`, from one axis of the reference to the other; empty where
    none is better than it in both. `lower`: whether lower is better on each axis."""
    signs = tuple(-1.0 if each else 1.0 for each in lower)
    r = reference[0] * signs[0], reference[1] * signs[1]
    above = sorted(
        (x * signs[0], y * signs[1]) for x, y in points if x * signs[0] > r[0] and y * signs[1] > r[1]
    )
    if not above:
        return []
    best = [p for p in above if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in above)]
    corners = [(r[0], best[0][1])]
    for i, (x, y) in enumerate(best):
        corners += [(x, y), (x, best[i + 1][1] if i + 1 < len(best) else r[1])]
    return [(x * signs[0], y * signs[1]) for x, y in corners]


def _border(
    figure: go.Figure,
    points: Sequence[tuple[float, float]],
    reference: tuple[float, float],
    axes: tuple[Objective, Objective],
) -> None:
    corners = border(points, reference, (lower_is_better(axes[0]), lower_is_better(axes[1])))
    if not corners:
        return
    figure.add_scatter(
        x=[x for x, _ in corners] + [reference[0], corners[0][0]],
        y=[y for _, y in corners] + [reference[1], corners[0][1]],
        mode="lines",
        fill="toself",
        fillcolor=BAND,
        line={"width": 0},
        name="dominated",
        showlegend=False,
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[x for x, _ in corners],
        y=[y for _, y in corners],
        mode="lines",
        name="front",
        line={"color": BLUE, "width": 2},
        hoverinfo="skip",
    )


def _overlay(
    figure: go.Figure,
    shown: Sequence[Standing],
    axes: tuple[Objective, Objective],
    name: str,
    symbol: str,
    colour: str,
    size: int,
) -> None:
    if shown:
        figure.add_scatter(
            x=[each.place(axes[0]) for each in shown],
            y=[each.place(axes[1]) for each in shown],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": size, "color": colour, "line": {"width": 2}},
            hoverinfo="skip",
        )


def _axis(objective: Objective) -> dict[str, Any]:
    if objective.target is not None:
        return axis(distance_title(objective))
    return axis(with_unit(plain(objective.name), plain(objective.unit)))
