"""The shipped laboratory that counts its powders: what the log says was used is what physically left the bottles."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from orchestrator.lab import fold
from orchestrator.log.sqlite import LogReader
from tests.orchestrator.laboratory import alquimia

ENTRIES = Path(__file__).resolve().parents[3] / "shared" / "data" / "materials" / "mp_chemsys_entries"
ENTRIES /= "cl_mn_na_o_y.jsonl.gz"


@pytest.mark.skipif(not ENTRIES.exists(), reason=f"the calculated entries are not at {ENTRIES}")
def test_the_dosers_word_counts_and_is_the_truth(tmp_path: Path) -> None:
    """Against the tally of the simulated world, which no engine writes."""
    store = f"sqlite:///{tmp_path}/log.db"
    sizes = ("plan[0].experiments=4", "budget.experiments=5", "plan[0].batch=4")
    args = [text for size in sizes for text in ("--set", size)]
    done = alquimia("run", "solid_state", "--table", str(ENTRIES), *args, "--store", store, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with LogReader(tmp_path / "log.db") as log:
        state = fold(log.events())
    left: dict[str, float] = defaultdict(float)
    (tally,) = tmp_path.glob("hosts/*/world/tally.jsonl")
    for line in tally.read_text().splitlines():
        effect = json.loads(line[line.index("{") :])["effect"]
        if effect["what"] == "dose":
            left[effect["precursor"]] += effect["grams"]
    powders = {name: one.used for name, one in state.stock.items() if one.unit == "g" and one.used}
    assert powders == pytest.approx(dict(left)) and len(powders) >= 2
    doses = [a for a in state.actions.values() if a.verb == "dose_mixture"]
    assert any(a.used[name] != pytest.approx(a.reserves[name]) for a in doses for name in a.reserves)
    assert state.stock["argon"].used == pytest.approx(5 * 120.0) and state.stock["crucibles"].used == 5
