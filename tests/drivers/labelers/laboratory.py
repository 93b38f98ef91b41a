"""Crystals, and labelers in a temporary directory."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from drivers.clock import WallClock
from drivers.driver import LabContext
from drivers.labelers.labeler import Labeler
from drivers.protocol import Action, Outcome

_numbers = itertools.count(1)


def fcc(element: str, a: float) -> dict[str, Any]:
    """The primitive cell of a face-centred cubic metal."""
    return cubic([element], [[0.0, 0.0, 0.0]], a)


def cubic(species: list[str], frac: list[list[float]], a: float) -> dict[str, Any]:
    h = a / 2
    return {"lattice": [[0.0, h, h], [h, 0.0, h], [h, h, 0.0]], "species": species, "frac": frac}


def diamond(element: str, a: float) -> dict[str, Any]:
    return cubic([element, element], [[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]], a)


COPPER = fcc("Cu", 3.6)


async def do(labeler: Labeler, verb: str, structure: Mapping[str, Any], **args: Any) -> Outcome:
    action = Action(
        id=f"a{next(_numbers)}", device="labeler", verb=verb, args={"structure": structure, **args}, epoch=1
    )
    return await labeler.act(action)


@contextlib.asynccontextmanager
async def connected(
    kind: type[Labeler], directory: Path, *more: Mapping[str, Any], **settings: Any
) -> AsyncIterator[Any]:
    """A labeler, or with `more` settings several of one host, ended at the end."""
    lab = LabContext(WallClock(), None, 0, directory)
    made = [
        kind(f"labeler_{i}", kind.Settings.model_validate({**settings, **one}), lab)
        for i, one in enumerate(more or [{}])
    ]
    for labeler in made:
        await labeler.connect()
    try:
        yield made if more else made[0]
    finally:
        for labeler in made:
            await labeler.disconnect()
