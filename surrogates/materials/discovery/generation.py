"""Crystals made of the best known ones, before each model's first ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from campaigns.structure import Structure
from surrogates.materials.deduplicate import same_as_any
from surrogates.materials.discovery.schedule import turn
from surrogates.materials.discovery.state import State, averaged, made_id
from surrogates.materials.generators import catalogue
from surrogates.materials.generators.catalogue import Fault, drawn
from surrogates.materials.generators.protocol import Known, gives_arrangements
from surrogates.materials.hull import Entry, Hull

LIMIT = 500  # structures that each generator may give for one model
STREAM = 3  # of random numbers, apart from those of the choice


class Made(NamedTuple):
    """A crystal, the generator that gave it, the ids of what it was made from, and how."""

    structure: Structure
    generator: str
    parents: tuple[str, ...]
    how: str


@dataclass(frozen=True)
class Generation:
    """What generators gave, by id; `refused`: how many were left out, by reason."""

    made: Mapping[str, Made] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)


def generate(state: State, seed: int, batch: int, *, limit: int | None = None) -> Generation:
    """What the campaign's generators make of the crystals known when the model was trained: a function of seed and
    log, the same for every ask until the next training.

    Left out are crystals that are there already (in the pool, known, met before, or just generated; of arrangements
    of atoms only those that are equal), and what
    `generators.catalogue.drawn` calls a fault: cells of more atoms than the campaign allows, or that no calculator
    could do anything with. A generator that breaks is one that gave less. Raises GeneratorRefused for a generator that
    is not installed or does not take its arguments.
    """
    if not state.parameter.generate:
        return Generation()
    at = turn(len(state.seeds), len(state.told), batch)
    known = _known(state, at.warm)
    there: dict[str, list[Structure]] = {}
    for structure in (*state.structures.values(), *state.relaxed.values()):
        there.setdefault(structure.formula, []).append(structure)
    out: dict[str, Made] = {}
    refused: Counter[str] = Counter()
    for k, each in enumerate(state.parameter.generate):
        given = drawn(
            each.generator,
            known,
            limit=LIMIT if limit is None else limit,
            rng=np.random.default_rng([seed, at.warm, k, STREAM]),
            arguments={name: list(v) if isinstance(v, tuple) else v for name, v in each.arguments},
            max_atoms=state.parameter.max_atoms,
        )
        exactly = gives_arrangements(catalogue.generator(each.generator))
        for item in given:
            if isinstance(item, Fault):
                refused[str(item) if item.code == "raised" else item.code] += 1
                continue
            others = there.setdefault(item.structure.formula, [])
            if (
                item.structure.key in {o.key for o in others}
                if exactly
                else same_as_any(item.structure, others)
            ):
                refused["known"] += 1
                continue
            others.append(item.structure)
            out[made_id(item.structure)] = Made(item.structure, each.generator, item.parents, item.how)
    return Generation(out, dict(refused))


def only_arrangements(state: State) -> bool:
    """Whether the campaign's generators give nothing but arrangements of known crystals' atoms: there is no hull to
    learn then."""
    functions = [catalogue.generator(each.generator) for each in state.parameter.generate]
    return bool(functions) and all(map(gives_arrangements, functions))


def _known(state: State, told: int) -> list[Known]:
    """All with an energy, as they were relaxed where they were, the most stable first: which of them are parents is
    each generator's own choice."""
    labels = averaged((*state.seeds, *state.told[:told], *state.elsewhere))
    structures = {**state.structures, **state.relaxed}
    hull = Hull(Entry(label.id, structures[label.id].counts, label.energy) for label in labels)
    found = [
        Known(
            label.id, structures[label.id], label.energy, hull.above(label.id),
            # Of the atoms where they were measured, which is not where a relaxation leaves them.
            {} if label.id in state.relaxed else state.arrays.get(label.id, {}), label.id in state.met,
        )
        for label in labels
    ]  # fmt: skip
    return sorted(found, key=lambda k: (k.above_hull is None, k.above_hull or 0.0, k.id))
