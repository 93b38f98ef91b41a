"""The summary of `alquimia status --json`, and the numbers that page and summary share."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console
from scipy.stats import binomtest

from orchestrator import status
from orchestrator.report.findings import Coverage, best, best_so_far, coverage, predictions
from orchestrator.report.wording import duration, number, percent, uncertain, unit_text
from tests.orchestrator import records_fake as fake

# Scripts read these by name: a change here is a change of a promise.
KEYS = {
    "": [
        "format",
        "campaign",
        "fingerprint",
        "lab",
        "simulated",
        "state",
        "reason",
        "seed",
        "objectives",
        "experiments",
        "failures",
        "best",
        "phase",
        "phases",
        "coverage",
        "actions",
        "doubts",
        "running",
        "lab_elapsed_s",
        "lab_budget_s",
        "proposed_first_at",
        "ended_last_at",
        "versions",
        "goal",
        "score",
        "front",
        "constraints",
        "gate",
        "context",
        "cost",
        "hull",
        "loops",
        "stopped",
        "waits",
        "late",
        "low",
        "consumables",
    ],
    "experiments": ["planned", "proposed", "done", "measured", "failed", "rejected", "cancelled", "open"],
    "phase": ["index", "mode", "method", "entered_after", "rule"],
    "coverage": ["n", "inside", "fraction"],
    "actions": ["total", "succeeded", "failed", "in_doubt", "open"],
}
LISTED = {
    "objectives": ["name", "direction", "unit"],
    "best": ["objective", "experiment", "number", "value", "sigma", "unit", "candidate", "units", "kept"],
    "doubts": ["action", "experiment", "device", "verb", "reason"],
    "running": ["action", "experiment", "device", "verb", "began_s"],
}


def with_actions(**states: str) -> Any:
    """Five experiments whose first actions have other states than success."""
    records = fake.records(5)
    actions = list(records.actions)
    for place, state in enumerate(states.values()):
        actions[place] = fake.changed(actions[place], state=state, ended_s=None)
    return fake.changed(records, actions=tuple(actions))


def test_the_keys_are_pinned_and_documented() -> None:
    summary = status.summarise(with_actions(first="in doubt", second="intended"))
    for name, keys in KEYS.items():
        assert list(summary[name] if name else summary) == keys, name
    for name, keys in LISTED.items():
        assert list(summary[name][0]) == keys, name
    assert status.__doc__ is not None
    for keys in [*KEYS.values(), *LISTED.values()]:
        for key in keys:
            assert key in status.__doc__, key
    assert summary["format"] == 1


@pytest.mark.parametrize("n", [0, 1, 2, 40])
def test_the_summary_is_json_and_renders(n: int) -> None:
    summary = status.summarise(fake.records(n, failing=(2,), state="open"))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    console = Console(record=True, width=90, file=io.StringIO())
    console.print(status.render(summary))
    assert "SIMULATED" in console.export_text()


def test_the_numbers_are_those_of_the_records() -> None:
    records = fake.records(40, failing=(5, 30), direction="minimise")
    summary = status.summarise(records)
    values = {e.number: e.values["hole_mobility"].value for e in records.experiments if e.state == "measured"}
    found = summary["best"][0]
    assert (found["number"], found["value"]) == min(values.items(), key=lambda item: item[1])
    assert summary["experiments"] | {"planned": 60, "proposed": 40, "done": 40} == summary["experiments"]
    assert (summary["experiments"]["measured"], summary["experiments"]["failed"]) == (38, 2)
    assert summary["failures"] == {"infeasible": 2}
    assert summary["phase"]["mode"] == "optimise" and len(summary["phases"]) == 3
    assert summary["actions"]["failed"] == 2


def test_doubts_and_running_actions_are_told_by_name() -> None:
    records = with_actions(first="in doubt", second="intended")
    summary = status.summarise(records)
    assert [doubt["action"] for doubt in summary["doubts"]] == [records.actions[0].id]
    assert [action["action"] for action in summary["running"]] == [records.actions[1].id]
    console = Console(record=True, width=90, file=io.StringIO())
    console.print(status.render(summary))
    assert "IN DOUBT" in console.export_text()


def test_text_of_the_log_is_never_taken_for_console_markup() -> None:
    summary = status.summarise(fake.records(3, reason="[bold]x[/bold] [/nothing]"))
    console = Console(record=True, width=90, file=io.StringIO())
    console.print(status.render(summary))
    assert "[bold]x[/bold] [/nothing]" in console.export_text()


def test_a_real_laboratory_is_not_called_simulated() -> None:
    assert status.summarise(fake.records(2, reality="real"))["simulated"] is False


def test_best_so_far_starts_with_the_first_value_and_never_worsens() -> None:
    records = fake.records(20, failing=(1,))
    objective = records.campaign.objectives[0]
    path = best_so_far(records, objective)
    assert path[0][0] == 2
    assert [value for _, value in path] == sorted(value for _, value in path)
    leader = best(records, objective)
    assert leader is not None and path[-1][1] == leader.values["hole_mobility"].value
    assert best(fake.records(3, failing=(1, 2, 3)), objective) is None


def test_coverage_counts_the_measurement_s_own_uncertainty() -> None:
    records = fake.records(40)
    with_sigma = coverage(predictions(records))
    without = coverage(predictions(fake.records(40, sigma=False)))
    assert with_sigma.n == without.n == 32
    assert with_sigma.inside > without.inside


def test_the_interval_of_the_coverage_is_wilson_s() -> None:
    for inside, n in ((9, 10), (23, 28), (0, 3), (5, 5)):
        wanted = binomtest(inside, n).proportion_ci(0.90, method="wilson")
        assert Coverage(n, inside).bounds == pytest.approx((wanted.low, wanted.high))
    assert Coverage(0, 0).bounds is None and Coverage(0, 0).fraction is None


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [
        (0.80312, 0.0301, "0.803 ± 0.030"),
        (-12.3456, 0.5, "−12.35 ± 0.50"),
        (0.002167, 7.6e-05, "0.002167 ± 0.000076"),
        (1234.6, 67.0, "1235 ± 67"),
        (12347.0, 678.0, "12350 ± 680"),
        (0.5, None, "0.5"),
        (None, None, "–"),
        (3.2e-9, 1e-10, "3.2 × 10⁻⁹ ± 1 × 10⁻¹⁰"),
    ],
)
def test_values_are_written_to_the_digits_their_uncertainty_allows(
    value: float | None, sigma: float | None, text: str
) -> None:
    assert uncertain(value, sigma) == text


def test_numbers_units_and_durations_read_well() -> None:
    assert [number(x) for x in (0, 0.1 + 0.2, 1e-7, -2.5e8, 40, 123456.7)] == [
        "0",
        "0.3",
        "1 × 10⁻⁷",
        "−2.5 × 10⁸",
        "40",
        "123457",
    ]
    assert [unit_text(u) for u in ("cm^2/V/s", "degC", "s^-1", "K", "")] == ["cm²/V/s", "°C", "s⁻¹", "K", ""]
    assert [duration(s) for s in (0, 59.5, 60, 3661, 90000, None)] == [
        "0 s",
        "59.5 s",
        "1 min",
        "1 h 1 min",
        "1 d 1 h",
        "–",
    ]
    assert percent(0.895) == "90\u00a0%"
