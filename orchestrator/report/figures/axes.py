"""A parameter as an axis: its range, its ticks and its labels, in cartesian figures and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.report.geometry import bounds, is_log, unit_of
from orchestrator.report.style import axis
from orchestrator.report.wording import number, plain, with_unit

if TYPE_CHECKING:
    from campaigns.space import Parameter, Value

_NAMED = 20  # crystals named on an axis of parallel coordinates at most: more would hide each other


def ticks(parameter: Parameter) -> list[float] | None:
    """Where a numeric parameter wants its ticks; None where even steps will do."""
    low, high = bounds(parameter)
    if parameter.kind == "ordinal":
        return [float(level) for level in parameter.levels]
    if parameter.kind == "integer":
        return [float(n) for n in range(int(low), int(high) + 1)] if high - low <= 12 else None
    if is_log(parameter):
        return [low, *(tick for tick in _decades(low, high) if 1.25 * low < tick < high / 1.25), high]
    return None


def cartesian(parameter: Parameter, pad: float) -> dict[str, Any]:
    """A plotly axis over the whole range of the parameter, and the fraction `pad` of it at either end."""
    title = with_unit(plain(parameter.name), plain(unit_of(parameter)))
    if parameter.kind == "categorical":
        n = len(parameter.choices)
        return axis(
            title,
            type="category",
            categoryorder="array",
            categoryarray=[plain(choice) for choice in parameter.choices],
            range=[-0.5, n - 0.5],
            showgrid=False,
        )
    low, high = bounds(parameter)
    if parameter.kind in ("integer", "ordinal"):
        pad = max(pad, 0.08)  # points at the ends stay whole
    if is_log(parameter):
        low, high = math.log10(low), math.log10(high)
    room = pad * (high - low)
    found = axis(title, type="log" if is_log(parameter) else "linear", range=[low - room, high + room])
    places = ticks(parameter)
    if places is not None:
        found |= {"tickvals": places, "ticktext": [number(place, 3) for place in places]}
    return found


def dimension(parameter: Parameter, values: Sequence[Value]) -> dict[str, Any]:
    """One axis of parallel coordinates; choices and logarithms become numbers with tick labels.

    Of a material only the crystals among `values` stand on the axis: the later the last value, the higher.
    """
    found: dict[str, Any] = {"label": two_lines(parameter.name, unit_of(parameter))}
    if parameter.kind == "material":
        return found | _crystals([str(value) for value in values])
    if parameter.kind == "categorical":
        choices = list(parameter.choices)
        return {
            **found,
            "values": [choices.index(str(value)) for value in values],
            "tickvals": list(range(len(choices))),
            "ticktext": [plain(choice) for choice in choices],
            "range": [-0.3, len(choices) - 0.7],
        }
    low, high = bounds(parameter)
    numbers, places = [float(value) for value in values], ticks(parameter)
    texts = [number(place, 3) for place in places or []]
    if is_log(parameter):
        low, high = math.log10(low), math.log10(high)
        numbers = [math.log10(value) for value in numbers]
        places = [math.log10(place) for place in places or []]
    # A context may be measured where it was not expected.
    found |= {"values": numbers, "range": [min([low, *numbers]), max([high, *numbers])]}
    if places:
        found |= {"tickvals": places, "ticktext": texts}
    return found


def _crystals(values: Sequence[str]) -> dict[str, Any]:
    last = {value: at for at, value in enumerate(values)}
    ranked = sorted(last, key=lambda value: last[value])
    place = {value: at for at, value in enumerate(ranked)}
    step = -(-len(ranked) // _NAMED)
    named = ranked[::-1][::step]
    return {
        "values": [place[value] for value in values],
        "tickvals": [place[value] for value in named],
        "ticktext": [plain(value) for value in named],
        "range": [-0.3, max(len(ranked) - 0.7, 0.3)],
    }


def two_lines(name: str, unit: str) -> str:
    """Name and unit, broken where the longer line is shortest, so that neighbouring titles do not touch."""
    words = with_unit(name, unit).split(" ")
    breaks = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words) + 1)]
    first, second = min(breaks, key=lambda lines: max(map(len, lines)))
    return f"{plain(first)}<br>{plain(second)}" if second else plain(first)


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 3 else (1,)
    return [step * 10.0**power for power in range(first, last + 1) for step in steps]
