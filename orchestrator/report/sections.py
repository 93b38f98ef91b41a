"""The sections of the page: which figures, with which captions, and what is said where there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.records import Records
from orchestrator.report.figures.calibration import parity, residuals
from orchestrator.report.figures.parallel import parallel
from orchestrator.report.figures.progress import progress
from orchestrator.report.figures.spec import Panel, panel
from orchestrator.report.figures.timeline import timeline
from orchestrator.report.findings import counts, coverage, measured, predictions
from orchestrator.report.wording import label, number, percent, unit_text


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


def progress_section(records: Records) -> Section:
    title = "Progress"
    if not records.experiments:
        return Section("progress", title, missing="No experiment has been proposed yet.")
    found = []
    for index, objective in enumerate(records.campaign.objectives):
        word = "Lowest" if objective.direction == "minimise" else "Highest"
        caption = (
            f"{label(objective.name).capitalize()} of each experiment in the order of proposal. Marker shape and "
            f"colour tell the mode that asked for it; bars are the instrument's standard uncertainty. {word} so far "
            "as a line, the best one ringed."
        )
        tally = counts(records)
        if not tally["measured"]:
            caption = "No experiment has given a value yet; those that ended are marked by how they ended."
        elif tally["failed"] or tally["rejected"] or tally["cancelled"]:
            caption += " Experiments that gave no value stand in the strip below the axis."
        figure = progress(records, objective)
        found.append(
            panel(f"progress-{index}", figure, caption, f"{objective.name} against experiment number")
        )
    lead = "Point at an experiment for its candidate and the reason it was proposed."
    return Section("progress", title, lead, tuple(found))


def calibration_section(records: Records) -> Section:
    """Out-of-sample predictions only: the ones written in the log before the experiment was run."""
    title = "Predicted against measured"
    objective = records.campaign.objectives[0]
    known = predictions(records)
    n_measured = sum(measured(experiment, objective) is not None for experiment in records.experiments)
    without = n_measured - len(known)
    if not known:
        reason = (
            "No measured experiment carries a prediction: they were proposed without a model (Sobol, random or "
            "fall-back), or have not been measured yet."
        )
        return Section("calibration", title, missing=reason)
    held = coverage(known)
    low, high = held.bounds or (0.0, 1.0)
    rmse = (sum((p.measured - p.mean) ** 2 for p in known) / len(known)) ** 0.5
    caption = (
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
    return Section(
        "calibration",
        title,
        "Each prediction was written in the log before its experiment was run: a true out-of-sample test.",
        (
            panel("parity", parity(known, objective), caption, "predicted against measured"),
            panel("residuals", residuals(known), about, "standardised residuals against experiment number"),
        ),
        columns=2,
    )


def parallel_section(records: Records) -> Section:
    title = "All candidates at once"
    objective = records.campaign.objectives[0]
    n = sum(measured(experiment, objective) is not None for experiment in records.experiments)
    if n < 2:
        return Section(
            "parallel", title, missing=f"This view needs at least 2 measured experiments; there are {n}."
        )
    better = "lower" if objective.direction == "minimise" else "higher"
    caption = (
        "One line per measured experiment, from grey over blue to vermillion: the "
        f"{better} (better) its {label(objective.name)}. Drag "
        "along an axis to keep only the lines that pass there; drag an axis title to move the axis."
    )
    return Section(
        "parallel", title, "", (panel("parallel", parallel(records), caption, "parallel coordinates"),)
    )


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
    return Section(
        "timeline", title, "", (panel("timeline", timeline(records), caption, "actions per device"),)
    )
