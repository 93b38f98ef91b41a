"""The table of experiments: one row each, with the whole 'why' of its proposal to unfold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.contexts import as_made
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.discovery import Discovery
from orchestrator.report.findings import beyond, measured, mode_of, predicted, readings, state_of
from orchestrator.report.geometry import is_word, shown, unit_of
from orchestrator.report.spending import Spending, spending
from orchestrator.report.standings import leaders, scored
from orchestrator.report.style import MODES
from orchestrator.report.why import matters, why
from orchestrator.report.wording import label, number, time_scale, uncertain, unit_text

if TYPE_CHECKING:
    from campaigns.campaign import OutcomeConstraint


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
    """`matters`: (parameter, sensitivity as text, its share of the largest in per cent), the largest first."""

    number: int
    state: str
    mode: str
    is_best: bool
    cells: tuple[Cell, ...]
    why: tuple[tuple[str, str], ...]
    matters: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True)
class _Whole:
    """What every row looks up."""

    leaders: frozenset[int]
    scores: dict[int, float]
    over: dict[int, float | None]
    spent: Spending | None
    scales: tuple[tuple[float, str], ...]


def heads(records: Records) -> list[Head]:
    """The columns, in the order of `rows`."""
    campaign = records.campaign
    scales = _scales(records)
    several = len(campaign.objectives) > 1
    return [
        Head("#", numeric=True),
        Head("State"),
        Head("Mode"),
        *(
            Head(label(p.name), unit_text(unit_of(p)), not is_word(p), p.name)
            for p in records.campaign.space.free
        ),
        Head("acquisition", numeric=True),
        *(
            Head(
                f"predicted {label(o.name)}" if several else "predicted",
                unit_text(o.unit),
                True,
                f"{o.name} as predicted when proposed",
            )
            for o in campaign.objectives
        ),
        *(Head(label(o.name), unit_text(o.unit), True, o.name) for o in campaign.objectives),
        *(Head(label(c.name), unit_text(c.unit), True, c.name) for c in _others(records)),
        *([Head(campaign.goal, "", True, "the score that is sought")] if _has_score(records) else []),
        *([_over_head(campaign.objectives[0].unit)] if campaign.goal == "hull" else []),
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


def _others(records: Records) -> list[OutcomeConstraint]:
    """Bounded readings that are no objectives."""
    names = {objective.name for objective in records.campaign.objectives}
    return [c for c in records.campaign.outcome_constraints if c.name not in names]


def _has_score(records: Records) -> bool:
    return records.campaign.goal in ("desirability", "hierarchy")


def _over_head(unit: str) -> Head:
    return Head("over the hull", unit_text(unit), True, "energy over the hull known when it was proposed")


def rows(records: Records, hull: Discovery | None = None) -> list[Row]:
    """One row per experiment, in the order of the records. Of a search for the hull `hull` has what to mark: the
    phases found on it."""
    best = leaders(records) if hull is None else hull.found
    whole = _Whole(
        leaders=frozenset(each.number for each in best),
        scores={each.number: s for each, s in scored(records)} if _has_score(records) else {},
        over={each.number: each.over for each in hull.labelled} if hull is not None else {},
        spent=spending(records),
        scales=_scales(records),
    )
    return [_row(records, experiment, whole) for experiment in records.experiments]


def _row(records: Records, experiment: ExperimentRecord, whole: _Whole) -> Row:
    mode, proposal, campaign = mode_of(experiment), experiment.proposal, records.campaign
    name = MODES[mode].name if mode in MODES else mode
    cells = [
        Cell(str(experiment.number), str(experiment.number), True),
        Cell(_ended(records, experiment), state_of(experiment)),
        Cell(name, name),
    ]
    candidate = as_made(experiment, campaign)
    for parameter in campaign.space.free:
        value = candidate.get(parameter.name)
        cells.append(
            Cell("–", "")
            if value is None
            else Cell(shown(parameter, value), str(value), not is_word(parameter))
        )
    asked = (
        f"{proposal.acquisition} {number(proposal.value, 3)}"
        if proposal.value is not None
        else proposal.acquisition
    )
    cells.append(Cell(asked, _plain(proposal.value), True))
    for objective in campaign.objectives:
        mean, sd = predicted(proposal, campaign, objective.name) or (None, None)
        cells.append(Cell(uncertain(mean, sd), _plain(mean), True))
    for reading in readings(campaign).values():
        got = measured(experiment, reading)
        text = uncertain(got.value, got.sigma) if got is not None else "–"
        cells.append(Cell(text, _plain(got.value if got is not None else None), True))
    if _has_score(records):
        reached = whole.scores.get(experiment.number)
        cells.append(Cell(number(reached, 3), _plain(reached), True))
    if campaign.goal == "hull":
        over = whole.over.get(experiment.number)
        cells.append(Cell(number(over, 3), _plain(over), True))
    began, ended = experiment.lab_began_s, experiment.lab_ended_s
    took = ended - began if began is not None and ended is not None else None
    cells += [_time(seconds, scale) for seconds, scale in zip((began, took), whole.scales, strict=False)]
    return Row(
        experiment.number,
        state_of(experiment),
        mode,
        experiment.number in whole.leaders,
        tuple(cells),
        tuple(why(records, experiment, whole.spent)),
        matters(records, experiment),
    )


def _ended(records: Records, experiment: ExperimentRecord) -> str:
    """The state, what a failure is put down to, and whether an outcome constraint is not kept."""
    state = state_of(experiment)
    if beyond(experiment, records.campaign):
        return f"{state}, beyond bound"
    return f"{state}: {experiment.failure[0]}" if experiment.failure is not None else state


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
