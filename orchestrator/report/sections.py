"""The sections of the page: which figures, with which captions, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator.records import Records
from orchestrator.report.discovery import Discovery
from orchestrator.report.figures.calibration import parity, residuals
from orchestrator.report.figures.coverage import coverage_figure
from orchestrator.report.figures.parallel import parallel
from orchestrator.report.figures.progress import bounded, distance, over_hull, progress
from orchestrator.report.figures.spec import Panel, panel
from orchestrator.report.figures.timeline import timeline
from orchestrator.report.findings import Prediction, beyond, counts, coverage, measured, predictions
from orchestrator.report.gates import stretches
from orchestrator.report.standings import leaders, scored, stand
from orchestrator.report.wording import bound, label, number, percent, superlative, unit_text

if TYPE_CHECKING:
    from campaigns.campaign import Objective, OutcomeConstraint

_SMALL = 340  # height of a figure that stands beside others


@dataclass(frozen=True)
class Listing:
    """A small table below the panels: its heads, and rows of texts; numbers are set flush right."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with panels; `missing` says why there are none. `columns`: panels beside each other."""

    key: str
    title: str
    lead: str = ""
    panels: tuple[Panel, ...] = ()
    missing: str = ""
    columns: int = 1
    notes: tuple[str, ...] = field(default=())
    listing: Listing | None = None


def progress_section(records: Records, hull: Discovery | None = None) -> Section:
    """Each objective, and each reading that has bounds, against the experiment number; of a search for the hull, of
    which `hull` tells, how far each energy lay over it."""
    title = "Progress"
    if not records.experiments:
        return Section("progress", title, missing="No experiment has been proposed yet.")
    if hull is not None:
        return _over_hull_section(records, hull, title)
    campaign = records.campaign
    objectives, names = campaign.objectives, {o.name for o in campaign.objectives}
    others = [c for c in campaign.outcome_constraints if c.name not in names]
    n_panels = len(objectives) + len(others) + sum(o.target is not None for o in objectives)
    height = 460 if n_panels == 1 else _SMALL
    found = []
    for index, objective in enumerate(objectives):
        figure = progress(records, objective, height=height)
        about = f"{objective.name} against experiment number"
        found.append(panel(f"progress-{index}", figure, _progress_caption(records, objective), about))
        if objective.target is not None:
            figure = distance(records, objective, height=height)
            caption = (
                f"How far {label(objective.name)} was from its target, and the shortest distance so far."
            )
            about = f"distance of {objective.name} from its target against experiment number"
            found.append(panel(f"distance-{index}", figure, caption, about))
    for index, constraint in enumerate(others):
        figure = bounded(records, constraint, height=height)
        about = f"{constraint.name} against experiment number"
        found.append(panel(f"bounded-{index}", figure, _bounded_caption(records, constraint), about))
    lead = "Point at an experiment for its candidate and the reason it was proposed."
    if campaign.outcome_constraints:
        lead += (
            " Experiments that are beyond an outcome constraint are crossed out and do not count as the best."
        )
    if records.loops:
        lead += " Experiments are numbered over all loops."
    if stretches(records):
        lead += " Shaded: the gate was shut, and learning experiments took the place of optimising ones."
    return Section("progress", title, lead, tuple(found), columns=1 if n_panels == 1 else 2)


def _over_hull_section(records: Records, found: Discovery, title: str) -> Section:
    caption = (
        "How far the energy of each crystal lay over the hull that was known when it was asked for, in the order of "
        "proposal; ringed: the hits, on or below it."
    )
    if counts(records)["failed"]:
        caption += " Experiments that gave no value stand in the strip below the axis."
    figure = over_hull(records, found)
    about = "energy over the hull against experiment number"
    lead = "Point at an experiment for its crystal and the reason it was proposed."
    return Section("progress", title, lead, (panel("progress-0", figure, caption, about),))


def _progress_caption(records: Records, objective: Objective) -> str:
    tally = counts(records)
    if not tally["measured"]:
        return "No experiment has given a value yet; those that ended are marked by how they ended."
    whose = "" if len(records.campaign.objectives) == 1 else " of this objective alone"
    caption = (
        f"{label(objective.name).capitalize()} of each experiment in the order of proposal. Marker shape and "
        f"colour tell the mode that asked for it; bars are the instrument's standard uncertainty. "
        f"{superlative(objective)} so far as a line, the best one{whose} ringed."
    )
    if tally["failed"] or tally["rejected"] or tally["cancelled"]:
        caption += " Experiments that gave no value stand in the strip below the axis."
    return caption


def _bounded_caption(records: Records, constraint: OutcomeConstraint) -> str:
    n = sum(measured(e, constraint) is not None for e in records.experiments)
    broken = sum(constraint.name in beyond(e, records.campaign) for e in records.experiments)
    return (
        f"{label(constraint.name).capitalize()} should be {bound(constraint)}: {broken} of {n} measured experiments "
        "do not keep that."
    )


def calibration_section(records: Records) -> Section:
    """Out-of-sample predictions only: the ones written in the log before the experiment was run."""
    title = "Predicted against measured"
    found: list[Panel] = []
    objectives = records.campaign.objectives
    for index, objective in enumerate(objectives):
        found += calibration_panels(records, objective, f"-{index}" if index else "")
    found += _gate_panels(records)
    if not found:
        reason = (
            "No measured experiment carries a prediction: they were proposed without a model (Sobol, random or "
            "fall-back), or have not been measured yet."
        )
        return Section("calibration", title, missing=reason)
    return Section(
        "calibration",
        title,
        "Each prediction was written in the log before its experiment was run: a true out-of-sample test.",
        tuple(found),
        columns=2,
    )


def calibration_panels(records: Records, objective: Objective, suffix: str) -> list[Panel]:
    """Predicted against measured, and the residuals, of one reading; none where nothing was predicted."""
    known = predictions(records, objective)
    title = ""
    if records.campaign.goal == "hull":
        # Energies per atom differ by eV between compositions, and what is sought by meV.
        known, title = _from_hull(known), "energy over the hull known then"
    if not known:
        return []
    n_measured = sum(measured(experiment, objective) is not None for experiment in records.experiments)
    without = n_measured - len(known)
    held = coverage(known)
    low, high = held.bounds or (0.0, 1.0)
    rmse = (sum((p.measured - p.mean) ** 2 for p in known) / len(known)) ** 0.5
    several = len(records.campaign.objectives) > 1
    caption = f"{label(objective.name).capitalize()}. " if several else ""
    caption += (
        f"Bars are 90 % intervals. Observed coverage: {held.inside} of {held.n} "
        f"({percent(held.fraction or 0)}; the true coverage lies between {percent(low)} and {percent(high)} with "
        f"90\u00a0% confidence). Root mean square error {number(rmse, 3)} {unit_text(objective.unit)}".rstrip()
        + ". "
    )
    caption += (
        f"{without} of {n_measured} measured experiments had no prediction and are not shown."
        if without
        else "Every measured experiment had a prediction."
    )
    about = (
        "Distance between measured and predicted in units of the predicted spread: about nine in ten points belong "
        "inside the band, without a trend. The spread is the model's standard deviation, the noise that it had "
        "learned and, where the instrument stated one, its standard uncertainty, added in quadrature."
    )
    if all(p.sigma is None and p.noise_sd is None for p in known):
        about += " Nobody stated any noise here: coverage looks worse than it is."
    of = f" of {objective.name}" if several else ""
    return [
        panel(f"parity{suffix}", parity(known, objective, title), caption, f"predicted against measured{of}"),
        panel(
            f"residuals{suffix}",
            residuals(known),
            about,
            f"standardised residuals{of} against experiment number",
        ),
    ]


def _from_hull(found: Sequence[Prediction]) -> list[Prediction]:
    """Predicted and measured energies from the hull that was known when the crystal was proposed."""
    return [
        replace(each, mean=each.mean - at, measured=each.measured - at)
        for each in found
        if (at := each.experiment.proposal.material.get("hull_reference")) is not None
    ]


def _gate_panels(records: Records) -> list[Panel]:
    gates = [phase.gate for phase in records.campaign.plan if phase.gate is not None]
    if not gates or not any(diagnosis.coverage is not None for diagnosis in records.diagnoses):
        return []
    n = len(records.gates)
    caption = (
        "Share of all results inside the 90 % interval that the model predicts from the others, whenever the model was "
        "asked; of several readings the worst. The gate is open inside the band; it was found shut "
        f"{n} {'time' if n == 1 else 'times'}."
    )
    figure = coverage_figure(records.diagnoses, records.gates, gates)
    return [panel("gate", figure, caption, "leave-one-out coverage and the gate's band")]


def parallel_section(records: Records) -> Section:
    title = "All candidates at once"
    if records.campaign.goal == "hull":
        return Section(
            "parallel", title, missing="A candidate is a crystal here: there is nothing beside it to compare."
        )
    shown = stand(records)
    n = len(shown)
    if n < 2:
        return Section(
            "parallel", title, missing=f"This view needs at least 2 measured experiments; there are {n}."
        )
    figure = parallel(records, shown, worth(records))
    caption = f"One line per measured experiment, {_lines(records)}. Drag "
    caption += "along an axis to keep only the lines that pass there; drag an axis title to move the axis."
    return Section("parallel", title, "", (panel("parallel", figure, caption, "parallel coordinates"),))


def worth(records: Records) -> list[float]:
    """What a line's colour means, for each of `stand(records)`, larger is better: the objective, turned; the score of
    several; 1 on a front and 0 beside it. Raises ValueError for a hull."""
    if records.campaign.goal == "pareto":
        on_front = {each.number for each in leaders(records)}
        return [float(each.number in on_front) for each in stand(records)]
    return [score for _, score in scored(records)]


def _lines(records: Records) -> str:
    campaign = records.campaign
    name = label(campaign.objectives[0].name)
    if campaign.goal == "pareto":
        return "those of the front in vermillion"
    said = {
        "desirability": "the higher (better) its desirability",
        "hierarchy": "the better its place in the hierarchy",
        "single": f"the higher (better) its {name}",
    }[campaign.goal]
    if campaign.goal == "single" and campaign.objectives[0].direction == "minimise":
        said = f"the lower (better) its {name}"
    elif campaign.goal == "single" and campaign.objectives[0].direction == "match":
        said = f"the nearer its {name} to the target"
    return f"from grey over blue to vermillion: {said}"


def timeline_section(records: Records) -> Section:
    title = "What the laboratory did"
    if not any(action.began_s is not None for action in records.actions):
        known = "The actions carry no lab times." if records.actions else "No action has been sent."
        return Section("timeline", title, missing=f"{known} There is nothing to draw.")
    n_devices = len({action.device for action in records.actions})
    caption = (
        f"{len(records.actions)} actions on {n_devices} {'device' if n_devices == 1 else 'devices'}, in lab time. "
        "Colour is the mode of the experiment; failed and doubtful actions have colours of their own. Drag across "
        "to zoom, double-click to see all again."
    )
    if stretches(records):
        caption += " Shaded: a gate was shut."
    if records.expected:
        caption += (
            " Thin grey bars: when an action was first expected, by the usual durations; the order is decided anew "
            "whenever something ends."
        )
    return Section(
        "timeline", title, "", (panel("timeline", timeline(records), caption, "actions per device"),)
    )
