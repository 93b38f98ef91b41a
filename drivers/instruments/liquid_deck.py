"""The deck of a liquid handler, built from a lab file by the names of PyLabRobot's resources; what is on it, kept."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from drivers.configured import Entry, Name
from drivers.errors import SettingsError
from drivers.optional import installed

DECKS = {
    "ot2": "pylabrobot.resources.opentrons:OTDeck",
    "star": "pylabrobot.resources.hamilton:STARDeck",
    "starlet": "pylabrobot.resources.hamilton:STARLetDeck",
    "vantage": "pylabrobot.resources.hamilton:VantageDeck",
    "evo100": "pylabrobot.resources.tecan:EVO100Deck",
    "evo150": "pylabrobot.resources.tecan:EVO150Deck",
    "evo200": "pylabrobot.resources.tecan:EVO200Deck",
}


class LabwareEntry(Entry):
    """One thing on the deck: `resource` is PyLabRobot's name of it.

    It lies in a `slot` (Opentrons), on `rails` (Hamilton, Tecan), or on another thing: `on` a carrier, at its `site`.
    `volumes`: what its wells hold at the beginning, uL: one number for all, or by well.
    """

    resource: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    slot: int | None = Field(default=None, ge=1)
    rails: int | None = Field(default=None, ge=0)
    on: Name | None = None
    site: int = Field(default=0, ge=0)
    volumes: float | Mapping[str, float] = 0.0

    @model_validator(mode="after")
    def _one_place(self) -> LabwareEntry:
        if sum(place is not None for place in (self.slot, self.rails, self.on)) != 1:
            raise ValueError("it lies in a slot, on rails or on another thing: say one of slot, rails, on")
        return self


def named(what: str, path: str) -> Any:
    """The object at `module:name`. Raises SettingsError."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(f"{what}: there is no {path!r} ({error}); wanted module:Class") from error


def in_order(layout: Mapping[str, LabwareEntry]) -> list[str]:
    """The names, each behind what it lies on, otherwise by the alphabet: a laboratory read back from a log, where the
    keys have another order, is the same. Raises SettingsError for what lies on nothing that is there."""
    ordered: list[str] = []
    waiting = sorted(layout)
    while waiting:
        ready = [name for name in waiting if layout[name].on is None or layout[name].on in ordered]
        if not ready:
            name = waiting[0]
            raise SettingsError(
                f"layout.{name}: it lies on {layout[name].on!r}, which lies nowhere; the layout has {', '.join(layout)}"
            )
        ordered += ready
        waiting = [name for name in waiting if name not in ready]
    return ordered


class Deck:
    """A deck with its labware. `wells` and `tips` are by name: `plate.A1`.

    What wells hold (uL) and which tips are left is what PyLabRobot's trackers say, kept in a file over restarts.
    """

    def __init__(self, deck: str, layout: Mapping[str, LabwareEntry]) -> None:
        """Raises SettingsError where there is no such deck or resource, or it cannot lie where it is put."""
        installed("pylabrobot", "instruments")
        self.resource = named("deck", DECKS.get(deck, deck))()
        self.layout = layout
        self.labware: dict[str, Any] = {}
        for name in in_order(layout):
            self.labware[name] = self._placed(name, layout[name])
        self.wells: dict[str, Any] = {}
        self.tips: dict[str, Any] = {}
        for name, one in self.labware.items():
            self._find(name, one)
        for name in self.labware:
            self.replace(name)

    def _placed(self, name: str, entry: LabwareEntry) -> Any:
        where = f"layout.{name}"
        resources = importlib.import_module("pylabrobot.resources")
        make = getattr(resources, entry.resource, None)
        if not callable(make):
            raise SettingsError(f"{where}: pylabrobot.resources has no {entry.resource!r}")
        try:
            one = make(name=name)
            if not isinstance(one, resources.Resource):
                raise TypeError(f"it makes a {type(one).__name__}, which cannot lie on a deck")
            if entry.slot is not None:
                self.resource.assign_child_at_slot(one, entry.slot)
            elif entry.rails is not None:
                self.resource.assign_child_resource(one, rails=entry.rails)
            else:
                self.labware[str(entry.on)][entry.site] = one
        except SettingsError:
            raise
        except Exception as error:  # whatever a resource of the library raises: it cannot be there
            raise SettingsError(f"{where}: {entry.resource} cannot be put there: {error}") from error
        return one

    def _find(self, name: str, one: Any) -> None:
        resources = importlib.import_module("pylabrobot.resources")
        if isinstance(one, resources.TipRack):
            self.tips |= {f"{name}.{spot.get_identifier()}": spot for spot in one.get_all_items()}
        elif isinstance(one, resources.ItemizedResource):
            self.wells |= {f"{name}.{well.get_identifier()}": well for well in one.get_all_items()}
        elif isinstance(one, resources.Container):
            self.wells[name] = one

    def replace(self, name: str) -> None:
        """The labware is as it was at the beginning: filled, with all its tips. Raises SettingsError for volumes."""
        volumes = self.layout[name].volumes
        mine = {full: well for full, well in self.wells.items() if full.partition(".")[0] == name}
        if not isinstance(volumes, Mapping):
            volumes = {full.partition(".")[2]: volumes for full in mine}
        if strangers := [well for well in volumes if ".".join(filter(None, (name, well))) not in mine]:
            raise SettingsError(f"layout.{name}.volumes: it has no well {strangers[0]!r}")
        for full, well in mine.items():
            volume = volumes.get(full.partition(".")[2], 0.0)
            if not 0 <= volume <= well.max_volume:
                raise SettingsError(
                    f"layout.{name}.volumes: {volume:g} uL for {full}, which holds {well.max_volume:g}"
                )
            well.tracker.set_volume(volume)
        for full, spot in self.tips.items():
            if full.partition(".")[0] == name and not spot.tracker.has_tip:
                spot.tracker.add_tip(spot.make_tip(), commit=True)

    @property
    def tips_left(self) -> int:
        return sum(spot.tracker.has_tip for spot in self.tips.values())

    def next_tip(self) -> Any:
        """The first spot that has a tip, None where all are used."""
        return next((spot for spot in self.tips.values() if spot.tracker.has_tip), None)

    def save(self, path: Path) -> None:
        """Write what is on the deck, atomically."""
        state = {
            "wells": {name: well.tracker.get_used_volume() for name, well in self.wells.items()},
            "tips": {name: spot.tracker.has_tip for name, spot in self.tips.items()},
        }
        fresh = path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(state, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def load(self, path: Path) -> None:
        """What was on the deck when it was saved; as the layout says where nothing was.

        Raises SettingsError where the file is of another layout: who knows what is in the wells must say so.
        """
        if not path.exists():
            return
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            wells, tips = dict(state["wells"]), dict(state["tips"])
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{path} does not say what is on the deck: {error}") from error
        if wells.keys() != self.wells.keys() or tips.keys() != self.tips.keys():
            raise SettingsError(
                f"{path} is of another layout of the deck; remove it if the deck is as the layout says"
            )
        for name, volume in wells.items():
            self.wells[name].tracker.set_volume(float(volume))
        for name, there in tips.items():
            if not there and self.tips[name].tracker.has_tip:
                self.tips[name].tracker.remove_tip(commit=True)
