"""The funnel in the report: counts in and out, costs, regrets and correlations, against what the records say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from campaigns.load import loads
from campaigns.pool import shipped_pool
from orchestrator.crystals import Crystals
from orchestrator.records import (
    ActionRecord,
    ExperimentRecord,
    LoopRecord,
    MeasuredValue,
    ProposalRecord,
    Records,
)
from orchestrator.report.crystals import Known
from orchestrator.report.funnel import funnel_section
from orchestrator.report.funnel_counts import course, passages
from orchestrator.report.page import page
from tests.orchestrator.test_promotion import TEXT

POOL = shipped_pool("fcc_metals")
# Metal: guess (None: failed), share, energy (None: not taken up).
TOLD: dict[str, tuple[float | None, float, float | None]] = {
    "Cu": (1.0, 0.5, 2.0),
    "Ag": (None, 0.5, None),
    "Au": (3.0, 0.5, 1.5),
    "Al": (0.1, 1.4, None),  # beyond the bound
    "Ni": (5.0, 0.5, 4.0),
    "Pd": (6.0, 0.5, 6.5),
}


def experiment(number: int, metal: str, loop: str, **values: float | None) -> ExperimentRecord:
    units = {"guess": "eV", "energy": "eV", "share": ""}
    read = {n: MeasuredValue(value, units[n], None) for n, value in values.items() if value is not None}
    why = ProposalRecord(
        mode="optimise", acquisition="promote: ucb", value=None, mean=None, sd=None, model="", seed=0, read_to=0,
        rule="", fallback=None, phase=0,
    )  # fmt: skip
    lost = any(value is None for value in values.values())
    return ExperimentRecord(
        id=f"x{number:04d}", number=number, state="failed" if lost else "measured",
        candidate={"metal": f"{metal}-fcc"}, proposal=why, values={} if lost else read,
        proposed_at=f"2026-01-01T00:00:{number:02d}", started_at=f"2026-01-01T00:00:{number:02d}",
        ended_at=f"2026-01-01T00:01:{number:02d}", lab_began_s=0.0, lab_ended_s=1.0,
        failure=("infeasible", "no volume in equilibrium") if lost else None, loop=loop,
        structures={f"{metal}-fcc": {"species": [metal], "lattice": [], "frac": []}},
    )  # fmt: skip


def told(**changes: Any) -> Records:
    campaign = loads(TEXT)
    quick = [
        experiment(n, metal, "quick", guess=guess, share=share)
        for n, (metal, (guess, share, _)) in enumerate(TOLD.items(), start=1)
    ]
    taken = [(metal, energy) for metal, (_, _, energy) in TOLD.items() if energy is not None]
    exact = [experiment(n, metal, "", energy=energy) for n, (metal, energy) in enumerate(taken, start=11)]
    actions = [
        ActionRecord(
            id=f"{e.id}-0", experiment=e.id, step="label", device="labeler", verb="label", args={}, state="succeeded",
            repeat="repeatable", began_s=100.0 * e.number, ended_s=100.0 * e.number + (2.0 if e.loop else 20.0),
            reason="",
        )
        for e in (*quick, *exact)
    ]  # fmt: skip
    fields: dict[str, Any] = {
        "campaign": campaign, "fingerprint": campaign.fingerprint, "lab": "bench", "reality": "simulated",
        "state": "finished", "reason": "budget", "versions": {}, "phases": (), "experiments": tuple(exact),
        "actions": tuple(actions), "events": (), "lab_elapsed_s": 100.0,
        "loops": (LoopRecord("quick", (), tuple(quick), "budget"),),
    }  # fmt: skip
    return Records(**(fields | changes))


@pytest.fixture
def crystals(tmp_path: Path) -> Crystals:
    made = Crystals(tmp_path)
    made.keep([POOL])
    return made


def test_crystals_are_counted_in_and_out_of_every_stage(crystals: Crystals) -> None:
    records = told()
    funnel = records.campaign.funnel
    assert funnel is not None
    quick, exact = passages(records, Known(records, crystals), funnel)
    assert (quick.offered, quick.tried, quick.labelled, quick.failed, quick.disbelieved) == (7, 6, 4, 1, 1)
    assert (quick.taken, exact.offered, exact.tried, exact.labelled, exact.taken) == (4, 4, 4, 4, None)
    assert (quick.lab_s, quick.each_s, exact.lab_s) == (12.0, 2.0, 80.0)
    # Quick puts copper first, whose energy is 2.0; the best is gold's, 1.5. Aluminium's guess is not believed.
    assert quick.regret == pytest.approx(0.5) and exact.regret == 0.0
    assert exact.agreement is not None
    r, n = exact.agreement
    assert n == 4 and r == pytest.approx(13.0 / (14.75 * 15.5) ** 0.5)  # sums of products by hand


def test_what_was_found_is_told_over_what_was_spent(crystals: Crystals) -> None:
    records = told()
    assert records.campaign.funnel is not None
    found = course(records, records.campaign.funnel)
    told_of = [(one.spent_s, one.value, one.best) for one in found]
    assert told_of == [(32.0, 2.0, 2.0), (52.0, 1.5, 1.5), (72.0, 4.0, 1.5), (92.0, 6.5, 1.5)]


def test_the_section_says_it_in_words_and_pictures(crystals: Crystals) -> None:
    records = told()
    section = funnel_section(records, Known(records, crystals))
    assert section is not None and section.listing is not None
    assert section.lead.startswith("quick 6 → exact 3. Crystals go up by the best of mean and 2 standard")
    assert [one.key for one in section.panels] == ["funnel-stages", "funnel-course", "funnel-agreement"]
    bars = json.loads(section.panels[0].json)
    texts = " ".join(note["text"] for note in bars["layout"]["annotations"])
    assert "6 tried, 4 labels, 1 failed, 1 not believed" in texts and "12 s in all, 2 s each" in texts
    assert "r = 0.86 of 4" in section.panels[2].caption
    assert section.listing.rows[0][:7] == ("quick", "7", "6 of 6", "4", "1", "1", "4")
    assert section.notes[0].startswith("1 of quick were beyond a bound")
    text = page(records, model=None, crystals=crystals)
    assert text.count('id="funnel"') == 1 and "The funnel" in text


def test_where_the_pool_holds_the_truth_the_regret_is_the_true_one(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in POOL.path.read_text().splitlines()]
    hidden = [{**row, "values": {"energy": float(k) - 3.0}} for k, row in enumerate(rows)]  # the best is -3
    records = told()
    known = Known(records, None)
    known._values = [row["values"] for row in hidden]
    section = funnel_section(records, known)
    assert (
        section is not None
        and "The best found is 4.5 eV (150.0 %) from the best of the pool." in section.lead
    )
    assert json.loads(section.panels[1].json)["data"][0]["y"] == [-3.0, -3.0]


def test_where_there_is_no_funnel_or_nothing_was_tried(crystals: Crystals) -> None:
    empty = told(experiments=(), loops=(LoopRecord("quick", (), (), None),))
    section = funnel_section(empty, Known(empty, crystals))
    assert section is not None and section.missing == "Nothing has been tried yet."
    plain = dataclasses.replace(empty, campaign=empty.campaign.model_copy(update={"funnel": None}))
    assert funnel_section(plain, Known(plain, crystals)) is None
