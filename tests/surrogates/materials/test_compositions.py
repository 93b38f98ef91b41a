from __future__ import annotations

import json
from math import gcd
from pathlib import Path

import numpy as np
import pytest

from surrogates.materials.errors import SourceError
from surrogates.materials.generators import catalogue
from surrogates.materials.generators.catalogue import (
    Fault,
    GeneratorRefused,
    arguments_of,
    drawn,
    generator,
    generators,
)
from surrogates.materials.generators.compositions import (
    balanced,
    compositions,
    enumerate_compositions,
    oxidation_states,
)
from surrogates.materials.generators.protocol import Generated, Known
from tests.surrogates.materials import chemsys

SALT = Known("salt", chemsys.rocksalt())


@pytest.mark.parametrize(
    ("counts", "between"),
    [
        ({"Na": 1, "Cl": 1}, 0),
        ({"Li": 3, "P": 1}, 0),
        ({"Li": 15, "Si": 4}, 1),  # what the relaxed rule was made for
        ({"Fe": 3, "O": 4}, 1),
        ({"Mg": 1, "F": 1}, 1),  # Mg between 0 and 2
        ({"Mg": 1, "F": 3}, None),
        ({"Al": 1, "Fe": 1}, None),  # no negative state
        ({"Na": 2, "K": 3}, None),
    ],
)
def test_charges_cancel_with_so_many_mean_states(counts: dict[str, int], between: int | None) -> None:
    least = next((k for k in range(3) if balanced(counts, k) is not None), None)
    assert least == between


def test_metals_may_have_no_charge() -> None:
    assert 0 in oxidation_states("Fe")
    assert 0 not in oxidation_states("O")
    with pytest.raises(ValueError, match="smact knows no oxidation state"):
        oxidation_states("Ne")
    with pytest.raises(ValueError, match="symbol of an element"):
        oxidation_states("Xx")


def test_every_ratio_is_there_once() -> None:
    found = [tuple(sorted(c.counts.items())) for c in enumerate_compositions(["Al", "Fe"], 6, rule="all")]
    assert found == sorted(
        {(("Al", a), ("Fe", b)) for a in range(1, 6) for b in range(1, 7 - a) if gcd(a, b) == 1}
    )
    ternary = list(enumerate_compositions(["Li", "Fe", "O"], 6))
    assert len({tuple(c.counts.items()) for c in ternary}) == len(ternary)
    assert all(sum(c.counts.values()) <= 6 and balanced(c.counts) == c.how for c in ternary)
    assert {"Fe": 2, "O": 3} in [c.counts for c in ternary]


def test_crystals_of_new_compositions() -> None:
    made = list(
        compositions(
            [SALT], limit=6, rng=np.random.default_rng(0), formula_atoms=5, max_atoms=8, per_composition=2
        )
    )
    assert len(made) == 6
    assert "ClNa" not in {m.structure.formula for m in made}
    assert all(m.structure.n_atoms <= 8 and m.structure.elements == ("Cl", "Na") for m in made)
    names = [m.structure.formula for m in made]
    assert max(names.count(n) for n in names) == 2


def test_generators_are_found_by_name() -> None:
    assert set(catalogue.BUILT_IN) <= set(generators())
    assert generator("compositions") is compositions
    with pytest.raises(
        GeneratorRefused, match=r"random_symmetric.*'substitutions'.*did you mean 'substitution'"
    ):
        generator("substitutions")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("substitution", {"treshold": 0.1}, "did you mean 'threshold'"),
        ("substitution", {"threshold": "0.1"}, "threshold: .*number"),
        ("substitution", {"threshold": 2}, "threshold: .*less than 1"),
        ("substitution", {"elements": ["Fe", "Xx"]}, "elements.1: .*symbol of an element"),
        ("substitution", {"elements": "Fe"}, "elements"),
        ("substitution", {"direction": "back"}, "direction"),
        ("substitution", {"rng": 1}, "got 'rng'"),
        ("partial_substitution", {"supercell": [2, 2]}, "supercell"),
        ("random_symmetric", {}, "formulas: field required"),
        ("random_symmetric", {"formulas": ["Fe"], "groups": [231]}, "groups.0"),
        ("compositions", {"max_atoms": 2.5}, "max_atoms"),
        ("compositions", {"elements": {1, 2}}, "JSON"),
    ],
)
def test_arguments_are_checked(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(GeneratorRefused, match=f"generator {name}: .*{message}"):
        arguments_of(name, arguments)


def test_arguments_arrive_as_annotated() -> None:
    found = arguments_of("partial_substitution", {"supercell": [2, 1, 1], "threshold": 0.01})
    assert found["supercell"] == (2, 1, 1)
    assert found["threshold"] == 0.01
    assert found["per_level"] == 20


def broken(known: object, *, limit: int, rng: object, at: int = 2):  # type: ignore[no-untyped-def]
    """A plug-in: sound, overlapping, alone, no structure, unknown words, then a crash."""
    good = chemsys.rocksalt()
    yield Generated(good, (), "as it is")
    yield Generated(chemsys.rocksalt(2.0), (), "too small")
    yield Generated(chemsys.rocksalt(20.0), (), "too large")
    yield good
    yield (good, (1,), "parents are ids")
    yield (good, ["salt"], "a list will do")
    raise RuntimeError(f"crashed at {at}")


def test_what_is_not_sound_is_reported_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "generator", lambda name: broken)
    given = list(drawn("mine", [], limit=10, rng=np.random.default_rng(0), arguments={"at": 3}))
    assert [g.code if isinstance(g, Fault) else g.how for g in given] == [
        "as it is", "overlap", "isolated", "no-structure", "no-structure", "a list will do", "raised",
    ]  # fmt: skip
    assert str(given[-1]) == "generator mine: raised: RuntimeError: crashed at 3"
    few = list(drawn("mine", [], limit=1, rng=np.random.default_rng(0)))
    assert len(few) == 1
    large = list(drawn("mine", [], limit=10, rng=np.random.default_rng(0), max_atoms=1))
    assert isinstance(large[0], Fault)
    assert large[0].code == "too-large"


def test_a_file_is_a_generator(tmp_path: Path) -> None:
    rows = [{"id": f"m{k}", **chemsys.rocksalt(5.4 + 0.1 * k).to_json()} for k in range(4)]
    path = tmp_path / "model_output.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = [Known("seen", chemsys.rocksalt(5.5))]
    given = list(
        drawn("file", known, limit=10, rng=np.random.default_rng(0), arguments={"source": str(path)})
    )
    assert [g.how for g in given if isinstance(g, Generated)] == [
        f"m{k} of model_output.jsonl" for k in (0, 2, 3)
    ]
    [gone] = drawn(
        "file", known, limit=1, rng=np.random.default_rng(0), arguments={"source": str(tmp_path / "none")}
    )
    assert isinstance(gone, Fault)
    assert gone.reason.startswith(SourceError.__name__)
