"""What each device did when, in lab time."""

from __future__ import annotations

import plotly.graph_objects as go

from orchestrator.records import ActionRecord, Records
from orchestrator.report.findings import mode_of
from orchestrator.report.style import INK, MODES, MUTED, ORANGE, PAPER, SKY, axis, layout
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
    """One bar per action that began, on its device's row; an action without an end lasts until now."""
    shown = [action for action in records.actions if action.began_s is not None]
    end_s = max((a.ended_s or a.began_s or 0.0 for a in shown), default=0.0)
    end_s = max(end_s, records.lab_elapsed_s)
    seconds, unit = time_scale(end_s)
    devices = list(dict.fromkeys(action.device for action in records.actions))
    rows = {device: plain(f"{device} · {_busy(shown, device, end_s)}") for device in devices}
    by_id = {experiment.id: experiment for experiment in records.experiments}
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
        f"began {duration(action.began_s)}, ended {duration(action.ended_s)}",
    ]
    if action.reason:
        lines.append(plain(action.reason))
    return "<br>".join(lines)
