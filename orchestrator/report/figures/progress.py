"""Objective against experiment number, with the best so far and the mode of each proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.findings import best, best_so_far, measured, mode_of, state_of
from orchestrator.report.geometry import shown as value_shown
from orchestrator.report.style import GRID, INK, MODES, MUTED, ORANGE, PAPER, axis, layout
from orchestrator.report.wording import label, number, plain, uncertain, unit_text, with_unit

if TYPE_CHECKING:
    from campaigns.campaign import Objective

# States that end without a value, in the order of the strip below the plot.
_LOST = {"failed": "x-thin-open", "rejected": "circle-open", "cancelled": "line-ns-open"}


def progress(records: Records, objective: Objective) -> go.Figure:
    """Measured values by number and mode; what gave no value stands in a strip of its own below the axis."""
    figure = go.Figure()
    path = best_so_far(records.experiments, objective)
    if path:
        figure.add_scatter(
            x=[n for n, _ in path],
            y=[value for _, value in path],
            mode="lines",
            name="best so far",
            line={"color": INK, "width": 1.5, "shape": "hv"},
            hoverinfo="skip",
        )
    crowded = len(records.experiments) > 150
    for mode, mark in MODES.items():
        shown = [
            (experiment, value)
            for experiment in records.experiments
            if mode_of(experiment) == mode and (value := measured(experiment, objective)) is not None
        ]
        if shown:
            figure.add_scatter(
                x=[experiment.number for experiment, _ in shown],
                y=[value.value for _, value in shown],
                error_y={
                    "type": "data",
                    "array": [value.sigma or 0.0 for _, value in shown],
                    "visible": not crowded and any(value.sigma for _, value in shown),
                    "thickness": 1,
                    "width": 0,
                    "color": mark.colour,
                },
                mode="markers",
                name=mark.name,
                marker={
                    "color": mark.colour,
                    "symbol": mark.symbol,
                    "size": 6 if crowded else 9,
                    "line": {"color": PAPER, "width": 0.5 if crowded else 1},
                },
                hovertext=[described(records, experiment, objective) for experiment, _ in shown],
                hoverinfo="text",
            )
    _ring_the_best(figure, records, objective)
    lost = [state for state in _LOST if any(state_of(e) == state for e in records.experiments)]
    _strip(figure, records, lost)
    _phases(figure, records)
    last = max((experiment.number for experiment in records.experiments), default=1)
    whole = axis("experiment number", range=[0.2, last + 0.8], showgrid=False, anchor="free", position=0)
    if last <= 12:
        whole["dtick"] = 1
    foot = 0.05 * len(lost) + 0.05 if lost else 0.0
    figure.update_layout(
        layout(
            460,
            xaxis=whole,
            yaxis=axis(with_unit(plain(objective.name), plain(objective.unit)), domain=[foot, 1]),
            yaxis2={
                "domain": [0, max(foot - 0.03, 0.01)],
                "categoryorder": "array",
                "categoryarray": list(reversed(lost)),
                "range": [-0.5, max(len(lost), 1) - 0.5],
                "gridcolor": GRID,
                "tickfont": {"color": MUTED, "size": 12},
                "automargin": True,
                "visible": bool(lost),
                "fixedrange": True,
            },
            margin={"l": 64, "r": 20, "t": 64, "b": 52},
        )
    )
    figure.update_layout(legend={"y": 1.07})
    if not path:  # nothing but the strip, so nothing above it
        figure.update_layout(height=190, yaxis={"visible": False}, yaxis2={"domain": [0, 0.8]})
    return figure


def described(records: Records, experiment: ExperimentRecord, objective: Objective) -> str:
    """What the pointer shows: the value, the candidate, and why it was proposed."""
    proposal = experiment.proposal
    lines = [f"<b>Experiment {experiment.number}</b> · {plain(state_of(experiment))}"]
    value = measured(experiment, objective)
    unit = plain(unit_text(objective.unit))
    if value is not None:
        lines.append(f"{plain(label(objective.name))}: <b>{uncertain(value.value, value.sigma)}</b> {unit}")
    if experiment.failure is not None:
        lines.append(f"{plain(experiment.failure[0])}: {plain(experiment.failure[1])}")
    lines.extend(
        f"{plain(label(p.name))}: {plain(value_shown(p, experiment.candidate[p.name]))} "
        f"{plain(unit_text(getattr(p, 'unit', '')))}".rstrip()
        for p in records.campaign.space.free
        if p.name in experiment.candidate
    )
    why = f"{MODES[mode_of(experiment)].name if mode_of(experiment) in MODES else plain(proposal.mode)}"
    why += f" by {plain(proposal.acquisition)}"
    if proposal.value is not None:
        why += f" = {number(proposal.value)}"
    lines.append(f"<i>{why}</i>")
    if proposal.mean is not None:
        lines.append(f"<i>predicted {uncertain(proposal.mean, proposal.sd)} {unit}</i>")
    lines.append(f"<i>{plain(proposal.fallback or proposal.rule)}</i>")
    return "<br>".join(lines)


def _ring_the_best(figure: go.Figure, records: Records, objective: Objective) -> None:
    leader = best(records, objective)
    value = measured(leader, objective) if leader is not None else None
    if leader is not None and value is not None:
        figure.add_scatter(
            x=[leader.number],
            y=[value.value],
            mode="markers",
            name="best",
            marker={"symbol": "circle-open", "size": 19, "color": ORANGE, "line": {"width": 2.5}},
            hoverinfo="skip",
        )


def _strip(figure: go.Figure, records: Records, lost: list[str]) -> None:
    for state in lost:
        shown = [experiment for experiment in records.experiments if state_of(experiment) == state]
        figure.add_scatter(
            x=[experiment.number for experiment in shown],
            y=[state] * len(shown),
            yaxis="y2",
            mode="markers",
            name=state,
            showlegend=False,
            marker={
                "symbol": _LOST[state],
                "size": 9,
                "color": [MODES[m].colour if (m := mode_of(e)) in MODES else MUTED for e in shown],
                "line": {"width": 2},
            },
            hovertext=[
                described(records, experiment, records.campaign.objectives[0]) for experiment in shown
            ],
            hoverinfo="text",
        )


def _phases(figure: go.Figure, records: Records) -> None:
    """A dotted line where a phase began, with its mode and method above the plot."""
    seen = max((experiment.number for experiment in records.experiments), default=0)
    entered = [phase for phase in records.phases if phase.entered_after <= seen]
    for place, phase in enumerate(entered):
        start = phase.entered_after + 0.5
        if phase.entered_after:
            figure.add_shape(
                type="line",
                x0=start,
                x1=start,
                y0=0,
                y1=1,
                xref="x",
                yref="paper",
                layer="below",
                line={"color": MUTED, "width": 1, "dash": "dot"},
            )
        until = entered[place + 1].entered_after + 0.5 if place + 1 < len(entered) else seen + 0.5
        if until - start < 0.11 * seen:  # no room for a label; the table of phases has it
            continue
        figure.add_annotation(
            x=start,
            y=1,
            xref="x",
            yref="paper",
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            text=plain(f"{phase.mode} · {phase.method}"),
            font={"size": 11, "color": MUTED},
        )
