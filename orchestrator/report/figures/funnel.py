"""The funnel as a picture, what was found over what was spent, and stages against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from orchestrator.report.funnel_counts import Found, Passage, pairs
from orchestrator.report.style import BLUE, GREEN, GRID, INK, MUTED, ORANGE, PAPER, SKY, axis, layout
from orchestrator.report.wording import label, number, plain, with_unit

_ROW = 84  # pixels of a stage
_LEAST = 0.12  # of the widest bar: a single crystal is still to be seen


@dataclass(frozen=True)
class Bar:
    """A stage as drawn: `inner` of `count` crystals went on (None: nothing is known of it)."""

    name: str
    count: int
    inner: int | None
    inside: str
    beside: str


def funnel_figure(bars: Sequence[Bar]) -> go.Figure:
    """Bars from top to bottom, their widths logarithmic in the counts, and in words beside them what they cost."""
    most = max((math.log10(bar.count) for bar in bars if bar.count), default=1.0) or 1.0

    def width(n: int) -> float:
        return 0.0 if n < 1 else _LEAST + (1 - _LEAST) * math.log10(n) / most

    figure = go.Figure()
    for row, bar in enumerate(bars):
        outer = width(bar.count)
        figure.add_bar(
            x=[outer], base=[-outer / 2], y=[-row], orientation="h", width=0.62,
            marker={"color": SKY, "line": {"width": 0}}, showlegend=row == 0, name="tried",
            hovertext=plain(f"{bar.name}: {bar.inside}. {bar.beside}"), hoverinfo="text",
        )  # fmt: skip
        if bar.inner is not None:
            inner = width(bar.inner)
            figure.add_bar(
                x=[inner], base=[-inner / 2], y=[-row], orientation="h", width=0.62,
                marker={"color": BLUE, "line": {"width": 0}}, showlegend=row == 0, name="went on, or the best",
                hovertext=plain(f"{bar.name}: {bar.inside}. {bar.beside}"), hoverinfo="text",
            )  # fmt: skip
        figure.add_annotation(
            x=-0.54, y=-row, text=f"<b>{plain(bar.name)}</b><br>{plain(bar.inside)}", showarrow=False,
            xanchor="right", align="right", font={"size": 13, "color": INK},
        )  # fmt: skip
        figure.add_annotation(
            x=0.54, y=-row, text=plain(bar.beside).replace("; ", "<br>"), showarrow=False, xanchor="left",
            align="left", font={"size": 12, "color": MUTED},
        )  # fmt: skip
    hidden = {"visible": False, "fixedrange": True}
    figure.update_layout(
        layout(
            60 + _ROW * len(bars),
            barmode="overlay",
            showlegend=False,
            xaxis={**hidden, "range": [-1.15, 1.25]},
            yaxis={**hidden, "range": [-len(bars) + 0.45, 0.55]},
            margin={"l": 8, "r": 8, "t": 12, "b": 12},
        )
    )
    return figure


def course_figure(
    found: Sequence[Found], spent_s: float, truth: float | None, name: str, unit: str
) -> go.Figure:
    """Labels of the last stage and the best so far over the lab seconds spent on all labels; across, the best of the
    pool, or of all found where that is not known: the distance is the regret."""
    figure = go.Figure()
    level = found[-1].best if truth is None else truth
    figure.add_scatter(
        x=[0, spent_s], y=[level, level], mode="lines", line={"color": ORANGE, "width": 1.5, "dash": "dash"},
        name="best found" if truth is None else "best of the pool", hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[*(one.spent_s for one in found), spent_s], y=[*(one.best for one in found), found[-1].best],
        mode="lines", line={"color": INK, "width": 1.5, "shape": "hv"}, name="best so far", hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=[one.spent_s for one in found], y=[one.value for one in found], mode="markers", name="label",
        marker={"color": BLUE, "size": 9, "line": {"color": PAPER, "width": 1}}, hoverinfo="text",
        hovertext=[
            plain(
                f"{', '.join(map(str, one.experiment.candidate.values()))}: {label(name)} "
                f"{number(one.value, 4)} {unit}, number {one.experiment.number}"
            )
            for one in found
        ],
    )  # fmt: skip
    figure.update_layout(
        layout(
            340,
            xaxis=axis("laboratory seconds of all labels", rangemode="tozero"),
            yaxis=axis(plain(with_unit(name, unit))),
        )
    )
    return figure


def agreement_figure(stages: Sequence[Passage], unit: str) -> go.Figure:
    """Labels of each stage over those of the stage before, of crystals that have both."""
    figure = go.Figure()
    colours = (BLUE, ORANGE, GREEN)
    values: list[float] = []
    for k, (one, other, both) in enumerate(pairs(stages)):
        x, y = [one.labels[id] for id in both], [other.labels[id] for id in both]
        texts = [f"{id}: {number(a, 4)}, then {number(b, 4)}" for id, a, b in zip(both, x, y, strict=True)]
        values += x + y
        figure.add_scatter(
            x=x, y=y, mode="markers", name=plain(f"{other.stage.name} over {one.stage.name}"),
            marker={"color": colours[k % 3], "size": 8, "line": {"color": PAPER, "width": 1}}, hoverinfo="text",
            hovertext=[plain(text) for text in texts],
        )  # fmt: skip
    if values:
        ends = [min(values), max(values)]
        figure.add_scatter(
            x=ends,
            y=ends,
            mode="lines",
            line={"color": GRID, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
        )
    names = [each.stage for each in stages]
    across = names[0].reading if len(names) == 2 else "the stage before"
    figure.update_layout(
        layout(
            340,
            xaxis=axis(plain(with_unit(across, unit))),
            yaxis=axis(plain(with_unit(names[-1].reading if len(names) == 2 else "the stage", unit))),
            showlegend=len(names) > 2,
        )
    )
    return figure
