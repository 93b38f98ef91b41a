"""What each device did when, in lab time."""

from __future__ import annotations

import plotly.graph_objects as go

from orchestrator.records import ActionRecord, Records
from orchestrator.report.findings import every, mode_of
from orchestrator.report.gates import stretches
from orchestrator.report.style import INK, MODES, MUTED, ORANGE, PAPER, SHUT, SKY, axis, layout
from orchestrator.report.wording import duration, plain, time_scale

# Ends that are not a success stand out in a colour of their own, whatever the mode.
_ENDS = {
    "failed": ("failed", INK),
    "in_doubt": ("in doubt", ORANGE),
    "refused": ("refused", MUTED),
    "not_done": ("not done", MUTED),
    "discarded": ("discarded", MUTED),
}


def timeline(records: Records) -> go.Figure:
    """One bar per action that began, on its device's row; an action without an end lasts until now. A thin bar below
    says when an action was first expected, where that was foretold."""
    shown = [action for action in records.actions if action.began_s is not None]
    end_s = max((a.ended_s or a.began_s or 0.0 for a in shown), default=0.0)
    end_s = max(end_s, records.lab_elapsed_s)
    running = records.state not in ("finished",)
    foretold = [one for one in records.expected if running or one.began_s <= end_s]
    if running:
        end_s = max(end_s, max((one.ended_s for one in foretold), default=0.0))
    seconds, unit = time_scale(end_s)
    devices = list(dict.fromkeys(action.device for action in records.actions))
    rows = {device: plain(f"{device} · {_busy(shown, device, end_s)}") for device in devices}
    by_id = {experiment.id: experiment for experiment in every(records)}
    groups: dict[tuple[str, str], list[ActionRecord]] = {}
    for action in shown:
        experiment = by_id.get(action.experiment)
        mode = mode_of(experiment) if experiment is not None else ""
        mark = MODES.get(mode)
        key = (mark.name, mark.colour) if mark is not None else ("other", SKY)
        state = action.state.lower().replace(" ", "_")
        groups.setdefault(_ENDS.get(state, key), []).append(action)
    figure = go.Figure()
    order = [mark.name for mark in MODES.values()] + ["other"] + [name for name, _ in _ENDS.values()]
    for (name, colour), actions in sorted(groups.items(), key=lambda group: order.index(group[0][0])):
        figure.add_bar(
            name=name,
            orientation="h",
            y=[rows[action.device] for action in actions],
            base=[(action.began_s or 0.0) / seconds for action in actions],
            x=[_lasted(action, end_s) / seconds for action in actions],
            marker={"color": colour, "line": {"color": PAPER, "width": 0.5 if len(shown) < 100 else 0}},
            hovertext=[
                _told(action, by_id[action.experiment].number if action.experiment in by_id else None)
                for action in actions
            ],
            hoverinfo="text",
        )
    if foretold:
        figure.add_bar(
            name="as expected",
            orientation="h",
            y=[rows[one.device] for one in foretold if one.device in rows],
            base=[one.began_s / seconds for one in foretold if one.device in rows],
            x=[(one.ended_s - one.began_s) / seconds for one in foretold if one.device in rows],
            width=0.14,
            offset=-0.48,
            marker={"color": MUTED, "line": {"color": PAPER, "width": 0.5}},
            hovertext=[
                f"{plain(one.action)}<br>expected from {duration(one.began_s)} to {duration(one.ended_s)}"
                for one in foretold
                if one.device in rows
            ],
            hoverinfo="text",
        )
    _marked(figure, records, seconds)
    figure.update_layout(
        layout(
            120 + 44 * max(len(devices), 1),
            barmode="overlay",
            bargap=0.35,
            xaxis=axis(f"lab time ({unit})", range=[0, (end_s or 1.0) / seconds * 1.005]),
            yaxis=axis(
                "",
                type="category",
                categoryarray=[rows[d] for d in reversed(devices)],
                categoryorder="array",
                showgrid=False,
                ticks="",
                fixedrange=True,
            ),
        )
    )
    return figure


def _marked(figure: go.Figure, records: Records, seconds: float) -> None:
    """Where a plan alternates or has a gate: the beginnings of its phases, and when a gate was shut."""
    plan = records.campaign.plan
    if not any(phase.mode == "alternate" or phase.gate is not None for phase in plan):
        return
    for phase in records.phases:
        own = [e.lab_began_s for e in records.experiments if e.proposal.phase == phase.index]
        began = min((at for at in own if at is not None), default=None)
        if began is None:
            continue
        figure.add_shape(
            type="line",
            x0=began / seconds,
            x1=began / seconds,
            y0=0,
            y1=1,
            yref="paper",
            line={"color": MUTED, "width": 1, "dash": "dot"},
            name=plain(f"{phase.mode} · {phase.method}"),
        )
        figure.add_annotation(
            x=began / seconds,
            y=0,
            yref="paper",
            yshift=-22,
            xanchor="left",
            yanchor="top",
            showarrow=False,
            text=plain(phase.mode),
            font={"size": 11, "color": MUTED},
        )
    for shut in stretches(records):
        begins = [e.lab_began_s for e in shut.experiments if e.lab_began_s is not None]
        ends = [e.lab_ended_s for e in shut.experiments if e.lab_ended_s is not None]
        earlier = [e for e in records.experiments if e.number <= shut.first.after]
        before = [e.lab_ended_s for e in earlier if e.lab_ended_s is not None]
        left = min(begins, default=max(before, default=0.0))
        figure.add_shape(
            type="rect",
            x0=left / seconds,
            x1=max(ends, default=left) / seconds,
            y0=0,
            y1=1,
            yref="paper",
            layer="below",
            fillcolor=SHUT,
            line={"color": ORANGE, "width": 0 if begins else 1.5},
            name="gate shut",
        )


def _lasted(action: ActionRecord, end_s: float) -> float:
    until = action.ended_s if action.ended_s is not None else end_s
    return max(until - (action.began_s or 0.0), 0.0)


def _busy(actions: list[ActionRecord], device: str, end_s: float) -> str:
    busy = sum(_lasted(action, end_s) for action in actions if action.device == device)
    return f"{100 * busy / end_s:.0f} % busy" if end_s > 0 else "idle"


def _told(action: ActionRecord, number: int | None) -> str:
    lines = [
        f"<b>{plain(action.device)}.{plain(action.verb)}</b> · step {plain(action.step)}",
        f"experiment {number if number is not None else plain(action.experiment)} · {plain(action.state.lower())}",
        *([f"together with {plain(', '.join(action.together))}"] if action.together else []),
        f"began {duration(action.began_s)}, ended {duration(action.ended_s)}",
    ]
    if action.reason:
        lines.append(plain(action.reason))
    return "<br>".join(lines)
