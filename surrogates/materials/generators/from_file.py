"""Structures that something else made: a generative model's output, read from a file or folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from surrogates.materials.errors import SourceError
from surrogates.materials.generators.protocol import Count, Generated, Known
from surrogates.materials.sources import read


def from_file(
    known: Sequence[Known],
    *,
    limit: int,
    rng: np.random.Generator,
    source: str,
    max_atoms: Count = 200,
    shuffle: bool = False,
) -> Iterator[Generated]:
    """The structures of a file (JSON lines, CIF, POSCAR) or of a folder of CIFs, in its order or shuffled; none that is
    known already. Unusable ones are left out. Raises SourceError: nothing there, unreadable, or an address: what a
    generator gives must be the same tomorrow."""
    if not Path(source).exists():
        raise SourceError(f"{source}: wanted a file or folder of structures, got nothing of this name")
    rows = list(read(source, max_atoms=max_atoms))
    if shuffle:
        rows = [rows[int(k)] for k in rng.permutation(len(rows))]
    keys = {each.structure.key for each in known}
    made = 0
    for row in rows:
        if made >= limit:
            return
        if row.structure.key not in keys:
            keys.add(row.structure.key)
            made += 1
            yield Generated(row.structure, (), f"{row.id} of {Path(source).name}")
