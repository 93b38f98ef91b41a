"""What a generator is told and what it gives. A generator is a function

    def generator(known: Sequence[Known], *, limit: int, rng: np.random.Generator, **arguments) -> Iterator[Generated]

named in the entry-point group `alquimia.generators`. Its arguments are JSON values with annotations and defaults; it
gives at most `limit` structures, lazily, and draws from `rng` alone, so that a seed is a sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar

import numpy as np
from pydantic import AfterValidator, Field

from campaigns.errors import did_you_mean
from campaigns.structure import ELEMENTS, NUMBER, Structure


def _symbol(text: str) -> str:
    if text not in NUMBER:
        raise ValueError(f"wanted the symbol of an element; {did_you_mean(text, ELEMENTS)}")
    return text


# Arguments of generators.
ElementSymbol = Annotated[str, AfterValidator(_symbol)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
Energy = Annotated[float, Field(ge=0.0)]  # eV per atom
Scale = Annotated[float, Field(gt=0.0, le=10.0)]


Function = TypeVar("Function", bound=Callable[..., Any])
_ARRANGES = "arrangements"


class Known(NamedTuple):
    """A material that is known: energy and distance above the hull in eV per atom, None where not measured; arrays:
    what readings say of each of its atoms, (n,) or (n, components); made: whether a generator made it."""

    id: str
    structure: Structure
    energy: float | None = None
    above_hull: float | None = None
    arrays: Mapping[str, np.ndarray[Any, Any]] = MappingProxyType({})
    made: bool = False


class Generated(NamedTuple):
    """A new structure, the ids of the known ones that it was made from, and how, in one sentence."""

    structure: Structure
    parents: tuple[str, ...]
    how: str


class Generator(Protocol):
    """See the module."""

    def __call__(
        self, known: Sequence[Known], *, limit: int, rng: np.random.Generator
    ) -> Iterator[Generated]: ...


def arranges(function: Function) -> Function:
    """Marks a generator that gives arrangements of known crystals' atoms: two of them that differ by tenths of an
    angstrom are two, where crystals are compared otherwise."""
    setattr(function, _ARRANGES, True)
    return function


def gives_arrangements(function: Generator) -> bool:
    """Whether the generator is marked by `arranges`."""
    return bool(getattr(function, _ARRANGES, False))


def elements_of(known: Sequence[Known], elements: Sequence[str] | None) -> frozenset[str]:
    """The elements that candidates may have: those asked for, or else those of the known materials."""
    if elements is not None:
        return frozenset(elements)
    return frozenset(symbol for each in known for symbol in each.structure.elements)


def parents(known: Sequence[Known], above_hull: float) -> list[Known]:
    """The known materials within `above_hull` eV per atom of the hull, or not measured: the most stable first, each
    structure once."""
    kept = [k for k in known if k.above_hull is None or k.above_hull <= above_hull]
    kept.sort(key=lambda k: (k.above_hull is None, k.above_hull or 0.0, k.id))
    first: dict[str, Known] = {}
    for each in kept:
        first.setdefault(each.structure.key, each)
    return list(first.values())


def compositions(known: Sequence[Known]) -> set[str]:
    """Formulas of the known materials."""
    return {each.structure.formula for each in known}
