"""A solid to be made: which parameters choose its precursors and the temperature, and in which gas it is fired.

A choice of precursors is written as a chemist would: `2 MnO + Na2O2`, formula units of each powder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from campaigns.errors import Path, Problem, did_you_mean, shown, shown_list
from campaigns.model import BaseCampaignModel, Name
from campaigns.parameters import AnyParameter, Categorical, Ordinal, chosen
from campaigns.plan import ROUTE_METHODS, Phase
from campaigns.recipe import Step
from campaigns.units import same_dimension

Atmosphere = Literal["air", "argon"]
OXYGEN = "O"
BALANCED = 1e-6  # of the atoms of an element: what rounding may leave over
_POWDER = re.compile(r"\s*(?:(\d+(?:\.\d+)?|\d+/\d+)\s+)?([A-Z()][A-Za-z0-9().]*)\s*")
_TOKEN = re.compile(r"([A-Z][a-z]?|[()])(\d*\.?\d*)")


class Synthesis(BaseCampaignModel):
    """`target`: the formula to be made. `precursors`: the categorical parameter whose choices are sets of powders;
    `temperature`: the ordinal one of the temperatures at which they are fired. In `air` the powder takes up and gives
    off oxygen, in `argon` it only gives it off."""

    target: str
    precursors: Name
    temperature: Name
    atmosphere: Atmosphere = "air"

    def problems(self) -> Iterator[Problem]:
        try:
            atoms(self.target)
        except ValueError:
            yield Problem("E284", ("target",), wanted="a formula such as LiFe(PO3)4", got=shown(self.target))


def powders(text: str) -> dict[str, float]:
    """Formula units of each powder: `2 MnO + Na2O2` is {"MnO": 2, "Na2O2": 1}. Raises ValueError."""
    found: dict[str, float] = {}
    for part in text.split("+"):
        match = _POWDER.fullmatch(part)
        if match is None:
            raise ValueError(f"wanted powders such as '2 MnO + Na2O2', got {text!r}")
        number, formula = match.groups()
        above, _, below = (number or "1").partition("/")
        units = float(above) / float(below or 1) if float(below or 1) else 0.0
        if units <= 0 or formula in found:
            raise ValueError(f"wanted each powder once, and some of it, got {text!r}")
        atoms(formula)
        found[formula] = units
    return found


def atoms(formula: str) -> dict[str, float]:
    """Atoms of each element: `Fe(PO3)3` has Fe 1, P 3, O 9. Raises ValueError."""
    stack: list[dict[str, float]] = [{}]
    at = 0
    for match in _TOKEN.finditer(formula):
        symbol, number = match.groups()
        if match.start() != at or (symbol == ")" and len(stack) == 1):
            break
        at = match.end()
        if symbol == "(":
            stack.append({})
            continue
        inner = stack.pop() if symbol == ")" else {symbol: 1.0}
        for element, n in inner.items():
            stack[-1][element] = stack[-1].get(element, 0.0) + n * float(number or 1)
    if at != len(formula) or len(stack) != 1 or not stack[0]:
        raise ValueError(f"wanted a formula such as LiFe(PO3)4, got {formula!r}")
    return stack[0]


def imbalance(text: str, target: str, atmosphere: Atmosphere) -> str | None:
    """Why powders do not have the composition of the target, or None where they have. Raises ValueError."""
    have: dict[str, float] = {}
    for formula, units in powders(text).items():
        for element, n in atoms(formula).items():
            have[element] = have.get(element, 0.0) + units * n
    want = atoms(target)
    solid = sorted(set(have) | set(want) - {OXYGEN})
    solid = [element for element in solid if element != OXYGEN]
    strange = [e for e in solid if e not in want] + [e for e in solid if e not in have]
    if strange:
        return f"{strange[0]} is in only one of the two"
    scale = sum(have[e] for e in solid) / sum(want[e] for e in solid)
    for element in solid:
        if abs(have[element] - scale * want[element]) > BALANCED * have[element]:
            return f"for {scale:g} {target} it has {have[element]:g} {element} instead of {scale * want[element]:g}"
    short = scale * want.get(OXYGEN, 0.0) - have.get(OXYGEN, 0.0)
    if atmosphere == "argon" and short > BALANCED * scale:
        return f"under argon it lacks {short:g} O for {scale:g} {target}"
    return None


def synthesis_problems(
    synthesis: Synthesis,
    parameters: Mapping[str, AnyParameter],
    steps: Sequence[Step],
    *,
    names: Sequence[str],
) -> Iterator[Problem]:
    """Parameters that cannot be what is said of them, sets that cannot make the target, a recipe that says otherwise;
    `names` has broken parameters as well."""
    for field, kind, cure in (
        ("precursors", Categorical, "write it as {categorical: [2 MnO + Na2O2, Mn2O3 + Na2O]}"),
        ("temperature", Ordinal, "write it as {ordinal: [600, 800, 1000], unit: degC}"),
    ):
        name = getattr(synthesis, field)
        at: Path = ("synthesis", field)
        parameter = parameters.get(name)
        if name not in names:
            close = did_you_mean(name, names)
            yield Problem("E210", at, wanted="a parameter of the space", got=shown(name), cure=close)
        elif parameter is not None and (not isinstance(parameter, kind) or not chosen([parameter])):
            wanted = f"a parameter that is {kind.__name__.lower()} and chosen"
            yield Problem("E284", at, wanted=wanted, got=shown(name), cure=cure)
        elif isinstance(parameter, Ordinal) and not same_dimension(parameter.unit or "1", "K"):
            wanted, got = "a temperature, in K or degC", parameter.unit or "no unit"
            yield Problem("E284", at, wanted=wanted, got=got, cure=f"say the unit of {name}")
        elif isinstance(parameter, Categorical):
            yield from _set_problems(synthesis, parameter)
    for index, step in enumerate(steps):
        for field in ("target", "atmosphere"):
            said = step.arguments.get(field)
            if isinstance(said, str) and said != getattr(synthesis, field):
                wanted = f"what the recipe does: {field} {said}"
                got = f"{shown(getattr(synthesis, field))} (recipe[{index}] says {said})"
                yield Problem("E284", ("synthesis", field), wanted=wanted, got=got)


def _set_problems(synthesis: Synthesis, parameter: Categorical) -> Iterator[Problem]:
    met: set[frozenset[str]] = set()
    for place, choice in enumerate(parameter.choices):
        at: Path = ("space", parameter.name, "categorical", place)
        try:
            why = imbalance(choice, synthesis.target, synthesis.atmosphere)
        except ValueError:
            yield Problem("E284", at, wanted="powders such as '2 MnO + Na2O2'", got=shown(choice))
            continue
        names = frozenset(powders(choice))
        if names in met:
            yield Problem("E211", at, wanted="each set of powders once", got=shown(choice))
        met.add(names)
        if why is not None:
            yield Problem(
                "E284", at, wanted=f"powders that can become {synthesis.target}: {why}", got=shown(choice)
            )


def route_problems(
    phases: Mapping[int, Phase],
    synthesis: Synthesis | None,
    parameters: Mapping[str, AnyParameter],
    *,
    said: bool,
) -> Iterator[Problem]:
    """A method that chooses routes where nothing is said of a synthesis (`said`: the section is there, perhaps
    broken), or where more than precursors and temperature are to be chosen."""
    for index, phase in phases.items():
        turns: list[tuple[Path, str, str]] = [(("plan", index), phase.mode, phase.method)]
        turns += [(("plan", index, "alternate", k), t.mode, t.method) for k, t in enumerate(phase.turns)]
        for path, mode, method in turns:
            if method not in ROUTE_METHODS:
                continue
            at: Path = (*path, mode)
            if not said:
                cure = "add synthesis: {target: NaMnO2, precursors: mixture, temperature: temperature}"
                wanted = "a section 'synthesis' that says what is to be made"
                yield Problem("E255", at, wanted=wanted, got=f"'{method}' without one", cure=cure)
            elif synthesis is not None and _right(synthesis, parameters):
                known = (synthesis.precursors, synthesis.temperature)
                more = [p.name for p in chosen(parameters.values()) if p.name not in known]
                if more:
                    wanted = f"only {shown_list(known)} to choose with '{method}'"
                    yield Problem("E256", at, wanted=wanted, got=shown_list(more), cure=f"fix {more[0]}")


def _right(synthesis: Synthesis, parameters: Mapping[str, AnyParameter]) -> bool:
    """Whether its parameters are what they should be; what is wrong with them is said by itself."""
    precursors, temperature = (parameters.get(n) for n in (synthesis.precursors, synthesis.temperature))
    return isinstance(precursors, Categorical) and isinstance(temperature, Ordinal)
