"""The section of a search for hard and tough materials: fracture toughness against hardness, as Ashby draws it, with
what the formulas behind the numbers cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.units import UnitError, convert
from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.crystals import Known
from orchestrator.report.figures.ashby import Mark, ashby_figure
from orchestrator.report.figures.spec import panel
from orchestrator.report.sections import Listing, Section
from orchestrator.report.standings import leaders
from orchestrator.report.wording import number

HARDNESS, TOUGHNESS, POISSON = "hardness", "toughness", "poisson_ratio"
UNITS = {HARDNESS: "GPa", TOUGHNESS: "MPa*m^0.5"}
SENSITIVE = (
    0.12,
    0.17,
)  # Poisson's ratios at which the toughness hangs on rounded coefficients of its formula
LISTED = 20


@dataclass(frozen=True)
class Tested:
    """An experiment with hardness (GPa) and toughness (MPa m^(1/2)); `poisson` where it was read; `metal`: all of its
    elements are metals."""

    experiment: ExperimentRecord
    hardness: float
    toughness: float
    poisson: float | None
    metal: bool

    @property
    def flag(self) -> str:
        """What the formulas cannot tell of it, or ''."""
        if self.poisson is not None and self.poisson < 0:
            return "outside the formulas' domain"
        if self.metal:
            return "all metal"
        if self.poisson is not None and SENSITIVE[0] < self.poisson < SENSITIVE[1]:
            return "sensitive coefficients"
        return ""


def ashby_section(records: Records, known: Known) -> Section | None:
    """None where the campaign does not seek both. `records` with crystals called by their names, `known` of their
    ids."""
    objectives = {objective.name: objective for objective in records.campaign.objectives}
    if not UNITS.keys() <= objectives.keys() or not _units_fit(records):
        return None
    found = _tested(records, known)
    title = "Hardness and toughness"
    if not found:
        return Section("ashby", title, missing="Nothing has been measured yet.")
    on_front = {each.number for each in leaders(records)}
    marks = [
        Mark(each.experiment, each.hardness, each.toughness, each.flag, each.experiment.number in on_front)
        for each in found
        if each.hardness > 0 and each.toughness > 0
    ]
    figure = ashby_figure(records, marks)
    caption = (
        "Fracture toughness against Vickers hardness, logarithmic axes. Full lines are of constant brittleness "
        "H/K: towards the upper left a material deforms before it cracks. Dotted lines are of constant merit K²/H. "
        "Crystals that the formulas cannot judge are marked; an entry of the legend hides what it names when it is "
        "clicked."
    )
    about = "fracture toughness against hardness"
    return Section(
        "ashby",
        title,
        _lead(found),
        (panel("ashby", figure, caption, about),),
        notes=tuple(_notes(found)),
        listing=_listing(found, on_front),
    )


def _units_fit(records: Records) -> bool:
    try:
        return all(
            convert(1.0, o.unit, UNITS[o.name]) > 0 for o in records.campaign.objectives if o.name in UNITS
        )
    except UnitError:
        return False


def _tested(records: Records, known: Known) -> list[Tested]:
    out = []
    (material,) = records.campaign.space.materials or (None,)
    for experiment in records.experiments:
        values = experiment.values
        if not UNITS.keys() <= values.keys():
            continue
        hard, tough = (convert(values[n].value, values[n].unit, UNITS[n]) for n in (HARDNESS, TOUGHNESS))
        poisson = values[POISSON].value if POISSON in values else None
        id = next(iter(experiment.structures), "") if material is not None else ""
        out.append(Tested(experiment, hard, tough, poisson, _all_metal(known, id)))
    return out


def _all_metal(known: Known, id: str) -> bool:
    counts = known.counts(id) if id else None
    if counts is None:
        return False
    from surrogates.materials.bias import is_metal

    return all(is_metal(symbol) for symbol in counts)


def _lead(found: Sequence[Tested]) -> str:
    flagged = sum(bool(each.flag) for each in found)
    n = f"{len(found)} {'material' if len(found) == 1 else 'materials'}"
    if not flagged:
        return f"{n}, all within what the formulas were made for."
    return f"{n}, {flagged} of them with a remark: see below."


def _notes(found: Sequence[Tested]) -> list[str]:
    flags = {each.flag for each in found}
    notes = []
    if "outside the formulas' domain" in flags:
        notes.append(
            "Outside the formulas' domain: a negative Poisson's ratio, which the formulas were not made for; they are "
            "given 0. Such moduli are more often a failed calculation than a material."
        )
    if "all metal" in flags:
        notes.append(
            "All metal: the toughness is that of a brittle, covalent or ionic crystal of these moduli. A metal that "
            "yields is tougher by far, and its hardness is that of its microstructure: neither number is one of it."
        )
    if "sensitive coefficients" in flags:
        notes.append(
            f"Sensitive coefficients: at Poisson's ratios of {SENSITIVE[0]:g} to {SENSITIVE[1]:g} two polynomials of "
            "the toughness's formula nearly cancel, and their coefficients have one decimal."
        )
    return notes


def _listing(found: Sequence[Tested], on_front: set[int]) -> Listing:
    heads = (
        "#",
        "Crystal",
        "Hardness (GPa)",
        "Toughness (MPa·m½)",
        "Brittleness H/K (µm⁻½)",
        "Poisson's ratio",
        "Remark",
    )
    ranked = sorted(found, key=lambda each: (each.experiment.number not in on_front, -each.hardness))[:LISTED]
    rows = tuple(
        (
            str(each.experiment.number),
            ", ".join(str(value) for value in each.experiment.candidate.values()),
            number(each.hardness, 3),
            number(each.toughness, 3),
            number(each.hardness / each.toughness, 3) if each.toughness > 0 else "–",
            number(each.poisson, 3),
            each.flag or "–",
        )
        for each in ranked
    )
    return Listing(heads, rows, f"The front, then the hardest: {len(ranked)} of {len(found)}.")
