"""All measured candidates at once: a line per experiment across the parameters, coloured by the objective."""

from __future__ import annotations

import plotly.graph_objects as go

from orchestrator.records import Records
from orchestrator.report.figures.axes import dimension, two_lines
from orchestrator.report.findings import measured
from orchestrator.report.style import FONT, INK, LINES, MUTED, PAPER, layout

# parcoords prints the ends of every range over the ticks; this makes that second set of labels invisible.
_HIDDEN = {"size": 1, "color": "rgba(0,0,0,0)"}
# Keeps ticks readable over the lines.
_HALO = ", ".join(f"{x}px {y}px 2px {PAPER}" for x in (-1, 1) for y in (-1, 1))


def parallel(records: Records) -> go.Figure:
    """Parallel coordinates of the experiments that measured the first objective; vermillion is best."""
    objective = records.campaign.objectives[0]
    shown = [
        (experiment, value.value)
        for experiment in records.experiments
        if (value := measured(experiment, objective)) is not None
    ]
    # The best are drawn last, on top.
    shown.sort(key=lambda pair: pair[1], reverse=objective.direction == "minimise")
    dimensions = [
        dimension(parameter, [experiment.candidate[parameter.name] for experiment, _ in shown])
        for parameter in records.campaign.space.free
    ]
    for each in records.campaign.objectives:
        column = [found.value for e, _ in shown if (found := measured(e, each)) is not None]
        if len(column) == len(shown):  # an objective that some experiments did not give cannot be an axis
            dimensions.append({"label": two_lines(each.name, each.unit), "values": column})
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={
                "color": [value for _, value in shown],
                "colorscale": LINES,
                "reversescale": objective.direction == "minimise",
                "showscale": False,
            },
            labelfont={"size": 12, "color": INK, "family": FONT},
            tickfont={"size": 11, "color": INK, "family": FONT, "shadow": _HALO},
            rangefont=_HIDDEN,
            unselected={"line": {"color": MUTED, "opacity": 0.08}},
        )
    )
    figure.update_layout(layout(380, margin={"l": 70, "r": 60, "t": 70, "b": 24}))
    return figure
