"""Fracture toughness over hardness with lines of constant brittleness and of constant merit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.figures.by_number import described
from orchestrator.report.findings import mode_of
from orchestrator.report.style import INK, MODES, MUTED, ORANGE, PAPER, PURPLE, SKY, axis, layout
from orchestrator.report.wording import number, plain

BRITTLENESS = (1.0, 3.0, 10.0, 30.0)  # H/K, 1/micrometre^(1/2), as GPa / (MPa m^(1/2))
MERIT = (0.001, 0.01, 0.1, 1.0)  # K^2/H in mm, as (MPa m^(1/2))^2 / GPa
FLAGS = {
    "outside the formulas' domain": ("x-thin-open", INK),
    "all metal": ("circle-open", SKY),
    "sensitive coefficients": ("diamond-open", PURPLE),
}
PAD = 0.06  # of the range in decades


@dataclass(frozen=True)
class Mark:
    """One material: hardness in GPa, toughness in MPa m^(1/2), both above 0; `flag` as in FLAGS or ''."""

    experiment: ExperimentRecord
    hardness: float
    toughness: float
    flag: str
    on_front: bool


def ashby_figure(records: Records, marks: Sequence[Mark]) -> go.Figure:
    """The chart; where there is no mark, its axes and lines alone."""
    x = _range([each.hardness for each in marks] or [1.0, 100.0])
    y = _range([each.toughness for each in marks] or [0.1, 10.0])
    figure = go.Figure()
    for value in BRITTLENESS:
        _line(figure, x, y, 1.0, -math.log10(value), f"{value:g} µm⁻½", "H/K", "solid", "brittleness H/K")
    for value in MERIT:
        _line(figure, x, y, 0.5, 0.5 * math.log10(value), f"{value:g} mm", "K²/H", "dot", "merit K²/H")
    for mode, style in MODES.items():
        shown = [each for each in marks if mode_of(each.experiment) == mode]
        if shown:
            figure.add_scatter(
                x=[each.hardness for each in shown],
                y=[each.toughness for each in shown],
                mode="markers",
                name=style.name,
                marker={
                    "color": style.colour,
                    "symbol": style.symbol,
                    "size": 9,
                    "line": {"color": PAPER, "width": 1},
                },
                hovertext=[_hover(records, each) for each in shown],
                hoverinfo="text",
            )
    for flag, (symbol, colour) in FLAGS.items():
        _ring(figure, [each for each in marks if each.flag == flag], flag, symbol, colour, 13)
    _ring(figure, [each for each in marks if each.on_front], "on the front", "circle-open", ORANGE, 18)
    figure.update_layout(
        layout(
            520,
            xaxis=axis("Vickers hardness (GPa)", type="log", range=list(x)),
            yaxis=axis("fracture toughness (MPa·m½)", type="log", range=list(y)),
            margin={"l": 64, "r": 20, "t": 64, "b": 52},
        )
    )
    figure.update_layout(legend={"y": 1.02})
    return figure


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Of a logarithmic axis, in decades."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(PAD * (high - low), 0.1)
    return low - room, high + room


def _line(
    figure: go.Figure,
    x: tuple[float, float],
    y: tuple[float, float],
    slope: float,
    offset: float,
    value: str,
    what: str,
    dash: str,
    group: str,
) -> None:
    """log K = slope log H + offset as far as it lies within the axes, its value beside it; nothing where it does
    not."""
    left = max(x[0], (y[0] - offset) / slope)
    right = min(x[1], (y[1] - offset) / slope)
    if right - left < 0.05 * (x[1] - x[0]):
        return
    known = any(trace.legendgroup == group for trace in figure.data)
    middle = left + (0.85 if dash == "solid" else 0.03) * (right - left)
    ends = [(10**at, 10 ** (slope * at + offset)) for at in (left, middle, right)]
    figure.add_scatter(
        x=[end[0] for end in ends],
        y=[end[1] for end in ends],
        mode="lines+text",
        text=["", value, ""],
        textposition="top left" if dash == "solid" else "top right",
        textfont={"size": 10, "color": MUTED},
        line={"color": MUTED, "width": 1.5 if dash == "dot" else 0.8, "dash": dash},
        name=group,
        legendgroup=group,
        showlegend=not known,
        hovertext=[plain(f"{what} = {value}")] * 3,
        hoverinfo="text",
    )


def _ring(figure: go.Figure, shown: Sequence[Mark], name: str, symbol: str, colour: str, size: int) -> None:
    if shown:
        figure.add_scatter(
            x=[each.hardness for each in shown],
            y=[each.toughness for each in shown],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": size, "color": colour, "line": {"width": 2}},
            hoverinfo="skip",
        )


def _hover(records: Records, mark: Mark) -> str:
    text = described(records, mark.experiment)
    text += f"<br>brittleness H/K: {number(mark.hardness / mark.toughness, 3)} µm⁻½"
    text += f"<br>merit K²/H: {number(mark.toughness**2 / mark.hardness, 3)} mm"
    return f"{text}<br>{plain(mark.flag)}" if mark.flag else text
