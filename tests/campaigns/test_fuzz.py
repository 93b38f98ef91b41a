"""Whatever the text, loading ends soon, in a campaign or in faults, and in nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.errors import CODES, CampaignError
from campaigns.load import library, library_text, loads
from campaigns.yaml_reader import LONGEST, read

_TEXTS = [library_text(name) for name in library()]
_PIECES = st.sampled_from(
    [
        "[", "]", "{", "}", ":", ": ", "- ", ", ", "\n", "\n  ", "\t", "'", '"', "#", "&a", "*a", "!!int ", "<<: ",
        "---\n", "...\n", "? ", "| ", "> ", "%", "@", "~", "null", ".nan", "-.inf", "1e999", "0o9", "0x", "$", "$x",
        "9" * 30, "1" * 5000, "2000 rpm", "5 m**9", "12 h", "\\u0000", '"\\ud800"', "\x00", "\u2028", "é", "🧪", "\r",
    ]
)  # fmt: skip
_ALPHABET = st.text(st.sampled_from(list(" \n\t:-[]{},'\"#&*!|>%@?~<=.$0123456789eabxé\\")), max_size=120)


def ends_well(text: str | bytes) -> None:
    try:
        loads(text, file="f.yaml")
    except CampaignError as error:
        assert error.faults
        for fault in error.faults:
            assert fault.code in CODES
            assert fault.line is not None and fault.line >= 1
            assert fault.column is not None and fault.column >= 1
            assert "\n" not in fault.render()


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300), _ALPHABET))
@settings(max_examples=400, deadline=None)
def test_any_text(text: str | bytes) -> None:
    ends_well(text)


@given(
    st.sampled_from(_TEXTS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), _PIECES), min_size=1, max_size=4),
)
@example(library_text("instant"), [(0.736328125, 7, "\r"), (0.736328125, 4, "\r")])  # a key with a line break
@settings(max_examples=400, deadline=None)
def test_any_mutation_of_a_valid_file(text: str, edits: list[tuple[float, int, str]]) -> None:
    for share, n_deleted, piece in edits:
        at = int(share * len(text))
        text = text[:at] + piece + text[at + n_deleted :]
    ends_well(text)


_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**62), 2**62),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(
            [
                "x",
                "y",
                "$x",
                "K",
                "3 m",
                "5 %",
                "ucb",
                "sobol",
                "rig.run",
                "",
                "a/b",
                "2026-01-01",
                "pareto",
                "gp",
                "auto",
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "continuous",
                    "mixture",
                    "total",
                    "unit",
                    "explore",
                    "until",
                    "linear",
                    "at_most",
                    "rows",
                    "id",
                    "do",
                    "with",
                    "x",
                    "match",
                    "target",
                    "reading",
                    "per",
                    "of",
                    "learn",
                    "level",
                    "experiments",
                    "alternate",
                    "table",
                    "gives",
                ]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)
_PATHS = st.sampled_from(
    [
        "alquimia", "campaign", "space", "space.x", "space.x.continuous", "space.t.unit", "space.new", "objectives",
        "objectives.0", "objectives.0.maximise", "recipe", "recipe.0", "recipe.0.with", "recipe.0.with.x",
        "recipe.0.gives", "recipe.0.do", "plan", "plan.0", "plan.1", "plan.1.until", "plan.1.until.reached", "budget",
        "budget.duration", "limits", "limits.rig.x", "limits.rig.x.at_most", "schedule", "schedule.start",
        "schedule.quiet_hours", "constraints", "constraints.0", "allowed", "allowed.rows", "lab", "seed", "goal",
        "objectives.0.target", "objectives.0.tolerance", "objectives.1", "outcome_constraints",
        "outcome_constraints.0", "cost", "cost.base", "cost.per", "cost.of", "cost.of.x", "cost.changes", "fidelity",
        "fidelity.parameter", "fidelity.target", "surrogate", "surrogate.model", "history", "history.0.columns",
        "plan.2", "plan.1.gate", "plan.1.gate.coverage", "plan.1.beta", "plan.1.alternate", "plan.0.level",
    ]
)  # fmt: skip


def _flow(value: object) -> str:
    """A value as one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return "'" + value + "'"
    return (
        {None: "null", True: "true", False: "false"}.get(value, repr(value))
        if not isinstance(value, float)
        else repr(value)
    )


@given(st.lists(st.tuples(_PATHS, _VALUES), min_size=1, max_size=3))
@settings(max_examples=400, deadline=None)
def test_any_value_anywhere(edits: list[tuple[str, object]]) -> None:
    base = _BASE
    try:
        campaign = loads(base, overrides=[f"{path}={_flow(value)}" for path, value in edits])
    except CampaignError as error:
        assert error.faults
    else:
        assert campaign.from_json(campaign.to_json()) == campaign


_BASE = """\
alquimia: 1
campaign: small
space:
  x: {continuous: [0, 1]}
  t: {continuous: [300, 500], unit: K}
constraints: [{linear: {x: 1, t: 0.001}, at_most: 1}]
objectives: [{maximise: y, unit: '%'}]
recipe: [{id: run, do: rig.run, with: {x: $x, temperature: $t}, gives: {y: reading}}]
plan: [{explore: sobol, experiments: 5}, {optimise: ucb}]
budget: {experiments: 20}
lab: simulated/rig
"""


@pytest.mark.parametrize(
    "unit",
    [
        "[", "{", "- ", "a: ", "? ", "[a,", "[a: ", '{"a":', "{a,", "a\n ", "#\n", "\n", " ", "-\n", "a:\n", "'",
        '"a\n', "''", "*a ", "&a ", "!a ", "!", "&a", "%A ", "|\n a\n", ">\n\n", ": ", "--- ", "---\n", "a #", "\t",
        "a", "1", "1.", "\\x41", "é", "🧪", ",", "]", "[]", "{}", "[],", "{? ", '"a": ', "...\n",
        "%TAG ! !\n", "k: [1]\n",
    ],
)  # fmt: skip
def test_the_longest_text_of_one_piece_costs_little_memory_and_no_recursion(unit: str) -> None:
    n = LONGEST // len(unit.encode())
    for text in (unit * n, "[" + unit * (n - 1), '"' + unit * (n - 1)):
        try:
            read(text, file="f.yaml")
        except CampaignError as error:
            assert 1 <= len(error.faults) <= 50
