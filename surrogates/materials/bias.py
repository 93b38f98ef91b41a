"""What a set of crystals is made of, beside a reference: which elements, how many alloys, how many that differ from a
known compound by a pinch of another element, how many of elements that nobody combined before.

Questions of the critique of the GNoME release (Liu and Meng; Ong), of which 92 % lies in new element systems and over
60 % is all metal, with rare elements over-represented. pymatgen says which elements are metals.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

PINCH = 0.10  # smallest atomic fraction at and below which a composition looks doped
Composition = Mapping[str, int]
System = frozenset[str]


@dataclass(frozen=True)
class Profile:
    """Of `n` crystals. `elements`: in how many crystals each occurs; `smallest`: the smallest atomic fraction of each
    crystal, 1 for an element; `systems`: how many crystals each set of elements has."""

    n: int
    all_metal: int
    elements: Mapping[str, int]
    smallest: tuple[float, ...]
    systems: Mapping[System, int]

    def share(self, element: str) -> float:
        """Of the crystals, those that contain the element."""
        return self.elements.get(element, 0) / self.n if self.n else math.nan

    @property
    def metal_share(self) -> float:
        """Of the crystals, those of metals only."""
        return self.all_metal / self.n if self.n else math.nan

    @property
    def pinch_share(self) -> float:
        """Of the crystals, those whose rarest element has an atomic fraction of at most PINCH."""
        return sum(x <= PINCH for x in self.smallest) / self.n if self.n else math.nan

    def new_systems(self, *references: Profile) -> float:
        """Of the element systems, the share that none of the references has."""
        known = set[System]().union(*(reference.systems for reference in references))
        return len(self.systems.keys() - known) / len(self.systems) if self.systems else math.nan

    def in_new_systems(self, *references: Profile) -> float:
        """Of the crystals, the share in element systems that none of the references has."""
        known = set[System]().union(*(reference.systems for reference in references))
        fresh = sum(n for system, n in self.systems.items() if system not in known)
        return fresh / self.n if self.n else math.nan


@dataclass(frozen=True)
class Enrichment:
    """An element: its shares of the crystals of a set and of the reference, the base-2 logarithm of their ratio, and
    the two-sided p of Fisher's exact test that they are the same."""

    element: str
    share: float
    reference: float
    log2: float
    p: float


def profile(compositions: Iterable[Composition]) -> Profile:
    """Of compositions, each atoms per cell by element. Raises ValueError for one without atoms."""
    n = all_metal = 0
    elements, systems = Counter[str](), Counter[System]()
    smallest = []
    for counts in compositions:
        total = sum(counts.values())
        if total <= 0 or min(counts.values()) <= 0:
            raise ValueError(f"composition {n + 1}: wanted atoms of each element, got {dict(counts)}")
        n += 1
        all_metal += all(is_metal(symbol) for symbol in counts)
        elements.update(counts.keys())
        systems[frozenset(counts)] += 1
        smallest.append(min(counts.values()) / total)
    return Profile(n, all_metal, dict(elements), tuple(smallest), dict(systems))


def enrichment(found: Profile, reference: Profile) -> list[Enrichment]:
    """Of each element of either, the most over-represented first. Shares are those with half a crystal added to what
    has the element and to what has not, so that a ratio exists where one is 0 (Haldane, Ann. Hum. Genet. 20, 309,
    1956). Raises ValueError where one of the two has no crystal."""
    if not found.n or not reference.n:
        raise ValueError("wanted a crystal at least in the set and in the reference")
    from scipy.stats import fisher_exact

    out = []
    for element in sorted(found.elements.keys() | reference.elements.keys()):
        a, b = found.elements.get(element, 0), reference.elements.get(element, 0)
        ratio = ((a + 0.5) / (found.n + 1)) / ((b + 0.5) / (reference.n + 1))
        p = float(fisher_exact([[a, found.n - a], [b, reference.n - b]]).pvalue)
        out.append(Enrichment(element, found.share(element), reference.share(element), math.log2(ratio), p))
    return sorted(out, key=lambda each: (-each.log2, each.element))


@cache
def is_metal(symbol: str) -> bool:
    """As pymatgen has it: alkali, alkaline-earth, transition and post-transition metals, lanthanoids and actinoids; no
    metalloids. Raises ValueError for no element."""
    from pymatgen.core import Element

    return bool(Element(symbol).is_metal)
