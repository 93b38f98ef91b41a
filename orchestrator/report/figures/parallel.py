"""All measured candidates at once: one line per experiment across the parameters, coloured by the objective."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from orchestrator.records import Records
from orchestrator.report.findings import measured
from orchestrator.report.geometry import bounds, is_log, is_numeric, unit_of
from orchestrator.report.style import FONT, INK, MUTED, SCALE, layout
from orchestrator.report.wording import label, number, plain, unit_text

if TYPE_CHECKING:
    from campaigns.space import Parameter, Value

# parcoords prints the ends of every range over the ticks; this makes that second set of labels invisible.
_HIDDEN = {"size": 1, "color": "rgba(0,0,0,0)"}


def parallel(records: Records) -> go.Figure:
    """Parallel coordinates of the experiments that measured the first objective; bright is better."""
    objective = records.campaign.objectives[0]
    shown = [
        (experiment, value.value)
        for experiment in records.experiments
        if (value := measured(experiment, objective)) is not None
    ]
    # The best are drawn last, on top.
    shown.sort(key=lambda pair: pair[1], reverse=objective.direction == "minimise")
    values = [value for _, value in shown]
    dimensions = [
        dimension(parameter, [experiment.candidate[parameter.name] for experiment, _ in shown])
        for parameter in records.campaign.space.free
    ]
    for each in records.campaign.objectives:
        column = [found.value if (found := measured(e, each)) is not None else math.nan for e, _ in shown]
        if not any(math.isnan(value) for value in column):
            dimensions.append({"label": _title(each.name, each.unit), "values": column})
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={
                "color": values,
                "colorscale": SCALE,
                "reversescale": objective.direction == "minimise",
                "showscale": False,
            },
            labelfont={"size": 12, "color": INK, "family": FONT},
            tickfont={"size": 11, "color": MUTED, "family": FONT, "shadow": "none"},
            rangefont=_HIDDEN,
            unselected={"line": {"color": MUTED, "opacity": 0.08}},
        )
    )
    figure.update_layout(layout(380, margin={"l": 70, "r": 60, "t": 70, "b": 24}))
    return figure


def dimension(parameter: Parameter, values: list[Value]) -> dict[str, Any]:
    """One axis: choices become tick labels, a log parameter its decades, levels and few integers their own."""
    found: dict[str, Any] = {"label": _title(parameter.name, unit_of(parameter))}
    if not is_numeric(parameter):
        choices = list(parameter.choices)
        ends = [-0.3, len(choices) - 0.7]
        return {
            **found,
            "values": [choices.index(value) for value in values],
            "tickvals": list(range(len(choices))),
            "ticktext": [plain(choice) for choice in choices],
            "range": ends,
        }
    low, high = bounds(parameter)
    if is_log(parameter):
        ticks = [low, *(t for t in _decades(low, high) if 1.25 * low < t < high / 1.25), high]
        return {
            **found,
            "values": [math.log10(float(value)) for value in values],
            "tickvals": [math.log10(tick) for tick in ticks],
            "ticktext": [number(tick, 3) for tick in ticks],
            "range": [math.log10(low), math.log10(high)],
        }
    found |= {"values": [float(value) for value in values], "range": [low, high]}
    if parameter.kind == "ordinal":
        found |= {
            "tickvals": [float(level) for level in parameter.levels],
            "ticktext": [number(float(level)) for level in parameter.levels],
        }
    elif parameter.kind == "integer" and high - low <= 12:
        found |= {"tickvals": list(range(int(low), int(high) + 1))}
    return found


def _title(name: str, unit: str) -> str:
    """Two lines, so that neighbours do not touch: the name, then the unit."""
    return f"{plain(label(name))}<br>{plain(unit_text(unit))}" if unit else plain(label(name))


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    return [step * 10.0**power for power in range(first, last + 1) for step in steps]
