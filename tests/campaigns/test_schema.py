"""The published JSON Schema: describes what the loader reads, refuses what is misshapen."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from campaigns.errors import CampaignError
from campaigns.load import library, library_text
from campaigns.schema import json_schema
from campaigns.surface import plan, space
from campaigns.yaml_reader import read


def _subset() -> ModuleType:
    """The checker beside this file: importlib mode puts no test folder on the path."""
    spec = importlib.util.spec_from_file_location(
        "json_schema_subset", Path(__file__).parent / "json_schema_subset.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCHEMA = json_schema()
valid = _subset().valid
# What a schema sees: keys, types, closed lists, lengths, bounds of single numbers.
STRUCTURAL = {"E201", "E202", "E203", "E204", "E205", "E206", "E207"}


def _corpus() -> Iterator[tuple[str, str, Any]]:
    for path in sorted((Path(__file__).parent / "invalid").glob("*.yaml")):
        text = path.read_bytes()
        found = re.match(rb"# expect: (E\d+)", text)
        assert found is not None
        try:
            yield path.stem, found[1].decode(), read(text, file="f").data
        except CampaignError:
            continue


def test_the_schema_is_json_and_names_its_draft() -> None:
    assert json.loads(json.dumps(SCHEMA, allow_nan=False)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", library())
def test_every_campaign_of_the_library_meets_it(name: str) -> None:
    assert valid(read(library_text(name), file=name).data, SCHEMA, SCHEMA)


def test_valid_files_meet_it(base: str) -> None:
    more = """\
constraints: [{linear: {x: 1}, at_most: 3}, {linear: {x: 1}, equals: 0.5}]
limits: {rig.temperature: {at_most: 500 K}, rig.run.pressure: {at_least: 3}}
schedule: {start: 2026-12-01T08:00+01:00, quiet_hours: {from: '22:00', to: '06:00', zone: UTC}}
allowed: {rows: [{x: 1, t: 77 degC}]}
description: words
seed: 3
goal: pareto
outcome_constraints: [{reading: z, at_most: 2 nm, unit: nm}]
cost: {base: 10 min, unit: min, per: {x: 30}, of: {s: {a: 1, b: 1 h}}, changes: {t: 25}}
fidelity: {parameter: x, target: 1}
surrogate: {model: auto, noise: robust}
history: [{table: old, columns: {x: 'X (%)'}, gives: {y: Y}, related: true}]
"""
    assert valid(read(base + more, file="f").data, SCHEMA, SCHEMA)


@pytest.mark.parametrize(
    ("section", "right", "wrong"),
    [
        ("surrogate", "forest", "wood"),
        ("objectives", "[{match: y, target: 550 nm, tolerance: 20, unit: nm}]", "[{match: y}]"),
        ("plan", "[{explore: sobol}, {learn: straddle, level: 3 K}]", "[{explore: sobol, level: 3}]"),
        ("plan", "[{optimise: ucb, beta: scheduled, trust_region: on}]", "[{optimise: ucb, beta: often}]"),
        (
            "plan",
            "[{optimise: ucb, gate: {coverage: [0.5, 1]}}]",
            "[{optimise: ucb, gate: {coverage: [0.5]}}]",
        ),
        (
            "plan",
            "[{alternate: [{learn: bald, experiments: 1}, {optimise: ucb, experiments: 2}], replicates: 2}]",
            "[{alternate: [{learn: bald, experiments: 1}, {optimise: ucb}]}]",
        ),
    ],
)
def test_what_it_tells_apart(base: str, section: str, right: str, wrong: str) -> None:
    data = read(base, file="f").data
    for text, met in ((right, True), (wrong, False)):
        changed = {**data, section: read(text, file="f").data}
        assert valid(changed, SCHEMA, SCHEMA) is met, text


def test_misshapen_files_fail_it() -> None:
    """Faults of shape fail the schema; the few that pass are those whose rule no schema can state."""
    passed = {name for name, code, data in _corpus() if code in STRUCTURAL and valid(data, SCHEMA, SCHEMA)}
    beyond = {
        "budget_duration_zero": "the number is behind text",
        "mixture_negative_total": "text with a unit may stand here too",
        "cost_negative": "text with a unit may stand here too",
        "cost_base_zero": "text with a unit may stand here too",
        "match_tolerance_zero": "text with a unit may stand here too",
        "tolerance_negative": "a distance or a share, by the kind of objective",
        "tolerance_above_one": "a distance or a share, by the kind of objective",
        "tolerance_of_range_with_unit": "a distance or a share, by the kind of objective",
        "desirability_reached_above_one": "in a unit of its own, by the goal",
        "constraint_zero_factor": "a factor is any number",
        "until_empty": "at least one of several keys",
        "limit_without_bound": "at least one of several keys",
    }
    assert passed == set(beyond)


def test_faults_of_meaning_meet_it() -> None:
    """What only the loader knows is no red line in an editor: these files are well shaped."""
    meaning = [
        (name, valid(data, SCHEMA, SCHEMA)) for name, code, data in _corpus() if code not in STRUCTURAL
    ]
    assert sum(met for _, met in meaning) >= 0.8 * len(meaning), [name for name, met in meaning if not met]


def test_every_key_of_the_language_is_in_it() -> None:
    kinds = (space.PARAMETERS, plan.PHASES, plan.TURNS, space.ALLOWED, space.CONSTRAINTS)
    for entry in (entry for kind in kinds for entry in kind.values()):
        properties = SCHEMA["$defs"][entry.__name__]["properties"]
        assert set(properties) == {field.alias or name for name, field in entry.model_fields.items()}


def test_null_has_no_place_in_it() -> None:
    assert '"null"' not in json.dumps(SCHEMA)
