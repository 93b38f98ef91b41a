"""From YAML to a Campaign: what each section means, and every fault at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path

import pytest

from campaigns.campaign import METHODS, Quantity, Reference
from campaigns.errors import CampaignError, Fault
from campaigns.load import load, loads
from campaigns.plan import PARETO_METHODS, ROUTE_METHODS
from campaigns.space import Continuous, Fixed

Bend = Callable[..., str]
Faults = Callable[..., tuple[Fault, ...]]
X = "x: {continuous: [0, 1]}"
T = "t: {continuous: [300, 500], unit: K}"


def test_bounds_with_units_are_converted_to_the_declared_unit(bent: Bend) -> None:
    text = bent((T, "t: {continuous: [80 degC, '400 K'], unit: K}"))
    t = loads(text).space.parameter("t")
    assert isinstance(t, Continuous)
    assert t.low == pytest.approx(353.15) and t.high == 400.0 and t.unit == "K"


def test_arguments_are_references_quantities_or_values(bent: Bend) -> None:
    text = bent(
        (
            "temperature: $t}",
            "temperature: $t, speed: 2000 rpm, n: 3, f: 1.5, on: true, gas: argon, vial: {text: 96 well}}",
        )
    )
    step = loads(text).recipe[0]
    assert (step.device, step.verb, step.gives) == ("rig", "run", {"y": "reading"})
    assert step.arguments == {
        "x": Reference(parameter="x"),
        "temperature": Reference(parameter="t"),
        "speed": Quantity(value=2000.0, unit="rpm"),
        "n": 3,
        "f": 1.5,
        "on": True,
        "gas": "argon",
        "vial": "96 well",
    }


@pytest.mark.parametrize(
    ("written", "value", "unit"),
    [
        ("80 degC", 80.0, "degC"),
        ("argon", "argon", ""),
        ("96 well plate", "96 well plate", ""),
        ("true", True, ""),
        ("3", 3, ""),
    ],
)
def test_fixed_values(bent: Bend, written: str, value: object, unit: str) -> None:
    fixed = loads(bent((X, X + f"\n  f: {{fixed: {written}}}"))).space.parameter("f")
    assert isinstance(fixed, Fixed)
    assert (fixed.value, fixed.unit) == (value, unit) and type(fixed.value) is type(value)


def test_budget_limits_and_schedule(base: str) -> None:
    campaign = loads(
        base
        + "limits:\n  rig.temperature: {at_most: 500 K, at_least: 20 degC}\n  rig.run.pressure: {at_most: 3}\n"
        + "schedule:\n  start: 2026-12-01T08:00+01:00\n  quiet_hours: {from: 22:00, to: 06:00, zone: Europe/Zurich}\n",
        overrides=[
            "budget.duration=12 h",
            "budget.failures=0",
            "plan.0.timeout=30 min",
            "plan.1.until={reached: 0.5}",
        ],
    )
    assert (campaign.budget.duration_s, campaign.budget.failures) == (43200.0, 0)
    assert campaign.plan[0].timeout_s == 1800.0
    assert campaign.plan[1].until is not None and campaign.plan[1].until.reached == 0.5
    first, second = campaign.limits
    assert (first.device, first.verb, first.argument, first.key) == (
        "rig",
        None,
        "temperature",
        "rig.temperature",
    )
    assert first.at_least == Quantity(value=20.0, unit="degC")
    assert (second.verb, second.at_most, second.key) == (
        "run",
        Quantity(value=3.0, unit=""),
        "rig.run.pressure",
    )
    assert campaign.schedule.start == datetime(2026, 12, 1, 8, tzinfo=timezone(timedelta(hours=1)))
    quiet = campaign.schedule.quiet_hours
    assert quiet is not None and (quiet.begins, quiet.ends) == (time(22), time(6))
    assert quiet.covers(datetime(2026, 12, 1, 22, 30, tzinfo=UTC))  # 23:30 in Zurich
    assert not quiet.covers(datetime(2026, 12, 1, 12, tzinfo=UTC))


def test_what_is_reached_is_in_the_unit_of_the_objective(base: str) -> None:
    until = loads(base, overrides=["plan.1.until.reached=0.5 dimensionless"]).plan[1].until
    assert until is not None and until.reached == pytest.approx(50.0)


def test_every_method_can_be_asked_for(base: str) -> None:
    for mode, methods in METHODS.items():
        for method in methods:
            plan = [] if mode == "explore" else ["{explore: sobol, experiments: 4}"]
            level = ", level: 50 %" if method == "straddle" else ""
            text = ", ".join([*plan, f"{{{mode}: {method}{level}}}"])
            crystal = [
                "goal=hull",
                "objectives=[{minimise: y, unit: eV}]",
                "space={c: {material: fcc_metals}}",
                "recipe.0.with={c: $c}",
            ]
            two = ["goal=pareto", "objectives=[{maximise: y}, {minimise: z}]", "recipe.0.gives.z=other"]
            routes = [
                "space={m: {categorical: [2 MnO + Na2O2, Mn2O3 + Na2O]}, t: {ordinal: [300, 500], unit: K}}",
                "synthesis={target: NaMnO2, precursors: m, temperature: t}",
                "recipe.0.with={m: $m, t: $t}",
            ]
            goal = two if method in PARETO_METHODS else crystal if method == "probability" else []
            goal = routes if method in ROUTE_METHODS else goal
            phase = loads(base, overrides=[*goal, f"plan=[{text}]"]).plan[-1]
            assert (phase.mode, phase.method, phase.level) == (mode, method, 50.0 if level else None)


def test_all_faults_at_once_in_the_order_of_the_file(bent: Bend, faults: Faults) -> None:
    """Shape and meaning, in every section, with one section beyond reading."""
    found = faults(
        bent(
            ("campaign: small", "campaign: no/path"),
            (X, "x: {continuous: [1, 0]}\n  z: {continous: [0, 1]}"),
            ("unit: K", "unit: Kk"),
            ("{maximise: y, unit: '%'}", "{maximise: why}"),
            ("$t", "$temperature"),
            ("plan:\n  - {explore: sobol, experiments: 5}\n  - {optimise: ucb}", "plan: later"),
            ("experiments: 20", "experiments: 20, failures: none"),
            ("simulated/rig", "/dev/rig"),
        )
        + "limits: {oven.heat: {at_most: 3}}\nschedule: {start: soon}\n"
    )
    assert [fault.code for fault in found] == [
        "E204", "E212", "E201", "E214", "E240", "E210", "E203", "E203", "E204", "E260", "E270",
    ]  # fmt: skip
    assert [fault.line for fault in found] == [2, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15]
    with pytest.raises(CampaignError, match=r"f\.yaml:4:19 E212(.|\n)*f\.yaml:15:19 E270"):
        raise CampaignError(found)


def test_a_reference_to_a_broken_parameter_is_not_called_unknown(bent: Bend, faults: Faults) -> None:
    (fault,) = faults(bent((X, "x: {continuous: [0]}")))
    assert (fault.code, fault.path) == ("E207", "space.x.continuous")


def test_a_broken_rule_does_not_make_later_phases_unreachable(bent: Bend, faults: Faults) -> None:
    text = bent(("  - {optimise: ucb}", "  - {learn: variance, until: {calibrated: 2}}\n  - {optimise: ucb}"))
    assert [fault.code for fault in faults(text)] == ["E204"]


@pytest.mark.parametrize(
    "section",
    ["space", "objectives", "recipe", "plan", "budget", "constraints", "allowed", "limits", "schedule"],
)
@pytest.mark.parametrize(
    "value", ["5", "text", "[]", "{}", "[[]]", "{a: {b: c}}", "[{}]", "[a]", "true", "~"]
)
def test_no_shape_of_a_section_crashes(base: str, section: str, value: str) -> None:
    try:
        loads(base, overrides=[f"{section}={value}"])
    except CampaignError as error:
        assert error.faults


def test_did_you_mean(bent: Bend, faults: Faults) -> None:
    (fault,) = faults(bent(("budget: {experiments: 20}", "budget: {experiments: 20, durations: 3 h}")))
    assert fault.cure == "did you mean 'duration'?"


# --- overrides


def test_overrides_follow_the_rules_of_the_file(base: str) -> None:
    campaign = loads(
        base,
        overrides=[
            "budget.experiments=10",
            "space.x.continuous=[10,100]",
            "plan.1.batch=2",
            "plan[0].experiments=4",
            "seed=3",
            "space.s.categorical=[a, b]",
            "recipe.0.with.s=$s",
            "limits.rig.temperature.at_most=500 K",
            "budget.experiments=12",
        ],
    )
    x = campaign.space.parameter("x")
    assert isinstance(x, Continuous) and (x.low, x.high) == (10.0, 100.0)
    assert (
        campaign.budget.experiments,
        campaign.plan[1].batch,
        campaign.plan[0].experiments,
        campaign.seed,
    ) == (12, 2, 4, 3)
    assert "s" in campaign.space.names


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("budget.experiments", "E290"),
        ("=3", "E290"),
        ("plan.9.batch=2", "E291"),
        ("plan.x.batch=2", "E291"),
        ("budget.experiments.most=2", "E291"),
        ("budget.experiments=[", "E104"),
        ("budget.experiments=!!int 3", "E105"),
        ("budget.experiments=many", "E203"),
        ("budgt.experiments=3", "E201"),
        ("budget.experiments=", "E111"),
        ("space.x.continuous=[5, 1]", "E212"),
        (".".join("a" * 50) + "=1", "E291"),
    ],
)
def test_faults_of_an_override_name_it_in_place_of_a_line(
    base: str, faults: Faults, override: str, code: str
) -> None:
    fault = faults(base, overrides=[override])[0]
    assert (fault.code, fault.line, fault.file) == (code, None, f"--set {override}")
    assert fault.render().startswith(f"--set {override} {code}")


def test_overrides_change_only_the_copy(base: str) -> None:
    assert loads(base, overrides=["seed=3"]).fingerprint != loads(base).fingerprint == loads(base).fingerprint


# --- sources


def test_files_and_names(tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(base)
    assert load(path) == load(str(path)) == loads(base)
    monkeypatch.chdir(tmp_path)
    assert load("instant").name == "instant"
    assert load("my.yaml").name == "small"


@pytest.mark.parametrize("source", ["thin_flim", "nowhere/at_all.yaml", "/", "a\0b", ""])
def test_a_source_that_cannot_be_read_is_a_fault(source: str) -> None:
    with pytest.raises(CampaignError) as refused:
        load(source)
    (fault,) = refused.value.faults
    assert fault.code == "E100"
    if source == "thin_flim":
        assert "thin_film" in fault.cure
