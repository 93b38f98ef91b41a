"""Which variants the command line means, and other libraries in the planner's place."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from campaigns.errors import CampaignError
from orchestrator.backtest import peers
from orchestrator.backtest.choosers import OwnPlanner, other_library, rows_of
from orchestrator.backtest.peers.rows import Field, Rows
from orchestrator.backtest.play import play
from orchestrator.backtest.pool import read_pool
from orchestrator.backtest.sweep import Task, carry_out
from orchestrator.backtest.variants import Variant, counted, split, variants
from orchestrator.errors import Refused
from tests.orchestrator.backtesting import CAMPAIGN, own, shipped


def test_the_campaign_as_written_comes_first_and_random_is_always_there(tmp_path: Path) -> None:
    assert [v.label for v in variants(shipped(tmp_path))] == ["as written", "random"]


def test_another_method_keeps_its_phase_and_drops_what_it_cannot_have(tmp_path: Path) -> None:
    setup = own(tmp_path)
    written, log_ei, *_ = variants(setup, settings=["log_ei"])
    plan = setup.bound(log_ei.overrides).campaign.plan
    assert (plan[2].method, plan[2].beta, plan[2].batch) == ("log_ei", None, 2)
    assert plan[:2] == setup.bound(written.overrides).campaign.plan[:2]


def test_a_variant_that_is_the_campaign_itself_is_played_once(tmp_path: Path) -> None:
    found = variants(shipped(tmp_path), settings=["ucb"], vary=["plan[-1].beta=2,4"])
    assert [v.label for v in found] == ["as written = ucb = plan[-1].beta=2", "plan[-1].beta=4", "random"]


def test_every_value_is_a_variant_with_all_else_as_written(tmp_path: Path) -> None:
    setup = shipped(tmp_path)
    found = variants(
        setup, vary=["plan[0].experiments=2,8", "plan[-1]={optimise: ucb, beta: 4},{optimise: log_ei}"]
    )
    plans = [setup.bound(v.overrides).campaign.plan for v in found[1:5]]
    assert [(p[0].experiments, p[1].method, p[1].beta) for p in plans] == [
        (2, "ucb", 2.0), (8, "ucb", 2.0), (4, "ucb", 4.0), (4, "log_ei", None),
    ]  # fmt: skip


def test_values_are_split_at_commas_outside_brackets_and_quotes() -> None:
    assert split("1, 2,[3, 4],{a: 'x, y', b: (1,2)},\"p,q\"") == [
        "1", "2", "[3, 4]", "{a: 'x, y', b: (1,2)}", '"p,q"',
    ]  # fmt: skip


def test_indices_may_be_counted_from_the_end() -> None:
    data = {"plan": [{"turns": [1, 2, 3]}, {}]}
    assert (
        counted("plan[-1].beta", data) == "plan.1.beta"
        and counted("plan.0.turns[-3]", data) == "plan.0.turns.0"
    )
    assert counted("plan[-3].beta", data) == "plan.-3.beta", "left for the override to refuse"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"settings": ["uxb"]}, "'uxb' is no method of 'optimise'. Cure: did you mean 'ucb'?"),
        ({"against": ["baybee"]}, "Cure: did you mean 'baybe'?"),
        ({"vary": ["plan[-1].beta"]}, "write PATH=VALUE,VALUE"),
        ({"vary": ["space.blend.total=99.9,100"]}, "another question than the campaign's"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, asked: dict[str, list[str]], said: str) -> None:
    with pytest.raises(Refused, match="E523") as refused:
        variants(shipped(tmp_path), **asked)
    assert said in str(refused.value)


def test_a_variation_that_the_language_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"plan.1.bta=2.*did you mean 'beta'"):
        variants(shipped(tmp_path), vary=["plan[-1].bta=2"])


def test_a_library_that_is_not_installed_is_refused_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    for name, package in (("ax", "ax-platform"), ("baybe", "baybe"), ("optuna", "optuna")):
        with pytest.raises(Refused, match=f"E524.*pip install {package}"):
            variants(shipped(tmp_path), against=[name])


# -- a library in the planner's place -------------------------------------------------------------------------
class Greedy:
    """Asks for the open row nearest to the best it was told; keeps what it was told."""

    def __init__(self, rows: Rows, seed: int) -> None:
        self.rows, self.seed = rows, seed
        self.told: list[tuple[int, float | None]] = []
        self.asked: list[int] = []

    def ask(self, open_rows: np.ndarray) -> int:
        assert not open_rows[[row for row, _ in self.told]].any(), "a row that was asked for is not open"
        best = max(((gain, row) for row, gain in self.told if gain is not None), default=(0.0, 0))[1]
        self.asked.append(self.rows.nearest(self.rows.rows[best], open_rows))
        return self.asked[-1]

    def tell(self, row: int, gain: float | None) -> None:
        self.told.append((row, gain))


@pytest.fixture
def greedy(monkeypatch: pytest.MonkeyPatch) -> list[Greedy]:
    """Ax is installed, and it is greedy."""
    made: list[Greedy] = []

    def chooser(rows: Rows, seed: int) -> Greedy:
        made.append(Greedy(rows, seed))
        return made[-1]

    real = importlib.import_module
    monkeypatch.setattr(
        importlib, "import_module",
        lambda name: SimpleNamespace(Chooser=chooser) if name.endswith(".ax_client") else real(name),
    )  # fmt: skip
    monkeypatch.setattr(peers, "find_spec", lambda name: object())
    return made


def test_a_library_begins_with_the_rows_that_the_campaign_explores_first(
    tmp_path: Path, greedy: list[Greedy]
) -> None:
    setup = shipped(tmp_path, "budget.experiments=9")
    *_, ax = variants(setup, against=["ax"])
    theirs = carry_out(Task(setup, ax, 6))
    ours = play(setup.bound(), 6, OwnPlanner())
    assert theirs.candidates[:4] == ours.candidates[:4] and len(theirs.candidates) == 9
    pool = read_pool(setup.bound())
    assert greedy[0].seed == 6 and greedy[0].asked == [pool.place(c) for c in theirs.candidates[4:]]
    assert [gain for _, gain in greedy[0].told] == list(theirs.values[:8]), "told everything but the last"
    assert len(set(map(str, theirs.candidates))) == 9


def test_a_library_is_told_gains_of_a_minimum_and_asks_until_no_row_is_left(
    tmp_path: Path, greedy: list[Greedy]
) -> None:
    campaign = CAMPAIGN.replace("maximise", "minimise").replace("experiments: 18", "experiments: 90")
    setup = own(tmp_path, campaign=campaign, replicates="mean")
    bound = setup.bound(("plan=[{explore: random}]",))
    pool = read_pool(bound)
    played = play(bound, 0, other_library("ax", pool, setup.bound().campaign, 0))
    assert sorted(pool.place(c) for c in played.candidates) == list(range(54))
    assert played.reason == "space: every row of the table was asked for"
    assert all(gain == pytest.approx(-pool.values[row]) for row, gain in greedy[0].told if gain is not None)


def test_rows_by_design_are_a_campaign_of_their_own(tmp_path: Path) -> None:
    setup = shipped(tmp_path, "budget.experiments=6")
    sobol = carry_out(Task(setup, Variant("sobol", ("plan=[{explore: sobol}]",)), 2))
    assert sobol.candidates[:4] == carry_out(Task(setup, Variant("as written"), 2)).candidates[:4]


# -- rows as libraries see them -------------------------------------------------------------------------------
ROWS = Rows(
    [
        Field("T", "number", 0, 100),
        Field("c", "number", 0.01, 100, log=True),
        Field("s", "choice", choices=("a", "b")),
    ],
    [{"T": t, "c": c, "s": s} for t in (0.0, 100.0) for c in (0.01, 1.0, 100.0) for s in ("a", "b")],
)


def test_a_proposal_is_snapped_to_the_nearest_open_row() -> None:
    open_rows = np.ones(12, bool)
    near = {"T": 10.0, "c": 5.0, "s": "b"}
    first = ROWS.nearest(near, open_rows)
    assert ROWS.rows[first] == {"T": 0.0, "c": 1.0, "s": "b"}, "5 is nearer to 1 than to 100 by its ratio"
    open_rows[first] = False
    assert ROWS.rows[ROWS.nearest(near, open_rows)] == {"T": 0.0, "c": 100.0, "s": "b"}
    with pytest.raises(ValueError, match="no row is open"):
        ROWS.nearest(near, np.zeros(12, bool))


def test_fields_have_the_bounds_of_the_table_and_what_never_varies_is_none(tmp_path: Path) -> None:
    setup = own(tmp_path)
    table = tmp_path / "history.csv"
    head, *lines = table.read_text().splitlines()
    table.write_text(
        "\n".join([head, *(line for line in lines if line[:3] not in ("5,2", "93,") and ",2," in line)])
    )
    rows = rows_of(read_pool(setup.bound()))
    assert rows.fields == (
        Field("T", "number", 16.0, 82.0),
        Field("solvent", "choice", choices=("water", "ethanol")),
    )
    assert set(rows.rows[0]) == {"T", "solvent"}


@pytest.mark.parametrize("name", peers.PEERS)
def test_an_installed_library_keeps_the_contract(name: str) -> None:
    if importlib.util.find_spec(peers.PEERS[name].imports) is None:
        pytest.skip(f"{name} is not installed: pip install {peers.PEERS[name].package}")
    value = np.array(
        [row["T"] / 100 + (row["s"] == "b") - abs(np.log10(float(row["c"]))) for row in ROWS.rows]
    )
    asked: list[list[int]] = []
    for _ in range(2):
        peer: Any = peers.make(name, ROWS, 3)
        open_rows = np.ones(12, bool)
        asked.append([])
        for step in range(9):
            row = step if step < 3 else peer.ask(open_rows)
            assert open_rows[row]
            open_rows[row] = False
            peer.tell(row, None if step == 1 else float(value[row]))
            asked[-1].append(row)
    assert asked[0] == asked[1], "all chance comes from the seed"
