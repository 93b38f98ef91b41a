"""The world outlives its process: whatever a kill leaves, no whole fact is lost and none made up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import WorldCorrupt, WorldError, WorldInUse, WorldMismatch
from drivers.sim.randomness import chance, wander
from drivers.sim.tally import Tally, read_facts
from drivers.sim.world import TALLY, World
from tests.drivers.laboratory import FilmLab, request


def filled(path: Path, n: int = 4) -> bytes:
    tally = Tally(path)
    for i in range(n):
        tally.append(
            action=f"a{i}",
            device="dispenser",
            verb="mix",
            sample="s1",
            at_s=20.0 * i,
            args={"solvent": "toluene", "note": 'a "quoted"\nnewline é'},
            effect={"what": "dose", "dopant_fraction": 0.1 + i, "solvent": "toluene"},
        )
    tally.close()
    return path.read_bytes()


def test_cut_at_every_byte_it_opens_again_without_losing_a_whole_line(tmp_path: Path) -> None:
    data = filled(tmp_path / "whole")
    ends = [i for i in range(len(data)) if data[i : i + 1] == b"\n"]  # a line is whole without its newline
    path = tmp_path / "cut"
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        whole = sum(end <= size for end in ends)
        assert len(read_facts(path)) == whole
        tally = Tally(path)
        assert len(tally.facts) == whole
        tally.append(action="next", device="d", verb="v", sample=None, at_s=1.0, args={}, effect={})
        tally.close()
        assert [fact.n for fact in read_facts(path)] == list(range(1, whole + 2))
        assert all(json.loads(line) for line in path.read_text().splitlines())


def test_one_fact_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: (written.append(data), write(file, data))[1])
    filled(tmp_path / "tally", 3)
    assert len(written) == 3
    assert all(data.endswith(b"\n") and data.count(b"\n") == 1 for data in written)


def test_a_line_written_by_half_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = filled(tmp_path / TALLY, 2)
    tally = Tally(tmp_path / TALLY)
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
    with pytest.raises(OSError, match="disk full"):
        tally.append(action="x", device="d", verb="v", sample=None, at_s=1.0, args={}, effect={})
    monkeypatch.undo()
    assert (tmp_path / TALLY).read_bytes() == data
    assert tally.append(action="x", device="d", verb="v", sample=None, at_s=1.0, args={}, effect={}).n == 3
    tally.close()


@pytest.mark.parametrize("bad", [b"{}\n", b"not json\n", b'{"n":9}\n', b"\n"])
def test_damage_in_the_middle_is_told_and_nothing_is_changed(tmp_path: Path, bad: bytes) -> None:
    lines = filled(tmp_path / TALLY).splitlines(keepends=True)
    damaged = lines[0] + bad + lines[1]
    (tmp_path / TALLY).write_bytes(damaged)
    with pytest.raises(WorldCorrupt, match=r":2: this line is not fact 2"):
        Tally(tmp_path / TALLY)
    assert (tmp_path / TALLY).read_bytes() == damaged
    with pytest.raises(WorldCorrupt):  # and the failed opening did not keep the lock
        Tally(tmp_path / TALLY)


def test_a_lost_line_is_noticed(tmp_path: Path) -> None:
    lines = filled(tmp_path / TALLY).splitlines(keepends=True)
    (tmp_path / TALLY).write_bytes(lines[0] + lines[2])
    with pytest.raises(WorldCorrupt, match="not fact 2"):
        Tally(tmp_path / TALLY)


def test_a_world_has_one_writer(tmp_path: Path) -> None:
    world = World(tmp_path, model="bench")
    with pytest.raises(WorldInUse, match="one host"):
        World(tmp_path, model="bench")
    assert read_facts(tmp_path / TALLY) == ()  # reading needs no lock
    world.close()
    world.close()
    World(tmp_path, model="bench").close()


KILLED = """
import os, sys, signal
from pathlib import Path
from drivers.protocol import Action
from drivers.sim.world import World
world = World(Path(sys.argv[1]), model="bench")
action = Action(id="a", device="bench", verb="step_b", sample="s", epoch=1)
while True:
    n = world.record(action, at_s=1.0, effect={"what": "step_b"}).n
    if n == 1:
        print("up", flush=True)
"""


def test_kill_minus_nine_leaves_whole_lines_and_no_lock(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    with pytest.raises(WorldInUse):
        World(tmp_path, model="bench")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    data = (tmp_path / TALLY).read_bytes()
    assert data.endswith(b"\n")
    world = World(tmp_path, model="bench")
    assert len(world.facts) == data.count(b"\n") >= 1
    world.close()


def test_a_directory_holds_one_world_for_good(tmp_path: Path) -> None:
    World(tmp_path, model="thin_film", seed=1).close()
    for other in ({"model": "thin_film", "seed": 2}, {"model": "bench", "seed": 1}):
        with pytest.raises(WorldMismatch, match="Take another directory"):
            World(tmp_path, **other)  # type: ignore[arg-type]
    World(tmp_path, model="thin_film", seed=1, settings={"noise": 0.0}).close()


def test_unknown_models_and_settings_are_told(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="there are ada, bench, solid_state, thin_film"):
        World(tmp_path, model="atlantis")
    with pytest.raises(WorldError, match="noise"):
        World(tmp_path, model="thin_film", settings={"noise": -1.0})
    assert list(tmp_path.iterdir()) == []


async def test_reopened_it_is_the_same_world_at_the_same_time(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    await lab.make("s1")
    await lab.make("s2", solvent="anisole")
    lab.world.close()
    again = FilmLab(tmp_path)
    assert again.world.state.samples == lab.world.state.samples
    assert again.world.state.furnaces == lab.world.state.furnaces
    assert again.clock.now() == lab.clock.now() > 0
    again.world.close()


async def test_a_fact_that_the_model_does_not_know_is_corruption(tmp_path: Path) -> None:
    lab = FilmLab(tmp_path)
    with pytest.raises(WorldCorrupt, match="not a fact of thin_film"):
        lab.world.record(request("furnace", "heat"), at_s=1.0, effect={"what": "melt"})
    lab.world.close()


@given(st.integers(), st.lists(st.text(), max_size=4))
def test_chance_is_fixed_by_its_key_alone(seed: int, key: list[str]) -> None:
    assert chance(seed, *key).random() == chance(seed, *key).random()
    assert chance(seed, *key).random() != chance(seed + 1, *key).random()
    assert chance(seed, *key, "more").random() != chance(seed, *key).random()


@given(st.floats(0, 1e8), st.integers(0, 50))
def test_a_wander_is_bounded_and_slow(at_s: float, seed: int) -> None:
    periods = (3600.0, 9000.0)
    here = wander(seed, "probe", at_s, periods)
    assert -1 <= here <= 1
    assert abs(wander(seed, "probe", at_s + 1, periods) - here) < 2e-3  # 2 pi / 3600 is the steepest slope
