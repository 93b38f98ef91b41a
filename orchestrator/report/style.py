"""Colours, markers and the plotly layout shared by all figures.

Colours are Okabe and Ito's colour-blind safe set; a mode is told by marker shape as well. INK, MUTED, GRID and
PAPER are the light theme; page.js exchanges exactly these for the dark theme, so no figure may use another
neutral colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

INK = "#1f2933"
MUTED = "#66727f"
GRID = "#e4e8ec"
PAPER = "#ffffff"
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
VERMILLION = "#d55e00"
ORANGE = "#e69f00"
PURPLE = "#cc79a7"
# The 90 % band: blue at low opacity, readable on both themes.
BAND = "rgba(0,114,178,0.16)"
# Where a gate was shut: orange at low opacity.
SHUT = "rgba(230,159,0,0.16)"
# Perceptually uniform and safe for the colour-blind (Nunez, Anderton and Renslow 2018).
SCALE = "Cividis"
# For thin lines on either theme: grey, then blue, and the best in vermillion.
LINES = [[0.0, "#a9b4bf"], [0.5, "#7fb2d3"], [0.8, BLUE], [1.0, VERMILLION]]
# Dots on a filled contour: the same on both themes, so not PAPER and INK.
DOT, RIM = "#fefefe", "#010101"
FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Mark:
    """How one mode looks in every figure."""

    name: str
    colour: str
    symbol: str


MODES: dict[str, Mark] = {
    "explore": Mark("explore", BLUE, "circle"),
    "learn": Mark("learn", GREEN, "diamond"),
    "optimise": Mark("optimise", VERMILLION, "triangle-up"),
    "fallback": Mark("fall-back", PURPLE, "square"),
}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """A quiet axis with its title (units included by the caller)."""
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 13}},
        "gridcolor": GRID,
        "linecolor": MUTED,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": MUTED,
        "automargin": True,
        "exponentformat": "power",
        **more,
    }


def layout(height: int, **more: Any) -> dict[str, Any]:
    """The layout all figures start from; `height` in pixels, the width follows the page."""
    return {
        "height": height,
        "autosize": True,
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "margin": {"l": 64, "r": 20, "t": 36, "b": 52},
        "hovermode": "closest",
        "hoverlabel": {
            "align": "left",
            "bgcolor": PAPER,
            "bordercolor": MUTED,
            "font": {"color": INK, "size": 12, "family": FONT},
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        "colorway": [BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION],
        "template": {},
        **more,
    }
