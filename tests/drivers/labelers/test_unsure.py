"""Labels where unsure: slopes that are slopes, doubt that is earned, and who answered said in every record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms

from drivers.errors import SettingsError
from drivers.labelers.job import Ended
from drivers.labelers.unsure import UnsureLabeler
from drivers.labelers.workers.bench import Bench
from drivers.labelers.workers.crystals import record_of
from drivers.labelers.workers.learning.linear import LinearPotential
from drivers.labelers.workers.learning.memory import Memory
from drivers.labelers.workers.learning.moments import VOIGT, Moments
from drivers.labelers.workers.learning.trust import ASSUMED, FEWEST, Trust
from drivers.labelers.workers.unsure import Learner, UnsureCalculator
from tests.drivers.labelers.laboratory import COPPER, connected, do, fcc

MOMENTS = Moments(("Cu", "Au"), cutoff=5.0, pair=6, many=3)
SETTINGS: dict[str, Any] = {
    "expensive": "drivers.labelers.workers.emt:EMTCode", "expensive_settings": {"asap_cutoff": False},
    "expensive_places": {}, "expensive_fidelity": "potential", "elements": ["Cu", "Au"], "cutoff": 5.5,
    "threshold": 0.005, "force_threshold": 0.1, "audit": 0,
}  # fmt: skip
DYNAMICS = {"temperature": 500.0, "steps": 50, "timestep": 2.0}


def alloy(seed: int, rattle: float = 0.08) -> Atoms:
    """Four atoms of copper and gold in a bent cell, off their places."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", "fcc", a=rng.uniform(3.6, 4.0), cubic=True)
    atoms.symbols[rng.random(4) < 0.5] = "Au"
    atoms.set_cell(atoms.cell.array + rng.normal(0, 0.05, (3, 3)), scale_atoms=True)
    atoms.positions += rng.normal(0, rattle, (4, 3))
    return atoms


def label(bench: Bench, memory: Path, atoms: Atoms, verb: str = "energy", **settings: Any) -> Ended:
    of_verb: dict[str, dict[str, Any]] = {
        "relax": {"fmax": 0.03, "max_steps": 300, "cell": "free"},
        "dynamics": DYNAMICS | {"seed": settings.pop("run", 0)},
    }  # fmt: skip
    arguments = of_verb.get(verb, {})
    job = {
        "verb": verb, "structure": record_of(atoms), "arguments": arguments,
        "worker": "drivers.labelers.workers.unsure:UnsureCode",
        "settings": {**SETTINGS, "memory": str(memory), **settings},
    }  # fmt: skip
    ended = bench.carry_out(job, lambda partial: None)
    json.dumps(ended.to_json(), allow_nan=False)
    return ended


def test_forces_and_stress_are_slopes_of_the_energy() -> None:
    atoms, h = alloy(3), 1e-5
    weights = np.random.default_rng(0).normal(size=MOMENTS.size)
    rows = MOMENTS.rows(atoms)

    def slope(moved: Any) -> float:
        ends = []
        for step in (-h, h):
            copy = atoms.copy()
            moved(copy, step)
            ends.append(float(MOMENTS.rows(copy).energy @ weights))
        return (ends[1] - ends[0]) / (2 * h)

    for at in range(12):

        def push(copy: Atoms, step: float, at: int = at) -> None:
            copy.positions[at // 3, at % 3] += step

        assert float(rows.forces[at] @ weights) == pytest.approx(-slope(push), rel=1e-6, abs=1e-6)
    for row, (a, b) in enumerate(VOIGT):

        def strain(copy: Atoms, step: float, a: int = a, b: int = b) -> None:
            bent = np.eye(3)
            bent[a, b] += step / 2
            bent[b, a] += step / 2
            copy.set_cell(copy.cell.array @ bent, scale_atoms=True)

        expected = slope(strain) / atoms.get_volume()
        assert float(rows.stress[row] @ weights) == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_features_do_not_know_the_frame_the_cell_or_the_order() -> None:
    atoms = alloy(1)
    energy = MOMENTS.rows(atoms).energy
    turned = atoms.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    assert MOMENTS.rows(turned).energy == pytest.approx(energy, rel=1e-9, abs=1e-9)
    assert MOMENTS.rows(atoms[[2, 0, 3, 1]]).energy == pytest.approx(energy, rel=1e-9, abs=1e-9)
    assert MOMENTS.rows(atoms.repeat((2, 1, 1))).energy == pytest.approx(2 * energy, rel=1e-9, abs=1e-9)
    with pytest.raises(ValueError, match="wanted atoms of Cu, Au"):
        MOMENTS.rows(bulk("Al"))


def test_doubt_shrinks_with_what_was_learned_and_is_large_far_from_it() -> None:
    moments = Moments(("Cu", "Au"))
    potential = LinearPotential(moments.size)
    asked = [alloy(1000 + seed) for seed in range(15)]
    truth = []
    for one in asked:
        one.calc = EMT()
        truth.append(one.get_potential_energy() / 4)
    rows = [moments.rows(one) for one in asked]
    errors, doubts = [], []
    for seed in range(60):
        one = alloy(seed)
        one.calc = EMT()
        potential.learn(moments.rows(one), one.get_potential_energy(), one.get_forces(), one.get_stress())
        if seed in (4, 59):
            said = [potential.predict(row) for row in rows]
            off = [s.energy / 4 - t for s, t in zip(said, truth, strict=True)]
            errors.append(np.sqrt(np.mean(np.square(off))))
            doubts.append(np.mean([s.energy_sd for s in said]))
    assert errors[1] < 0.02 < errors[0] and doubts[1] < doubts[0] / 10
    far = potential.predict(moments.rows(alloy(7, rattle=0.5)))
    assert far.energy_sd > 5 * doubts[1]
    only_copper = LinearPotential(moments.size)
    copper = bulk("Cu", cubic=True)
    only_copper.learn(moments.rows(copper), 0.0, np.zeros((4, 3)), np.zeros(6))
    assert only_copper.strange(moments.rows(alloy(0))) and not only_copper.strange(moments.rows(copper))


def test_trust_is_a_rank_of_what_was_seen() -> None:
    trust = Trust()
    assert trust.half_width == ASSUMED
    trust.add(30.0)
    assert trust.half_width == 30.0
    for score in range(1, 20):
        trust.add(float(score))
    assert trust.half_width == 19.0  # ceil(21 * 0.9) = 19th of 1 to 19 and 30, from below
    assert FEWEST == 9


def test_a_memory_survives_a_killed_writer_and_is_read_by_others(tmp_path: Path) -> None:
    one, other = Memory(tmp_path / "m.jsonl"), Memory(tmp_path / "m.jsonl")
    one.add({"n": 1})
    with one.path.open("ab") as file:
        file.write(b'{"n": 2, "forc')  # killed
    other.add({"n": 3})
    assert [line["n"] for line in one.news()] == [1, 3] == [line["n"] for line in other.news()]
    assert list(one.news()) == []


def test_it_calculates_where_unsure_learns_and_then_answers_within_its_threshold(tmp_path: Path) -> None:
    bench, memory = Bench(), tmp_path / "m.jsonl"
    first = label(bench, memory, alloy(0))
    assert first.record["unsure"]["answered_by"] == "expensive" and first.record["fidelity"] == "potential"
    structures = [alloy(seed, rattle=0.03) for seed in range(150)]
    ended = [label(bench, memory, one) for one in structures]
    truths = []
    for one in structures:
        one.calc = EMT()
        truths.append(one.get_potential_energy() / 4)
    error = np.array([e.readings["energy"] for e in ended]) - truths
    by = np.array([e.record["unsure"]["answered_by"] for e in ended])
    assert error[by == "expensive"] == pytest.approx(0.0, abs=1e-10)
    late = by[-60:]
    assert np.mean(late == "ensemble") > 0.3
    assert np.mean(np.abs(error[by == "ensemble"]) <= 0.005) >= 0.9
    assert "fidelity" not in ended[int(np.flatnonzero(by == "ensemble")[0])].record
    # Another process goes on from what this one has learned.
    again = label(Bench(), memory, structures[-1])
    assert again.record["unsure"]["learned_from"] == ended[-1].record["unsure"]["learned_from"]
    # What it does not know is calculated: another element, magnetic moments.
    assert label(bench, memory, bulk("Al", cubic=True)).record["unsure"]["answered_by"] == "expensive"


def test_a_full_disk_costs_what_would_be_learned_and_no_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Memory, line: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Memory, "add", full)
    ended = label(Bench(), tmp_path / "m.jsonl", alloy(0))
    assert not ended.failed and "No space left" in ended.record["unsure"]["memory_fault"]
    (tmp_path / "n.jsonl").mkdir()
    unreadable = label(Bench(), tmp_path / "n.jsonl", alloy(0))
    assert unreadable.failed and unreadable.reason.startswith("memory: ") and not unreadable.lasting


def test_what_is_learned_are_the_forces_and_not_what_a_constraint_leaves_of_them(tmp_path: Path) -> None:
    atoms, memory = alloy(2), Memory(tmp_path / "m.jsonl")
    atoms.set_constraint(FixAtoms([0]))
    atoms.calc = UnsureCalculator(EMT(), Learner(MOMENTS, 0.005, 0.1, memory))
    assert np.all(atoms.get_forces()[0] == 0)
    free = alloy(2)
    free.calc = EMT()
    (line,) = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert np.allclose(line["forces"], free.get_forces()) and np.abs(free.get_forces()[0]).max() > 0.01


def test_atoms_without_neighbours_have_no_slopes() -> None:
    alone = Atoms("Cu", cell=np.eye(3) * 20, pbc=True)
    rows = MOMENTS.rows(alone)
    assert np.count_nonzero(rows.energy) == 1 and not rows.forces.any() and not rows.stress.any()


def test_a_relaxation_is_answered_by_both_and_audits_are_said(tmp_path: Path) -> None:
    bench, memory = Bench(), tmp_path / "m.jsonl"
    shares, off = [], []
    for seed in range(4):
        mixed = label(bench, memory, alloy(seed), "relax", audit=5)
        exact = alloy(seed)
        exact.calc = EMT()
        true = Bench().carry_out(
            {
                "verb": "relax", "structure": record_of(exact), "worker": SETTINGS["expensive"],
                "arguments": {"fmax": 0.03, "max_steps": 300, "cell": "free"}, "settings": {"asap_cutoff": False},
            },
            lambda partial: None,
        )  # fmt: skip
        assert not mixed.failed and not true.failed
        said = mixed.record["unsure"]
        shares.append(said["calculated"] / said["asked"])
        off.append(abs(mixed.readings["energy"] - true.readings["energy"]))
    assert min(shares) < 0.5 and np.median(off) < 0.005
    assert any(
        len(label(bench, memory, alloy(9), "relax", audit=2).record["unsure"]["audited_errors"]) for _ in "1"
    )


def test_dynamics_are_calculated_where_unsure_and_go_where_the_code_would_go(tmp_path: Path) -> None:
    bench, memory, code = Bench(), tmp_path / "m.jsonl", "drivers.labelers.workers.emt:EMTCode"
    atoms = bulk("Cu", "fcc", a=3.75, cubic=True)
    atoms.symbols[0] = "Au"
    first, second = (label(bench, memory, atoms, "dynamics", run=seed) for seed in (3, 4))
    asked = [one.record["unsure"]["asked"] for one in (first, second)]
    calculated = [one.record["unsure"]["calculated"] for one in (first, second)]
    assert asked == [51, 51] and 0 < calculated[0] < 15 and calculated[1] < 5
    job = {
        "verb": "dynamics", "structure": record_of(atoms), "arguments": DYNAMICS | {"seed": 4},
        "worker": code, "settings": SETTINGS["expensive_settings"],
    }  # fmt: skip
    truth = bench.carry_out(job, lambda partial: None)
    # The same velocities and kicks: the paths part only by the errors of the forces.
    assert second.readings["energy"] == pytest.approx(truth.readings["energy"], abs=SETTINGS["threshold"])
    apart = np.array(second.record["displacements"]) - np.array(truth.record["displacements"])
    assert 0 < np.abs(apart).max() < 0.05


async def test_the_driver_wraps_any_labeler_and_refuses_what_is_none(tmp_path: Path) -> None:
    wraps = {"expensive": "labeler.emt", "elements": ["Au", "Cu"]}
    async with connected(UnsureLabeler, tmp_path, **wraps) as labeler:
        outcome = await do(labeler, "energy", COPPER)
        assert outcome.status == "succeeded" and outcome.record["unsure"]["answered_by"] == "expensive"
        assert outcome.record["code"] == "unsure ASE EMT"
        assert len(list((tmp_path / "learned").glob("*.jsonl"))) == 1
        iron = await do(labeler, "energy", fcc("Fe", 2.8))
        assert iron.status == "failed" and "EMT has no potential for Fe" in iron.reason
    for wrong, complaint in [
        ({"expensive": "labeler.none", "elements": ["Cu"]}, "labeler.none"),
        ({"expensive": "sim.furnace", "elements": ["Cu"]}, "wanted a labeler"),
        ({"expensive": "labeler.unsure", "elements": ["Cu"]}, "wanted a labeler"),
        ({"expensive": "labeler.emt", "elements": ["Xq"]}, "unknown element Xq"),
        ({"expensive": "labeler.emt", "elements": ["Cu", "Cu"]}, "wanted each once"),
        (
            {"expensive": "labeler.emt", "elements": ["Cu"], "expensive_settings": {"x": 1}},
            "expensive_settings.x",
        ),
    ]:
        with pytest.raises(SettingsError, match=complaint):
            UnsureLabeler.describe(UnsureLabeler.Settings.model_validate(wrong))
