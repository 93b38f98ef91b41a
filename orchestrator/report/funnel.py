"""The section of a funnel: counts in and out, costs, and what each stage was worth."""

from __future__ import annotations

from campaigns.funnel import Funnel
from campaigns.objective import Objective
from orchestrator.records import Records
from orchestrator.report.crystals import Known
from orchestrator.report.figures.funnel import Bar, agreement_figure, course_figure, funnel_figure
from orchestrator.report.figures.spec import panel
from orchestrator.report.findings import every
from orchestrator.report.funnel_counts import Found, Passage, course, passages, spent_in_all
from orchestrator.report.sections import Listing, Section
from orchestrator.report.spending import spending
from orchestrator.report.wording import duration, label, number, quantity, unit_text

RULES = {
    "ucb": "the best of mean and {beta:g} standard deviations of what is believed of the last stage",
    "thompson": "a draw from what is believed of the last stage",
    "greedy": "the best mean of what is believed of the last stage",
    "rank": "the value of the stage before",
    "random": "chance",
    "variance": "the largest uncertainty about the last stage",
}


def funnel_section(records: Records, known: Known) -> Section | None:
    """None where the campaign is no funnel. `records` and `known` call crystals by their ids."""
    funnel = records.campaign.funnel
    if funnel is None:
        return None
    title = "The funnel"
    stages = passages(records, known, funnel)
    if not any(each.tried for each in stages):
        return Section("funnel", title, missing="Nothing has been tried yet.")
    found, objective = course(records, funnel), records.campaign.objectives[0]
    panels = [
        panel(
            "funnel-stages", funnel_figure(_bars(records, known, funnel, stages)),
            "Crystals in each stage, widths logarithmic; dark: those that went on, and of the last stage the best.",
            "the stages of the funnel, from top to bottom",
        )
    ]  # fmt: skip
    truth = _truth(known, objective)
    if found:
        end = "best that was found in the end" if truth is None else "best of the whole pool, which is known"
        caption = (
            "Labels of the last stage over the cost of all labels. Regret is how far the best so far is from the "
            f"{end}."
        )
        figure = course_figure(found, spent_in_all(records, funnel), truth, objective.name, objective.unit)
        panels.append(panel("funnel-course", figure, caption, "regret against laboratory seconds"))
    if any(each.agreement is not None for each in stages):
        said = "; ".join(
            f"{each.stage.name} with the stage before: r = {each.agreement[0]:.2f} of {each.agreement[1]}"
            for each in stages
            if each.agreement is not None
        )
        panels.append(
            panel("funnel-agreement", agreement_figure(stages, objective.unit), f"Correlation: {said}.", said)
        )
    notes = [
        f"{each.disbelieved} of {each.stage.name} were beyond a bound of plausibility: they were not believed and did "
        "not go up."
        for each in stages
        if each.disbelieved
    ]
    return Section(
        "funnel", title, _lead(funnel, found, truth, objective.unit), tuple(panels),
        columns=1, notes=tuple(notes), listing=_listing(records, stages, objective.unit),
    )  # fmt: skip


def _lead(funnel: Funnel, found: list[Found], truth: float | None, unit: str) -> str:
    rule = RULES[funnel.promote].format(beta=funnel.beta)
    pace = "in step with" if funnel.pace == "together" else "after"
    text = f"{funnel.described()}. Crystals go up by {rule}; a stage runs {pace} the one before."
    if found and truth is not None:
        regret = abs(found[-1].best - truth)
        share = f" ({100 * regret / abs(truth):.1f} %)" if truth else ""
        text += f" The best found is {quantity(regret, unit)}{share} from the best of the pool."
    return text


def _truth(known: Known, objective: Objective) -> float | None:
    """The best value of the pool, where it holds that of every crystal, hidden or not."""
    values = known.hidden(objective.name)
    if values is None:
        return None
    return max(values, key=objective.gain)


def _bars(records: Records, known: Known, funnel: Funnel, stages: list[Passage]) -> list[Bar]:
    first = stages[0]
    name = "networks" if funnel.screen is None else funnel.screen.name
    asked = (e.proposal.material.get("funnel", {}) for e in every(records) if e.loop == first.stage.loop)
    predicted = any(said.get("mean") is not None for said in asked)
    beside = "predicted, not labelled" if predicted else "nothing predicted: too few labels to learn from"
    bars = [Bar(label(name), first.offered, first.tried, f"{first.offered} crystals", beside)]
    for each in stages:
        last = each.taken is None
        said = [f"{each.tried} tried", f"{each.labelled} labels"]
        if each.failed:
            said.append(f"{each.failed} failed")
        if each.disbelieved:
            said.append(f"{each.disbelieved} not believed")
        cost = [
            f"{duration(each.lab_s)} in all, {duration(each.each_s)} each" if each.tried else "nothing yet"
        ]
        if each.agreement is not None:
            cost.append(f"r = {each.agreement[0]:.2f} with the stage before")
        if each.regret is not None and not last:
            cost.append(f"regret {number(each.regret, 2)} were the choice left to it")
        inner = (1 if each.labelled else None) if last else each.taken
        bars.append(Bar(label(each.stage.name), each.tried, inner, ", ".join(said), "; ".join(cost)))
    return bars


def _listing(records: Records, stages: list[Passage], unit: str) -> Listing:
    spent = spending(records)
    heads = [
        "Stage",
        "Could take",
        "Tried",
        "Labels",
        "Failed",
        "Not believed",
        "Went on",
        "Lab time",
        "Each",
    ]
    heads += ["Correlation", f"Its regret{f' ({unit_text(unit)})' if unit else ''}"]
    if spent is not None:
        heads.insert(9, "Cost")
    rows = []
    for each in stages:
        cells = [
            each.stage.name, str(each.offered), f"{each.tried} of {each.stage.take}", str(each.labelled),
            str(each.failed), str(each.disbelieved), "–" if each.taken is None else str(each.taken),
            duration(each.lab_s), duration(each.each_s),
            "–" if each.agreement is None else f"{each.agreement[0]:.2f}", number(each.regret, 3),
        ]  # fmt: skip
        if spent is not None:
            cells.insert(9, quantity(spent.total, spent.unit) if not each.stage.loop else "–")
        rows.append(tuple(cells))
    caption = (
        "Its regret, were the choice left to it: of the crystals that the last stage has labelled, how much worse than "
        "their best is the one that this stage puts first."
    )
    return Listing(tuple(heads), tuple(rows), caption)
