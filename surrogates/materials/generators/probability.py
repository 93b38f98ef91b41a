"""How probable it is that one ion takes another's place (Hautier et al., Inorg. Chem. 50, 656, 2011), from pymatgen's
table of what is found in crystals, as published and as Merchant et al. (Nature 624, 80, 2023) changed it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from pymatgen.analysis.structure_prediction.substitution_probability import SubstitutionProbability

from surrogates.encode import Array

Direction = Literal["from", "to"]


class Ion(NamedTuple):
    """An element with its oxidation state; without one (`state` None) it stands for all of its states."""

    element: str
    state: int | None = None

    def __str__(self) -> str:
        if self.state is None:
            return self.element
        return f"{self.element}{abs(self.state) or ''}{'+' if self.state >= 0 else '-'}"


class Substitution(NamedTuple):
    """What each ion becomes, in the order that they were given in, and how probable that is."""

    ions: tuple[Ion, ...]
    probability: float


class SubstitutionTable:
    """Probabilities p(a | b) = exp(lambda_ab) / sum_x exp(lambda_xb) over all ions x of the table.

    `floored`: negative lambdas, and the -5 of pairs never seen, count as 0 (Merchant et al. 2023). `elements`: for
    metals and mixed valences, where no whole states are there, the probability of a pair of elements is the largest
    of their ions'."""

    def __init__(self, *, floored: bool, elements: bool) -> None:
        self.ions, exponents = _species()
        weight = np.exp(np.maximum(exponents, 0.0) if floored else exponents)
        self.marginal: Array = weight.sum(axis=1)
        self.conditional: Array = weight / self.marginal  # [a, b]: p(a | b)
        if elements:
            symbols = sorted({ion.element for ion in self.ions})
            first = np.array([[ion.element for ion in self.ions].index(symbol) for symbol in symbols])
            by_row = np.maximum.reduceat(
                self.conditional, first, axis=0
            )  # an element's ions follow each other
            self.conditional = np.maximum.reduceat(by_row, first, axis=1)
            self.marginal = np.add.reduceat(self.marginal, first)
            self.ions = tuple(map(Ion, symbols))
        self.number = {ion: k for k, ion in enumerate(self.ions)}

    def substitutions(
        self,
        ions: Sequence[Ion],
        *,
        threshold: float = 1e-3,
        modified: bool = True,
        direction: Direction = "from",
        allowed: Collection[str] | None = None,
    ) -> list[Substitution]:
        """All assignments of distinct ions with a probability above `threshold`, most probable first; the one that
        changes nothing is left out where `modified`.

        `modified`: the product runs over the ions that change (Merchant et al. 2023), else over all (pymatgen's
        rule). `direction` "from": `ions` are what is replaced; "to": what results. `allowed`: elements that may come
        in. Raises KeyError: an ion that is not in the table.
        """
        own = [self.number[ion] for ion in ions]
        options: list[list[tuple[float, int]]] = []
        for k in own:
            chance = self.conditional[k] if direction == "from" else self.conditional[:, k]
            chance = np.where(np.arange(len(chance)) == k, 1.0, chance) if modified else chance
            free = [allowed is None or ion.element in allowed or n == k for n, ion in enumerate(self.ions)]
            order = np.argsort(-chance, kind="stable")
            options.append([(float(chance[n]), int(n)) for n in order if free[n] and chance[n] > threshold])
        found = [
            Substitution(tuple(self.ions[n] for n in chosen), chance)
            for chosen, chance in _bounded(options, threshold)
            if not (modified and list(chosen) == own)
        ]
        return sorted(found, key=lambda s: (-s.probability, tuple(map(str, s.ions))))


def _bounded(
    options: Sequence[Sequence[tuple[float, int]]], threshold: float
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Branch and bound: distinct choices, one of each list (best first), with a product above the threshold."""
    if not all(options):
        return
    best = [1.0]
    for each in reversed(options):
        best.append(best[-1] * each[0][0])
    best = best[::-1]

    def extend(chosen: tuple[int, ...], chance: float) -> Iterator[tuple[tuple[int, ...], float]]:
        at = len(chosen)
        if at == len(options):
            yield chosen, chance
            return
        for p, n in options[at]:
            if chance * p * best[at + 1] <= threshold:
                return
            if n not in chosen:
                yield from extend((*chosen, n), chance * p)

    yield from extend((), 1.0)


@lru_cache(maxsize=4)
def substitution_table(*, floored: bool = True, elements: bool = False) -> SubstitutionTable:
    """The table, made once."""
    return SubstitutionTable(floored=floored, elements=elements)


@lru_cache(maxsize=1)
def _species() -> tuple[tuple[Ion, ...], Array]:
    """The ions of the table and the lambdas (n, n) of their pairs."""
    table = SubstitutionProbability()
    whole = sorted(table.species, key=lambda s: (s.symbol, s.oxi_state))
    half = np.array(
        [
            [table.get_lambda(a, b) if k <= n else 0.0 for k, b in enumerate(whole)]
            for n, a in enumerate(whole)
        ]
    )
    exponents = np.tril(half) + np.tril(half, -1).T
    return tuple(Ion(s.symbol, int(s.oxi_state or 0)) for s in whole), exponents


@lru_cache(maxsize=20000)
def guess_states(composition: tuple[tuple[str, int], ...]) -> tuple[Ion, ...] | None:
    """One whole oxidation state per element so that the formula unit is neutral: of all such sets, in states of the
    table, the one whose ions occur most often in it. None where there is none: metals, mixed valences, elements that
    the table lacks. One element alone has the state 0, which the table lacks too."""
    table = substitution_table(floored=False)
    states = [[ion for ion in table.ions if ion.element == symbol] for symbol, _ in composition]
    counts = [n for _, n in composition]
    neutral = [
        ions
        for ions in product(*states)
        if sum(n * (ion.state or 0) for n, ion in zip(counts, ions, strict=True)) == 0
    ]
    if not neutral or len(composition) < 2:
        return None
    common = np.log(table.marginal)
    return max(
        neutral,
        key=lambda ions: (
            sum(n * float(common[table.number[ion]]) for n, ion in zip(counts, ions, strict=True)),
            tuple(map(str, ions)),
        ),
    )
