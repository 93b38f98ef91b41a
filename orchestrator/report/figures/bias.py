"""Which elements are over- and under-represented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from orchestrator.report.style import BLUE, MUTED, VERMILLION, axis, layout
from orchestrator.report.wording import number, percent

if TYPE_CHECKING:
    from surrogates.materials.bias import Enrichment

MOST = 40  # elements drawn at most, those of the largest ratios either way
LEVEL = 0.05  # of all tests together (Bonferroni)


def bias_figure(found: Sequence[Enrichment]) -> go.Figure:
    """A bar for each element, the logarithm of its share over that in the reference; grey where chance will do."""
    shown = sorted(found, key=lambda each: -abs(each.log2))[:MOST]
    shown = sorted(shown, key=lambda each: (-each.log2, each.element))
    level = LEVEL / max(len(found), 1)
    colours = [MUTED if each.p > level else (VERMILLION if each.log2 > 0 else BLUE) for each in shown]
    figure = go.Figure()
    figure.add_bar(
        x=[each.element for each in shown],
        y=[each.log2 for each in shown],
        marker={"color": colours},
        name="enrichment",
        hovertext=[
            f"<b>{each.element}</b>: in {percent(each.share)} of the labelled, {percent(each.reference)} of the "
            f"reference<br>p = {number(each.p, 2)}"
            for each in shown
        ],
        hoverinfo="text",
        showlegend=False,
    )
    figure.update_layout(
        layout(
            340,
            xaxis=axis("element", type="category"),
            yaxis=axis("log₂ of the share, labelled over reference"),
        )
    )
    return figure
