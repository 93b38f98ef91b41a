"""Contexts, conditions, few-part mixtures, descriptors: which candidates they let in, and how they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from campaigns.build_space import build_space
from campaigns.collect import Collector
from campaigns.errors import Fault
from campaigns.space import (
    Categorical,
    Continuous,
    Descriptors,
    Integer,
    LinearConstraint,
    Mixture,
    Space,
    Table,
)
from campaigns.yaml_reader import read

GAS = Categorical(name="gas", choices=("argon", "n2", "air"))
FLOW = Continuous(name="flow", low=1.0, high=10.0, when=(("gas", ("argon", "n2")),), otherwise=2.0)
CYCLES = Integer(name="cycles", low=3, high=9, when=(("gas", ("air",)),))
HUMIDITY = Continuous(name="humidity", low=20.0, high=60.0, role="context")
LOT = Categorical(name="lot", choices=("first", "second"), role="context")
SPACE = Space(parameters=(FLOW, GAS, CYCLES, HUMIDITY, LOT))


def space_of(text: str, tables: dict[str, Path] | None = None) -> tuple[Space | None, list[Fault]]:
    found = Collector(read(text, file="f.yaml"))
    data = found.document.data
    assert isinstance(data, dict)
    return build_space(found, data, tables or {}, {}).space, found.faults


def test_an_inactive_parameter_has_the_value_of_then() -> None:
    assert SPACE.violations({"gas": "argon", "flow": 5}) == []
    assert SPACE.canonical({"gas": "argon", "flow": 5})["cycles"] == 3
    assert SPACE.canonical({"gas": "air", "flow": 5, "cycles": 4.0})["flow"] == 2.0
    (sentence,) = SPACE.violations({"gas": "air", "flow": 5.0, "cycles": 4})
    assert sentence.startswith("flow") and "2" in sentence
    assert SPACE.violations({"gas": "air", "flow": 2.0, "cycles": 4}) == []
    (sentence,) = SPACE.violations({"gas": "air"})
    assert "no value for cycles" in sentence
    with pytest.raises(ValueError, match="cycles"):
        SPACE.canonical({"gas": "air"})


def test_a_context_is_a_fact_wherever_it_lies() -> None:
    base = {"gas": "argon", "flow": 5.0}
    assert SPACE.canonical(base)["humidity"] == 40.0 and SPACE.canonical(base)["lot"] == "first"
    assert SPACE.violations({**base, "humidity": 99.0, "lot": "second"}) == []
    assert SPACE.canonical({**base, "humidity": 99})["humidity"] == 99.0
    assert len(SPACE.violations({**base, "humidity": "wet"})) == 1
    assert len(SPACE.violations({**base, "lot": "third"})) == 1, "a word that no model has a column for"
    assert [p.name for p in SPACE.context] == ["humidity", "lot"]
    assert [p.name for p in SPACE.chosen] == ["flow", "gas", "cycles"]
    assert [p.name for p in SPACE.free] == ["flow", "gas", "cycles", "humidity", "lot"]
    log = Continuous(name="p", low=1.0, high=100.0, scale="log", role="context")
    odds = Continuous(name="p", low=0.01, high=0.99, scale="logit", role="context")
    assert log.assumed == pytest.approx(10) and odds.assumed == pytest.approx(0.5)


COMPONENTS = tuple(Continuous(name=n, low=0.0, high=80.0) for n in "abc")


def test_a_mixture_of_few_parts() -> None:
    blend = Mixture(name="m", components=tuple("abc"), total=100.0, parts=(1, 2), thresholds=(("a", 25.0),))
    space = Space(parameters=COMPONENTS, mixtures=(blend,))
    assert space.violations({"a": 40, "b": 60, "c": 0}) == []
    assert space.violations({"a": 0, "b": 60, "c": 40}) == []
    (sentence,) = space.violations({"a": 24, "b": 76, "c": 0})
    assert "a wanted 0 or at least 25" in sentence
    (sentence,) = space.violations({"a": 30, "b": 40, "c": 30})
    assert "1 to 2 parts" in sentence and "got 3" in sentence
    rounded = Table(columns=tuple("abc"), rows=((40.0, 59.9, 0.0),))
    assert Space(parameters=COMPONENTS, mixtures=(blend,), allowed=rounded).violations(
        {"a": 40, "b": 59.9, "c": 0}
    ) == []  # fmt: skip


def test_every_space_survives_json() -> None:
    blend = Mixture(name="m", components=tuple("abc"), total=100.0, parts=(1, 2), thresholds=(("a", 25.0),))
    about = Descriptors(names=("bp", "eps"), values=((110.0, 2.4), (66.0, 7.5)))
    described = Categorical(name="s", choices=("x", "y"), descriptors=about)
    learned = Categorical(name="l", choices=("x", "y"), kernel="learned")
    odds = Continuous(name="o", low=0.1, high=0.9, scale="logit")
    space = Space(parameters=(*SPACE.parameters, *COMPONENTS, described, learned, odds), mixtures=(blend,))
    assert Space.model_validate_json(space.model_dump_json()) == space


def _with_table(*rows: tuple[object, ...], columns: tuple[str, ...] = ("flow", "gas", "cycles")) -> Space:
    return Space(parameters=SPACE.parameters, allowed=Table(columns=columns, rows=rows))  # type: ignore[arg-type]


def test_a_table_names_what_is_chosen() -> None:
    space = _with_table((5.0, "argon", 3), (2.0, "air", 4))
    assert space.violations({"gas": "air", "cycles": 4, "humidity": 70.0}) == []
    assert len(space.violations({"gas": "argon", "flow": 6.0})) == 1


TIED = LinearConstraint(terms=(("humidity", 1.0),), at_most=50.0)
ONE = Descriptors(names=("x",), values=((1.0,),))
BOUND = LinearConstraint(terms=(("flow", 1.0),), at_most=5.0)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: Space(parameters=SPACE.parameters, constraints=(TIED,)), "E228"),
        (lambda: Space(parameters=SPACE.parameters, constraints=(BOUND,)), "E228"),
        (lambda: Space(parameters=(HUMIDITY, LOT)), "E224"),
        (lambda: Space(parameters=(FLOW,)), "E210"),
        (lambda: _with_table((5.0, "air", 3)), "E233"),
        (lambda: _with_table((5.0, "argon", 3, 40.0), columns=("flow", "gas", "cycles", "humidity")), "E230"),
        (lambda: Continuous(name="c", low=0.0, high=1.0, role="context", when=(("gas", ("air",)),)), "E226"),
        (lambda: Categorical(name="s", choices=("a", "b"), descriptors=ONE), "E219"),
    ],
)  # fmt: skip
def test_what_cannot_be(make: object, code: str) -> None:
    with pytest.raises(ValidationError, match=code):
        make()  # type: ignore[operator]


def test_all_of_it_is_read_from_yaml() -> None:
    text = """\
space:
  flow: {continuous: [1, 10], unit: mL/min, when: {gas: [argon, n2], plate: 5 cm}, otherwise: 0.002 L/min}
  gas: {categorical: [argon, n2, air], kernel: learned}
  plate: {ordinal: [25, 50], unit: mm}
  humidity: {context: [0, 100], unit: '%'}
  lot: {context: [first, second]}
  x: {continuous: [0.01, 0.99], scale: logit}
  m: {mixture: {A: [0, 60], B: [0, 90], C: [0, 60]}, total: 100, unit: '%', parts: [1, 2], thresholds: 5 %}
  s: {categorical: [u, v], descriptors: {u: {bp: 110, eps: 2.4}, v: {eps: 7.5, bp: 66}}}
"""
    space, faults = space_of(text)
    assert space is not None, faults
    flow = space.parameter("flow")
    assert flow.when == (("gas", ("argon", "n2")), ("plate", (50.0,)))  # type: ignore[union-attr]
    assert flow.otherwise == pytest.approx(2.0)  # type: ignore[union-attr]
    assert [p.name for p in space.context] == ["humidity", "lot"]
    assert space.names == ("flow", "gas", "plate", "humidity", "lot", "x", "A", "B", "C", "s")
    assert space.mixtures[0].parts == (1, 2)
    assert space.mixtures[0].thresholds == (("A", 5.0), ("B", 5.0), ("C", 5.0))
    described = space.parameter("s").descriptors  # type: ignore[union-attr]
    assert described == Descriptors(names=("bp", "eps"), values=((110.0, 2.4), (66.0, 7.5)))


TABLED = "space:\n  s: {categorical: [u, v], descriptors: {table: solvents, key: name}}\n"
CSV = "name,bp (K),note,eps\nw,1,x,2\nv,66,hot,7.5\nu,110,cold,2.4\n"


def test_descriptors_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "solvents.csv"
    path.write_text(CSV)
    space, faults = space_of(TABLED, {"solvents": path})
    assert space is not None, faults
    assert space.parameter("s").descriptors == Descriptors(  # type: ignore[union-attr]
        names=("bp__K_", "eps"), values=((110.0, 2.4), (66.0, 7.5))
    )


@pytest.mark.parametrize(
    ("csv", "columns", "line", "column"),
    [
        (CSV.replace("name", "nome"), "", 1, 1),
        (CSV + "u,1,x,3\n", "", 5, 1),
        (CSV.replace("u,110", "z,110"), "", None, None),
        (CSV, ", columns: [note]", 3, 3),
        (CSV, ", columns: [viscosity]", 1, 1),
        ("name,note\nu,a\nv,b\n", "", 1, 1),
    ],
)
def test_tables_that_describe_nothing(
    csv: str, columns: str, line: int | None, column: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "solvents.csv"
    path.write_text(csv)
    space, (fault, *_) = space_of(TABLED.replace("key: name", "key: name" + columns), {"solvents": path})
    assert space is None
    assert (fault.code, fault.line, fault.column, fault.file) == ("E219", line, column, str(path))
