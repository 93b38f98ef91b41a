"""What was said of atoms before they were labelled, against what was measured: one mark an atom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from orchestrator.report.style import BLUE, GREEN, MUTED, ORANGE, PURPLE, VERMILLION, axis, layout
from orchestrator.report.wording import plain

COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE)
MOST = 4000  # marks: beyond it a browser is slow and no eye sees more


def atoms_figure(marks: Mapping[str, tuple[Sequence[float], Sequence[float]]], name: str) -> go.Figure:
    """`marks`: by element, what was predicted and what was measured; of very many every k-th is drawn."""
    figure = go.Figure()
    every = [x for pair in marks.values() for values in pair for x in values]
    low, high = min(every), max(every)
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", name="as predicted", hoverinfo="skip",
        line={"color": MUTED, "width": 1, "dash": "dot"},
    )  # fmt: skip
    step = -(-sum(len(said) for said, _ in marks.values()) // MOST)
    for k, (element, (said, found)) in enumerate(marks.items()):
        figure.add_scatter(
            x=[float(f"{x:.4g}") for x in said[::step]], y=[float(f"{y:.4g}") for y in found[::step]],
            mode="markers", name=plain(element), hoverinfo="skip",
            marker={"color": COLOURS[k % len(COLOURS)], "size": 4, "opacity": 0.6},
        )  # fmt: skip
    return figure.update_layout(
        layout(420), xaxis=axis(f"{plain(name)} predicted"), yaxis=axis(f"{plain(name)} measured")
    )
