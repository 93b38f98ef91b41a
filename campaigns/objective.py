"""What is sought: measured quantities, which way each is better, and what is sought among several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from campaigns.errors import Problem, shown
from campaigns.model import BaseCampaignModel, Name
from campaigns.units import known, unknown_unit

Direction = Literal["maximise", "minimise", "match"]
# pareto: the trade-offs; desirability: one score of all; hierarchy: one after the other, as they are listed.
Goal = Literal["single", "pareto", "desirability", "hierarchy", "hull"]


class Objective(BaseCampaignModel):
    """A measured name (one that a step of the recipe gives), in `unit`.

    target: the value that a `match` should come near.
    worst, best: the values that are worth nothing and everything (desirability 0 and 1).
    tolerance: of a `match`, the distance from `target`, in `unit`, that is just borne (desirability 0 there). Of
        the others, in a hierarchy, the share (0 to 1) of the observed range that may be given up for what follows.
    weight: the exponent of its desirability.
    reference: its coordinate of the point from which hypervolume is measured; None leaves it to the planner.
    """

    name: Name
    direction: Direction
    unit: str = ""
    target: float | None = None
    worst: float | None = None
    best: float | None = None
    tolerance: float | None = Field(default=None, ge=0)
    weight: float = Field(default=1.0, gt=0, le=1000)
    reference: float | None = None

    def problems(self) -> Iterator[Problem]:
        if not known(self.unit):
            yield unknown_unit(self.unit, ("unit",))
        if self.direction == "match":
            yield from self._match_problems()
            return
        if self.target is not None:
            yield Problem(
                "E245",
                ("target",),
                wanted="a target only with 'match'",
                got=f"'{self.direction}'",
                cure=f"write 'match: {self.name}', or leave the target out",
                key=True,
            )
        if self.tolerance is not None and self.tolerance >= 1:
            yield Problem(
                "E204",
                ("tolerance",),
                wanted="a share of the observed range, at least 0 and below 1",
                got=shown(self.tolerance),
            )
        if self.worst is not None and self.best is not None and not self.better(self.best, self.worst):
            yield Problem(
                "E246",
                ("best",),
                wanted=f"a best value {'above' if self.direction == 'maximise' else 'below'} the worst",
                got=f"worst {shown(self.worst)}, best {shown(self.best)}",
                cure="swap the two",
            )

    def _match_problems(self) -> Iterator[Problem]:
        if self.target is None:
            yield Problem(
                "E244",
                wanted=f"the value that '{self.name}' should match",
                got="no target",
                cure="add 'target: 550'",
            )
        if self.tolerance == 0:
            yield Problem("E204", ("tolerance",), wanted="a distance above 0", got=shown(self.tolerance))
        for key in ("worst", "best"):
            if getattr(self, key) is not None:
                yield Problem(
                    "E245",
                    (key,),
                    wanted="target and tolerance with 'match', in place of worst and best",
                    got=f"'{key}'",
                    cure="say with 'tolerance' how far off is worth nothing",
                    key=True,
                )

    def gain(self, value: float) -> float:
        """The value turned so that larger is better: of a match, minus its distance from the target."""
        if self.target is not None:
            return -abs(value - self.target)
        return value if self.direction == "maximise" else -value

    def better(self, a: float, b: float) -> bool:
        """Whether `a` is strictly better than `b`."""
        return self.gain(a) > self.gain(b)
