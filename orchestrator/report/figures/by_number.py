"""What every figure against the experiment number shares: modes, the best so far, what was lost, phases and gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from orchestrator.contexts import as_made
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.findings import after, beyond, measured, mode_of, predicted, readings, state_of
from orchestrator.report.gates import stretches
from orchestrator.report.geometry import shown as value_shown
from orchestrator.report.style import GRID, INK, MODES, MUTED, ORANGE, PAPER, SHUT, axis, layout
from orchestrator.report.wording import label, number, plain, uncertain, unit_text

# States that end without a value, in the order of the strip below the plot.
_LOST = {"failed": "x-thin-open", "rejected": "circle-open", "cancelled": "line-ns-open"}


@dataclass(frozen=True)
class Point:
    """What is drawn of one experiment."""

    experiment: ExperimentRecord
    value: float
    sigma: float | None = None


@dataclass(frozen=True)
class Level:
    """A value drawn across the figure: a target, or a bound of an outcome constraint."""

    value: float
    name: str


def against_number(
    records: Records,
    points: Sequence[Point],
    title: str,
    *,
    path: Sequence[tuple[int, float]] = (),
    path_name: str = "best so far",
    ringed: Sequence[Point] = (),
    ring_name: str = "best",
    levels: Sequence[Level] = (),
    height: int = 460,
) -> go.Figure:
    """Points by number and mode; what gave no value stands in a strip of its own below the axis."""
    figure = go.Figure()
    last = max((experiment.number for experiment in records.experiments), default=1)
    if path:
        figure.add_scatter(
            x=[n for n, _ in path],
            y=[value for _, value in path],
            mode="lines",
            name=path_name,
            line={"color": INK, "width": 1.5, "shape": "hv"},
            hoverinfo="skip",
        )
    for level in levels:  # traces, not shapes, so that the axis reaches to them
        figure.add_scatter(
            x=[0.2, last + 0.8],
            y=[level.value, level.value],
            mode="lines",
            name=level.name,
            line={"color": MUTED, "width": 1.5, "dash": "dash"},
            hoverinfo="skip",
        )
    _marks(figure, records, points)
    _ring(figure, ringed, ring_name)
    _beyond(figure, records, points)
    lost = [state for state in _LOST if any(state_of(e) == state for e in records.experiments)]
    _strip(figure, records, lost)
    _phases(figure, records)
    _gates(figure, records)
    whole = axis("experiment number", range=[0.2, last + 0.8], showgrid=False, anchor="free", position=0)
    if last <= 12:
        whole["dtick"] = 1
    foot = (0.05 * len(lost) + 0.05) * 460 / height if lost else 0.0
    figure.update_layout(
        layout(
            height,
            xaxis=whole,
            yaxis=axis(title, domain=[foot, 1]),
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
    if not points:  # nothing but the strip, so nothing above it
        figure.update_layout(height=190, yaxis={"visible": False}, yaxis2={"domain": [0, 0.8]})
    return figure


def described(records: Records, experiment: ExperimentRecord) -> str:
    """What the pointer shows: the values, the candidate, and why it was proposed."""
    campaign, proposal = records.campaign, experiment.proposal
    lines = [f"<b>Experiment {experiment.number}</b> · {plain(state_of(experiment))}"]
    broken = beyond(experiment, campaign)
    for name, reading in readings(campaign).items():
        value, unit = measured(experiment, reading), plain(unit_text(reading.unit))
        if value is not None:
            text = f"{plain(label(name))}: <b>{uncertain(value.value, value.sigma)}</b> {unit}"
            lines.append(f"{text} (beyond its bound)" if name in broken else text)
    if experiment.failure is not None:
        lines.append(f"{plain(experiment.failure[0])}: {plain(experiment.failure[1])}")
    candidate = as_made(experiment, campaign)
    lines.extend(
        f"{plain(label(p.name))}: {plain(value_shown(p, candidate[p.name]))} "
        f"{plain(unit_text(getattr(p, 'unit', '')))}".rstrip()
        for p in campaign.space.free
        if p.name in candidate
    )
    why = f"{MODES[mode_of(experiment)].name if mode_of(experiment) in MODES else plain(proposal.mode)}"
    why += f" by {plain(proposal.acquisition)}"
    if proposal.value is not None:
        why += f" = {number(proposal.value)}"
    lines.append(f"<i>{why}</i>")
    lines.extend(_predicted_lines(records, experiment))
    lines.append(f"<i>{plain(proposal.fallback or proposal.rule)}</i>")
    return "<br>".join(lines)


def _predicted_lines(records: Records, experiment: ExperimentRecord) -> list[str]:
    objectives = records.campaign.objectives
    found = []
    for objective in objectives:
        said = predicted(experiment.proposal, records.campaign, objective.name)
        if said is not None:
            name = f"{plain(label(objective.name))} " if len(objectives) > 1 else ""
            found.append(f"<i>predicted {name}{uncertain(*said)} {plain(unit_text(objective.unit))}</i>")
    return found


def _marks(figure: go.Figure, records: Records, points: Sequence[Point]) -> None:
    crowded = len(records.experiments) > 150
    for mode, mark in MODES.items():
        shown = [point for point in points if mode_of(point.experiment) == mode]
        if not shown:
            continue
        figure.add_scatter(
            x=[point.experiment.number for point in shown],
            y=[point.value for point in shown],
            error_y={
                "type": "data",
                "array": [point.sigma or 0.0 for point in shown],
                "visible": not crowded and any(point.sigma for point in shown),
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
            hovertext=[described(records, point.experiment) for point in shown],
            hoverinfo="text",
        )


def _ring(figure: go.Figure, ringed: Sequence[Point], name: str) -> None:
    if ringed:
        figure.add_scatter(
            x=[point.experiment.number for point in ringed],
            y=[point.value for point in ringed],
            mode="markers",
            name=name,
            marker={"symbol": "circle-open", "size": 19, "color": ORANGE, "line": {"width": 2.5}},
            hoverinfo="skip",
        )


def _beyond(figure: go.Figure, records: Records, points: Sequence[Point]) -> None:
    """A cross over what is beyond an outcome constraint."""
    shown = [point for point in points if beyond(point.experiment, records.campaign)]
    if shown:
        figure.add_scatter(
            x=[point.experiment.number for point in shown],
            y=[point.value for point in shown],
            mode="markers",
            name="beyond a bound",
            marker={"symbol": "x-thin-open", "size": 10, "color": INK, "line": {"width": 1.5}},
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
            hovertext=[described(records, experiment) for experiment in shown],
            hoverinfo="text",
        )


def _phases(figure: go.Figure, records: Records) -> None:
    """A dotted line where a phase began, with its mode and method above the plot."""
    seen = max((experiment.number for experiment in records.experiments), default=0)
    entered = [phase for phase in records.phases if phase.entered_after <= seen]
    starts = [after(records, phase.entered_after) + 0.5 for phase in entered]
    for place, (phase, start) in enumerate(zip(entered, starts, strict=True)):
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
        until = starts[place + 1] if place + 1 < len(entered) else seen + 0.5
        text = f"{phase.mode} · {phase.method}"
        if phase.mode == "alternate" and until - start < 0.4 * seen:
            text = phase.mode  # the table of phases has whose turns they are
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
            text=plain(text),
            font={"size": 11, "color": MUTED},
        )


def _gates(figure: go.Figure, records: Records) -> None:
    """A band over the experiments that were chosen otherwise while a gate was shut; a line where it held them up."""
    for shut in stretches(records):
        numbers = [experiment.number for experiment in shut.experiments]
        left, right = (
            min(numbers, default=shut.first.after + 1) - 0.5,
            max(numbers, default=shut.first.after) + 0.5,
        )
        figure.add_shape(
            type="rect",
            x0=left,
            x1=right,
            y0=0,
            y1=1,
            xref="x",
            yref="paper",
            layer="below",
            fillcolor=SHUT,
            line={"color": ORANGE, "width": 0 if numbers else 1.5},
            name="gate shut",
        )
