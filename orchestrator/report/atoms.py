"""The section of a campaign that learns of each atom: what was believed of atoms when a material was asked for, against
what was then measured of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import correlation

from orchestrator.records import ExperimentRecord, Records
from orchestrator.report.figures.atoms import atoms_figure
from orchestrator.report.figures.spec import panel
from orchestrator.report.sections import Listing, Section
from orchestrator.report.wording import label, number, percent

LATEST = 4  # experiments whose atoms are drawn


@dataclass(frozen=True)
class Foretold:
    """An experiment whose atoms were predicted and measured: of each its element, mean, sd and value, and half the
    width of its 90 % interval where that was known."""

    experiment: ExperimentRecord
    elements: Sequence[str]
    mean: Sequence[float]
    sd: Sequence[float]
    value: Sequence[float]
    half_widths: Sequence[float] | None

    def of(self, element: str) -> tuple[list[float], list[float]]:
        """Predicted and measured, of the atoms of an element."""
        rows = [(m, v) for e, m, v in zip(self.elements, self.mean, self.value, strict=True) if e == element]
        return [m for m, _ in rows], [v for _, v in rows]

    def correlation(self, element: str) -> float | None:
        """Pearson's; None for fewer than three atoms, or where all are alike."""
        said, found = self.of(element)
        if len(said) < 3 or max(said) == min(said) or max(found) == min(found):
            return None
        return correlation(said, found)

    @property
    def error(self) -> float:
        """Root mean square over the atoms."""
        return math.sqrt(
            sum((m - v) ** 2 for m, v in zip(self.mean, self.value, strict=True)) / len(self.mean)
        )

    @property
    def within(self) -> float | None:
        """Share of the atoms within their 90 % intervals; None where there were none."""
        if self.half_widths is None:
            return None
        rows = zip(self.mean, self.value, self.half_widths, strict=True)
        return sum(abs(m - v) <= w for m, v, w in rows) / len(self.mean)

    @property
    def doubt(self) -> float:
        """Root mean square of what the networks did not agree on."""
        return math.sqrt(sum(s**2 for s in self.sd) / len(self.sd))


def atoms_section(records: Records) -> Section | None:
    """None where the campaign does not learn of atoms. `records` with the ids of crystals."""
    array = records.campaign.surrogate.materials.per_atom
    if array is None:
        return None
    found = _foretold(records, array)
    title = f"{label(array).capitalize()} of atoms"
    if not found:
        return Section(
            "atoms", title, missing="No material has been measured yet whose atoms were predicted before."
        )
    elements = sorted({element for each in found for element in each.elements})
    latest = found[-LATEST:]
    marks = {}
    for element in elements:
        pairs = [each.of(element) for each in latest]
        marks[element] = ([x for said, _ in pairs for x in said], [y for _, true in pairs for y in true])
    caption = (
        f"Each mark is an atom of the last {len(latest)} materials. What is predicted was said when the material was "
        "asked for, before its label."
    )
    figure = panel(
        "atoms",
        atoms_figure(marks, label(array)),
        caption,
        f"{label(array)} of atoms, predicted and measured",
    )
    return Section(
        "atoms", title, _lead(found, elements), (figure,), listing=_listing(found, elements),
        notes=(
            "The doubt is the spread over the networks: what more labels would teach. The last column is the share of "
            "atoms within the intervals that were said to hold 90 % of them; these count what no label would teach, "
            "too, and were measured on the atoms of one material held out.",
        ),
    )  # fmt: skip


def _foretold(records: Records, array: str) -> list[Foretold]:
    out = []
    for experiment in records.experiments:
        said = experiment.proposal.material.get("atoms", {})
        measured = experiment.arrays.get(array)
        if said.get("array") != array or measured is None or not experiment.structures:
            continue
        elements = next(iter(experiment.structures.values()))["species"]
        values = [float(x) for x in measured.values if isinstance(x, int | float)]
        if len(values) == len(said["mean"]) == len(elements):
            widths = said.get("half_widths")
            out.append(Foretold(experiment, elements, said["mean"], said["sd"], values, widths))
    return out


def _lead(found: Sequence[Foretold], elements: Sequence[str]) -> str:
    n = f"{len(found)} {'material' if len(found) == 1 else 'materials'}"
    told = []
    for element in elements:
        known = [r for each in found if (r := each.correlation(element)) is not None]
        if known:
            told.append(f"{number(sum(known) / len(known), 2)} among atoms of {element}")
    said = f"; the mean correlation is {', '.join(told)}" if told else ""
    return f"Of {n} the atoms were predicted before they were measured{said}."


def _listing(found: Sequence[Foretold], elements: Sequence[str]) -> Listing:
    heads = (
        "#",
        "Material",
        *(f"Correlation, {e}" for e in elements),
        "Error (rms)",
        "Doubt (rms)",
        "Within 90 %",
    )
    rows = tuple(
        (
            str(each.experiment.number),
            ", ".join(str(value) for value in each.experiment.candidate.values()),
            *("–" if (r := each.correlation(e)) is None else f"{r:.2f}" for e in elements),
            number(each.error, 3),
            number(each.doubt, 3),
            "–" if (share := each.within) is None else percent(share),
        )
        for each in found
    )
    return Listing(heads, rows, "In the order of asking.")
