"""Spaces for tests: a few by hand, and any number at random that are feasible because a witness was put in
first."""

from __future__ import annotations

import numpy as np

from campaigns.objective import Objective
from campaigns.space import (
    Categorical,
    Continuous,
    Descriptors,
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


def blend(constraints: tuple[LinearConstraint, ...] = ()) -> Space:
    """Six solvents of which two or three are mixed, none below five per cent."""
    names = tuple("abcdef")
    return Space(
        parameters=(
            *(Continuous(name=n, low=0.0, high=80.0) for n in names),
            Continuous(name="heat", low=1.0, high=9.0),
        ),
        mixtures=(
            Mixture(
                name="ink",
                components=names,
                total=100.0,
                parts=(2, 3),
                thresholds=tuple((n, 5.0) for n in names),
            ),
        ),
        constraints=constraints,
    )


def conditional() -> Space:
    """A flow only where there is a gas to flow, and a humidity that is measured."""
    return Space(
        parameters=(
            Categorical(name="gas", choices=("argon", "n2", "air")),
            Continuous(name="flow", low=1.0, high=10.0, when=(("gas", ("argon", "n2")),), otherwise=1.0),
            Continuous(name="heat", low=0.0, high=1.0),
            Continuous(name="humidity", low=20.0, high=60.0, role="context"),
        )
    )


def random_space(rng: np.random.Generator) -> Space:
    """One to six parameters of any kind, perhaps under a condition or measured rather than chosen, perhaps a mixture,
    perhaps of few parts, up to three linear constraints, tight ones included."""
    parameters: list[Parameter] = []
    witness: dict[str, float] = {}
    for i in range(int(rng.integers(1, 7))):
        parameters.append(_parameter(f"p{i}", rng))
        if i and rng.random() < 0.2:
            parameters[-1] = _conditional(parameters, rng)
        elif i and rng.random() < 0.15 and isinstance(parameters[-1], Continuous | Categorical):
            parameters[-1] = parameters[-1].model_copy(update={"role": "context"})
        else:
            value = _value(parameters[-1], rng)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                witness[f"p{i}"] = float(value)
    mixtures: tuple[Mixture, ...] = ()
    if rng.random() < 0.4:
        mixtures = (_mixture(parameters, witness, rng),)
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


def _conditional(parameters: list[Parameter], rng: np.random.Generator) -> Parameter:
    """The last of `parameters` under a condition on one or two before it, where these can carry one."""
    child, when = parameters[-1], []
    parents = [
        p
        for p in parameters[:-1]
        if not isinstance(p, Fixed | Continuous) and not p.when and getattr(p, "role", "") != "context"
    ]
    for parent in [parents[i] for i in rng.permutation(len(parents))[: int(rng.integers(1, 3))]]:
        values = {_value(parent, rng) for _ in range(int(rng.integers(1, 4)))}
        when.append((parent.name, tuple(values)))
    if not when:
        return child
    otherwise = _value(child, rng) if rng.random() < 0.5 else None
    return child.model_copy(update={"when": tuple(when), "otherwise": otherwise})


def _mixture(parameters: list[Parameter], witness: dict[str, float], rng: np.random.Generator) -> Mixture:
    """A mixture whose components are added to `parameters`, one composition of it to `witness`."""
    names = tuple(f"m{i}" for i in range(int(rng.integers(2, 6))))
    total = float(rng.choice([1.0, 100.0, 0.3]))
    few = rng.random() < 0.5
    present = rng.random(len(names)) < 0.5 if few else np.ones(len(names), bool)
    present[int(rng.integers(0, len(names)))] = True
    share = np.zeros(len(names))
    share[present] = rng.dirichlet(np.ones(int(present.sum()))) * total
    thresholds = []
    for name, part in zip(names, share.tolist(), strict=True):
        low = float(part * rng.choice([0.0, rng.random()])) if not few or rng.random() < 0.1 else 0.0
        high = float(min(total, part + (total - part) * rng.random()) + 1e-3 * total)
        parameters.append(Continuous(name=name, low=low, high=high))
        witness[name] = part
        if few and low == 0 and rng.random() < 0.6:
            least = part * rng.random() if part else high * rng.random()
            thresholds += [(name, float(least))] if least > 0 else []
    count = int(present.sum())
    parts = (int(rng.integers(1, count + 1)), int(rng.integers(count, len(names) + 1)))
    return Mixture(
        name="mix",
        components=names,
        total=total,
        tolerance=1e-9 * total,
        parts=parts if few and (rng.random() < 0.7 or not thresholds) else None,
        thresholds=tuple(thresholds),
    )


def _parameter(name: str, rng: np.random.Generator) -> Parameter:
    kind = rng.choice(["continuous", "log", "logit", "integer", "ordinal", "categorical"])
    if kind == "continuous":
        low = float(rng.normal() * 10.0 ** rng.integers(-3, 4))
        return Continuous(name=name, low=low, high=low + float(10.0 ** rng.uniform(-3, 3)))
    if kind == "log":
        low = float(10.0 ** rng.uniform(-4, 2))
        return Continuous(name=name, low=low, high=low * float(10.0 ** rng.uniform(0.3, 4)), scale="log")
    if kind == "logit":
        low = float(10.0 ** rng.uniform(-6, -1))
        return Continuous(name=name, low=low, high=1 - float(10.0 ** rng.uniform(-9, -1)), scale="logit")
    if kind == "integer":
        low = int(rng.integers(-20, 20))
        return Integer(name=name, low=low, high=low + int(rng.integers(1, 200)))
    if kind == "ordinal":
        levels = np.unique(rng.normal(size=int(rng.integers(2, 7))).round(3))
        return Ordinal(name=name, levels=tuple(levels.tolist()) if len(levels) > 1 else (0.0, 1.0))
    choices = tuple("abcdef"[: int(rng.integers(2, 6))])
    kernel = rng.choice(["hamming", "learned", "described"])
    if kernel == "described":
        values = rng.normal(size=(len(choices), 2)) * 10.0 ** rng.integers(-3, 4)
        about = Descriptors(names=("boiling", "polarity"), values=tuple(map(tuple, values.tolist())))
        return Categorical(name=name, choices=choices, descriptors=about)
    return Categorical(name=name, choices=choices, kernel="learned" if kernel == "learned" else "hamming")


def _value(parameter: Parameter, rng: np.random.Generator) -> Value:
    if isinstance(parameter, Continuous):
        return float(rng.uniform(parameter.low, parameter.high))
    if isinstance(parameter, Integer):
        return int(rng.integers(parameter.low, parameter.high + 1))
    if isinstance(parameter, Ordinal):
        return float(rng.choice(parameter.levels))
    assert isinstance(parameter, Categorical)
    return str(rng.choice(parameter.choices))
