"""A backtest and a run are the same campaign: what is proposed, measured and decided does not differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.backtest.choosers import OwnPlanner
from orchestrator.backtest.play import Played, play
from orchestrator.backtest.pool import read_pool
from orchestrator.backtest.variants import Setup
from orchestrator.errors import Refused
from orchestrator.history import read_records
from orchestrator.records import Records
from tests.orchestrator.backtesting import CAMPAIGN, own, shipped, write
from tests.orchestrator.laboratory import alquimia

MEASURED = Path(__file__).resolve().parents[3] / "shared" / "data" / "bo" / "p3ht_cnt" / "data.csv"


def run(setup: Setup, seed: int, folder: Path) -> Records:
    """`alquimia run` on the same table with the same seed."""
    log = folder / f"{seed}" / "log.db"
    lab = () if setup.lab is None else ("--lab", str(setup.lab))
    [(_, table)] = setup.tables
    overrides = [word for text in setup.overrides for word in ("--set", text)]
    done = alquimia(
        "run", setup.source, "--table", str(table), "--seed", str(seed), "--store", f"sqlite:///{log}", *lab,
        *overrides, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return read_records(log)


def same(played: Played, records: Records, objective: str) -> None:
    shown = [e for e in records.experiments if e.state != "rejected"]
    assert [dict(c) for c in played.candidates] == [dict(e.candidate) for e in shown]
    assert list(played.values) == [e.values[objective].value if e.values else None for e in shown]
    assert played.reason == records.reason


@pytest.mark.slow
def test_a_backtest_proposes_what_a_run_proposes(tmp_path: Path) -> None:
    setup = shipped(tmp_path, "budget.experiments=14")
    same(play(setup.bound(), 3, OwnPlanner()), run(setup, 3, tmp_path), "conductivity")


@pytest.mark.slow
def test_batches_rules_on_the_model_and_drawn_replicates_are_the_same_too(tmp_path: Path) -> None:
    setup = own(tmp_path)
    records = run(setup, 2, tmp_path)
    assert [phase.mode for phase in records.phases] == ["explore", "learn", "optimise"]
    assert "calibrated" in records.phases[2].rule, "the rule on the model must be what ends the phase"
    played = play(setup.bound(), 2, OwnPlanner())
    same(played, records, "yield")
    pool = read_pool(setup.bound())
    means = [pool.values[pool.place(c)] for c in played.candidates]
    assert all(value != mean for value, mean in zip(played.values, means, strict=True)), "drawn, not averaged"


@pytest.mark.slow
def test_on_the_measured_table_too(tmp_path: Path) -> None:
    if not MEASURED.exists():
        pytest.skip(f"the measured table is not at {MEASURED}")
    setup = Setup("p3ht_cnt", None, ("budget.experiments=20",), (("table", MEASURED),))
    same(play(setup.bound(), 1, OwnPlanner()), run(setup, 1, tmp_path), "conductivity")


def test_a_seed_is_a_sequence(tmp_path: Path) -> None:
    bound = shipped(tmp_path, "budget.experiments=8").bound()
    first, again, other = (play(bound, seed, OwnPlanner()) for seed in (0, 0, 1))
    assert first.candidates == again.candidates and first.values == again.values
    assert first.candidates != other.candidates


def test_a_campaign_that_has_asked_for_every_row_ends(tmp_path: Path) -> None:
    bound = own(tmp_path, campaign=CAMPAIGN.replace("experiments: 18", "experiments: 500")).bound()
    played = play(bound, 0, OwnPlanner())
    assert len(played.candidates) == len(read_pool(bound)) == 54
    assert played.reason.startswith("space: ")


def test_a_row_that_the_instrument_does_not_have_is_a_failed_experiment(tmp_path: Path) -> None:
    setup = own(tmp_path, replicates="mean")
    [(_, table)] = setup.tables
    lines = table.read_text().splitlines()
    fewer = write(
        tmp_path / "fewer.csv", tuple(lines[0].split(",")), [tuple(x.split(",")) for x in lines[13:]]
    )
    lab = tmp_path / "lab.yaml"
    lab.write_text(lab.read_text().replace("table: null", f"table: {fewer}"))
    bound = setup.bound()
    pool = read_pool(bound)
    unknown = [i for i, value in enumerate(pool.values) if value != value]
    assert len(unknown) == 4 and not pool.top[unknown].any() and pool.top.sum() == 3
    whole = Setup(
        setup.source, lab, ("plan=[{explore: sobol}]", "budget.experiments=54"), setup.tables
    ).bound()
    played = play(whole, 0, OwnPlanner())
    failed = {
        pool.place(c) for c, value in zip(played.candidates, played.values, strict=True) if value is None
    }
    assert failed == set(unknown)


# -- the truth ------------------------------------------------------------------------------------------------
def test_the_truth_of_a_row_is_the_mean_of_its_replicates_in_the_objectives_unit(tmp_path: Path) -> None:
    campaign = CAMPAIGN.replace('{maximise: yield, unit: "%"}', '{minimise: yield, unit: ""}')
    setup = own(tmp_path, campaign=campaign)
    pool = read_pool(setup.bound())
    [(_, table)] = setup.tables
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    place = pool.place({"T": 49.0, "k": 2, "solvent": "ethanol"})
    measured = [float(r[3]) for r in rows if r[:3] == ["49", "2", "ethanol"]]
    assert len(measured) == 3
    assert pool.values[place] == pytest.approx(sum(measured) / 3, rel=1e-12)
    assert pool.noise == pytest.approx(2.0, rel=0.25)
    best = min(pool.values)
    assert pool.top.sum() == 3 and pool.top[list(pool.values).index(best)], (
        "the lowest are the best of a minimum"
    )


def test_what_cannot_be_judged_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="E520 coater, dispenser, furnace, probe"):
        read_pool(Setup("thin_film").bound())
    lines = [line for line in CAMPAIGN.splitlines() if not line.startswith("allowed")]
    with pytest.raises(Refused, match="E521"):
        read_pool(own(tmp_path, campaign="\n".join(lines)).bound())
    two = own(tmp_path).bound()
    objectives = two.campaign.objectives * 2
    object.__setattr__(two, "campaign", two.campaign.model_copy(update={"objectives": objectives}))
    with pytest.raises(Refused, match="E522 history seeks yield, yield"):
        read_pool(two)
