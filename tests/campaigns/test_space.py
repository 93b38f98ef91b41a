"""The space as a value: what is inside, what is not, and what cannot exist."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from campaigns.space import (
    Categorical,
    Continuous,
    Fixed,
    Integer,
    LinearConstraint,
    Mixture,
    Ordinal,
    Space,
    Table,
)

X = Continuous(name="x", low=0.0, high=1.0)
N = Integer(name="n", low=1, high=5)
LEVEL = Ordinal(name="level", levels=(0.5, 1.0, 2.0))
SOLVENT = Categorical(name="solvent", choices=("toluene", "anisole"))
GAS = Fixed(name="gas", value="argon")
SPACE = Space(parameters=(X, N, LEVEL, SOLVENT, GAS))
INSIDE = {"x": 0.5, "n": 2, "level": 1.0, "solvent": "toluene"}


def test_what_is_inside() -> None:
    assert SPACE.violations(INSIDE) == []
    assert SPACE.violations({**INSIDE, "gas": "argon", "n": 2.0, "x": 1}) == []
    assert SPACE.names == ("x", "n", "level", "solvent", "gas")
    assert [parameter.name for parameter in SPACE.free] == ["x", "n", "level", "solvent"]
    assert SPACE.parameter("n") is N


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", 1.1),
        ("x", "0.5"),
        ("x", True),
        ("x", float("nan")),
        ("x", float("inf")),
        ("x", 10**400),
        ("n", 6),
        ("n", 2.5),
        ("n", False),
        ("level", 0.7),
        ("level", "1.0"),
        ("solvent", "water"),
        ("solvent", 1),
        ("gas", "air"),
        ("stranger", 1),
    ],
)
def test_what_is_outside_is_said_with_its_name(name: str, value: object) -> None:
    (sentence,) = SPACE.violations({**INSIDE, name: value})  # type: ignore[dict-item]
    assert sentence.startswith(name) and (
        "wanted" in sentence or "not a parameter" in sentence or "fixed" in sentence
    )


def test_a_missing_value_is_a_violation_and_all_come_at_once() -> None:
    assert len(SPACE.violations({})) == 4
    with pytest.raises(ValueError, match="no value for x, n, level, solvent"):
        SPACE.canonical({})


def test_canonical_candidates_have_every_parameter_in_order_and_type() -> None:
    got = SPACE.canonical({"solvent": "anisole", "level": 2, "n": 3.0, "x": 1})
    assert list(got.items()) == [
        ("x", 1.0),
        ("n", 3),
        ("level", 2.0),
        ("solvent", "anisole"),
        ("gas", "argon"),
    ]
    assert [type(value) for value in got.values()] == [float, int, float, str, str]
    with pytest.raises(ValueError, match="whole"):
        SPACE.canonical({**INSIDE, "n": 2.5})
    with pytest.raises(ValueError, match="text"):
        SPACE.canonical({**INSIDE, "solvent": 3})
    with pytest.raises(KeyError, match="did you mean 'solvent'"):
        SPACE.parameter("solvnt")


A, B, C = (Continuous(name=name, low=0.0, high=60.0, unit="%") for name in "abc")
BLEND = Mixture(name="blend", components=("a", "b", "c"), total=100.0, unit="%", tolerance=1e-4)


def test_mixtures_add_up() -> None:
    space = Space(parameters=(A, B, C), mixtures=(BLEND,))
    assert space.violations({"a": 30, "b": 30, "c": 40}) == []
    assert space.violations({"a": 30, "b": 30, "c": 40.00005}) == []
    (sentence,) = space.violations({"a": 30, "b": 30, "c": 39})
    assert "blend" in sentence and "100" in sentence and "99" in sentence


def test_linear_constraints_hold_with_room_for_rounding_only() -> None:
    at_most = LinearConstraint(terms=(("a", 1.0), ("b", -2.0)), at_most=3.0)
    equal = LinearConstraint(terms=(("a", 0.1), ("c", 0.2)), at_least=3.0, at_most=3.0)
    space = Space(parameters=(A, B, C), constraints=(at_most, equal))
    assert space.violations({"a": 10, "b": 5, "c": 10}) == []
    assert space.violations({"a": 10, "b": 3.5, "c": 10.0000001}) == []
    assert len(space.violations({"a": 10, "b": 3.4, "c": 10.1})) == 2


def test_a_table_is_the_whole_space_and_its_rounding_is_borne() -> None:
    rows = ((20.0, 30.0, 49.9), (30.0, 30.0, 40.0))
    table = Table(columns=("a", "b", "c"), rows=rows)
    space = Space(parameters=(A, B, C), mixtures=(BLEND,), allowed=table)
    assert space.violations({"a": 20, "b": 30, "c": 49.9}) == []
    (sentence,) = space.violations({"a": 20, "b": 30, "c": 50})
    assert "one of the 2 rows" in sentence
    assert table.column("c") == [49.9, 40.0]


ODD = Mixture(name="m", components=("x", "solvent"), total=1.0)
SHORT = Table(columns=("a", "b", "c"), rows=((1.0, 2.0, 3.0),))


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: Continuous(name="x", low=1.0, high=1.0), "E212"),
        (lambda: Continuous(name="x", low=0.0, high=1.0, scale="log"), "E213"),
        (lambda: Continuous(name="x", low=0.0, high=1.0, unit="zorkmid"), "E214"),
        (lambda: Ordinal(name="x", levels=(1.0, 1.0)), "E217"),
        (lambda: Categorical(name="x", choices=("a", "a")), "E211"),
        (lambda: Space(parameters=(X, X)), "E211"),
        (lambda: Space(parameters=(GAS,)), "E224"),
        (lambda: Space(parameters=(A, B), mixtures=(BLEND,)), "E222"),
        (lambda: Space(parameters=(X, SOLVENT), mixtures=(ODD,)), "E222"),
        (lambda: Space(parameters=(X,), constraints=(LinearConstraint(terms=(("x", 1.0),), at_least=2.0),)), "E221"),
        (lambda: Space(parameters=(X,), constraints=(LinearConstraint(terms=(("q", 1.0),), at_least=2.0),)), "E210"),
        (lambda: Space(parameters=(X, N), allowed=Table(columns=("x",), rows=((0.5,),))), "E230"),
        (lambda: Space(parameters=(X,), allowed=Table(columns=("x",), rows=((2.5,),))), "E233"),
        (lambda: Space(parameters=(X,), allowed=Table(columns=("x",), rows=((1,),))), "E233"),
        (lambda: Space(parameters=(A, B, C), mixtures=(BLEND,), allowed=SHORT), "E233"),
        (lambda: Table(columns=("x",), rows=()), "E234"),
        (lambda: Table(columns=("x", "y"), rows=((1.0,),)), "E230"),
    ],
)  # fmt: skip
def test_what_cannot_exist_is_not_made(make: object, code: str) -> None:
    with pytest.raises(ValidationError, match=code):
        make()  # type: ignore[operator]


def test_constraints_that_only_together_exclude_everything() -> None:
    """Each alone leaves something, no simple point shows it, and so linear programming must."""
    both = (
        LinearConstraint(terms=(("a", 1.0), ("b", 1.0)), at_least=70.0),
        LinearConstraint(terms=(("c", 1.0),), at_least=31.0),
    )
    with pytest.raises(ValidationError, match="E221"):
        Space(parameters=(A, B, C), mixtures=(BLEND,), constraints=both)
    narrow = (both[0], LinearConstraint(terms=(("c", 1.0),), at_least=29.0, at_most=30.0))
    assert Space(parameters=(A, B, C), mixtures=(BLEND,), constraints=narrow).constraints == narrow


def test_cells_are_values_and_finite() -> None:
    for row in ([None], [float("nan")], [[1]]):
        with pytest.raises(ValidationError):
            Table(columns=("x",), rows=(row,))  # type: ignore[arg-type]


def test_values_are_frozen() -> None:
    with pytest.raises(ValidationError):
        X.low = 3.0
    with pytest.raises(ValidationError):
        Continuous(name="x", low=0.0, high=1.0, colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Continuous(name="x", low="0", high=1.0)  # type: ignore[arg-type]
