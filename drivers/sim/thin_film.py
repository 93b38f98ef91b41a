"""The state of the simulated thin-film laboratory: its vials, films and furnaces, folded from the facts."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import Field

from drivers.sim import film
from drivers.sim.film import ROOM_K, Film, Ink
from drivers.sim.tally import Fact
from drivers.sim.world import WorldSettings


@dataclass(frozen=True)
class Hold:
    """One line of a furnace's own log: mean temperature (K) and time (s) that it held a sample."""

    furnace: str
    temperature: float
    hold: float


@dataclass
class Sample:
    """A substrate and its vial. Fresh ones hold nothing but a weighed amount of host."""

    ink: Ink | None = None
    film: Film | None = None
    thermal_log: list[Hold] = field(default_factory=list)


class ThinFilm:
    """Samples by name (a new name is a fresh sample) and the temperature of each furnace, K."""

    class Settings(WorldSettings):
        """`noise` scales every random error (0: none). `drift`: largest relative drift of a probe."""

        noise: float = Field(default=1.0, ge=0, le=20)
        drift: float = Field(default=0.01, ge=0, le=0.5)

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.samples: dict[str, Sample] = {}
        self.furnaces: dict[str, float] = {}

    def sample(self, name: str) -> Sample:
        return self.samples.setdefault(name, Sample())

    def furnace_K(self, device: str) -> float:
        return self.furnaces.get(device, ROOM_K)

    def apply(self, fact: Fact) -> None:
        """Let the effect of a fact come about: a dose, a coat, a hold, or a measurement (changes nothing)."""
        sample = self.sample(fact.sample or "")
        effect = fact.effect
        match effect["what"]:
            case "dose":
                sample.ink = film.mix(sample.ink, effect["dopant_fraction"], effect["solvent"])
            case "coat":
                if sample.ink is None:
                    raise ValueError("a coat without ink")
                sample.film = film.coat(sample.ink, effect["speed"], effect["duration"], sample.film)
            case "hold":
                log = Hold(fact.device, effect["temperature"], effect["hold"])
                sample.thermal_log.append(log)
                self.furnaces[fact.device] = log.temperature
                if sample.film is not None:
                    sample.film = film.anneal(sample.film, log.temperature, log.hold)
            case "measurement":
                pass
            case other:
                raise ValueError(f"an unknown effect {other!r}")
