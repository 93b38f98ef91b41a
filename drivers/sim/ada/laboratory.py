"""The state of the simulated Ada: a thin-film laboratory whose films have a place on their slide, and a sheet of
results.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.sim.ada import slide
from drivers.sim.ada.slide import Coat
from drivers.sim.tally import Fact
from drivers.sim.thin_film import Sample, ThinFilm


@dataclass(frozen=True)
class Sheet:
    """What the spectrometer wrote down for a slide, at slide.POSITIONS: thickness (nm), holes per area (1/cm^2), and
    the standard uncertainty of each."""

    thickness_nm: tuple[float, ...]
    thickness_sigma: tuple[float, ...]
    carriers_cm2: tuple[float, ...]
    carriers_sigma: tuple[float, ...]


@dataclass
class Slide(Sample):
    """A slide and its vial."""

    film: Coat | None = None
    sheet: Sheet | None = None


class Ada(ThinFilm):
    """Slides by name (a new name is a fresh one), and the temperature of each hot plate, K."""

    def __init__(self, settings: ThinFilm.Settings) -> None:
        super().__init__(settings)
        self.samples: dict[str, Slide] = {}  # type: ignore[assignment]

    def sample(self, name: str) -> Slide:
        return self.samples.setdefault(name, Slide())

    def apply(self, fact: Fact) -> None:
        """Let the effect of a fact come about. What was written down of a film is not so of the film after another
        act.
        """
        effect, sample = fact.effect, self.sample(fact.sample or "")
        match effect["what"]:
            case "coat":
                if sample.ink is None:
                    raise ValueError("a coat without ink")
                ink, below = sample.ink, sample.film
                sample.film = slide.coat(ink, effect["speed"], effect["duration"], effect["grain"], below)
                sample.sheet = None
            case "hold":
                before = sample.film
                super().apply(fact)  # the plate and its log; the film is annealed below, as one with a place
                if before is not None:
                    sample.film = slide.anneal(before, effect["temperature"], effect["hold"])
                sample.sheet = None
            case "spectra":
                written = ("thickness_nm", "thickness_sigma", "carriers_cm2", "carriers_sigma")
                sample.sheet = Sheet(*(tuple(effect[name]) for name in written))
            case _:
                super().apply(fact)
