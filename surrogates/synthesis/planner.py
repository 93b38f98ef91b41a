"""Ask and tell for routes: which precursors, and how hot, chosen by pairwise reactions; all else as any planner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.aim import Aim
from campaigns.plan import ROUTE_METHODS
from campaigns.space import Categorical, Ordinal, Value
from campaigns.synthesis import powders
from campaigns.units import convert
from surrogates.errors import SpaceExhausted, UnsupportedMethod
from surrogates.explain import nearest
from surrogates.planner import Batch, Planner
from surrogates.proposal import Method, Proposal
from surrogates.synthesis.chemistry import Chemistry, target_units, weights_of
from surrogates.synthesis.choose import choose
from surrogates.synthesis.trials import Recipe, Trial


@dataclass(frozen=True)
class Seen:
    """What became of a candidate: weight fractions of the phases that were seen."""

    candidate: Mapping[str, Value]
    phases: Mapping[str, float]


class RoutePlanner(Planner):
    """The planner of a space of precursors and temperatures. `pairwise_reactions` is a function of what was seen of
    all experiments, in whatever order; with every other method it is the planner that it is without chemistry."""

    def __init__(
        self, aim: Aim, chemistry: Chemistry, seen: Sequence[Seen], *, seed: int = 0, index: int = 0
    ) -> None:
        """Raises UnsupportedMethod where the aim says nothing of a synthesis."""
        if aim.synthesis is None:
            raise UnsupportedMethod("wanted an aim that says what is to be made (synthesis), got none")
        fields = {name: getattr(aim, name) for name in Aim.model_fields}
        space, objectives = fields.pop("space"), fields.pop("objectives")
        super().__init__(space, objectives, seed=seed, index=index, **fields)
        self.synthesis, self.chemistry, self._seen = aim.synthesis, chemistry, tuple(seen)
        choices = space.parameter(aim.synthesis.precursors)
        levels = space.parameter(aim.synthesis.temperature)
        assert isinstance(choices, Categorical) and isinstance(levels, Ordinal)
        self._units = {choice: powders(choice) for choice in choices.choices}
        self._sets: dict[tuple[str, ...], Mapping[str, float]] = {}
        self._choice: dict[tuple[str, ...], str] = {}
        for choice, units in self._units.items():
            made = target_units(units, aim.synthesis.target, chemistry.gas)
            self._sets[tuple(sorted(units))] = {formula: n / made for formula, n in units.items()}
            self._choice[tuple(sorted(units))] = choice
        self._kelvin = {level: convert(level, levels.unit, "K") for level in levels.levels}
        self._level = {kelvin: level for level, kelvin in self._kelvin.items()}

    def recipes(self) -> list[Recipe]:
        """All that is worth trying next, the best first, what is being tried left out."""
        precursors = sorted({formula for names in self._sets for formula in names})
        recipes = choose(
            self.synthesis.target,
            precursors,
            self.trials(),
            self.chemistry,
            passes(sorted(self._kelvin.values())),
            patient=False,
            sets=self._sets,
        )
        tried = {candidate[self.synthesis.precursors] for candidate in self._pending}
        return [recipe for recipe in recipes if self._choice[recipe.precursors] not in tried]

    def trials(self) -> list[Trial]:
        """What is known of recipes. One that came to nothing, or of which nobody looked at the phases, was tried
        all the same."""
        known = [(dict(one.candidate), one.phases) for one in self._seen]
        looked_at = {self._recipe(candidate) for candidate, _ in known}
        told = self.observations.candidates()
        known += [(candidate, {}) for candidate in told if self._recipe(candidate) not in looked_at]
        return [self._trial(candidate, phases) for candidate, phases in known]

    def _recipe(self, candidate: Mapping[str, Value]) -> tuple[str, float]:
        return str(candidate[self.synthesis.precursors]), float(candidate[self.synthesis.temperature])

    def _trial(self, candidate: Mapping[str, Value], phases: Mapping[str, float]) -> Trial:
        choice, level = self._recipe(candidate)
        return Trial(weights_of(self._units[choice]), self._kelvin[level], phases)

    def _propose(self, n: int, method: Method, batch: Batch) -> list[Proposal]:
        if method.name not in ROUTE_METHODS:
            return super()._propose(n, method, batch)
        names = self.synthesis
        recipes = self.recipes()
        if batch:
            for name in method.share:
                recipes = [one for one in recipes if self._candidate(one)[name] == batch[0][name]]
        if not recipes:
            same = f" with the same {', '.join(method.share)}" if batch and method.share else ""
            raise SpaceExhausted(
                f"no recipe is left{same} from which {names.target} may form: what was seen, and the energies, leave "
                "no driving force for it, or all temperatures were tried"
            )
        found, candidate = recipes[0], self._candidate(recipes[0])
        first = self.aim.objectives[0].name
        near = nearest(self._sampler.encoder, self.observations, first, candidate)
        return [
            self._keep(
                Proposal(
                    candidate, method.mode, method.name, found.driving, None, None, "pairwise reactions", self.seed,
                    len(self.observations.measured), nearest=near, reasons=found.reasons,
                )
            )
        ]  # fmt: skip

    def _candidate(self, recipe: Recipe) -> dict[str, Value]:
        return self.space.canonical(
            {
                self.synthesis.precursors: self._choice[recipe.precursors],
                self.synthesis.temperature: self._level[recipe.temperature],
            }
        )


def passes(temperatures: Sequence[float]) -> list[float]:
    """Rising temperatures in the order in which sets take them: the middle one, then always the one farthest (in
    steps) from those taken, of several those above the middle before those below and the nearest to it first; the
    coldest, at which least happens, last."""
    middle = len(temperatures) // 2
    taken, rest = [middle], [k for k in range(len(temperatures)) if k not in (0, middle)]
    while rest:
        best = min(rest, key=lambda k: (-min(abs(k - t) for t in taken), k < middle, abs(k - middle)))
        taken.append(best)
        rest.remove(best)
    return [temperatures[k] for k in dict.fromkeys([*taken, 0])]
