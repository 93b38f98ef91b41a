"""The brain's process: killed, hanging or talking nonsense, it is gone and started anew, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from campaigns.aim import Aim
from campaigns.objective import Objective
from campaigns.space import Continuous, Space
from orchestrator.brain import client
from orchestrator.brain.client import Brain, BrainFailed
from tests.orchestrator.builders import until

OBJECTIVE = Objective(name="y", direction="maximise")
SPACE = Space(parameters=(Continuous(name="x", low=0.0, high=1.0),))
REQUEST = {
    "op": "propose", "aim": Aim(space=SPACE, objectives=(OBJECTIVE,)).model_dump(mode="json"),
    "observations": [
        {"candidate": {"x": x}, "values": {"y": {"value": -((x - 0.3) ** 2), "sigma": None}}, "failed": False}
        for x in (0.0, 0.2, 0.5, 0.9, 1.0)
    ],
    "pending": [], "n": 1, "method": {"mode": "optimise", "name": "ucb", "beta": 2.0}, "seed": 3, "index": 5,
}  # fmt: skip
LONG_S = 120.0  # a loaded machine may take its time to load torch


@pytest.fixture
async def brain(tmp_path: Path) -> AsyncIterator[Brain]:
    the_brain = Brain(tmp_path / "brain.log")
    yield the_brain
    await the_brain.close()


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the child be something else: a line of Python for each request."""

    def play(body: str) -> None:
        script = tmp_path / "child"
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        script.write_text(f"#!{sys.executable}\nimport os, sys, time\nfor line in sys.stdin:\n{lines}")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(client, "sys", SimpleNamespace(executable=str(script)))

    return play


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_it_answers_the_same_after_it_was_killed(brain: Brain) -> None:
    first = await brain.ask(REQUEST, within_s=LONG_S)
    assert 0 <= first["proposals"][0]["candidate"]["x"] <= 1
    pid = brain.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: brain.pid is None)
    assert await brain.ask(REQUEST, within_s=LONG_S) == first
    with pytest.raises(BrainFailed, match="dance"):
        await brain.ask({**REQUEST, "op": "dance"}, within_s=LONG_S)
    assert await brain.ask(REQUEST, within_s=LONG_S) == first, "an error does not cost it its life"


async def test_one_that_hangs_is_ended_when_its_time_is_up(
    brain: Brain, pretend: Callable[[str], None]
) -> None:
    pretend("time.sleep(3600)")
    await brain.start()
    pid = brain.pid
    assert pid is not None
    async with asyncio.timeout(20):
        with pytest.raises(BrainFailed, match=r"no answer within 0\.2 s"):
            await brain.ask(REQUEST, within_s=0.2)
    assert brain.pid is None
    await until(lambda: gone(pid))


NONSENSE = {
    "it dies": ("os._exit(3)", "ended with code 3"),
    "it closes its mouth and lives on": ("os.close(1); time.sleep(3600)", "no answer within"),
    "no JSON": ("print('hello', flush=True)", "broke"),
    "a list": ("print('[1]', flush=True)", "answered with a list"),
    "not a number": ("print('{\"proposals\": [NaN]}', flush=True)", "answered with NaN"),
    "half a line": ("sys.stdout.write('{'); sys.stdout.flush(); os._exit(0)", "broke"),
    "an error without a word": ("print('{\"error\": \"\"}', flush=True)", "did not say why"),
}  # fmt: skip


@pytest.mark.parametrize("what", NONSENSE)
async def test_whatever_it_says_or_does_not_say_is_a_failure_in_time(
    what: str, brain: Brain, pretend: Callable[[str], None]
) -> None:
    body, reason = NONSENSE[what]
    pretend(body)
    async with asyncio.timeout(60):
        with pytest.raises(BrainFailed, match=reason):
            await brain.ask(REQUEST, within_s=1.0 if "lives on" in what else 30.0)


async def test_warming_and_asking_at_the_same_time_start_one_child(
    brain: Brain, pretend: Callable[[str], None], tmp_path: Path
) -> None:
    started = tmp_path / "started"
    pretend("print('{}', flush=True)")
    script = tmp_path / "child"
    script.write_text(
        script.read_text().replace("for line", f"open({str(started)!r}, 'a').write('x')\nfor line", 1)
    )
    warming = asyncio.create_task(brain.start())
    assert await brain.ask(REQUEST, within_s=30.0) == {}
    await warming
    assert started.read_text() == "x"


async def test_a_question_that_is_given_up_leaves_no_answer_for_the_next(
    brain: Brain, pretend: Callable[[str], None]
) -> None:
    pretend(
        "import json; n = json.loads(line)['n']\nif n == 1: time.sleep(0.3)\nprint(json.dumps({'n': n}), flush=True)"
    )
    await brain.start()
    asking = asyncio.create_task(brain.ask({"n": 1}, within_s=30.0))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await brain.ask({"n": 2}, within_s=30.0) == {"n": 2}


def test_importing_the_brains_client_loads_no_torch() -> None:
    code = (
        "import sys, orchestrator.advice, orchestrator.brain.client; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import json; {code}"], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "botorch", "gpytorch", "pandas", "plotly"}
    assert not heavy & {name.partition(".")[0] for name in json.loads(done.stdout)}
