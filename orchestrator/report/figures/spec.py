"""A plotly figure as the JSON text that goes into the page."""

from __future__ import annotations

import json
from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True)
class Panel:
    """One figure with its caption. `key` is unique on the page; `json` is safe inside a script element."""

    key: str
    caption: str
    json: str
    height: int
    label: str


def panel(key: str, figure: go.Figure, caption: str = "", label: str = "") -> Panel:
    """`label` is what a screen reader says of the figure. Raises ValueError for NaN or infinity in it."""
    spec = figure.to_plotly_json()
    text = json.dumps(
        {"data": spec["data"], "layout": spec["layout"]},
        allow_nan=False,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    # No character that could end the script element or begin an entity or comment in it.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Panel(key, caption, text, int(figure.layout.height), label or caption)
