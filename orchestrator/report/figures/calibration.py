"""Was the belief right before it was told? Predictions at proposal time against measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from orchestrator.report.findings import Z90, Prediction, mode_of
from orchestrator.report.style import BAND, INK, MODES, MUTED, PAPER, axis, layout
from orchestrator.report.wording import number, plain, uncertain, with_unit

if TYPE_CHECKING:
    from campaigns.campaign import Objective


def parity(predictions: Sequence[Prediction], objective: Objective, name: str = "") -> go.Figure:
    """Predicted (with 90 % bars) against measured, the diagonal, one trace per mode; `name`: what is measured, where
    that is not the objective itself."""
    figure = go.Figure()
    ends = [p.measured for p in predictions] + [p.mean for p in predictions]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    pad = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    span = [low - pad, high + pad]
    figure.add_scatter(
        x=span,
        y=span,
        mode="lines",
        name="perfect prediction",
        line={"color": MUTED, "width": 1, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    for mode, mark in MODES.items():
        shown = [p for p in predictions if mode_of(p.experiment) == mode]
        if shown:
            figure.add_scatter(
                x=[p.measured for p in shown],
                y=[p.mean for p in shown],
                error_y={
                    "type": "data",
                    "array": [Z90 * p.spread for p in shown],
                    "thickness": 1,
                    "width": 0,
                    "color": mark.colour,
                },
                mode="markers",
                name=mark.name,
                marker=_marker(mark.colour, mark.symbol),
                hovertext=[_told(p) for p in shown],
                hoverinfo="text",
            )
    title = with_unit(plain(name or objective.name), plain(objective.unit))
    figure.update_layout(
        layout(
            430,
            # The span of the points, not of the bars: a wide early bar must not hide all that came after.
            xaxis=axis(f"measured {title}", range=span, zeroline=False),
            yaxis=axis(f"predicted {title}", range=span),
        )
    )
    return figure


def residuals(predictions: Sequence[Prediction]) -> go.Figure:
    """(measured - predicted) / predicted spread, by experiment number, over the 90 % band."""
    figure = go.Figure()
    numbers = [p.experiment.number for p in predictions]
    reach = 1.12 * max([2.4, *(abs(p.residual or 0.0) for p in predictions)])
    ends = [min(numbers, default=1) - 0.8, max(numbers, default=1) + 0.8]
    figure.add_scatter(
        x=[*ends, *reversed(ends)],
        y=[-Z90, -Z90, Z90, Z90],
        fill="toself",
        fillcolor=BAND,
        mode="lines",
        line={"width": 0},
        name="90 % interval",
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=ends, y=[0, 0], mode="lines", line={"color": INK, "width": 1}, showlegend=False, hoverinfo="skip"
    )
    for mode, mark in MODES.items():
        shown = [
            (p, z) for p in predictions if mode_of(p.experiment) == mode and (z := p.residual) is not None
        ]
        if shown:
            figure.add_scatter(
                x=[p.experiment.number for p, _ in shown],
                y=[z for _, z in shown],
                mode="markers",
                name=mark.name,
                showlegend=False,
                marker=_marker(mark.colour, mark.symbol),
                hovertext=[f"{_told(p)}<br>{number(z, 3)} standard deviations" for p, z in shown],
                hoverinfo="text",
            )
    figure.update_layout(
        layout(
            430,
            xaxis=axis("experiment number", range=ends, showgrid=False),
            yaxis=axis("standardised residual (standard deviations)", range=[-reach, reach]),
        )
    )
    return figure


def _marker(colour: str, symbol: str) -> dict[str, object]:
    return {"color": colour, "symbol": symbol, "size": 9, "line": {"color": PAPER, "width": 1}}


def _told(p: Prediction) -> str:
    return (
        f"<b>Experiment {p.experiment.number}</b><br>predicted {uncertain(p.mean, p.sd)}"
        f"<br>measured {uncertain(p.measured, p.sigma)}"
    )
