"""All measured candidates at once: a line per experiment across the parameters, coloured by its worth."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from orchestrator.contexts import as_made
from orchestrator.records import Records
from orchestrator.report.figures.axes import dimension, two_lines
from orchestrator.report.standings import Standing
from orchestrator.report.style import FONT, INK, LINES, MUTED, PAPER, layout

# parcoords prints the ends of every range over the ticks; this makes that second set of labels invisible.
_HIDDEN = {"size": 1, "color": "rgba(0,0,0,0)"}
# Keeps ticks readable over the lines.
_HALO = ", ".join(f"{x}px {y}px 2px {PAPER}" for x in (-1, 1) for y in (-1, 1))


def parallel(records: Records, found: Sequence[Standing], worth: Sequence[float]) -> go.Figure:
    """Parallel coordinates of measured experiments, coloured by `worth`, larger is better; vermillion is best."""
    # The best are drawn last, on top.
    shown = sorted(zip(found, worth, strict=True), key=lambda pair: pair[1])
    made = [as_made(each.record, records.campaign) for each, _ in shown]
    dimensions = [
        dimension(parameter, [candidate[parameter.name] for candidate in made])
        for parameter in records.campaign.space.free
    ]
    dimensions += [
        {
            "label": two_lines(objective.name, objective.unit),
            "values": [each.values[objective.name].value for each, _ in shown],
        }
        for objective in records.campaign.objectives
    ]
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={"color": [value for _, value in shown], "colorscale": LINES, "showscale": False},
            labelfont={"size": 12, "color": INK, "family": FONT},
            tickfont={"size": 11, "color": INK, "family": FONT, "shadow": _HALO},
            rangefont=_HIDDEN,
            unselected={"line": {"color": MUTED, "opacity": 0.08}},
        )
    )
    # Names stand to the left of their axis; those of the first one need the margin.
    first = dimensions[0].get("ticktext", ())
    left = min(max([70, *(7 * len(name) + 14 for name in first)]), 240)
    figure.update_layout(layout(380, margin={"l": left, "r": 60, "t": 70, "b": 24}))
    return figure
