"""The section on what was used up: what there was, what was filled, used and left of each consumable."""

from __future__ import annotations

from orchestrator.records import Records
from orchestrator.report.sections import Listing, Section
from orchestrator.report.wording import clock, number, quantity


def consumables_section(records: Records) -> Section | None:
    """None where the laboratory counts none."""
    if not records.consumables:
        return None
    heads = ("Consumable", "Began with", "Refilled", "Used", "Reserved", "Left", "Low from", "Enough for")
    rows = tuple(
        (
            each.name,
            *(
                quantity(amount, each.unit)
                for amount in (each.began, each.filled, each.used, each.reserved, each.on_hand)
            ),
            "–" if each.low is None else quantity(each.low, each.unit),
            "–" if each.enough_for is None else f"{number(each.enough_for)} experiments",
        )
        for each in records.consumables
    )
    caption = (
        "Left is what no action has reserved. What is left is enough for so many more experiments, beyond those that "
        "began, by what a recipe takes on average."
    )
    units = {each.name: each.unit for each in records.consumables}
    notes = [f"Low. {text}." for text in records.low]
    notes += [
        f"{each.name}: used {quantity(each.unaccounted, each.unit)} more than there was by the log."
        for each in records.consumables
        if each.unaccounted
    ]
    notes += [
        f"{clock(each.at)}: {each.consumable} {'+' if each.added >= 0 else ''}"
        f"{quantity(each.added, units[each.consumable])}, {quantity(each.there, units[each.consumable])} then "
        f"({each.reason})."
        for each in records.refills
    ]
    listing = Listing(heads, rows, caption)
    return Section("consumables", "Consumables", "", notes=tuple(notes), listing=listing)
