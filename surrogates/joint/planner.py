"""Ask and tell over (material, process): the planner of any space, over columns that are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from campaigns.aim import Aim
from campaigns.space import Value
from surrogates.acquisition.outcome_constraints import Bounds, Together
from surrogates.encode import Array, Encoder
from surrogates.joint.axis import MaterialAxis
from surrogates.joint.chance import PropertyChance
from surrogates.joint.members import Members, by_members, views
from surrogates.joint.representation import Representation
from surrogates.joint.search import JointSearch
from surrogates.knowledge import Knowledge
from surrogates.learn import learn
from surrogates.planner import THREADS, Planner
from surrogates.sampling import Sampler


@dataclass(frozen=True)
class Parts:
    """Standard deviation of the belief about one reading, in its own unit: of what the members of the ensemble do not
    agree on, as far as it matters here, and of what the results leave open. Their squares add up to the whole's."""

    material: float
    process: float


class JointPlanner(Planner):
    """A model of the results over process parameters and what an ensemble says of the material: one for each member of
    the ensemble, which takes that member's word for the truth.

    The members' models differ where the members do and it matters for the results, so that the ensemble's epistemic
    variance adds to the models' own in every acquisition (see `members.Members`). What is labelled is the same for all.
    One Gaussian process over all members' columns side by side (distances are then the members' mean), or over the mean
    alone, finds as good films in the median of ten runs, and less in the worst (benchmarks/RESULTS.md).

    axis  the columns of the material
    """

    def __init__(
        self,
        aim: Aim,
        name: str,
        known: Representation,
        *,
        required: Sequence[tuple[str, Bounds]] = (),
        likely: Array | None = None,
        seed: int = 0,
        index: int = 0,
    ) -> None:
        """`name`: of the material parameter; `required`: bounds of the material's own properties, which no experiment
        of the campaign reads; `likely` (N,): the chance that each is of use for other reasons. Raises ValueError where
        a property is not among the representation's targets."""
        self.axis = MaterialAxis(name, known)
        encoder = Encoder(aim.space, {name: self.axis})
        self.material = encoder.names.index(name)
        self._columns = encoder.columns[self.material]
        self._chance = None
        if required or likely is not None:
            self._chance = PropertyChance(self.axis, self._columns, required, likely)
        search = JointSearch(Sampler(aim.space, encoder), self.material)
        fields = {field: getattr(aim, field) for field in Aim.model_fields}
        space, objectives = fields.pop("space"), fields.pop("objectives")
        super().__init__(space, objectives, seed=seed, index=index, search=search, **fields)

    def parts(self, candidate: Mapping[str, Value], reading: str | None = None) -> Parts | None:
        """Of the belief about a reading (default: the first objective) at a candidate; None where nothing is
        believed."""
        with THREADS.limit(limits=1), np.errstate(all="ignore"):
            knowledge = self._believe()
            if isinstance(knowledge, str):
                return None
            surrogate = knowledge.readings[reading or self.aim.objectives[0].name]
            if not isinstance(surrogate.belief, Members):
                return None
            code = knowledge.encoder.codes([self.space.canonical(candidate)])
            material, process = surrogate.belief.parts(knowledge.encoder.unit(code))
            share = float(material[0] / (material[0] + process[0]))
            sd = float(surrogate.predict(code)[1][0])
        return Parts(sd * share**0.5, sd * (1.0 - share) ** 0.5)

    def chance(self) -> Array | None:
        """(N,) that each material's properties are within what is required; None where nothing is."""
        return None if self._chance is None else np.exp(self._chance.log_probabilities)

    def _learn(self) -> Knowledge | str:
        encoder = self._sampler.encoder
        adapt = by_members(views(self.axis, encoder, self.material))
        found = learn(self.aim, encoder, self.observations, self.seed, adapt)
        if isinstance(found, str) or self._chance is None:
            return found
        both = self._chance if found.promised is None else Together((found.promised, self._chance))
        return replace(found, promised=both)
