"""The convex hull: formation energy over the composition of a binary, phases and tie lines of a ternary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from orchestrator.report.compositions import Point
from orchestrator.report.figures.placing import Box, place_names
from orchestrator.report.findings import mode_of
from orchestrator.report.style import GRID, INK, MODES, MUTED, ORANGE, PAPER, SCALE, Mark, axis, layout
from orchestrator.report.wording import number, per_atom, plain

_OTHER = Mark("other", MUTED, "circle")
# Formulas keep clear of the ring around a phase: a marker that nobody sees is as wide.
_TEXT: dict[str, Any] = {
    "mode": "markers+text",
    "marker": {"size": 17, "opacity": 0},
    "textfont": {"size": 12, "color": INK},
    "name": "formula",
    "showlegend": False,
    "hoverinfo": "skip",
}
_ACROSS, _UP, _EDGE = 900.0, 400.0, 500.0  # pixels: the axes of a binary, an edge of the triangle, roughly


def binary_figure(
    elements: Sequence[str],
    shown: Sequence[Point],
    hull: Sequence[tuple[float, float]],
    earlier: Sequence[tuple[float, float]],
    unit: str,
    top: float,
) -> go.Figure:
    """Formation energies up to `top` against the fraction of the second element; `hull` and `earlier` are the hull at
    the end and the one known beforehand, as (fraction, formation energy)."""
    figure = go.Figure()
    for path, name, line in (
        (earlier, "hull known before", {"color": MUTED, "width": 1.2, "dash": "dash"}),
        (hull, "hull", {"color": INK, "width": 1.8}),
    ):
        if path and (name == "hull" or path != hull):
            figure.add_scatter(
                x=[x for x, _ in path],
                y=[y for _, y in path],
                mode="lines",
                name=name,
                line=line,
                hoverinfo="skip",
            )
    inside = [each for each in shown if each.formation <= top]
    for name, marker, own in _groups(inside):
        figure.add_scatter(
            x=[each.fractions[1] for each in own],
            y=[each.formation for each in own],
            mode="markers",
            name=name,
            marker=marker,
            hovertext=[told(each, unit) for each in own],
            hoverinfo="text",
            cliponaxis=False,
        )
    low = min((each.formation for each in shown), default=-1.0)
    floor, roof = low - 0.12 * (top - low), top + 0.03 * (top - low)

    def pixels(each: Point) -> tuple[float, float]:
        return _ACROSS * each.fractions[1], _UP * (each.formation - floor) / (roof - floor)

    frame = (-0.02 * _ACROSS, 0.0, 1.02 * _ACROSS, _UP)
    named, sides = _named(shown, [pixels(each) for each in inside], pixels, frame)
    figure.add_scatter(
        x=[each.fractions[1] for each in named],
        y=[each.formation for each in named],
        text=[plain(each.formula) for each in named],
        textposition=sides,
        **_TEXT,
        cliponaxis=False,
    )
    title = f"formation energy ({plain(per_atom(unit))})" if unit else "formation energy per atom"
    figure.update_layout(
        layout(
            520,
            xaxis=axis(f"atomic fraction of {plain(elements[1])}", range=[-0.02, 1.02]),
            yaxis=axis(title, range=[floor, roof]),
            margin={"l": 64, "r": 30, "t": 64, "b": 52},
        )
    )
    return figure


def ternary_figure(
    elements: Sequence[str],
    shown: Sequence[Point],
    ties: Sequence[tuple[Point, Point]],
    unit: str,
    reach: float,
) -> go.Figure:
    """Phases on the triangle of compositions with the tie lines between them, and everything else coloured by its
    energy above the hull, up to `reach`."""
    figure = go.Figure()
    ends: list[list[float | None]] = [[], [], []]
    for pair in ties:
        for k, path in enumerate(ends):
            path += [pair[0].fractions[k], pair[1].fractions[k], None]
    figure.add_scatterternary(
        a=ends[0],
        b=ends[1],
        c=ends[2],
        mode="lines",
        name="tie lines",
        line={"color": INK, "width": 1},
        hoverinfo="skip",
    )
    # What lies lower is drawn later, over its polymorphs.
    for name, marker, own in _groups(sorted(shown, key=lambda each: -each.above)):
        if "open" not in marker["symbol"] and name != "on the hull before":
            # The rim is seen on either theme, whatever the colour inside.
            rim = {"color": MUTED, "width": 1}
            marker |= {
                "color": [min(each.above, reach) for each in own],
                "coloraxis": "coloraxis",
                "line": rim,
                "size": marker["size"] + 1,
            }
        figure.add_scatterternary(
            a=[each.fractions[0] for each in own],
            b=[each.fractions[1] for each in own],
            c=[each.fractions[2] for each in own],
            mode="markers",
            name=name,
            marker=marker,
            hovertext=[told(each, unit) for each in own],
            hoverinfo="text",
            cliponaxis=False,
        )
    frame = (-0.2 * _EDGE, -20.0, 1.2 * _EDGE, _EDGE)
    inner = [each for each in shown if max(each.fractions) < 1]  # the corners have the elements' names
    named, sides = _named(inner, [_pixels(each) for each in shown], _pixels, frame)
    figure.add_scatterternary(
        a=[each.fractions[0] for each in named],
        b=[each.fractions[1] for each in named],
        c=[each.fractions[2] for each in named],
        text=[plain(each.formula) for each in named],
        textposition=sides,
        **_TEXT,
        cliponaxis=False,
    )
    figure.add_scatterternary(
        a=[1, 0, 0],
        b=[0, 1, 0],
        c=[0, 0, 1],
        text=[plain(symbol) for symbol in elements],
        textposition=["top center", "bottom left", "bottom right"],
        **_TEXT | {"name": "element", "textfont": {"size": 15, "color": INK}},
        cliponaxis=False,
    )
    bar = f"energy above the hull ({plain(per_atom(unit))})" if unit else "energy above the hull"
    figure.update_layout(
        layout(
            640,
            ternary={
                "bgcolor": PAPER,
                **{f"{at}axis": _side() for at in "abc"},
            },
            coloraxis={
                "colorscale": SCALE,
                "cmin": 0.0,
                "cmax": reach,
                "colorbar": {
                    "title": {"text": bar, "side": "right", "font": {"size": 12}},
                    "thickness": 12,
                    "len": 0.8,
                    "outlinewidth": 0,
                },
            },
            margin={"l": 70, "r": 20, "t": 84, "b": 60},
        )
    )
    figure.update_layout(legend={"y": 1.08})
    return figure


def told(point: Point, unit: str) -> str:
    """What the pointer shows of a crystal."""
    head = f"<b>{plain(point.formula or point.id)}</b>"
    lines = [head + (f" · {plain(point.id)}" if point.formula else "")]
    each = plain(per_atom(unit))
    where = "on the hull" if point.on_hull else f"{number(point.above, 3)} {each} above the hull"
    lines += [where, f"formation energy {number(point.formation)} {each}"]
    if (label := point.labelled) is not None:
        mode = MODES.get(mode_of(label.experiment), _OTHER).name
        lines.append(
            f"experiment {label.number} · {plain(mode)} by {plain(label.experiment.proposal.acquisition)}"
        )
    return "<br>".join(lines)


def _groups(shown: Sequence[Point]) -> list[tuple[str, dict[str, Any], list[Point]]]:
    """Name, marker and points of each trace: known before, labelled by each mode, and what is on the hull."""
    groups: list[tuple[str, dict[str, Any], list[Point]]] = [
        (
            "known before",
            {"symbol": "circle", "size": 6, "color": MUTED, "line": {"color": PAPER, "width": 0.5}},
            [each for each in shown if each.labelled is None and not each.on_hull],
        )
    ]
    for mode, mark in MODES.items():
        own = [each for each in shown if each.labelled and mode_of(each.labelled.experiment) == mode]
        line = {"color": PAPER, "width": 1}
        groups.append(
            (
                f"labelled: {mark.name}",
                {"symbol": mark.symbol, "size": 9, "color": mark.colour, "line": line},
                own,
            )
        )
    groups += [
        (
            "on the hull before",
            {"symbol": "square", "size": 8, "color": INK, "line": {"color": PAPER, "width": 1}},
            [each for each in shown if each.on_hull and not _is_new(each)],
        ),
        (
            "found: on the hull",
            {"symbol": "circle-open", "size": 17, "color": ORANGE, "line": {"width": 2.5}},
            [each for each in shown if each.on_hull and _is_new(each)],
        ),
    ]
    return [group for group in groups if group[2]]


def _is_new(point: Point) -> bool:
    return point.labelled is not None and point.labelled.new


def _named(
    shown: Sequence[Point],
    taken: Sequence[tuple[float, float]],
    pixels: Callable[[Point], tuple[float, float]],
    frame: Box,
) -> tuple[list[Point], list[str]]:
    """The phases whose formulas are written, those found first and of one composition one, and where each stands."""
    stable = sorted(
        (each for each in shown if each.on_hull), key=lambda each: (not _is_new(each), each.above)
    )
    once = {each.fractions: each for each in reversed(stable)}
    wanted = [each for each in stable if once[each.fractions] is each]
    sides = place_names([each.formula for each in wanted], list(map(pixels, wanted)), taken, inside=frame)
    kept = [(each, side) for each, side in zip(wanted, sides, strict=True) if side is not None]
    return [each for each, _ in kept], [side for _, side in kept]


def _pixels(each: Point) -> tuple[float, float]:
    """In the triangle: the first element at the top, the second at the left."""
    up = each.fractions[0]
    return _EDGE * (each.fractions[2] + up / 2), _EDGE * up * 3**0.5 / 2


def _side() -> dict[str, Any]:
    return {
        "title": {"text": ""},  # plotly would call it a component
        "gridcolor": GRID,
        "linecolor": MUTED,
        "showticklabels": False,  # they would hide phases at the edges; the pointer tells compositions
        "ticks": "",
        "min": 0.0,
    }
