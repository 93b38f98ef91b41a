"""Linear constraints: what ties the numbers of a candidate together, and whether anything is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from campaigns.conditions import Conditional
from campaigns.errors import Problem, did_you_mean, shown, shown_list
from campaigns.mixture import Mixture
from campaigns.model import BaseCampaignModel, Value
from campaigns.parameters import NUMERIC, AnyParameter, Continuous, Fixed, Integer, Ordinal

PLAIN = "a parameter that is chosen in every candidate"


class LinearConstraint(BaseCampaignModel):
    """`at_least <= sum(coefficient * parameter) <= at_most`, each number in its parameter's own unit.

    An equality has both bounds equal, and is met within 1e-6 of the size of its terms.
    """

    terms: tuple[tuple[str, float], ...]
    at_least: float | None = None
    at_most: float | None = None

    def problems(self) -> Iterator[Problem]:
        if not self.terms:
            yield Problem("E207", ("linear",), wanted="at least one term", got="none")
        names = [name for name, _ in self.terms]
        for i, (name, factor) in enumerate(self.terms):
            if name in names[:i]:
                yield Problem("E211", ("linear", name), wanted="each parameter once", got=shown(name))
            if factor == 0:
                yield Problem(
                    "E204", ("linear", name), wanted="a factor other than 0", got="0", cure="drop the term"
                )
        if self.at_least is None and self.at_most is None:
            yield Problem(
                "E223",
                (),
                message="nothing is bounded",
                wanted="at_most, at_least or equals",
                got="none of them",
            )
        elif self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            yield Problem(
                "E223",
                ("at_least",),
                wanted=f"at_least below at_most ({self.at_most:.12g})",
                got=shown(self.at_least),
            )

    def __str__(self) -> str:
        text = " + ".join(f"{factor:g}*{name}" for name, factor in self.terms)
        low = "" if self.at_least is None else f"{self.at_least:g} <= "
        return low + text + ("" if self.at_most is None else f" <= {self.at_most:g}")

    def violation(self, candidate: Mapping[str, Value]) -> str | None:
        parts = [factor * float(candidate[name]) for name, factor in self.terms]
        got = sum(parts)
        slack = 1e-6 * max(
            1e-300, max(map(abs, parts), default=0.0), abs(self.at_least or 0.0), abs(self.at_most or 0.0)
        )
        if self.at_least != self.at_most:
            slack *= 1e-6  # an inequality forgives rounding only
        low = self.at_least is not None and got < self.at_least - slack
        high = self.at_most is not None and got > self.at_most + slack
        return f"constraint {self}: got {got:.12g}" if low or high else None


def tie_problems(
    parameters: Mapping[str, AnyParameter],
    mixtures: Mapping[str, Mixture],
    constraints: Mapping[int, LinearConstraint],
    *,
    names: Sequence[str],
) -> Iterator[Problem]:
    """What is wrong with mixtures and constraints over these parameters; `names` may hold broken ones besides.

    Problems of a mixture are at ("space", its key), of a constraint at ("constraints", its key).
    """
    whole = len(parameters) >= len(names)
    owners: dict[str, str] = {}
    for key, mixture in mixtures.items():
        parts = [parameters.get(name) for name in mixture.components]
        for name in mixture.components:
            part = parameters.get(name)
            if name not in names or (part is not None and not isinstance(part, Continuous)):
                yield Problem(
                    "E222",
                    ("space", key, "mixture", name),
                    wanted="a continuous parameter",
                    got=shown(name),
                    key=True,
                )
            if name in owners:
                yield Problem(
                    "E211",
                    ("space", key, "mixture", name),
                    wanted=f"a component of '{owners[name]}' only",
                    got=shown(name),
                )
            owners[name] = mixture.name
            if part is not None and (bound := _not_plain(part)):
                yield Problem("E228", ("space", key, "mixture", name), wanted=PLAIN, got=bound, key=True)
        found = [part for part in parts if isinstance(part, Continuous)]
        if len(found) < len(parts):
            continue
        low, high = sum(part.low for part in found), sum(part.high for part in found)
        if low - mixture.tolerance <= mixture.total <= high + mixture.tolerance:
            bounds = {part.name: (part.low, part.high) for part in found}
            for problem in mixture.parts_problems(bounds):
                yield replace(problem, at=("space", key, *problem.at))
        else:
            yield Problem(
                "E220",
                ("space", key, "total"),
                message=f"the components can only add up to between {low:.12g} and {high:.12g}",
                wanted="a total in that range",
                got=shown(mixture.total),
                cure="widen the bounds of the components, or change the total",
            )
    sound = True
    for index, constraint in constraints.items():
        for name, _ in constraint.terms:
            parameter = parameters.get(name)
            if name not in names:
                sound = False
                yield Problem(
                    "E210",
                    ("constraints", index, "linear", name),
                    wanted="a parameter of the space",
                    got=shown(name),
                    cure=did_you_mean(name, names),
                    key=True,
                )
            elif parameter is not None and not isinstance(parameter, NUMERIC):
                sound = False
                yield Problem(
                    "E222",
                    ("constraints", index, "linear", name),
                    wanted="a parameter that is a free number",
                    got=f"'{name}', which is {parameter.kind}",
                    cure="move a fixed value to the bound" if isinstance(parameter, Fixed) else "",
                    key=True,
                )
            elif parameter is not None and (bound := _not_plain(parameter)):
                sound = False
                yield Problem(
                    "E228", ("constraints", index, "linear", name), wanted=PLAIN, got=bound, key=True
                )
    if whole and sound and constraints:
        yield from _feasibility(parameters, mixtures, constraints)


def _not_plain(parameter: AnyParameter) -> str:
    """What keeps a parameter from being tied to others, in words; nothing where it may be."""
    if getattr(parameter, "role", "chosen") == "context":
        return f"'{parameter.name}', which is measured, not chosen"
    if isinstance(parameter, Conditional) and parameter.when:
        return f"'{parameter.name}', which has a condition"
    return ""


def interval(parameter: AnyParameter) -> tuple[float, float]:
    """Lowest and highest number of a numeric parameter."""
    if isinstance(parameter, Ordinal):
        return parameter.levels[0], parameter.levels[-1]
    if isinstance(parameter, Continuous | Integer):
        return float(parameter.low), float(parameter.high)
    raise TypeError(f"{parameter.name} is no number")


def _feasibility(
    parameters: Mapping[str, AnyParameter],
    mixtures: Mapping[str, Mixture],
    constraints: Mapping[int, LinearConstraint],
) -> Iterator[Problem]:
    """Whether any candidate meets every constraint, whole numbers and levels relaxed to their intervals.

    Each constraint alone by interval arithmetic; together by a witness in the box, and only when there is none
    by linear programming, because importing scipy takes longer than all the rest of a validation.
    """
    alone = True
    for index, constraint in constraints.items():
        ends = [
            sorted(factor * end for end in interval(parameters[name])) for name, factor in constraint.terms
        ]
        low, high = sum(end[0] for end in ends), sum(end[1] for end in ends)
        slack = 1e-9 * max(abs(low), abs(high), 1e-300)
        too_high = constraint.at_most is not None and low > constraint.at_most + slack
        too_low = constraint.at_least is not None and high < constraint.at_least - slack
        if too_high or too_low:
            alone = False
            yield Problem(
                "E221",
                ("constraints", index),
                message=f"no candidate meets {constraint}",
                wanted=f"a bound that leaves something of [{low:.12g}, {high:.12g}]",
                got=str(constraint),
                cure="change the bound, or widen the parameters",
            )
    if (
        not alone
        or _has_witness(parameters, mixtures, constraints)
        or _solvable(parameters, mixtures, constraints)
    ):
        return
    yield Problem(
        "E221",
        ("constraints",),
        message="no candidate meets all constraints"
        + (f" and the mixtures {shown_list(m.name for m in mixtures.values())}" if mixtures else ""),
        wanted="constraints that leave something of the space",
        got=shown_list(map(str, constraints.values()), most=4),
        cure="drop or loosen one of them",
    )


def _has_witness(
    parameters: Mapping[str, AnyParameter],
    mixtures: Mapping[str, Mixture],
    constraints: Mapping[int, LinearConstraint],
) -> bool:
    boxes = {name: interval(p) for name, p in parameters.items() if isinstance(p, NUMERIC)}
    for share in (0.5, 0.0, 1.0, 0.25, 0.75):
        point: dict[str, Value] = {name: low + share * (high - low) for name, (low, high) in boxes.items()}
        for mixture in mixtures.values():
            low = sum(boxes[name][0] for name in mixture.components)
            high = sum(boxes[name][1] for name in mixture.components)
            filled = (mixture.total - low) / (high - low)
            point |= {
                name: boxes[name][0] + filled * (boxes[name][1] - boxes[name][0])
                for name in mixture.components
            }
        if all(constraint.violation(point) is None for constraint in constraints.values()):
            return True
    return False


def _solvable(
    parameters: Mapping[str, AnyParameter],
    mixtures: Mapping[str, Mixture],
    constraints: Mapping[int, LinearConstraint],
) -> bool:
    from scipy.optimize import linprog

    names = [name for name, parameter in parameters.items() if isinstance(parameter, NUMERIC)]
    above: list[tuple[list[float], float]] = []  # coefficients . x <= bound
    equal: list[tuple[list[float], float]] = []
    for mixture in mixtures.values():
        equal.append(([float(name in mixture.components) for name in names], mixture.total))
    for constraint in constraints.values():
        factors = dict(constraint.terms)
        row = [factors.get(name, 0.0) for name in names]
        if constraint.at_least is not None and constraint.at_least == constraint.at_most:
            equal.append((row, constraint.at_least))
            continue
        if constraint.at_most is not None:
            above.append((row, constraint.at_most))
        if constraint.at_least is not None:
            above.append(([-factor for factor in row], -constraint.at_least))
    result = linprog(
        [0.0] * len(names),
        A_ub=[row for row, _ in above] or None,
        b_ub=[bound for _, bound in above] or None,
        A_eq=[row for row, _ in equal] or None,
        b_eq=[bound for _, bound in equal] or None,
        bounds=[interval(parameters[name]) for name in names],
        method="highs",
    )
    return int(result.status) != 2  # 2 is "infeasible"; a solver that gives up refuses nobody's campaign
