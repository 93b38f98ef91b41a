"""Numbers, units and durations as a person reads them. Text for the page, never for machines."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from campaigns.campaign import Campaign, Objective, OutcomeConstraint

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_NAMED_UNITS = {"degC": "°C", "degF": "°F", "ohm": "Ω", "delta_degC": "°C", "percent": "%"}
MINUS = "−"


def label(name: str) -> str:
    """A parameter's or objective's name with spaces for underscores."""
    return name.replace("_", " ")


def unit_text(unit: str) -> str:
    """`cm^2/V/s` as `cm²/V/s`, `degC` as `°C`."""
    if unit in _NAMED_UNITS:
        return _NAMED_UNITS[unit]
    parts = unit.replace("**", "^").split("^")
    text = parts[0]
    for part in parts[1:]:
        n = 0
        while n < len(part) and (part[n].isdigit() or (n == 0 and part[n] == "-")):
            n += 1
        text += (part[:n].translate(_SUPERSCRIPT) if n else "^") + part[n:]
    return text


def per_atom(unit: str) -> str:
    """`eV/atom`; empty where there is no unit."""
    return f"{unit_text(unit)}/atom" if unit else ""


def with_unit(name: str, unit: str) -> str:
    """`hole mobility (cm²/V/s)`; the bare name where there is no unit."""
    return f"{label(name)} ({unit_text(unit)})" if unit else label(name)


def plain(text: str) -> str:
    """Text made safe for plotly, which reads a subset of HTML in labels and hover texts."""
    return html.escape(text, quote=False)


def number(value: float | None, digits: int = 4) -> str:
    """`digits` significant digits, powers of ten outside 1e-4..1e6, a true minus sign; a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, int) and abs(value) < 10**9:
        return str(value).replace("-", MINUS)
    if not math.isfinite(value):
        return str(value)
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        text = f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    else:
        text = f"{value:.{digits}g}"
        if "e" in text:
            text = f"{value:.0f}"
    return text.replace("-", MINUS)


def uncertain(value: float | None, sigma: float | None) -> str:
    """`0.612 ± 0.014`: the uncertainty to two significant digits, the value to the same decimal place."""
    if value is None:
        return "–"
    if sigma is None or not math.isfinite(sigma) or sigma <= 0:
        return number(value)
    decimals = 1 - math.floor(math.log10(sigma))
    if decimals > 6 or abs(value) >= 1e6:
        return f"{number(value)} ± {number(sigma, 2)}"
    value, sigma, decimals = round(value, decimals), round(sigma, decimals), max(decimals, 0)
    return f"{value:.{decimals}f} ± {sigma:.{decimals}f}".replace("-", MINUS)


def percent(fraction: float) -> str:
    """A fraction as a whole number of per cent, kept on one line."""
    return f"{100 * fraction:.0f}\u00a0%"


def value_text(value: object) -> str:
    """A parameter's value without its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else str(value)


def duration(seconds: float | None) -> str:
    """The two leading units of a duration given in seconds: `3 h 42 min`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{number(seconds, 3)} s"
    rest = round(seconds)
    pieces: list[tuple[int, str]] = []
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count or pieces:
            pieces.append((count, name))
    return " ".join(f"{count} {name}" for count, name in pieces[:2] if count)


def time_scale(longest_s: float) -> tuple[float, str]:
    """(seconds per unit, unit) for a time axis that ends at `longest_s`."""
    for size, name in ((2 * 86400, "d"), (2 * 3600, "h"), (120, "min")):
        if longest_s >= size:
            return float({"d": 86400, "h": 3600, "min": 60}[name]), name
    return 1.0, "s"


def clock(at: str | None) -> str:
    """An ISO UTC time to the second, `2026-11-21 08:06:22 UTC`."""
    if not at:
        return "–"
    return f"{at[:10]} {at[11:19]} UTC"


def quantity(value: float, unit: str) -> str:
    """`0.1 uS`: a number with its unit."""
    return f"{number(value)} {unit_text(unit)}".rstrip()


def sought(objective: Objective) -> str:
    """`maximise hole mobility (cm²/V/s)`, `match wavelength to 550 nm`."""
    if objective.target is not None:
        return f"match {label(objective.name)} to {quantity(objective.target, objective.unit)}"
    return f"{objective.direction} {with_unit(objective.name, objective.unit)}"


def superlative(objective: Objective) -> str:
    """`Highest`, `Lowest`, or `Nearest to 550 nm`: what the best value is called."""
    if objective.target is not None:
        return f"Nearest to {quantity(objective.target, objective.unit)}"
    return "Lowest" if objective.direction == "minimise" else "Highest"


def bound(constraint: OutcomeConstraint) -> str:
    """`at least 0.1 uS and at most 2 uS`."""
    sides = (("at least", constraint.at_least), ("at most", constraint.at_most))
    return " and ".join(f"{word} {quantity(at, constraint.unit)}" for word, at in sides if at is not None)


def goal_text(campaign: Campaign) -> str:
    """What is sought beside or among the objectives; empty where that is one and says all."""
    names = [label(objective.name) for objective in campaign.objectives]
    return {
        "single": "",
        "pareto": "Pareto front of " + " and ".join(names),
        "desirability": "overall desirability of " + " and ".join(names),
        "hierarchy": "hierarchy: " + ", then ".join(names),
        "hull": "stable crystals: energies per atom on the convex hull",
    }[campaign.goal]
