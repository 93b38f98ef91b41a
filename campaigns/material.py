"""A material as a parameter: one crystal of a pool, or of what generators make of the pool's best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from campaigns.conditions import Conditional
from campaigns.errors import Problem, shown
from campaigns.model import BaseCampaignModel, Name, Value

# A name, never a path or an address: a campaign file cannot make anybody open something of its choosing.
PoolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]
LONGEST_ID = 200


class Generate(BaseCampaignModel):
    """A generator of candidates, installed under `alquimia.generators`, and its arguments."""

    generator: Name
    arguments: tuple[tuple[Name, Value | tuple[Value, ...]], ...] = ()


class Material(Conditional):
    """One crystal, named by its id in the pool or by the id that it was given when it was generated.

    The pool was read when the campaign began: `digest` is the SHA-256 of its canonical rows (`n` of them), which are
    kept beside the log. `generate` makes more of the known ones before each batch. `known`: which of the values that
    come with the pool count as labels that are there from the beginning; None for all of them.
    """

    kind: Literal["material"] = "material"
    name: Name
    pool: PoolName
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    n: int = Field(ge=1)
    generate: tuple[Generate, ...] = ()
    max_atoms: int = Field(default=200, ge=1, le=1000)
    known: tuple[Name, ...] | None = None

    def knows(self, values: Mapping[str, float]) -> dict[str, float]:
        """Of the values that come with a crystal, those that count as known."""
        return {name: value for name, value in values.items() if self.known is None or name in self.known}

    def problems(self) -> Iterator[Problem]:
        seen: list[Generate] = []
        for index, each in enumerate(self.generate):
            if each in seen:
                at = ("generate", index)
                yield Problem("E211", at, wanted="each generator once", got=shown(each.generator))
            seen.append(each)
        if self.when or self.otherwise is not None:
            yield Problem("E226", ("when",), wanted="a material without a condition", got="one", key=True)

    @property
    def inactive(self) -> str:
        """A material is in every candidate."""
        raise AssertionError("a material has no condition")

    def violation(self, value: Value) -> str | None:
        """Whether it names a crystal that exists is known to who holds the pool and the log."""
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_ID:
            return f"{self.name}: wanted the id of a crystal, got {shown(value)}"
        return None

    def canonical(self, value: Value) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{self.name}: wanted the id of a crystal, got {shown(value)}")
        return value
