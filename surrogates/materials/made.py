"""The chance that crystals of a pool can be made, from which of them have been: see
`surrogates.materials.synthesizability`. A function of the pool; what is kept in a folder only saves time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from campaigns.structure import Structure
from campaigns.surrogate_choice import SynthesizabilityChoice
from surrogates.encode import Array
from surrogates.materials import model_file
from surrogates.materials.errors import ModelFileError

if TYPE_CHECKING:
    from surrogates.materials.synthesizability import Synthesizability

_known: dict[str, Synthesizability] = {}  # one at most
VERSION = 1  # of how it is learned: what is kept of another one is not read


def chance(
    choice: SynthesizabilityChoice,
    flags: Array,
    structures: Sequence[Structure],
    *,
    seed: int,
    directory: Path | None,
) -> Array:
    """(N,) of the structures: 1 where the flag says that it was made, else the score of the bags that did not train on
    it; of those without a flag (NaN), that of all bags. With `at_least`, 1 above it and 0 below.

    `flags` (N,) 1, 0 or NaN. Raises ValueError for another flag, and where fewer than five were made or not.
    """
    found = _scores(choice, flags, structures, seed, directory)
    return found if choice.at_least is None else (found >= choice.at_least).astype(float)


def _scores(
    choice: SynthesizabilityChoice,
    flags: Array,
    structures: Sequence[Structure],
    seed: int,
    directory: Path | None,
) -> Array:
    told = np.isfinite(flags)
    if not np.isin(flags[told], (0.0, 1.0)).all():
        bad = flags[told][~np.isin(flags[told], (0.0, 1.0))][0]
        raise ValueError(
            f"{choice.flag}: wanted 1 for what was made and 0 for what is not known to be, got {bad:g}"
        )
    content = [VERSION, choice.classifier, choice.bags, seed, [s.key for s in structures], flags.tolist()]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
    path = None if directory is None else directory / f"{key}.made"
    if path is not None and (kept := _read(path)) is not None:
        return kept
    own = [structures[int(k)] for k in np.flatnonzero(told)]
    try:
        fitted = _fitted(choice, own, flags[told] == 1.0, seed)
    except ValueError as few:
        raise ValueError(f"{choice.flag}: {few}") from few
    out = np.empty(len(structures))
    out[told] = np.where(flags[told] == 1.0, 1.0, fitted.scores)
    rest = np.flatnonzero(~told)
    out[rest] = fitted.probability([structures[int(k)] for k in rest])
    # An unlabelled crystal that every bag drew was scored by none: with many bags there is none such.
    out = np.where(np.isfinite(out), out, 0.5)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        model_file.write(path, {}, {"scores": out})
    return out


def _fitted(
    choice: SynthesizabilityChoice, structures: Sequence[Structure], made: Array, seed: int
) -> Synthesizability:
    """Remembered: a search that generates crystals asks of the same pool again and again."""
    from surrogates.materials.synthesizability import Synthesizability

    content = [choice.classifier, choice.bags, seed, [s.key for s in structures], made.tolist()]
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    if key not in _known:
        found = Synthesizability.fit(
            structures, made, classifier=choice.classifier, bags=choice.bags, seed=seed
        )
        _known.clear()
        _known[key] = found
    return _known[key]


def _read(path: Path) -> Array | None:
    """None where there is none, or only a damaged one: it is made again."""
    try:
        scores: Array = model_file.read(path)[1]["scores"]
        return scores
    except (FileNotFoundError, ModelFileError, KeyError):
        return None
