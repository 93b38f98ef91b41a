"""P1 to P3 under fire: fifty random kills of engine, hosts and brain, and builds that must not survive them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promises.carried import TABLE, Carried
from tests.promises.kills import SABOTAGE, Ordeal, describe


@pytest.mark.slow
def test_fifty_kills_lose_nothing_repeat_nothing_and_hide_nothing(tmp_path: Path) -> None:
    verdict = Ordeal(tmp_path, seed=1).run(kills=50)
    print(describe(verdict))  # noqa: T201  the figures are part of the result
    assert verdict.clean, (verdict.lost, verdict.repeated, verdict.silent)
    assert verdict.kills["engine"] >= 5 and verdict.kills["host"] >= 5
    assert verdict.acts >= 20, "hardly anything happened: the test would have seen nothing"


@pytest.mark.slow
@pytest.mark.parametrize("sabotage", SABOTAGE)
def test_a_broken_build_does_not_pass(tmp_path: Path, sabotage: str) -> None:
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        verdict = Ordeal(folder, seed=seed, sabotage=sabotage).run(kills=15)
        if not verdict.clean:
            return
    pytest.fail(f"{sabotage} survived 90 kills: the ordeal does not see what it should")


@pytest.mark.slow
@pytest.mark.skipif(
    not TABLE.exists(), reason=f"{TABLE.name} is not in shared/data/materials/mp_chemsys_entries"
)
def test_every_crucible_is_where_the_log_says(tmp_path: Path) -> None:
    ordeal = Carried(tmp_path, seed=2)
    verdict = ordeal.run(kills=25)
    print(describe(verdict), ordeal.n_carried)  # noqa: T201  the figures are part of the result
    assert verdict.clean, (verdict.lost, verdict.repeated, verdict.silent)
    assert verdict.kills["engine"] >= 3 and verdict.kills["host"] >= 3
    assert ordeal.n_carried >= 20, "hardly anything was carried: the test would have seen nothing"
