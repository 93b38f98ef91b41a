"""What the planner of routes is told: phases from the log up to what the question has read, and where energies are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from campaigns.errors import CampaignError
from campaigns.plan import Phase
from orchestrator.advice import Adviser, question
from orchestrator.backtest.variants import Setup, variants
from orchestrator.brain.child import answer
from orchestrator.decision import Ask
from orchestrator.errors import Refused
from orchestrator.events import Event
from orchestrator.export import export
from orchestrator.log.sqlite import SqliteLog
from orchestrator.prepare import prepare
from orchestrator.report.listing import rows
from orchestrator.routes import Routes, chooses_routes, energies_of
from tests.orchestrator import records_fake
from tests.orchestrator.backtesting import own
from tests.orchestrator.builders import bound, campaign, enter, opened, proposal
from tests.orchestrator.logs import PROPOSAL, Writer

TABLES = Path(__file__).resolve().parents[2].parent / "shared/data/materials/mp_chemsys_entries"
PHOSPHATES = TABLES / "fe_li_o_p.jsonl.gz"
NEEDS_TABLE = pytest.mark.skipif(
    not PHOSPHATES.exists(), reason=f"the calculated entries are not at {PHOSPHATES}"
)
TABLED = {"table": PHOSPHATES}
ROUTES = """\
alquimia: 1
campaign: routes
space:
  mixture: {categorical: [2 MnO + Na2O2, Mn2O3 + Na2O]}
  fired: {ordinal: [600, 800], unit: degC}
synthesis: {target: NaMnO2, precursors: mixture, temperature: fired}
objectives:
  - {maximise: purity}
recipe:
  - {id: see, do: table.measure, with: {mixture: $mixture, fired: $fired}, gives: {purity: yield}}
plan:
  - {optimise: pairwise_reactions}
budget: {experiments: 8}
lab: own
"""


def proposed(n: int, **candidate: Any) -> Event:
    body = {"number": n, "candidate": candidate, "proposal": PROPOSAL}
    return Event(f"x{n}", "experiment.proposed", body)


def did(n: int, step: str, record: dict[str, Any], attempt: int = 1) -> list[Event]:
    name = f"x{n}.{step}.{attempt}"
    body = {
        "experiment": f"x{n}", "step": 0, "device": "xrd", "verb": "measure", "args": {}, "sample": f"x{n}",
        "repeat": "repeatable", "attempt": attempt, "deadline_s": 60.0,
    }  # fmt: skip
    done = {"reason": "", "began_s": 0.0, "ended_s": 1.0, **({"record": record} if record else {})}
    return [Event(name, "action.intended", body), Event(name, "action.succeeded", done)]


def seen(**fractions: float) -> dict[str, Any]:
    return {"phases": {f: {"fraction": x, "sigma": 0.01} for f, x in fractions.items()}, "complete": True}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    store = SqliteLog(path, reality="simulated")
    Writer(store).write(
        Event("campaign", "campaign.opened", {"reason": ""}),  # 1
        proposed(1, m="a", t=800.0),
        proposed(2, m="b", t=800.0),
        *did(1, "dose", {}),  # 4, 5
        *did(1, "see", seen(NaMnO2=0.25, MnO=0.75)),  # 6, 7
        *did(2, "see", seen(MnO=1.0)),  # 8, 9
        *did(2, "see", seen(MnO=0.5, Na2O=0.5), attempt=2),  # 10, 11
        proposed(3, m="c", t=900.0),
    )
    store.close()
    return path


def test_phases_stand_in_the_log_and_are_read_as_far_as_the_question_has(log: Path) -> None:
    a = {"candidate": {"m": "a", "t": 800.0}, "phases": {"NaMnO2": 0.25, "MnO": 0.75}}
    routes = Routes(log, "entries.jsonl.gz")
    assert routes.told(6) == {"records": [], "energies": "entries.jsonl.gz"}
    assert routes.told(7)["records"] == [a]
    first = {"candidate": {"m": "b", "t": 800.0}, "phases": {"MnO": 1.0}}
    assert routes.told(9)["records"] == [a, first]
    # Of what was looked at twice the last counts; whoever reads all at once reads the same.
    last = {**first, "phases": {"MnO": 0.5, "Na2O": 0.5}}
    assert routes.told(99)["records"] == [a, last]
    assert Routes(log, "x").told(12)["records"] == [a, last]


class Oracle:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def ask(self, request: dict[str, Any], *, within_s: float) -> Any:
        self.asked.append(request)
        return {"proposals": [{**proposal(), "candidate": {"fraction": 0.5}}], "diagnostics": None}


@pytest.mark.parametrize(("method", "told"), [("pairwise_reactions", True), ("ucb", False)])
async def test_only_a_method_that_chooses_routes_is_told(log: Path, method: str, told: bool) -> None:
    plan = (Phase(mode="explore", method="sobol", experiments=1), Phase(mode="optimise", method=method))
    # Built without its checks: the bench makes no solids, and nothing but the method is looked at here.
    the_bound = bound()
    the_campaign = the_bound.campaign.model_copy(update={"plan": plan})
    written = opened(the_bound)
    for index in range(2):
        enter(written, index, the_bound)
    ask = Ask(1, 1, "because", 9, 0, False)
    oracle = Oracle()
    adviser = Adviser(oracle, routes=Routes(log, "entries"))  # type: ignore[arg-type]
    asked = question(ask, written.state, the_campaign)
    assert "records" not in asked
    await adviser.advise(ask, asked, the_campaign)
    (request,) = oracle.asked
    assert ("records" in request, "energies" in request) == (told, told)
    assert not told or len(request["records"]) == 2


async def test_a_log_that_cannot_be_read_is_a_planner_that_fails(tmp_path: Path) -> None:
    the_campaign = campaign(plan=(Phase(mode="explore", method="sobol"),))
    phase = Phase(mode="optimise", method="pairwise_reactions")
    the_campaign = the_campaign.model_copy(update={"plan": (phase,)})
    written = opened(bound())
    enter(written, 0, bound())
    ask = Ask(0, 2, "because", 1, 0, False)
    adviser = Adviser(Oracle(), routes=Routes(tmp_path / "gone.db", "entries"))  # type: ignore[arg-type]
    advice = await adviser.advise(ask, question(ask, written.state, the_campaign), the_campaign)
    assert "the log could not be read" in advice.failure and len(advice.proposals) == 2


@NEEDS_TABLE
def test_the_shipped_campaign_has_its_energies_and_is_no_backtest() -> None:
    ready = prepare("solid_state_routes", tables=TABLED)
    assert chooses_routes(ready.campaign) and energies_of(ready.laboratory) == str(PHOSPHATES)
    setup = Setup("solid_state_routes", tables=tuple(TABLED.items()))
    with pytest.raises(Refused, match="no table of results has"):
        variants(setup)
    assert not chooses_routes(setup.bound(["plan=[{explore: random}]"]).campaign)


@NEEDS_TABLE
def test_a_powder_that_the_table_lacks_is_said_before_anything_begins() -> None:
    stranger = "4 Fe + 4 O2 + 16 LiO + 8 PO2"
    with pytest.raises(CampaignError) as refused:
        prepare("solid_state_routes", tables=TABLED, overrides=[f"space.precursors.categorical.0={stranger}"])
    (fault, *_) = refused.value.faults
    assert fault.code == "E284" and fault.path == "space.precursors.categorical[0]" and "O2" in fault.got


def test_without_a_table_of_entries_it_is_refused(tmp_path: Path) -> None:
    """A laboratory that replays measurements has no energies."""
    with pytest.raises(CampaignError) as refused:
        own(tmp_path, campaign=ROUTES).bound()
    fault = next(f for f in refused.value.faults if f.code == "E255")
    assert "table of calculated entries" in fault.wanted and "--table" in fault.cure


@NEEDS_TABLE
def test_the_brain_answers_with_the_chemistry_of_the_table() -> None:
    ready = prepare("solid_state_routes", tables=TABLED)
    names = {p.name for p in ready.campaign.space.chosen}
    request = {
        "op": "propose", "aim": ready.campaign.aim.model_dump(mode="json"), "observations": [], "pending": [],
        "n": 4, "method": {"mode": "optimise", "name": "pairwise_reactions"}, "seed": 1, "index": 0, "records": [],
        "energies": str(PHOSPHATES),
    }  # fmt: skip
    replies = [answer(json.dumps(request)) for _ in range(2)]
    assert replies[0] == replies[1]
    batch = replies[0]["proposals"]
    assert len(batch) == 4 and all(set(p["candidate"]) >= names for p in batch)
    # The largest driving force of all sets is that of the peroxide with P2O5, 0.63 eV per atom.
    assert batch[0]["candidate"]["precursors"] == "FeO + 2 Li2O2 + P2O5"
    assert batch[0]["value"] == pytest.approx(0.628, abs=0.002)
    assert [p["value"] for p in batch] == sorted((p["value"] for p in batch), reverse=True)
    assert "error" in answer(json.dumps({**request, "energies": "/nowhere.jsonl.gz"}))


def test_report_and_export_say_why_in_words(tmp_path: Path) -> None:
    records = records_fake.told(records_fake.records(20), 20, reasons=("12 meV are left", "it has begun"))
    assert dict(rows(records)[19].why)["Reasons"] == "12 meV are left; it has begun"
    assert "Reasons" not in dict(rows(records_fake.records(20))[19].why)
    export(records, tmp_path)
    table = parquet.read_table(tmp_path / "proposals.parquet").to_pylist()
    assert [row["reasons"] for row in table[18:]] == [None, "12 meV are left; it has begun"]
