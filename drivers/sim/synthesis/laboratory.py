"""The state of the simulated synthesis laboratory: crucibles, their contents and places, folded from the facts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pydantic import Field

from drivers.sim.synthesis.powder import Powder
from drivers.sim.tally import Fact
from drivers.sim.world import WorldSettings

RACK, STORE = "rack", "store"  # room for all; `rack.3`, where a laboratory counts slots, for one


def station(place: str) -> str:
    """The device or rack that a place belongs to: `furnace_1` of `furnace_1.3`."""
    return place.partition(".")[0]


@dataclass(frozen=True)
class Dose:
    """One line of the balance's log: grams of a precursor that went into a crucible."""

    precursor: str
    grams: float


@dataclass(frozen=True)
class Firing:
    """One line of a furnace's log: K and s that it held a crucible, and in which gas."""

    furnace: str
    temperature: float
    hold: float
    atmosphere: str


@dataclass
class Crucible:
    """A crucible; a fresh one is empty and stands in the rack."""

    powder: Powder | None = None
    place: str = RACK
    doses: list[Dose] = field(default_factory=list)
    firings: list[Firing] = field(default_factory=list)


class SolidState:
    """Crucibles by the name of their sample: a new name is a fresh one."""

    class Settings(WorldSettings):
        """`noise` scales every random error (0: none)."""

        noise: float = Field(default=1.0, ge=0, le=20)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.crucibles: dict[str, Crucible] = {}

    def crucible(self, sample: str) -> Crucible:
        return self.crucibles.setdefault(sample, Crucible())

    def holds(self, place: str) -> str | None:
        """The sample that stands at a place for one; the rack and the store are for all and hold none in this sense."""
        if place in (RACK, STORE):
            return None
        return next((name for name, one in self.crucibles.items() if one.place == place), None)

    def apply(self, fact: Fact) -> None:
        """Let the effect of a fact come about. A measurement changes nothing."""
        crucible = self.crucible(fact.sample or "")
        effect = fact.effect
        match effect["what"]:
            case "dose":
                before = crucible.powder or Powder({})
                moles = dict(before.moles)
                moles[effect["precursor"]] = moles.get(effect["precursor"], 0.0) + effect["moles"]
                # A powder on top of a mixture is not mixed with it.
                crucible.powder = Powder(moles, 0.0, before.layer)
                crucible.doses.append(Dose(effect["precursor"], effect["grams"]))
            case "mixing":
                powder = _powder(crucible, "a mixing")
                mixed = max(powder.mixed, effect["mixed"])
                crucible.powder = replace(powder, mixed=mixed, layer=powder.layer * effect["left"])
            case "move":
                crucible.place = effect["to"]
            case "firing":
                firing = Firing(fact.device, effect["temperature"], effect["hold"], effect["atmosphere"])
                for name, content in effect["contents"].items():
                    fired = self.crucible(name)
                    powder = _powder(fired, "a firing")
                    fired.powder = Powder(dict(content["moles"]), powder.mixed, content["layer"])
                    fired.firings.append(firing)
            case "measurement":
                pass
            case other:
                raise ValueError(f"an unknown effect {other!r}")


def _powder(crucible: Crucible, what: str) -> Powder:
    if crucible.powder is None:
        raise ValueError(f"{what} without powder")
    return crucible.powder
