"""A search for stable crystals, round by round: hits, the hull, and how far the predictions held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from orchestrator.report.discovery import Discovery, Round
from orchestrator.report.style import BLUE, INK, MODES, MUTED, ORANGE, PAPER, VERMILLION, Mark, axis, layout
from orchestrator.report.wording import number, per_atom, percent, plain

_HEIGHT = 340
_OTHER = Mark("other", MUTED, "circle")
_SHARE: dict[str, Any] = {"tickformat": ".0%", "range": [-0.04, 1.08]}


def rates_figure(found: Discovery) -> go.Figure:
    """Hit rate of each round, of all rounds so far, and the share that is on the hull at the end."""
    figure = go.Figure()
    shown = [each for each in found.rounds if each.hit_rate is not None]
    judged, hits, path = 0, 0, []
    for each in found.rounds:
        judged, hits = judged + len(each.judged), hits + each.hits
        if judged:
            path.append((each.index, hits / judged))
    _line(figure, path, "hit rate so far", INK)
    _by_mode(
        figure,
        shown,
        lambda each: each.hit_rate,
        lambda each: f"{each.hits} of {len(each.judged)} on or below the hull known then",
    )
    ended = [each for each in found.rounds if each.precision is not None]
    figure.add_scatter(
        x=[each.index for each in ended],
        y=[each.precision for each in ended],
        mode="markers",
        name="on the hull at the end",
        marker={"symbol": "circle-open", "size": 15, "color": ORANGE, "line": {"width": 2}},
        hoverinfo="skip",
    )
    return _laid_out(figure, found.rounds, "share of the labelled", **_SHARE)


def growth_figure(found: Discovery) -> go.Figure:
    """Phases on the hull after each round, and how many of them the campaign found."""
    figure = go.Figure()
    begin = [0, *(each.index for each in found.rounds)]
    n_before = len(found.before.stable)
    for name, counts, colour, fill in (
        ("on the hull", [n_before, *(each.n_stable for each in found.rounds)], INK, None),
        ("of these found here", [0, *(each.n_found for each in found.rounds)], VERMILLION, "tozeroy"),
    ):
        figure.add_scatter(
            x=begin,
            y=counts,
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 1.5, "shape": "hv"},
            marker={"size": 6, "color": colour, "line": {"color": PAPER, "width": 1}},
            fill=fill,
            fillcolor="rgba(213,94,0,0.14)",
            hovertext=[
                f"after round {at}: {n}" if at else f"before: {n}"
                for at, n in zip(begin, counts, strict=True)
            ],
            hoverinfo="text",
        )
    return _laid_out(figure, found.rounds, "phases", rangemode="tozero", first=0)


def error_figure(found: Discovery, unit: str) -> go.Figure:
    """Mean absolute error of what was predicted of each round before it was labelled."""
    figure = go.Figure()
    shown = [each for each in found.rounds if each.mean_error is not None]
    _line(figure, [(each.index, each.mean_error) for each in shown], "mean absolute error", BLUE)
    _by_mode(
        figure,
        shown,
        lambda each: each.mean_error,
        lambda each: (
            f"{number(each.mean_error, 3)} {plain(per_atom(unit))} over {len(each.predicted)} predictions"
        ),
        legend=False,
    )
    title = f"mean absolute error ({plain(per_atom(unit))})" if unit else "mean absolute error"
    return _laid_out(figure, found.rounds, title, rangemode="tozero")


def held_figure(found: Discovery) -> go.Figure:
    """Share of each round's energies inside the 90 % interval predicted, with its own 90 % interval."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0.4, len(found.rounds) + 0.6],
        y=[0.9, 0.9],
        mode="lines",
        name="nominal 90 %",
        line={"color": MUTED, "width": 1, "dash": "dash"},
        hoverinfo="skip",
    )
    shown = [each for each in found.rounds if each.predicted]

    def bars(rounds: Sequence[Round]) -> dict[str, Any]:
        ends = [each.coverage.bounds or (0.0, 1.0) for each in rounds]
        at = [each.coverage.fraction or 0.0 for each in rounds]
        return {
            "type": "data",
            "symmetric": False,
            "array": [high - y for (_, high), y in zip(ends, at, strict=True)],
            "arrayminus": [y - low for (low, _), y in zip(ends, at, strict=True)],
            "thickness": 1,
            "width": 0,
        }

    _by_mode(
        figure,
        shown,
        lambda each: each.coverage.fraction,
        lambda each: f"{each.coverage.inside} of {each.coverage.n} ({percent(each.coverage.fraction or 0)})",
        bars=bars,
        legend=False,
    )
    return _laid_out(figure, found.rounds, "inside the 90 % interval", **_SHARE)


def _line(figure: go.Figure, path: Sequence[tuple[int, float | None]], name: str, colour: str) -> None:
    figure.add_scatter(
        x=[x for x, _ in path],
        y=[y for _, y in path],
        mode="lines",
        name=name,
        line={"color": colour, "width": 1.5},
        hoverinfo="skip",
    )


def _by_mode(
    figure: go.Figure,
    rounds: Sequence[Round],
    value: Callable[[Round], float | None],
    told: Callable[[Round], str],
    *,
    bars: Callable[[Sequence[Round]], dict[str, Any]] | None = None,
    legend: bool = True,
) -> None:
    for mode in dict.fromkeys(each.mode for each in rounds):
        mark = MODES.get(mode, _OTHER)
        own = [each for each in rounds if each.mode == mode]
        figure.add_scatter(
            x=[each.index for each in own],
            y=[value(each) for each in own],
            error_y={**bars(own), "color": mark.colour} if bars is not None else None,
            mode="markers",
            name=mark.name,
            showlegend=legend,
            marker={
                "color": mark.colour,
                "symbol": mark.symbol,
                "size": 9,
                "line": {"color": PAPER, "width": 1},
            },
            hovertext=[f"<b>Round {each.index}</b> · {mark.name}<br>{told(each)}" for each in own],
            hoverinfo="text",
        )


def _laid_out(
    figure: go.Figure, rounds: Sequence[Round], title: str, *, first: int = 1, **more: Any
) -> go.Figure:
    last = max(len(rounds), 1)
    whole = axis("round", range=[first - 0.5, last + 0.5], showgrid=False)
    if last <= 20:
        whole["dtick"] = 1
    figure.update_layout(
        layout(
            _HEIGHT,
            xaxis=whole,
            yaxis=axis(title, **more),
            margin={"l": 64, "r": 20, "t": 64, "b": 52},
        )
    )
    return figure
