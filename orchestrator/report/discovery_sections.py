"""The sections of a search for stable crystals: the rounds, and the hull with the phases that were found on it."""

from __future__ import annotations

from collections import Counter

from orchestrator.records import Records
from orchestrator.report.compositions import MOST, Point, elements_of, lower_line, points, tie_lines
from orchestrator.report.discovery import Discovery, Labelled, Round
from orchestrator.report.figures.hull import binary_figure, ternary_figure
from orchestrator.report.figures.rounds import error_figure, growth_figure, held_figure, rates_figure
from orchestrator.report.figures.spec import Panel, panel
from orchestrator.report.sections import Listing, Section
from orchestrator.report.style import MODES
from orchestrator.report.wording import label, number, per_atom, percent

_POINTS = 3000  # crystals drawn over composition at most, those nearest the hull
_KNOWN = 100  # phases known before that are listed at most


def discovery_sections(records: Records, found: Discovery) -> list[Section]:
    return [_rounds(records, found), _hull(records, found)]


def origin(found: Discovery, each: Labelled) -> tuple[str, tuple[str, ...]]:
    """Where a crystal comes from, the pool or the name of a generator, and the crystals that this made it of."""
    said = each.experiment.proposal.material
    if found.known.in_pool(each.id) or not (said.get("parents") or said.get("how")):
        return "pool", ()
    return str(said.get("source") or "generator"), tuple(map(str, said.get("parents", ())))


def _rounds(records: Records, found: Discovery) -> Section:
    title = "Discovery"
    if not found.rounds:
        return Section("discovery", title, missing="No crystal has been proposed yet.")
    unit = records.campaign.objectives[0].unit
    if not found.labelled:
        return Section(
            "discovery", title, missing="No energy has been measured yet, so there is no hit to count."
        )
    panels = [
        panel(
            "rounds-rates",
            rates_figure(found),
            "Hit rate: the share of each round's crystals that turned out to be on or below the hull known when they "
            "were asked for. Ringed: the share that is on the hull at the end.",
            "hit rate and precision of each round",
        ),
        panel(
            "rounds-hull",
            growth_figure(found),
            "Phases on the hull of all energies known after each round, and how many of them this campaign labelled.",
            "size of the hull after each round",
        ),
    ]
    if any(each.predicted for each in found.rounds):
        panels += [
            panel(
                "rounds-error",
                error_figure(found, unit),
                f"Mean absolute error of the {label(records.campaign.objectives[0].name)} predicted before a round's "
                "crystals were labelled.",
                "mean absolute error of the predictions of each round",
            ),
            panel(
                "rounds-coverage",
                held_figure(found),
                "Share of the energies inside the 90 % interval predicted; bars are 90 % confidence intervals of the "
                "share.",
                "coverage of the predicted intervals in each round",
            ),
        ]
    return Section(
        "discovery",
        title,
        _summary(found),
        tuple(panels),
        columns=2,
        notes=tuple(_round_notes(found)),
        listing=_rounds_listing(records, found),
    )


def _summary(found: Discovery) -> str:
    n, judged = len(found.labelled), found.judged
    text = f"{n} {'crystal was' if n == 1 else 'crystals were'} labelled in {len(found.rounds)} "
    text += "round. " if len(found.rounds) == 1 else "rounds. "
    if judged:
        text += f"{found.hits} of {judged} ({percent(found.hits / judged)}) were on or below the hull known then; "
    text += (
        f"{len(found.found)} new ones are on the hull at the end, which holds {len(found.hull.stable)} phases"
    )
    before = len(found.before.stable)
    return f"{text}; it held {before} before." if found.seeds else f"{text}."


def _round_notes(found: Discovery) -> list[str]:
    notes = [found.known.lacking] if found.known.lacking else []
    if not found.seeds:
        notes.append("No energy was known beforehand: the hull is that of what was labelled here.")
    if any(each.hit_rate is None and each.labelled for each in found.rounds):
        notes.append(
            "A round without a hit rate was asked for while no hull was known at its compositions: an element had no "
            "energy of its own."
        )
    return notes


def _rounds_listing(records: Records, found: Discovery) -> Listing:
    unit = records.campaign.objectives[0].unit
    heads: tuple[str, ...] = (
        "Round",
        "Experiments",
        "Mode",
        "Labelled",
        "Failed",
        "Hits",
        "Hit rate",
        "On final hull",
        "Hull size",
        f"Error ({per_atom(unit)})" if unit else "Error",
        "Inside 90 %",
        "New systems",
        "From",
    )
    rows = tuple(_round_row(found, each) for each in found.rounds)
    caption = "A round is what was proposed with one question. Error: mean absolute error of the energies predicted."
    at = heads.index("New systems")
    if all(each.new_systems is None for each in found.rounds):  # no energy was known beforehand
        heads, rows = heads[:at] + heads[at + 1 :], tuple(row[:at] + row[at + 1 :] for row in rows)
    else:
        caption += (
            " New systems: labelled crystals of elements that none with an energy known beforehand combines."
        )
    return Listing(heads, rows, caption)


def _round_row(found: Discovery, each: Round) -> tuple[str, ...]:
    first, last = each.experiments[0].number, each.experiments[-1].number
    n = len(each.labelled)
    methods = Counter(experiment.proposal.acquisition for experiment in each.experiments)
    mode = MODES[each.mode].name if each.mode in MODES else each.mode
    sources = Counter(origin(found, one)[0] for one in each.labelled)
    on_hull = sum(one.on_hull for one in each.labelled)
    held = each.coverage
    return (
        str(each.index),
        f"{first}–{last}" if last > first else str(first),
        f"{mode} · {', '.join(methods)}",
        str(n),
        str(each.n_failed),
        f"{each.hits} of {len(each.judged)}" if each.judged else "–",
        percent(each.hit_rate) if each.hit_rate is not None else "–",
        f"{on_hull} ({percent(each.precision)})" if each.precision is not None else "–",
        str(each.n_stable),
        number(each.mean_error, 3),
        f"{held.inside} of {held.n}" if held.n else "–",
        f"{each.new_systems} ({percent(each.new_systems / n)})"
        if n and each.new_systems is not None
        else "–",
        ", ".join(f"{count} {source.replace('_', ' ')}" for source, count in sources.items()) or "–",
    )


# -- the hull -------------------------------------------------------------------------------------------------
def _hull(records: Records, found: Discovery) -> Section:
    title = "Convex hull"
    if not found.hull.stable:
        missing = "No hull can be drawn: of each element, one energy has to be known."
        return Section("hull", title, missing=missing)
    unit = records.campaign.objectives[0].unit
    elements = elements_of(found)
    panels, notes = _drawn(found, elements, unit)
    lead = (
        f"{', '.join(elements)}: {len(found.hull.stable)} of {len(found.energies)} crystals with a known energy are on "
        "the hull, within 0.05 meV/atom."
    )
    return Section(
        "hull",
        title,
        lead,
        tuple(panels),
        notes=tuple(notes),
        listing=_phases(found, unit, known=not panels),
    )


def _drawn(found: Discovery, elements: tuple[str, ...], unit: str) -> tuple[list[Panel], list[str]]:
    if not 2 <= len(elements) <= MOST:
        return [], [f"A hull is drawn for two or three elements; there are {len(elements)} here."]
    every = points(found, elements)
    if not every:
        return [], ["The hull is not drawn: an element has no energy of its own."]
    notes = []
    shown = sorted(every, key=lambda each: (each.labelled is None and not each.on_hull, each.above))[:_POINTS]
    if len(shown) < len(every):
        notes.append(f"Drawn are the {len(shown)} of {len(every)} crystals that lie nearest the hull.")
    name = "–".join(elements)
    if len(elements) == 2:
        return [_binary(found, elements, shown, unit, name)], notes
    reach = _reach([each.above for each in shown])
    beyond = sum(each.above > reach for each in shown)
    caption = (
        f"Phases of {name} and the tie lines between those that coexist. Everything else is coloured by its energy "
        f"above the hull{f', {beyond} beyond the end of the scale' if beyond else ''}; of one composition the lowest "
        "lies on top."
    )
    figure = ternary_figure(elements, shown, tie_lines(found, shown), unit, reach)
    return [panel("hull", figure, caption, f"phase diagram of {name}")], notes


def _binary(found: Discovery, elements: tuple[str, ...], shown: list[Point], unit: str, name: str) -> Panel:
    hull = lower_line([(each.fractions[1], each.formation) for each in shown if each.on_hull])
    before = set(found.before.stable)
    earlier = lower_line([(each.fractions[1], each.formation) for each in shown if each.id in before])
    depth = -min(y for _, y in hull)
    top = min(max(each.formation for each in shown), max(0.1, 0.35 * depth))
    beyond = sum(each.formation > top for each in shown)
    caption = f"Formation energies of {name}, and their lower convex hull."
    if beyond:
        caption += f" {beyond} {'crystal lies' if beyond == 1 else 'crystals lie'} above the axis."
    figure = binary_figure(elements, shown, hull, earlier, unit, top)
    return panel("hull", figure, caption, f"formation energy of {name} against composition")


def _reach(heights: list[float]) -> float:
    """End of the colour scale: nine in ten lie below it, so that a few absurd ones do not set it."""
    ranked = sorted(heights)
    return max(ranked[int(0.9 * (len(ranked) - 1))], 0.01)


def _phases(found: Discovery, unit: str, *, known: bool) -> Listing | None:
    """What was found, and, where no hull is drawn, what was on the hull before and still is."""
    units = f" ({per_atom(unit)})" if unit else ""
    heads = (
        "Formula",
        "Id",
        f"Over the earlier hull{units}",
        f"Decomposition energy{units}",
        "From",
        "Made of",
        "Experiment",
    )
    rows: list[tuple[str, ...]] = []
    for each in found.found:
        source, parents = origin(found, each)
        rows.append(
            (
                found.known.formula(each.id) or "–",
                each.id,
                number(each.over, 3),
                number(each.decomposition, 3),
                source,
                ", ".join(map(found.known.named, parents)) or "–",
                str(each.number),
            )
        )
    n = len(rows)
    caption = f"{n} stable {'phase' if n == 1 else 'phases'} found, in the order of proposal."
    if not n:
        caption = "No stable phase was found that was not known before."
    caption += (
        " Over the earlier hull: how far the energy lay over (negative: below) the hull known when the crystal was "
        "asked for. Decomposition energy: how far below the hull of everything else it lies now."
    )
    if known:
        old = [id for id in found.hull.stable if id in found.seeds]
        rows += [_known_row(found, id) for id in old[:_KNOWN]]
        caption += f" Then {min(len(old), _KNOWN)} of {len(old)} that were known before." if old else ""
    return Listing(heads, tuple(rows), caption) if rows else Listing((), (), caption)


def _known_row(found: Discovery, id: str) -> tuple[str, ...]:
    energy = None
    if (counts := found.known.counts(id)) is not None:
        (height,) = found.hull.decomposition_energy([counts], [found.energies[id]], ids=[id])
        energy = None if height != height else float(height)  # NaN: the only entry of an element
    return (found.known.formula(id), id, "–", number(energy, 3), "known before", "–", "–")
