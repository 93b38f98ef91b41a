"""The plots that people look for in a benchmark: best so far, share found, enhancement, acceleration, first finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from orchestrator.backtest.measures import Course
from orchestrator.backtest.pool import Array
from orchestrator.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    axis,
    layout,
)
from orchestrator.report.wording import plain, with_unit

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("solid", "dash", "dot", "dashdot")
CHANCE = "random"
HEIGHT = 400
ABOVE = {"l": 64, "r": 20, "t": 64, "b": 52}


def looks(courses: Sequence[Course]) -> Iterator[tuple[Course, str, str]]:
    """Each course with its colour and dash; random draws are grey and dotted, whatever else there is."""
    place = 0
    for course in courses:
        if course.label == CHANCE:
            yield course, MUTED, "dot"
            continue
        yield course, COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)]
        place += 1


def _height(courses: Sequence[Course]) -> int:
    """Room for the legend above, however many names it has."""
    return HEIGHT + 14 * max(0, len(courses) - 4)


def best_so_far(courses: Sequence[Course]) -> go.Figure:
    """The truth of the best row so far against experiments: median and quartiles over the seeds."""
    figure = go.Figure()
    for course, colour, dash in looks(courses):
        known = np.isfinite(course.best).all(axis=0)
        n = np.arange(1, course.budget + 1)[known]
        _band(figure, n, course.best[:, known], course.label, colour, dash, "%{y:.4g}")
    objective = courses[0].pool.objective
    word = {"maximise": "highest", "minimise": "lowest", "match": "best"}[objective.direction]
    title = with_unit(f"{word} {plain(objective.name)} so far", plain(objective.unit))
    pool = courses[0].pool
    end = float(pool.values[int(np.nanargmax(pool.gains))])
    figure.add_hline(y=end, line={"color": MUTED, "width": 1})
    figure.update_layout(layout(_height(courses), xaxis=axis("experiments"), yaxis=axis(title), margin=ABOVE))
    return figure


def share_found(courses: Sequence[Course]) -> go.Figure:
    """Share of the top 5 % found against experiments: median and quartiles over the seeds."""
    figure = go.Figure()
    for course, colour, dash in looks(courses):
        n = np.arange(1, course.budget + 1)
        _band(figure, n, course.found, course.label, colour, dash, "%{y:.0%}")
    figure.update_layout(
        layout(
            _height(courses),
            xaxis=axis("experiments"),
            yaxis=axis("share of the top 5 % found", tickformat=".0%", rangemode="tozero"),
            margin=ABOVE,
        )
    )
    return figure


def _band(figure: go.Figure, n: Array, runs: Array, label: str, colour: str, dash: str, shown: str) -> None:
    low, middle, high = np.quantile(runs, [0.25, 0.5, 0.75], axis=0)
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    together: dict[str, Any] = {"legendgroup": label, "mode": "lines"}
    figure.add_scatter(
        x=[*n.tolist(), *reversed(n.tolist())],
        y=[*high.tolist(), *reversed(low.tolist())],
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.13)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        **together,
    )
    figure.add_scatter(
        x=n.tolist(),
        y=middle.tolist(),
        name=plain(label),
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"{plain(label)}, %{{x}}: {shown}<extra></extra>",
        **together,
    )


def enhancement(courses: Sequence[Course]) -> go.Figure:
    """Enhancement factor against experiments."""
    figure = go.Figure()
    for course, colour, dash in looks(courses):
        figure.add_scatter(
            x=list(range(1, course.budget + 1)),
            y=course.enhancement.tolist(),
            name=plain(course.label),
            mode="lines",
            line={"color": colour, "width": 2, "dash": dash},
            hovertemplate=f"{plain(course.label)}, %{{x}}: %{{y:.2f}}<extra></extra>",
        )
    figure.add_hline(y=1, line={"color": INK, "width": 1})
    figure.update_layout(
        layout(
            _height(courses),
            xaxis=axis("experiments"),
            yaxis=axis("enhancement factor EF", rangemode="tozero"),
            margin=ABOVE,
        )
    )
    return figure


def acceleration(courses: Sequence[Course]) -> go.Figure:
    """Acceleration factor against the share of the top 5 % that is wanted; a curve ends where half of the seeds do."""
    figure = go.Figure()
    n_top = int(courses[0].pool.top.sum())
    for course, colour, dash in looks(courses):
        factors = [(count / n_top, course.acceleration(count)) for count in range(1, n_top + 1)]
        reached = [(share, factor) for share, factor in factors if factor is not None]
        figure.add_scatter(
            x=[share for share, _ in reached],
            y=[factor for _, factor in reached],
            name=plain(course.label),
            mode="lines+markers" if n_top <= 20 else "lines",
            line={"color": colour, "width": 2, "dash": dash},
            marker={"size": 6},
            hovertemplate=f"{plain(course.label)}, %{{x:.0%}}: %{{y:.2f}}<extra></extra>",
        )
    figure.add_hline(y=1, line={"color": INK, "width": 1})
    figure.update_layout(
        layout(
            _height(courses),
            xaxis=axis("share of the top 5 % wanted", tickformat=".0%", range=[0, 1.02]),
            yaxis=axis("acceleration factor AF", rangemode="tozero"),
            margin=ABOVE,
        )
    )
    return figure


def first_finds(courses: Sequence[Course]) -> go.Figure:
    """Number of the experiment that found the first row of the top 5 %: a box and every seed beside it."""
    figure = go.Figure()
    budget = courses[0].budget
    for course, colour, _ in looks(courses):
        figure.add_box(
            x=course.first.tolist(),
            name=plain(course.label),
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            fillcolor="rgba(0,0,0,0)",
            line={"color": colour, "width": 1.5},
            marker={"color": colour, "size": 6, "opacity": 0.7},
            showlegend=False,
            hovertemplate=[
                f"seed {seed}: " + ("not found" if n > budget else str(int(n))) + "<extra></extra>"
                for seed, n in enumerate(course.first)
            ],
        )
    if any((course.first > budget).any() for course in courses):
        figure.add_vline(x=budget + 0.5, line={"color": MUTED, "width": 1, "dash": "dot"})
    figure.update_layout(
        layout(
            110 + 52 * len(courses),
            xaxis=axis("experiment that found the first of the top 5 %", rangemode="tozero"),
            yaxis={"autorange": "reversed", "automargin": True, "tickfont": {"size": 13}},
        )
    )
    return figure
