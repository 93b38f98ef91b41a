"""Where the names of points stand so that none hides another name or another point."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.report.wording import plain

# Plotly's words, and where the middle of the name lies from the point, in half widths and half heights of its box.
_SIDES = (
    ("top center", 0, 1),
    ("bottom center", 0, -1),
    ("middle right", 1, 0),
    ("middle left", -1, 0),
    ("top right", 1, 1),
    ("top left", -1, 1),
    ("bottom right", 1, -1),
    ("bottom left", -1, -1),
)
_WIDE, _HIGH = 7.4, 15.0  # pixels of a letter and of a line at size 12
_CLEAR = 10.0  # pixels that a name keeps from its own point, half the ring around it included
_DOT = 5.0  # half a marker

Box = tuple[float, float, float, float]


def place_names(
    names: Sequence[str],
    at: Sequence[tuple[float, float]],
    taken: Sequence[tuple[float, float]],
    *,
    inside: Box,
) -> list[str | None]:
    """For each name the side of its point that it stands on, None where every side is taken; the first chooses first.

    `at` and `taken` are the places of the named points and of all markers, in pixels, y upwards; `inside` are left,
    bottom, right and top of the picture.
    """
    boxes: list[Box] = []
    sides: list[str | None] = []
    for name, (x, y) in zip(names, at, strict=True):
        half = _WIDE * len(plain(name)) / 2, _HIGH / 2
        found = None
        for side, across, up in _SIDES:
            middle = x + across * (half[0] + _CLEAR), y + up * (half[1] + _CLEAR * (0.8 if up else 0))
            box = (middle[0] - half[0], middle[1] - half[1], middle[0] + half[0], middle[1] + half[1])
            if _within(box, inside) and not any(_meet(box, other) for other in boxes):
                if any(_meet(box, _around(place)) for place in taken if place != (x, y)):
                    continue
                found = side
                boxes.append(box)
                break
        sides.append(found)
    return sides


def _around(place: tuple[float, float]) -> Box:
    x, y = place
    return x - _DOT, y - _DOT, x + _DOT, y + _DOT


def _within(box: Box, whole: Box) -> bool:
    return box[0] >= whole[0] and box[1] >= whole[1] and box[2] <= whole[2] and box[3] <= whole[3]


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
