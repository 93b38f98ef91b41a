"""P5 in whole laboratories: of actions beyond a limit none passes the guard, and past it none reaches a driver."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from orchestrator import guard
from tests.promises.limits import LABORATORIES, TABLE, ada, broken, guarded, tried, wrong_actions


@pytest.mark.parametrize("name", LABORATORIES)
async def test_of_actions_beyond_the_limits_none_reaches_a_driver(name: str) -> None:
    if name == "simulated/solid_state" and not TABLE.exists():
        pytest.skip(f"the calculated entries are not at {TABLE}")
    with tempfile.TemporaryDirectory(prefix="alq-", dir="/tmp") as text:  # sockets need short paths
        found = await tried(LABORATORIES[name](), 600, 2, Path(text))
    assert broken(found) == []
    assert found["only the laboratory forbids"] > 20


def test_control_a_guard_that_asks_nobody_lets_them_all_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory = ada()
    wrong = list(wrong_actions(laboratory, 50, 3))
    assert all(guarded(laboratory, one) for one in wrong)
    monkeypatch.setattr(guard, "crossing", lambda value, bound: "")
    assert sum(not guarded(laboratory, one) for one in wrong) > 30
