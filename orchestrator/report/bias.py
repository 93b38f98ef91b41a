"""What a search for crystals asked for, beside what was there: a search has tastes, and this section says which."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.report.discovery import Discovery
from orchestrator.report.figures.bias import LEVEL, MOST, bias_figure
from orchestrator.report.figures.spec import panel
from orchestrator.report.sections import Listing, Section
from orchestrator.report.wording import percent

if TYPE_CHECKING:
    from surrogates.materials.bias import Profile

TITLE = "Bias of the data"


def bias_section(found: Discovery) -> Section:
    """Labelled crystals and the stable ones among them, against the crystals with an energy known beforehand, or, where
    there are none, against the pool."""
    from surrogates.materials.bias import PINCH, enrichment, profile

    def of(ids: set[str]) -> Profile:
        known = (found.known.counts(id) for id in sorted(ids))
        return profile(counts for counts in known if counts is not None)

    labelled = of({each.id for each in found.labelled})
    if not labelled.n:
        return Section(
            "bias", TITLE, missing="Nothing has been labelled yet, so there is nothing to compare."
        )
    name, reference = "known beforehand", of(set(found.seeds))
    if not reference.n:
        name, reference = "in the pool", of(set(found.known.pool_ids()))
    stable = of({each.id for each in found.found})
    sets: Mapping[str, Profile] = {name: reference, "labelled": labelled, "found stable": stable}
    sets = {which: each for which, each in sets.items() if each.n}
    heads = (
        "Crystals", "Number", "All metal", f"Rarest element at most {100 * PINCH:g} %", "Element systems",
        "In new systems", "Smallest atomic fraction",
    )  # fmt: skip
    rows = tuple(_row(which, each, None if each is reference else reference) for which, each in sets.items())
    caption = (
        f"New systems: sets of elements that no crystal {name} combines. Smallest atomic fraction: that of the rarest "
        "element of a crystal, the median; a set of small ones is one of dopings."
    )
    listing = Listing(heads, rows, caption)
    if not reference.n:
        return Section("bias", TITLE, "There is no reference to compare with.", listing=listing)
    elements = enrichment(labelled, reference)
    picture = (
        f"Share of the labelled crystals that contain an element, over that of the crystals {name}: above 0 it was "
        f"asked for more often. Coloured where chance alone would do so in fewer than {percent(LEVEL)} of searches, "
        "all elements taken together (Fisher's exact test, Bonferroni)."
    )
    if len(elements) > MOST:
        picture += f" The {MOST} largest of {len(elements)} elements."
    about = "over-representation of each element among the labelled crystals"
    lead = (
        "A model knows of the elements that it was shown, and a search asks for what its model likes. Compared with "
        f"the crystals {name}."
    )
    figure = panel("bias", bias_figure(elements), picture, about)
    return Section("bias", TITLE, lead, (figure,), listing=listing)


def _row(which: str, own: Profile, reference: Profile | None) -> tuple[str, ...]:
    ranked = sorted(own.smallest)
    middle = ranked[len(ranked) // 2] if ranked else math.nan
    fresh = "–"
    if reference is not None and reference.n:
        fresh = percent(own.in_new_systems(reference))
    return (
        which, str(own.n), percent(own.metal_share), percent(own.pinch_share), str(len(own.systems)), fresh,
        f"{middle:.2f}",
    )  # fmt: skip
