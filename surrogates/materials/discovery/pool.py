"""The rows of a bound pool: checked when the campaign began, so that nothing is checked twice here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from campaigns.structure import Structure

POOL = "pool"

_pools: dict[tuple[str, str], tuple[Row, ...]] = {}  # one at most: 10^5 crystals are 1 GiB


@dataclass(frozen=True)
class Row:
    """A crystal, and what is known of it already."""

    id: str
    structure: Structure
    values: Mapping[str, float] = field(default_factory=dict)
    source: str = POOL


def rows(path: str | None, digest: str) -> tuple[Row, ...]:
    """In the file's order; none without a file. `digest`: of its content, by which it is kept in memory. Raises
    OSError, and ValueError for a line that is no row."""
    if path is None:
        return ()
    if (path, digest) not in _pools:
        _pools.clear()
        _pools[path, digest] = tuple(_row(line) for line in Path(path).read_text("utf-8").splitlines())
    return _pools[path, digest]


def _row(line: str) -> Row:
    data = json.loads(line)
    values = {name: float(value) for name, value in data.get("values", {}).items()}
    return Row(str(data["id"]), Structure.from_json(data), values, str(data.get("source") or POOL))
