"""What a record keeps of a way through many geometries."""

from __future__ import annotations

MOST_KEPT = 50  # points in the record


def thinned(points: list[dict[str, float]]) -> list[dict[str, float]]:
    """Evenly thinned to about `MOST_KEPT`; the first and the last stay."""
    every = -(-len(points) // MOST_KEPT)
    kept = points[::every]
    return kept if kept[-1] is points[-1] else [*kept, points[-1]]
