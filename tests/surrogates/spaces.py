"""Spaces for tests: a few by hand, and any number at random that are feasible because a witness was put in
first."""

from __future__ import annotations

import numpy as np

from campaigns.objective import Objective
from campaigns.space import (
    Categorical,
    Continuous,
    Fixed,
    Integer,
    LinearConstraint,
    Mixture,
    Ordinal,
    Parameter,
    Space,
    Table,
    Value,
)

SCORE = Objective(name="score", direction="maximise")
LOSS = Objective(name="loss", direction="minimise")


def box(d: int = 2, low: float = 0.0, high: float = 1.0) -> Space:
    return Space(parameters=tuple(Continuous(name=f"x{i}", low=low, high=high) for i in range(d)))


def mixed() -> Space:
    return Space(
        parameters=(
            Continuous(name="dopant", low=0.0, high=0.4),
            Continuous(name="time", low=10.0, high=300.0, scale="log", unit="s"),
            Integer(name="cycles", low=1, high=40),
            Ordinal(name="speed", levels=(500.0, 1000.0, 2000.0, 6000.0)),
            Categorical(name="solvent", choices=("chlorobenzene", "toluene", "anisole")),
            Fixed(name="gas", value="argon"),
        )
    )


def mixture() -> Space:
    return Space(
        parameters=(
            Continuous(name="a", low=0.0, high=1.0),
            Continuous(name="b", low=0.1, high=0.5),
            Continuous(name="c", low=0.0, high=0.3),
            Continuous(name="heat", low=1.0, high=9.0),
        ),
        mixtures=(Mixture(name="ink", components=("a", "b", "c"), total=1.0),),
        constraints=(LinearConstraint(terms=(("a", 1.0), ("heat", -0.1)), at_most=0.3),),
    )


def pool(n: int = 40, d: int = 3, seed: int = 0) -> Space:
    rows = np.random.default_rng(seed).random((n, d)).round(3)
    return Space(
        parameters=box(d).parameters,
        allowed=Table(columns=tuple(f"x{i}" for i in range(d)), rows=tuple(map(tuple, rows.tolist()))),
    )


def random_space(rng: np.random.Generator) -> Space:
    """One to six parameters of any kind, perhaps a mixture, up to three linear constraints, tight ones
    included."""
    parameters: list[Parameter] = []
    witness: dict[str, float] = {}
    for i in range(int(rng.integers(1, 7))):
        parameters.append(_parameter(f"p{i}", rng))
        value = _value(parameters[-1], rng)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            witness[f"p{i}"] = float(value)
    mixtures: tuple[Mixture, ...] = ()
    if rng.random() < 0.4:
        names = tuple(f"m{i}" for i in range(int(rng.integers(2, 6))))
        share = rng.dirichlet(np.ones(len(names))) * (total := float(rng.choice([1.0, 100.0, 0.3])))
        for name, part in zip(names, share.tolist(), strict=True):
            low = float(part * rng.choice([0.0, rng.random()]))
            high = float(min(total, part + (total - part) * rng.random()) + 1e-3 * total)
            parameters.append(Continuous(name=name, low=low, high=high))
            witness[name] = part
        mixtures = (Mixture(name="mix", components=names, total=total, tolerance=1e-9 * total),)
    constraints = []
    names_of_numbers = list(witness)
    for _ in range(int(rng.integers(0, 4)) if names_of_numbers else 0):
        some = rng.choice(
            names_of_numbers, size=min(len(names_of_numbers), int(rng.integers(1, 4))), replace=False
        )
        terms = tuple((str(name), float(rng.choice([1.0, -1.0, 2.0, rng.normal() + 3.0]))) for name in some)
        value = sum(weight * witness[name] for name, weight in terms)
        room = float(rng.choice([0.0, 0.01, 1.0])) * (1.0 + abs(value))
        kind = rng.integers(0, 3)
        if kind == 0:
            constraints.append(LinearConstraint(terms=terms, at_most=value + room))
        elif kind == 1:
            constraints.append(LinearConstraint(terms=terms, at_least=value - room, at_most=value + 2 * room))
        elif rng.random() < 0.3:
            constraints.append(LinearConstraint(terms=terms, at_least=value, at_most=value))
    return Space(parameters=tuple(parameters), mixtures=mixtures, constraints=tuple(constraints))


def _parameter(name: str, rng: np.random.Generator) -> Parameter:
    kind = rng.choice(["continuous", "log", "integer", "ordinal", "categorical"])
    if kind == "continuous":
        low = float(rng.normal() * 10.0 ** rng.integers(-3, 4))
        return Continuous(name=name, low=low, high=low + float(10.0 ** rng.uniform(-3, 3)))
    if kind == "log":
        low = float(10.0 ** rng.uniform(-4, 2))
        return Continuous(name=name, low=low, high=low * float(10.0 ** rng.uniform(0.3, 4)), scale="log")
    if kind == "integer":
        low = int(rng.integers(-20, 20))
        return Integer(name=name, low=low, high=low + int(rng.integers(1, 200)))
    if kind == "ordinal":
        levels = np.unique(rng.normal(size=int(rng.integers(2, 7))).round(3))
        return Ordinal(name=name, levels=tuple(levels.tolist()) if len(levels) > 1 else (0.0, 1.0))
    return Categorical(name=name, choices=tuple("abcdef"[: int(rng.integers(2, 6))]))


def _value(parameter: Parameter, rng: np.random.Generator) -> Value:
    if isinstance(parameter, Continuous):
        return float(rng.uniform(parameter.low, parameter.high))
    if isinstance(parameter, Integer):
        return int(rng.integers(parameter.low, parameter.high + 1))
    if isinstance(parameter, Ordinal):
        return float(rng.choice(parameter.levels))
    assert isinstance(parameter, Categorical)
    return str(rng.choice(parameter.choices))
