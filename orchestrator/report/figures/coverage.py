"""Where the model's leave-one-out coverage stood, and the band in which a gate lets it optimise."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from campaigns.plan import Gate
from orchestrator.records import DiagnosisRecord, GateRecord
from orchestrator.report.style import BAND, BLUE, MUTED, ORANGE, PAPER, axis, layout
from orchestrator.report.wording import number, percent, plain


def coverage_figure(
    diagnoses: Sequence[DiagnosisRecord], gates: Sequence[GateRecord], open_: Sequence[Gate]
) -> go.Figure:
    """Share of results inside the 90 % interval predicted from all others, at every diagnosis; the gates' bands, and
    where a gate was found shut."""
    known = [(d, d.coverage) for d in diagnoses if d.coverage is not None]
    figure = go.Figure()
    last = max([d.after for d, _ in known], default=1)
    ends = [0.2, last + 1.8]
    for gate in dict.fromkeys((g.low, g.high) for g in open_):
        low, high = gate
        figure.add_scatter(
            x=[*ends, *reversed(ends)],
            y=[low, low, high, high],
            fill="toself",
            fillcolor=BAND,
            mode="lines",
            line={"width": 0},
            name=plain(f"gate open: {number(100 * low, 3)} to {number(100 * high, 3)} %"),
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=ends,
        y=[0.9, 0.9],
        mode="lines",
        name="nominal 90 %",
        line={"color": MUTED, "width": 1, "dash": "dash"},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=[d.after + 1 for d, _ in known],
        y=[share for _, share in known],
        mode="lines+markers",
        name="coverage",
        line={"color": BLUE, "width": 1.5},
        marker={"size": 6, "color": BLUE, "line": {"color": PAPER, "width": 1}},
        hovertext=[
            f"before experiment {d.after + 1}: {percent(share)} of {d.n} results" for d, share in known
        ],
        hoverinfo="text",
    )
    told = {d.n_told: share for d, share in known}
    held = [(g, told[g.n_told]) for g in gates if g.n_told in told]
    if held:
        figure.add_scatter(
            x=[g.after + 1 for g, _ in held],
            y=[share for _, share in held],
            mode="markers",
            name="found shut",
            marker={"symbol": "circle-open", "size": 14, "color": ORANGE, "line": {"width": 2.5}},
            hovertext=[plain(g.reason) for g, _ in held],
            hoverinfo="text",
        )
    lowest = min([share for _, share in known] + [g.low for g in open_], default=0.0)
    figure.update_layout(
        layout(
            430,
            xaxis=axis("before experiment number", range=ends, showgrid=False),
            yaxis=axis("leave-one-out coverage", range=[max(0.0, lowest - 0.1), 1.03], tickformat=".0%"),
            margin={"l": 64, "r": 20, "t": 64, "b": 52},
        )
    )
    return figure
