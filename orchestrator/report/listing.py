"""The table of experiments: one row each, with the whole 'why' of its proposal to unfold."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.findings import best, measured, mode_of, state_of
from orchestrator.report.geometry import shown, unit_of
from orchestrator.report.style import MODES
from orchestrator.report.wording import clock, label, number, time_scale, uncertain, unit_text


@dataclass(frozen=True)
class Head:
    """A column: `numeric` ones are set flush right and sorted by number."""

    title: str
    unit: str = ""
    numeric: bool = False
    exact: str = ""


@dataclass(frozen=True)
class Cell:
    """`sort` is what the column sorts by; empty cells sort last."""

    text: str
    sort: str
    numeric: bool = False


@dataclass(frozen=True)
class Row:
    number: int
    state: str
    mode: str
    is_best: bool
    cells: tuple[Cell, ...]
    why: tuple[tuple[str, str], ...]


def heads(records: Records) -> list[Head]:
    """The columns, in the order of `rows`."""
    objective = records.campaign.objectives[0]
    scales = _scales(records)
    return [
        Head("#", numeric=True),
        Head("State"),
        Head("Mode"),
        *(
            Head(label(p.name), unit_text(unit_of(p)), p.kind != "categorical", p.name)
            for p in records.campaign.space.free
        ),
        Head("acquisition", numeric=True),
        Head("predicted", unit_text(objective.unit), True, f"{objective.name} as predicted when proposed"),
        *(Head(label(o.name), unit_text(o.unit), True, o.name) for o in records.campaign.objectives),
        *(
            Head(title, unit, True, exact)
            for (_, unit), title, exact in zip(
                scales,
                ("began", "took"),
                ("lab time at which it began", "lab time from its beginning to its end"),
                strict=False,
            )
        ),
    ]


def rows(records: Records) -> list[Row]:
    """One row per experiment, in the order of the records."""
    leaders = {id(best(records, objective)) for objective in records.campaign.objectives}
    scales = _scales(records)
    return [
        _row(records, experiment, id(experiment) in leaders, scales) for experiment in records.experiments
    ]


def _row(
    records: Records,
    experiment: ExperimentRecord,
    is_best: bool,
    scales: tuple[tuple[float, str], ...],
) -> Row:
    mode, proposal = mode_of(experiment), experiment.proposal
    name = MODES[mode].name if mode in MODES else mode
    cells = [
        Cell(str(experiment.number), str(experiment.number), True),
        Cell(_ended(experiment), state_of(experiment)),
        Cell(name, name),
    ]
    for parameter in records.campaign.space.free:
        value = experiment.candidate.get(parameter.name)
        cells.append(
            Cell("–", "")
            if value is None
            else Cell(shown(parameter, value), str(value), parameter.kind != "categorical")
        )
    asked = (
        f"{proposal.acquisition} {number(proposal.value, 3)}"
        if proposal.value is not None
        else proposal.acquisition
    )
    cells.append(Cell(asked, _plain(proposal.value), True))
    cells.append(Cell(uncertain(proposal.mean, proposal.sd), _plain(proposal.mean), True))
    for objective in records.campaign.objectives:
        got = measured(experiment, objective)
        text = uncertain(got.value, got.sigma) if got is not None else "–"
        cells.append(Cell(text, _plain(got.value if got is not None else None), True))
    began, ended = experiment.lab_began_s, experiment.lab_ended_s
    took = ended - began if began is not None and ended is not None else None
    cells += [_time(seconds, scale) for seconds, scale in zip((began, took), scales, strict=False)]
    return Row(
        experiment.number, state_of(experiment), mode, is_best, tuple(cells), tuple(_why(records, experiment))
    )


def _ended(experiment: ExperimentRecord) -> str:
    """The state, and what a failure is put down to."""
    state = state_of(experiment)
    return f"{state}: {experiment.failure[0]}" if experiment.failure is not None else state


def _why(records: Records, experiment: ExperimentRecord) -> list[tuple[str, str]]:
    """Everything the log says about the proposal and its end, as (name, text)."""
    proposal = experiment.proposal
    unit = unit_text(records.campaign.objectives[0].unit)
    found = [
        ("Mode", f"{proposal.mode}, phase {proposal.phase + 1} of the plan"),
        ("Rule", proposal.rule),
        (
            "Acquisition",
            proposal.acquisition + (f" = {number(proposal.value, 6)}" if proposal.value is not None else ""),
        ),
        ("Model", proposal.model),
        ("Seed", str(proposal.seed)),
        ("Log read up to", f"event {proposal.read_to}"),
    ]
    if proposal.fallback is not None:
        found.insert(1, ("Fall-back", proposal.fallback))
    if proposal.mean is not None:
        found.append(
            ("Predicted", f"{uncertain(proposal.mean, proposal.sd)} {unit} (mean ± standard deviation)")
        )
    objectives = {objective.name for objective in records.campaign.objectives}
    for name, value in experiment.values.items():
        if name not in objectives:
            found.append(
                (label(name).capitalize(), f"{uncertain(value.value, value.sigma)} {unit_text(value.unit)}")
            )
    if experiment.failure is not None:
        found.append(("Failure", f"{experiment.failure[0]}: {experiment.failure[1]}"))
    found += [
        ("Proposed", clock(experiment.proposed_at)),
        ("Started", clock(experiment.started_at)),
        ("Ended", clock(experiment.ended_at)),
        ("Experiment", experiment.id),
    ]
    return [(name, text) for name, text in found if text]


def _scales(records: Records) -> tuple[tuple[float, str], ...]:
    """(seconds per unit, unit) of the columns began and took, one for all rows; none where no lab time is known."""
    spans = [
        (e.lab_began_s, e.lab_ended_s if e.lab_ended_s is not None else e.lab_began_s)
        for e in records.experiments
        if e.lab_began_s is not None
    ]
    if not spans:
        return ()
    latest = max((began for began, _ in spans), default=0.0)
    longest = max(((ended or 0.0) - began for began, ended in spans), default=0.0)
    return time_scale(latest), time_scale(longest)


def _time(seconds: float | None, scale: tuple[float, str]) -> Cell:
    if seconds is None:
        return Cell("–", "", True)
    size, unit = scale
    return Cell(f"{seconds / size:.{1 if unit in ('min', 's') else 2}f}", _plain(seconds), True)


def _plain(value: float | None) -> str:
    return "" if value is None else repr(float(value))
